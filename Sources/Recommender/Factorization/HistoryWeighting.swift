internal import Glibc

/// How a user's own history is weighted when scoring: the most recent items say most about the next one.
///
/// This happens where the history lies and is free of privacy cost.
public struct HistoryWeighting: Sendable, Equatable {
  /// An item that is `halfLife` items older than another weighs half as much; nil weights all alike.
  public let halfLife: Float?

  /// - Parameter halfLife: above 0, in items; nil for no weighting.
  public init(halfLife: Float?) {
    precondition(halfLife.map { $0 > 0 } ?? true, "a half-life is above 0 items")
    self.halfLife = halfLife
  }

  /// Weights of `count` items, oldest first; the last weighs 1.
  package func weights(count: Int) -> [Float] {
    guard let halfLife else { return [Float](repeating: 1, count: count) }
    return (0..<count).map { exp2f(-Float(count - 1 - $0) / halfLife) }
  }
}
