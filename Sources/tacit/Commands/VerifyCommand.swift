internal import ArgumentParser
internal import CommandSupport
internal import Storage

/// `tacit verify`: checks plan, ledgers and report of a run against each other, trusting none of them.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Check the plan, every ledger and the report of a run, and recompute its ε; exit code 4 when anything fails.",
    discussion: "Works on an interrupted run (NAME.partial) as well: its ledgers show what was spent.")

  @Argument(help: ArgumentHelp("Folder of a run, for instance runs/first.", valueName: "run")) var path: String
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() throws { try Failures.report { try execute() } }

  private struct Document: Encodable {
    let run: String
    let isSound: Bool
    let checks: [RunVerification.Check]
    let cannotBeSeen: [String]
  }

  private func execute() throws {
    let folder = try RunFiles.open(path)
    let verification = RunVerification(folder: folder)
    let failed = verification.checks.filter { $0.verdict == .failed }.count
    switch format {
    case .json:
      try Console.outputJSON(
        Document(
          run: folder.currentPath, isSound: failed == 0, checks: verification.checks, cannotBeSeen: verification.limits))
    case .text:
      for check in verification.checks {
        Console.output("\(check.verdict.label)  \(check.subject): \(check.sentence)")
      }
      Console.output("\nWhat this cannot see:")
      for limit in verification.limits { Console.output("- \(limit)") }
      if failed == 0 { Console.output("\n\(folder.currentPath) is sound.") }
    }
    guard failed == 0 else {
      throw CommandFailure(
        .notVerified,
        "\(folder.currentPath) does not verify: \(failed) of \(verification.checks.count) checks failed; do not rely on its figures"
      )
    }
  }
}
