internal import Glibc

/// A clip that follows a quantile of users' norms (Andrew, Thakkar, McMahan, Ramaswamy 2021, arXiv:1905.03871): what a plan
/// decides about it.
public struct ClipQuantile: Sendable, Equatable {
  /// γ: the fraction of contributing users whose messages the clip should leave as they are.
  public let target: Double
  /// η: the clip moves by the factor e^(−η·(fraction below − γ)) after each release.
  public let rate: Double
  /// φ: the part of each release's 1/z² that pays for the count of users below the clip.
  public let countShare: Double

  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(target: Double, rate: Double = 0.2, countShare: Double = 0.01) throws {
    try Requirement.holds(target > 0 && target < 1, "quantile of the clip", target, "above 0 and below 1")
    try Requirement.holds(rate > 0 && rate <= 2, "rate of the clip", rate, "above 0 and at most 2")
    try Requirement.holds(
      countShare > 0 && countShare <= 0.5, "share of the clipping count", countShare, "above 0 and at most 0.5")
    self.target = target
    self.rate = rate
    self.countShare = countShare
  }

  /// w/2 over the clip norm C of an update: the weight of a user's bit, ±w/2, so that the count costs φ of 1/z².
  ///
  /// With noise of deviation σ on each entry, the sum of (bit − 1/2) has noise σ_b = σ/w, the updates z_Δ = σ/C, and
  /// 1/z_Δ² + 1/(2σ_b)² = (C² + (w/2)²)/σ² = 1/z²: theorem 1 of the paper, by one release of norm √(C² + (w/2)²).
  public var bitOverClip: Double { (countShare / (1 - countShare)).squareRoot() }

  /// The clip after a release, as a whole number of steps of 2^(1/1024): every step is exact in the model's bytes.
  ///
  /// - Parameter fraction: the noised fraction of users below the clip; nothing else about users enters.
  public func next(_ exponent: Int, fraction: Double) -> Int {
    let seen = fraction.isFinite ? min(max(fraction, 0), 1) : target
    let step = (Double(Self.stepsPerOctave) * rate * (seen - target) / log(2)).rounded(.toNearestOrAwayFromZero)
    return min(max(exponent - Int(step), -Self.exponentMax), Self.exponentMax)
  }

  static let stepsPerOctave = 1024
  /// Clips from 2^−20 to 2^20 times the first one.
  static let exponentMax = 20 * stepsPerOctave
}

/// An algorithm whose repeated releases are clipped to a quantile of the users' norms.
///
/// Secure aggregation, noise, ledger and wire see an algorithm like any other. Its messages have one entry more: a user
/// scales the message by C/S, S being the clip of this round, cuts it to the norm C, and appends ±w/2, which says whether the
/// norm was at most S. So the grid, Δ² and σ² of a release are the plan's and never move: **what the clip is changes nothing
/// about privacy**, and the joint norm of message and bit is checked in integers as always. One event is charged for both.
/// The sum is scaled back by S/C. S stands in the model as the tensor `clip`, which is hashed, signed, kept and sent
/// with it; the next S is computed from the noised count and the plan alone.
public struct AdaptivelyClipped: FederatedAlgorithm {
  public let base: any FederatedAlgorithm
  public let quantile: ClipQuantile
  /// For each release whether its clip moves: those that the algorithm makes more than once.
  private let isAdaptive: [Bool]

  /// - Throws: `InvalidHyperparameter` when no release of the algorithm is repeated.
  public init(_ base: any FederatedAlgorithm, quantile: ClipQuantile) throws {
    self.base = base
    self.quantile = quantile
    let names = base.shapes.map(\.name)
    isAdaptive = names.map { name in names.count { $0 == name } > 1 }
    try Requirement.holds(
      isAdaptive.contains(true), "quantile of the clip", quantile.target,
      "0 for '\(base.name)' with \(names.count) different releases: a clip is learnt from releases of one kind")
    try Requirement.indexable(shapes.map(\.dimension).max() ?? 0)
  }

  public var name: String { base.name }
  public var itemCount: Int { base.itemCount }

  public var shapes: [ReleaseShape] {
    zip(base.shapes, isAdaptive).map { shape, isAdaptive in
      guard isAdaptive else { return shape }
      let bit = quantile.bitOverClip * shape.clipNorm
      return ReleaseShape(
        name: shape.name, dimension: shape.dimension + 1, maximumNonZeros: shape.maximumNonZeros + 1,
        clipNorm: (shape.clipNorm * shape.clipNorm + bit * bit).squareRoot(), budgetShare: shape.budgetShare,
        entryBound: max(shape.clipNorm, bit), isIntegral: false)
    }
  }

  // MARK: - The clip in the model

  static let tensor = "clip"

  /// The clip of the next repeated release, over the clip norm of its shape.
  public static func factor(in model: ItemModel) -> Double {
    exp2(Double(exponent(in: model)) / Double(ClipQuantile.stepsPerOctave))
  }

  private static func exponent(in model: ItemModel) -> Int { Int(model.tensors[tensor]?.values.first ?? 0) }

  private static func set(_ exponent: Int, in model: inout ItemModel) {
    model.tensors[tensor] = Tensor(shape: [1], values: [Float(exponent)])
  }

  private static func bare(_ model: ItemModel) -> ItemModel {
    var model = model
    model.tensors[tensor] = nil
    return model
  }

  public func initialModel(seed: UInt64) -> ItemModel {
    var model = base.initialModel(seed: seed)
    Self.set(0, in: &model)
    return model
  }

  public func fault(in model: ItemModel) -> String? {
    if let fault = ModelCheck.fault(in: model, tensor: Self.tensor, shape: [1]) { return fault }
    let value = model.tensors[Self.tensor]?.values.first ?? 0
    guard value == value.rounded(), value.magnitude <= Float(ClipQuantile.exponentMax) else {
      return "tensor '\(Self.tensor)' is \(value); expected a whole number of at most \(ClipQuantile.exponentMax)"
    }
    return base.fault(in: Self.bare(model))
  }

  // MARK: - Rounds

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer {
    let trainer = base.trainer(for: release, model: Self.bare(model))
    guard isAdaptive[release] else { return trainer }
    let shape = base.shapes[release]
    return ClippingTrainer(
      base: trainer, dimension: shape.dimension, clipNorm: shape.clipNorm,
      clip: shape.clipNorm * Self.factor(in: model), bit: Float(quantile.bitOverClip * shape.clipNorm))
  }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    let exponent = Self.exponent(in: model)
    let factor = Self.factor(in: model)
    model = Self.bare(model)
    defer { Self.set(isAdaptive[release] ? next(exponent, release: release, sum: sum, context: context) : exponent, in: &model) }
    guard isAdaptive[release] else {
      base.advance(model: &model, optimizer: &optimizer, release: release, sum: sum, context: context)
      return
    }
    precondition(sum.count == shapes[release].dimension, "a sum with a clipping count has one entry more than the update")
    base.advance(
      model: &model, optimizer: &optimizer, release: release, sum: sum.dropLast().map { $0 * Float(factor) },
      context: ReleaseContext(expectedUsers: context.expectedUsers, noiseDeviation: context.noiseDeviation * factor))
  }

  /// The next clip, from the last entry of the sum: Σ ±w/2 over users, with noise.
  private func next(_ exponent: Int, release: Int, sum: [Float], context: ReleaseContext) -> Int {
    let weight = 2 * quantile.bitOverClip * base.shapes[release].clipNorm
    let count = Double(sum.last ?? 0) / weight
    return quantile.next(exponent, fraction: count / max(context.expectedUsers, 1) + 0.5)
  }

  public func scorer(model: ItemModel) -> any Scorer { base.scorer(model: Self.bare(model)) }
}

/// The local side: contribute, clip to S in units of C, say whether that cut anything.
private struct ClippingTrainer: LocalTrainer {
  let base: any LocalTrainer
  let dimension: Int
  let clipNorm: Double
  /// S, in the units of the algorithm's messages.
  let clip: Double
  let bit: Float

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    base.contribute(user, into: &buffer)
    guard !buffer.isEmpty else { return }
    let norm = buffer.values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    if norm.isFinite {
      let factor = Float(clipNorm / max(clip, norm))
      for index in buffer.values.indices { buffer.values[index] *= factor }
    } else {
      // A message that is no vector is sent as zero, and was longer than any clip.
      for index in buffer.values.indices { buffer.values[index] = 0 }
    }
    if !buffer.isDense { buffer.indices.append(UInt32(dimension)) }
    buffer.values.append(norm <= clip ? bit : -bit)
  }
}
