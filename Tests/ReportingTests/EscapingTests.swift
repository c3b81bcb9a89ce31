import Foundation
import Reporting
import Testing

@Suite struct EscapingTests {
  @Test func markupCharactersBecomeReferences() {
    #expect(
      Escaping.markup("<a href=\"x\">'&'</a>") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;")
  }

  @Test func invisibleDeceptionBecomesVisible() {
    #expect(
      Escaping.visible("a\u{202e}b\u{1b}[0m\u{0}\u{2069}\n")
        == "a⟨U+202E⟩b⟨U+001B⟩[0m⟨U+0000⟩⟨U+2069⟩⟨U+000A⟩")
    #expect(Escaping.visible("e\u{301}\u{e0041}\u{fffe}") == "e\u{301}⟨U+E0041⟩⟨U+FFFE⟩")
  }

  @Test(arguments: ["Österreich", "شريك", "合作", "👩‍👩‍👧", "नम\u{200d}स्ते", "ε ≤ 1"])
  func honestScriptsStayAsTheyAre(text: String) {
    #expect(Escaping.visible(text) == text)
    #expect(Escaping.markup(text) == text)
  }

  @Test func interpolatedTextIsEscapedAndInterpolatedMarkupIsNot() {
    let inner: Markup = "<b>\("<i>")</b>"
    let outer: Markup = "<p>\(inner)\([inner, inner])\(3)</p>"
    #expect(inner.source == "<b>&lt;i&gt;</b>")
    #expect(outer.source == "<p><b>&lt;i&gt;</b><b>&lt;i&gt;</b><b>&lt;i&gt;</b>3</p>")
  }

  @Test func hostileTextNeverBecomesMarkup() throws {
    let report = try HostileReport.make()
    let html = report.renderHTML()
    let page = MarkupChecker(html)
    #expect(page.faults.isEmpty, "\(page.faults.prefix(5))")
    #expect(page.all("script").isEmpty && page.all("img").isEmpty)
    let known: Set<String> = [
      "id", "class", "lang", "charset", "name", "content", "http-equiv", "href", "role", "scope", "tabindex",
      "aria-label",
      "aria-labelledby", "xmlns", "viewBox", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "d", "fill",
      "width",
      "height", "patternUnits", "patternTransform",
    ]
    let unknown = Set(page.elements.flatMap { $0.attributes.keys }).subtracting(known)
    #expect(unknown.isEmpty, "attributes that we never write: \(unknown)")
    for character in ["\u{202e}", "\u{1b}", "\u{0}", "\u{2028}", "\u{feff}", "\u{200f}", "\u{85}"] {
      #expect(!html.unicodeScalars.contains(Unicode.Scalar(character) ?? " "))
    }
    // The same page without the hostile text knows the same elements: text added none.
    let names = Set(page.elements.map(\.name))
    #expect(names == Set(HTMLRenderingTests.page.elements.map(\.name)))
  }

  @Test func hostileTextNeverReachesTheTerminalRaw() throws {
    let text = try HostileReport.make().renderText(.full)
    let raw = text.unicodeScalars.filter {
      ($0.value < 0x20 && $0 != "\n") || (0x7f...0x9f).contains($0.value)
    }
    #expect(raw.isEmpty)
    #expect(!text.unicodeScalars.contains("\u{202e}"))
    #expect(text.contains("⟨U+202E⟩") && text.contains("⟨U+001B⟩"))
  }

  @Test func hostileTextSurvivesJSONUnchangedAndShowsNothingRaw() throws {
    let report = try HostileReport.make()
    let json = try report.renderJSON()
    #expect(try RunReport(json: Data(json.utf8)) == report)
    #expect(!json.contains("<") && !json.contains("&"))
    let raw = json.unicodeScalars.filter {
      ($0.value < 0x20 && $0 != "\n") || (0x7f...0x9f).contains($0.value) || $0.value == 0x202e
        || $0.value >= 0xe0000
    }
    #expect(raw.isEmpty)
  }
}
