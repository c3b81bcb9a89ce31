/// The interactions of a set of users with one catalogue, grouped by user, oldest first.
///
/// Users and items are dense 0-based indices. Row `u` holds the distinct items of user `u` in time order.
/// Stored as compressed sparse rows: `offsets[u]..<offsets[u + 1]` are the positions of user `u`.
public struct Interactions: Sendable, Equatable {
  /// Number of items in the catalogue; every item index is in `0..<itemCount`.
  public let itemCount: Int
  /// `userCount + 1` positions into `items`, non-decreasing, first 0, last `items.count`.
  public let offsets: [Int]
  /// Item indices, grouped by user, oldest first.
  public let items: [Int32]
  /// Confidence of each interaction (event weight), same length as `items`; empty means 1 everywhere.
  public let weights: [Float]

  public var userCount: Int { offsets.count - 1 }
  public var count: Int { items.count }

  /// - Parameters:
  ///   - histories: one array of item indices per user, oldest first, without duplicates.
  ///   - weights: empty, or one array per user with the same lengths as `histories`.
  /// - Precondition: every item is in `0..<itemCount`, weights are finite and match in length.
  public init(itemCount: Int, histories: [[Int32]], weights: [[Float]] = []) {
    precondition(weights.isEmpty || weights.count == histories.count, "weights must match the histories")
    var offsets = [0]
    offsets.reserveCapacity(histories.count + 1)
    var items: [Int32] = []
    items.reserveCapacity(histories.reduce(0) { $0 + $1.count })
    for (user, history) in histories.enumerated() {
      precondition(
        history.allSatisfy { $0 >= 0 && $0 < itemCount }, "user \(user) has an item outside the catalogue")
      items.append(contentsOf: history)
      offsets.append(items.count)
    }
    self.itemCount = itemCount
    self.offsets = offsets
    self.items = items
    self.weights = weights.flatMap { $0 }
    precondition(self.weights.isEmpty || self.weights.count == items.count, "weights must match the histories")
  }

  /// Takes rows that are compressed already; nothing is copied.
  ///
  /// - Parameters:
  ///   - offsets: `userCount + 1` positions into `items`, non-decreasing, first 0, last `items.count`.
  ///   - items: item indices, grouped by user, oldest first, without duplicates within a user.
  ///   - weights: empty, or as long as `items`.
  /// - Precondition: every item is in `0..<itemCount`, offsets are as described and weights match in length.
  public init(itemCount: Int, offsets: [Int], items: [Int32], weights: [Float] = []) {
    precondition(offsets.first == 0 && offsets.last == items.count, "the rows must cover the items")
    precondition(zip(offsets, offsets.dropFirst()).allSatisfy { $0 <= $1 }, "a row ends before it begins")
    precondition(items.allSatisfy { $0 >= 0 && $0 < itemCount }, "there is an item outside the catalogue")
    precondition(weights.isEmpty || weights.count == items.count, "weights must match the items")
    self.itemCount = itemCount
    self.offsets = offsets
    self.items = items
    self.weights = weights
  }

  /// The distinct items of one user, oldest first.
  public func history(of user: Int) -> ArraySlice<Int32> { items[offsets[user]..<offsets[user + 1]] }

  /// The confidences of one user's interactions; empty when all are 1.
  public func weights(of user: Int) -> ArraySlice<Float> {
    weights.isEmpty ? [] : weights[offsets[user]..<offsets[user + 1]]
  }

  /// The interactions of the given users, in the given order.
  public func selecting(users: [Int]) -> Interactions {
    Interactions(
      itemCount: itemCount, histories: users.map { Array(history(of: $0)) },
      weights: weights.isEmpty ? [] : users.map { Array(weights(of: $0)) })
  }
}
