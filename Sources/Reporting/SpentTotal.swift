/// What was charged for the same users over all plans, by whoever holds a ledger over more than one.
///
/// A guarantee speaks of one plan; users are owed the sum.
public struct SpentTotal: Codable, Sendable, Equatable {
  /// Upper value of ε at `delta` for everything charged; `nil` where there is no finite one.
  public var epsilon: Double?
  public var delta: Double
  /// Largest ε that the holder allows, over all plans; `nil` where none was set.
  public var epsilonCap: Double?
  /// Plans under which something was charged.
  public var planCount: Int

  public init(epsilon: Double?, delta: Double, epsilonCap: Double? = nil, planCount: Int) {
    self.epsilon = epsilon
    self.delta = delta
    self.epsilonCap = epsilonCap
    self.planCount = planCount
  }

  /// What the cap leaves, 0 or more; `nil` without a cap.
  public var epsilonRemaining: Double? { epsilonCap.map { max(0, $0 - (epsilon ?? .infinity)) } }

  /// "ε ≤ 6.6 at δ = 1e-06".
  var words: String {
    epsilon.map { "ε ≤ \(ReportNumber.upperBound($0, digits: 3)) at δ = \(ReportNumber.delta(delta))" }
      ?? "no finite ε: a sum was released without noise"
  }
}
