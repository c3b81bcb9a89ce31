/// One entry of a recommendation list.
public struct Recommendation: Sendable, Equatable {
  /// Item index in the catalogue.
  public let item: Int
  /// The model's score; comparable within one list only.
  public let score: Float

  public init(item: Int, score: Float) {
    self.item = item
    self.score = score
  }
}

/// Why an item was scored as it was: the user's own items that carried the score.
public struct Explanation: Sendable, Equatable {
  /// The part of one item of the user's history.
  public struct Reason: Sendable, Equatable {
    /// Item index in the catalogue.
    public let item: Int
    /// What the item adds to the score, in units of the score; may be negative.
    public let contribution: Float
    /// The contribution over all that speaks for the item, in 0...1; 0 for items that speak against.
    public let share: Float
  }

  /// The item explained.
  public let item: Int
  /// Every item of the history, the strongest support first.
  public let reasons: [Reason]
  /// The share of popularity, which lists lean on while a history is short (`FirstEvents`).
  public let popularityShare: Float

  /// - Parameters:
  ///   - history: the user's items.
  ///   - contributions: what each adds to the score, in the order of `history`.
  ///   - score: the whole score; what contributions leave of it is popularity's.
  public init(item: Int, history: ArraySlice<Int32>, contributions: [Float], score: Float) {
    precondition(history.count == contributions.count, "one contribution per item of the history")
    let sum = contributions.reduce(0.0) { $0 + Double($1) }
    let size = contributions.reduce(0) { $0 + abs($1) }
    // What rounding leaves is nobody's.
    let rest = Float(Double(score) - sum)
    let popularity = rest > 1e-4 * size ? rest : 0
    let support = contributions.reduce(popularity) { $0 + max($1, 0) }
    self.item = item
    popularityShare = support > 0 ? popularity / support : 0
    reasons = zip(history, contributions)
      .map { own, value in
        Reason(item: Int(own), contribution: value, share: support > 0 ? max(value, 0) / support : 0)
      }
      .sorted { ($0.contribution, $1.item) > ($1.contribution, $0.item) }
  }
}

extension Scorer {
  /// The best items for a user, without those of the history.
  ///
  /// - Parameters:
  ///   - count: length of the list; it is shorter when fewer items have a finite score.
  ///   - excluded: further items that must not be listed (filters, items out of stock).
  /// - Returns: best first; of equal scores the lower item index first.
  public func recommend(
    to user: UserHistory, count: Int, excluding excluded: some Sequence<Int32> = EmptyCollection()
  )
    -> [Recommendation]
  {
    var scores = [Float](repeating: 0, count: itemCount)
    score(user, into: &scores)
    for item in user.items { scores[Int(item)] = -.infinity }
    for item in excluded { scores[Int(item)] = -.infinity }
    return TopItems.select(count, from: scores)
  }

  /// The user's own items that carried the score of `item`; nil where the model allows no such statement.
  ///
  /// - Parameter score: of the item, as the list has it.
  public func explanation(of item: Int, score: Float, for user: UserHistory) -> Explanation? {
    explain(item, for: user).map { Explanation(item: item, history: user.items, contributions: $0, score: score) }
  }
}
