/// Work to be clocked (CPU time, of the whole process): local training of `sasrec` on generated sequences, for comparison with a framework's training step.
///
/// 3,500 items, d = 64, two blocks, two heads, dropout 0.2. The pure engine has no clock; the caller takes the time of `run`.
public struct TrainingBenchmark: Sendable {
  /// Items of a sequence that the encoder sees; each is followed by one more as the last target.
  public let length: Int
  /// Sequences that are added up before the server's step.
  public let batch: Int
  /// Unseen items per sequence.
  public let negatives: Int
  private let algorithm: NeuralRecommender
  private let users: Interactions
  /// Items, length of an embedding, blocks and heads of the model.
  public static let (itemCount, dimension, blocks, heads) = (3500, 64, 2, 2)

  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(length: Int = 50, batch: Int = 1, negatives: Int = 256) throws {
    try Requirement.atLeastOne(batch, "batch")
    self.length = length
    self.batch = batch
    self.negatives = negatives
    algorithm = try NeuralRecommender(
      itemCount: Self.itemCount, architecture: .transformer(blocks: Self.blocks, heads: Self.heads), dimension: Self.dimension,
      rounds: 1, training: LocalTraining(window: length, negatives: negatives))
    var generator = SplitMix64(seed: 1)
    let histories = (0..<batch).map { _ in
      let start = generator.uniform(below: Self.itemCount)
      // 11 and 3,500 have no common divisor: no item comes twice.
      return (0...length).map { Int32((start + 11 * $0) % Self.itemCount) }
    }
    users = Interactions(itemCount: Self.itemCount, histories: histories)
  }

  /// Floating-point operations of one sequence's matrix products, forward and backward, which no implementation can leave out:
  /// six linear layers' worth of d × d in a block, attention to what came before, and scores of targets and negatives.
  public var operations: Double {
    let (d, n) = (Double(Self.dimension), Double(length))
    let block = 2 * n * d * d * 6 + 2 * 2 * d * n * (n + 1) / 2
    let head = 2 * n * d * Double(negatives + 1)
    // A product forward is two of the same size backward.
    return 3 * (Double(Self.blocks) * block + head)
  }

  /// One thread's work: the local steps of all users of one batch after the other, each clipped and written as a contribution.
  ///
  /// - Parameter includesServerStep: also adds the contributions up and makes the server's step over all parameters (FedAdam).
  /// - Returns: a sum of results, so that nothing is optimised away.
  public func run(batches: Int, includesServerStep: Bool = true) -> Double {
    var model = algorithm.initialModel(seed: 1)
    var optimizer = OptimizerState()
    var trainer = algorithm.trainer(for: 1, model: model)
    let dimension = algorithm.shapes[1].dimension
    var buffer = ContributionBuffer(dimension: dimension)
    var sum = [Double](repeating: 0, count: dimension)
    var checksum = 0.0
    for batch in 0..<batches {
      guard includesServerStep else {
        for user in 0..<users.userCount {
          buffer.removeAll()
          trainer.contribute(UserHistory(of: user, in: users, release: UInt64(batch)), into: &buffer)
          checksum += Double(buffer.values[0])
        }
        continue
      }
      trainer.accumulate(users, seed: UInt64(batch), into: &sum)
      checksum += sum[0]
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: 1, sum: sum.map(Float.init),
        context: ReleaseContext(expectedUsers: Double(users.userCount), noiseDeviation: 0))
      trainer = algorithm.trainer(for: 1, model: model)
      for index in sum.indices { sum[index] = 0 }
    }
    return checksum
  }
}
