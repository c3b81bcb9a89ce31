internal import Foundation

/// Drawings of the privacy part: ε over releases against the cap, the (ε, δ) curve, what an attack can do.
enum PrivacyFigures {
  static func all(_ privacy: PrivacyReport) -> [ReportFigure] {
    [epsilonOverReleases(privacy), remainingBudget(privacy), deltaCurve(privacy), attackCurve(privacy)].compactMap { $0 }
  }

  private static let width = 560.0
  private static let height = 320.0

  /// ε after each charge, as steps, with the cap as a dashed line.
  private static func epsilonOverReleases(_ privacy: PrivacyReport) -> ReportFigure? {
    let entries = (privacy.ledger?.entries ?? []).compactMap { entry -> (epsilon: Double, released: Bool)? in
      guard let epsilon = entry.epsilonAfter, epsilon.isFinite, epsilon >= 0 else { return nil }
      return (epsilon, entry.released)
    }
    guard let last = entries.last else { return nil }
    let cap = privacy.cap.map(\.epsilon).flatMap { $0.isFinite && $0 > 0 ? $0 : nil }
    let x = Axis(low: 0, high: Double(entries.count), start: 56, end: width - 26)
    let largest = max(entries.map(\.epsilon).max() ?? 0, cap ?? 0)
    let y = Axis.fromZero(to: largest * 1.06, start: height - 52, end: 40)
    let step = max(1, (entries.count + 9) / 10)
    let ticks = stride(from: step, through: entries.count, by: step).map { (Double($0), String($0)) }
    var content = Drawing.frame(
      x, y, xName: "charges in the ledger", yName: "ε so far (upper value)", xTicks: ticks)
    if let cap {
      content += Drawing.line(x.start, y.position(cap), x.end, y.position(cap), "cap")
      content += Drawing.text(
        x.start + 6, y.position(cap) - 6, "strong", "cap of the plan: ε = \(ReportNumber.constant(cap))")
    }
    var points = [(x: x.position(0), y: y.position(0))]
    for (index, entry) in entries.enumerated() {
      points.append((x.position(Double(index + 1)), points[points.count - 1].y))
      points.append((x.position(Double(index + 1)), y.position(entry.epsilon)))
    }
    content += Drawing.path(points, "s s1")
    for (index, entry) in entries.enumerated() where entries.count <= 40 || !entry.released {
      content += Drawing.mark(
        0, x.position(Double(index + 1)), y.position(entry.epsilon), hollow: !entry.released)
    }
    let lost = entries.count { !$0.released }
    if lost > 0 {
      content += Drawing.mark(0, x.end - 182, y.start - 14, hollow: true)
      content += Drawing.text(x.end - 172, y.start - 10, "small", "aborted, charged all the same")
    }
    let summary =
      "After \(entries.count) charges ε is at most \(ReportNumber.upperBound(last.epsilon))"
      + (cap.map { "; the plan caps it at \(ReportNumber.constant($0))" } ?? "")
      + (lost > 0 ? "; \(lost) of the charges were for aborted attempts." : ".")
    return Drawing.figure(
      id: "epsilon-over-releases", title: "Privacy spent, release by release", summary: summary, width: width,
      height: height, content: content)
  }

  /// What the cap leaves after each charge, as steps down.
  private static func remainingBudget(_ privacy: PrivacyReport) -> ReportFigure? {
    guard let cap = privacy.cap?.epsilon, cap.isFinite, cap > 0 else { return nil }
    let left = (privacy.ledger?.entries ?? []).compactMap(\.epsilonAfter).filter(\.isFinite).map { max(0, cap - $0) }
    guard let last = left.last else { return nil }
    let x = Axis(low: 0, high: Double(left.count), start: 56, end: width - 26)
    let y = Axis.fromZero(to: cap, start: height - 52, end: 40)
    let step = max(1, (left.count + 9) / 10)
    let ticks = stride(from: step, through: left.count, by: step).map { (Double($0), String($0)) }
    var content = Drawing.frame(x, y, xName: "charges in the ledger", yName: "ε left of the cap (lower value)", xTicks: ticks)
    var points = [(x: x.position(0), y: y.position(cap))]
    for (index, value) in left.enumerated() {
      points.append((x.position(Double(index + 1)), points[points.count - 1].y))
      points.append((x.position(Double(index + 1)), y.position(value)))
    }
    content += Drawing.path(points, "s s3")
    if left.count <= 40 {
      for (index, value) in left.enumerated() { content += Drawing.mark(2, x.position(Double(index + 1)), y.position(value)) }
    }
    return Drawing.figure(
      id: "remaining-budget", title: "Budget that remains",
      summary:
        "Of the plan's cap of \(ReportNumber.constant(cap)), \(ReportNumber.lowerBound(last)) is left after \(left.count) charges.",
      width: width, height: height, content: content)
  }

  /// δ against ε, one line per adversary, with the claimed points.
  private static func deltaCurve(_ privacy: PrivacyReport) -> ReportFigure? {
    let words = Wording(privacy)
    let curves = privacy.guarantees.map { ($0, drawablePoints($0)) }.filter { $0.1.count >= 2 }
    guard !curves.isEmpty else { return nil }
    let points = curves.flatMap(\.1)
    let x = Axis.fromZero(to: points.map(\.epsilon).max() ?? 1, start: 56, end: width - 26)
    let low = pow(10, log10(points.map(\.delta).min() ?? 1e-12).rounded(.down))
    let high = pow(10, log10(points.map(\.delta).max() ?? 1).rounded(.up))
    let y = Axis(
      low: low, high: high > low ? high : low * 10, start: height - 52, end: 40, isLogarithmic: true)
    var content = Drawing.frame(x, y, xName: "ε", yName: "δ", xTicks: x.ticks())
    for (index, (guarantee, curve)) in curves.enumerated() {
      content += Drawing.path(
        curve.map { (x.position($0.epsilon), y.position($0.delta)) }, "s s\(index % 4 + 1)")
      if guarantee.delta >= y.low, guarantee.epsilonUpper.isFinite {
        content += Drawing.mark(index, x.position(guarantee.epsilonUpper), y.position(guarantee.delta))
      }
      content += legend(index, x.end - 190, y.end + 10 + 18 * Double(index), words.label(guarantee.against))
    }
    let claims = curves.map { guarantee, _ in
      "against \(words.label(guarantee.against)) ε ≤ \(ReportNumber.upperBound(guarantee.epsilonUpper)) at δ = "
        + ReportNumber.delta(guarantee.delta)
    }
    return Drawing.figure(
      id: "epsilon-delta-curve", title: "The whole (ε, δ) curve",
      summary: "One run satisfies every pair on its line at once; the marks are the claims: "
        + claims.joined(separator: "; ") + ".",
      width: width, height: height, content: content)
  }

  private static func drawablePoints(_ guarantee: Guarantee) -> [CurvePoint] {
    let points = guarantee.curve.isEmpty ? guarantee.epsilonAtDelta : guarantee.curve
    return points.filter { $0.epsilon.isFinite && $0.epsilon >= 0 && $0.delta >= 1e-12 && $0.delta <= 1 }
      .sorted { $0.epsilon == $1.epsilon ? $0.delta > $1.delta : $0.epsilon < $1.epsilon }
  }

  /// True-positive rate against false-positive rate of the best attack, from μ.
  private static func attackCurve(_ privacy: PrivacyReport) -> ReportFigure? {
    let words = Wording(privacy)
    let curves = privacy.guarantees.filter { ($0.mu ?? .infinity).isFinite }
    guard !curves.isEmpty else { return nil }
    let x = Axis(low: 0.0001, high: 1, start: 56, end: width - 26, isLogarithmic: true)
    let y = Axis(low: 0, high: 1, start: height - 52, end: 40)
    var content = Drawing.frame(
      x, y, xName: "false alarms (share of absent users accused)", yName: "users recognised, at most",
      xTicks: [(0.0001, "0.01 %"), (0.001, "0.1 %"), (0.01, "1 %"), (0.1, "10 %"), (1, "100 %")])
    // Φ⁻¹(0.0001) = -3.719.
    let quantiles = stride(from: -3.719, through: 3.0, by: 0.1)
    let guess = quantiles.map { AttackReading.normalDistribution($0) }
    content += Drawing.path(guess.map { (x.position($0), y.position($0)) }, "s s3")
    for (index, guarantee) in curves.enumerated() {
      guard let mu = guarantee.mu else { continue }
      let style = index == 0 ? 1 : index == 1 ? 2 : 4
      content += Drawing.path(
        quantiles.map {
          (
            x.position(AttackReading.normalDistribution($0)),
            y.position(AttackReading.normalDistribution($0 + mu))
          )
        }, "s s\(style)")
      for reading in guarantee.attack
      where reading.falsePositiveRate >= x.low && reading.truePositiveRateMax.isFinite {
        content += Drawing.mark(
          style - 1, x.position(reading.falsePositiveRate), y.position(reading.truePositiveRateMax))
      }
      content += legend(
        style - 1, x.start + 10, y.end + 10 + 18 * Double(index), words.label(guarantee.against))
    }
    content += legend(2, x.start + 10, y.end + 10 + 18 * Double(curves.count), "guessing", marked: false)
    let readings = curves.flatMap { guarantee in
      guarantee.attack.map {
        "against \(words.label(guarantee.against)), at \(ReportNumber.rounded($0.falsePositiveRate * 100)) % false alarms at "
          + "most \(ReportNumber.upperPercentage($0.truePositiveRateMax))"
      }
    }
    return Drawing.figure(
      id: "attack-reading", title: "What the best possible attack achieves",
      summary: readings.isEmpty
        ? "Share of present users that any attack can recognise, by its share of false alarms."
        : "Users recognised: " + readings.joined(separator: "; ") + ".",
      width: width, height: height, content: content)
  }

  private static func legend(_ series: Int, _ x: Double, _ y: Double, _ name: String, marked: Bool = true)
    -> Markup
  {
    Drawing.path([(x, y), (x + 28, y)], "s s\(series % 4 + 1)")
      + (marked ? Drawing.mark(series, x + 14, y) : .empty)
      + Drawing.text(x + 36, y + 4, "label", Drawing.shortened(name))
  }
}
