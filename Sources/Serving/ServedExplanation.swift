internal import Recommender

/// Which of a user's own events carried the score of an item.
public struct ServedExplanation: Sendable, Equatable {
  /// How the parts were found.
  public enum Basis: String, Sendable {
    /// The parts and what popularity adds while events are few (`FirstEvents`) are the score: the model is linear in the history, or in its right-hand side once the weights are solved
    /// (implicit least squares: Hu, Koren, Volinsky, ICDM 2008, section 5).
    case exact
    /// The score without each event; the parts need not add up, `rest` is what is missing.
    case leaveOneOut = "leave-one-out"
  }

  /// One event's part.
  public struct Part: Sendable, Equatable {
    public let item: Int
    /// In units of the score; may be negative.
    public let contribution: Float
  }

  public let item: Int
  /// The model's score, without boosts.
  public let score: Float
  public let basis: Basis
  /// The strongest support first.
  public let parts: [Part]
  /// Score minus the sum of all parts; what popularity adds where the basis is exact: (3 / events)² of the scores' spread by default.
  public let rest: Float
  /// Events that were left out one by one: the newest of a long history.
  public let consideredCount: Int
}

extension RecommendationEngine {
  /// Events that are left out one by one at most.
  public static let leaveOneOutMax = 50

  /// - Parameters:
  ///   - history: not empty, or there is nothing to explain: `nil` then.
  /// - Throws: `QueryRefusal` for an unknown item or scene.
  public func explain(
    _ id: String, history: ServedHistory, scene name: String?
  ) throws(QueryRefusal) -> ServedExplanation? {
    let weights = try scene(name).weights
    guard let item = items.index[id].map({ Int($0) }) else { throw .unknownItem(id) }
    guard !history.entries.isEmpty else { return nil }
    let user = history.history(weights)
    var scores = [Float](repeating: 0, count: itemCount)
    scorer.score(user, into: &scores)
    let score = scores[item]
    if let contributions = scorer.explain(item, for: user) {
      return explanation(item, score, .exact, Array(zip(user.items.map { Int($0) }, contributions)))
    }
    // Without its only event a history has no score, but popularity, which is no like.
    guard history.entries.count > 1 else { return explanation(item, score, .leaveOneOut, []) }
    let first = max(0, history.entries.count - Self.leaveOneOutMax)
    let parts = (first..<history.entries.count).map { position in
      let rest = history.without(position).history(weights)
      scorer.score(solved: scorer.solve(rest), into: &scores)
      return (Int(history.entries[position].item), score - scores[item])
    }
    return explanation(item, score, .leaveOneOut, parts)
  }

  private func explanation(
    _ item: Int, _ score: Float, _ basis: ServedExplanation.Basis, _ parts: [(Int, Float)]
  ) -> ServedExplanation {
    let sum = parts.reduce(0.0) { $0 + Double($1.1) }
    return ServedExplanation(
      item: item, score: score, basis: basis,
      parts: parts.map { ServedExplanation.Part(item: $0.0, contribution: $0.1) }
        .sorted { ($0.contribution, $1.item) > ($1.contribution, $0.item) },
      rest: Float(Double(score) - sum), consideredCount: parts.count)
  }
}
