internal import Glibc

/// Spectral start, then rank-one rounds (`hybrid`): counts choose a head of popular items, one noisy covariance of the head gives the
/// first item factors, and a few full-participation gradient rounds over all items carry them into the tail.
///
/// Every release is a sum of contributions of L2 norm at most 1 by construction: x/‖x‖, a normalised covariance
/// (`HeadCovarianceTrainer`), rank-one gradients (`RankOneTrainer`). The columns of the factors that no eigenvalue above the noise
/// fills begin at small random values, as they do without a covariance.
///
/// Model tensors: `items` [items, dimension] and `popularity` [items], a direction of length 1 after the first release, when `counts`
/// [items], the released sum, and `head` [size], ascending indices, come in.
public struct HybridFactorization: FederatedAlgorithm {
  public let name = "hybrid"
  public let itemCount: Int
  /// Items in the covariance.
  public let headSize: Int
  /// Items between two of a user's items after which their pair counts half; `nil` counts all pairs alike.
  public let pairHalfLife: Double?
  /// Shares of 1/z²: of the counts, and of the covariance; the rounds have the rest.
  public let countsShare: Double
  public let covarianceShare: Double
  /// Length of the longest column of factors that the covariance starts with.
  public let startNorm: Float
  /// The rounds after it.
  public let rounds: RankOneFactorization
  /// How a history is weighted when scoring; no part of training.
  public let recency: RecencyWeighting

  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(
    itemCount: Int, headSize: Int, pairHalfLife: Double? = 20, countsShare: Double = 0.1, covarianceShare: Double = 0.4,
    startNorm: Float = 1, rounds: RankOneFactorization, recency: RecencyWeighting = .plain
  ) throws {
    try Requirement.atLeastOne(itemCount, "number of items")
    try Requirement.holds(
      (1...min(itemCount, Self.headSizeMax)).contains(headSize), "covariance head size", headSize,
      "1 to \(min(itemCount, Self.headSizeMax)), the number of items or the largest matrix")
    try Requirement.holds(
      countsShare > 0 && covarianceShare > 0 && countsShare + covarianceShare < 1, "budget shares of counts and covariance",
      countsShare + covarianceShare, "both above 0, and together below 1")
    if let pairHalfLife {
      try Requirement.holds(
        pairHalfLife > 0 && pairHalfLife.isFinite, "pair half-life", pairHalfLife, "a positive number of items, or none")
    }
    try Requirement.positive(startNorm, "length of the first factors")
    self.itemCount = itemCount
    self.headSize = headSize
    self.pairHalfLife = pairHalfLife
    self.countsShare = countsShare
    self.covarianceShare = covarianceShare
    self.startNorm = startNorm
    self.rounds = rounds
    self.recency = recency
    try Requirement.indexable(shapes.map(\.dimension).max() ?? 0)
  }

  static let headSizeMax = 20_000

  /// Length d of a vector for a signal of N/z: about as many eigenvalues as the head's covariance shows above its noise.
  ///
  /// - Parameter signal: users over the noise multiplier of the whole run.
  public static func dimension(usersOverNoise signal: Double) -> Int {
    Int(max(4, min(128, (20 * pow(signal / 5060, 0.8)).rounded())))
  }

  public var shapes: [ReleaseShape] {
    let pairs = PackedTriangle.count(order: headSize)
    let share = 1 - countsShare - covarianceShare
    return [
      ReleaseShape(name: "item counts", dimension: itemCount, maximumNonZeros: itemCount, budgetShare: countsShare),
      ReleaseShape(name: "head covariance", dimension: pairs, maximumNonZeros: pairs, budgetShare: covarianceShare),
    ] + rounds.gradientShapes(itemCount: itemCount, share: share)
  }

  public func initialModel(seed: UInt64) -> ItemModel {
    ItemModel(
      algorithm: name,
      tensors: [
        FactorTensors.items: FactorTensors.initialItems(
          count: itemCount, dimension: rounds.dimension, deviation: RankOneFactorization.initialDeviation, seed: seed),
        FactorTensors.popularity: Tensor(zeros: [itemCount]),
      ])
  }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer {
    switch release {
    case 0: CountsTrainer(weighting: .unitNorm)
    case 1: HeadCovarianceTrainer(model: model, pairHalfLife: pairHalfLife)
    default: rounds.trainer(model: model)
    }
  }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    let expected = shapes[release].dimension
    precondition(sum.count == expected, "release \(release) has \(expected) entries, this sum has \(sum.count)")
    switch release {
    case 0:
      HeadCovariance.foldCounts(sum, headSize: headSize, deviation: context.noiseDeviation, into: &model)
      let popularity = FactorTensors.popularity(of: model).values
      model.tensors[FactorTensors.popularity] = Tensor(
        shape: [itemCount], values: RankOneFactorization.unit(popularity))
    case 1: start(sum, deviation: context.noiseDeviation, model: &model)
    default: rounds.advance(model: &model, optimizer: &optimizer, release: release - 1, sum: sum, context: context)
    }
    model.version += 1
  }

  /// The strongest eigenvectors of the denoised covariance become columns, the longest of them of length `startNorm`.
  private func start(_ sum: [Float], deviation: Double, model: inout ItemModel) {
    let head = Head(model: model)
    let factors = SpectralFactors(
      covariance: PackedTriangle.unpack(sum, order: headSize, offDiagonal: 0.5.squareRoot()), order: headSize,
      offDiagonalDeviation: deviation * 0.5.squareRoot(), rankMax: rounds.dimension)
    guard let largest = factors.values.first, largest > 0 else { return }
    var items = FactorTensors.items(of: model)
    for (column, value) in factors.values.enumerated() {
      let scale = Double(startNorm) * (value / largest).squareRoot()
      for item in 0..<itemCount { items.values[item * rounds.dimension + column] = 0 }
      for (position, item) in head.items.enumerated() {
        items.values[item * rounds.dimension + column] = Float(scale * factors.vectors[column * headSize + position])
      }
    }
    model.tensors[FactorTensors.items] = items
  }

  public func fault(in model: ItemModel) -> String? {
    var shapes = [FactorTensors.items: [itemCount, rounds.dimension], FactorTensors.popularity: [itemCount]]
    if model.version > 0 {
      shapes["counts"] = [itemCount]
      shapes["head"] = [headSize]
    }
    return ModelCheck.fault(in: model, shapes: shapes) ?? ModelCheck.faultInHead(of: model, itemCount: itemCount)
  }

  public func scorer(model: ItemModel) -> any Scorer { CenteredScorer(model: model, ridge: rounds.ridge, recency: recency) }
}
