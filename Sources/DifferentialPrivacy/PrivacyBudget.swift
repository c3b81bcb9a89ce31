/// A cap (ε, δ): what a signed plan guarantees at most.
public struct PrivacyBudget: Hashable, Sendable {
  public let epsilon: Double
  public let delta: Double

  /// - Throws: `PrivacyParameterError` unless ε > 0 and 0 < δ < 1.
  public init(epsilon: Double, delta: Double) throws(PrivacyParameterError) {
    guard epsilon.isFinite, epsilon > 0 else {
      throw PrivacyParameterError(
        "ε is \(epsilon); expected a positive number (below 1 is strong, above 10 is weak)")
    }
    try Self.check(delta: delta)
    self.epsilon = epsilon
    self.delta = delta
  }

  /// The condition on δ alone.
  static func check(delta: Double) throws(PrivacyParameterError) {
    guard delta > 0, delta < 1 else {
      throw PrivacyParameterError(
        "δ is \(delta); expected a number above 0 and below 1, well below 1/(number of users)")
    }
  }
}

extension PrivacyBudget: Codable {
  private enum CodingKeys: String, CodingKey { case epsilon, delta }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      epsilon: container.decode(Double.self, forKey: .epsilon),
      delta: container.decode(Double.self, forKey: .delta))
  }
}
