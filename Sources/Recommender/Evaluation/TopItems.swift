/// Exact selection of the best scores.
public enum TopItems {
  /// The `count` best items, best first; of equal scores the lower index first.
  ///
  /// One pass with a heap of the best so far: almost every item is turned away by one comparison.
  ///
  /// - Parameter scores: one per item; items at −∞ or NaN are never listed.
  public static func select(_ count: Int, from scores: [Float]) -> [Recommendation] {
    guard count > 0 else { return [] }
    var heap = WorstFirstHeap(capacity: count)
    scores.withUnsafeBufferPointer { scores in
      // NaN fails the comparison as well as −∞.
      var bar = -Float.infinity
      for item in scores.indices where scores[item] > bar {
        heap.insert(Recommendation(item: item, score: scores[item]))
        if heap.isFull { bar = heap.worst.score }
      }
    }
    return heap.entries.sorted { WorstFirstHeap.isWorse($1, than: $0) }
  }
}

/// A binary heap of at most `capacity` recommendations with the worst at the root.
private struct WorstFirstHeap {
  private(set) var entries: [Recommendation] = []
  let capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    entries.reserveCapacity(capacity)
  }

  var isFull: Bool { entries.count == capacity }
  var worst: Recommendation { entries[0] }

  static func isWorse(_ a: Recommendation, than b: Recommendation) -> Bool {
    a.score < b.score || (a.score == b.score && a.item > b.item)
  }

  /// Adds a recommendation; a full heap drops its worst, which must be worse than the new one.
  mutating func insert(_ new: Recommendation) {
    var place: Int
    if isFull {
      place = 0
      while true {
        var child = 2 * place + 1
        guard child < entries.count else { break }
        if child + 1 < entries.count, Self.isWorse(entries[child + 1], than: entries[child]) { child += 1 }
        guard Self.isWorse(entries[child], than: new) else { break }
        entries[place] = entries[child]
        place = child
      }
    } else {
      place = entries.count
      entries.append(new)
      while place > 0, Self.isWorse(new, than: entries[(place - 1) / 2]) {
        entries[place] = entries[(place - 1) / 2]
        place = (place - 1) / 2
      }
    }
    entries[place] = new
  }
}
