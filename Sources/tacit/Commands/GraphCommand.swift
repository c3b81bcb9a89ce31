internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import SecureAggregation

/// `tacit graph`: which graph a roster needs, and what it is worth.
struct GraphCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "graph", abstract: "Solve degree and threshold of a sparse aggregation graph, exactly.",
    discussion: "The drawn graph is the one that Tacit uses; the Harary graph is the published one, for comparison.")

  @Option(help: "Partners n.") var partners: Int
  @Option(help: "Share of partners that are corrupt, γ.") var corrupt = 0.1
  @Option(help: "Share of partners that may be missing, δ.") var dropouts = 0.1
  @Option(help: "lying, curious or none: what the server does.") var adversary = "lying"
  @Option(help: "σ: privacy fails with a probability of at most 2^−σ.") var securityBits = 40
  @Option(help: "η: an attempt fails with a probability of at most 2^−η.") var correctnessBits = 20
  @Option(help: "text or json.") var format: OutputFormat = .text

  private struct Row: Codable {
    var partners: Int
    var recommended: String
    var holders: Int?
    var maskDraws: Int?
    var threshold: Int?
    var minimumSurvivors: Int?
    var meanMaskPeers: Double?
    var hararyDegree: Int?
    var hararyThreshold: Int?
  }

  func run() throws {
    try Failures.report {
      guard let adversary = GraphAdversary(rawValue: adversary) else {
        throw CommandFailure(.usage, "--adversary is '\(adversary)'; expected lying, curious or none")
      }
      let requirements = GraphRequirements(
        participants: partners, corruptShare: corrupt, dropoutShare: dropouts, adversary: adversary,
        securityBits: securityBits, correctnessBits: correctnessBits)
      var row = Row(partners: partners, recommended: "complete")
      do throws(AggregationParameterError) {
        if let drawn = try DrawnGraphSolver.solve(requirements) {
          row.holders = drawn.holders
          row.maskDraws = drawn.maskDraws
          row.threshold = drawn.threshold
          row.minimumSurvivors = drawn.minimumSurvivors
          row.meanMaskPeers = drawn.meanMaskPeers
        }
        if try DrawnGraphSolver.choose(requirements) != nil { row.recommended = "drawn" }
        if let harary = try HararySolver.solve(requirements) {
          row.hararyDegree = harary.degree
          row.hararyThreshold = harary.threshold
        }
      } catch { throw CommandFailure(.usage, error.description) }
      try print(row)
    }
  }

  private func print(_ row: Row) throws {
    if format == .json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      Console.output(String(decoding: try encoder.encode(row), as: UTF8.self))
      return
    }
    if let holders = row.holders, let maskDraws = row.maskDraws, let threshold = row.threshold,
      let minimum = row.minimumSurvivors, let peers = row.meanMaskPeers
    {
      Console.output(
        "drawn graph    k = \(holders) holders, m = \(maskDraws) mask draws, t = \(threshold), n_min = \(minimum); \(String(format: "%.1f", peers)) masks a partner"
      )
    } else {
      Console.output("drawn graph    none")
    }
    if let degree = row.hararyDegree, let threshold = row.hararyThreshold {
      Console.output("Harary graph   k = \(degree), t = \(threshold) (published; not built)")
    } else {
      Console.output("Harary graph   none")
    }
    let threshold = AggregationParameters.defaultThreshold(row.partners)
    Console.output("complete graph t = \(threshold), \(row.partners - 1) masks a partner")
    Console.output("recommended    \(row.recommended)")
  }
}
