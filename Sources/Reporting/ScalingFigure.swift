internal import Foundation

/// CPU seconds over the size of the work.
public struct ScalingSeries: Sendable, Equatable {
  public var name: String
  /// Size and seconds, both positive.
  public var points: [(size: Double, cost: Double)]

  public init(name: String, points: [(size: Double, cost: Double)]) {
    self.name = name
    self.points = points
  }

  public static func == (left: ScalingSeries, right: ScalingSeries) -> Bool {
    left.name == right.name && left.points.elementsEqual(right.points, by: ==)
  }
}

extension ReportFigure {
  /// How CPU seconds grow with the work, both axes logarithmic: a straight line is a power of the size, its slope the exponent.
  ///
  /// - Parameter series: at most four, so that no line is known by colour alone.
  /// - Returns: `nil` unless there are two different sizes; what is not positive and finite is left out.
  public static func scaling(
    id: String, title: String, sizeName: String, costName: String, series: [ScalingSeries]
  ) -> ReportFigure? {
    let lines = series.prefix(4)
      .map { line in
        let points = line.points.filter { $0.size > 0 && $0.cost > 0 && $0.size.isFinite && $0.cost.isFinite }
        return (name: line.name, points: points.sorted { $0.size < $1.size })
      }
      .filter { !$0.points.isEmpty }
    let all = lines.flatMap(\.points)
    guard let left = all.map(\.size).min(), let right = all.map(\.size).max(), left < right,
      let low = all.map(\.cost).min(), let high = all.map(\.cost).max()
    else { return nil }
    let (width, height) = (620.0, 360.0)
    let x = Axis(low: left, high: right, start: 62, end: width - 30, isLogarithmic: true)
    let y = Axis(
      low: decade(low, rounded: .down), high: max(decade(high, rounded: .up), 10 * decade(low, rounded: .down)),
      start: height - 52, end: 44 + 18 * Double(lines.count), isLogarithmic: true)
    let sizes = Set(all.map(\.size)).sorted()
    var content = Drawing.frame(
      x, y, xName: sizeName, yName: costName, xTicks: sizes.map { ($0, ReportNumber.count(Int($0))) })
    for (index, line) in lines.enumerated() {
      content += Drawing.path(line.points.map { (x.position($0.size), y.position($0.cost)) }, "s s\(index + 1)")
      for point in line.points { content += Drawing.mark(index, x.position(point.size), y.position(point.cost)) }
      let legend = 22 + 18 * Double(index)
      content += Drawing.path([(x.end - 290, legend), (x.end - 262, legend)], "s s\(index + 1)")
      content += Drawing.mark(index, x.end - 276, legend)
      content += Drawing.text(x.end - 254, legend + 4, "label", line.name)
    }
    let ends = lines.compactMap { line -> String? in
      guard let first = line.points.first, let last = line.points.last, first.size < last.size else { return nil }
      let slope = log10(last.cost / first.cost) / log10(last.size / first.size)
      return
        "\(line.name): \(ReportNumber.seconds(first.cost)) at \(ReportNumber.count(Int(first.size))), \(ReportNumber.seconds(last.cost)) at \(ReportNumber.count(Int(last.size))), exponent \(ReportNumber.decimals(slope, 2))"
    }
    return Drawing.figure(
      id: id, title: title, summary: ends.joined(separator: "; ") + ".", width: width, height: height, content: content)
  }

  private static func decade(_ value: Double, rounded rule: FloatingPointRoundingRule) -> Double {
    pow(10, log10(value).rounded(rule))
  }

}
