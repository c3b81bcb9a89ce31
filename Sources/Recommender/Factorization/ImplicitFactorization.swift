internal import CVectorKernels

/// The regime of `mf` without noise: one averaged gradient step a round on the implicit least-squares objective.
///
/// A round releases, per touched item, the residual times the user's vector (itemCount × dimension entries), and two small
/// matrices: Σ v vᵀ, which carries all unseen pairs at once, and Σ n v vᵀ (n the length of the history), which tells the
/// server the curvature of an average interaction. That is d/2 times less than the statistics of `als`.
///
/// Layout: [itemCount × dimension residual gradients, triangle of Σ v vᵀ, triangle of Σ (n / itemCount) v vᵀ], with
/// v = p / `userNormBound` and residuals divided by `residualBound`.
public struct ImplicitFactorization: Sendable, Equatable {
  /// Length d of a vector.
  public let dimension: Int
  /// Releases after the counts.
  public let rounds: Int
  public let objective: ImplicitObjective
  public let optimizer: ServerOptimizer
  /// Longest user vector that is contributed; a longer one is scaled down.
  public let userNormBound: Float
  /// Largest confidence of an event; larger weights are cut to it.
  public let maximumConfidence: Float

  /// Largest residual that is contributed; larger ones are cut.
  static let residualBound: Float = 4

  /// d = 64, fifteen rounds of curvature steps: converged on ml-100k, ml-1m and online-retail.
  public static let standard = ImplicitFactorization(
    unchecked: (
      dimension: 64, rounds: 15, objective: .standard, optimizer: .curvature(rate: 0.5, momentum: 0.3),
      userNormBound: 4, maximumConfidence: 1
    ))

  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(
    dimension: Int = standard.dimension, rounds: Int = standard.rounds,
    objective: ImplicitObjective = .standard, optimizer: ServerOptimizer = standard.optimizer,
    userNormBound: Float = standard.userNormBound, maximumConfidence: Float = standard.maximumConfidence
  ) throws {
    try Requirement.atLeastOne(dimension, "dimension")
    try Requirement.atLeastOne(rounds, "number of rounds")
    try Requirement.positive(userNormBound, "bound on user vectors")
    try Requirement.positive(maximumConfidence, "largest confidence")
    try optimizer.validate()
    self.init(unchecked: (dimension, rounds, objective, optimizer, userNormBound, maximumConfidence))
  }

  private init(
    unchecked: (
      dimension: Int, rounds: Int, objective: ImplicitObjective, optimizer: ServerOptimizer,
      userNormBound: Float, maximumConfidence: Float
    )
  ) {
    (dimension, rounds, objective, optimizer, userNormBound, maximumConfidence) = unchecked
  }

  func layout(itemCount: Int) -> GradientLayout { GradientLayout(itemCount: itemCount, dimension: dimension) }

  func shapes(itemCount: Int) -> [ReleaseShape] {
    let count = layout(itemCount: itemCount).count
    let round = ReleaseShape(
      name: "item gradients", dimension: count, maximumNonZeros: count,
      entryBound: Double(max(1, maximumConfidence)))
    return [ReleaseShape(name: "item counts", dimension: itemCount, maximumNonZeros: itemCount)]
      + Array(repeating: round, count: rounds)
  }

  func trainer(model: ItemModel) -> any LocalTrainer {
    let items = FactorTensors.items(of: model)
    return ImplicitGradientTrainer(
      solver: ImplicitUserSolver(items: items, objective: objective),
      confidence: ConfidenceRule(maximum: maximumConfidence), layout: layout(itemCount: items.shape[0]),
      userNormBound: userNormBound)
  }

  func advance(
    model: inout ItemModel, optimizer state: inout OptimizerState, release: Int, sum: [Float],
    context: ReleaseContext
  ) {
    let users = max(context.expectedUsers, 1)
    if release == 0 {
      model.tensors[FactorTensors.popularity] = Tensor(
        shape: [sum.count], values: sum.map { max(0, $0 / Float(users)) })
      return
    }
    var items = FactorTensors.items(of: model)
    let gradient = MeanGradient(
      sum: sum, layout: layout(itemCount: items.shape[0]), users: users, userNormBound: userNormBound,
      popularity: FactorTensors.popularity(of: model).values, objective: objective,
      noiseDeviation: context.noiseDeviation)
    optimizer.step(&items, gradient: gradient, state: &state)
    model.tensors[FactorTensors.items] = items
  }
}

/// Where the parts of one round's sum stand.
struct GradientLayout: Sendable {
  let itemCount: Int
  let dimension: Int

  var triangle: Int { PackedTriangle.count(order: dimension) }
  var gram: Int { itemCount * dimension }
  var weightedGram: Int { gram + triangle }
  var count: Int { gram + 2 * triangle }
}

/// The local side of a round: solve, and report the residuals' gradient.
struct ImplicitGradientTrainer: LocalTrainer {
  let solver: ImplicitUserSolver
  let confidence: ConfidenceRule
  let layout: GradientLayout
  let userNormBound: Float

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    guard !user.items.isEmpty else { return }
    let workspace = solver.makeWorkspace()
    let weights = confidence(user)
    solver.solve(items: user.items, confidence: weights, workspace: workspace)
    let vector = LeastSquaresTrainer.bounded(
      workspace.vector, dimension: layout.dimension, bound: userNormBound)
    for (item, weight) in zip(user.items, weights) {
      let residual = self.residual(of: vector, item: item, confidence: weight)
      let start = UInt32(Int(item) * layout.dimension)
      buffer.indices.append(contentsOf: start..<start + UInt32(layout.dimension))
      for column in 0..<layout.dimension { buffer.values.append(residual * vector[column]) }
    }
    let share = Float(user.items.count) / Float(layout.itemCount)
    buffer.indices.append(contentsOf: UInt32(layout.gram)..<UInt32(layout.count))
    for scale in [1, share] {
      for row in 0..<layout.dimension {
        for column in row..<layout.dimension { buffer.values.append(scale * vector[row] * vector[column]) }
      }
    }
  }

  /// (c - (c - w0) p·q) / residualBound, cut to -1...1: the pull on q along p beyond that of an unseen pair.
  private func residual(of vector: [Float], item: Int32, confidence: Float) -> Float {
    let score = solver.factors.dot(Int(item), vector)
    let excess = confidence - solver.objective.unobservedWeight
    let residual = (confidence - excess * score * userNormBound) / ImplicitFactorization.residualBound
    return max(-1, min(1, residual))
  }

  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    precondition(sum.count == layout.count, "a round's sum has \(layout.count) entries, not \(sum.count)")
    let solved = SolvedUsers(
      interactions, solver: solver, confidence: confidence, userNormBound: userNormBound)
    let residuals = self.residuals(interactions, solved: solved)
    let byItem = ItemMajorIndex(interactions)
    let stride = solved.vectors.stride
    sum.withUnsafeMutableBufferPointer { sum in
      // Items write to rows of their own.
      let sum = sum
      Parallel.forEachBlock(of: layout.itemCount, size: 64) { items in
        var row = [Float](repeating: 0, count: stride)
        solved.vectors.values.withUnsafeBufferPointer { table in
          guard let base = table.baseAddress else { return }
          for item in items {
            for index in 0..<stride { row[index] = 0 }
            for entry in byItem.offsets[item]..<byItem.offsets[item + 1] {
              tacit_axpy_f32(
                &row, residuals[Int(byItem.positions[entry])], base + Int(byItem.users[entry]) * stride,
                stride)
            }
            for column in 0..<layout.dimension {
              sum[item * layout.dimension + column] += Double(row[column])
            }
          }
        }
      }
    }
    let active = (0..<Int32(interactions.userCount)).filter { !interactions.history(of: Int($0)).isEmpty }
    let shares = active.map { Float(interactions.history(of: Int($0)).count) / Float(layout.itemCount) }
    addGram(solved.vectors, users: active, weights: nil, at: layout.gram, to: &sum)
    addGram(solved.vectors, users: active, weights: shares, at: layout.weightedGram, to: &sum)
  }

  private func residuals(_ interactions: Interactions, solved: SolvedUsers) -> [Float] {
    var residuals = [Float](repeating: 0, count: interactions.count)
    let stride = solved.vectors.stride
    residuals.withUnsafeMutableBufferPointer { residuals in
      // Users write to interactions of their own.
      let residuals = residuals
      Parallel.forEachBlock(of: interactions.userCount, size: 64) { users in
        for user in users {
          let vector = Array(solved.vectors.values[user * stride..<(user + 1) * stride])
          for position in interactions.offsets[user]..<interactions.offsets[user + 1] {
            residuals[position] = residual(
              of: vector, item: interactions.items[position], confidence: solved.confidence[position])
          }
        }
      }
    }
    return residuals
  }

  private func addGram(
    _ vectors: PaddedTable, users: [Int32], weights: [Float]?, at start: Int, to sum: inout [Double]
  ) {
    let stride = vectors.stride
    var gram = [Float](repeating: 0, count: stride * stride)
    if let weights {
      tacit_weighted_gram_f32(vectors.values, stride, users, weights, users.count, &gram)
    } else {
      tacit_weighted_gram_f32(vectors.values, stride, users, nil, users.count, &gram)
    }
    var position = start
    for row in 0..<layout.dimension {
      for column in row..<layout.dimension {
        sum[position] += Double(gram[row * stride + column])
        position += 1
      }
    }
  }
}
