/// Implicit alternating least squares with federated sufficient statistics (`als`).
///
/// One release is one sweep. Every user solves its own vector p from the public item factors and contributes,
/// for each touched item, what the item's least-squares problem needs of the user: (c - w0) p pᵀ, c p and a
/// count; and once its own p pᵀ and a count. The sums determine the item factors exactly, so training on sums
/// over partners equals training in one place up to rounding. With noise this is DPALS (Chien, Jain,
/// Krichene, Rendle, Song, Thakurta, Zhang, ICML 2021), where clipping a user's whole message is the same as
/// weighting that user less in every least-squares problem.
///
/// Layout of a contribution: `itemCount` blocks of [upper triangle of (c - w0) v vᵀ by rows, c v, count],
/// then [upper triangle of v vᵀ, count], where v = p / `userNormBound` and a count is `countUnit`.
public struct AlternatingLeastSquares: FederatedAlgorithm {
  /// What a plan fixes about `als`.
  public struct Configuration: Sendable, Equatable {
    /// Length d of a user's or item's vector.
    public let dimension: Int
    /// Number of sweeps, each one release.
    public let sweeps: Int
    public let objective: ImplicitObjective
    /// Longest user vector that is contributed; a longer one is scaled down. Bounds every entry of a
    /// contribution.
    public let userNormBound: Float

    /// d = 56 and four sweeps: on the validation split of ml-1m within .002 HR@10 of d = 64 and eight sweeps.
    public static let standard = Configuration(
      unchecked: (dimension: 56, sweeps: 4, objective: .standard, userNormBound: 4))

    /// For private plans: two sweeps of d = 16 with user vectors of the same length, so that a clipped
    /// message holds as much signal as it can. `mf` needs a tenth of the entries and does better under the
    /// same noise.
    public static let privateStandard = Configuration(
      unchecked: (
        dimension: 16, sweeps: 2, objective: .standard, userNormBound: 0.25
      ))

    /// - Throws: `InvalidHyperparameter` for a value out of its range.
    public init(
      dimension: Int = standard.dimension, sweeps: Int = standard.sweeps,
      objective: ImplicitObjective = .standard, userNormBound: Float = standard.userNormBound
    ) throws {
      try Requirement.atLeastOne(dimension, "dimension")
      try Requirement.atLeastOne(sweeps, "number of sweeps")
      try Requirement.positive(userNormBound, "bound on user vectors")
      self.init(unchecked: (dimension, sweeps, objective, userNormBound))
    }

    private init(
      unchecked: (
        dimension: Int, sweeps: Int, objective: ImplicitObjective, userNormBound: Float
      )
    ) {
      (dimension, sweeps, objective, userNormBound) = unchecked
    }
  }

  public let name = "als"
  public let itemCount: Int
  public let configuration: Configuration
  /// How a user's own history is weighted when scoring; no part of training. On the validation splits a
  /// half-life of 5 items did best on ml-100k and ml-1m, 10 on online-retail.
  public let recency: RecencyWeighting

  /// - Throws: `InvalidHyperparameter` for an empty catalogue, or one whose statistics need more than 2³²
  ///   entries.
  public init(
    itemCount: Int, configuration: Configuration = .standard, recency: RecencyWeighting = .plain
  ) throws {
    try Requirement.atLeastOne(itemCount, "number of items")
    self.itemCount = itemCount
    self.configuration = configuration
    self.recency = recency
    try Requirement.indexable(layout.count)
  }

  var layout: StatisticsLayout {
    StatisticsLayout(itemCount: itemCount, dimension: configuration.dimension)
  }

  public var shapes: [ReleaseShape] {
    let shape = ReleaseShape(
      name: "least-squares statistics", dimension: layout.count, maximumNonZeros: layout.count, entryBound: 1)
    return Array(repeating: shape, count: configuration.sweeps)
  }

  public func initialModel(seed: UInt64) -> ItemModel {
    ItemModel(
      algorithm: name,
      tensors: [
        FactorTensors.items: FactorTensors.initialItems(
          count: itemCount, dimension: configuration.dimension,
          deviation: 0.1 / Float(configuration.dimension).squareRoot(), seed: seed),
        FactorTensors.popularity: Tensor(zeros: [itemCount]),
      ])
  }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer {
    LeastSquaresTrainer(
      solver: ImplicitUserSolver(items: FactorTensors.items(of: model), objective: configuration.objective),
      layout: layout,
      userNormBound: configuration.userNormBound)
  }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float],
    context: ReleaseContext
  ) {
    precondition(
      sum.count == layout.count, "a sweep's sum has \(layout.count) entries, this one has \(sum.count)")
    let solution = LeastSquaresStep(
      layout: layout, objective: configuration.objective, userNormBound: configuration.userNormBound
    ).solve(sum: sum, context: context)
    model.tensors[FactorTensors.items] = solution.items
    model.tensors[FactorTensors.popularity] = solution.popularity
    model.version += 1
  }

  public func scorer(model: ItemModel) -> any Scorer {
    LeastSquaresScorer(
      model: model, objective: configuration.objective, recency: recency)
  }
}

/// Where the parts of one sweep's statistics stand.
struct StatisticsLayout: Sendable {
  let itemCount: Int
  let dimension: Int

  /// What one interaction or one user adds to a count; a power of two, small so that counts take little of a
  /// clipped message.
  static let countUnit: Float = 1 / 16

  var triangle: Int { PackedTriangle.count(order: dimension) }
  /// Entries per item.
  var block: Int { triangle + dimension + 1 }
  /// First entry of the global part.
  var global: Int { itemCount * block }
  var count: Int { global + triangle + 1 }
}

/// Names and initial values of the tensors of the factorization models.
enum FactorTensors {
  /// [items, dimension]: the item factors.
  static let items = "items"
  /// [items]: share of the users that touched each item; or its direction, where the algorithm says so.
  static let popularity = "popularity"

  static func items(of model: ItemModel) -> Tensor { tensor(items, of: model) }
  static func popularity(of model: ItemModel) -> Tensor { tensor(popularity, of: model) }

  static func initialItems(count: Int, dimension: Int, deviation: Float, seed: UInt64) -> Tensor {
    let random = PublicRandom(seed: seed)
    return Tensor(
      shape: [count, dimension],
      values: (0..<count * dimension).map { random.nearlyNormal(at: $0) * deviation })
  }

  private static func tensor(_ name: String, of model: ItemModel) -> Tensor {
    guard let tensor = model.tensors[name] else {
      preconditionFailure("a model of \(model.algorithm) holds the tensor \(name)")
    }
    return tensor
  }
}
