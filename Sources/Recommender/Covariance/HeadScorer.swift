/// Scores the head by the closed form of EASE on the denoised covariance, and all items by popularity.
///
/// With S = L Lᵀ + Ψ the covariance of one user, P = S⁻¹ = Ψ⁻¹ − W Wᵀ (Woodbury), where W = Ψ⁻¹ L (I + Lᵀ Ψ⁻¹ L)^-½; the
/// score of a head item is that of EASE, Σᵢ rᵢ (δᵢⱼ − Pᵢⱼ / Pⱼⱼ), over the weighted history r without its popular
/// direction, plus that direction itself. Everything is linear in the weighted history, so `explain` is exact.
struct HeadScorer: Scorer {
  let recency: RecencyWeighting
  private let head: Head
  private let rank: Int
  /// Popularity of all items as a direction of length 1.
  private let direction: [Float]
  /// W, size × rank.
  private let whitened: [Float]
  /// W of the head's direction: hᵀ W.
  private let whitenedDirection: [Float]
  /// 1 / ψ.
  private let inverseUniqueness: [Float]
  /// 1 / Pⱼⱼ.
  private let inverseDiagonal: [Float]

  var itemCount: Int { direction.count }

  init(model: ItemModel, recency: RecencyWeighting) {
    guard let items = model.tensors["items"], let uniqueness = model.tensors["uniqueness"]?.values,
      let popularity = model.tensors["popularity"]?.values
    else { preconditionFailure("a model of the head holds `items`, `uniqueness` and `popularity`") }
    let head = Head(model: model)
    let size = head.items.count
    let rank = items.shape[1]
    let norm = max(popularity.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot(), .leastNormalMagnitude)
    self.recency = recency
    self.head = head
    self.rank = rank
    direction = popularity.map { Float(Double($0) / norm) }
    inverseUniqueness = uniqueness.map { 1 / $0 }

    // Ψ^-½ L, then Q = I + Lᵀ Ψ⁻¹ L = Uᵀ U, and W = Ψ⁻¹ L U⁻¹.
    var scaled = [Double](repeating: 0, count: size * rank)
    for (position, item) in head.items.enumerated() {
      let factor = 1 / Double(uniqueness[position]).squareRoot()
      for column in 0..<rank {
        scaled[position * rank + column] = Double(items.values[item * rank + column]) * factor
      }
    }
    var gram = [Double](repeating: 0, count: rank * rank)
    for column in 0..<rank { gram[column * rank + column] = 1 }
    DenseAlgebra.addGram(of: scaled, rows: size, order: rank, into: &gram)
    let definite = rank == 0 || DenseAlgebra.choleskyFactor(&gram, order: rank)
    precondition(definite, "I + Lᵀ Ψ⁻¹ L is not positive definite; the loadings hold NaN")
    DenseAlgebra.solveFromRight(upper: gram, order: rank, &scaled, rows: size)
    var whitened = [Float](repeating: 0, count: size * rank)
    var inverseDiagonal = [Float](repeating: 0, count: size)
    for position in 0..<size {
      let factor = 1 / Double(uniqueness[position]).squareRoot()
      var squares = 0.0
      for column in 0..<rank {
        let value = scaled[position * rank + column]
        squares += value * value
        whitened[position * rank + column] = Float(value * factor)
      }
      // Pⱼⱼ = (1 − squares) / ψ, and squares < 1.
      inverseDiagonal[position] = Float(Double(uniqueness[position]) / max(1 - squares, 1e-12))
    }
    var whitenedDirection = [Float](repeating: 0, count: rank)
    DenseAlgebra.multiply(
      whitened, transposeA: true, vector: head.direction, into: &whitenedDirection, rows: size, columns: rank)
    self.whitened = whitened
    self.whitenedDirection = whitenedDirection
    self.inverseDiagonal = inverseDiagonal
  }

  func score(_ user: UserHistory, into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores must have one entry per item")
    let weights = recency.weights(count: user.items.count)
    var along: Float = 0
    var alongHead: Float = 0
    var residual = [Float](repeating: 0, count: head.items.count)
    for (item, weight) in zip(user.items, weights) {
      along += weight * direction[Int(item)]
      let position = Int(head.positions[Int(item)])
      guard position >= 0 else { continue }
      alongHead += weight * head.direction[position]
      residual[position] += weight
    }
    for item in scores.indices { scores[item] = along * direction[item] }
    var projected = whitenedDirection.map { -alongHead * $0 }
    for (item, weight) in zip(user.items, weights) where head.positions[Int(item)] >= 0 {
      let row = Int(head.positions[Int(item)]) * rank
      for column in 0..<rank { projected[column] += weight * whitened[row + column] }
    }
    var common = [Float](repeating: 0, count: head.items.count)
    DenseAlgebra.multiply(whitened, vector: projected, into: &common, rows: head.items.count, columns: rank)
    for (position, item) in head.items.enumerated() {
      let own = residual[position] - alongHead * head.direction[position]
      scores[item] += own - (own * inverseUniqueness[position] - common[position]) * inverseDiagonal[position]
    }
  }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? {
    let weights = recency.weights(count: user.items.count)
    let target = Int(head.positions[item])
    return zip(user.items, weights).map { own, weight in
      var value = direction[Int(own)] * direction[item]
      let position = Int(head.positions[Int(own)])
      if position >= 0, target >= 0 {
        // The row of e_own − (e_own · h) h.
        let along = head.direction[position]
        var inner: Float = 0
        for column in 0..<rank {
          inner +=
            (whitened[position * rank + column] - along * whitenedDirection[column])
            * whitened[target * rank + column]
        }
        let at = (position == target ? 1 : 0) - along * head.direction[target]
        value += at - (at * inverseUniqueness[target] - inner) * inverseDiagonal[target]
      }
      return weight * value
    }
  }
}
