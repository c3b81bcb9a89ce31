public import FederatedLearning
public import Reporting

extension ReleasedQuality {
  /// What a report says of an evaluation release, from the released integers alone.
  ///
  /// - Parameter round: index in the plan.
  public init(_ evaluation: NoisedEvaluation, round: Int) {
    self.init(release: round + 1, entries: evaluation.entries.map { Int($0) }, rows: evaluation.rows.map(Row.init))
  }

  /// Those of a run, in the order of the plan; none without noise, where sums are exact numbers of users.
  public static func list(_ evaluations: [Int: NoisedEvaluation], of plan: TrainingPlan) -> [ReleasedQuality] {
    plan.privacy.noise == .none ? [] : evaluations.sorted { $0.key < $1.key }.map { ReleasedQuality($0.value, round: $0.key) }
  }
}

extension ReleasedQuality.Row {
  fileprivate init(_ row: NoisedEvaluation.Row) {
    self.init(
      historyLength: row.group?.label, usersNoised: row.users, usersDeviation: row.usersDeviation,
      metrics: [(ReportMetric.fullHitRate10, row.hitRate), (.fullNDCG10, row.gain)].compactMap { metric, rate in
        rate.map { MetricValue(metric, $0.value, low: $0.interval.lowerBound, high: $0.interval.upperBound) }
      })
  }
}
