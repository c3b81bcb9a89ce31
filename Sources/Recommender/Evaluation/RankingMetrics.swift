internal import Glibc

/// A measure of one ranking, averaged over users.
public enum Metric: Hashable, Sendable, CustomStringConvertible {
  /// Share of users with a relevant item among the first k.
  case hitRate(Int)
  /// Discounted gain over the best possible.
  case ndcg(Int)
  /// Relevant items among the first k, over all relevant items.
  case recall(Int)
  /// Relevant items among the first k, over k.
  case precision(Int)
  /// Harmonic mean of mean precision and mean recall.
  case f1(Int)
  /// Mean precision at the relevant items among the first k, over min(k, relevant items).
  case averagePrecision(Int)
  /// 1 / rank of the first relevant item; in full ranking 0 beyond the largest cutoff.
  case reciprocalRank
  /// Probability that a relevant item ranks above an irrelevant one.
  case areaUnderCurve

  public var description: String {
    switch self {
    case .hitRate(let k): "HR@\(k)"
    case .ndcg(let k): "NDCG@\(k)"
    case .recall(let k): "Recall@\(k)"
    case .precision(let k): "Precision@\(k)"
    case .f1(let k): "F1@\(k)"
    case .averagePrecision(let k): "MAP@\(k)"
    case .reciprocalRank: "MRR"
    case .areaUnderCurve: "AUC"
    }
  }
}

/// A mean over users with its 95 % interval.
public struct Estimate: Sendable, Equatable {
  public let mean: Double
  /// Half the width of the 95 % interval: 1.96 standard errors; 0 for fewer than two users.
  public let halfWidth: Double

  public init(mean: Double, halfWidth: Double) {
    self.mean = mean
    self.halfWidth = halfWidth
  }

  /// The mean of the values, which must not be empty.
  init(of values: [Double]) {
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(count - 1, 1)
    self.init(mean: mean, halfWidth: 1.96 * (variance / count).squareRoot())
  }
}

/// The metrics of a set of users under one protocol.
public struct RankingMetrics: Sendable, Equatable {
  /// Users behind the means.
  public let users: Int
  public let values: [Metric: Estimate]

  public init(users: Int, values: [Metric: Estimate]) {
    self.users = users
    self.values = values
  }

  /// The same without metrics that are no means over users.
  var linear: RankingMetrics {
    RankingMetrics(users: users, values: values.filter { if case .f1 = $0.key { false } else { true } })
  }

  /// The mean of a metric; nil when it was not asked for.
  public subscript(_ metric: Metric) -> Double? { values[metric]?.mean }
}

/// The metrics of one user, in a fixed order, and their means.
struct UserMetrics {
  let cutoffs: [Int]

  /// Values of one user: for every cutoff hit rate, NDCG, recall, precision, average precision; then MRR and AUC.
  var width: Int { cutoffs.count * 5 + 2 }

  func values(of ranking: ExpectedRanking, areaUnderCurve: Double, reciprocalRankLimit: Int) -> [Double] {
    var values: [Double] = []
    values.reserveCapacity(width)
    let relevant = Double(max(ranking.relevantCount, 1))
    for k in cutoffs {
      let hits = ranking.hits(k)
      values += [
        ranking.hitRate(k), ranking.ndcg(k), hits / relevant, hits / Double(k), ranking.averagePrecision(k),
      ]
    }
    return values + [ranking.reciprocalRank(limit: reciprocalRankLimit), areaUnderCurve]
  }

  /// Means over the given rows.
  func mean(of rows: [[Double]]) -> RankingMetrics? {
    guard !rows.isEmpty else { return nil }
    var values: [Metric: Estimate] = [:]
    func estimate(_ column: Int) -> Estimate { Estimate(of: rows.map { $0[column] }) }
    for (position, k) in cutoffs.enumerated() {
      let first = position * 5
      values[.hitRate(k)] = estimate(first)
      values[.ndcg(k)] = estimate(first + 1)
      let (recall, precision) = (estimate(first + 2), estimate(first + 3))
      values[.recall(k)] = recall
      values[.precision(k)] = precision
      values[.averagePrecision(k)] = estimate(first + 4)
      values[.f1(k)] = f1(recall: recall.mean, precision: precision.mean, rows: rows, column: first + 2)
    }
    values[.reciprocalRank] = estimate(cutoffs.count * 5)
    values[.areaUnderCurve] = estimate(cutoffs.count * 5 + 1)
    return RankingMetrics(users: rows.count, values: values)
  }

  /// F1 of the means, its interval by the delta method.
  private func f1(recall: Double, precision: Double, rows: [[Double]], column: Int) -> Estimate {
    let sum = recall + precision
    guard sum > 0 else { return Estimate(mean: 0, halfWidth: 0) }
    let byRecall = 2 * precision * precision / (sum * sum)
    let byPrecision = 2 * recall * recall / (sum * sum)
    let linear = Estimate(of: rows.map { byRecall * $0[column] + byPrecision * $0[column + 1] })
    return Estimate(mean: 2 * recall * precision / sum, halfWidth: linear.halfWidth)
  }
}
