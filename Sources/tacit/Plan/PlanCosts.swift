internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation

/// Bytes and seconds of a plan, from its sizes and constants that were measured.
struct PlanCosts: Encodable, Sendable, Equatable {
  /// Of one partner in one round of the largest release: masked input, keys, shares; and the model and what peers send.
  let bytesUpPerRound: Int
  let bytesDownPerRound: Int
  /// Of one partner over the whole plan.
  let bytesUp: Int
  let bytesDown: Int
  /// CPU seconds of one partner over the whole plan: secure sums and local training.
  let partnerSeconds: Double
  /// CPU seconds of the coordinator over the whole plan: secure sums, noise, model steps.
  let coordinatorSeconds: Double

  /// How the constants were measured.
  static let measured =
    "CPU constants of one core of a 2-core x86-64 machine: `tacit bench aggregation` (10 x 1,000,000 and 40 x 100,000 entries), "
    + "`tacit simulate --data synthetic:10000x600x7` per algorithm; bytes beside the vectors from the same runs with 7 and 20 partners, of drawn "
    + "graphs with 60 and 120"

  init(_ plan: TrainingPlan, algorithm: any FederatedAlgorithm, usersPerPartner: Double) {
    let others = Double(plan.roster.count - 1)
    // Whom a partner deals shares to, and with whom it shares masks: all others, or in a drawn graph k and about 2m of them.
    let graph = plan.aggregation.graph
    let peers = graph.map { Double($0.holders) } ?? others
    let maskPeers =
      graph.map { others * (1 - (1 - Double($0.maskDraws) / others) * (1 - Double($0.maskDraws) / others)) } ?? others
    let bits = plan.algorithm.parameters["table-bits"] ?? 32
    var model = algorithm.initialModel(seed: 0).tensors.reduce(0) {
      $0 + Self.bytes(of: $1.value, $1.key, bits, algorithm.itemCount)
    }
    var (up, down, partner, coordinator) = (0.0, 0.0, 0.0, 0.0)
    var (largestUp, largestDown) = (0.0, 0.0)
    for release in plan.releases {
      let entries = Double(release.dimension)
      let sent =
        Double(RingVector.packedByteCount(count: release.dimension, modulusBits: release.modulusBits))
        + (plan.aggregation.isSecure ? 900 + 318 * peers : 500)
      let received = Double(model) + (plan.aggregation.isSecure ? Self.bytesDown(others: others, holders: graph?.holders) : 1700)
      up += sent
      down += received
      largestUp = max(largestUp, sent)
      largestDown = max(largestDown, received)
      if plan.aggregation.isSecure {
        partner += Self.secondsPerEntryAndPeer * entries * maskPeers + Self.secondsPerPeer * peers
        coordinator += 1.5e-9 * entries * (others + 1) + 1.6e-5 * (others + 1) * (peers + 1)
      }
      partner += usersPerPartner * release.samplingRate * (Self.trainingSeconds[plan.algorithm.name] ?? 5e-6)
      coordinator += 2.5e-7 * entries
      // A model that starts empty grows by what was released.
      if release.purpose == .training, Self.grows(plan.algorithm.name, with: release) { model += 4 * release.dimension }
    }
    bytesUpPerRound = Int(largestUp)
    bytesDownPerRound = Int(largestDown)
    bytesUp = Int(up)
    bytesDown = Int(down)
    partnerSeconds = partner
    coordinatorSeconds = coordinator
  }

  /// As it is sent: vectors in Float32, tables in the plan's bits, in 8 only those of the items and with a scale for each (Protocols/training-round.md, §3).
  private static func bytes(of tensor: Tensor, _ name: String, _ bits: Double, _ itemCount: Int) -> Int {
    guard tensor.shape.count >= 2, bits < 32 else { return 4 * tensor.values.count }
    return bits == 8 && RoundedTables.isOfItems(name, tensor, itemCount)
      ? tensor.values.count + 4 * itemCount : 2 * tensor.values.count
  }

  /// Of `item-knn` the counts alone are sent in rounds; the table is a download at the end, as long as the data make it.
  private static func grows(_ algorithm: String, with release: PlannedRelease) -> Bool {
    algorithm == "covariance" || algorithm == "item-knn" && release.step == 0
  }

  /// Beside the model. Of a drawn graph all advertisements come, and the shares, paths and signatures of k partners.
  private static func bytesDown(others: Double, holders: Int?) -> Double {
    guard let holders else { return 2550 + 899 * others }
    let count = Double(holders)
    return 800 + 311 * others + count * (395 + 34 * log2(count))
  }

  private static let secondsPerEntryAndPeer = 6.5e-10
  private static let secondsPerPeer = 4.4e-4
  /// Local training of one user in one round, averaged over the plan's releases.
  private static let trainingSeconds = [
    "popularity": 1.7e-6, "mf": 5.0e-6, "als": 1.7e-5, "covariance": 5.4e-5, "hybrid": 5.4e-5, "item-knn": 5.0e-6,
    "two-tower": 4.8e-5, "sasrec": 5.6e-5, "gru": 4.9e-5, "cnn": 1.0e-4,
  ]
}
