internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Reporting
internal import Storage

/// What one report by itself says of evaluation releases: a partner's, say, whose own ledger is not here.
///
/// The integers can be held against the coordinator's ledger in any folder of the plan, and nothing else of a partner's report can.
struct ReportedEvaluations {
  private let report: VerifiedReport
  private let path: String

  init(_ report: VerifiedReport, path: String) {
    self.report = report
    self.path = path
  }

  /// - Parameter run: a folder with plan and coordinator's ledger.
  /// - Throws: `CommandFailure` when the report is no JSON, or the folder cannot be relied on.
  func checks(run: String?) throws -> [RunFindings.Check] {
    guard report.form == .json, let content = try? RunReport(json: Data(report.body)) else {
      guard run == nil else {
        throw CommandFailure(
          .usage, "\(path) is not in JSON, the only form whose figures can be read back: give that one with --run")
      }
      return []
    }
    let released = content.utility?.released ?? []
    guard let run else {
      return released.isEmpty
        ? []
        : [
          say(
            .note,
            "what it says of evaluation release \(names(released)) was not checked: the hash is in the coordinator's ledger; give --run with a run or an export of its plan, or ask the partner for tacit-client verify"
          )
        ]
    }
    let folder = try RunFiles.open(run)
    let (file, ledger) = try Self.read(folder)
    let hash = SHA256.hash(file.bytes).hex
    guard content.identity.planHash == hash else {
      return [
        say(
          .failed,
          "is of the plan \(content.identity.planHash?.prefix(16) ?? "none")…, and \(run) of the plan \(hash.prefix(16))…")
      ]
    }
    let check = ReleasedQualityCheck(released, plan: file.plan, ledger: ledger, isWhole: false)
    let notHeld = content.utility?.notHeld ?? []
    // Whoever had no part in a round says so. What is left out otherwise may have been released after the report was made.
    let missing = check.missing(besides: notHeld)
    guard check.objections.isEmpty else { return check.objections.map { say(.failed, $0) } }
    return missing.map { say(.note, $0) } + [
      say(
        released.isEmpty ? .note : .ok,
        released.isEmpty
          ? "says nothing of an evaluation release that could be held against the ledger in \(run)"
          : "what it says of evaluation release \(names(released)) follows from integers whose hash is in the coordinator's ledger in \(run)"
      )
    ]
  }

  private func say(_ verdict: RunFindings.Verdict, _ sentence: String) -> RunFindings.Check {
    RunFindings.Check(verdict: verdict, subject: path, sentence: sentence)
  }

  private func names(_ released: [ReleasedQuality]) -> String { released.map { "\($0.release)" }.joined(separator: ", ") }

  private static func read(_ folder: RunFolder) throws -> (PlanFile, LedgerState) {
    let file: PlanFile
    do { file = try PlanFile(bytes: try RunFiles.read(folder.plan, of: folder)) } catch let error as PlanError {
      throw CommandFailure(.data, "\(folder.plan): \(error)")
    }
    let path = folder.coordinatorLedger
    let verification = LedgerVerifier(
      key: VerificationKey(hex: file.plan.coordinatorKey), plan: SHA256.hash(file.bytes)
    ).verify(try RunFiles.read(path, of: folder))
    guard verification.isSound, let state = verification.state, state.header.kind == .coordinator else {
      let first = verification.findings.first(where: \.isFault)?.description ?? "it is no coordinator's"
      throw CommandFailure(.notVerified, "\(path): \(first); nothing can be held against it")
    }
    return (file, state)
  }
}
