internal import CommandSupport
internal import Foundation
internal import ModelExport
internal import Recommender

/// Users and items that are left out of a simulated training, and how the model serves them.
enum ColdStart {
  /// - Returns: `nil` when nothing is held out.
  /// - Throws: `CommandFailure` when nothing is left on one side.
  static func split(_ dataset: Dataset, users: Double, items: Double, seed: UInt64) throws
    -> ColdStartSplit?
  {
    guard users > 0 || items > 0 else { return nil }
    do { return try ColdStartSplit(dataset, users: users, items: items, seed: seed) } catch {
      throw CommandFailure(.configuration, "\(error)")
    }
  }

  /// - Parameter sources: as `--item-features` names them.
  /// - Throws: `CommandFailure` with what does not fit.
  static func features(_ sources: String?, of catalogue: Catalogue) throws -> ItemFeatures? {
    guard let sources else { return nil }
    do {
      return try ItemFeatureSource.features(
        sources.split(separator: ",", omittingEmptySubsequences: false).map(String.init),
        of: catalogue)
    } catch { throw CommandFailure(.data, "--item-features: \(error)") }
  }

  /// Judges a finished run.
  static func evaluate(_ run: FinishedRun, _ split: ColdStartSplit) throws -> ColdStartEvaluation {
    do {
      return try ColdStartEvaluation(
        split, algorithm: run.algorithm, model: run.model,
        features: try features(run.settings.itemFeatures, of: split.catalogue),
        seed: run.settings.seed)
    } catch let error as DatasetError { throw CommandFailure(.data, "\(error)") }
  }

  struct Document: Encodable {
    struct Value: Encodable {
      let metric: String
      let value: Double
      let halfWidth: Double
    }
    struct NewUsers: Encodable {
      let firstEvents: Int
      let users: Int
      let metrics: [Value]
    }
    struct NewItems: Encodable {
      let method: String
      let users: Int
      let metrics: [Value]
    }
    let heldOutUsers: Int
    let heldOutItems: Int
    let newUsers: [NewUsers]
    let newItems: [NewItems]
    /// Why the model scores no new items.
    let silence: String?

    init(_ evaluation: ColdStartEvaluation, _ split: ColdStartSplit) {
      func values(_ metrics: RankingMetrics?, _ kind: String, _ wanted: [Metric]) -> [Value] {
        wanted.compactMap { metric in
          metrics?.values[metric].map {
            Value(metric: "\(kind) \(metric)", value: $0.mean, halfWidth: $0.halfWidth)
          }
        }
      }
      heldOutUsers = split.newUsers.count
      heldOutItems = split.newItems.count
      newUsers = evaluation.newUsers.map { row in
        NewUsers(
          firstEvents: row.firstEvents, users: row.full?.users ?? 0,
          metrics: values(row.listed, "P1", [.hitRate(10), .ndcg(10)])
            + values(row.full, "full", [.hitRate(10), .ndcg(10)]))
      }
      newItems = evaluation.newItems.map {
        NewItems(
          method: $0.method, users: $0.metrics?.users ?? 0,
          metrics: values($0.metrics, "new", [.recall(10), .recall(20), .ndcg(10)]))
      }
      silence = evaluation.silence
    }

    var text: String {
      var lines: [String] = []
      func table(_ head: String, _ rows: [(name: String, users: Int, metrics: [Value])]) {
        guard let first = rows.first(where: { !$0.metrics.isEmpty }) else { return }
        var table = TextTable(header: [head, "users"] + first.metrics.map(\.metric))
        for row in rows {
          table.add(
            [row.name, "\(row.users)"]
              + row.metrics.map { String(format: "%.4f ±%.3f", $0.value, $0.halfWidth) })
        }
        lines.append(table.text)
      }
      if heldOutUsers > 0 {
        let last = ColdStartEvaluation.firstEvents.max() ?? 0
        lines.append(
          "\nNew users: \(heldOutUsers) who trained nobody. The target is the event after the first \(last), whatever k is; those with fewer are left out."
        )
        table(
          "first k events",
          newUsers.map {
            ($0.firstEvents == 0 ? "none (popularity)" : "\($0.firstEvents)", $0.users, $0.metrics)
          })
      }
      if heldOutItems > 0 {
        lines.append(
          "\nNew items: \(heldOutItems) that were not trained on, ranked among themselves for users who took some of them."
        )
        table("ranked by", newItems.map { ($0.method, $0.users, $0.metrics) })
        if let silence { lines.append(silence) }
      }
      return lines.joined(separator: "\n")
    }
  }
}
