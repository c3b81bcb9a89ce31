/// The positions of interactions grouped by item: the transpose of `Interactions`.
struct ItemMajorIndex: Sendable {
  /// `itemCount + 1` bounds into `positions`.
  let offsets: [Int]
  /// Positions into `Interactions.items`; within an item in order of user.
  let positions: [Int32]
  /// The user of every entry of `positions`.
  let users: [Int32]

  init(_ interactions: Interactions) {
    var offsets = [Int](repeating: 0, count: interactions.itemCount + 1)
    for item in interactions.items { offsets[Int(item) + 1] += 1 }
    for item in 0..<interactions.itemCount { offsets[item + 1] += offsets[item] }
    var next = offsets
    var positions = [Int32](repeating: 0, count: interactions.count)
    var users = positions
    for user in 0..<interactions.userCount {
      for position in interactions.offsets[user]..<interactions.offsets[user + 1] {
        let item = Int(interactions.items[position])
        positions[next[item]] = Int32(position)
        users[next[item]] = Int32(user)
        next[item] += 1
      }
    }
    (self.offsets, self.positions, self.users) = (offsets, positions, users)
  }
}
