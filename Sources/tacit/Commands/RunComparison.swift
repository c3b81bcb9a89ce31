internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import Reporting
internal import Storage

/// `tacit evaluate --compare`: two runs on the same users.
struct RunComparison {
  let first: FinishedRun
  let second: FinishedRun

  /// - Throws: `CommandFailure` when the runs were made on different data or splits.
  init(first: FinishedRun, second: FinishedRun) throws {
    try second.requireSameSplit(as: first)
    (self.first, self.second) = (first, second)
  }

  private struct Document: Encodable {
    let first: String
    let second: String
    let rows: [Row]
  }

  /// Differences of one group of users.
  private struct Row: Encodable {
    struct Gain: Encodable {
      let metric: ReportMetric
      let first: Double
      let second: Double
      /// second − first, and its 95 % interval.
      let difference: Double
      let low: Double
      let high: Double
    }
    /// `partner` or `activity`; absent for all users.
    let grouping: String?
    let group: String?
    let users: Int
    let gains: [Gain]

    var name: String {
      switch (grouping, group) {
      case ("partner"?, let partner?): partner
      case (_, let length?): "histories of \(length)"
      default: "all partners"
      }
    }
  }

  func show(_ evaluator: Evaluator, _ groupings: [UserGrouping], partners: [String], _ format: OutputFormat) throws {
    let (one, two) = (first.scorer, second.scorer)
    let before = evaluator.evaluate(one, groupings: groupings)
    let after = evaluator.evaluate(two, groupings: groupings)
    let difference = evaluator.difference(from: one, to: two, groupings: groupings)
    var rows = [row(nil, nil, (before.listed, before.full), (after.listed, after.full), (difference.listed, difference.full))]
    for grouping in groupings {
      let groups = grouping.name == "partner" ? partners : QualityFigures.groups(grouping)
      for group in groups {
        func of(_ listed: [String: [String: RankingMetrics]], _ full: [String: [String: RankingMetrics]]) -> Pair {
          (listed[grouping.name]?[group], full[grouping.name]?[group])
        }
        rows.append(
          row(
            grouping.name, group, of(before.listedByGroup, before.fullByGroup), of(after.listedByGroup, after.fullByGroup),
            of(difference.listedByGroup, difference.fullByGroup)))
      }
    }
    let document = Document(first: first.folder.currentPath, second: second.folder.currentPath, rows: rows)
    if format == .json { return try Console.outputJSON(document) }
    show(document)
  }

  private typealias Pair = (listed: RankingMetrics?, full: RankingMetrics?)

  private func row(_ grouping: String?, _ group: String?, _ before: Pair, _ after: Pair, _ difference: Pair) -> Row {
    let gains = QualityFigures.metrics.compactMap { entry -> Row.Gain? in
      func pick(_ pair: Pair) -> Estimate? { (entry.isListed ? pair.listed : pair.full)?.values[entry.own] }
      guard let first = pick(before), let second = pick(after), let gain = pick(difference) else { return nil }
      return Row.Gain(
        metric: entry.metric, first: first.mean, second: second.mean, difference: gain.mean, low: gain.mean - gain.halfWidth,
        high: gain.mean + gain.halfWidth)
    }
    return Row(grouping: grouping, group: group, users: difference.full?.users ?? difference.listed?.users ?? 0, gains: gains)
  }

  private func show(_ document: Document) {
    let metrics = ReportMetric.canonicalOrder.filter { metric in
      document.rows.contains { $0.gains.contains { $0.metric == metric } }
    }
    var table = TextTable(header: ["second − first", "users"] + metrics.map(\.rawValue))
    for row in document.rows {
      table.add(
        [row.name, "\(row.users)"]
          + metrics.map { metric in
            guard let gain = row.gains.first(where: { $0.metric == metric }) else { return "–" }
            let mark = gain.low > 0 || gain.high < 0 ? " *" : ""
            return String(format: "%+.4f ±%.4f", gain.difference, (gain.high - gain.low) / 2) + mark
          })
    }
    Console.output(
      "first   \(document.first): \(first.plan.algorithm.name)\nsecond  \(document.second): \(second.plan.algorithm.name)\n")
    Console.output(table.text)
    Console.output(
      """

      ± is half a 95 % interval of the differences between the same users; * where it does not hold 0 (of so many figures one in twenty
      is marked by chance). Exact figures: a real federation does not print them.
      """)
  }
}
