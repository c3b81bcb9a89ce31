internal import FederatedLearning
internal import Recommender
internal import Reporting

/// The final table of a run: the run's model beside popularity, each partner alone, and the same without noise.
///
/// All of it is exact, from all partners' data in one place: only a simulation may do that.
struct Comparison {
  let scorer: any Scorer
  let rows: [QualityRow]
  /// By length of history: of the run, and of what was trained beside it on everybody.
  let byActivity: [ActivityRow]
  /// The run's own evaluation, all partners together.
  let own: Evaluation

  init(experiment: Experiment, model: ItemModel, baselines: Bool) {
    let dataset = experiment.dataset
    let labels = experiment.partnerOfUser.map { experiment.partition.names[$0] }
    let activity = UserGrouping.activity(of: dataset.train)
    let groupings = [UserGrouping(name: "partner", labels: labels), activity]
    let evaluator = Evaluator(train: dataset.train, test: dataset.test, negatives: dataset.negatives)
    let isPrivate = experiment.plan.privacy.noise != .none
    let names = experiment.partition.names
    scorer = experiment.algorithm.scorer(model: model)
    own = evaluator.evaluate(scorer, groupings: groupings)
    var rows: [QualityRow] = []
    var byActivity: [ActivityRow] = []
    if baselines {
      if let popularity = try? PopularityAlgorithm(itemCount: dataset.itemCount, weighting: .binary) {
        let model = CentralTraining.run(popularity, on: dataset.train, seed: experiment.settings.seed)
        let evaluation = evaluator.evaluate(popularity.scorer(model: model), groupings: groupings)
        byActivity += QualityFigures.rows(.popularity, evaluation, by: activity)
        rows += QualityFigures.rows(.popularity, evaluation, partners: names)
      }
      if let noiseless = Self.withoutNoise(experiment) {
        rows += Self.alone(noiseless, experiment, evaluator)
        if isPrivate {
          let model = CentralTraining.run(noiseless, on: dataset.train, seed: experiment.settings.seed)
          let evaluation = evaluator.evaluate(noiseless.scorer(model: model), groupings: groupings)
          byActivity += QualityFigures.rows(.federatedWithoutNoise, evaluation, by: activity)
          rows += QualityFigures.rows(.federatedWithoutNoise, evaluation, partners: names)
        }
      }
    }
    let method: ReportMethod = isPrivate ? .federatedPrivate : .federatedWithoutNoise
    self.rows = rows + QualityFigures.rows(method, own, partners: names)
    self.byActivity = byActivity + QualityFigures.rows(method, own, by: activity)
  }

  /// The algorithm as a plan without noise would configure it.
  private static func withoutNoise(_ experiment: Experiment) -> (any FederatedAlgorithm)? {
    guard experiment.plan.privacy.noise != .none else { return experiment.algorithm }
    let settings = experiment.settings
    var given = settings.halfLife.map { ["half-life": $0] } ?? [:]
    if let features = experiment.features { given["feature-dimension"] = Double(features.dimension) }
    guard
      let parameters = try? AlgorithmRegistry.resolve(
        settings.algorithm, given,
        setting: .init(
          itemCount: experiment.dataset.itemCount, usersOverNoise: nil, rounds: nil, isOrdered: experiment.dataset.isOrdered))
    else { return nil }
    return try? AlgorithmRegistry.make(
      settings.algorithm, parameters, itemCount: experiment.dataset.itemCount, features: experiment.features)
  }

  /// Each partner trains on its own users, and is judged on them.
  private static func alone(
    _ algorithm: any FederatedAlgorithm, _ experiment: Experiment, _ evaluator: Evaluator
  ) -> [QualityRow] {
    var rows: [QualityRow] = []
    for (name, users) in zip(experiment.partition.names, experiment.partition.userIndices) {
      let model = CentralTraining.run(
        algorithm, on: experiment.dataset.train.selecting(users: users), seed: experiment.settings.seed)
      let evaluation = evaluator.evaluate(algorithm.scorer(model: model), users: users)
      rows.append(QualityFigures.row(.alone, partner: name, listed: evaluation.listed, full: evaluation.full))
    }
    guard let overall = QualityFigures.average(rows) else { return rows }
    return [overall] + rows
  }
}

/// Evaluations as rows of the report.
enum QualityFigures {
  static let metrics: [(metric: ReportMetric, own: Metric, isListed: Bool)] = [
    (.sampledHitRate10, .hitRate(10), true), (.sampledNDCG10, .ndcg(10), true),
    (.fullHitRate10, .hitRate(10), false), (.fullNDCG10, .ndcg(10), false), (.recall20, .recall(20), false),
    (.ndcg20, .ndcg(20), false),
  ]

  static func values(_ evaluation: Evaluation) -> [(metric: ReportMetric, value: Estimate)] {
    metrics.compactMap { entry in
      (entry.isListed ? evaluation.listed : evaluation.full)?.values[entry.own].map { (entry.metric, $0) }
    }
  }

  /// A row for all users and one for each partner.
  static func rows(_ method: ReportMethod, _ evaluation: Evaluation, partners: [String]) -> [QualityRow] {
    [row(method, partner: nil, listed: evaluation.listed, full: evaluation.full)]
      + partners.map { partner in
        row(
          method, partner: partner, listed: evaluation.listedByGroup["partner"]?[partner],
          full: evaluation.fullByGroup["partner"]?[partner])
      }
  }

  /// The groups of a grouping by length, shortest histories first.
  static func groups(_ activity: UserGrouping) -> [String] {
    Set(activity.labels).sorted { (Int($0.prefix { $0 != "-" }) ?? 0) < (Int($1.prefix { $0 != "-" }) ?? 0) }
  }

  /// A row for each length of history, the shortest first.
  static func rows(_ method: ReportMethod, _ evaluation: Evaluation, by activity: UserGrouping) -> [ActivityRow] {
    groups(activity).map { label in
      ActivityRow(
        historyLength: label,
        row(
          method, partner: nil, listed: evaluation.listedByGroup["activity"]?[label],
          full: evaluation.fullByGroup["activity"]?[label]))
    }
  }

  static func row(
    _ method: ReportMethod, partner: String?, listed: RankingMetrics?, full: RankingMetrics?
  ) -> QualityRow {
    QualityRow(
      method: method, partner: partner, users: full?.users ?? listed?.users ?? 0,
      metrics: metrics.compactMap { entry in
        (entry.isListed ? listed : full)?.values[entry.own].map {
          MetricValue(entry.metric, $0.mean, low: max(0, $0.mean - $0.halfWidth), high: min(1, $0.mean + $0.halfWidth))
        }
      })
  }

  /// The mean over users of rows by partner.
  static func average(_ rows: [QualityRow]) -> QualityRow? {
    let users = rows.reduce(0) { $0 + ($1.users ?? 0) }
    guard users > 0, let first = rows.first(where: { !$0.metrics.isEmpty }) else { return nil }
    let means = first.metrics.map { metric in
      let sum = rows.reduce(0.0) { total, row in
        total + Double(row.users ?? 0) * (row.metrics.first { $0.metric == metric.metric }?.value ?? 0)
      }
      return MetricValue(metric.metric, sum / Double(users))
    }
    return QualityRow(method: first.method, partner: nil, users: users, metrics: means)
  }
}
