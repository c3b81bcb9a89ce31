internal import ArgumentParser
internal import CommandSupport
internal import DifferentialPrivacy
internal import Foundation

/// `tacit calibrate`: the one parameter that is not given, so that a budget is kept.
struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate", abstract: "The noise, rate, rounds, δ or ε that go with all the others.",
    discussion: """
      tacit calibrate --solve noise --sampling poisson --rate 0.01 --rounds 1000 --epsilon 2 --delta 1e-6 --adjacency add-remove
      tacit calibrate --solve rounds --noise-multiplier 1 --sampling poisson --rate 0.01 --epsilon 2 --delta 1e-6 --adjacency add-remove

      The answer is on the safe side. ε itself: tacit epsilon.
      """)

  enum Unknown: String, CaseIterable { case noise, rate, rounds, delta, epsilon }

  @OptionGroup var question: MechanismOptions
  @Option(name: .customLong("solve"), help: "What is looked for; noise is the multiplier, scale, σ or variance.")
  var unknown: Choice<Unknown>
  @Option(parsing: .unconditional, help: "ε of the budget; not needed to find ε.") var epsilon: Double?
  @Option(parsing: .unconditional, help: "δ of the budget; not needed to find δ.") var delta: Double?
  @Option(help: "Which data sets are neighbours; must be given.") var adjacency: Choice<AdjacencyName>?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws {
    try Failures.report {
      let solve = try unknown.value("solve")
      if solve == .epsilon { return try tellEpsilon() }
      guard let epsilon else { throw CommandFailure(.usage, "no --epsilon; expected the ε of the budget, a number above 0") }
      let value = try solution(solve, epsilon)
      guard value.isFinite else { throw CommandFailure(.configuration, "no finite value keeps this budget; allow a larger one") }
      switch format {
      case .json: try Console.outputJSON(Solution(unknown: solve.rawValue, value: value, epsilon: epsilon))
      case .text: Console.output("\(solve.rawValue) = \(solve == .rounds ? "\(Int(value))" : "\(value)") keeps ε = \(epsilon)")
      }
    }
  }

  private struct Solution: Encodable {
    let unknown: String
    let value: Double
    let epsilon: Double
  }

  /// With everything else given, ε is a question for the accountant.
  private func tellEpsilon() throws {
    let neighbours = try neighbours()
    guard let delta else { throw CommandFailure(.usage, "no --delta; expected a number well below 1/(number of users)") }
    let bound = try Accounting.best(for: PrivacyLossSummary(question.event(), adjacency: neighbours), delta: delta)
    guard bound.epsilon.isFinite else { throw EpsilonCommand.noFiniteEpsilon(delta) }
    switch format {
    case .json: try Console.outputJSON(Solution(unknown: Unknown.epsilon.rawValue, value: bound.epsilon, epsilon: bound.epsilon))
    case .text: Console.output("epsilon = \(bound.epsilon) at δ = \(delta)")
    }
  }

  private func neighbours() throws -> Adjacency {
    guard let adjacency = try adjacency?.value("adjacency").adjacency else { throw EpsilonCommand.noAdjacency }
    return adjacency
  }

  private func solution(_ solve: Unknown, _ epsilon: Double) throws -> Double {
    let adjacency = try neighbours()
    if solve == .delta { return try Calibration.delta(epsilon: epsilon, adjacency: adjacency, question.event()) }
    guard let delta else { throw CommandFailure(.usage, "no --delta; expected a number well below 1/(number of users)") }
    let budget = try PrivacyBudget(epsilon: epsilon, delta: delta)
    // A refusal of the event itself is the answer.
    func parameters(_ body: () throws(CommandFailure) -> MechanismEvent) throws(PrivacyParameterError) -> MechanismEvent {
      do throws(CommandFailure) { return try body() } catch { throw PrivacyParameterError(error.description) }
    }
    switch solve {
    case .noise:
      let (name, isNoiseless) = (try question.mechanism.rawValue, try isNoiseless)
      guard question.event == nil, !isNoiseless else {
        throw CommandFailure(.usage, "\(name) has no noise to solve for; give its parameters and use tacit epsilon")
      }
      return try Calibration.noise(for: budget, adjacency: adjacency) { value throws(PrivacyParameterError) in
        try parameters { () throws(CommandFailure) in try question.event(noise: value) }
      }
    case .rate:
      guard try question.sampling != .none else {
        throw CommandFailure(.usage, "a rate is looked for without sampling; expected --sampling poisson or another")
      }
      return try Calibration.rate(for: budget, adjacency: adjacency) { value throws(PrivacyParameterError) in
        try parameters { () throws(CommandFailure) in try question.event(rate: value) }
      }
    case .rounds:
      return Double(
        try Calibration.rounds(for: budget, adjacency: adjacency) { value throws(PrivacyParameterError) in
          try parameters { () throws(CommandFailure) in try question.event(rounds: value) }
        })
    case .delta, .epsilon: return .nan
    }
  }

  private var isNoiseless: Bool {
    get throws {
      switch try question.mechanism {
      case .discreteLaplace, .randomizedResponse, .zcdp, .renyiCurve: true
      default: false
      }
    }
  }
}
