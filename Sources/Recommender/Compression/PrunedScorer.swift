/// What is left of a model whose rows of unpopular items were dropped: they are neither shown nor read from histories.
public struct PrunedScorer: Scorer {
  private let base: any Scorer
  private let isKept: [Bool]

  /// - Parameter kept: how many items stay, best first for a user without a history: the most popular ones.
  public init(_ base: any Scorer, keeping kept: Int) {
    self.base = base
    var scores = [Float](repeating: 0, count: base.itemCount)
    base.score(UserHistory(items: []), into: &scores)
    var isKept = [Bool](repeating: false, count: base.itemCount)
    for item in scores.indices.sorted(by: { (scores[$0], $1) > (scores[$1], $0) }).prefix(kept) { isKept[item] = true }
    self.isKept = isKept
  }

  public var itemCount: Int { base.itemCount }

  public func score(_ user: UserHistory, into scores: inout [Float]) {
    base.score(known(user).history, into: &scores)
    for item in isKept.indices where !isKept[item] { scores[item] = -.infinity }
  }

  public func explain(_ item: Int, for user: UserHistory) -> [Float]? {
    let (history, places) = known(user)
    guard isKept[item], let parts = base.explain(item, for: history) else { return nil }
    var all = [Float](repeating: 0, count: user.items.count)
    for (place, part) in zip(places, parts) { all[place] = part }
    return all
  }

  /// The history without dropped items, and where its items stood.
  private func known(_ user: UserHistory) -> (history: UserHistory, places: [Int]) {
    let (items, weights) = (Array(user.items), Array(user.weights))
    let places = items.indices.filter { isKept[Int(items[$0])] }
    return (
      UserHistory(
        items: ArraySlice(places.map { items[$0] }), weights: weights.isEmpty ? [] : ArraySlice(places.map { weights[$0] }),
        seed: user.seed), places
    )
  }
}
