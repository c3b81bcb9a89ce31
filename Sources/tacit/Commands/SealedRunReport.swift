internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Reporting
internal import Storage

/// The report.json of a run folder, with the seal of the coordinator that its plan names, and of that plan.
///
/// A run's report is the coordinator's: one without a seal was never a run's, or lost it with what the seal forbids.
struct SealedRunReport {
  let report: RunReport
  let seal: ReportSeal

  /// - Throws: `CommandFailure` when it cannot be read, its seal does not hold, or it is of another run.
  init(of folder: RunFolder) throws {
    let path = folder.reportJSON
    let bytes = try RunFiles.read(path, of: folder)
    let file: PlanFile
    do { file = try PlanFile(bytes: try RunFiles.read(folder.plan, of: folder)) } catch let error as PlanError {
      throw CommandFailure(.data, "\(folder.plan): \(error)")
    }
    func refuse(_ words: String) -> CommandFailure {
      CommandFailure(.notVerified, "\(path) \(words); do not rely on its figures")
    }
    do { seal = try VerifiedReport(bytes).seal } catch { throw refuse("\(error)") }
    guard seal.key == file.plan.coordinatorKey else {
      throw refuse(
        "is signed by the key \(seal.key.prefix(16))…, expected the coordinator's of plan.json: \(file.plan.coordinatorKey.prefix(16))…"
      )
    }
    do { report = try RunReport(json: Data(bytes)) } catch { throw CommandFailure(.data, "\(path): \(error)") }
    guard report.identity.planHash == SHA256.hash(file.bytes).hex, report.identity.runID == file.plan.session else {
      throw refuse(
        "is of the run \(report.identity.runID) under the plan \((report.identity.planHash ?? "").prefix(16))…, expected the run \(file.plan.session) under plan.json"
      )
    }
  }
}
