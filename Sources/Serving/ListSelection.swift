internal import Recommender

/// Chooses a list from scores: the best, held apart by maximal marginal relevance and by caps.
///
/// Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): the next item is the one with the largest
/// λ·relevance − (1 − λ)·(largest similarity to what is listed). Relevance is the score, stretched over 0...1 within the pool of the
/// best items; λ = 1 is the order of the scores.
struct ListSelection {
  /// Writes how like the second argument the items of the first are.
  typealias Likeness = (_ others: [Int], _ item: Int, _ values: inout [Float]) -> Void

  let count: Int
  let lambda: Float
  /// `nil` when nothing is known by which items are alike; then λ changes nothing.
  let similarity: Likeness?
  let cap: (column: ItemAttributes.Column, max: Int)?

  /// - Parameters:
  ///   - scores: one per item; −∞ for items that may not be listed.
  ///   - first: listed already, in this order; caps and similarity count them.
  /// - Returns: what comes after `first`, at most `count - first.count` items.
  func choose(from scores: [Float], after first: [Int]) -> [Recommendation] {
    let wanted = count - first.count
    guard wanted > 0 else { return [] }
    let isDiverse = lambda < 1 && similarity != nil
    guard isDiverse || cap != nil else { return TopItems.select(wanted, from: scores) }
    var size = isDiverse ? max(100, 10 * count) : 2 * count
    while true {
      let pool = TopItems.select(size, from: scores)
      let chosen = choose(wanted, of: pool, after: first, isDiverse: isDiverse)
      if chosen.count == wanted || pool.count < size { return chosen }
      size *= 4
    }
  }

  private func choose(_ wanted: Int, of pool: [Recommendation], after first: [Int], isDiverse: Bool) -> [Recommendation] {
    guard let best = pool.first?.score, let worst = pool.last?.score else { return [] }
    let span = best - worst
    var used: [Int32: Int] = [:]
    var isFree = [Bool](repeating: true, count: pool.count)
    // −1 is the least similarity that there is: before anything is listed it is the same for all.
    var nearest = [Float](repeating: -1, count: pool.count)
    var likeness = nearest
    let items = pool.map(\.item)
    func list(_ item: Int) {
      if let cap { for value in cap.column.values(of: item) { used[value, default: 0] += 1 } }
      guard isDiverse, let similarity else { return }
      // Of what is listed only the newest can have come nearer to a candidate.
      similarity(items, item, &likeness)
      for place in nearest.indices { nearest[place] = max(nearest[place], likeness[place]) }
    }
    for item in first { list(item) }
    var chosen: [Recommendation] = []
    while chosen.count < wanted {
      var next: (place: Int, value: Float)?
      for (place, candidate) in pool.enumerated() where isFree[place] {
        if let cap, cap.column.values(of: candidate.item).contains(where: { used[$0, default: 0] >= cap.max }) {
          isFree[place] = false
          continue
        }
        guard isDiverse else {
          next = (place, 0)
          break
        }
        let relevance = span > 0 ? (candidate.score - worst) / span : 1
        let value = lambda * relevance - (1 - lambda) * nearest[place]
        if next.map({ value > $0.value }) ?? true { next = (place, value) }
      }
      guard let next else { break }
      isFree[next.place] = false
      chosen.append(pool[next.place])
      list(pool[next.place].item)
    }
    return chosen
  }
}
