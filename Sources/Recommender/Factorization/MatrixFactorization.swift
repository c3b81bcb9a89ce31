/// Federated matrix factorization (`mf`): item embeddings improved by averaged user updates, many small
/// releases.
///
/// The first release counts interactions per item. In each of the `rounds` releases that follow, every
/// participating user re-solves its own vector from the public item embeddings (FedRecon: Singhal et al.,
/// NeurIPS 2021), so that nothing about the user is kept between rounds, makes one step on the item
/// embeddings, and contributes the step; the server averages with the fixed denominator of the plan and hands
/// the average to its optimizer (FedAvg, FedAvgM, FedAdam: Reddi et al., ICLR 2021). With one local step an
/// average of embeddings and an average of gradients are the same thing.
///
/// Two regimes, chosen by the configuration and never by the data:
/// - `implicit`: steps on the implicit least-squares objective; `.standard` for plans without noise,
///   `.privateStandard` for private plans with many users over noise multiplier.
/// - `rankOne`: contributions of L2 norm at most 1 by construction; for private plans with few.
public struct MatrixFactorization: FederatedAlgorithm {
  /// Which update a user contributes.
  public enum Regime: Sendable, Equatable {
    case implicit(ImplicitFactorization)
    case rankOne(RankOneFactorization)
  }

  public let name = "mf"
  public let itemCount: Int
  public let regime: Regime
  /// How a history is weighted when scoring; free of privacy cost, and no part of training.
  public let recency: RecencyWeighting

  /// - Throws: `InvalidHyperparameter` for an empty catalogue, or one whose releases need more than 2³²
  ///   entries.
  public init(
    itemCount: Int, regime: Regime = .implicit(.standard), recency: RecencyWeighting = .plain
  ) throws {
    try Requirement.atLeastOne(itemCount, "number of items")
    self.itemCount = itemCount
    self.regime = regime
    self.recency = recency
    try Requirement.indexable(shapes.map(\.dimension).max() ?? 0)
  }

  public var shapes: [ReleaseShape] {
    switch regime {
    case .implicit(let implicit): implicit.shapes(itemCount: itemCount)
    case .rankOne(let rankOne): rankOne.shapes(itemCount: itemCount)
    }
  }

  public func initialModel(seed: UInt64) -> ItemModel {
    let (dimension, deviation): (Int, Float) =
      switch regime {
      case .implicit(let implicit): (implicit.dimension, 0.1 / Float(implicit.dimension).squareRoot())
      case .rankOne(let rankOne): (rankOne.dimension, RankOneFactorization.initialDeviation)
      }
    return ItemModel(
      algorithm: name,
      tensors: [
        FactorTensors.items: FactorTensors.initialItems(
          count: itemCount, dimension: dimension, deviation: deviation, seed: seed),
        FactorTensors.popularity: Tensor(zeros: [itemCount]),
      ])
  }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer {
    switch regime {
    case .implicit(let implicit):
      release == 0 ? CountsTrainer(weighting: implicit.weighting == .equal ? .binary : .unitNorm) : implicit.trainer(model: model)
    case .rankOne(let rankOne):
      release == 0 ? CountsTrainer(weighting: .unitNorm) : rankOne.trainer(model: model)
    }
  }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float],
    context: ReleaseContext
  ) {
    let expected = shapes[release].dimension
    precondition(
      sum.count == expected, "release \(release) has \(expected) entries, this sum has \(sum.count)")
    switch regime {
    case .implicit(let implicit):
      implicit.advance(model: &model, optimizer: &optimizer, release: release, sum: sum, context: context)
    case .rankOne(let rankOne):
      rankOne.advance(model: &model, optimizer: &optimizer, release: release, sum: sum, context: context)
    }
    model.version += 1
  }

  public func scorer(model: ItemModel) -> any Scorer {
    switch regime {
    case .implicit(let implicit):
      LeastSquaresScorer(
        model: model, objective: implicit.objective, recency: recency)
    case .rankOne(let rankOne):
      CenteredScorer(model: model, ridge: rankOne.ridge, recency: recency)
    }
  }
}
