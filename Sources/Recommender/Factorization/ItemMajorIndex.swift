/// Interactions grouped by item: the transpose of `Interactions`.
struct ItemMajorIndex: Sendable {
  /// `itemCount + 1` bounds into `users`.
  let offsets: [Int]
  /// The users of every item, in order.
  let users: [Int32]
  /// Where each entry of `users` stands in `Interactions.items`; empty where interactions have no weights, and so nobody asks.
  let positions: [Int32]

  init(_ interactions: Interactions) {
    var offsets = [Int](repeating: 0, count: interactions.itemCount + 1)
    for item in interactions.items { offsets[Int(item) + 1] += 1 }
    for item in 0..<interactions.itemCount { offsets[item + 1] += offsets[item] }
    self.offsets = offsets
    users = Self.scatter(interactions, to: offsets) { user, _ in user }
    positions = interactions.weights.isEmpty ? [] : Self.scatter(interactions, to: offsets) { _, position in position }
  }

  /// What `value` says of each interaction, by item.
  private static func scatter(
    _ interactions: Interactions, to offsets: [Int], _ value: (_ user: Int32, _ position: Int32) -> Int32
  ) -> [Int32] {
    var next = offsets
    return [Int32](unsafeUninitializedCapacity: interactions.count) { target, count in
      next.withUnsafeMutableBufferPointer { next in
        interactions.items.withUnsafeBufferPointer { items in
          for user in 0..<interactions.userCount {
            for position in interactions.offsets[user]..<interactions.offsets[user + 1] {
              let item = Int(items[position])
              target.initializeElement(at: next[item], to: value(Int32(user), Int32(position)))
              next[item] += 1
            }
          }
        }
      }
      count = interactions.count
    }
  }
}
