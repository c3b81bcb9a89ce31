/// How the server turns an averaged update into a step on the item embeddings.
public enum ServerOptimizer: Sendable, Equatable {
  /// FedAvg: `rate` times the average (McMahan et al. 2017).
  case average(rate: Float)
  /// FedAvgM: the average goes through a momentum (Hsu, Qi, Brown 2019).
  case momentum(rate: Float, momentum: Float)
  /// FedAdam (Reddi et al. 2021, algorithm 2), with bias correction; τ is `epsilon`.
  case adam(rate: Float, beta1: Float = 0.9, beta2: Float = 0.99, epsilon: Float)
  /// The average of each item times the inverse of that item's approximate curvature, then a momentum.
  ///
  /// The curvature is w0 Σ p pᵀ + (1 - w0) f_i mean(p pᵀ over interactions) + ridge, per user; f_i is the
  /// item's share of the users. Only items' popularity and two d × d matrices are needed, all of them
  /// released.
  case curvature(rate: Float, momentum: Float)

  func validate() throws {
    switch self {
    case .average(let rate):
      try Requirement.positive(rate, "server rate")
    case .momentum(let rate, let momentum), .curvature(let rate, let momentum):
      try Requirement.positive(rate, "server rate")
      try Self.requireDecay(momentum, "server momentum")
    case .adam(let rate, let beta1, let beta2, let epsilon):
      try Requirement.positive(rate, "server rate")
      try Self.requireDecay(beta1, "decay of Adam's first moment")
      try Self.requireDecay(beta2, "decay of Adam's second moment")
      try Requirement.positive(epsilon, "Adam's epsilon")
    }
  }

  private static func requireDecay(_ value: Float, _ name: String) throws {
    try Requirement.holds(value >= 0 && value < 1, name, value, "at least 0 and below 1")
  }

  private static let firstMoment = "first moment"
  private static let secondMoment = "second moment"
  private static let stepCount = "step count"

  func step(_ items: inout Tensor, gradient: MeanGradient, state: inout OptimizerState) {
    switch self {
    case .average(let rate):
      for (index, value) in gradient.descent(at: items).enumerated() { items.values[index] += rate * value }
    case .momentum(let rate, let momentum):
      advance(
        &items, along: gradient.descent(at: items), rate: rate, momentum: momentum, state: &state)
    case .curvature(let rate, let momentum):
      advance(
        &items, along: gradient.preconditioned(at: items), rate: rate, momentum: momentum, state: &state)
    case .adam(let rate, let beta1, let beta2, let epsilon):
      let direction = gradient.descent(at: items)
      var first = state[Self.firstMoment] ?? Tensor(zeros: items.shape)
      var second = state[Self.secondMoment] ?? Tensor(zeros: items.shape)
      var count = state[Self.stepCount] ?? Tensor(zeros: [1])
      count.values[0] += 1
      let (correction1, correction2) = (
        1 - Self.power(beta1, Int(count.values[0])), 1 - Self.power(beta2, Int(count.values[0]))
      )
      for (index, value) in direction.enumerated() {
        first.values[index] = beta1 * first.values[index] + (1 - beta1) * value
        second.values[index] = beta2 * second.values[index] + (1 - beta2) * value * value
        items.values[index] +=
          rate * (first.values[index] / correction1)
          / ((second.values[index] / correction2).squareRoot() + epsilon)
      }
      state[Self.firstMoment] = first
      state[Self.secondMoment] = second
      state[Self.stepCount] = count
    }
  }

  private func advance(
    _ items: inout Tensor, along direction: [Float], rate: Float, momentum: Float, state: inout OptimizerState
  ) {
    var moment = state[Self.firstMoment] ?? Tensor(zeros: items.shape)
    for (index, value) in direction.enumerated() {
      moment.values[index] = momentum * moment.values[index] + value
      items.values[index] += rate * moment.values[index]
    }
    state[Self.firstMoment] = moment
  }

  private static func power(_ base: Float, _ exponent: Int) -> Float {
    var result: Float = 1
    for _ in 0..<exponent { result *= base }
    return result
  }
}

/// One round's sum, as an average per user: what the optimizers ask of it.
struct MeanGradient {
  private let residualPart: [Double]
  /// Mean of p pᵀ over users, order × order.
  private var gram: [Double]
  /// Mean of p pᵀ over interactions.
  private var interactionGram: [Double]
  private let popularity: [Float]
  private let objective: ImplicitObjective
  /// Mean weight of a user.
  private let meanWeight: Float
  private let order: Int
  /// Added to every curvature under noise: steps stay short where the noise is all there is.
  private let damping: Double

  init(
    sum: [Float], layout: GradientLayout, users: Double, userNormBound: Float, popularity: [Float],
    objective: ImplicitObjective, weighting: UserWeighting, noiseDeviation: Double
  ) {
    let bound = Double(userNormBound)
    let perInteraction = max(1e-6, popularity.reduce(0.0) { $0 + Double($1) })
    let residualScale = Double(weighting.residualBound) * bound / users
    residualPart = sum[..<layout.gram].map { Double($0) * residualScale }
    let gramScale = bound * bound / users
    gram = PackedTriangle.unpack(Array(sum[layout.gram..<layout.weightedGram]), order: layout.dimension)
      .map { $0 * gramScale }
    let interactionScale =
      gramScale / Double(weighting.lengthUnit(itemCount: layout.itemCount)) / perInteraction
    interactionGram = PackedTriangle.unpack(
      Array(sum[layout.weightedGram..<layout.weight]), order: layout.dimension
    )
    .map { $0 * interactionScale }
    meanWeight = Float(max(Double(sum[layout.weight]) / users, 1e-3))
    self.popularity = popularity
    self.objective = objective
    order = layout.dimension
    // The noise of a matrix of this order has a spectral norm of about 2 deviations times √order; three times
    // that was best on the validation split of ml-1m at ε = 4 and 8.
    damping = 6 * noiseDeviation * Double(order).squareRoot() * gramScale
    if noiseDeviation > 0 {
      // A direction of negative curvature would be followed for ever.
      SymmetricSystem.projectToSemidefinite(&gram, order: order)
      SymmetricSystem.projectToSemidefinite(&interactionGram, order: order)
    }
  }

  /// Half the negative gradient of the objective per user, [items × order].
  func descent(at items: Tensor) -> [Float] {
    let weight = Double(objective.unobservedWeight)
    var direction = [Float](repeating: 0, count: items.values.count)
    items.values.withUnsafeBufferPointer { items in
      direction.withUnsafeMutableBufferPointer { direction in
        gram.withUnsafeBufferPointer { gram in
          // Rows are written by one thread each.
          let (items, direction, gram) = (items, direction, gram)
          Parallel.forEachBlock(of: popularity.count, size: 64) { rows in
            for row in rows {
              let start = row * order
              let ridge = penalty(of: row)
              for column in 0..<order {
                var pull = 0.0
                for other in 0..<order { pull += gram[column * order + other] * Double(items[start + other]) }
                direction[start + column] = Float(
                  residualPart[start + column] - weight * pull - ridge * Double(items[start + column]))
              }
            }
          }
        }
      }
    }
    return direction
  }

  /// `descent`, multiplied row by row with the inverse curvature.
  ///
  /// Items of one popularity share their curvature, which is factored once for all of them: large catalogues have few popularities
  /// where counts are exact.
  func preconditioned(at items: Tensor) -> [Float] {
    var direction = descent(at: items)
    let weight = Double(objective.unobservedWeight)
    direction.withUnsafeMutableBufferPointer { direction in
      // Rows are written by one thread each.
      let direction = direction
      let groups = Dictionary(grouping: popularity.indices, by: { popularity[$0] }).sorted { $0.key < $1.key }.map(\.value)
      Parallel.forEachBlock(of: groups.count, size: 16) { block in
        for group in block.map({ groups[$0] }) {
          let seen = (1 - weight) * Double(popularity[group[0]])
          let matrix = zip(gram, interactionGram).map { weight * $0 + seen * $1 }
          let ridge = penalty(of: group[0]) + damping
          let factor = SymmetricSystem.factor(of: matrix, order: order, ridge: ridge)
          for row in group {
            var step = (0..<order).map { Double(direction[row * order + $0]) }
            if let factor {
              DenseAlgebra.choleskySolve(factor: factor, order: order, &step)
            } else {
              var spoiled = matrix
              SymmetricSystem.solve(&spoiled, &step, ridge: ridge, eigenvalueFloor: nil)
            }
            for column in 0..<order { direction[row * order + column] = Float(step[column]) }
          }
        }
      }
    }
    return direction
  }

  /// λ (f_i + w0 times the mean user weight): the ridge of an item, per user.
  private func penalty(of item: Int) -> Double {
    Double(objective.ridge(observed: popularity[item], catalogue: meanWeight))
  }
}
