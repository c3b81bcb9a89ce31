import Foundation
import Reporting
import Testing

@Suite struct HTMLRenderingTests {
  static let html = SampleReport.complete.renderHTML()
  static let page = MarkupChecker(html)

  @Test func thePageNeedsNothingFromOutside() {
    let page = HTMLRenderingTests.page
    #expect(page.all("script").isEmpty && page.all("link").isEmpty && page.all("iframe").isEmpty)
    #expect(page.elements.allSatisfy { $0.attributes["src"] == nil })
    #expect(page.elements.compactMap { $0.attributes["href"] }.allSatisfy { $0.hasPrefix("#") })
    #expect(!HTMLRenderingTests.html.contains("@import") && !HTMLRenderingTests.html.contains("url(http"))
    #expect(HTMLRenderingTests.html.contains("default-src 'none'"))
  }

  @Test func thePageIsWellFormedAndItsAnchorsExist() {
    let page = HTMLRenderingTests.page
    #expect(page.faults.isEmpty, "\(page.faults)")
    let ids = page.elements.compactMap { $0.attributes["id"] }
    #expect(ids.count == Set(ids).count, "an id occurs twice")
    for target in page.elements.compactMap({ $0.attributes["href"] }) {
      #expect(ids.contains(String(target.dropFirst())))
    }
    for label in page.elements.compactMap({ $0.attributes["aria-labelledby"] }) {
      for id in label.split(separator: " ") {
        #expect(ids.contains(String(id)), "\(id) labels and is not there")
      }
    }
    for fill in page.elements.compactMap({ $0.attributes["fill"] }) {
      #expect(ids.contains(String(fill.dropFirst(5).dropLast())), "\(fill) is not there")
    }
  }

  @Test func headingsDescendOneLevelAtATime() {
    let levels = HTMLRenderingTests.page.elements.compactMap { element -> Int? in
      element.name.count == 2 && element.name.hasPrefix("h") ? Int(element.name.dropFirst()) : nil
    }
    #expect(levels.first == 1)
    #expect(levels.count { $0 == 1 } == 1)
    for (before, after) in zip(levels, levels.dropFirst()) { #expect(after <= before + 1) }
  }

  @Test func landmarksTablesAndDrawingsAreAccessible() {
    let page = HTMLRenderingTests.page
    for landmark in ["header", "nav", "main", "footer"] {
      #expect(page.all(landmark).count == 1, "\(landmark)")
    }
    #expect(page.all("html").first?.attributes["lang"] == "en")
    #expect(page.all("th").allSatisfy { ["col", "row"].contains($0.attributes["scope"]) })
    #expect(page.all("table").count == page.all("caption").count)
    #expect(page.all("svg").count >= 7)
    #expect(
      page.all("svg").allSatisfy { $0.attributes["role"] == "img" && $0.attributes["aria-labelledby"] != nil }
    )
    #expect(page.all("desc").count == page.all("svg").count)
  }

  @Test func theClaimComesFirst() throws {
    let html = HTMLRenderingTests.html
    #expect(
      html.contains(
        "<h1 id=\"claim\">What a reader of the model can learn about one user is bounded: ε ≤ 3.98 at δ = 10⁻⁶</h1>"
      ))
    let claim = try #require(html.range(of: "id=\"claim\""))
    for later in ["id=\"result\"", "id=\"figures\"", "id=\"details\"", "id=\"commands\""] {
      let range = try #require(html.range(of: later))
      #expect(claim.lowerBound < range.lowerBound)
    }
  }

  @Test func goldenRowsOfTheTables() {
    let html = HTMLRenderingTests.html
    #expect(
      html.contains(
        "<tr><th scope=\"row\"><bdi>the coordinator together with 1 partner</bdi></th><td class=\"number\"><strong><bdi>4.552</bdi>"
          + "</strong></td><td class=\"number\"><bdi>4.551</bdi></td><td class=\"number\"><bdi>10⁻⁶</bdi></td>"
          + "<td><bdi>reasonable</bdi></td>"))
    #expect(
      html.contains(
        "<tr><th scope=\"row\"><bdi>popularity</bdi></th><td class=\"number\"><bdi>6,040</bdi></td>"
          + "<td class=\"number\"><bdi>0.454</bdi> <small>0.442–0.466</small></td>"))
    #expect(html.contains("<dt>Plan (hash)</dt><dd><bdi>b7e1f0c29a6d4e58"))
    #expect(html.contains("<pre><code>tacit verify runs/demo</code></pre>"))
  }

  @Test func everyValueOfTheReportStandsOnThePage() throws {
    let json = Data(try SampleReport.complete.renderJSON().utf8)
    var missing: [String] = []
    var seen = 0
    walk(try JSONSerialization.jsonObject(with: json), path: []) { path, value in
      // Drawn, or printed as words of ours; the points of curves and series are thinned or drawn.
      let key = path.last ?? ""
      if HostileReport.closedKeys.subtracting(["metric"]).contains(key) || path.contains("curve")
        || path.contains("points") || path.contains("entries")
      {
        return
      }
      seen += 1
      let printed = HTMLRenderingTests.printed
      if !candidates(key, value).contains(where: { text in
        printed.contains(text) || (value is String && printed.contains { $0.contains(text) })
      }) {
        missing.append("\(path.joined(separator: ".")) = \(value)")
      }
    }
    #expect(missing.isEmpty, "\(missing)")
    #expect(seen > 400)
  }

  @Test func theLeastReportIsAPageToo() {
    let html = SampleReport.minimal.renderHTML()
    let page = MarkupChecker(html)
    #expect(page.faults.isEmpty)
    #expect(html.contains("No differential privacy: this run added no noise"))
    #expect(page.all("svg").isEmpty)
    #expect(html.contains("not stated"))
  }

  @Test func noMarkupOfOursIsEscapedAndNoTypeNameLeaks() {
    for report in [SampleReport.complete, SampleReport.minimal] {
      let texts = MarkupChecker(report.renderHTML()).texts
      for trace in ["&lt;/", "&gt;", "Markup(", "Optional(", "⟨U+", "(nil", "nan ", "NaN", "inf "] {
        #expect(texts.first { $0.contains(trace) } == nil, "\(trace) stands on the page")
      }
    }
  }

  @Test func manyEntriesAndPartnersAreAbridgedWithASentence() {
    var report = SampleReport.complete
    report.privacy.ledger?.entries = (0..<1000).map {
      LedgerEntryExtract(index: $0, release: "gradient", epsilonAfter: 0.003 * Double($0))
    }
    report.cost?.traffic = (0..<500).map {
      PartnerTraffic(partner: "partner \($0)", bytesUp: 1, bytesDown: 2)
    }
    let html = report.renderHTML()
    #expect(html.contains("940 entries in the middle are left out here; report.json holds them."))
    #expect(html.contains("440 partners are left out here; report.json holds them."))
    #expect(MarkupChecker(html).faults.isEmpty)
    #expect(html.utf8.count < 400_000)
  }

  /// The forms in which a value may be printed.
  private func candidates(_ key: String, _ value: Any) -> [String] {
    if let text = value as? String { return [key == "hash" ? text.prefix(16) + "…" : Escaping.markup(text)] }
    guard let number = value as? NSNumber else { return [] }
    if isBoolean(number) { return key == "released" ? ["released", "aborted, charged"] : ["on"] }
    let double = number.doubleValue
    if key == "modulusBits" { return [ReportNumber.powerOfTwo(Int(double))] }
    if key == "wrapProbabilityLog2" { return [ReportNumber.powerOfTwoBound(log2: double)] }
    if key.lowercased().contains("bytes") { return [ReportNumber.bytes(Int(double))] }
    if key.lowercased().contains("seconds") { return [ReportNumber.seconds(double)] }
    if key.hasPrefix("users") { return [ReportNumber.decimals(double, 1), ReportNumber.count(Int(double))] }
    if key == "delta" { return [ReportNumber.delta(double)] }
    if double == double.rounded() { return [ReportNumber.count(Int(double)), String(Int(double))] }
    return [
      ReportNumber.upperBound(double), ReportNumber.lowerBound(double), ReportNumber.decimals(double, 3),
      ReportNumber.decimals(double, 4), ReportNumber.rounded(double), ReportNumber.upperPercentage(double),
      ReportNumber.rounded(double * 100) + "\u{a0}%",
    ]
  }

  /// Every text of the page, every word of it, and both ends of every range.
  private static let printed: Set<String> = {
    var words = Set(page.texts)
    for text in page.texts {
      for word in text.split(separator: " ") {
        words.insert(String(word))
        words.formUnion(word.split(separator: "–").map(String.init))
        words.insert(String(word.drop { "≤\u{a0}".contains($0) }))
        words.insert(String(word.reversed().drop { ",;.:".contains($0) }.reversed()))
      }
    }
    return words
  }()

  private func isBoolean(_ number: NSNumber) -> Bool { String(cString: number.objCType) == "c" }

  private func walk(_ value: Any, path: [String], _ visit: ([String], Any) -> Void) {
    if let object = value as? [String: Any] {
      for key in object.keys.sorted() { walk(object[key] ?? "", path: path + [key], visit) }
    } else if let list = value as? [Any] {
      for element in list { walk(element, path: path, visit) }
    } else {
      visit(path, value)
    }
  }
}
