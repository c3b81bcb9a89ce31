internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import Dispatch
public import Recommender
internal import SecureAggregation
internal import Synchronization

/// What one partner holds: its users' histories, and what it held out of them for evaluation releases.
public struct PartnerShard: Sendable {
  public let interactions: Interactions
  /// One held-out item per user, −1 for users without; empty when nothing was held out.
  public let heldOut: [Int32]
  /// Users beside those with histories whose messages an audit dictates; `nil` outside simulations.
  package let canaries: (any CanaryUsers)?

  /// - Precondition: `heldOut` is empty or has one entry per user.
  public init(interactions: Interactions, heldOut: [Int32] = []) {
    self.init(interactions: interactions, heldOut: heldOut, canaries: nil)
  }

  /// The same with canaries, for audits in simulations.
  package init(interactions: Interactions, heldOut: [Int32], canaries: (any CanaryUsers)?) {
    precondition(
      heldOut.isEmpty || heldOut.count == interactions.userCount, "a shard needs one held-out item per user")
    precondition(
      heldOut.allSatisfy { $0 >= -1 && Int($0) < interactions.itemCount }, "a held-out item lies outside the catalogue")
    self.interactions = interactions
    self.heldOut = heldOut
    self.canaries = canaries
  }

  public var userCount: Int { interactions.userCount }

  /// Whether no user has an item twice; a message with one entry twice could be longer than its clip.
  var hasDistinctHistories: Bool {
    (0..<userCount).allSatisfy { user in
      let history = interactions.history(of: user)
      return Set(history).count == history.count
    }
  }
}

/// The partner's way from histories to one integer vector: contribute, clip, encode, add up.
///
/// Users are spread over `workers` parts; every part has its own encoder, its own exact sum and its own keyed stream of
/// coins, and the parts are added in integers, so that the result does not depend on which part ends first.
struct UpdatePipeline {
  let release: PlannedRelease
  let shard: PartnerShard
  let task: any ContributionTask
  /// Index of the release in the plan, which canaries want to know.
  let round: Int

  /// Clipped and encoded contributions of the sampled users, summed exactly.
  ///
  /// - Precondition: the release has encoding parameters.
  func clippedSum(
    _ parameters: EncodingParameters, random: inout some RandomSource, workers: Int
  ) -> Contribution {
    let users = sampledUsers(of: shard.userCount, random: &random)
    var sum = clippedSum(of: users, parameters, random: &random, workers: workers) { user, buffer in
      task.contribute(user: user, shard: shard, into: &buffer)
    }
    guard let canaries = shard.canaries else { return sum }
    let ordinary = sum.exactValues
    let sampled = sampledUsers(of: canaries.count, random: &random)
    sum.add(
      clippedSum(of: sampled, parameters, random: &random, workers: workers) { canary, buffer in
        canaries.contribute(canary: canary, round: round, into: &buffer)
      })
    canaries.witness(round: round, ordinary: ordinary, all: sum.exactValues)
    return sum
  }

  /// Entries of all parts' sums together, 8 bytes each.
  private static let entriesTogether = 1 << 26

  private func clippedSum(
    of users: [Int], _ parameters: EncodingParameters, random: inout some RandomSource, workers: Int,
    _ contribute: @Sendable (Int, inout ContributionBuffer) -> Void
  ) -> Contribution {
    // Each part has a sum of its own: of a long release few fit beside each other, whatever the number of cores.
    let parts = max(1, min(workers, users.count / 16, Self.entriesTogether / release.dimension))
    let streams = (0..<parts).map { _ in KeyedRandomSource(key: random.bytes(32)) }
    let partial = Mutex<Contribution?>(nil)
    DispatchQueue.concurrentPerform(iterations: parts) { part in
      var encoder = UpdateEncoder(parameters: parameters)
      var sum = Contribution(parameters: parameters)
      var stream = streams[part]
      var buffer = ContributionBuffer(dimension: release.dimension)
      for position in stride(from: part, to: users.count, by: parts) {
        buffer.removeAll()
        contribute(users[position], &buffer)
        encoder.add(
          indices: buffer.isDense ? nil : buffer.indices, values: buffer.values, to: &sum, random: &stream)
      }
      partial.withLock { total in
        if total == nil { total = sum } else { total?.add(sum) }
      }
    }
    return partial.withLock { $0 } ?? Contribution(parameters: parameters)
  }

  /// Unclipped contributions of all users, rounded once to the grid; for plans that claim no privacy.
  ///
  /// - Returns: `nil` when an entry is not finite or larger than `limit`.
  func exactSum(limit: Int64) -> RingVector? {
    var sum = [Double](repeating: 0, count: release.dimension)
    task.accumulate(shard: shard, into: &sum)
    return RingVector(rounding: sum, scale: release.scale, limit: limit, modulusBits: release.modulusBits)
  }

  /// Poisson sampling with secret coins: each user is in with probability at most the plan's rate.
  private func sampledUsers(of count: Int, random: inout some RandomSource) -> [Int] {
    guard release.samplingRate < 1 else { return Array(0..<count) }
    let threshold = UInt64(release.samplingRate * 0x1p64)
    return (0..<count).filter { _ in random.nextUInt64() < threshold }
  }
}

/// What users contribute to one release: an algorithm's training step, or an evaluation.
protocol ContributionTask: Sendable {
  /// Writes one user's contribution; the buffer is empty on entry.
  func contribute(user: Int, shard: PartnerShard, into buffer: inout ContributionBuffer)
  /// Adds all users' contributions without clipping.
  func accumulate(shard: PartnerShard, into sum: inout [Double])
}

/// One release of an algorithm.
struct TrainingTask: ContributionTask {
  let trainer: any LocalTrainer
  let seed: UInt64

  func contribute(user: Int, shard: PartnerShard, into buffer: inout ContributionBuffer) {
    trainer.contribute(UserHistory(of: user, in: shard.interactions, release: seed), into: &buffer)
  }

  func accumulate(shard: PartnerShard, into sum: inout [Double]) {
    trainer.accumulate(shard.interactions, seed: seed, into: &sum)
  }
}
