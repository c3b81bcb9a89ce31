internal import Recommender

/// Rows of an interaction file in columns, before they are grouped by user.
struct InteractionTable {
  private(set) var users: [Int32] = []
  private(set) var items: [Int32] = []
  /// Empty while every weight is 1.
  private(set) var weights: [Float] = []
  /// What histories are sorted by; -infinity where unknown.
  private(set) var keys: [Double] = []

  var count: Int { users.count }

  mutating func append(user: Int32, item: Int32, weight: Float, key: Double) {
    if weight != 1 && weights.isEmpty { weights = [Float](repeating: 1, count: users.count) }
    users.append(user)
    items.append(item)
    keys.append(key)
    if !weights.isEmpty || weight != 1 { weights.append(weight) }
  }

  /// Removes the rows of some items.
  ///
  /// - Returns: how many rows were removed.
  mutating func removeRows(where isUnwanted: (_ item: Int32) -> Bool) -> Int {
    var write = 0
    for row in items.indices where !isUnwanted(items[row]) {
      if write < row {
        users[write] = users[row]
        items[write] = items[row]
        keys[write] = keys[row]
        if !weights.isEmpty { weights[write] = weights[row] }
      }
      write += 1
    }
    let removed = items.count - write
    guard removed > 0 else { return 0 }
    users.removeLast(removed)
    items.removeLast(removed)
    keys.removeLast(removed)
    if !weights.isEmpty { weights.removeLast(removed) }
    return removed
  }

  /// How rows that repeat a (user, item) pair are treated.
  enum Repeats {
    /// The oldest counts, later ones are dropped.
    case keepFirst
    /// Weights are added up; the pair stands where its last row stands.
    case aggregate
  }

  /// The distinct items of each user, oldest first, rows of equal age in the file's order.
  ///
  /// - Parameters:
  ///   - userIndex: table's user number → index in the result, negative for users to leave out.
  ///   - itemIndex: the same for items.
  /// - Returns: histories, weights (empty when all are 1), and how many rows repeated a pair.
  func grouped(
    userCount: Int, itemCount: Int, userIndex: [Int32], itemIndex: [Int32], repeats: Repeats
  ) -> (histories: [[Int32]], weights: [[Float]], repeated: Int) {
    // Counting sort by user; then each user's rows by (key, row).
    var starts = [Int](repeating: 0, count: userCount + 1)
    for user in users where userIndex[Int(user)] >= 0 { starts[Int(userIndex[Int(user)]) + 1] += 1 }
    for user in 0..<userCount { starts[user + 1] += starts[user] }
    var rows = [Int32](repeating: 0, count: starts[userCount])
    var next = starts
    for row in users.indices {
      let user = Int(userIndex[Int(users[row])])
      guard user >= 0 else { continue }
      rows[next[user]] = Int32(row)
      next[user] += 1
    }
    var histories: [[Int32]] = []
    histories.reserveCapacity(userCount)
    var grouped: [[Float]] = []
    var repeated = 0
    var mark = [Int32](repeating: -1, count: itemCount)
    var total = [Float](repeating: 0, count: itemCount)
    for user in 0..<userCount {
      var own = rows[starts[user]..<starts[user + 1]]
      let isSorted = zip(own, own.dropFirst()).allSatisfy { keys[Int($0)] <= keys[Int($1)] }
      if !isSorted { own.sort { (keys[Int($0)], $0) < (keys[Int($1)], $1) } }
      var history: [Int32] = []
      history.reserveCapacity(own.count)
      switch repeats {
      case .keepFirst:
        for row in own {
          let item = itemIndex[Int(items[Int(row)])]
          guard mark[Int(item)] != user else {
            repeated += 1
            continue
          }
          mark[Int(item)] = Int32(user)
          history.append(item)
          if !weights.isEmpty { total[Int(item)] = weights[Int(row)] }
        }
      case .aggregate:
        for row in own.reversed() {
          let item = itemIndex[Int(items[Int(row)])]
          let weight = weights.isEmpty ? 1 : weights[Int(row)]
          if mark[Int(item)] == user {
            repeated += 1
            total[Int(item)] += weight
          } else {
            mark[Int(item)] = Int32(user)
            total[Int(item)] = weight
            history.append(item)
          }
        }
        history.reverse()
      }
      if !weights.isEmpty || repeats == .aggregate { grouped.append(history.map { total[Int($0)] }) }
      histories.append(history)
    }
    if grouped.allSatisfy({ $0.allSatisfy { $0 == 1 } }) { grouped = [] }
    return (histories, grouped, repeated)
  }
}
