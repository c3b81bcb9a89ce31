internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import Reporting
internal import Storage

/// `tacit verify`: checks plan, ledgers and report of a run against each other, trusting none of them; or one report by its seal.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check a run (plan, ledgers, report, ε) or one report.html, .json or .txt; exit code 4 when anything fails.",
    discussion: """
      Works on an interrupted run (NAME.partial) as well: its ledgers show what was spent.
      A single report proves that no byte of it was changed since its signer wrote it; whether the figures are right needs the run's ledgers.
      """)

  @Argument(help: ArgumentHelp("Folder of a run, for instance runs/first, or a report of one.", valueName: "run or report"))
  var path: String
  @Option(
    help: ArgumentHelp("Refuse a signer other than the one with this fingerprint (at least 16 digits).", valueName: "fingerprint")
  )
  var signer: String?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws { try Failures.report { try execute() } }

  private struct Document: Encodable {
    let run: String
    let isSound: Bool
    let checks: [RunVerification.Check]
    let cannotBeSeen: [String]
  }

  private func execute() throws {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue {
      return try answer(path, [try reportCheck()], Self.reportLimits)
    }
    let folder = try RunFiles.open(path)
    let verification = RunVerification(folder: folder)
    var checks = verification.checks
    if signer != nil { checks.append(signerCheck(folder.reportJSON)) }
    try answer(folder.currentPath, checks, verification.limits)
  }

  private func answer(_ subject: String, _ checks: [RunVerification.Check], _ limits: [String]) throws {
    let failed = checks.filter { $0.verdict == .failed }.count
    switch format {
    case .json:
      try Console.outputJSON(Document(run: subject, isSound: failed == 0, checks: checks, cannotBeSeen: limits))
    case .text:
      for check in checks { Console.output("\(check.verdict.label)  \(check.subject): \(check.sentence)") }
      Console.output("\nWhat this cannot see:")
      for limit in limits { Console.output("- \(limit)") }
      if failed == 0 { Console.output("\n\(subject) is sound.") }
    }
    guard failed == 0 else {
      throw CommandFailure(
        .notVerified, "\(subject) does not verify: \(failed) of \(checks.count) checks failed; do not rely on its figures")
    }
  }

  // MARK: One report

  private func reportCheck() throws -> RunVerification.Check {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw CommandFailure(
        .noInput, "\(path) cannot be read; expected a run's folder or its report.html, report.json or report.txt")
    }
    return check(Array(bytes), path)
  }

  private func signerCheck(_ file: String) -> RunVerification.Check {
    check(Array(FileManager.default.contents(atPath: file) ?? Data()), file)
  }

  private func check(_ bytes: [UInt8], _ subject: String) -> RunVerification.Check {
    do {
      let report = try VerifiedReport(bytes)
      if let signer, !report.isSigned(by: signer) {
        return .init(
          verdict: .failed, subject: subject,
          sentence:
            "is signed by \(report.fingerprint), expected the signer \(signer) (at least the first 16 digits of a fingerprint)")
      }
      return .init(
        verdict: .ok, subject: subject,
        sentence: "every byte is what the key with the fingerprint \(report.fingerprint) signed"
          + (signer == nil ? "; compare it with the signer's, or give --signer" : ", which is the signer that you named"))
    } catch { return .init(verdict: .failed, subject: subject, sentence: "\(error)") }
  }

  private static let reportLimits = [
    "Whether the figures are right: recompute them from the run's ledgers with tacit verify RUN.",
    "Whose key the fingerprint is: compare it with the plan, the roster, or what the signer says.",
  ]
}
