internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation

/// `tacit-coordinator ledger`: what to compare on the phone.
struct LedgerCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ledger",
    abstract: "Show the head of a plan's ledger, with a fingerprint to compare on the phone with what tacit-client ledger shows.",
    discussion: "A partner may have seen fewer records: give their number with --size. Works beside a running server.")

  @Option(help: "Which plan, counted from 1; by default the newest.") var plan: Int?
  @Option(help: "The head after this many records; by default after all.") var size: UInt64?
  @OptionGroup var state: StateOptions
  @Flag(help: "Print JSON.") var json = false

  private struct Document: Encodable {
    let plan: Int
    let session: String
    let path: String
    let records: UInt64
    let fingerprint: String
    let hash: String
  }

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      let ledger = try PlanLedger(folder: state.folder, plan: plan)
      let head = try ledger.head(size: size)
      let document = Document(
        plan: ledger.number, session: ledger.plan.plan.session, path: ledger.path, records: head.size,
        fingerprint: head.fingerprint.text, hash: head.head.hex)
      if json { return try Console.outputJSON(document) }
      Console.output("plan        \(document.plan): \(ledger.plan.plan.task), session \(document.session)")
      Console.output("ledger      \(document.path)")
      Console.output("to compare  \(head.spoken)")
    }
  }
}
