/// Scores the head by the closed form of EASE on the denoised covariance, and all items by popularity.
///
/// The covariance of one user is S = L Lᵀ + ψ with orthogonal columns of L, so S⁻¹ = (1 − F Fᵀ) / ψ with the columns
/// fₖ = lₖ / √(‖lₖ‖² + ψ). EASE's score of head item j over the weighted history r without its popular direction is
/// rⱼ − (r − F Fᵀ r)ⱼ / (1 − ‖Fⱼ‖²) (Steck 2019, eq. 8); popularity adds the part of the history along its direction.
/// Everything is linear in the weighted history, so `explain` is exact.
struct HeadScorer: Scorer {
  let recency: RecencyWeighting
  private let head: Head
  private let rank: Int
  /// Popularity of all items as a direction of length 1.
  private let direction: [Float]
  /// F, size × rank.
  private let filter: [Float]
  /// Fᵀ h.
  private let filterDirection: [Float]
  /// 1 / (1 − ‖Fⱼ‖²).
  private let gain: [Float]

  var itemCount: Int { direction.count }

  init(model: ItemModel, recency: RecencyWeighting) {
    guard let items = model.tensors["items"], let uniqueness = model.tensors["uniqueness"]?.values.first,
      let popularity = model.tensors["popularity"]?.values
    else { preconditionFailure("a model of the head holds `items`, `uniqueness` and `popularity`") }
    let head = Head(model: model)
    let size = head.items.count
    let rank = items.shape[1]
    var squares = [Double](repeating: 0, count: rank)
    for item in head.items {
      for factor in 0..<rank {
        let loading = Double(items.values[item * rank + factor])
        squares[factor] += loading * loading
      }
    }
    let scales = squares.map { 1 / ($0 + Double(uniqueness)).squareRoot() }
    var filter = [Float](repeating: 0, count: size * rank)
    var gain = [Float](repeating: 0, count: size)
    for (position, item) in head.items.enumerated() {
      var carried = 0.0
      for factor in 0..<rank {
        let value = Double(items.values[item * rank + factor]) * scales[factor]
        filter[position * rank + factor] = Float(value)
        carried += value * value
      }
      gain[position] = Float(1 / max(1 - carried, 1e-6))
    }
    var filterDirection = [Float](repeating: 0, count: rank)
    DenseAlgebra.multiply(
      filter, transposeA: true, vector: head.direction, into: &filterDirection, rows: size, columns: rank)
    self.recency = recency
    self.head = head
    self.rank = rank
    self.direction = Head.unit(popularity)
    self.filter = filter
    self.filterDirection = filterDirection
    self.gain = gain
  }

  func score(_ user: UserHistory, into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores must have one entry per item")
    let weights = recency.weights(of: user)
    var (along, alongHead): (Float, Float) = (0, 0)
    var residual = [Float](repeating: 0, count: head.items.count)
    var projected = [Float](repeating: 0, count: rank)
    for (item, weight) in zip(user.items, weights) {
      along += weight * direction[Int(item)]
      let position = Int(head.positions[Int(item)])
      guard position >= 0 else { continue }
      alongHead += weight * head.direction[position]
      residual[position] += weight
      for factor in 0..<rank { projected[factor] += weight * filter[position * rank + factor] }
    }
    for factor in 0..<rank { projected[factor] -= alongHead * filterDirection[factor] }
    var common = [Float](repeating: 0, count: head.items.count)
    DenseAlgebra.multiply(filter, vector: projected, into: &common, rows: head.items.count, columns: rank)
    for item in scores.indices { scores[item] = along * direction[item] }
    for (position, item) in head.items.enumerated() {
      let own = residual[position] - alongHead * head.direction[position]
      scores[item] += own - (own - common[position]) * gain[position]
    }
  }

  /// Items outside the head are like nothing: the model knows their popularity only.
  func makeSimilarity() -> (any ItemSimilarity)? {
    FactorSimilarity(
      PaddedTable(Tensor(shape: [head.items.count, rank], values: filter)), positions: head.positions.map { Int32($0) })
  }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? {
    let target = Int(head.positions[item])
    return zip(user.items, recency.weights(of: user)).map { own, weight in
      var value = direction[Int(own)] * direction[item]
      let position = Int(head.positions[Int(own)])
      if position >= 0, target >= 0 {
        // The score of a history of this one item: e − (e · h) h through the filter.
        let along = head.direction[position]
        var common: Float = 0
        for factor in 0..<rank {
          common +=
            (filter[position * rank + factor] - along * filterDirection[factor])
            * filter[target * rank + factor]
        }
        let at = (position == target ? 1 : 0) - along * head.direction[target]
        value += at - (at - common) * gain[target]
      }
      return weight * value
    }
  }
}
