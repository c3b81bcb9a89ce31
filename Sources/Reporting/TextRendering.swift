extension RunReport {
  /// How much a text tells.
  public enum TextDetail: String, Sendable, CaseIterable {
    /// Claim, guarantees, quality, bytes and seconds: for the end of a run.
    case summary
    /// Claim and the points of a privacy report, on one page.
    case page
    /// Everything that the page tells.
    case full
  }

  /// The report as aligned plain text for a terminal or a mail.
  ///
  /// - Parameter width: columns to which sentences are broken; tables may be wider.
  public func renderText(_ detail: TextDetail = .summary, width: Int = 100) -> String {
    if detail == .page { return OnePage(report: publishable(), width: max(width, 60)).text }
    return TextPage(document: ReportDocument(self), width: max(width, 40)).text(detail)
  }
}

private struct TextPage {
  let document: ReportDocument
  let width: Int

  func text(_ detail: RunReport.TextDetail) -> String {
    var lines = wrapped(document.claim.headline) + [""]
    lines += wrapped(document.claim.statement)
    for remark in document.claim.remarks { lines += wrapped(remark, indent: "  ", first: "- ") }
    if !document.hazards.isEmpty {
      lines.append("")
      for hazard in document.hazards {
        lines += wrapped("\(hazard.term): \(hazard.text)", indent: "  ", first: "! ")
      }
    }
    if let guarantees = document.guarantees { lines += [""] + table(guarantees) }
    var sections = document.results
    sections += document.details.filter { detail == .full || $0.id == "cost" }
    for section in sections {
      lines += ["", section.title, String(repeating: "─", count: TerminalWidth.of(section.title)), ""]
      lines += section.blocks.flatMap(block)
    }
    if !document.commands.isEmpty, detail == .full {
      lines += ["", "Recompute everything", "────────────────────", ""]
      for command in document.commands {
        lines += wrapped(command.purpose) + ["    " + Escaping.visible(command.command)]
      }
    }
    return collapsed(lines).joined(separator: "\n") + "\n"
  }

  private func block(_ block: DocumentBlock) -> [String] {
    switch block {
    case .paragraph(let text): return wrapped(text) + [""]
    case .subheading(let text): return ["", Escaping.visible(text) + ":"]
    case .list(let items): return items.flatMap { wrapped($0, indent: "  ", first: "- ") } + [""]
    case .facts(let facts):
      let column = min(facts.map { TerminalWidth.of($0.term) }.max() ?? 0, width / 2)
      return facts.flatMap { fact in
        wrapped(
          fact.text, indent: String(repeating: " ", count: column + 2),
          first: TerminalWidth.padded(fact.term, to: column, right: false) + "  ")
      } + [""]
    case .table(let content): return table(content) + [""]
    }
  }

  private func table(_ table: DocumentTable) -> [String] {
    let cells = table.rows.map { row in
      row.map { cell in Escaping.visible(cell.text) + (cell.detail.map { " [\(Escaping.visible($0))]" } ?? "")
      }
    }
    let titles = table.columns.map { Escaping.visible($0.title) }
    // A column of words may take a third of the line; its cells are broken to that width.
    let limit = max(24, width / 3)
    let widths = titles.indices.map { column in
      min(cells.map { TerminalWidth.of($0[column]) }.max() ?? 0, table.columns[column].isNumeric ? 22 : limit)
    }
    func line(_ row: [String]) -> [String] {
      let broken = row.enumerated().map { column, text in
        TerminalWidth.of(text) > columnWidths[column] ? wrap(text, width: columnWidths[column]) : [text]
      }
      return (0..<(broken.map(\.count).max() ?? 0)).map { index in
        let parts = broken.enumerated().map { column, lines in
          TerminalWidth.padded(
            index < lines.count ? lines[index] : "", to: columnWidths[column],
            right: table.columns[column].isNumeric)
        }
        return parts.joined(separator: "  ").trimmedEnd
      }
    }
    let columnWidths = titles.indices.map { column in
      max(
        widths[column],
        min(titles[column].split(separator: " ").map { TerminalWidth.of(String($0)) }.max() ?? 1, limit))
    }
    var lines = [Escaping.visible(table.caption)] + line(titles)
    lines.append(columnWidths.map { String(repeating: "─", count: $0) }.joined(separator: "  "))
    lines += cells.flatMap(line)
    if let note = table.note { lines += wrapped(note, indent: "  ", first: "  ") }
    return lines
  }

  private func wrapped(_ text: String, indent: String = "", first: String = "") -> [String] {
    let lines = wrap(Escaping.visible(text), width: max(width - TerminalWidth.of(indent), 20))
    return lines.enumerated().map { ($0.offset == 0 ? first : indent) + $0.element }
  }

  private func wrap(_ text: String, width: Int) -> [String] { TextLines.wrap(text, width: width) }

  /// No more than one empty line at a time, none at the ends.
  private func collapsed(_ lines: [String]) -> [String] {
    var result: [String] = []
    for line in lines where !(line.isEmpty && (result.last ?? "").isEmpty) { result.append(line) }
    if result.last == "" { result.removeLast() }
    return result
  }
}

/// How many columns a text takes in a terminal.
package enum TerminalWidth {
  package static func of(_ text: String) -> Int { text.reduce(0) { $0 + columns($1) } }

  package static func padded(_ text: String, to width: Int, right: Bool) -> String {
    let fill = String(repeating: " ", count: max(0, width - of(text)))
    return right ? fill + text : text + fill
  }

  private static func columns(_ character: Character) -> Int {
    guard let scalar = character.unicodeScalars.first else { return 0 }
    switch scalar.value {
    // East Asian wide and fullwidth blocks, and pictographs (Unicode Standard Annex 11, in coarse ranges).
    case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f,
      0xff00...0xff60, 0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
      return 2
    default:
      return scalar.properties.generalCategory == .nonspacingMark ? 0 : 1
    }
  }
}

extension String {
  fileprivate var trimmedEnd: String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}
