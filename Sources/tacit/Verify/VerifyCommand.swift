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
      A single report proves that no byte of it was changed since whoever holds the key in its seal wrote it. Everybody can make a key: name the
      signer with --signer. Whether the figures are right needs the run's ledgers: with --run, what a partner's report in JSON says of evaluation
      releases is held against the coordinator's ledger in that run or export.
      """)

  @Argument(help: ArgumentHelp("Folder of a run, for instance runs/first, or a report of one.", valueName: "run or report"))
  var path: String
  @Option(
    help: ArgumentHelp(
      "The signer whom you expect: 24 characters as rosters show them, or at least 16 digits of the key's SHA-256; another one is refused.",
      valueName: "fingerprint")
  )
  var signer: String?
  @Option(
    name: .customLong("run"),
    help: ArgumentHelp(
      "With a report in JSON: a run or an export of its plan, whose ledger holds the hashes of what evaluations released.",
      valueName: "folder")
  )
  var reportedRun: String?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws { try Failures.report { try execute() } }

  private struct Document: Encodable {
    let run: String
    /// For a report alone only with --signer: unchanged since a key that nobody knows is not sound.
    let isSound: Bool
    /// Whether the audit in the report contradicts the plan: no bound can be relied on, however whole the record is.
    let isContradicted: Bool
    let isSignerChecked: Bool
    let checks: [RunFindings.Check]
    let relaxed: [String]
    let cannotBeSeen: [String]
  }

  private func execute() throws {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue {
      return try answerReport()
    }
    guard reportedRun == nil else {
      throw CommandFailure(.usage, "--run goes with one report; \(path) is a folder, whose own ledgers are compared")
    }
    let folder = try RunFiles.open(path)
    let verification = RunVerification(folder: folder)
    var checks = verification.findings.checks
    let fingerprint = verification.coordinatorKey.map { SignerFingerprint(of: $0) }
    if let signer {
      let isMeant = fingerprint?.isMeant(by: signer) == true
      checks.append(
        .init(
          verdict: isMeant ? .ok : .failed, subject: "signer",
          sentence: isMeant
            ? "the coordinator's key of plan.json is the one that you named"
            : "the coordinator's key of plan.json is \(fingerprint.map { "\($0)" } ?? "missing"), expected the signer \(signer)"))
    }
    try answer(
      folder.currentPath, checks, verification.limits, relaxed: verification.relaxations,
      verdict: "is sound"
        + (verification.findings.isContradicted ? " as a record, BUT AN AUDIT CONTRADICTS ITS PLAN: rely on no bound" : "")
        + (verification.relaxations.isEmpty
          ? "" : ", as far as it must be, for " + verification.relaxations.joined(separator: "; "))
        + (signer != nil
          ? "."
          : ". Whose run it is was NOT checked: compare the coordinator's key \(fingerprint.map { "\($0.short)" } ?? "") or give --signer."),
      isSound: !verification.findings.isContradicted, isContradicted: verification.findings.isContradicted)
  }

  private func answer(
    _ subject: String, _ checks: [RunFindings.Check], _ limits: [String], relaxed: [String] = [], verdict: String,
    isSound: Bool, isContradicted: Bool = false
  ) throws {
    let failed = checks.filter { $0.verdict == .failed }.count
    switch format {
    case .json:
      try Console.outputJSON(
        Document(
          run: subject, isSound: failed == 0 && isSound, isContradicted: isContradicted, isSignerChecked: signer != nil,
          checks: checks, relaxed: relaxed,
          cannotBeSeen: limits))
    case .text:
      for check in checks { Console.output("\(check.verdict.label)  \(check.subject): \(check.sentence)") }
      Console.output("\nWhat this cannot see:")
      for limit in limits { Console.output("- \(limit)") }
      if failed == 0 { Console.output("\n\(subject) \(verdict)") }
    }
    guard failed == 0 else {
      throw CommandFailure(
        .notVerified, "\(subject) does not verify: \(failed) of \(checks.count) checks failed; do not rely on its figures")
    }
  }

  // MARK: One report

  private func answerReport() throws {
    let bytes: [UInt8]
    do { bytes = try PlainFile.read(path, bytesMax: PlainFile.documentBytesMax, followsLinks: true) } catch {
      throw CommandFailure(
        .noInput, "\(path) cannot be read (\(error)); expected a run's folder or its report.html, report.json or report.txt")
    }
    let report: VerifiedReport
    do { report = try VerifiedReport(bytes) } catch {
      return try answer(
        path, [.init(verdict: .failed, subject: path, sentence: "\(error)")], Self.reportLimits, verdict: "", isSound: false)
    }
    let evaluations = try ReportedEvaluations(report, path: path).checks(run: reportedRun)
    guard let signer else {
      let check = RunFindings.Check(
        verdict: .note, subject: path,
        sentence:
          "every byte is what the key \(report.signer) signed; whose key that is was not checked: compare it with what the signer says, or give --signer"
      )
      return try answer(
        path, [check] + evaluations, Self.reportLimits,
        verdict: "is unchanged since the key \(report.signer.short) signed it; its signer was NOT checked.",
        isSound: false)
    }
    let isMeant = report.signer.isMeant(by: signer)
    let check = RunFindings.Check(
      verdict: isMeant ? .ok : .failed, subject: path,
      sentence: isMeant
        ? "every byte is what the key \(report.signer) signed, which is the signer that you named"
        : "is signed by \(report.signer), expected the signer \(signer) (24 characters, or at least 16 digits of the SHA-256)")
    try answer(
      path, [check] + evaluations, Self.reportLimits, verdict: "is sound: unchanged since the signer that you named wrote it.",
      isSound: true)
  }

  private static let reportLimits = [
    "Whether the figures are right: recompute them from the run's ledgers with tacit verify RUN.",
    "Whose key the fingerprint is: compare it with the plan, the roster, or what the signer says. Everybody can make a key and seal with it.",
  ]
}
