internal import DifferentialPrivacy

/// What an evaluation release made public, and what can be read from it: post-processing of noised sums, which costs no budget.
public struct NoisedEvaluation: Sendable, Equatable {
  /// Users, hits and gains of each activity group in grid units, as they were released.
  public let entries: [Int64]
  private let scale: Double
  /// Of the noise on each entry, in users.
  private let deviation: Double

  /// - Parameter survivors: how many partners are in the sum, each with its share of distributed noise.
  /// - Returns: `nil` for a training release, or another number of entries than an evaluation has.
  public init?(_ entries: [Int64], of release: PlannedRelease, survivors: Int) {
    guard release.purpose == .evaluation, entries.count == EvaluationTask.dimension else { return nil }
    self.entries = entries
    scale = release.scale
    let shared = release.noise?.share.map { (Double($0.variance) * Double(survivors)).squareRoot() / release.scale }
    deviation = shared ?? release.noiseDeviation
  }

  /// A quotient of noised sums, with the interval that the noise leaves.
  public struct Rate: Sendable, Equatable {
    /// 0 to 1.
    public let value: Double
    /// In which it lies without noise, in 95 of 100 releases; which users a sum is over is not in it.
    public let interval: ClosedRange<Double>
  }

  /// Users of one group, or all.
  public struct Row: Sendable, Equatable {
    /// `nil` for all users together.
    public let group: ActivityGroup?
    /// How many there are: noised, and so no whole number, or one below zero.
    public let users: Double
    /// Standard deviation of the noise on `users`.
    public let usersDeviation: Double
    /// Hit rate and NDCG of the first 10 places among all unseen items; `nil` where the noise on the number of users is a quarter of
    /// it or more, so that a quotient says nothing.
    public let hitRate: Rate?
    public let gain: Rate?
  }

  /// All users, then group by group.
  public var rows: [Row] {
    let values = entries.map { Double($0) / scale }
    let width = EvaluationTask.entriesPerGroup
    let groups = ActivityGroup.all.indices.map { Array(values[$0 * width..<($0 + 1) * width]) }
    let all = (0..<width).map { entry in groups.reduce(0) { $0 + $1[entry] } }
    return [row(nil, all, deviation * Double(groups.count).squareRoot())]
      + zip(ActivityGroup.all, groups).map { row($0, $1, deviation) }
  }

  private func row(_ group: ActivityGroup?, _ sums: [Double], _ deviation: Double) -> Row {
    let rates = sums[1...].map { Self.rate($0, of: sums[0], deviation) }
    return Row(group: group, users: sums[0], usersDeviation: deviation, hitRate: rates[0], gain: rates[1])
  }

  /// Delta method: the noise on a/n is (e_a − (a/n)·e_n)/n to first order.
  private static func rate(_ sum: Double, of users: Double, _ deviation: Double) -> Rate? {
    guard users > 4 * deviation, users > 0 else { return nil }
    let value = sum / users
    let reach = 1.96 * deviation * (1 + value * value).squareRoot() / users
    func bounded(_ value: Double) -> Double { min(1, max(0, value)) }
    return Rate(value: bounded(value), interval: bounded(value - reach)...bounded(value + reach))
  }
}
