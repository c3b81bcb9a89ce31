internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import PartnerService

/// `tacit-client verify`: checks everything that this home was told against the keys that it pinned.
struct VerifyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract:
      "Check your own ledgers, the plan's signature, the chain of releases and the heads you were shown; exit code 4 when anything fails."
  )

  @OptionGroup var home: HomeOptions
  @Option(help: "text or json.") var format: OutputFormat = .text

  func run() async throws { try await ClientFailures.report { try execute() } }

  private struct Document: Encodable {
    let home: String
    let isSound: Bool
    let checks: [HomeVerification.Check]
    let cannotBeSeen: [String]
  }

  private func execute() throws {
    let (home, store) = try home.open()
    let verification = try HomeVerification(home: home, store: store)
    let failed = verification.checks.count { $0.verdict == .failed }
    switch format {
    case .json:
      try Console.outputJSON(
        Document(
          home: home.path, isSound: failed == 0, checks: verification.checks, cannotBeSeen: verification.limits))
    case .text:
      for check in verification.checks {
        let label = check.verdict == .failed ? "FAIL" : check.verdict.rawValue.padding(toLength: 4, withPad: " ", startingAt: 0)
        Console.output("\(label)  \(check.subject): \(check.sentence)")
      }
      Console.output("\nWhat this cannot see:")
      for limit in verification.limits { Console.output("- \(limit)") }
      if failed == 0 { Console.output("\n\(home.path) is sound.") }
    }
    guard failed == 0 else {
      throw CommandFailure(
        .notVerified, "\(home.path) does not verify: \(failed) of \(verification.checks.count) checks failed")
    }
  }
}
