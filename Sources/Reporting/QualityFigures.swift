internal import Foundation

/// One method's quality at several levels of privacy.
public struct PrivacyQualitySeries: Sendable, Equatable {
  /// What a run with noise reached.
  public struct Point: Sendable, Equatable {
    /// ε of the run's plan, above 0.
    public var epsilon: Double
    public var value: MetricValue

    public init(epsilon: Double, value: MetricValue) { (self.epsilon, self.value) = (epsilon, value) }
  }

  public var name: String
  public var points: [Point]
  /// The same method without noise, where it was measured.
  public var withoutNoise: MetricValue?

  public init(name: String, points: [Point], withoutNoise: MetricValue? = nil) {
    (self.name, self.points, self.withoutNoise) = (name, points, withoutNoise)
  }
}

extension ReportFigure {
  /// Quality against ε on a logarithmic axis, one line per method, with intervals; what a method reaches without noise as a level line.
  ///
  /// - Parameters:
  ///   - delta: δ of all the points.
  ///   - series: the first four are drawn, so that no line is known by colour alone.
  /// - Returns: `nil` when no point has a positive ε and a finite value.
  public static func quality(
    _ metric: ReportMetric, overEpsilonAt delta: Double, _ series: [PrivacyQualitySeries]
  ) -> ReportFigure? {
    let lines = series.prefix(4).map { line in
      let points = line.points.filter { $0.epsilon > 0 && $0.epsilon.isFinite && $0.value.value.isFinite }
      return PrivacyQualitySeries(
        name: line.name, points: points.sorted { $0.epsilon < $1.epsilon },
        withoutNoise: line.withoutNoise.flatMap { $0.value.isFinite ? $0 : nil })
    }
    let epsilons = Set(lines.flatMap(\.points).map(\.epsilon)).sorted()
    guard let least = epsilons.first, let most = epsilons.last else { return nil }
    let values = lines.flatMap { $0.points.map(\.value) + [$0.withoutNoise].compactMap { $0 } }
    let (width, height) = (620.0, 360.0)
    let x = Axis(
      low: least < most ? least : least / 2, high: least < most ? most : most * 2, start: 62, end: width - 30, isLogarithmic: true
    )
    let y = Axis.fromZero(
      to: values.map { max($0.value, $0.high ?? $0.value) }.filter(\.isFinite).max() ?? 1, start: height - 52,
      end: 44 + 18 * Double(lines.count))
    var content = Drawing.frame(
      x, y, xName: "ε of the plan, δ = \(ReportNumber.delta(delta))", yName: metric.rawValue,
      xTicks: epsilons.map { ($0, ReportNumber.constant($0)) })
    for (index, line) in lines.enumerated() {
      let style = "s s\(index + 1)"
      content += Drawing.path(line.points.map { (x.position($0.epsilon), y.position($0.value.value)) }, style)
      for point in line.points {
        let across = x.position(point.epsilon)
        content += whisker(point.value) { Drawing.line(across, y.position($0), across, y.position($1), "whisker") }
        content += Drawing.mark(index, across, y.position(point.value.value))
      }
      if let level = line.withoutNoise {
        content += Drawing.path([(x.start, y.position(level.value)), (x.end, y.position(level.value))], style)
        content += Drawing.text(
          x.end, y.position(level.value) - 5, "small right", "\(Drawing.shortened(line.name)), no noise")
      }
      let legend = 22 + 18 * Double(index)
      content += Drawing.path([(x.end - 290, legend), (x.end - 262, legend)], style)
      content += Drawing.mark(index, x.end - 276, legend)
      content += Drawing.text(x.end - 254, legend + 4, "label", Drawing.shortened(line.name, to: 36))
    }
    let words = lines.map { line in
      let at = line.points.map { "\(ReportNumber.decimals($0.value.value, 3)) at ε = \(ReportNumber.constant($0.epsilon))" }
      let level = line.withoutNoise.map { ["\(ReportNumber.decimals($0.value, 3)) without noise"] } ?? []
      return "\(Escaping.visible(line.name)): \((at + level).joined(separator: ", "))"
    }
    return Drawing.figure(
      id: "epsilon-\(slug(metric))", title: "\(metric.rawValue) against ε", summary: words.joined(separator: "; ") + ".",
      caption: "Exact figures of simulated runs over the same users; the marks are runs, the whiskers 95 % intervals.",
      width: width, height: height, content: content)
  }

  /// Quality by activity: one bar for each group of users, with its interval.
  ///
  /// - Parameters:
  ///   - groups: what to call a group, its users and its value, in the order in which they are drawn.
  /// - Returns: `nil` when no group has a finite value.
  public static func quality(
    _ metric: ReportMetric, byActivity groups: [(name: String, users: Int?, value: MetricValue)]
  ) -> ReportFigure? {
    let bars = groups.filter { $0.value.value.isFinite && $0.value.value >= 0 }
    guard !bars.isEmpty else { return nil }
    let (width, rowHeight) = (620.0, 30.0)
    let height = 52 + rowHeight * Double(bars.count)
    let largest = bars.map { max($0.value.value, $0.value.high ?? 0) }.filter(\.isFinite).max() ?? 1
    let x = Axis.fromZero(to: largest, start: 210, end: width - 60)
    let bottom = height - 40
    var content = Markup.empty
    for tick in x.ticks() {
      content += Drawing.line(x.position(tick.value), 8, x.position(tick.value), bottom, "grid")
      content += Drawing.text(x.position(tick.value), bottom + 16, "tick middle", tick.label)
    }
    for (index, bar) in bars.enumerated() {
      let top = 12 + rowHeight * Double(index)
      let users = bar.users.map { " (\(ReportNumber.count($0)))" } ?? ""
      content += Drawing.text(x.start - 10, top + 14, "right", Drawing.shortened(bar.name + users, to: 30))
      content += Drawing.rectangle(x.start, top + 2, x.position(bar.value.value) - x.start, rowHeight - 12, "p1")
      content += whisker(bar.value) { Drawing.line(x.position($0), top + 11, x.position($1), top + 11, "whisker") }
      let end = x.position(max(bar.value.value, bar.value.high ?? 0))
      content += Drawing.text(end + 6, top + 15, "small", ReportNumber.decimals(bar.value.value, 3))
    }
    content += Drawing.line(x.start, 8, x.start, bottom, "axis")
    content += Drawing.text((x.start + x.end) / 2, bottom + 34, "name middle", metric.rawValue)
    let words = bars.map { "\(Escaping.visible($0.name)): \(ReportNumber.decimals($0.value.value, 3))" }
    return Drawing.figure(
      id: "activity-\(slug(metric))", title: "\(metric.rawValue) by length of history",
      summary: words.joined(separator: "; ") + ".",
      caption:
        "Users by the length of their training history, in brackets how many; exact figures of a simulation, with 95 % intervals.",
      width: width, height: height, content: content)
  }

  private static func whisker(_ value: MetricValue, _ line: (Double, Double) -> Markup) -> Markup {
    guard let low = value.low, let high = value.high, low.isFinite, high.isFinite else { return .empty }
    return line(low, high)
  }

  private static func slug(_ metric: ReportMetric) -> String {
    String(metric.rawValue.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" })
  }
}
