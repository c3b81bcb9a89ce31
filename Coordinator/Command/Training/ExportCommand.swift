internal import ArgumentParser
internal import CommandSupport
internal import CoordinatorService
internal import Foundation

struct ExportCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write plan, ledger and newest model as a run folder for tacit verify, recommend and evaluate.")

  @Argument(help: "The folder to make, for instance runs/network.") var output: String
  @Option(help: "Data that tacit evaluate will judge by, if there are any in one place.") var data = "none"
  @Option(help: "How those data are divided among partners.") var partners = "1"
  @OptionGroup var state: StateOptions

  func run() async throws {
    try await CoordinatorFailures.report {
      let count = try RunExport(folder: state.folder).write(to: output, data: data, partners: partners)
      // A run that may go on is written under the name of one that was interrupted.
      let isOver = FileManager.default.fileExists(atPath: output)
      let path = isOver ? output : output + ".partial"
      Console.output("\(count) releases written to \(path)\(isOver ? "" : "; the plan is not over yet")")
      Console.output("verify    tacit verify \(path)")
    }
  }
}
