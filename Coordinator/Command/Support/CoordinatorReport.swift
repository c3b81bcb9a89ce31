internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Reporting
internal import SecureAggregation

/// The report of a whole task by its coordinator: the privacy part, from plan and ledger, and what evaluation releases said of the
/// model; it has no data to judge by itself.
struct CoordinatorReport {
  let ledger: PlanLedger
  /// The run folder that the report will stand in; `nil` for a report by itself.
  var folder: String?

  private var plan: TrainingPlan { ledger.plan.plan }
  private var state: LedgerState { ledger.state }

  /// - Throws: `PrivacyParameterError` when the charges cannot be composed.
  func report() throws -> RunReport {
    let privacy = RunPrivacy(plan: plan, state: state, origin: .service)
    let released = ReleasedQuality.list(ledger.evaluations, of: plan)
    return RunReport(
      identity: RunIdentity(
        runID: plan.session, algorithm: plan.algorithm.name, dataSet: plan.task, planHash: SHA256.hash(ledger.plan.bytes).hex,
        catalogueHash: plan.catalogue.hash, codeVersion: ProgramVersion.coordinator, accountantName: privacy.accountant,
        signerKeyFingerprint: SHA256.hash(state.header.key.bytes).hex, createdAt: Date().formatted(.iso8601)),
      privacy: try privacy.report(end: ledger.end ?? "the plan is not over"),
      utility: released.isEmpty ? nil : UtilityReport(released: released), hazards: privacy.hazards, commands: commands)
  }

  /// The key whose seal the report can bear.
  ///
  /// - Throws: `CommandFailure` when the plan was signed with a key that is no longer here.
  func key(of state: CoordinatorState) throws -> SigningKey {
    guard state.signingKey.verificationKey.hex == plan.coordinatorKey else {
      throw CommandFailure(
        .data,
        "plan \(ledger.number) was signed with a key that was rotated away, and only that key could sign its report; leave --sign out of report, or give --no-report to export"
      )
    }
    return state.signingKey
  }

  private var commands: [ReportCommandLine] {
    guard let folder else {
      return [
        ReportCommandLine(
          purpose: "Write plan, ledger, the partners' signatures and this report into a folder that can be checked",
          command: "tacit-coordinator export FOLDER --plan \(ledger.number)")
      ]
    }
    return RunCommands.list(folder: folder)
  }
}

private typealias ReportCommandLine = Reporting.ReportCommand
