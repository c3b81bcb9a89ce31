internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import Reporting
internal import Simulation

/// Keeps a line for every release, and measures the model at a few of them.
final class RoundRecorder {
  private let experiment: Experiment
  private let progress: Progress
  private let evaluator: Evaluator
  private let checkpoints: Set<Int>
  private(set) var lines: [String] = []
  /// Countersignatures of the coordinator's heads, one line a round.
  private(set) var witnesses: [String] = []
  /// The coordinator's signed word on the newest model.
  private(set) var modelRelease: ModelRelease?
  /// What evaluation releases said, by round.
  private(set) var evaluations: [Int: NoisedEvaluation] = [:]
  private var points: [ReportMetric: [RoundValue]] = [:]

  init(experiment: Experiment, progress: Progress) {
    self.experiment = experiment
    self.progress = progress
    let dataset = experiment.dataset
    evaluator = Evaluator(train: dataset.train, test: dataset.test, negatives: dataset.negatives)
    // At most six models are measured on the way; the last is measured with the baselines.
    let count = experiment.algorithm.shapes.count
    checkpoints = count < 4 ? [] : Set((1...6).map { count * $0 / 6 - 1 }.filter { $0 >= 0 })
  }

  var series: [MetricSeries] {
    let method: ReportMethod = experiment.plan.privacy.noise == .none ? .federatedWithoutNoise : .federatedPrivate
    return ReportMetric.canonicalOrder.compactMap { metric in
      points[metric].map { MetricSeries(method: method, metric: metric, points: $0) }
    }
  }

  func observe(_ event: FederationEvent) {
    switch event {
    case .roundOpened: break
    case .attemptAborted(let round, let attempt, let reason):
      progress.say("release \(round + 1), attempt \(attempt + 1) came to nothing: \(reason)")
      append(["event": "aborted", "round": round, "attempt": attempt, "reason": "\(reason)"])
    case .published(let release, let model):
      modelRelease = release.modelRelease
      if let witness = release.witness { witnesses.append(witness.json.text) }
      let plan = experiment.plan
      progress.published(
        release.round + 1, name: release.name, epsilon: release.epsilonSpent, cap: plan.privacy.epsilon,
        survivors: release.survivors.count, of: plan.roster.count)
      var line: [String: Any] = [
        "event": "released", "round": release.round, "attempt": release.attempt, "name": release.name,
        "partners": release.survivors.count,
      ]
      if let epsilon = release.epsilonSpent { line["epsilon"] = epsilon }
      if let evaluation = release.evaluation {
        evaluations[release.round] = evaluation
        line["noised"] = evaluation.entries
      } else if checkpoints.contains(plan.releases[release.round].step) {
        let evaluation = evaluator.evaluate(experiment.algorithm.scorer(model: model))
        for (metric, value) in QualityFigures.values(evaluation) {
          points[metric, default: []].append(RoundValue(round: release.round + 1, value: value.mean))
          line["exact " + metric.rawValue] = value.mean
        }
      }
      append(line)
    }
  }

  private func append(_ line: [String: Any]) {
    guard let data = try? JSONSerialization.data(withJSONObject: line, options: [.sortedKeys]) else { return }
    lines.append(String(decoding: data, as: UTF8.self))
  }
}
