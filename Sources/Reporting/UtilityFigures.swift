/// Drawings of quality and cost: metric over rounds, quality by partner, seconds and bytes per stage.
enum UtilityFigures {
  static func all(_ report: RunReport) -> [ReportFigure] {
    var figures = report.utility.map { rounds($0.series) } ?? []
    if let cost = report.cost {
      figures += [
        stageBars(
          id: "cpu-per-stage", title: "CPU seconds by stage",
          cost.stages.map { ($0.stage.rawValue, $0.cpuSeconds) },
          label: ReportNumber.seconds),
        stageBars(
          id: "bytes-per-stage", title: "Bytes by stage",
          cost.stages.map { ($0.stage.rawValue, $0.bytes.map(Double.init)) },
          label: { ReportNumber.bytes(Int($0)) }),
      ].compactMap { $0 }
    }
    return figures
  }

  /// One drawing per metric that has a series of at least two points, one line per method.
  private static func rounds(_ series: [MetricSeries]) -> [ReportFigure] {
    var metrics: [ReportMetric] = []
    for entry in series where !metrics.contains(entry.metric) { metrics.append(entry.metric) }
    return metrics.compactMap { metric in
      let lines = series.filter { $0.metric == metric }
        .map { ($0.method, $0.points.filter { $0.value.isFinite }.sorted { $0.round < $1.round }) }
        .filter { $0.1.count >= 2 }
      let all = lines.flatMap(\.1)
      guard let firstRound = all.map(\.round).min(), let lastRound = all.map(\.round).max(),
        firstRound < lastRound
      else { return nil }
      let (width, height) = (560.0, 320.0)
      let x = Axis(low: Double(firstRound), high: Double(lastRound), start: 56, end: width - 26)
      let y = Axis.fromZero(to: all.map(\.value).max() ?? 1, start: height - 52, end: 40)
      let step = max(1, (lastRound - firstRound + 7) / 8)
      let ticks = stride(from: firstRound, through: lastRound, by: step).map { (Double($0), String($0)) }
      var content = Drawing.frame(x, y, xName: "round", yName: metric.rawValue, xTicks: ticks)
      for (index, (method, points)) in lines.enumerated() {
        content += Drawing.path(
          points.map { (x.position(Double($0.round)), y.position($0.value)) }, "s s\(index % 4 + 1)")
        if points.count <= 40 {
          for point in points {
            content += Drawing.mark(index, x.position(Double(point.round)), y.position(point.value))
          }
        }
        let legendY = y.start - 14 - 18 * Double(lines.count - 1 - index)
        content += Drawing.path([(x.end - 210, legendY), (x.end - 182, legendY)], "s s\(index % 4 + 1)")
        content += Drawing.mark(index, x.end - 196, legendY)
        content += Drawing.text(x.end - 174, legendY + 4, "label", Wording.method(method))
      }
      let ends = lines.map { method, points in
        "\(Wording.method(method)): \(ReportNumber.decimals(points[points.count - 1].value, 3)) after round "
          + "\(points[points.count - 1].round)"
      }
      let slug = metric.rawValue.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
      return Drawing.figure(
        id: "rounds-" + String(slug), title: "\(metric.rawValue) over the rounds",
        summary: ends.joined(separator: "; ") + ".", width: width, height: height, content: content)
    }
  }

  /// Horizontal bars with their values, one per stage that was measured.
  private static func stageBars(
    id: String, title: String, _ values: [(name: String, value: Double?)], label: (Double) -> String
  ) -> ReportFigure? {
    let bars = values.compactMap { name, value in
      value.flatMap { $0.isFinite && $0 >= 0 ? (name: name, value: $0) : nil }
    }
    guard !bars.isEmpty else { return nil }
    let (width, rowHeight) = (560.0, 27.0)
    let height = 24 + rowHeight * Double(bars.count)
    let largest = bars.map(\.value).max() ?? 0
    let x = Axis(low: 0, high: largest > 0 ? largest : 1, start: 150, end: width - 90)
    var content = Markup.empty
    for (index, bar) in bars.enumerated() {
      let y = 12 + rowHeight * Double(index)
      content += Drawing.text(x.start - 10, y + 16, "right", Drawing.shortened(bar.name, to: 20))
      content += Drawing.rectangle(
        x.start, y + 3, max(x.position(bar.value) - x.start, 1), rowHeight - 8, "p1")
      content += Drawing.text(x.position(bar.value) + 7, y + 16, "tick", label(bar.value))
    }
    content += Drawing.line(x.start, 8, x.start, height - 8, "axis")
    return Drawing.figure(
      id: id, title: title,
      summary: bars.map { "\(Escaping.visible($0.name)): \(label($0.value))" }.joined(separator: "; ") + ".",
      caption: "All parties together, whole run. Stages that were not measured are left out.",
      width: width, height: height, content: content)
  }
}

/// Quality by partner as groups of bars: the reason to join, or not to.
enum PartnerFigure {
  /// - Returns: `nil` when no partner has a value. Draws the first measure of the table, and at most 20 partners.
  static func figure(_ utility: UtilityReport) -> ReportFigure? {
    let table = QualityDocument(utility)
    guard let metric = table.metrics.first else { return nil }
    let methods = order.filter { method in
      table.partners.contains { table.value(method, $0, metric)?.value.isFinite == true }
    }
    let partners = Array(table.partners.prefix(20))
    guard !methods.isEmpty, !partners.isEmpty else { return nil }
    let values = partners.flatMap { partner in
      methods.compactMap { table.value($0, partner, metric) }.flatMap { [$0.value, $0.high ?? $0.value] }
    }.filter(\.isFinite)
    let (width, bar) = (1140.0, 13.0)
    let group = bar * Double(methods.count) + 14
    let top = 40.0
    let height = top + group * Double(partners.count) + 34
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
        swatch(method, left, 10, 26, 12) + Drawing.text(left + 33, 21, "label", Wording.method(method))
    }
    for (row, partner) in partners.enumerated() {
      let y = top + group * Double(row) + 4
      content += Drawing.text(
        x.start - 12, y + bar * Double(methods.count) / 2 + 4, "right", Drawing.shortened(partner))
      for (index, method) in methods.enumerated() {
        guard let value = table.value(method, partner, metric), value.value.isFinite else { continue }
        let barY = y + bar * Double(index)
        content += swatch(method, x.start, barY, x.position(value.value) - x.start, bar - 2)
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
    let left = table.partners.count - partners.count
    return Drawing.figure(
      id: "quality-by-partner", title: "\(metric.rawValue) by partner",
      summary: summary(table, metric, partners)
        + (left > 0
          ? " The first \(partners.count) partners are drawn; \(left) more stand in the data." : ""),
      width: width, height: height, isWide: true, content: content)
  }

  private static let order: [ReportMethod] = [
    .federatedPrivate, .federatedWithoutNoise, .alone, .popularity, .central,
  ]

  private static func swatch(
    _ method: ReportMethod, _ x: Double, _ y: Double, _ width: Double, _ height: Double
  ) -> Markup {
    switch method {
    case .federatedPrivate: Drawing.rectangle(x, y, width, height, "p1 edge e1")
    case .federatedWithoutNoise:
      Drawing.rectangle(x, y, width, height, "edge e2", fill: "url(#quality-by-partner-hatch)")
    case .alone: Drawing.rectangle(x, y, width, height, "edge e3", fill: "url(#quality-by-partner-dots)")
    case .popularity: Drawing.rectangle(x, y, width, height, "edge e4")
    case .central: Drawing.rectangle(x, y, width, height, "edge e5", fill: "url(#quality-by-partner-cross)")
    }
  }

  private static func summary(_ table: QualityDocument, _ metric: ReportMetric, _ partners: [String])
    -> String
  {
    let federated: ReportMethod =
      partners.contains { table.value(.federatedPrivate, $0, metric) != nil }
      ? .federatedPrivate : .federatedWithoutNoise
    let pairs = partners.compactMap { partner -> Bool? in
      guard let together = table.value(federated, partner, metric),
        let alone = table.value(.alone, partner, metric)
      else { return nil }
      return together.value > alone.value
    }
    guard !pairs.isEmpty else { return "One group of bars per partner, one bar per method." }
    let better = pairs.count { $0 }
    return
      "\(Wording.method(federated).capitalizedFirst): \(better) of \(pairs.count) partners are better off together than alone."
  }
}

extension String {
  /// The text with its first letter in upper case.
  var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
