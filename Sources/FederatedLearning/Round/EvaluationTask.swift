internal import Glibc
internal import Recommender

/// Users by the length of their history, for evaluations. The bounds belong to the protocol: quarters of the users, say, would be
/// numbers about the data.
public struct ActivityGroup: Sendable, Hashable {
  /// Lengths of histories in the group.
  public let lengths: ClosedRange<Int>

  /// All groups, by length; every history that is not empty is in one of them.
  public static let all = [ActivityGroup(lengths: 1...9), ActivityGroup(lengths: 10...49), ActivityGroup(lengths: 50...Int.max)]

  /// `1–9`, `10–49`, `50 and more`.
  public var label: String {
    lengths.upperBound == .max ? "\(lengths.lowerBound) and more" : "\(lengths.lowerBound)–\(lengths.upperBound)"
  }
}

/// One evaluation release: every user with a held-out item and a history contributes (1, hit@10, ndcg@10) of the full ranking of
/// all items outside its history to the three entries of its activity group.
struct EvaluationTask: ContributionTask {
  /// Users, hits, gains.
  static let entriesPerGroup = 3
  static let dimension = entriesPerGroup * ActivityGroup.all.count
  /// The norm of (1, 1, 1): a user is in one group.
  static let clipNorm = 3.0.squareRoot()
  static let cutoff = 10

  let scorer: any Scorer

  func contribute(user: Int, shard: PartnerShard, into buffer: inout ContributionBuffer) {
    guard !shard.heldOut.isEmpty, shard.heldOut[user] >= 0 else { return }
    let target = Int(shard.heldOut[user])
    let history = shard.interactions.history(of: user)
    guard let group = ActivityGroup.all.firstIndex(where: { $0.lengths.contains(history.count) }) else { return }
    var scores = [Float](repeating: 0, count: scorer.itemCount)
    scorer.score(UserHistory(items: history, weights: shard.interactions.weights(of: user)), into: &scores)
    for item in history { scores[Int(item)] = -.infinity }
    let own = scores[target]
    var better = 0
    if own > -.infinity {
      for item in scores.indices where scores[item] > own || (scores[item] == own && item < target) { better += 1 }
    } else {
      better = Self.cutoff
    }
    let hit: Float = better < Self.cutoff ? 1 : 0
    buffer.indices = (0..<Self.entriesPerGroup).map { UInt32(group * Self.entriesPerGroup + $0) }
    buffer.values = [1, hit, hit == 0 ? 0 : Float(1 / log2(Double(better + 2)))]
  }

  func accumulate(shard: PartnerShard, into sum: inout [Double]) {
    var buffer = ContributionBuffer(dimension: Self.dimension)
    for user in 0..<shard.userCount {
      buffer.removeAll()
      contribute(user: user, shard: shard, into: &buffer)
      for (index, value) in zip(buffer.indices, buffer.values) { sum[Int(index)] += Double(value) }
    }
  }
}
