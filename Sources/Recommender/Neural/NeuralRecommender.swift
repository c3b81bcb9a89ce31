internal import Glibc

/// Federated neural recommenders (`sasrec`, `gru`, `cnn`, `two-tower`, `ncf`): an encoder of the user's own history, trained in rounds.
///
/// The first release counts interactions per item: users without history get the most popular items, and the item offsets begin
/// at the logarithm of popularity, so that the networks need not learn it. In each of the `rounds` releases that follow, every
/// participating user makes a few steps of gradient descent on its own sequence and contributes the change, cut to a norm; the
/// server averages with the fixed denominator of the plan and hands the average to its optimizer (FedAvg, FedAvgM, FedAdam:
/// Reddi et al., ICLR 2021). There is no table of users: whatever is known of a user is computed from the history, at home.
public struct NeuralRecommender: FederatedAlgorithm {
  public let itemCount: Int
  public let architecture: NeuralArchitecture
  /// Length d of an item's embedding.
  public let dimension: Int
  /// Releases after the counts.
  public let rounds: Int
  public let training: LocalTraining
  public let optimizer: ServerOptimizer
  /// What log popularity is multiplied with to become the first item offsets; 0 for none.
  public let popularityPrior: Float
  /// Share of the privacy budget for the counts.
  public let countsShare: Double

  /// F: public numbers that are known of each item; 0 for none. An item's embedding is its own row and a learnt image of them.
  public let featureDimension: Int

  let parameters: NeuralParameters
  private let encoder: any SequenceEncoder

  public var name: String { architecture.name }
  /// The network's slices of a contribution, which follow the item embeddings and the item offsets.
  package var denseSlices: [ParameterLayout.Slice] { parameters.dense.slices }

  /// - Parameters:
  ///   - featureDimension: of the plan's item features.
  ///   - features: the features themselves; without them the algorithm knows its shapes, but can neither train nor score.
  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(
    itemCount: Int, architecture: NeuralArchitecture, dimension: Int = 64, rounds: Int = 100, training: LocalTraining,
    optimizer: ServerOptimizer = .adam(rate: 0.005, beta2: 0.999, epsilon: 1e-6), popularityPrior: Float = 1,
    countsShare: Double = 0.1, featureDimension: Int = 0, features: ItemFeatures? = nil
  ) throws {
    try Requirement.atLeastOne(itemCount, "number of items")
    try Requirement.holds((1...4096).contains(dimension), "dimension", dimension, "1 to 4096")
    try Requirement.atLeastOne(rounds, "number of rounds")
    try architecture.validate(dimension: dimension)
    try optimizer.validate()
    if case .curvature = optimizer {
      throw InvalidHyperparameter(
        name: "server optimizer", found: "curvature steps", expected: "FedAvg, FedAvgM or FedAdam: networks release no curvature")
    }
    try Requirement.holds(
      popularityPrior >= 0 && popularityPrior <= 10, "popularity prior", popularityPrior, "from 0 to 10")
    try Requirement.holds(
      countsShare > 0 && countsShare < 1, "budget share of the counts", countsShare, "between 0 and 1, exclusive")
    try Requirement.holds(
      (0...ItemFeatures.dimensionMax).contains(featureDimension), "feature dimension", featureDimension,
      "0 to \(ItemFeatures.dimensionMax)")
    if let features {
      try Requirement.holds(
        features.dimension == featureDimension && features.itemCount == itemCount, "item features",
        "\(features.itemCount) × \(features.dimension)", "\(itemCount) × \(featureDimension), as the plan says")
    }
    self.itemCount = itemCount
    self.featureDimension = featureDimension
    self.architecture = architecture
    self.dimension = dimension
    self.rounds = rounds
    self.training = training
    self.optimizer = optimizer
    self.popularityPrior = popularityPrior
    self.countsShare = countsShare
    var layout = ParameterLayout()
    encoder = architecture.encoder(dimension: dimension, window: training.window, layout: &layout)
    let tower = architecture.tower(dimension: dimension, layout: &layout)
    let weight = featureDimension > 0 ? layout.add("item-features-weight", [featureDimension, dimension], .constant(0)) : nil
    parameters = NeuralParameters(
      itemCount: itemCount, dimension: dimension, dense: layout, tower: tower, featureWeight: weight,
      featureDimension: featureDimension, features: features)
    try Requirement.indexable(parameters.count)
  }

  public var shapes: [ReleaseShape] {
    let mostRows = training.mostRows(itemCount: itemCount)
    let round = ReleaseShape(
      name: "parameter changes", dimension: parameters.count,
      maximumNonZeros: mostRows * (dimension + 1) + parameters.dense.count,
      budgetShare: (1 - countsShare) / Double(rounds))
    let counts = ReleaseShape(
      name: "item counts", dimension: itemCount, maximumNonZeros: itemCount, budgetShare: countsShare)
    return [counts] + Array(repeating: round, count: rounds)
  }

  public func initialModel(seed: UInt64) -> ItemModel { parameters.initialModel(algorithm: name, seed: seed) }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer {
    if release == 0 { return CountsTrainer(weighting: .unitNorm) }
    func make(_ encoder: some SequenceEncoder) -> any LocalTrainer {
      NeuralTrainer(encoder: encoder, parameters: parameters, training: training, model: model)
    }
    return make(encoder)
  }

  /// What one user's first step descends from: cross entropies in nats, summed over the window's positions, over its full length.
  package func loss(of user: UserHistory, model: ItemModel) -> Double {
    func loss(_ encoder: some SequenceEncoder) -> Double {
      NeuralTrainer(encoder: encoder, parameters: parameters, training: training, model: model).loss(of: user)
    }
    return loss(encoder)
  }

  public func scorer(model: ItemModel) -> any Scorer {
    func make(_ encoder: some SequenceEncoder) -> any Scorer {
      NeuralScorer(encoder: encoder, parameters: parameters, window: training.window, model: model)
    }
    return make(encoder)
  }

  public func advance(
    model: inout ItemModel, optimizer state: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    let expected = release == 0 ? itemCount : parameters.count
    precondition(sum.count == expected, "release \(release) has \(expected) entries, this sum has \(sum.count)")
    let users = max(context.expectedUsers, 1)
    model.version += 1
    if release == 0 {
      // Counts that noise alone can reach say nothing: as in `mf`, a quarter of its deviation is the least.
      let floor = Float(max(0.25 * context.noiseDeviation, 1e-3))
      let popularity = sum.map { max($0, floor) / Float(users) }
      model.tensors[NeuralParameters.popularity] = Tensor(shape: [itemCount], values: popularity)
      let logarithms = popularity.map { log(Double($0)) }
      let mean = logarithms.reduce(0, +) / Double(itemCount)
      model.tensors[NeuralParameters.offsets] = Tensor(
        shape: [itemCount], values: logarithms.map { popularityPrior * Float($0 - mean) })
      return
    }
    let scale = training.updateBound / Float(users * training.participation)
    var vector = parameters.vector(of: model)
    optimizer.step(&vector, alongSum: sum, scale: scale, state: &state)
    parameters.store(vector, in: &model)
  }
}
