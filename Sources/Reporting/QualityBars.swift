/// Quality as groups of bars, one bar per method: by partner, the reason to join, or not to; by length of history, who is served worse.
enum QualityBars {
  /// - Returns: nothing where no group has a value. Draws the first measure of the table, and at most 20 partners.
  static func all(_ utility: UtilityReport) -> [ReportFigure] {
    let table = QualityDocument(utility)
    let partners = table.metrics.first.flatMap { metric in
      figure(
        id: "quality-by-partner", title: "\(metric.rawValue) by partner", table.partners,
        summary: { summary(table, metric, $0, of: table.partners.count) }, value: { table.value($0, $1, metric) })
    }
    let activity = table.activityMetric.flatMap { metric in
      figure(
        id: "quality-by-activity", title: "\(metric.rawValue) by length of history", table.historyLengths,
        summary: { "One group of bars for each of \($0.count) ranges of lengths, one bar per method." },
        value: { table.value($0, historyLength: $1, metric) })
    }
    return [partners, activity].compactMap { $0 }
  }

  private static func figure(
    id: String, title: String, _ groups: [String], summary: ([String]) -> String,
    value: (ReportMethod, String) -> MetricValue?
  ) -> ReportFigure? {
    let methods = order.filter { method in groups.contains { value(method, $0)?.value.isFinite == true } }
    let shown = Array(groups.prefix(20))
    guard !methods.isEmpty, !shown.isEmpty else { return nil }
    let values = shown.flatMap { group in
      methods.compactMap { value($0, group) }.flatMap { [$0.value, $0.high ?? $0.value] }
    }.filter(\.isFinite)
    let (width, bar) = (1140.0, 13.0)
    let step = bar * Double(methods.count) + 14
    let top = 40.0
    let height = top + step * Double(shown.count) + 34
    let x = Axis.fromZero(to: values.max() ?? 1, start: 180, end: width - 60)
    var content = Markup.empty
    for tick in x.ticks() {
      let position = x.position(tick.value)
      content += Drawing.line(position, top - 6, position, height - 30, "grid")
      content += Drawing.text(position, height - 12, "tick middle", tick.label)
    }
    for (index, method) in methods.enumerated() {
      let left = x.start + Double(index) * 215
      content +=
        swatch(method, id, left, 10, 26, 12) + Drawing.text(left + 33, 21, "label", Wording.method(method))
    }
    for (row, group) in shown.enumerated() {
      let y = top + step * Double(row) + 4
      content += Drawing.text(
        x.start - 12, y + bar * Double(methods.count) / 2 + 4, "right", Drawing.shortened(group))
      for (index, method) in methods.enumerated() {
        guard let value = value(method, group), value.value.isFinite else { continue }
        let barY = y + bar * Double(index)
        content += swatch(method, id, x.start, barY, x.position(value.value) - x.start, bar - 2)
        var end = x.position(value.value)
        if let low = value.low, let high = value.high, low.isFinite, high.isFinite {
          let middle = barY + bar / 2 - 1
          // Over the bar as well as beside it: outlined in the colour of the paper.
          for style in ["halo", "whisker"] {
            content += Drawing.line(x.position(low), middle, x.position(high), middle, style)
            content += Drawing.line(x.position(high), middle - 3, x.position(high), middle + 3, style)
            content += Drawing.line(x.position(low), middle - 3, x.position(low), middle + 3, style)
          }
          end = max(end, x.position(high))
        }
        content += Drawing.text(
          end + 5, barY + bar - 3, method == .federatedPrivate ? "small strong" : "small",
          ReportNumber.decimals(value.value, 3))
      }
    }
    content += Drawing.line(x.start, top - 6, x.start, height - 30, "axis")
    return Drawing.figure(
      id: id, title: title, summary: summary(shown), width: width, height: height, isWide: true, content: content)
  }

  private static let order: [ReportMethod] = [
    .federatedPrivate, .federatedWithoutNoise, .alone, .popularity, .central,
  ]

  private static func swatch(
    _ method: ReportMethod, _ id: String, _ x: Double, _ y: Double, _ width: Double, _ height: Double
  ) -> Markup {
    switch method {
    case .federatedPrivate: Drawing.rectangle(x, y, width, height, "p1 edge e1")
    case .federatedWithoutNoise:
      Drawing.rectangle(x, y, width, height, "edge e2", fill: "url(#\(id)-hatch)")
    case .alone: Drawing.rectangle(x, y, width, height, "edge e3", fill: "url(#\(id)-dots)")
    case .popularity: Drawing.rectangle(x, y, width, height, "edge e4")
    case .central: Drawing.rectangle(x, y, width, height, "edge e5", fill: "url(#\(id)-cross)")
    }
  }

  private static func summary(
    _ table: QualityDocument, _ metric: ReportMetric, _ partners: [String], of count: Int
  ) -> String {
    let federated: ReportMethod =
      partners.contains { table.value(.federatedPrivate, $0, metric) != nil }
      ? .federatedPrivate : .federatedWithoutNoise
    let pairs = partners.compactMap { partner -> Bool? in
      guard let together = table.value(federated, partner, metric),
        let alone = table.value(.alone, partner, metric)
      else { return nil }
      return together.value > alone.value
    }
    let left = count - partners.count
    let rest = left > 0 ? " The first \(partners.count) partners are drawn; \(left) more stand in the data." : ""
    guard !pairs.isEmpty else { return "One group of bars per partner, one bar per method.\(rest)" }
    let better = pairs.count { $0 }
    return
      "\(Wording.method(federated).capitalizedFirst): \(better) of \(pairs.count) partners are better off together than alone.\(rest)"
  }
}
