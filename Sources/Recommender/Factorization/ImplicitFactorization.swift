internal import CVectorKernels

/// Implicit gradients (`mf`): one averaged gradient step a round on the implicit least-squares objective.
///
/// A round releases, per touched item, the residual times the user's vector (itemCount × dimension entries),
/// and two small matrices: Σ v vᵀ, which carries all unseen pairs at once, and Σ n v vᵀ (n the length of the
/// history), which tells the server the curvature of an average interaction. That is d/2 times less than the
/// statistics of `als`.
///
/// Layout: [itemCount × dimension residual gradients, triangle of v vᵀ, triangle of a n v vᵀ, 1], all times
/// the user's weight, with v = p / `userNormBound`, residuals divided by the weighting's `residualBound` and
/// a its `lengthUnit`.
public struct ImplicitFactorization: Sendable, Equatable {
  /// Length d of a vector.
  public let dimension: Int
  /// Releases after the counts.
  public let rounds: Int
  public let objective: ImplicitObjective
  public let optimizer: ServerOptimizer
  /// Longest user vector that is contributed; a longer one is scaled down.
  public let userNormBound: Float
  public let weighting: UserWeighting

  /// d = 64, fifteen rounds of curvature steps: converged on ml-100k, ml-1m and online-retail.
  public static let standard = ImplicitFactorization(
    unchecked: (
      dimension: 64, rounds: 15, objective: .standard, optimizer: .curvature(rate: 0.5, momentum: 0.3),
      userNormBound: 4, weighting: .equal
    ))

  /// For private plans with users over noise multiplier above about 3,000 (below that,
  /// `RankOneFactorization`): d = 16, eight rounds, user vectors of the same length, weights 1/√n. Chosen on
  /// the validation split of ml-1m at ε = 4 and 8.
  public static let privateStandard = ImplicitFactorization(
    unchecked: (
      dimension: 16, rounds: 8,
      objective: ImplicitObjective(unchecked: (regularization: 0.004, unobservedWeight: 0.15)),
      optimizer: .curvature(rate: 0.5, momentum: 0), userNormBound: 0.16,
      weighting: .inverseSquareRoot
    ))

  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(
    dimension: Int = standard.dimension, rounds: Int = standard.rounds,
    objective: ImplicitObjective = .standard, optimizer: ServerOptimizer = standard.optimizer,
    userNormBound: Float = standard.userNormBound,
    weighting: UserWeighting = .equal
  ) throws {
    try Requirement.atLeastOne(dimension, "dimension")
    try Requirement.atLeastOne(rounds, "number of rounds")
    try Requirement.positive(userNormBound, "bound on user vectors")
    try optimizer.validate()
    self.init(
      unchecked: (dimension, rounds, objective, optimizer, userNormBound, weighting))
  }

  private init(
    unchecked: (
      dimension: Int, rounds: Int, objective: ImplicitObjective, optimizer: ServerOptimizer,
      userNormBound: Float, weighting: UserWeighting
    )
  ) {
    (dimension, rounds, objective, optimizer, userNormBound, weighting) = unchecked
  }

  func layout(itemCount: Int) -> GradientLayout { GradientLayout(itemCount: itemCount, dimension: dimension) }

  func shapes(itemCount: Int) -> [ReleaseShape] {
    let count = layout(itemCount: itemCount).count
    let round = ReleaseShape(
      name: "item gradients", dimension: count, maximumNonZeros: count, entryBound: 1)
    return [ReleaseShape(name: "item counts", dimension: itemCount, maximumNonZeros: itemCount)]
      + Array(repeating: round, count: rounds)
  }

  func trainer(model: ItemModel) -> any LocalTrainer {
    let items = FactorTensors.items(of: model)
    return ImplicitGradientTrainer(
      solver: ImplicitUserSolver(items: items, objective: objective),
      layout: layout(itemCount: items.shape[0]),
      userNormBound: userNormBound, weighting: weighting)
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
      popularity: FactorTensors.popularity(of: model).values, objective: objective, weighting: weighting,
      noiseDeviation: context.noiseDeviation)
    optimizer.step(&items, gradient: gradient, state: &state)
    model.tensors[FactorTensors.items] = items
  }
}

/// What one user weighs in the objective, and how its contribution is scaled.
public enum UserWeighting: Sendable, Equatable {
  /// Every interaction weighs the same, so long histories weigh most: for plans without noise.
  case equal
  /// A user with n interactions weighs 1/√n: contributions then have L2 norms near 1 (counts exactly 1),
  /// clipping changes little, and the noise is met by as much signal as it can be: for private plans.
  case inverseSquareRoot

  func callAsFunction(historyLength: Int) -> Float {
    self == .equal ? 1 : 1 / Float(historyLength).squareRoot()
  }

  /// Largest residual that is contributed; larger ones are cut.
  var residualBound: Float { self == .equal ? 4 : 1 }

  /// What a history's length is multiplied with; keeps its product with the user's weight at most 1.
  func lengthUnit(itemCount: Int) -> Float {
    self == .equal ? 1 / Float(itemCount) : 0.5 / Float(itemCount).squareRoot()
  }
}

/// Where the parts of one round's sum stand.
struct GradientLayout: Sendable {
  let itemCount: Int
  let dimension: Int

  var triangle: Int { PackedTriangle.count(order: dimension) }
  var gram: Int { itemCount * dimension }
  var weightedGram: Int { gram + triangle }
  /// The last entry: the sum of the users' weights.
  var weight: Int { weightedGram + triangle }
  var count: Int { weight + 1 }
}

/// The local side of a round: solve, and report the residuals' gradient.
struct ImplicitGradientTrainer: LocalTrainer {
  let solver: ImplicitUserSolver
  let layout: GradientLayout
  let userNormBound: Float
  let weighting: UserWeighting

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    guard !user.items.isEmpty else { return }
    let workspace = solver.makeWorkspace()
    let weights = user.confidences
    solver.solve(items: user.items, confidence: weights, workspace: workspace)
    let vector = LeastSquaresTrainer.bounded(
      workspace.vector, dimension: layout.dimension, bound: userNormBound)
    let userWeight = weighting(historyLength: user.items.count)
    for (item, pull) in zip(user.items, pulls(of: vector, on: user.items, confidence: weights, userWeight: userWeight)) {
      let start = UInt32(Int(item) * layout.dimension)
      buffer.indices.append(contentsOf: start..<start + UInt32(layout.dimension))
      for column in 0..<layout.dimension { buffer.values.append(pull * vector[column]) }
    }
    buffer.indices.append(contentsOf: UInt32(layout.gram)..<UInt32(layout.count))
    for scale in [userWeight, userWeight * length(of: user.items)] {
      for row in 0..<layout.dimension {
        for column in row..<layout.dimension { buffer.values.append(scale * vector[row] * vector[column]) }
      }
    }
    buffer.values.append(userWeight)
  }

  /// The length of a history in units of the weighting.
  private func length(of items: ArraySlice<Int32>) -> Float {
    Float(items.count) * weighting.lengthUnit(itemCount: layout.itemCount)
  }

  /// userWeight (c - (c - w0) p·q) / residualBound for each item of the history, the quotient cut to -1...1: the pull on q along
  /// p beyond that of an unseen pair.
  private func pulls(of vector: [Float], on items: ArraySlice<Int32>, confidence: [Float], userWeight: Float) -> [Float] {
    var pulls = solver.factors.dots(items, vector)
    tacit_bounded_residuals_f32(
      &pulls, confidence, pulls.count, userNormBound, solver.objective.unobservedWeight, weighting.residualBound, userWeight)
    return pulls
  }

  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    precondition(sum.count == layout.count, "a round's sum has \(layout.count) entries, not \(sum.count)")
    var pulls = [Float](repeating: 0, count: interactions.count)
    let solved = pulls.withUnsafeMutableBufferPointer { pulls in
      // Users write to interactions of their own.
      let pulls = pulls
      return SolvedUsers(interactions, solver: solver, userNormBound: userNormBound) {
        user, vector, weights in
        let items = interactions.history(of: user)
        let own = self.pulls(of: vector, on: items, confidence: weights, userWeight: weighting(historyLength: items.count))
        for (position, pull) in zip(items.indices, own) { pulls[position] = pull }
      }
    }
    addGradients(interactions, vectors: solved.vectors, pulls: pulls, to: &sum)
    let active = (0..<Int32(interactions.userCount)).filter { !interactions.history(of: Int($0)).isEmpty }
    let histories = active.map { interactions.history(of: Int($0)) }
    let userWeights = histories.map { weighting(historyLength: $0.count) }
    let lengths = zip(histories, userWeights).map { length(of: $0) * $1 }
    addGram(solved.vectors, users: active, weights: userWeights, at: layout.gram, to: &sum)
    addGram(solved.vectors, users: active, weights: lengths, at: layout.weightedGram, to: &sum)
    sum[layout.weight] += userWeights.reduce(0.0) { $0 + Double($1) }
  }

  /// Adds every user's vector, times its pull on an item, to that item's row.
  private func addGradients(_ interactions: Interactions, vectors: PaddedTable, pulls: [Float], to sum: inout [Double]) {
    let parts = UserParts(interactions)
    let stride = vectors.stride
    var gradients = [PaddedTable?](repeating: nil, count: parts.count)
    gradients.withUnsafeMutableBufferPointer { gradients in
      // A part writes to a table of its own.
      let gradients = gradients
      Parallel.forEachBlock(of: parts.count, size: 1) { block in
        var gradient = PaddedTable(rowCount: layout.itemCount, dimension: layout.dimension)
        for user in parts[block.lowerBound] {
          gradient.add(row: user, of: vectors, to: interactions.history(of: user), weights: pulls)
        }
        gradients[block.lowerBound] = gradient
      }
    }
    sum.withUnsafeMutableBufferPointer { sum in
      // Items write to rows of their own.
      let (sum, gradients) = (sum, gradients)
      Parallel.forEachBlock(of: layout.itemCount, size: 64) { items in
        for case let gradient? in gradients {
          gradient.values.withUnsafeBufferPointer { gradient in
            guard let gradient = gradient.baseAddress, let sum = sum.baseAddress else { return }
            for item in items {
              tacit_add_scaled_f64(sum + item * layout.dimension, 1, gradient + item * stride, layout.dimension)
            }
          }
        }
      }
    }
  }

  private func addGram(
    _ vectors: PaddedTable, users: [Int32], weights: [Float], at start: Int, to sum: inout [Double]
  ) {
    let stride = vectors.stride
    var gram = [Float](repeating: 0, count: stride * stride)
    tacit_weighted_gram_f32(vectors.values, stride, users, weights, users.count, nil, &gram)
    var position = start
    for row in 0..<layout.dimension {
      for column in row..<layout.dimension {
        sum[position] += Double(gram[row * stride + column])
        position += 1
      }
    }
  }
}

/// Users in consecutive parts, each with a table of all items of its own: one thread works on one part, and what is added up does not
/// depend on how many threads there are.
private struct UserParts {
  let count: Int
  private let userCount: Int

  /// At most 16 parts, and so few that each has 64 interactions for every row of its table: tables cost little beside the work, also
  /// their first touch of fresh memory.
  init(_ interactions: Interactions) {
    userCount = interactions.userCount
    count = max(1, min(16, userCount, interactions.count / (64 * interactions.itemCount)))
  }

  subscript(part: Int) -> Range<Int> { part * userCount / count..<(part + 1) * userCount / count }
}
