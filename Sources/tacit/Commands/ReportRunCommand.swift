internal import ArgumentParser
internal import CommandSupport
internal import Foundation
internal import ModelExport
internal import Reporting
internal import Storage

/// `tacit report`: the report of a finished run, printed again from its report.json.
struct ReportRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Print the report of a finished run again, of one partner alone, or beside another.",
    discussion: """
      tacit report runs/first --format html --output first.html
      tacit report runs/first --partner shop-3
      tacit report runs/first --compare runs/second
      """)

  enum Format: String, ExpressibleByArgument, CaseIterable { case text, html, json }

  @Argument(help: ArgumentHelp("Folder of a run, for instance runs/first.", valueName: "run")) var path: String
  @Option(help: "text, html or json.") var format: Format = .text
  @Option(help: "Write to this file instead of the terminal.") var output: String?
  @Flag(help: "Only what a run prints at its end; text only.") var brief = false
  @Flag(help: "The points of a privacy report on one page; text only.") var onePage = false
  @Option(help: ArgumentHelp("The report of this partner alone, from its ledger.", valueName: "name")) var partner: String?
  @Option(help: ArgumentHelp("Another run's folder or report.json: what differs; text or json.", valueName: "run")) var compare:
    String?

  func run() throws { try Failures.report { try execute() } }

  private func execute() throws {
    if let compare { return try printDifference(to: compare) }
    if let partner {
      return try hand(out: try PartnerReport(folder: try RunFiles.open(path), partner: partner, path: path).report(), seal: nil)
    }
    var (report, seal) = try Self.read(path)
    if seal == nil { report.hazards.insert(Self.unsigned(path), at: 0) }
    try hand(out: report, seal: seal)
  }

  private func hand(out report: RunReport, seal: ReportSeal?) throws {
    let form: (text: String, isSealed: Bool) =
      switch format {
      case .text where onePage: SealedReport.form(.text, report.renderText(.page), seal: seal)
      case .text: (report.renderText(brief ? .summary : .full), true)
      case .html: SealedReport.form(.page, report.renderHTML(), seal: seal)
      case .json: SealedReport.form(.json, try report.renderJSON(), seal: seal)
      }
    if seal != nil, !form.isSealed {
      Failures.complain(
        "note: this version renders the report otherwise than the one that signed it, so that this copy has no seal; the signed one is in \(path)"
      )
    }
    guard let output else {
      Console.output(form.text.hasSuffix("\n") ? String(form.text.dropLast()) : form.text)
      return
    }
    try AtomicFile.write(form.text, to: output)
    Console.output("written to \(output)")
  }

  private func printDifference(to other: String) throws {
    guard format != .html else { throw CommandFailure(.usage, "--compare prints text or json, found --format html") }
    let (first, second) = (try Self.read(path), try Self.read(other))
    let difference = ReportDifference(first.report, second.report)
    let unsigned = [(path, first.seal), (other, second.seal)].filter { $0.1 == nil }.map { Self.unsigned($0.0).text }
    if format == .json {
      for sentence in unsigned { Failures.complain("note: \(sentence)") }
      return try Console.outputJSON(difference)
    }
    for sentence in unsigned { Console.output("note: \(sentence)") }
    Console.output(difference.text(first: path, second: other, onlyDifferences: brief))
  }

  private static func unsigned(_ path: String) -> Hazard {
    Hazard(kind: .other, text: "\(path) is not signed: whoever had it in their hands may have changed any of its figures.")
  }

  /// Reads a run's report.json, or the file itself; a seal that does not hold is refused.
  private static func read(_ path: String) throws -> (report: RunReport, seal: ReportSeal?) {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), !isFolder.boolValue { return try readFile(path) }
    let folder = try RunFiles.open(path)
    guard FileManager.default.fileExists(atPath: folder.reportJSON) || !folder.isExport else {
      throw CommandFailure(
        .noInput,
        "\(folder.currentPath) was exported by a coordinator, which has no data to judge by, so that it holds no report; check it with: tacit verify \(path); judge its model on data of yours with: tacit evaluate \(path) --data DATA"
      )
    }
    guard FileManager.default.fileExists(atPath: folder.reportJSON) || folder.isFinished else {
      throw CommandFailure(
        .noInput,
        "\(folder.currentPath) holds no report: the run ended before its end, and only its ledgers and plan are results")
    }
    let sealed = try SealedRunReport(of: folder)
    return (sealed.report, sealed.seal)
  }

  /// A report alone: of one partner, or one that lost its seal, which the output says then.
  private static func readFile(_ path: String) throws -> (report: RunReport, seal: ReportSeal?) {
    let bytes: [UInt8]
    do { bytes = try PlainFile.read(path, bytesMax: PlainFile.documentBytesMax, followsLinks: true) } catch {
      throw CommandFailure(.noInput, "\(error)")
    }
    guard bytes.first == UInt8(ascii: "{") else {
      throw CommandFailure(.noInput, "\(path): found a file, expected the folder of a run such as runs/first, or its report.json")
    }
    let seal: ReportSeal?
    do { seal = try VerifiedReport(bytes).seal } catch  where !error.isUnsealed {
      throw CommandFailure(.notVerified, "\(path) \(error); do not rely on its figures")
    } catch { seal = nil }
    do { return (try RunReport(json: Data(bytes)), seal) } catch { throw CommandFailure(.data, "\(path): \(error)") }
  }
}
