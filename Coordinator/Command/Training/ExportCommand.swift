internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Foundation

struct ExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract:
      "Write plan, ledger, the partners' signatures under it, a signed report and the newest model as a run folder for tacit verify."
  )

  @Argument(help: "The folder to make, for instance runs/network.") var output: String
  @Option(help: "Which plan, counted from 1; by default the newest.") var plan: Int?
  @Option(help: "Data that tacit evaluate will judge by, if there are any in one place.") var data = "none"
  @Option(help: "How those data are divided among partners.") var partners = "1"
  @Flag(inversion: .prefixedNo, help: "The report on plan and ledger, signed with the coordinator's key.") var report = true
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report(using: state.folder) {
      let export = try RunExport(folder: state.folder, plan: plan)
      var forms: RunExport.Report?
      if report {
        let report = CoordinatorReport(ledger: try export.ledger(), folder: export.isWhole ? output : output + ".partial")
        let sealed = try SealedReport(try report.report(), key: try report.key(of: try state.open()))
        forms = RunExport.Report(json: sealed.json, page: sealed.page, text: sealed.text)
      }
      let outcome = try export.write(to: output, data: data, partners: partners, report: forms)
      Console.output("\(outcome.releases) releases of plan \(outcome.plan) written to \(outcome.path)")
      if outcome.lostReleases > 0 {
        Console.error(
          "the ledger released \(outcome.lostReleases) more, of which the database holds nothing: a server that was killed writes them when it runs again, a restored database has lost them; the folder keeps the name of one that is not whole"
        )
      }
      if !outcome.isPlanOver {
        Console.output(
          "the plan is not over: the folder keeps the name of one that is not whole; export again later, to another name")
      }
      Console.output("verify    tacit verify \(outcome.path)")
    }
  }
}
