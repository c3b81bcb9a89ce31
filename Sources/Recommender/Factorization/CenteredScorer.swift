internal import CVectorKernels

/// Encodes histories for rank-one rounds: popularity's direction apart, then ridge regression on the rest.
struct CenteredEncoder: Sendable {
  let factors: PaddedTable
  /// p1, of length 1 (zero before the counts are released).
  let popularity: [Float]
  /// Yᵀ p1, padded.
  private let popularityVector: [Float]
  /// Cholesky factor of YᵀY + ridge, stride × stride.
  private let factor: [Float]

  init(model: ItemModel, ridge: Float) {
    factors = PaddedTable(FactorTensors.items(of: model))
    popularity = FactorTensors.popularity(of: model).values
    var ridge = ridge
    while true {
      var matrix = factors.gram()
      for row in 0..<factors.dimension { matrix[row * factors.stride + row] += ridge }
      if tacit_cholesky_f32(&matrix, factors.dimension, factors.stride) == 1 {
        factor = matrix
        break
      }
      // Only rounding can spoil a pivot, when the factors are enormous.
      ridge *= 16
      precondition(ridge.isFinite, "the item factors of the model are not finite")
    }
    popularityVector = factors.combination(weights: popularity)
  }

  /// The weighted history x minus its part along popularity, as a full vector, and x·p1.
  func centred(_ items: ArraySlice<Int32>, weights: [Float]) -> (residual: [Float], alongPopularity: Float) {
    let along = alongPopularity(items, weights: weights)
    var residual = popularity.map { -along * $0 }
    for (item, weight) in zip(items, weights) { residual[Int(item)] += weight }
    return (residual, along)
  }

  /// x·p1.
  func alongPopularity(_ items: ArraySlice<Int32>, weights: [Float]) -> Float {
    zip(items, weights).reduce(0) { $0 + $1.1 * popularity[Int($1.0)] }
  }

  /// (YᵀY + ridge)⁻¹ Yᵀ target.
  func solve(_ target: [Float]) -> [Float] {
    var vector = factors.combination(weights: target)
    tacit_cholesky_solve_f32(factor, factors.dimension, factors.stride, &vector)
    return vector
  }

  /// (YᵀY + ridge)⁻¹ Yᵀ (x - (x·p1) p1), from the items of the history alone.
  func solve(_ items: ArraySlice<Int32>, weights: [Float], alongPopularity along: Float) -> [Float] {
    var vector = factors.combination(of: items, weights: weights)
    tacit_axpy_f32(&vector, -along, popularityVector, factors.stride)
    tacit_cholesky_solve_f32(factor, factors.dimension, factors.stride, &vector)
    return vector
  }

  /// (YᵀY + ridge)⁻¹ y_item.
  func carrier(of item: Int) -> [Float] {
    var vector = Array(factors.values[item * factors.stride..<(item + 1) * factors.stride])
    tacit_cholesky_solve_f32(factor, factors.dimension, factors.stride, &vector)
    return vector
  }

  /// (Yᵀ p1)·vector.
  func dotPopularity(_ vector: [Float]) -> Float {
    tacit_dot_f32(popularityVector, vector, factors.stride)
  }
}

/// Scores after rank-one rounds: a p1 + Y (YᵀY + ridge)⁻¹ Yᵀ (x - a p1) with x the weighted history
/// and a = x·p1.
struct CenteredScorer: Scorer {
  private let encoder: CenteredEncoder
  private let recency: RecencyWeighting

  init(model: ItemModel, ridge: Float, recency: RecencyWeighting) {
    encoder = CenteredEncoder(model: model, ridge: ridge)
    self.recency = recency
  }

  var itemCount: Int { encoder.factors.rowCount }

  func score(_ user: UserHistory, into scores: inout [Float]) { score(solved: solve(user), into: &scores) }

  /// The solved vector, padded, then x·p1; empty for an empty history.
  func solve(_ user: UserHistory) -> [Float] {
    guard !user.items.isEmpty else { return [] }
    let weights = self.weights(of: user)
    let along = encoder.alongPopularity(user.items, weights: weights)
    return encoder.solve(user.items, weights: weights, alongPopularity: along) + [along]
  }

  func score(solved: [Float], into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores has \(scores.count) entries, the catalogue \(itemCount)")
    guard let along = solved.last else {
      scores = encoder.popularity
      return
    }
    let factors = encoder.factors
    precondition(solved.count == factors.stride + 1, "the vector was solved by another scorer")
    for (item, value) in encoder.popularity.enumerated() { scores[item] = along * value }
    tacit_table_times_vector_f32(factors.values, itemCount, factors.stride, solved, 1, &scores)
  }

  func makeSimilarity() -> (any ItemSimilarity)? { FactorSimilarity(encoder.factors) }

  /// The score is linear in the history: what each item adds to it.
  func explain(_ item: Int, for user: UserHistory) -> [Float]? {
    let carrier = encoder.carrier(of: item)
    let popularityPull = encoder.popularity[item] - encoder.dotPopularity(carrier)
    let dots = encoder.factors.dots(user.items, carrier)
    return zip(zip(user.items, dots), weights(of: user)).map { pair, weight in
      weight * (encoder.popularity[Int(pair.0)] * popularityPull + pair.1)
    }
  }

  private func weights(of user: UserHistory) -> [Float] { recency.weights(of: user) }
}
