/// What every federated recommender is made of: what one user contributes, how a sum becomes the next item model,
/// and how a user is scored at home.
///
/// Training is a fixed list of releases. In release `r` every user contributes one real vector of `shapes[r].dimension`
/// entries; secure aggregation and differential privacy turn the contributions into one (noised) sum, and `advance`
/// folds that sum into the model. Neither of them knows which algorithm they carry.
public protocol FederatedAlgorithm: Sendable {
  /// The name in plans and on the command line.
  var name: String { get }
  /// Number of items in the catalogue.
  var itemCount: Int { get }
  /// One shape per release, in order; fixed before any data is seen.
  var shapes: [ReleaseShape] { get }
  /// The model before the first release.
  ///
  /// - Parameter seed: drives random initial values; the same seed gives the same model on every machine.
  func initialModel(seed: UInt64) -> ItemModel
  /// Prepares the local side of one release: whatever depends on the public model alone is computed once here.
  func trainer(for release: Int, model: ItemModel) -> any LocalTrainer
  /// Folds one released sum into the model.
  ///
  /// - Parameters:
  ///   - model: the model that the contributions were computed from; becomes the next version.
  ///   - optimizer: state that only the coordinator keeps between releases (momentum and the like); empty at first.
  ///   - release: index into `shapes`.
  ///   - sum: the decoded (noised) sum over users, `shapes[release].dimension` entries, in units of contributions.
  ///   - context: what the plan fixes: nominal number of users, standard deviation of the noise on each entry.
  func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext)
  /// Why `trainer` and `scorer` cannot work on this model, or `nil`: a partner asks before it uses what a coordinator sent.
  ///
  /// By default a model has the tensors of the initial model in their shapes, and every value passes `ModelCheck.isSane`.
  func fault(in model: ItemModel) -> String?
  /// A scorer over a trained model, for use at the partner.
  func scorer(model: ItemModel) -> any Scorer
}

/// The shape of one release, known when the plan is made.
public struct ReleaseShape: Sendable, Equatable {
  /// What is released, for reports: `counts`, `head covariance`, `item gradients`, ...
  public let name: String
  /// Entries of one user's contribution.
  public let dimension: Int
  /// The most entries of one user's contribution that can differ from zero.
  public let maximumNonZeros: Int
  /// The L2 norm that a user's contribution is clipped to in private plans, in units of contributions.
  public let clipNorm: Double
  /// Suggested fraction of the privacy budget, as a share of 1/z²; the plan normalises over all releases.
  public let budgetShare: Double
  /// The largest absolute value of one entry of the sum over `n` users is at most `entryBound * n`;
  /// used to size the ring of releases that are not clipped (no noise, no privacy claimed).
  public let entryBound: Double
  /// Whether contributions without noise are whole numbers, so that a grid of 1 loses nothing.
  public let isIntegral: Bool

  public init(
    name: String, dimension: Int, maximumNonZeros: Int, clipNorm: Double = 1, budgetShare: Double = 1,
    entryBound: Double = 1, isIntegral: Bool = false
  ) {
    self.name = name
    self.dimension = dimension
    self.maximumNonZeros = maximumNonZeros
    self.clipNorm = clipNorm
    self.budgetShare = budgetShare
    self.entryBound = entryBound
    self.isIntegral = isIntegral
  }
}

/// What a plan fixes about a release, for the step that folds its sum into the model.
public struct ReleaseContext: Sendable, Equatable {
  /// The nominal number of users that contribute: sampling rate times the plan's rounded constant N.
  public let expectedUsers: Double
  /// Standard deviation of the noise on each entry of the sum, in units of contributions; 0 without noise.
  public let noiseDeviation: Double

  public init(expectedUsers: Double, noiseDeviation: Double) {
    self.expectedUsers = expectedUsers
    self.noiseDeviation = noiseDeviation
  }
}

/// State of the server's optimizer between releases (first and second moments), by name.
public typealias OptimizerState = [String: Tensor]

/// One user's interactions, as a trainer or scorer sees them: distinct items, oldest first.
public struct UserHistory: Sendable {
  public let items: ArraySlice<Int32>
  /// What the events of each interaction weigh together; empty when all are 1.
  public let weights: ArraySlice<Float>
  /// A pseudo-random value for this user and release, for trainers that draw (negative sampling, local initialisation).
  public let seed: UInt64

  public init(items: ArraySlice<Int32>, weights: ArraySlice<Float> = [], seed: UInt64 = 0) {
    self.items = items
    self.weights = weights
    self.seed = seed
  }

  /// One user of many, as a release sees it.
  ///
  /// The user's seed comes from the release's and from the user's own items. It must not come from the position among the
  /// others: with one user removed all later ones would draw anew, and the sum would move by more than one contribution.
  ///
  /// - Parameter release: seed of the release, the same for all users.
  public init(of user: Int, in interactions: Interactions, release: UInt64) {
    let items = interactions.history(of: user)
    self.init(
      items: items, weights: interactions.weights(of: user),
      seed: items.reduce(SplitMix64.mix(release)) { SplitMix64.mix($0 ^ UInt64(UInt32(bitPattern: $1)) &+ 1) })
  }
}

/// The local side of one release; shared by threads, so it holds no mutable state.
public protocol LocalTrainer: Sendable {
  /// Writes one user's contribution into `buffer`, which is empty on entry.
  ///
  /// The trainer need not clip: the update pipeline clips the whole vector once. A user with nothing to say leaves
  /// the buffer empty.
  func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer)
  /// Adds the contributions of many users to `sum` without clipping (plans without noise).
  ///
  /// Must equal adding what `contribute` writes; algorithms override it where a faster way exists.
  func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double])
}

extension LocalTrainer {
  public func accumulate(_ interactions: Interactions, seed: UInt64, into sum: inout [Double]) {
    var buffer = ContributionBuffer(dimension: sum.count)
    for user in 0..<interactions.userCount {
      buffer.removeAll()
      contribute(UserHistory(of: user, in: interactions, release: seed), into: &buffer)
      if buffer.isDense {
        for (index, value) in buffer.values.enumerated() { sum[index] += Double(value) }
      } else {
        for (position, index) in buffer.indices.enumerated() { sum[Int(index)] += Double(buffer.values[position]) }
      }
    }
  }
}

/// One user's contribution to a release, sparse (indices and values) or dense (values only).
public struct ContributionBuffer: Sendable {
  /// Entries of the full vector.
  public let dimension: Int
  /// Whether `values` holds all `dimension` entries and `indices` is empty.
  public var isDense = false
  /// Distinct indices in `0..<dimension`, in any order; empty when dense.
  public var indices: [UInt32] = []
  public var values: [Float] = []

  public init(dimension: Int) { self.dimension = dimension }

  public mutating func removeAll() {
    isDense = false
    indices.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
  }

  public var isEmpty: Bool { values.isEmpty }
}

/// Scores items for one user from the user's own history; runs where the history lies.
public protocol Scorer: Sendable {
  var itemCount: Int { get }
  /// Writes the scores of all items, higher is better.
  ///
  /// - Parameter scores: `itemCount` entries, overwritten. Items of the history are scored too; callers drop them.
  func score(_ user: UserHistory, into scores: inout [Float])
  /// How much each item of the user's own history carried the score of `item`; same order as `user.items`.
  ///
  /// Exact where the model is linear in the history, or linear for the weights that were solved with it: the parts add up to the
  /// score then. `nil` where the model allows no such statement.
  func explain(_ item: Int, for user: UserHistory) -> [Float]?

  // What a server keeps between two questions.

  /// What `score(solved:into:)` needs of a history, solved once: the user's vector where the model has one, else the scores
  /// themselves. Good for this scorer only.
  func solve(_ user: UserHistory) -> [Float]
  /// The same scores as `score` writes, from what `solve` gave.
  func score(solved: [Float], into scores: inout [Float])
  /// How alike two items are in this model's eyes; `nil` where it does not tell items apart but by their popularity.
  func makeSimilarity() -> (any ItemSimilarity)?
}

extension Scorer {
  public func solve(_ user: UserHistory) -> [Float] {
    var scores = [Float](repeating: 0, count: itemCount)
    score(user, into: &scores)
    return scores
  }

  public func score(solved: [Float], into scores: inout [Float]) {
    precondition(solved.count == itemCount, "the solved history has \(solved.count) entries, the catalogue \(itemCount)")
    scores = solved
  }

  public func makeSimilarity() -> (any ItemSimilarity)? { nil }
}
