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

  /// How many of the newest items matter to sums of Float32: all older ones together weigh less than 2⁻²⁵ of the newest.
  ///
  /// With f = 2^(-1/h) the items from age k on weigh f^k / (1 - f).
  var reach: Int {
    guard let halfLife else { return .max }
    let steps = halfLife * (25 - log2(1 - exp2(-1 / halfLife)))
    return steps < 1e9 ? max(1, Int(steps.rounded(.up))) : .max
  }

  /// The weights of `count` items, oldest first: .5^(age / half-life), the newest item having age 0 and weight 1.
  public func weights(count: Int) -> [Float] {
    guard let halfLife else { return [Float](repeating: 1, count: count) }
    return (0..<count).map { Float(exp2(-Double(count - 1 - $0) / halfLife)) }
  }

  /// The same, times how sure each interaction is.
  func weights(of user: UserHistory) -> [Float] {
    let recent = weights(count: user.items.count)
    return user.weights.isEmpty ? recent : zip(recent, user.confidences).map { $0 * $1 }
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
