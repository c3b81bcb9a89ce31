internal import Glibc

/// How much each item of a user's own history counts when that user is scored.
///
/// Weights are local: they change no release and cost no privacy. They were the largest single gain under privacy
/// on data with a time order (design notes, "Recommending under user-level DP").
public struct RecencyWeighting: Sendable, Equatable {
  /// Items after which the weight has halved; `nil` weights all items alike.
  public let halfLife: Double?

  /// All items count alike.
  public static let plain = RecencyWeighting(unchecked: nil)

  /// - Throws: `InvalidHyperparameter` unless the half-life is finite and positive.
  public init(halfLife: Double?) throws {
    if let halfLife, !(halfLife > 0 && halfLife.isFinite) {
      throw InvalidHyperparameter(
        name: "recency half-life", found: "\(halfLife)", expected: "a positive number of items, or none")
    }
    self.halfLife = halfLife
  }

  private init(unchecked halfLife: Double?) { self.halfLife = halfLife }

  /// The weights of `count` items, oldest first: .5^(age / half-life), the newest item having age 0 and weight 1.
  public func weights(count: Int) -> [Float] {
    guard let halfLife else { return [Float](repeating: 1, count: count) }
    return (0..<count).map { Float(exp2(-Double(count - 1 - $0) / halfLife)) }
  }
}

/// A setting outside its range, with what to do about it.
public struct InvalidHyperparameter: Error, Equatable, CustomStringConvertible {
  public let name: String
  public let found: String
  public let expected: String

  public init(name: String, found: String, expected: String) {
    self.name = name
    self.found = found
    self.expected = expected
  }

  public var description: String { "\(name) is \(found); expected \(expected)" }
}
