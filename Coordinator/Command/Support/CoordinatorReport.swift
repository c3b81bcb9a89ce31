internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Reporting
internal import SecureAggregation

/// The report of a whole task by its coordinator: the privacy part, from plan and ledger; it has no data to judge a model by.
struct CoordinatorReport {
  let ledger: PlanLedger
  /// The run folder that the report will stand in; `nil` for a report by itself.
  var folder: String?

  private var plan: TrainingPlan { ledger.plan.plan }
  private var state: LedgerState { ledger.state }

  /// - Throws: `PrivacyParameterError` when the charges cannot be composed.
  func report() throws -> RunReport {
    let figures = PlanPrivacyReport(plan: plan, state: state, charges: state.charges, ledgerHead: state.head.head.head.hex)
    var privacy = try figures.report()
    privacy.covered = [
      "Every release of the plan: training and evaluation.",
      "Attempts that were aborted after masked inputs may have left a partner.",
    ]
    privacy.notCovered = [
      "Who is eligible, and which partners took part.", "Traffic: sizes and times of messages.",
      "The catalogue, which is taken to be public.",
      "Other plans over the same users: each partner's own ledger counts them all (tacit-client report).",
    ]
    let released = state.charges.compactMap { standing -> Int? in
      if case .released? = standing.outcome?.result { standing.outcome?.survivors ?? 0 } else { nil }
    }
    let end = ledger.end ?? "the plan is not over"
    privacy.rounds = RoundCounts(
      planned: plan.releases.count, completed: released.count, abortedButCharged: state.charges.count - released.count,
      noiseContributors: NoiseContributors(counts: released), endedBecause: end)
    privacy.spending = SpendReading.rows(plan, partners: [], charges: state.charges)
    privacy.tuning = TuningDisclosure(
      notCovered: [
        "Hyperparameters were given by the plan; any search for them on private data is not in these figures unless the ledger names it.",
        figures.stopping(released: released.count, end: end),
      ],
      use: plan.privacy.noise == .none ? nil : SpendReading.use(of: state, delta: plan.privacy.delta))
    return RunReport(
      identity: RunIdentity(
        runID: plan.session, algorithm: plan.algorithm.name, dataSet: plan.task, planHash: SHA256.hash(ledger.plan.bytes).hex,
        catalogueHash: plan.catalogue.hash, codeVersion: CoordinatorVersion.text, accountantName: figures.accountant,
        signerKeyFingerprint: SHA256.hash(state.header.key.bytes).hex, createdAt: Date().formatted(.iso8601)),
      privacy: privacy, hazards: PlanPrivacyReport.hazards(plan), commands: commands)
  }

  /// The same with the seal of the coordinator's key.
  ///
  /// - Throws: `CommandFailure` when the plan was signed with a key that is no longer here.
  func sealed(by state: CoordinatorState) throws -> SealedReport {
    guard state.signingKey.verificationKey.hex == plan.coordinatorKey else {
      throw CommandFailure(
        .data,
        "plan \(ledger.number) was signed with a key that was rotated away, and only that key could sign its report; leave --sign out of report, or give --no-report to export"
      )
    }
    return try SealedReport(try report(), key: state.signingKey)
  }

  private var commands: [ReportCommandLine] {
    guard let folder else {
      return [
        ReportCommandLine(
          purpose: "Write plan, ledger, the partners' signatures and this report into a folder that can be checked",
          command: "tacit-coordinator export FOLDER --plan \(ledger.number)")
      ]
    }
    return [
      ReportCommandLine(
        purpose: "Check plan and ledger, and recompute ε from its events alone", command: "tacit verify \(folder)"),
      ReportCommandLine(
        purpose: "Check that no byte of this page was changed, and who signed it", command: "tacit verify \(folder)/report.html"),
      ReportCommandLine(purpose: "Show this report again", command: "tacit report \(folder)"),
    ]
  }
}

private typealias ReportCommandLine = Reporting.ReportCommand

enum CoordinatorVersion {
  static let text = "tacit-coordinator 0.1.0"
}
