internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import Reporting
internal import Storage

/// `tacit evaluate --over-epsilon`: what several runs on the same data reached at which ε.
struct EpsilonComparison {
  private let runs: [FinishedRun]
  /// δ of all private runs; `nil` when none is private.
  private let delta: Double?

  /// - Throws: `CommandFailure` when the runs were made on different data or splits, or private runs have different δ.
  init(_ runs: [FinishedRun]) throws {
    for run in runs.dropFirst() { try run.requireSameSplit(as: runs[0]) }
    let noisy = runs.filter { $0.plan.privacy.noise != .none }
    for run in noisy where run.plan.privacy.delta != noisy[0].plan.privacy.delta {
      throw CommandFailure(
        .data,
        "\(run.folder.currentPath): found δ = \(run.plan.privacy.delta), expected that of \(noisy[0].folder.currentPath), \(noisy[0].plan.privacy.delta): ε at different δ cannot stand on one axis"
      )
    }
    self.runs = runs
    delta = noisy.first?.plan.privacy.delta
  }

  private struct Row: Encodable {
    let run: String
    let algorithm: String
    /// Of the plan; absent without noise.
    let epsilon: Double?
    let delta: Double?
    let metrics: [MetricValue]
  }

  private struct Document: Encodable {
    let runs: [Row]
    let drawings: [String]
  }

  /// - Parameter folder: where a drawing for each metric is written; `nil` draws nothing.
  func show(_ evaluator: Evaluator, plot folder: String?, _ format: OutputFormat) throws {
    let rows = runs.map { run in
      let evaluation = evaluator.evaluate(run.scorer)
      let isPrivate = run.plan.privacy.noise != .none
      return Row(
        run: run.folder.currentPath, algorithm: run.plan.algorithm.name, epsilon: isPrivate ? run.plan.privacy.epsilon : nil,
        delta: isPrivate ? run.plan.privacy.delta : nil,
        metrics: QualityFigures.row(
          .federatedPrivate, partner: nil, listed: evaluation.listed, full: evaluation.full
        ).metrics)
    }
    let metrics = ReportMetric.canonicalOrder.filter { metric in rows.contains { $0.metrics.contains { $0.metric == metric } } }
    let drawings = try folder.map { try AggregationGrowth.write(metrics.compactMap { figure($0, rows) }, to: $0) } ?? []
    if format == .json { return try Console.outputJSON(Document(runs: rows, drawings: drawings)) }
    var table = TextTable(header: ["run", "algorithm", "ε"] + metrics.map(\.rawValue))
    for row in rows {
      table.add(
        [row.run, row.algorithm, row.epsilon.map { "\($0)" } ?? "no noise"]
          + metrics.map { metric in row.metrics.first { $0.metric == metric }.map(Self.text) ?? "–" })
    }
    Console.output(table.text)
    Console.output("\n± is half a 95 % interval. Exact figures: a real federation does not print them.")
    for path in drawings { Console.output("drawn     \(path)") }
  }

  static func text(_ value: MetricValue) -> String {
    String(format: "%.4f ±%.3f", value.value, ((value.high ?? value.value) - (value.low ?? value.value)) / 2)
  }

  private func figure(_ metric: ReportMetric, _ rows: [Row]) -> ReportFigure? {
    guard let delta else { return nil }
    var names: [String] = []
    for row in rows where !names.contains(row.algorithm) { names.append(row.algorithm) }
    let series = names.map { name in
      var line = PrivacyQualitySeries(name: name, points: [])
      for row in rows where row.algorithm == name {
        guard let value = row.metrics.first(where: { $0.metric == metric }) else { continue }
        if let epsilon = row.epsilon {
          line.points.append(.init(epsilon: epsilon, value: value))
        } else {
          line.withoutNoise = value
        }
      }
      return line
    }
    return ReportFigure.quality(metric, overEpsilonAt: delta, series)
  }
}
