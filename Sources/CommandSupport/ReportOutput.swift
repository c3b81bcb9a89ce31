public import ArgumentParser
public import CryptoPrimitives
internal import ModelExport
public import Reporting

/// How a service's command hands out a report: its form, with or without a seal, to the terminal or into a file.
public struct ReportOutput: ParsableArguments {
  public enum Format: String, ExpressibleByArgument, CaseIterable, Sendable { case text, html, json }

  @Option(help: "text, html or json.") public var format: Format = .text
  @Option(help: "Write to this file instead of the terminal.") public var output: String?
  @Flag(help: "Sign it with the key of whose ledger it is: tacit verify FILE finds any change. Text becomes one page then.")
  public var sign = false

  public init() {}

  /// - Parameter key: the signer's, asked for only when a seal is wanted.
  /// - Throws: what `key` throws, `ReportError`, `FileWriteError`.
  public func hand(out report: RunReport, key: () throws -> SigningKey) throws {
    let text = try sign ? sealed(SealedReport(report, key: try key())) : plain(report)
    guard let output else { return Console.output(text.hasSuffix("\n") ? String(text.dropLast()) : text) }
    try AtomicFile.write(text, to: output)
    Console.output("written to \(output)")
  }

  private func plain(_ report: RunReport) throws -> String {
    switch format {
    case .text: report.renderText(.full)
    case .html: report.renderHTML()
    case .json: try report.renderJSON()
    }
  }

  private func sealed(_ report: SealedReport) -> String {
    switch format {
    case .text: report.text
    case .html: report.page
    case .json: report.json
    }
  }
}
