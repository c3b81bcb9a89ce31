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

extension String {
  /// The text with its first letter in upper case.
  var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}
