import CryptoPrimitives
import FederatedLearning
import Foundation
import Recommender
import SecureAggregation
import Simulation

/// A small task with ten partners, to be audited.
struct AuditBench {
  var algorithm = "mf"
  var noise = NoiseMode.central
  var epsilon = 2.0
  var rounds: Int? = 3
  var parameters: [String: Double] = ["rank-one": 1, "dimension": 8]
  var itemCount = 250
  var samplingRate = 1.0
  var partnersPerUser = 1
  var mechanism = MechanismFault.none
  var dropout = 0.0
  var settings = AuditSettings(canaries: 80, guesses: 30, residualCoordinates: 0, seed: 1)

  static let partners = 10
  static let usersPerPartner = 8

  /// Whether the whole table is asked for.
  static var isLong: Bool { ProcessInfo.processInfo.environment["TACIT_AUDIT"] == "long" }

  private func key(_ number: Int) -> SigningKey {
    SigningKey(seed: SecretBytes(copying: [UInt8](repeating: UInt8(number), count: 32)))
  }

  func task(seed: UInt64) throws -> AuditedTask {
    let keys = (1...Self.partners).map(key)
    let coordinatorKey = key(99)
    guard let session = SessionID(bytes: [UInt8](repeating: 7, count: 16)) else { preconditionFailure("a session has 16 bytes") }
    var decisions = PlanDecisions(task: "audited", algorithm: algorithm, nominalUsers: Self.partners * Self.usersPerPartner)
    decisions.parameters = parameters
    decisions.rounds = rounds
    decisions.noise = noise
    decisions.epsilon = epsilon
    decisions.samplingRate = samplingRate
    decisions.maximumPartnersPerUser = partnersPerUser
    decisions.attempts = 20
    decisions.usesInsecureTestRandomness = true
    let roster = keys.enumerated().map { index, key in
      RosterEntry(
        participant: UInt32(index + 1), name: "p\(index + 1)", verificationKey: key.verificationKey.hex, maximumUsers: 100)
    }
    let (plan, algorithm) = try PlanFactory.plan(
      decisions, catalogue: Catalogue(itemIDs: (0..<itemCount).map { "i\($0)" }), roster: roster,
      coordinatorKey: coordinatorKey.verificationKey.hex, session: session)
    let shards = (0..<Self.partners).map { partner in
      PartnerShard(
        interactions: Interactions(
          itemCount: itemCount,
          histories: (0..<Self.usersPerPartner).map { user in
            (0..<3).map { Int32((partner * 31 + user * 17 + $0 * 5) % itemCount) }
          }))
    }
    return AuditedTask(
      planFile: plan, algorithm: algorithm, shards: shards, coordinatorKey: coordinatorKey, partnerKeys: keys,
      faults: FaultPlan(dropout: dropout, mechanism: mechanism), randomness: .insecureTest(seed: seed), workers: 1)
  }

  func run(seed: UInt64) throws -> AuditResult {
    var settings = settings
    settings.seed = seed
    return try PipelineAudit(try task(seed: seed), settings: settings).run()
  }
}
