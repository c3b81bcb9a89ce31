internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import Recommender

/// `tacit parameters`: what `--set` and a plan's `parameters` take.
struct ParametersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "parameters",
    abstract: "What an algorithm's parameters are called, what they mean, and their defaults.",
    discussion: """
      Defaults depend on what is known before any data are seen: how many items there are, and users over noise multiplier (N/z) in a \
      plan with noise. A dash stands for a parameter that is not set. They are given as --set NAME=NUMBER, or in a plan as \
      parameters: [NAME=NUMBER].
      """)

  @Argument(help: "One of the algorithms; without it, all are listed.") var algorithm: String?
  @Option(help: "Items in the catalogue.") var items = 3000
  @Option(help: "Users over noise multiplier of the plan with noise.") var usersOverNoise = 10_000.0
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws { try Failures.report { try execute() } }

  private struct Row: Encodable {
    let algorithm: String
    let parameter: String
    let meaning: String
    let withoutNoise: Double?
    let withNoise: Double?
  }

  private func execute() throws {
    guard items > 0, usersOverNoise > 0, usersOverNoise.isFinite else {
      throw CommandFailure(
        .usage, "found \(items) items and N/z = \(usersOverNoise); expected at least one item, and a number above 0")
    }
    let names = algorithm.map { [$0] } ?? AlgorithmRegistry.names
    var rows: [Row] = []
    for name in names {
      let (plain, noised) = (try defaults(name, nil), try defaults(name, usersOverNoise))
      rows += AlgorithmRegistry.parameters(of: name).map {
        Row(algorithm: name, parameter: $0.name, meaning: $0.meaning, withoutNoise: plain[$0.name], withNoise: noised[$0.name])
      }
    }
    if format == .json { return try Console.outputJSON(rows) }
    func number(_ value: Double?) -> String { value.map { String(format: "%g", $0) } ?? "-" }
    for name in names {
      var table = TextTable(header: [name, "no noise", "with noise", "what it is"])
      for row in rows where row.algorithm == name {
        table.add([row.parameter, number(row.withoutNoise), number(row.withNoise), row.meaning])
      }
      Console.output((name == names[0] ? "" : "\n") + table.text)
    }
    Console.output("\nDefaults for \(items) items, and with noise for N/z = \(number(usersOverNoise)).")
  }

  private func defaults(_ name: String, _ signal: Double?) throws -> [String: Double] {
    do {
      return try AlgorithmRegistry.resolve(name, [:], setting: .init(itemCount: items, usersOverNoise: signal, rounds: nil))
    } catch { throw CommandFailure(.usage, "\(error)") }
  }
}
