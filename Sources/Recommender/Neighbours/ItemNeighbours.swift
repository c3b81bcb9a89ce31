internal import Glibc

/// Item-based k nearest neighbours (`item-knn`; Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms", §4): what a user may
/// like is what came together with what the user has.
///
/// The co-occurrence of all pairs of items goes through the secure sum in blocks of rows (`PairBlocks`), a block a release, after one release of the
/// items' counts. The strongest neighbours of each item stay, and score as `NeighbourScorer` says. Two exponents take popularity out of the
/// co-occurrence, where the paper has one (eq. 4) and the linear graph filters ½ and ½ (Shen et al. 2021, "How powerful is graph convolution
/// for recommendation?", §4.1).
///
/// Without noise each pair of a user of n items weighs n^−γ (`PairWeighting.power`; by what the sums are exact up to a partner's one rounding to
/// the grid, and for γ = 0 altogether). Under noise all pairs of a user together have L2 norm 1. That bounds the user in all blocks
/// at once, but no block can know what the others get; so each of the B blocks is clipped to 1/√B. The squares of the clips add up to 1,
/// every release is charged for the most that it can hold of one user, and the noise on an entry is what one release of the whole would
/// have (decision 0024).
///
/// Model tensors: `counts` [items], after the last release also those of `NeighbourTable`. What was released of the blocks before the last
/// is kept by the coordinator alone: sending a growing table in every round would cost partners more than the sums.
public struct ItemNeighbours: FederatedAlgorithm {
  /// What does not follow from the catalogue.
  public struct Configuration: Sendable, Equatable {
    /// Strongest neighbours that are kept of each item; 0 keeps every pair that was ever together.
    public var neighbours: Int
    /// α: an item of the history is divided by its count to this power, 0 to 1.
    public var historyExponent: Double
    /// β: the same of the scored item.
    public var candidateExponent: Double
    public var weighting: PairWeighting
    /// Rows of co-occurrence in one release; `nil` for `PairBlocks.usualRows`.
    public var blockRows: Int?
    /// Under noise: share of the budget for the counts.
    public var countsShare: Double
    /// Under noise: a pair is kept from so many standard deviations of the noise on.
    public var threshold: Double

    public static let usualUserExponent = 0.6

    public init(
      neighbours: Int = 200, historyExponent: Double = 0.5, candidateExponent: Double = 0.3,
      weighting: PairWeighting = .power(Self.usualUserExponent), blockRows: Int? = nil, countsShare: Double = 0.1,
      threshold: Double = 4
    ) {
      self.neighbours = neighbours
      self.historyExponent = historyExponent
      self.candidateExponent = candidateExponent
      self.weighting = weighting
      self.blockRows = blockRows
      self.countsShare = countsShare
      self.threshold = threshold
    }
  }

  public let itemCount: Int
  public let configuration: Configuration
  public let recency: RecencyWeighting
  /// One of counts, then one for each block.
  public let shapes: [ReleaseShape]
  private let blocks: PairBlocks

  public var name: String { "item-knn" }

  /// Largest catalogue: 2³¹ pairs, 8 GB of upload by each partner.
  public static let itemsMax = 1 << 16
  /// Name of the releases that are parts of one co-occurrence.
  public static let partName = "co-occurrence"
  /// What a coordinator can keep of one release: 8 bytes an entry, in a database whose values have a gigabyte at most.
  private static let entriesMax = 1 << 26

  /// - Throws: `InvalidHyperparameter` when something is out of range.
  public init(itemCount: Int, configuration: Configuration = Configuration(), recency: RecencyWeighting = .plain) throws {
    try Requirement.holds(
      (2...Self.itemsMax).contains(itemCount), "catalogue size", itemCount,
      "2 to \(Self.itemsMax) items for the co-occurrence of all pairs; use `als` or `mf`")
    try Requirement.holds(
      (0...itemCount).contains(configuration.neighbours), "number of neighbours", configuration.neighbours,
      "1 to \(itemCount), the number of items, or 0 for all")
    for (name, exponent) in [
      ("exponent of the history's items", configuration.historyExponent),
      ("exponent of the scored items", configuration.candidateExponent),
    ] {
      try Requirement.holds((0...1).contains(exponent), name, exponent, "0 (popular items are favoured) to 1 (rare ones are)")
    }
    if case .power(let exponent) = configuration.weighting {
      try Requirement.holds((0...2).contains(exponent), "exponent of the users", exponent, "0 (all alike) to 2")
    }
    let rows = configuration.blockRows ?? PairBlocks.usualRows(itemCount: itemCount)
    try Requirement.holds((1...itemCount).contains(rows), "rows in one release", rows, "1 to \(itemCount), the number of items")
    let share = configuration.countsShare
    try Requirement.holds(share > 0 && share < 1, "budget share of the counts", share, "a fraction between 0 and 1, .1 or .2")
    try Requirement.holds(
      (0...100).contains(configuration.threshold), "threshold", configuration.threshold, "0 to 100 standard deviations")
    let blocks = PairBlocks(itemCount: itemCount, rows: rows)
    try Requirement.holds(
      blocks.dimension <= Self.entriesMax, "rows in one release", rows,
      "at most \(2 * (Self.entriesMax / blocks.stripWidth)), as a coordinator keeps at most \(Self.entriesMax) entries of a release"
    )
    self.itemCount = itemCount
    self.configuration = configuration
    self.recency = recency
    self.blocks = blocks
    shapes = Self.shapes(blocks, configuration)
  }

  private static func shapes(_ blocks: PairBlocks, _ configuration: Configuration) -> [ReleaseShape] {
    let count = Double(blocks.count)
    let pairs = ReleaseShape(
      name: partName, dimension: blocks.dimension, maximumNonZeros: blocks.dimension,
      clipNorm: 1 / count.squareRoot(), budgetShare: (1 - configuration.countsShare) / count,
      entryBound: Double(configuration.weighting.value(2)), isIntegral: configuration.weighting == .power(0))
    let counts = ReleaseShape(
      name: "counts", dimension: blocks.itemCount, maximumNonZeros: blocks.itemCount,
      budgetShare: configuration.countsShare, isIntegral: configuration.weighting != .unitNorm)
    return [counts] + [ReleaseShape](repeating: pairs, count: blocks.count)
  }

  public func initialModel(seed: UInt64) -> ItemModel { ItemModel(algorithm: name) }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer {
    precondition(shapes.indices.contains(release), "item-knn has \(shapes.count) releases, not release \(release)")
    guard release > 0 else { return CountsTrainer(weighting: configuration.weighting == .unitNorm ? .unitNorm : .binary) }
    return PairTrainer(blocks: blocks, block: release - 1, weighting: configuration.weighting)
  }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    precondition(shapes.indices.contains(release), "item-knn has \(shapes.count) releases, not release \(release)")
    precondition(sum.count == shapes[release].dimension, "the sum of release \(release) has the wrong length")
    model.version += 1
    guard release > 0 else {
      // Without a floor an item whose noise is negative would have a negative popularity.
      let floor = Float(0.25 * context.noiseDeviation)
      model.tensors["counts"] = Tensor(shape: [itemCount], values: sum.map { min(max($0, floor), 0x1p40) })
      return
    }
    // The blocks so far are in the coordinator's state.
    var table = release == 1 ? NeighbourTable(itemCount: itemCount) : NeighbourTable(tensors: optimizer)
    for name in NeighbourTable.tensorNames { optimizer[name] = nil }
    let threshold = configuration.threshold * Self.noise(in: sum, atLeast: context.noiseDeviation)
    table.merge(sum, block: release - 1, of: blocks, above: Float(threshold))
    let isLast = release == blocks.count
    let most = configuration.neighbours * itemCount
    if configuration.neighbours > 0, isLast || table.count > 2 * most {
      let counts = model.tensors["counts"]?.values ?? []
      table.prune(
        to: configuration.neighbours,
        factors: NeighbourScorer.factors(counts, exponent: configuration.candidateExponent))
    }
    if isLast { model.tensors.merge(table.tensors) { $1 } } else { optimizer.merge(table.tensors) { $1 } }
  }

  /// The deviation of the noise as the sum shows it: what partners share out is more than the plan's least when all of them stay.
  ///
  /// Co-occurrence is positive, so that negative entries are noise; their root mean square is its deviation where there is little else.
  private static func noise(in sum: [Float], atLeast least: Double) -> Double {
    guard least > 0 else { return 0 }
    var (count, squares) = (0, 0.0)
    sum.withUnsafeBufferPointer { sum in
      for value in sum where value < 0 {
        count += 1
        squares += Double(value) * Double(value)
      }
    }
    // Of few entries the plan knows better.
    return count < 100 ? least : max(least, (squares / Double(count)).squareRoot())
  }

  public func fault(in model: ItemModel) -> String? {
    guard model.version > 0 else { return ModelCheck.fault(in: model, shapes: [:]) }
    if let fault = ModelCheck.fault(in: model, tensor: "counts", shape: [itemCount]) { return fault }
    let names = ["counts"] + (model.version < shapes.count ? [] : NeighbourTable.tensorNames)
    for name in model.tensors.keys.sorted() where !names.contains(name) { return "unknown tensor '\(name)'" }
    return model.version < shapes.count ? nil : NeighbourTable.fault(in: model, itemCount: itemCount)
  }

  /// A scorer over the model; before the last release by popularity.
  public func scorer(model: ItemModel) -> any Scorer {
    let counts = (model.tensors["counts"] ?? Tensor(zeros: [itemCount])).values
    guard model.tensors["neighbours"] != nil else { return PopularityScorer(scores: counts) }
    return NeighbourScorer(
      table: NeighbourTable(tensors: model.tensors), counts: counts,
      exponents: (configuration.historyExponent, configuration.candidateExponent), recency: recency)
  }
}
