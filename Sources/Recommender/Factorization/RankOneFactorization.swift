internal import CVectorKernels

/// Rank-one rounds (`mf`, private plans): full-participation gradient rounds of contributions of L2 norm ≤ 1.
///
/// With p1 the unit direction of (noisy) popularity, a user removes popularity from its history and
/// normalises it, ρ = x - (x·p1) p1, ρ /= ‖ρ‖; re-solves u = (YᵀY + ridge)⁻¹ Yᵀ ρ; and contributes the
/// rank-one matrix e ûᵀ with e = ρ - Y u scaled to length at most 1 and û = u / ‖u‖, so that ‖e ûᵀ‖_F = ‖e‖
/// ‖û‖ ≤ 1 without any clipping. The server averages with the fixed denominator and applies a momentum.
/// Counts come first, as x/‖x‖, of norm exactly 1.
public struct RankOneFactorization: Sendable, Equatable {
  /// Length d of a vector: 16, or 8 where users over noise multiplier is small (multipliers above 1.5 at
  /// 6,000 users).
  public let dimension: Int
  /// Releases after the counts.
  public let rounds: Int
  /// The server's rate; 20 was better than 10 on the validation split of ml-1m at ε = 1, 2, 4 and 8.
  public let rate: Float
  public let momentum: Float
  /// Ridge of the user's own solve.
  public let ridge: Float
  /// Share of 1/z² that the counts get; the rounds share the rest evenly.
  public let countShare: Double

  static let initialDeviation: Float = 0.03
  private static let moment = "first moment"

  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(
    dimension: Int = 16, rounds: Int = 10, rate: Float = 20, momentum: Float = 0.7, ridge: Float = 0.02,
    countShare: Double = 0.1
  ) throws {
    try Requirement.atLeastOne(dimension, "dimension")
    try Requirement.atLeastOne(rounds, "number of rounds")
    try Requirement.positive(rate, "server rate")
    try Requirement.holds(
      momentum >= 0 && momentum < 1, "server momentum", momentum, "at least 0 and below 1")
    try Requirement.positive(ridge, "ridge")
    try Requirement.holds(
      countShare > 0 && countShare < 1, "budget share of the counts", countShare, "between 0 and 1, exclusive"
    )
    self.dimension = dimension
    self.rounds = rounds
    self.rate = rate
    self.momentum = momentum
    self.ridge = ridge
    self.countShare = countShare
  }

  func shapes(itemCount: Int) -> [ReleaseShape] {
    let counts = ReleaseShape(
      name: "item counts", dimension: itemCount, maximumNonZeros: itemCount, budgetShare: countShare)
    return [counts] + gradientShapes(itemCount: itemCount, share: 1 - countShare)
  }

  /// The releases after the counts, with this share of the budget together.
  func gradientShapes(itemCount: Int, share: Double) -> [ReleaseShape] {
    let round = ReleaseShape(
      name: "item gradients", dimension: itemCount * dimension, maximumNonZeros: itemCount * dimension,
      budgetShare: share / Double(rounds))
    return Array(repeating: round, count: rounds)
  }

  func trainer(model: ItemModel) -> any LocalTrainer {
    RankOneTrainer(encoder: CenteredEncoder(model: model, ridge: ridge))
  }

  func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float],
    context: ReleaseContext
  ) {
    if release == 0 {
      // Counts that noise alone can reach say nothing: a quarter of its deviation is the least an item gets.
      let floor = Float(0.25 * context.noiseDeviation)
      model.tensors[FactorTensors.popularity] = Tensor(
        shape: [sum.count], values: Self.unit(sum.map { max($0, floor) }))
      return
    }
    var items = FactorTensors.items(of: model)
    var moment = optimizer[Self.moment] ?? Tensor(zeros: items.shape)
    let scale = 1 / Float(max(context.expectedUsers, 1))
    for (index, value) in sum.enumerated() {
      moment.values[index] = momentum * moment.values[index] + value * scale
      items.values[index] += rate * moment.values[index]
    }
    optimizer[Self.moment] = moment
    model.tensors[FactorTensors.items] = items
  }

  /// `values` divided by their L2 norm; all equal when they are all 0.
  static func unit(_ values: [Float]) -> [Float] {
    let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    if norm > 0 { return values.map { Float(Double($0) / norm) } }
    return values.map { _ in 1 / Float(values.count).squareRoot() }
  }
}

/// The local side of a private round.
struct RankOneTrainer: LocalTrainer {
  let encoder: CenteredEncoder

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    guard !user.items.isEmpty else { return }
    let (items, order) = (encoder.factors, encoder.factors.dimension)
    var target = encoder.centred(user.items, weights: [Float](repeating: 1, count: user.items.count)).residual
    guard Self.normalise(&target, always: true) else { return }
    var direction = encoder.solve(target)
    // e = ρ - Y u, in place: out = -(-ρ) + ..., so the table times -u is added to ρ.
    let negative = direction.map { -$0 }
    tacit_table_times_vector_f32(items.values, items.rowCount, items.stride, negative, 1, &target)
    guard Self.normalise(&direction, always: true) else { return }
    Self.normalise(&target, always: false)
    buffer.isDense = true
    buffer.values.append(contentsOf: repeatElement(0, count: items.rowCount * order))
    buffer.values.withUnsafeMutableBufferPointer { values in
      for (item, error) in target.enumerated() {
        for column in 0..<order { values[item * order + column] = error * direction[column] }
      }
    }
  }

  /// Scales to L2 norm 1, or to at most 1; false when there is nothing to scale.
  @discardableResult
  private static func normalise(_ values: inout [Float], always: Bool) -> Bool {
    let norm = values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    guard norm > 1e-6 else { return false }
    if always || norm > 1 {
      // One part in ten million below, so that rounding does not carry the norm above 1.
      let scale = Float((1 - 1e-7) / norm)
      for index in values.indices { values[index] *= scale }
    }
    return true
  }
}
