public import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Recommender

/// What taking part is worth to this partner: the joint model beside one that it could train alone, on its own held-out events.
///
/// Everything is computed at home from exact counts; none of it leaves the machine, and no budget is spent on it.
public struct Worth: Sendable {
  /// One way to recommend, judged.
  public struct Row: Sendable {
    /// What made the lists, in words.
    public let method: String
    public let metrics: [Figure]
  }

  /// A mean over users with its 95 % interval.
  public struct Figure: Sendable, Equatable {
    public let name: String
    public let mean: Double
    /// Half of the interval's width.
    public let halfWidth: Double
  }

  public let rows: [Row]
  /// Users with held-out events; private, for the partner's own screen.
  public let users: Int
  /// Releases that are in the joint model.
  public let modelVersion: Int
  public let algorithm: String
  /// Hash of the plan of the joint model.
  public let plan: Digest
  /// Which plan the joint model is of, in words.
  public let origin: String

  /// Judges for a home, with the newest released model and the data set that takes part.
  ///
  /// - Parameter plan: another plan's model than the newest released.
  public init(home: PartnerHome, store: PartnerStore, plan: Digest? = nil, seed: UInt64 = 1) throws {
    let joint = try PartnerModel(store, home: home, plan: plan)
    try self.init(joint, data: try store.localData(of: joint.dataSet, itemCount: joint.plan.catalogue.itemCount), seed: seed)
  }

  /// Judges popularity, a model trained on the own shard alone without noise, and the joint model.
  ///
  /// - Parameter seed: initial values of the own model.
  /// - Throws: `PartnerError` when nothing was held out.
  public init(_ joint: PartnerModel, data: LocalData, seed: UInt64 = 1) throws {
    users = data.heldOut.count { !$0.isEmpty }
    guard users > 0 else {
      throw PartnerError(
        .missing,
        "nothing was held out of '\(joint.dataSet)', so that there is nothing to judge on; import data with --hold-out last (under a new name)"
      )
    }
    let evaluator = Evaluator(train: data.train, test: data.heldOut, negatives: data.negatives)
    let popularity = try PopularityAlgorithm(itemCount: data.train.itemCount, weighting: .binary)
    let alone = try Self.withoutNoise(joint)
    rows = [
      Self.row(
        "most popular here",
        evaluator.evaluate(
          popularity.scorer(model: CentralTraining.run(popularity, on: data.train, seed: seed)))),
      Self.row(
        "own model, alone",
        evaluator.evaluate(
          alone.scorer(model: CentralTraining.run(alone, on: data.train, seed: seed)))),
      Self.row("joint model", evaluator.evaluate(joint.scorer)),
    ]
    modelVersion = joint.model.version
    algorithm = joint.plan.algorithm.name
    plan = joint.planHash
    origin = joint.origin
  }

  /// The plan's algorithm as a plan without noise configures it: what this partner could do with its data alone.
  private static func withoutNoise(_ joint: PartnerModel) throws -> any FederatedAlgorithm {
    guard joint.plan.privacy.noise != .none else { return joint.algorithm }
    let given = joint.plan.algorithm.parameters.filter { ["half-life", "feature-dimension"].contains($0.key) }
    let parameters = try AlgorithmRegistry.resolve(
      joint.plan.algorithm.name, given,
      setting: .init(itemCount: joint.plan.catalogue.itemCount, usersOverNoise: nil, rounds: nil))
    return try AlgorithmRegistry.make(
      joint.plan.algorithm.name, parameters, itemCount: joint.plan.catalogue.itemCount, features: joint.features)
  }

  private static func row(_ method: String, _ evaluation: Evaluation) -> Row {
    let listed: [(String, Metric)] = [("HR@10 (listed)", .hitRate(10)), ("NDCG@10 (listed)", .ndcg(10))]
    let full: [(String, Metric)] = [("HR@10 (full)", .hitRate(10)), ("NDCG@10 (full)", .ndcg(10))]
    func figures(_ names: [(String, Metric)], _ metrics: RankingMetrics?) -> [Figure] {
      names.compactMap { name, metric in
        metrics?.values[metric].map { Figure(name: name, mean: $0.mean, halfWidth: $0.halfWidth) }
      }
    }
    return Row(method: method, metrics: figures(listed, evaluation.listed) + figures(full, evaluation.full))
  }
}
