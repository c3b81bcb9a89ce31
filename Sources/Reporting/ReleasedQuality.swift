/// What one evaluation release of a plan said of the model: clipped, noised and charged like every other release.
public struct ReleasedQuality: Codable, Sendable, Equatable {
  /// Which release of the plan, counted from 1.
  public var release: Int
  /// The integers that were released; the ledger's outcome holds their hash.
  public var entries: [Int]
  /// All users, then group by group.
  public var rows: [Row]

  public init(release: Int, entries: [Int], rows: [Row]) {
    self.release = release
    self.entries = entries
    self.rows = rows
  }

  /// Users of one group.
  public struct Row: Codable, Sendable, Equatable {
    /// Length of their histories; absent for all users together.
    public var historyLength: String?
    /// Users who were measured, noise included.
    public var usersNoised: Double
    /// Standard deviation of that noise.
    public var usersDeviation: Double
    /// Quotients of noised sums with the range that noise leaves in 95 of 100 releases; none where the noise is too large.
    public var metrics: [MetricValue]

    public init(historyLength: String? = nil, usersNoised: Double, usersDeviation: Double, metrics: [MetricValue]) {
      self.historyLength = historyLength
      self.usersNoised = usersNoised
      self.usersDeviation = usersDeviation
      self.metrics = metrics
    }
  }
}
