internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import ModelExport
internal import Reporting

/// `tacit-coordinator report`: what was spent and what it guarantees, from plan and ledger.
struct ReportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Say what a plan spent of its users' privacy and what it guarantees, from plan and ledger; no data are needed.")

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, html, json }

  @Option(help: "Which plan, counted from 1; by default the newest.") var plan: Int?
  @Option(help: "text, html or json.") var format: Format = .text
  @Option(help: "Write to this file instead of the terminal.") var output: String?
  @Flag(help: "Sign it with the coordinator's key: tacit verify FILE finds any change. Text becomes one page then.") var sign =
    false
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      let report = CoordinatorReport(ledger: try PlanLedger(folder: state.folder, plan: plan))
      let text = try sign ? sealed(report) : plain(report.report())
      guard let output else { return Console.output(text.hasSuffix("\n") ? String(text.dropLast()) : text) }
      try AtomicFile.write(text, to: output)
      Console.output("written to \(output)")
    }
  }

  private func plain(_ report: RunReport) throws -> String {
    switch format {
    case .text: report.renderText(.full)
    case .html: report.renderHTML()
    case .json: try report.renderJSON()
    }
  }

  private func sealed(_ report: CoordinatorReport) throws -> String {
    let sealed = try report.sealed(by: try state.open())
    return switch format {
    case .text: sealed.text
    case .html: sealed.page
    case .json: sealed.json
    }
  }
}
