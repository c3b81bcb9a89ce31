extension RunReport {
  /// The report as one HTML page that needs nothing from outside: no script, no font, no request. Light or dark by the
  /// reader's setting, fit for A4, and the same bytes for the same value.
  public func renderHTML() -> String { HTMLPage(self).markup.source }

  /// The drawings of the report, each fit to stand alone as an .svg file.
  public func figures() -> [ReportFigure] {
    let report = publishable()
    return (report.utility.map(QualityBars.all) ?? []) + PrivacyFigures.all(report.privacy) + UtilityFigures.all(report)
  }
}

/// The page: claim first, then results, drawings, details, commands, words.
private struct HTMLPage {
  let report: RunReport
  let document: ReportDocument

  init(_ report: RunReport) {
    self.report = report.publishable()
    self.document = ReportDocument(report)
  }

  var markup: Markup {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width,initial-scale=1">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
    <title>Privacy and run report: \(report.identity.runID)</title>
    <style>
    \(Stylesheet.page)\(Drawing.style)
    </style>
    </head>
    <body>
    <a class="skip" href="#details">Skip to the details</a>
    \(header)<main>
    \(claim)\(navigation)\(results)\(drawings)\(details)\(commands)\(glossary)</main>
    <footer>
    <p>Made by Tacit\(report.identity.codeVersion.map { " " + $0 } ?? ""). \
    The same figures for machines stand in report.json.</p>
    </footer>
    </body>
    </html>

    """
  }

  private var header: Markup {
    let identity = report.identity
    let parts = [
      ("Run", identity.runID), ("Data", identity.dataSet), ("Algorithm", identity.algorithm),
      ("Made", identity.createdAt),
    ]
    let items = parts.compactMap { term, value -> Markup? in
      value.map { "<p>\(term): <bdi>\($0)</bdi></p>\n" }
    }
    return "<header>\n<p class=\"mark\">Privacy and run report</p>\n\(items)</header>\n"
  }

  // MARK: First screen

  private var claim: Markup {
    let remarks: [Markup] = document.claim.remarks.map { "<li>\($0)</li>\n" }
    let list: Markup = remarks.isEmpty ? "" : "<ul>\n\(remarks)</ul>\n"
    return """
      <section class="card claim \(tone)" aria-labelledby="claim">
      <h1 id="claim">\(document.claim.headline)</h1>
      <p class="statement">\(document.claim.statement)</p>
      \(tiles)\(list)\(hazards)\
      \(document.guarantees.map { table($0) } ?? "")</section>

      """
  }

  private var tone: String {
    switch document.claim.verdict {
    case .noNoise, .notPrivate, .contradicted, .overspent: "alarm"
    case .bounded where report.privacy.principalGuarantee?.tier == .strong: "strong"
    case .bounded, .notComputed: ""
    }
  }

  private var tiles: Markup {
    let privacy = report.privacy
    let words = Wording(privacy)
    var tiles: [Markup] = []
    func add(_ term: String, _ value: String, _ detail: String, style: String = "") {
      tiles.append(
        "<div class=\"tile \(style)\"><dt>\(term)</dt><dd>\(value) <small>\(detail)</small></dd></div>\n")
    }
    let isVoid = document.claim.verdict == .notPrivate
    let isContradicted = document.claim.verdict == .contradicted
    if let guarantee = privacy.principalGuarantee {
      let cap = privacy.cap.map { "of a cap of \(ReportNumber.constant($0.epsilon)); " } ?? ""
      add(
        isVoid ? "ε, if it were private" : "ε charged",
        "≤ " + ReportNumber.upperBound(guarantee.epsilonUpper, digits: 3),
        isVoid ? "void: test randomness" : isContradicted ? "contradicted by an audit" : cap + Wording.shortTier(guarantee.tier),
        style: isVoid || isContradicted ? "none" : guarantee.tier.rawValue)
      add("δ", ReportNumber.delta(guarantee.delta), "allowance for a failure of the bound")
    }
    if document.claim.verdict != .noNoise {
      add(
        isVoid ? "Unit" : "Protected unit", words.shortUnit,
        privacy.unit.unit == .user ? "with all of their interactions" : "with all of its users")
      add("Adjacency", words.shortAdjacency.value, words.shortAdjacency.detail)
    }
    if !isVoid, let reading = privacy.principalGuarantee?.attack.last {
      add(
        "Best possible attack", "≤ " + ReportNumber.upperPercentage(reading.truePositiveRateMax),
        "of users recognised, at \(ReportNumber.rounded(reading.falsePositiveRate * 100))\u{a0}% false alarms"
      )
    }
    add(
      "Partners", ReportNumber.count(privacy.setting.partnerCount),
      "secure aggregation \(privacy.setting.secureAggregation ? "on" : "off"), noise \(privacy.setting.noise.rawValue)"
    )
    return "<dl class=\"tiles\">\n\(tiles)</dl>\n"
  }

  private var hazards: Markup {
    guard !document.hazards.isEmpty else { return "" }
    let isGrave = report.hazards.contains(where: \.isGrave)
    let items: [Markup] = document.hazards.map { "<li><strong>\($0.term).</strong> \($0.text)</li>\n" }
    return """
      <aside class="hazards \(isGrave ? "grave" : "")" aria-labelledby="hazards">
      <h2 id="hazards">Know this before you believe a figure</h2>
      <ul>
      \(items)</ul>
      </aside>

      """
  }

  private var navigation: Markup {
    var targets = document.results.map { ($0.id, $0.title) }
    if !report.figures().isEmpty { targets.append(("figures", "Drawings")) }
    targets += document.details.map { ($0.id, $0.title) }
    if !document.commands.isEmpty { targets.append(("commands", "Recompute")) }
    let items: [Markup] = targets.map { "<li><a href=\"#\($0.0)\">\($0.1)</a></li>\n" }
    return "<nav aria-label=\"Contents\">\n<ul>\n\(items)</ul>\n</nav>\n"
  }

  // MARK: Results, drawings, details

  private var results: Markup {
    let sections: [Markup] = document.results.map { section in
      """
      <section class="card" aria-labelledby="\(section.id)">
      <h2 id="\(section.id)">\(section.title)</h2>
      \(section.blocks.map { block($0, level: 3) })</section>

      """
    }
    return "\(sections)"
  }

  private var drawings: Markup {
    let figures = report.figures()
    guard !figures.isEmpty else { return "" }
    let items: [Markup] = figures.map { figure in
      """
      <figure\(figure.isWide ? Markup(stringLiteral: " class=\"wide\"") : "")>
      <h3>\(figure.title)</h3>
      \(Markup(stringLiteral: figure.inlineSVG))
      <figcaption>\(figure.caption)</figcaption>
      </figure>

      """
    }
    return """
      <section aria-labelledby="figures">
      <h2 id="figures">Drawings</h2>
      <div class="figures">
      \(items)</div>
      </section>

      """
  }

  private var details: Markup {
    let sections: [Markup] = document.details.map { section in
      """
      <section aria-labelledby="\(section.id)">
      <h3 id="\(section.id)">\(section.title)</h3>
      \(section.blocks.map { block($0, level: 4) })</section>

      """
    }
    return """
      <section class="card" aria-labelledby="details">
      <h2 id="details">Details</h2>
      \(sections)</section>

      """
  }

  private var commands: Markup {
    guard !document.commands.isEmpty else { return "" }
    let items: [Markup] = document.commands.map { command in
      "<h3>\(command.purpose)</h3>\n<pre><code>\(command.command)</code></pre>\n"
    }
    return """
      <section class="card" aria-labelledby="commands">
      <h2 id="commands">Recompute everything</h2>
      \(items)</section>

      """
  }

  private var glossary: Markup {
    let items: [Markup] = Glossary.terms.map { "<dt>\($0.term)</dt><dd>\($0.text)</dd>\n" }
    return """
      <section class="card" aria-labelledby="words">
      <h2 id="words">The words, in short</h2>
      <dl class="facts">
      \(items)</dl>
      </section>

      """
  }

  // MARK: Blocks

  private func block(_ block: DocumentBlock, level: Int) -> Markup {
    switch block {
    case .paragraph(let text): return "<p>\(text)</p>\n"
    case .subheading(let text): return "<h\(level)>\(text)</h\(level)>\n"
    case .list(let items):
      let items: [Markup] = items.map { "<li>\($0)</li>\n" }
      return "<ul>\n\(items)</ul>\n"
    case .facts(let facts):
      let items: [Markup] = facts.map { "<dt>\($0.term)</dt><dd><bdi>\($0.text)</bdi></dd>\n" }
      return "<dl class=\"facts\">\n\(items)</dl>\n"
    case .table(let content): return table(content)
    }
  }

  private func table(_ table: DocumentTable) -> Markup {
    let head: [Markup] = table.columns.map { column in
      "<th scope=\"col\"\(numberClass(column))><bdi>\(column.title)</bdi></th>"
    }
    let rows: [Markup] = table.rows.map { row in
      let cells = zip(table.columns, row).enumerated().map { index, pair -> Markup in
        let (column, cell) = pair
        let detail: Markup = cell.detail.map { " <small>\($0)</small>" } ?? ""
        let text: Markup =
          cell.isStrong ? "<strong><bdi>\(cell.text)</bdi></strong>" : "<bdi>\(cell.text)</bdi>"
        return index == 0
          ? "<th scope=\"row\"\(numberClass(column))>\(text)\(detail)</th>"
          : "<td\(numberClass(column))>\(text)\(detail)</td>"
      }
      let isMain = row.count > 1 && row.contains { $0.isStrong && table.isComparison }
      return "<tr\(isMain ? Markup(stringLiteral: " class=\"main\"") : "")>\(cells)</tr>\n"
    }
    let note: Markup = table.note.map { "<p class=\"note\">\($0)</p>\n" } ?? ""
    return """
      <div class="\(table.rows.count <= 12 ? "scroll short" : "scroll")" tabindex="0" role="group" aria-label="\(table.caption)">
      <table>
      <caption>\(table.caption)</caption>
      <thead><tr>\(head)</tr></thead>
      <tbody>
      \(rows)</tbody>
      </table>
      </div>
      \(note)
      """
  }

  private func numberClass(_ column: DocumentTable.Column) -> Markup {
    column.isNumeric ? Markup(stringLiteral: " class=\"number\"") : ""
  }
}

/// The words that a reader from another field needs.
enum Glossary {
  static let terms: [DocumentFact] = [
    DocumentFact(
      "ε (epsilon)",
      "How much the odds of any conclusion about one unit may change because its data were used: by a factor of at most "
        + "e^ε. Smaller is better; 0 would mean that nothing depends on the unit."),
    DocumentFact(
      "δ (delta)",
      "The allowance with which the bound on ε may fail. It should be far below one divided by the number of users."
    ),
    DocumentFact(
      "Unit",
      "What is protected as a whole: a user with all interactions, or a partner with all users; never a single click."
    ),
    DocumentFact(
      "Adjacency", "Which two data sets count as neighbours; ε compares what they would have released."),
    DocumentFact(
      "Release", "One noised vector that leaves the protocol: a model update, a count, an evaluation."),
    DocumentFact(
      "Secure aggregation",
      "Partners mask their inputs so that only the sum can be read. It hides partners from the coordinator; it does not "
        + "hide users in the sum, which is what the noise is for."),
    DocumentFact(
      "Tier",
      "ε ≤ 1 strong, ε ≤ 10 reasonable, above weak (Ponomareva et al. 2023). A convention, not a theorem."),
  ]
}
