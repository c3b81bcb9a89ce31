internal import CryptoPrimitives
public import FederatedLearning
internal import Recommender
public import Reporting

/// The privacy part of a run's report as plan and ledgers give it: what a coordinator writes, and what a verification expects to find.
public struct RunPrivacy {
  /// Who made the run, which decides what its figures do not cover.
  public enum Origin: Sendable, Equatable {
    /// `tacit simulate`.
    ///
    /// - areUsersFromData: whether the plan's number of users was taken from the data too.
    case simulation(areUsersFromData: Bool)
    /// `tacit-coordinator`, whose partners keep their ledgers themselves.
    case service

    /// Name and version of the program that words such a report as this one does.
    public var program: String { self == .service ? ProgramVersion.coordinator : ProgramVersion.tacit }
  }

  private let plan: TrainingPlan
  private let state: LedgerState
  private let partners: [(name: String, state: LedgerState)]
  private let origin: Origin

  /// - Parameters:
  ///   - state: the coordinator's ledger.
  ///   - partners: in the order of the roster; a service has none of them.
  public init(
    plan: TrainingPlan, state: LedgerState, partners: [(name: String, state: LedgerState)] = [], origin: Origin
  ) {
    self.plan = plan
    self.state = state
    self.partners = origin == .service ? [] : partners
    self.origin = origin
  }

  private var figures: PlanPrivacyReport {
    PlanPrivacyReport(plan: plan, state: state, charges: state.charges, ledgerHead: state.lastHash.hex)
  }

  /// Name and version of the accountant that the figures are by.
  public var accountant: String { figures.accountant }

  /// - Parameter end: why the run ended, in words.
  /// - Throws: `PrivacyParameterError` when the charges cannot be composed.
  public func report(end: String?) throws -> PrivacyReport {
    let figures = self.figures
    var report = try figures.report()
    report.covered = [
      "Every release of the plan: training and evaluation.",
      "Attempts that were aborted after masked inputs may have left a partner.",
    ]
    report.notCovered = notCovered
    let released = state.charges.compactMap { standing -> Int? in
      if case .released? = standing.outcome?.result { standing.outcome?.survivors ?? 0 } else { nil }
    }
    report.rounds = RoundCounts(
      planned: plan.releases.count, completed: released.count, abortedButCharged: state.charges.count - released.count,
      noiseContributors: NoiseContributors(counts: released), endedBecause: end)
    report.spending = SpendReading.rows(plan, partners: partners, charges: state.charges)
    report.total = plan.privacy.noise == .none ? nil : SpendReading.total(of: partners.map(\.state), delta: plan.privacy.delta)
    report.tuning = TuningDisclosure(
      notCovered: [
        "Hyperparameters were given by the plan; any search for them on private data is not in these figures unless the ledger names it.",
        figures.stopping(released: released.count, end: end ?? "for a reason that is not stated"),
      ],
      // A coordinator's ledger is of one plan: what its partners' users spent in all is in the partners' own.
      use: plan.privacy.noise == .none || origin == .service ? nil : use)
    return report
  }

  /// Of the ledger that outlives the run and has spent most, or of this run's own.
  private var use: DataSetUse {
    partners.filter { SpendReading.isKept($0.state) }
      .map { SpendReading.use(of: $0.state, delta: plan.privacy.delta) }
      .max { ($0.epsilon ?? .infinity) < ($1.epsilon ?? .infinity) }
      ?? SpendReading.use(of: state, delta: plan.privacy.delta, isOfThisRun: true)
  }

  /// What weakens or voids the claim, and what the figures are not: all of it, in order.
  public var hazards: [Hazard] {
    (origin == .service ? [] : Self.simulationHazards) + PlanPrivacyReport.hazards(plan) + unevenParts
  }

  /// Parts of one table, each released once, that do not all hold every partner. Which partner is missing in which part no ledger says.
  private var unevenParts: [Hazard] {
    let counts = state.charges.compactMap { standing -> Int? in
      guard let outcome = standing.outcome, case .released = outcome.result, plan.releases.indices.contains(outcome.release),
        plan.releases[outcome.release].name == ItemNeighbours.partName
      else { return nil }
      return outcome.survivors
    }
    guard counts.count > 1, let least = counts.min(), least < plan.roster.count else { return [] }
    return [
      Hazard(
        kind: .other,
        text:
          "The co-occurrence of items was released in \(counts.count) parts, the least of which holds \(least) of \(plan.roster.count) partners: pairs in a part without a partner weigh less than they should beside the others, and quality may suffer. Privacy does not."
      )
    ]
  }

  private var notCovered: [String] {
    let everywhere = ["Who is eligible, and which partners took part.", "Traffic: sizes and times of messages."]
    return switch origin {
    case .service:
      everywhere + [
        "The catalogue, which is taken to be public.",
        "Other plans over the same users: each partner's own ledger counts them all (tacit-client report).",
      ]
    case .simulation(let areUsersFromData):
      everywhere + [
        "The catalogue, which is taken to be public; without a list of items this simulation makes it from the interactions.",
        "Choices that people made after looking at the data, such as these settings.",
        "Seconds and memory of this run, which depend on the data that was computed on.",
        areUsersFromData ? Self.usersFromData : Self.capsFromData,
      ]
    }
  }

  /// What a report says that is not in the plan: whether its number of users was taken from the data.
  public static func areUsersFromData(_ report: PrivacyReport) -> Bool { report.notCovered.contains(usersFromData) }

  private static let usersFromData =
    "The plan's number of users and the partners' caps: this simulation took them from the data, rounded to two digits, as no real plan may."
  private static let capsFromData =
    "The partners' caps on users in the plan: this simulation took them from the data, rounded to two digits, as no real plan may."

  private static let simulationHazards = [
    Hazard(
      kind: .simulation,
      text: "One process played all parties: it shows cost and quality, and protects nobody from its own operator."),
    Hazard(
      kind: .exactTables,
      text:
        "The quality tables and curves, in metrics.jsonl too, are exact, and recommendations.tsv lists single users, without the items that they have. ε covers none of them. Outside a simulation such figures would be noised and charged, or stay at the partners."
    ),
  ]
}
