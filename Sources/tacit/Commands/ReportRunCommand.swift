internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import ModelExport
internal import Reporting
internal import Storage

/// `tacit report`: the report of a finished run, printed again from its report.json.
struct ReportRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Print the report of a finished run again, as text, HTML or JSON.")

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, html, json }

  @Argument(help: ArgumentHelp("Folder of a run, for instance runs/first.", valueName: "run")) var path: String
  @Option(help: "text, html or json.") var format: Format = .text
  @Option(help: "Write to this file instead of the terminal.") var output: String?
  @Flag(help: "Only what a run prints at its end; text only.") var brief = false

  func run() throws { try Failures.report { try execute() } }

  private func execute() throws {
    let folder = try RunFiles.open(path)
    let file = folder.reportJSON
    guard FileManager.default.fileExists(atPath: file) || !folder.isExport else {
      throw CommandFailure(
        .noInput,
        "\(folder.currentPath) was exported by a coordinator, which has no data to judge by, so that it holds no report; check it with: tacit verify \(path); judge its model on data of yours with: tacit evaluate \(path) --data DATA"
      )
    }
    guard FileManager.default.fileExists(atPath: file) || folder.isFinished else {
      throw CommandFailure(
        .noInput, "\(folder.currentPath) holds no report: the run ended before its end, and only its ledgers and plan are results"
      )
    }
    let bytes = try RunFiles.read(file, of: folder)
    let report: RunReport
    do { report = try RunReport(json: Data(bytes)) } catch { throw CommandFailure(.data, "\(file): \(error)") }
    let text =
      switch format {
      case .text: report.renderText(brief ? .summary : .full)
      case .html: report.renderHTML()
      case .json: try report.renderJSON()
      }
    guard let output else {
      Console.output(text.hasSuffix("\n") ? String(text.dropLast()) : text)
      return
    }
    try AtomicFile.write(text, to: output)
    Console.output("written to \(output)")
  }
}
