internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService

/// `tacit-coordinator report`: what was spent and what it guarantees, from plan and ledger.
struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Say what a plan spent of its users' privacy and what it guarantees, from plan and ledger; no data are needed.")

  @Option(help: "Which plan, counted from 1; by default the newest.") var plan: Int?
  @OptionGroup var output: ReportOutput
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      let report = CoordinatorReport(ledger: try PlanLedger(folder: state.folder, plan: plan))
      try output.hand(out: try report.report()) { try report.key(of: try state.open()) }
    }
  }
}
