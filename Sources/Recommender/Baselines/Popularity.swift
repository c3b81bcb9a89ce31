/// The least that any recommender must beat: every user gets the most popular items not yet seen.
///
/// One release of item counts; the model holds it as `counts` [items].
public struct PopularityAlgorithm: FederatedAlgorithm {
  public let itemCount: Int
  public let weighting: CountsWeighting

  public var name: String { "popularity" }

  /// - Parameter weighting: `unitNorm` in private plans, where a binary row would be clipped to it anyway.
  /// - Throws: `InvalidHyperparameter` for an empty catalogue.
  public init(itemCount: Int, weighting: CountsWeighting = .unitNorm) throws {
    guard itemCount > 0 else {
      throw InvalidHyperparameter(
        name: "catalogue size", found: "\(itemCount)", expected: "at least one item")
    }
    self.itemCount = itemCount
    self.weighting = weighting
  }

  public var shapes: [ReleaseShape] {
    [ReleaseShape(name: "counts", dimension: itemCount, maximumNonZeros: itemCount)]
  }

  public func initialModel(seed: UInt64) -> ItemModel { ItemModel(algorithm: name) }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer {
    precondition(release == 0, "popularity has one release, not release \(release)")
    return CountsTrainer(weighting: weighting)
  }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float],
    context: ReleaseContext
  ) {
    precondition(release == 0, "popularity has one release, not release \(release)")
    precondition(sum.count == itemCount, "the counts have the wrong length")
    model.tensors["counts"] = Tensor(shape: [itemCount], values: sum)
    model.version += 1
  }

  public func scorer(model: ItemModel) -> any Scorer {
    PopularityScorer(scores: (model.tensors["counts"] ?? Tensor(zeros: [itemCount])).values)
  }
}

/// What one user adds to the count of each item of the history.
public enum CountsWeighting: Sendable, Equatable {
  /// 1: users per item.
  case binary
  /// 1 / √(items of the history): the row has L2 norm exactly 1, and one user's whole influence is 1.
  case unitNorm
}

/// Contributes the row of a user's items, binary or of unit norm.
struct CountsTrainer: LocalTrainer {
  let weighting: CountsWeighting

  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
    guard !user.items.isEmpty else { return }
    let value = weighting == .binary ? 1 : 1 / Float(user.items.count).squareRoot()
    buffer.indices.append(contentsOf: user.items.lazy.map(UInt32.init))
    buffer.values.append(contentsOf: repeatElement(value, count: user.items.count))
  }
}

/// The same scores for everybody.
struct PopularityScorer: Scorer {
  let scores: [Float]

  var itemCount: Int { scores.count }

  func score(_ user: UserHistory, into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores must have one entry per item")
    scores = self.scores
  }

  /// No item of the history carried anything.
  func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
}
