internal import Glibc

/// Scores by the neighbours of a user's own items: sⱼ = dⱼ^−β Σᵢ wᵢ dᵢ^−α cᵢⱼ over the history.
///
/// d: how many users have an item, w: the weights of recency. An item does not vouch for itself (cᵢᵢ = 0). The scores are linear in the weighted
/// history, so that `explain` is exact.
struct NeighbourScorer: Scorer {
  let itemCount: Int
  let recency: RecencyWeighting
  private let rows: SymmetricRows
  /// dᵢ^−α and dⱼ^−β.
  private let historyFactors: [Float]
  private let candidateFactors: [Float]
  /// d^−½.
  private let cosineFactors: [Float]

  /// - Parameters:
  ///   - counts: d.
  ///   - exponents: α of the history's items and β of the scored ones.
  init(
    table: NeighbourTable, counts: [Float], exponents: (history: Double, candidate: Double), recency: RecencyWeighting
  ) {
    precondition(counts.count == table.itemCount, "found \(counts.count) counts of \(table.itemCount) items")
    itemCount = counts.count
    self.recency = recency
    rows = SymmetricRows(table)
    historyFactors = Self.factors(counts, exponent: exponents.history)
    candidateFactors = Self.factors(counts, exponent: exponents.candidate)
    cosineFactors = Self.factors(counts, exponent: 0.5)
  }

  /// d^−exponent; 0 for items that nobody has (2^−20 keeps what a stranger's model makes of it finite).
  static func factors(_ counts: [Float], exponent: Double) -> [Float] {
    counts.map { $0 > 0x1p-20 ? Float(pow(Double($0), -exponent)) : 0 }
  }

  func score(_ user: UserHistory, into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores must have one entry per item")
    let items = user.items.suffix(recency.reach)
    let weights = recency.weights(of: user).suffix(items.count)
    scores.withUnsafeMutableBufferPointer { scores in
      scores.update(repeating: 0)
      rows.columns.withUnsafeBufferPointer { columns in
        rows.values.withUnsafeBufferPointer { values in
          for (item, weight) in zip(items, weights) {
            let factor = weight * historyFactors[Int(item)]
            for place in rows.starts[Int(item)]..<rows.starts[Int(item) + 1] {
              scores[Int(columns[place])] += factor * values[place]
            }
          }
        }
      }
      for item in 0..<itemCount { scores[item] *= candidateFactors[item] }
    }
  }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? {
    zip(user.items, recency.weights(of: user)).map { own, weight in
      Int(own) == item ? 0 : weight * historyFactors[Int(own)] * rows.value(Int(own), item) * candidateFactors[item]
    }
  }

  func makeSimilarity() -> (any ItemSimilarity)? { CooccurrenceSimilarity(rows: rows, factors: cosineFactors) }
}

/// The cosine of two items' users, cᵢⱼ / √(dᵢ dⱼ): 0 where no user has both (or the pair was not kept), 1 where they have the same users.
///
/// Where pairs of long histories weigh less it is smaller than the cosine, never larger.
struct CooccurrenceSimilarity: ItemSimilarity {
  let measure = "cosine of the items' users"
  let rows: SymmetricRows
  /// 1 / √d.
  let factors: [Float]

  func similarity(_ item: Int, _ other: Int) -> Float {
    item == other ? 1 : min(rows.value(item, other) * (factors[item] * factors[other]), 1)
  }

  func similarities(to item: Int, into values: inout [Float]) {
    values.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    for place in rows.starts[item]..<rows.starts[item + 1] {
      let other = Int(rows.columns[place])
      values[other] = min(rows.values[place] * (factors[item] * factors[other]), 1)
    }
    values[item] = 1
  }
}
