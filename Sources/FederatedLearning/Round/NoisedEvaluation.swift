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
    /// Hit rate and NDCG of the first 10 places among all unseen items; `nil` where there are so few users
    /// that a quotient of noised sums says little (`leastUsersOverNoise`).
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

  /// Fieller's interval: every r with |a − r·n| ≤ 1.96·sd·√(1 + r²), the noise on a − r·n being of that size.
  private static func rate(_ sum: Double, of users: Double, _ deviation: Double) -> Rate? {
    guard users > leastUsersOverNoise * deviation, users > 0 else { return nil }
    let reach = 1.96 * deviation
    let middle = sum * users
    let half = reach * (sum * sum + users * users - reach * reach).squareRoot()
    let scale = users * users - reach * reach
    func bounded(_ value: Double) -> Double { min(1, max(0, value)) }
    return Rate(value: bounded(sum / users), interval: bounded((middle - half) / scale)...bounded((middle + half) / scale))
  }

  /// Fewer users than this many standard deviations of the noise on them have no rate. Which groups have one is decided by the noisy number
  /// itself; so far above the noise that hardly moves what is published.
  public static let leastUsersOverNoise = 6.0
}
