internal import CommandSupport
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import Yams

/// Everything that `tacit simulate` can be told, from defaults, a YAML file and flags, in that order of precedence.
struct SimulationSettings: Sendable, Equatable {
  var data = "synthetic"
  var partners = "5"
  var algorithm = "mf"
  var epsilon: Double = 8
  var delta: Double = 1e-6
  /// Training rounds, for algorithms whose number of rounds can be chosen.
  var rounds: Int?
  var noise = "central"
  var maxPartnersPerUser = 1
  var dropout: Double = 0
  var secureAggregation = true
  var seed: UInt64 = 1
  var output: String?
  /// Algorithm parameters by name, for instance `dimension: 32`.
  var parameters: [String: Double] = [:]
  /// Sources of item features, separated by commas: attributes, text, files.
  var itemFeatures: String?
  /// Shares of users and of items that are left out of training, to judge cold start on.
  var holdOutUsers: Double = 0
  var holdOutItems: Double = 0
  var samplingRate: Double = 1
  var colluders = 1
  var threshold: Int?
  var graph = "auto"
  var minimumPartners: Int?
  var attempts = 3
  var reserveAttempts = 0
  var suite = "aes256-ctr"
  var nominalUsers: Int?
  var evaluationShare: Double = 0.02
  var baselines = true
  var stragglers: Double = 0
  var lyingCoordinator = "none"
  var insecureTestRandomness = false
  /// Hold out the last training interaction of every user instead of reading the test file.
  var validation = false
  var topN = 100
  var halfLife: Double?
  /// Says that this run belongs to a search over settings on these data; every ledger of the run records it.
  var search: String?
  /// A folder of ledgers that outlive the run, and the most that they may spend over all runs.
  var ledgers: String?
  var cap: PrivacyBudget?

  /// The keys of the YAML file; the flags have the same names.
  static let keys = [
    "data", "partners", "algorithm", "epsilon", "delta", "rounds", "noise", "max-partners-per-user", "dropout",
    "secure-aggregation", "seed", "output", "parameters", "sampling-rate", "colluders", "threshold", "graph",
    "minimum-partners", "attempts", "reserve-attempts", "suite", "nominal-users", "evaluation-share", "baselines",
    "stragglers", "lying-coordinator", "insecure-test-randomness", "validation", "top-n", "half-life", "search",
    "item-features", "hold-out-users", "hold-out-items", "ledgers", "cap",
  ]

  /// Reads a YAML mapping; unknown keys are refused with the nearest known one.
  ///
  /// - Throws: `CommandFailure` that names file, key, what was found and what was expected.
  mutating func merge(yaml: String, file: String) throws {
    let node: Node?
    do { node = try Yams.compose(yaml: yaml) } catch {
      throw CommandFailure(.configuration, "\(file): not valid YAML: \(Self.oneLine("\(error)"))")
    }
    guard let node else { throw CommandFailure(.configuration, "\(file): the file is empty; expected `key: value` lines") }
    guard let mapping = node.mapping else {
      throw CommandFailure(.configuration, "\(file): expected `key: value` lines at the top level")
    }
    for (keyNode, value) in mapping {
      let key = keyNode.string ?? ""
      guard Self.keys.contains(key) else {
        let hint = NearestName.match(key, among: Self.keys).map { "did you mean '\($0)'?" }
        throw CommandFailure(
          .configuration,
          "\(file): unknown key '\(key)'; \(hint ?? "expected one of \(Self.keys.joined(separator: ", "))")")
      }
      if key == "parameters" {
        guard let entries = value.mapping else {
          throw CommandFailure(.configuration, "\(file): 'parameters' must be a mapping of names to numbers")
        }
        for (name, number) in entries {
          guard let name = name.string, let number = number.float else {
            throw CommandFailure(.configuration, "\(file): parameters must be `name: number`")
          }
          parameters[name] = number
        }
        continue
      }
      guard let text = value.scalar?.string else {
        throw CommandFailure(.configuration, "\(file): '\(key)' must be a single value")
      }
      try set(key, to: text, source: file)
    }
  }

  /// A parser's message, which may quote lines of the file, in one line.
  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
      .filter { !$0.isEmpty && $0 != "^" }.joined(separator: " ")
  }

  /// What `--set` says.
  ///
  /// - Throws: `CommandFailure` for anything that is no name=number, and for a name that is there twice.
  static func parameters(_ assignments: [String]) throws -> [String: Double] {
    var parameters: [String: Double] = [:]
    for assignment in assignments {
      let parts = assignment.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, let number = Double(parts[1]), number.isFinite else {
        throw CommandFailure(.usage, "--set is '\(assignment)'; expected name=number such as dimension=32")
      }
      guard parameters.updateValue(number, forKey: String(parts[0])) == nil else {
        throw CommandFailure(.usage, "--set names '\(parts[0])' twice; expected it once")
      }
    }
    return parameters
  }

  /// `EPSILON,DELTA`.
  static func budget(_ text: String) -> PrivacyBudget? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard parts.count == 2, let epsilon = parts[0], let delta = parts[1] else { return nil }
    return try? PrivacyBudget(epsilon: epsilon, delta: delta)
  }

  /// Sets one value by its key, from YAML or a flag.
  mutating func set(_ key: String, to text: String, source: String) throws {
    func fail(_ expected: String) -> CommandFailure {
      CommandFailure(.configuration, "\(source): '\(key)' is '\(text)'; expected \(expected)")
    }
    func number(_ expected: String, _ valid: (Double) -> Bool) throws -> Double {
      guard let value = Double(text), value.isFinite, valid(value) else { throw fail(expected) }
      return value
    }
    func integer(_ expected: String, _ valid: (Int) -> Bool) throws -> Int {
      guard let value = Int(text), valid(value) else { throw fail(expected) }
      return value
    }
    func flag() throws -> Bool {
      switch text.lowercased() {
      case "on", "true", "yes": return true
      case "off", "false", "no": return false
      default: throw fail("on or off")
      }
    }
    func choice(_ options: [String]) throws -> String {
      guard options.contains(text) else {
        let hint = NearestName.match(text, among: options).map { " (did you mean '\($0)'?)" } ?? ""
        throw fail("one of \(options.joined(separator: ", "))\(hint)")
      }
      return text
    }
    switch key {
    case "data": data = text
    case "partners": partners = text
    case "algorithm": algorithm = try choice(AlgorithmChoice.names)
    case "epsilon": epsilon = try number("a number above 0", { $0 > 0 })
    case "delta": delta = try number("a number above 0 and below 1, such as 1e-6", { $0 > 0 && $0 < 1 })
    case "rounds": rounds = try integer("a whole number from 1 to 100000", { (1...100_000).contains($0) })
    case "noise": noise = try choice(["central", "distributed", "none"])
    case "max-partners-per-user": maxPartnersPerUser = try integer("a whole number, 1 or larger", { (1...1000).contains($0) })
    case "dropout": dropout = try number("a probability from 0 to below 1", { $0 >= 0 && $0 < 1 })
    case "secure-aggregation": secureAggregation = try flag()
    case "seed":
      guard let value = UInt64(text) else { throw fail("a whole number, 0 or larger") }
      seed = value
    case "output": output = text
    case "search":
      guard TrainingPlan.isSearchName(text) else {
        throw fail("a name of 1 to 200 bytes without control characters")
      }
      search = text
    case "ledgers": ledgers = text
    case "cap":
      guard let budget = Self.budget(text) else { throw fail("EPSILON,DELTA such as 16,1e-6") }
      cap = budget
    case "sampling-rate": samplingRate = try number("a rate above 0 and at most 1", { $0 > 0 && $0 <= 1 })
    case "colluders": colluders = try integer("a whole number, 0 or larger", { $0 >= 0 })
    case "threshold": threshold = try integer("a whole number, 2 or larger", { $0 >= 2 })
    case "graph": graph = try choice(["auto", "complete", "drawn"])
    case "minimum-partners": minimumPartners = try integer("a whole number, 2 or larger", { $0 >= 2 })
    case "attempts": attempts = try integer("a whole number from 1 to 100", { (1...100).contains($0) })
    case "reserve-attempts": reserveAttempts = try integer("a whole number from 0 to 1000", { (0...1000).contains($0) })
    case "suite": suite = try choice(SuiteChoice.allCases.map(\.rawValue))
    case "nominal-users": nominalUsers = try integer("a whole number from 1 to 2^40", { (1...1 << 40).contains($0) })
    case "evaluation-share":
      evaluationShare = try number("a share of the budget from 0 (no private evaluation) to 0.5", { (0...0.5).contains($0) })
    case "baselines": baselines = try flag()
    case "stragglers": stragglers = try number("a probability from 0 to below 1", { $0 >= 0 && $0 < 1 })
    case "lying-coordinator":
      lyingCoordinator = try choice(["none", "split-survivors", "small-cohort", "swap-model", "forge-key", "rewrite-ledger"])
    case "insecure-test-randomness": insecureTestRandomness = try flag()
    case "validation": validation = try flag()
    case "top-n": topN = try integer("a whole number from 1 to 1000", { (1...1000).contains($0) })
    case "item-features": itemFeatures = text == "none" ? nil : text
    case "hold-out-users": holdOutUsers = try number("a share from 0 to 0.5", { (0...0.5).contains($0) })
    case "hold-out-items": holdOutItems = try number("a share from 0 to 0.5", { (0...0.5).contains($0) })
    case "half-life": halfLife = try number("a number of items above 0", { $0 > 0 })
    default: throw CommandFailure(.configuration, "\(source): unknown key '\(key)'")
    }
  }
}
