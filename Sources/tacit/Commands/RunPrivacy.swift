internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Reporting
internal import SecureAggregation

/// The privacy part of a run's report as plan and ledgers give it: what a run writes, and what its verification expects to find.
struct RunPrivacy {
  let plan: TrainingPlan
  /// The coordinator's.
  let state: LedgerState
  /// In the order of the roster.
  let partners: [(name: String, state: LedgerState)]

  private var figures: PlanPrivacyReport {
    PlanPrivacyReport(plan: plan, state: state, charges: state.charges, ledgerHead: state.head.head.head.hex)
  }

  /// Name and version of the accountant that the figures are by.
  var accountant: String { figures.accountant }

  /// - Parameters:
  ///   - areUsersFromData: whether the plan's number of users was taken from the data too.
  ///   - end: why the run ended, in words.
  /// - Throws: `PrivacyParameterError` when the charges cannot be composed.
  func report(areUsersFromData: Bool, end: String?) throws -> PrivacyReport {
    let figures = self.figures
    var report = try figures.report()
    report.covered = [
      "Every release of the plan: training and evaluation.",
      "Attempts that were aborted after masked inputs may have left a partner.",
    ]
    report.notCovered = [
      "Who is eligible, and which partners took part.", "Traffic: sizes and times of messages.",
      "The catalogue, which is taken to be public; without a list of items this simulation makes it from the interactions.",
      "Choices that people made after looking at the data, such as these settings.",
      "Seconds and memory of this run, which depend on the data that was computed on.",
      areUsersFromData ? Self.usersFromData : Self.capsFromData,
    ]
    let released = state.charges.compactMap { standing -> Int? in
      if case .released? = standing.outcome?.result { standing.outcome?.survivors ?? 0 } else { nil }
    }
    report.rounds = RoundCounts(
      planned: plan.releases.count, completed: released.count, abortedButCharged: state.charges.count - released.count,
      noiseContributors: NoiseContributors(counts: released), endedBecause: end)
    report.spending = SpendReading.rows(plan, partners: partners, charges: state.charges)
    report.tuning = TuningDisclosure(
      notCovered: [
        "Hyperparameters were given by the plan; any search for them on private data is not in these figures unless the ledger names it.",
        figures.stopping(released: released.count, end: end ?? "for a reason that is not stated"),
      ],
      use: plan.privacy.noise == .none ? nil : SpendReading.use(of: state, delta: plan.privacy.delta))
    return report
  }

  static let usersFromData =
    "The plan's number of users and the partners' caps: this simulation took them from the data, rounded to two digits, as no real plan may."
  private static let capsFromData =
    "The partners' caps on users in the plan: this simulation took them from the data, rounded to two digits, as no real plan may."
}
