internal import ArgumentParser
internal import CommandSupport
internal import DifferentialPrivacy
internal import Foundation

/// `tacit epsilon`: what releases cost.
struct EpsilonCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "epsilon", abstract: "What releases cost: ε from above and below, and the theorem behind it.",
    discussion: """
      tacit epsilon --noise-multiplier 1 --sampling poisson --rate 0.01 --rounds 1000 --delta 1e-6 --adjacency add-remove
      tacit epsilon --rows FILE.json answers every row of a table of published values, a JSON line each.

      Noise is relative to one user's contribution; the adjacency, which is never guessed, decides how far neighbours are apart.
      """)

  enum Method: String, CaseIterable {
    case best, pld, rdp, exact
    case analyticGaussian = "analytic-gaussian"
  }

  @OptionGroup var question: MechanismOptions
  @Option(parsing: .unconditional, help: "δ, above 0 and below 1.") var delta: Double?
  @Option(help: "Which data sets are neighbours; must be given.") var adjacency: Choice<AdjacencyName>?
  @Option(help: "Which accountant answers.") var accountant = Choice(Method.best)
  @Option(help: ArgumentHelp("A table of published values to answer, row by row.", valueName: "file")) var rows: String?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws { try Failures.report { try rows.map(answer) ?? ask() } }

  static var noAdjacency: CommandFailure {
    CommandFailure(
      .usage, "no --adjacency; expected add-remove, replace-one or zero-out (the distance between neighbours changes with it)")
  }

  static func noFiniteEpsilon(_ delta: Double) -> CommandFailure {
    CommandFailure(.configuration, "no finite ε can be proven at δ = \(delta): expected more noise or a larger δ")
  }

  private func ask() throws {
    guard let adjacency = try adjacency?.value("adjacency").adjacency else {
      throw Self.noAdjacency
    }
    guard let delta else { throw CommandFailure(.usage, "no --delta; expected a number well below 1/(number of users)") }
    let method = try accountant.value("accountant")
    let loss = try PrivacyLossSummary(question.event(), adjacency: adjacency)
    let bound: PrivacyBound
    switch method {
    case .best: bound = try Accounting.best(for: loss, delta: delta)
    case .pld: bound = try Accounting.bound(for: loss, delta: delta, by: LossDistributionAccountant())
    case .rdp: bound = try Accounting.bound(for: loss, delta: delta, by: RenyiAccountant())
    case .exact: bound = try Accounting.bound(for: loss, delta: delta, by: ExactAccountant())
    case .analyticGaussian: bound = try Accounting.bound(for: loss, delta: delta, by: AnalyticGaussianAccountant())
    }
    guard bound.epsilon.isFinite else { throw Self.noFiniteEpsilon(delta) }
    let answer = Answer(bound)
    switch format {
    case .json: try Console.outputJSON(answer)
    case .text:
      Console.output("ε = \(answer.epsilon) at δ = \(delta), \(adjacency.rawValue) (at least \(answer.lower))")
      if bound.rho.isFinite {
        Console.output("ρ = \(bound.rho) (zCDP)" + (bound.mu.isFinite ? ", μ = \(bound.mu) (GDP)" : ""))
      }
      Console.output("by \(answer.accountant): \(answer.theorem)")
    }
  }

  /// The answer in JSON: these four members and no other.
  private struct Answer: Encodable {
    let epsilon: Double
    let lower: Double
    let accountant: String
    let theorem: String

    init(_ bound: PrivacyBound) {
      epsilon = bound.epsilon
      lower = bound.lowerEpsilon
      accountant = bound.accountant
      theorem = bound.theorem
    }
  }

  // MARK: rows

  private func answer(_ path: String) throws {
    let data: Data
    do { data = try Data(contentsOf: URL(fileURLWithPath: path)) } catch {
      throw CommandFailure(.noInput, "\(path) cannot be read; expected a table of rows in JSON")
    }
    let table: ReferenceTable
    do { table = try JSONDecoder().decode(ReferenceTable.self, from: data) } catch {
      throw CommandFailure(
        .data, "\(path) is no table of rows; expected {\"rows\": [{\"id\", \"mechanism\", \"accountant\", …}, …]}")
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var failed = 0
    for row in table.rows {
      let answer = row.answer()
      if answer.verdict == .fail { failed += 1 }
      Console.output(String(decoding: try encoder.encode(RowLine(answer)), as: UTF8.self))
    }
    guard !table.rows.isEmpty else { throw CommandFailure(.data, "\(path) holds no rows; expected at least one") }
    if failed > 0 { throw CommandFailure(.notVerified, "\(failed) of \(table.rows.count) rows failed") }
  }

  /// One line of output; `reason` says why a row failed, or what its convention leaves out.
  private struct RowLine: Encodable {
    let id: String
    let value: RowValue?
    let verdict: String
    let reason: String?

    init(_ answer: ReferenceAnswer) {
      id = answer.id
      value = answer.value.map { RowValue(number: $0) }
      verdict = answer.verdict.rawValue
      reason = answer.why ?? answer.caveat
    }
  }

  /// A number; infinity is text, as in the table.
  private struct RowValue: Encodable {
    let number: Double

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      if number.isFinite { try container.encode(number) } else { try container.encode("inf") }
    }
  }
}
