internal import Glibc

/// An algorithm whose scorer leans on popularity for as long as a user has few events.
///
/// A model that was fitted to users with a hundred events trusts the first one as much as all of those: on ml-1m its lists for a user with one to
/// five events are worse than everybody's. With n events of one's own and κ of popularity, an item's score becomes
///
///     s_j + (κ / n)² · σ · z_j
///
/// s: the model's scores, σ: their standard deviation over the catalogue; z: logarithms of popularity, as the model has it, brought to mean 0 and
/// deviation 1. So κ means the same to probabilities and logits: at n = κ both sides weigh alike, and the square lets a user with twenty
/// events go (docs/recommender.md, "Cold start", has the grid). Without events popularity alone ranks. Training does not know of it:
/// contributions, ε and models are those of the base.
public struct FirstEvents: FederatedAlgorithm {
  public let base: any FederatedAlgorithm
  /// κ, in events.
  public let prior: Double
  /// Items that came after the training stand from here on; nothing is known of how popular they will be.
  private let newFrom: Int?

  /// - Throws: `InvalidHyperparameter` unless κ is from 0 to 1000; 0 takes nothing from popularity but the lists of users without events.
  public init(_ base: any FederatedAlgorithm, prior: Double) throws(InvalidHyperparameter) {
    guard (0...1000).contains(prior) else {
      throw InvalidHyperparameter(
        name: "prior-events of \(base.name)", found: "\(prior)",
        expected: "events of a user that popularity counts for, 0 to 1000")
    }
    self.init(base, prior, newFrom: nil)
  }

  private init(_ base: any FederatedAlgorithm, _ prior: Double, newFrom: Int?) {
    self.base = base
    self.prior = prior
    self.newFrom = newFrom
  }

  public var name: String { base.name }
  public var itemCount: Int { base.itemCount }
  public var shapes: [ReleaseShape] { base.shapes }

  public func initialModel(seed: UInt64) -> ItemModel { base.initialModel(seed: seed) }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer { base.trainer(for: release, model: model) }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    base.advance(model: &model, optimizer: &optimizer, release: release, sum: sum, context: context)
  }

  public func fault(in model: ItemModel) -> String? { base.fault(in: model) }

  public func scorer(model: ItemModel) -> any Scorer {
    // A model before its first release knows no popularity either.
    guard let popularity = (model.tensors["popularity"] ?? model.tensors["counts"])?.values, popularity.count == itemCount else {
      return base.scorer(model: model)
    }
    return FirstEventsScorer(base: base.scorer(model: model), popularity: popularity, prior: Float(prior), newFrom: newFrom)
  }
}

extension FirstEvents: ItemExtending {
  public func extending(
    _ model: ItemModel, by newItems: ItemFeatures
  ) throws -> (algorithm: any FederatedAlgorithm, model: ItemModel) {
    guard let base = base as? any ItemExtending else {
      throw DatasetError("'\(name)' does not learn from item features, so that it knows nothing of new items")
    }
    let (longer, extended) = try base.extending(model, by: newItems)
    return (FirstEvents(longer, prior, newFrom: itemCount), extended)
  }
}

/// The scores of `FirstEvents`.
///
/// `explain` gives the parts of the model's own score; what is missing to the whole is popularity's.
struct FirstEventsScorer: Scorer {
  private let base: any Scorer
  private let popularity: [Float]
  /// z; zeros where all items are equally popular.
  private let standardised: [Float]
  private let prior: Float

  /// - Parameter newFrom: items from here on are neither popular nor unpopular: z = 0.
  init(base: any Scorer, popularity: [Float], prior: Float, newFrom: Int? = nil) {
    (self.base, self.popularity, self.prior) = (base, popularity, prior)
    let newCount = popularity.count - (newFrom ?? popularity.count)
    let popularity = popularity.dropLast(newCount)
    let mean = popularity.reduce(0.0) { $0 + Double($1) } / Double(max(1, popularity.count))
    // Items that nobody took, or whose noisy count is none, are as popular as a hundredth of the mean: logarithms of next to nothing would be
    // most of the deviation.
    let logarithms = popularity.map { Float(log(max(Double($0), mean / 100, .leastNormalMagnitude))) }
    let (centre, deviation) = Self.moments(logarithms)
    standardised =
      logarithms.map { deviation > 1e-6 ? ($0 - centre) / deviation : 0 } + [Float](repeating: 0, count: newCount)
  }

  var itemCount: Int { base.itemCount }

  func score(_ user: UserHistory, into scores: inout [Float]) {
    precondition(scores.count == itemCount, "scores has \(scores.count) entries, the catalogue \(itemCount)")
    guard !user.items.isEmpty else {
      scores = popularity
      return
    }
    base.score(user, into: &scores)
    lean(&scores, events: user.items.count)
  }

  /// What the base solves, and the number of events behind it; empty for an empty history.
  func solve(_ user: UserHistory) -> [Float] {
    user.items.isEmpty ? [] : base.solve(user) + [Float(user.items.count)]
  }

  func score(solved: [Float], into scores: inout [Float]) {
    guard let events = solved.last else {
      scores = popularity
      return
    }
    base.score(solved: Array(solved.dropLast()), into: &scores)
    lean(&scores, events: Int(events))
  }

  func makeSimilarity() -> (any ItemSimilarity)? { base.makeSimilarity() }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? { base.explain(item, for: user) }

  private func lean(_ scores: inout [Float], events: Int) {
    let ratio = prior / Float(events)
    let weight = ratio * ratio * Self.moments(scores).deviation
    guard weight > 0, weight.isFinite else { return }
    scores.withUnsafeMutableBufferPointer { scores in
      standardised.withUnsafeBufferPointer { shares in for item in scores.indices { scores[item] += weight * shares[item] } }
    }
  }

  /// Mean and standard deviation over all entries.
  private static func moments(_ values: [Float]) -> (mean: Float, deviation: Float) {
    var (sum, squares) = (0.0, 0.0)
    values.withUnsafeBufferPointer { values in
      for value in values {
        sum += Double(value)
        squares += Double(value) * Double(value)
      }
    }
    let count = Double(max(1, values.count))
    return (Float(sum / count), Float(max(0, squares / count - (sum / count) * (sum / count)).squareRoot()))
  }
}
