/// Work to be clocked: local training of `sasrec` on generated sequences, for comparison with a framework's training step.
///
/// 3,500 items, d = 64, two blocks, two heads, dropout 0.2. The pure engine has no clock; the caller takes the time of `run`.
public struct TrainingBenchmark: Sendable {
  /// Items of a sequence that the encoder sees; each is followed by one more as the last target.
  public let length: Int
  /// Sequences that are added up before the server's step.
  public let batch: Int
  private let algorithm: NeuralRecommender
  private let users: Interactions
  private static let itemCount = 3500

  /// - Parameter negatives: unseen items per sequence.
  /// - Throws: `InvalidHyperparameter` for a value out of its range.
  public init(length: Int = 50, batch: Int = 1, negatives: Int = 256) throws {
    try Requirement.atLeastOne(batch, "batch")
    self.length = length
    self.batch = batch
    algorithm = try NeuralRecommender(
      itemCount: Self.itemCount, architecture: .transformer(blocks: 2, heads: 2), dimension: 64, rounds: 1,
      training: LocalTraining(window: length, negatives: negatives))
    var generator = SplitMix64(seed: 1)
    let histories = (0..<batch).map { _ in
      let start = generator.uniform(below: Self.itemCount)
      // 11 and 3,500 have no common divisor: no item comes twice.
      return (0...length).map { Int32((start + 11 * $0) % Self.itemCount) }
    }
    users = Interactions(itemCount: Self.itemCount, histories: histories)
  }

  /// The local steps of all users of one batch after the other, on this thread: forward, backward, descent, contribution.
  ///
  /// - Parameter includesServerStep: also adds the contributions up and makes the server's step over all parameters (FedAdam).
  /// - Returns: the sum of the first entries, so that nothing is optimised away.
  public func run(batches: Int, includesServerStep: Bool = true) -> Float {
    var model = algorithm.initialModel(seed: 1)
    var optimizer = OptimizerState()
    var checksum: Float = 0
    var trainer = algorithm.trainer(for: 1, model: model)
    let shape = algorithm.shapes[1]
    var buffer = ContributionBuffer(dimension: shape.dimension)
    var sum = [Float](repeating: 0, count: includesServerStep ? shape.dimension : 0)
    for batch in 0..<batches {
      for user in 0..<users.userCount {
        buffer.removeAll()
        trainer.contribute(UserHistory(of: user, in: users, release: UInt64(batch)), into: &buffer)
        checksum += buffer.values[0]
        if includesServerStep {
          for (position, index) in buffer.indices.enumerated() { sum[Int(index)] += buffer.values[position] }
        }
      }
      guard includesServerStep else { continue }
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: 1, sum: sum,
        context: ReleaseContext(expectedUsers: Double(users.userCount), noiseDeviation: 0))
      trainer = algorithm.trainer(for: 1, model: model)
      for index in sum.indices { sum[index] = 0 }
    }
    return checksum
  }
}
