import Foundation
import Reporting
import Testing

/// The seal's line: where it stands, what it covers, and that it has one spelling. Signatures are other tests' (`tacit verify`).
@Suite struct ReportSealTests {
  static let hash = String(repeating: "ab", count: 32)
  static let seal = ReportSeal(
    key: String(repeating: "0f", count: 32), hashes: [.json: hash, .page: hash, .text: hash]
  ) { _ in String(repeating: "9c", count: 64) }

  static func body(_ form: ReportForm) throws -> String {
    switch form {
    case .json: try SampleReport.complete.renderJSON()
    case .page: SampleReport.complete.renderHTML()
    case .text: SampleReport.complete.renderText(.page)
    }
  }

  @Test("A seal that was put in is taken out, and leaves every other byte", arguments: ReportForm.allCases)
  func roundTrip(form: ReportForm) throws {
    let body = try Self.body(form)
    let parts = try ReportForm.unseal(Array(form.sealed(body, with: Self.seal).utf8))
    #expect(parts.form == form && parts.seal == Self.seal && parts.body == Array(body.utf8))
  }

  @Test("A sealed report is still one of its kind")
  func stillReadable() throws {
    let json = ReportForm.json.sealed(try Self.body(.json), with: Self.seal)
    #expect(try RunReport(json: Data(json.utf8)) == SampleReport.complete)
    let page = MarkupChecker(ReportForm.page.sealed(try Self.body(.page), with: Self.seal))
    #expect(page.faults.isEmpty)
    if let validator = ReportSchemaTests.validator { #expect(try validator.errors(json) == "") }
  }

  @Test("No changed byte of the seal's line reads as the same seal", arguments: ReportForm.allCases)
  func everyByteOfTheLine(form: ReportForm) throws {
    let bytes = Array(form.sealed(try Self.body(form), with: Self.seal).utf8)
    let line = Array(Self.seal.line.utf8)
    let start = try #require(bytes.indices.first { bytes[$0...].starts(with: line) })
    for place in start..<(start + line.count) {
      var changed = bytes
      changed[place] ^= 1
      let seal = try? ReportForm.unseal(changed).seal
      #expect(seal != Self.seal, "byte \(place - start)")
    }
  }

  @Test("A report with two seals, or with its seal elsewhere, is refused", arguments: ReportForm.allCases)
  func oneSealInItsPlace(form: ReportForm) throws {
    let once = form.sealed(try Self.body(form), with: Self.seal)
    let twice = form.sealed(once, with: Self.seal)
    #expect(throws: ReportSealError.damaged(form)) { try ReportForm.unseal(Array(twice.utf8)) }
    #expect(throws: ReportSealError.absent(form)) { try ReportForm.unseal(Array(try Self.body(form).utf8)) }
  }

  @Test("The seal of a page stands before its last footer and nowhere else, where it would be read as part of something else")
  func movedInThePage() throws {
    let sealed = ReportForm.page.sealed(try Self.body(.page), with: Self.seal)
    let lines = sealed.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let place = try #require(lines.firstIndex { $0.hasPrefix("<p class=\"seal\">") })
    #expect(lines[place + 1] == "</footer>")
    for target in 0..<lines.count - 1 where target != place {
      var moved = lines
      moved.insert(moved.remove(at: place), at: target)
      // The bytes without the seal are the same, and so is their hash: only the place tells.
      #expect(throws: ReportSealError.damaged(.page), "line \(target)") {
        try ReportForm.unseal(Array(moved.joined(separator: "\n").utf8))
      }
    }
    let later = sealed.replacingOccurrences(of: "</html>", with: "</footer>\n</html>")
    #expect(throws: ReportSealError.damaged(.page)) { try ReportForm.unseal(Array(later.utf8)) }
  }

  @Test("Text from outside cannot become a seal")
  func injected() throws {
    var report = SampleReport.complete
    report.identity.dataSet = "</p>\n<p class=\"seal\">\(Self.seal.line)</p>\n"
    report.identity.createdAt = "\nSeal: \(Self.seal.line)"
    for (form, body) in [
      (ReportForm.page, report.renderHTML()), (.text, report.renderText(.page)), (.json, try report.renderJSON()),
    ] {
      #expect(throws: ReportSealError.absent(form)) { try ReportForm.unseal(Array(body.utf8)) }
    }
  }

  @Test("The one-page text is one page and names all sixteen points")
  func onePage() {
    let text = SampleReport.complete.renderText(.page)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= 72, "\(lines.count) lines")
    #expect(lines.allSatisfy { TerminalWidth.of(String($0)) <= 100 })
    for number in 1...16 { #expect(lines.contains { $0.hasPrefix("\(number). ") }, "point \(number)") }
    let words = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(words.contains("3 plans, 1 search over settings; spent in total: ε ≤ 6.250"))
  }

  @Test("Two reports side by side show what differs, and nothing else differs")
  func difference() {
    var other = SampleReport.complete
    #expect(ReportDifference(SampleReport.complete, other).differences == 0)
    other.privacy.guarantees[0].epsilonUpper = 5
    other.privacy.setting.colluderCount = nil
    let rows = ReportDifference(SampleReport.complete, other).rows.filter(\.differs)
    #expect(rows.map(\.figure) == ["Colluding partners", "ε against outsiders"])
    #expect(rows[0].second == nil && rows[1].second?.hasPrefix("≤ 5") == true)
  }

  @Test("What any attack can do follows from an (ε, δ) curve where there is no μ")
  func attackFromCurve() {
    // ε = ln 9, δ = 0: at 1 % false alarms min(0.09, 1 − 0.99/9) = 0.09.
    let readings = AttackReading.readings(curve: [CurvePoint(epsilon: log(9), delta: 0)])
    #expect(
      readings.count == 2 && abs(readings[1].truePositiveRateMax - 0.09) < 1e-12
        && abs(readings[0].truePositiveRateMax - 0.009) < 1e-12)
    #expect(AttackReading.readings(curve: []).isEmpty)
  }
}
