internal import Glibc

/// One-shot learning from item co-occurrence: the whole budget is spent on a second moment, once.
///
/// Two plans share the name. `wholeCatalogue` releases XᵀX exactly and scores by EASE's closed form (Steck 2019,
/// "Embarrassingly Shallow Autoencoders for Sparse Data", eq. 8); it is meant for plans without noise. `head` is for
/// private plans: item counts first, then the covariance of the most popular items only, of which each user adds one
/// normalised outer product, so that clipping never bites.
///
/// Model tensors, `wholeCatalogue`: `counts` [items], users per item; `precision` [items (items + 1) / 2], packed upper
/// triangle of (XᵀX + λI)⁻¹. Model tensors, `head`: see `HeadCovariance`.
public struct CovarianceAlgorithm: FederatedAlgorithm {
  /// What is released.
  public enum Plan: Sendable, Equatable {
    /// The upper triangle of XᵀX over all items, then EASE with this ridge λ (about 300 to 1000).
    case wholeCatalogue(ridge: Double)
    /// Counts, then the covariance of the `size` most popular items.
    ///
    /// - countsShare: fraction of the privacy budget (of 1/z²) spent on the counts.
    /// - pairHalfLife: items between two of a user's items after which their pair counts half; nil counts all pairs
    ///   alike, which is right only where histories have no time order.
    case head(size: Int, countsShare: Double, pairHalfLife: Double? = 20)
  }

  public let itemCount: Int
  public let plan: Plan
  /// Weights of the user's own history when scoring.
  public let recency: RecencyWeighting

  public var name: String { "covariance" }

  /// Largest matrix: its 2·10⁸ packed entries already take seconds to upload and minutes to factor.
  private static let orderMax = 20_000

  /// - Throws: `InvalidHyperparameter` when the ridge, head size or share is out of range.
  public init(itemCount: Int, plan: Plan, recency: RecencyWeighting = .plain) throws {
    guard itemCount > 0 else {
      throw InvalidHyperparameter(
        name: "catalogue size", found: "\(itemCount)", expected: "at least one item")
    }
    switch plan {
    case .wholeCatalogue(let ridge):
      guard itemCount <= Self.orderMax else {
        throw InvalidHyperparameter(
          name: "catalogue size", found: "\(itemCount)",
          expected:
            "at most \(Self.orderMax) items for the covariance of all; use `als`, or a head of popular items")
      }
      guard ridge > 0, ridge.isFinite else {
        throw InvalidHyperparameter(
          name: "EASE ridge", found: "\(ridge)",
          expected: "a positive number, 300 to 1000 on shops of a few thousand")
      }
    case .head(let size, let share, let pairHalfLife):
      guard (1...min(itemCount, Self.orderMax)).contains(size) else {
        throw InvalidHyperparameter(
          name: "covariance head size", found: "\(size)",
          expected: "1 to \(min(itemCount, Self.orderMax)), the number of items or the largest matrix")
      }
      guard share > 0, share < 1 else {
        throw InvalidHyperparameter(
          name: "budget share of the counts", found: "\(share)",
          expected: "a fraction between 0 and 1, .1 or .2")
      }
      if let pairHalfLife, !(pairHalfLife > 0 && pairHalfLife.isFinite) {
        throw InvalidHyperparameter(
          name: "pair half-life", found: "\(pairHalfLife)",
          expected: "a positive number of items (20), or none")
      }
    }
    self.itemCount = itemCount
    self.plan = plan
    self.recency = recency
  }

  /// The private plan for a signal of N/z: users over the noise multiplier of the whole run.
  ///
  /// Head size round(800 ((N/z) / 5075)^.55), at most all items and at most 4096, and a tenth of the budget for the counts
  /// (a fifth below N/z = 2000). Both depend on public constants of the plan alone. Half as large a head again finds
  /// more of the tail where histories are long (ml-1m: listed HR@10 +.04 at equal full NDCG@10) and loses where they are
  /// short (online-retail: full NDCG@10 .055 down to .043).
  ///
  /// - Parameters:
  ///   - signal: at 1000 and below little more than popularity survives the noise.
  ///   - timeOrdered: whether histories have a time order; without one all pairs count alike.
  public static func privatePlan(
    itemCount: Int, usersOverNoise signal: Double, timeOrdered: Bool = true
  ) throws -> Plan {
    guard signal > 0, itemCount > 0 else {
      throw InvalidHyperparameter(
        name: "users over noise multiplier", found: "\(signal)",
        expected: "a positive ratio N/z and a catalogue")
    }
    let wanted = (800 * pow(signal / 5075, 0.55)).rounded()
    let size = Int(max(1, min(wanted, Double(itemCount), 4096)))
    return .head(size: size, countsShare: signal < 2000 ? 0.2 : 0.1, pairHalfLife: timeOrdered ? 20 : nil)
  }

  public var shapes: [ReleaseShape] {
    switch plan {
    case .wholeCatalogue:
      let entries = PackedTriangle.count(order: itemCount)
      return [
        ReleaseShape(
          name: "co-occurrence counts", dimension: entries, maximumNonZeros: entries, isIntegral: true)
      ]
    case .head(let size, let share, _):
      let entries = PackedTriangle.count(order: size)
      return [
        ReleaseShape(name: "counts", dimension: itemCount, maximumNonZeros: itemCount, budgetShare: share),
        ReleaseShape(
          name: "head covariance", dimension: entries, maximumNonZeros: entries, budgetShare: 1 - share),
      ]
    }
  }

  public func initialModel(seed: UInt64) -> ItemModel { ItemModel(algorithm: name) }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer {
    precondition(
      shapes.indices.contains(release), "covariance has \(shapes.count) releases, not release \(release)")
    switch plan {
    case .wholeCatalogue: return CooccurrenceTrainer(itemCount: itemCount)
    case .head(_, _, let pairHalfLife):
      return release == 0
        ? CountsTrainer(weighting: .unitNorm)
        : HeadCovarianceTrainer(model: model, pairHalfLife: pairHalfLife)
    }
  }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float],
    context: ReleaseContext
  ) {
    let shapes = shapes
    precondition(
      shapes.indices.contains(release), "covariance has \(shapes.count) releases, not release \(release)")
    precondition(sum.count == shapes[release].dimension, "the sum of release \(release) has the wrong length")
    switch plan {
    case .wholeCatalogue(let ridge):
      ExactCovariance.fold(sum, itemCount: itemCount, ridge: ridge, into: &model)
    case .head(let size, _, _):
      if release == 0 {
        HeadCovariance.foldCounts(sum, headSize: size, deviation: context.noiseDeviation, into: &model)
      } else {
        HeadCovariance.foldCovariance(sum, headSize: size, context: context, into: &model)
      }
    }
    model.version += 1
  }

  /// A scorer over the model; a model that is not complete scores by the counts it has, or by nothing.
  public func scorer(model: ItemModel) -> any Scorer {
    switch plan {
    case .wholeCatalogue:
      if model.tensors["precision"] != nil {
        return EaseScorer(model: model, itemCount: itemCount, recency: recency)
      }
    case .head:
      if model.tensors["items"] != nil { return HeadScorer(model: model, recency: recency) }
    }
    let counts = model.tensors["popularity"] ?? model.tensors["counts"] ?? Tensor(zeros: [itemCount])
    return PopularityScorer(scores: counts.values)
  }
}
