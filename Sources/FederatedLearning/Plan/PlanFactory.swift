public import CryptoPrimitives
public import Recommender
public import SecureAggregation

/// What people decide about a plan, with a default for everything that can have one; `PlanFactory` computes the rest.
public struct PlanDecisions: Sendable, Equatable {
  /// A readable name for people.
  public var task: String
  /// A name of the registry, or `AlgorithmChoice.automatic`.
  public var algorithm: String
  /// Given parameters of the algorithm; the others get their defaults.
  public var parameters: [String: Double] = [:]
  /// Training rounds, for algorithms whose number of rounds can be chosen.
  public var rounds: Int?
  public var halfLife: Double?
  /// Whether the partners' histories are in the order of time, for the defaults of parameters that let history fade.
  public var isOrdered = true
  public var modelSeed: UInt64 = 1
  public var noise: NoiseMode = .central
  public var epsilon: Double = 8
  public var delta: Double = 1e-6
  /// N: a rounded constant of the contract.
  public var nominalUsers: Int
  public var maximumPartnersPerUser = 1
  public var samplingRate: Double = 1
  /// Share of the budget for one noised evaluation at the end; 0 plans none.
  public var evaluationShare: Double = 0
  public var isSecure = true
  /// Shamir threshold; by default ⌊2n/3⌋+1.
  public var threshold: Int?
  /// The fewest partners in a sum; by default the threshold, at least 3.
  public var minimumPartners: Int?
  public var colluders = 1
  /// Between whom shares and masks pass.
  public var graph: GraphChoice = .complete
  /// 1 AES-256-CTR, 2 ChaCha20.
  public var suite: UInt8 = 1
  public var attempts = 3
  public var reserveAttempts = 0
  public var usesInsecureTestRandomness = false
  /// Name of the search over settings that the plan is a try of.
  public var search: String?

  public init(task: String, algorithm: String, nominalUsers: Int) {
    self.task = task
    self.algorithm = algorithm
    self.nominalUsers = nominalUsers
  }
}

/// How masks are to be expanded.
public enum SuiteChoice: String, Sendable, Equatable, CaseIterable {
  case aes256 = "aes256-ctr"
  case chaCha20 = "chacha20"
  /// Whichever is faster where the plan is made.
  case automatic = "auto"

  /// - Parameter probe: asked only when the choice is free.
  /// - Returns: what stands in the plan, so that all of its partners agree.
  public func suite(probe: () -> SuiteProbe = { SuiteProbe() }) -> KeystreamSuite {
    switch self {
    case .aes256: .aes256CTR
    case .chaCha20: .chaCha20
    case .automatic: probe().fastest
    }
  }
}

/// Which graph a plan is given.
public enum GraphChoice: String, Sendable, Equatable, CaseIterable {
  /// Everybody with everybody: for dozens of partners.
  case complete
  /// Every partner draws its holders: for hundreds and thousands. Solved against a coordinator that lies, σ = 40, η = 20,
  /// with at least a tenth of the partners corrupt and, unless `minimumPartners` says otherwise, a tenth missing.
  case drawn
  /// Drawn where the solver says that it at least halves the shares, else complete.
  case automatic = "auto"
}

/// From decisions, a catalogue and a roster to a validated plan: the same for a simulation and for the network.
public enum PlanFactory {
  /// - Parameters:
  ///   - session: 16 fresh random bytes.
  ///   - coordinatorKey: Ed25519 verification key, in hex.
  ///   - features: what is known of the items, for algorithms that learn from it.
  /// - Throws: `PlanError` or `InvalidHyperparameter` when the decisions do not fit together.
  public static func plan(
    _ decisions: PlanDecisions, catalogue: Catalogue, roster: [RosterEntry], coordinatorKey: String, session: SessionID,
    features: ItemFeatures? = nil
  ) throws -> (plan: PlanFile, algorithm: any FederatedAlgorithm) {
    let count = roster.count
    let decisions = try decisions.choosingAlgorithm(itemCount: catalogue.count).decisions
    var given = decisions.parameters
    if let halfLife = decisions.halfLife { given["half-life"] = halfLife }
    if let features {
      guard AlgorithmRegistry.takesFeatures(decisions.algorithm) else {
        throw PlanError(
          "'\(decisions.algorithm)' does not learn from item features; leave them out, or choose one of \(AlgorithmRegistry.names.filter(AlgorithmRegistry.takesFeatures).joined(separator: ", "))"
        )
      }
      given["feature-dimension"] = Double(features.dimension)
    }
    let parameters = try AlgorithmRegistry.resolve(
      decisions.algorithm, given,
      setting: .init(
        itemCount: catalogue.count, usersOverNoise: try decisions.usersOverNoise(), rounds: decisions.rounds,
        isOrdered: decisions.isOrdered))
    let algorithm = try AlgorithmRegistry.make(
      decisions.algorithm, parameters, itemCount: catalogue.count, features: features)
    var draft = PlanDraft(
      task: decisions.task, session: session,
      configuration: AlgorithmConfiguration(name: decisions.algorithm, parameters: parameters),
      modelSeed: decisions.modelSeed,
      catalogue: CatalogueReference(
        hash: SHA256.hash(catalogue.canonicalBytes).hex, itemCount: catalogue.count,
        features: features.map(CatalogueReference.hash(of:))),
      roster: roster, coordinatorKey: coordinatorKey,
      aggregation: try aggregation(decisions, partners: count),
      privacy: decisions.policy)
    draft.samplingRate = decisions.noise == .none ? 1 : decisions.samplingRate
    draft.evaluationShare = decisions.noise == .none ? 0 : decisions.evaluationShare
    draft.reserveAttempts = decisions.reserveAttempts
    draft.search = decisions.search
    return (try PlanFile(try draft.plan(for: algorithm)), algorithm)
  }

  private static func aggregation(_ decisions: PlanDecisions, partners count: Int) throws -> AggregationPolicy {
    if let drawn = try drawnAggregation(decisions, partners: count) { return drawn }
    let threshold = decisions.threshold ?? AggregationParameters.defaultThreshold(count)
    return AggregationPolicy(
      isSecure: decisions.isSecure, threshold: threshold,
      minimumSurvivors: decisions.minimumPartners ?? max(threshold, min(3, count)), colluders: decisions.colluders,
      suite: decisions.suite, maximumAttempts: decisions.attempts)
  }

  /// - Returns: `nil` for the complete graph.
  private static func drawnAggregation(_ decisions: PlanDecisions, partners count: Int) throws -> AggregationPolicy? {
    guard decisions.graph != .complete, decisions.isSecure else { return nil }
    // A threshold is that of the complete graph: in a drawn one it is solved for.
    if decisions.graph == .automatic, decisions.threshold != nil { return nil }
    let colluders = max(1, decisions.colluders, count / 10)
    let missing = decisions.minimumPartners.map { max(0, count - $0) } ?? count / 10
    let requirements = GraphRequirements(
      participants: count, corruptShare: Double(colluders) / Double(count), dropoutShare: Double(missing) / Double(count))
    let solution: DrawnGraphSolution?
    do throws(AggregationParameterError) {
      solution =
        decisions.graph == .automatic
        ? try DrawnGraphSolver.choose(requirements) : try DrawnGraphSolver.solve(requirements)
    } catch {
      if decisions.graph == .automatic { return nil }
      throw PlanError("no drawn graph fits: \(error.description)")
    }
    guard let solution else {
      if decisions.graph == .automatic { return nil }
      throw PlanError(
        "no drawn graph of \(count) partners holds against \(colluders) colluding and \(missing) missing ones; expected more partners, or the complete graph"
      )
    }
    guard decisions.threshold == nil else {
      throw PlanError("the threshold of a drawn graph is solved for; expected none to be given, or the complete graph")
    }
    return AggregationPolicy(
      isSecure: true, threshold: solution.threshold, minimumSurvivors: solution.minimumSurvivors, colluders: colluders,
      suite: decisions.suite, maximumAttempts: decisions.attempts,
      graph: DrawnGraphPolicy(holders: solution.holders, maskDraws: solution.maskDraws))
  }

  /// A constant of the contract near a count: two significant digits.
  ///
  /// - Parameter up: to the next larger such number (for caps), or to the nearest, at least 1 (for averages).
  public static func rounded(_ count: Int, up: Bool) -> Int {
    var unit = 1
    while count / unit >= 100 { unit *= 10 }
    return up ? (count / unit + 1) * unit : max(1, (count + unit / 2) / unit * unit)
  }
}
