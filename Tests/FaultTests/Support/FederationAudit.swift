import CryptoPrimitives
import DifferentialPrivacy
import FederatedLearning
import Recommender
import SecureAggregation

/// What a finished (or given up) federation left behind, judged from outside: ledgers, plan, released models, shards.
///
/// The judge trusts nobody's summary. It recomputes every released sum from the shards, finds out whose inputs are in it by
/// the published digest, and follows the model from round to round.
struct FederationAudit {
  struct Round: Equatable {
    let round: Int
    let attempt: Int
    /// Whose inputs are in the released sum.
    let survivors: Set<UInt32>
  }

  let plan: PlanFile
  let coordinator: LedgerState
  let partners: [UInt32: LedgerState]
  /// Of the copies of some homes, by participant.
  let clones: [UInt32: LedgerState]
  /// What does not hold, in sentences; empty when everything holds.
  private(set) var faults: [String] = []
  private(set) var rounds: [Round] = []
  /// Bytes of the model after the last released round; of the initial model when there is none.
  private(set) var model: [UInt8] = []

  /// - Parameters:
  ///   - shards: what every partner trains on.
  ///   - partnerLedgers: bytes; a partner that never charged anything may have none.
  ///   - cloneLedgers: of copies of homes that ran beside them; together with the original they count as one partner.
  init(
    plan: PlanFile, coordinatorLedger: [UInt8], partnerLedgers: [UInt32: [UInt8]], cloneLedgers: [UInt32: [UInt8]] = [:],
    shards: [UInt32: Interactions]
  ) throws {
    self.plan = plan
    var found: [String] = []
    func state(_ bytes: [UInt8], key: String, _ whose: String) throws -> LedgerState {
      let verification = LedgerVerifier(key: VerificationKey(hex: key), plan: nil, knownHead: nil, rules: []).verify(bytes)
      if !verification.isSound { found.append("the ledger of \(whose) does not verify: \(verification.findings)") }
      guard let state = verification.state else { throw SuiteError("the ledger of \(whose) cannot be read") }
      return state
    }
    coordinator = try state(coordinatorLedger, key: plan.plan.coordinatorKey, "the coordinator")
    var partners: [UInt32: LedgerState] = [:]
    for entry in plan.plan.roster {
      guard let bytes = partnerLedgers[entry.participant] else { continue }
      partners[entry.participant] = try state(bytes, key: entry.verificationKey, entry.name)
    }
    self.partners = partners
    var clones: [UInt32: LedgerState] = [:]
    for entry in plan.plan.roster {
      guard let bytes = cloneLedgers[entry.participant] else { continue }
      clones[entry.participant] = try state(bytes, key: entry.verificationKey, "a copy of \(entry.name)")
    }
    self.clones = clones
    faults = found
    checkCharges()
    if plan.plan.privacy.noise == .none { try follow(shards) }
  }

  /// One charge per attempt in every ledger, one result per attempt, and the coordinator's ledger counts what it released.
  private mutating func checkCharges() {
    for (whose, state) in [("the coordinator", coordinator)] + partners.map({ ("partner \($0.key)", $0.value) }) {
      var seen: Set<LedgerAttempt> = []
      for standing in state.charges where !seen.insert(standing.charge.attempt).inserted {
        faults.append("\(whose) charged \(standing.charge.attempt) twice")
      }
    }
    for (participant, clone) in clones {
      for standing in clone.charges
      where partners[participant]?.charge(standing.charge.attempt, release: standing.charge.release) != nil {
        faults.append("partner \(participant) and its copy both charged \(standing.charge.attempt)")
      }
    }
    checkCoverage()
    var released: [Int: Int] = [:]
    for standing in coordinator.charges {
      guard case .released(let digest)? = standing.outcome?.result else { continue }
      released[standing.charge.attempt.round, default: 0] += 1
      if digest == nil { faults.append("the coordinator's ledger does not say what \(standing.charge.attempt) published") }
      let charged = self.charged(round: standing.charge.attempt.round, attempt: standing.charge.attempt.attempt).count
      if charged < standing.outcome?.survivors ?? 0 {
        faults.append(
          "\(standing.charge.attempt) released a sum over \(standing.outcome?.survivors ?? 0) partners, but only \(charged) of them charged it"
        )
      }
    }
    for (round, count) in released where count > 1 { faults.append("round \(round) was released \(count) times") }
  }

  /// ε is never under-counted: what any partner paid for, the coordinator counts, too, at the same price, and its total is what
  /// its charges compose to.
  private mutating func checkCoverage() {
    for (participant, state) in Array(partners) + Array(clones) {
      for standing in state.charges where standing.charge.plan == SHA256.hash(plan.bytes) {
        let ours = coordinator.charge(standing.charge.attempt, release: standing.charge.release)
        if ours?.charge.event != standing.charge.event {
          faults.append("partner \(participant) charged \(standing.charge.attempt), which the coordinator does not count alike")
        }
      }
    }
    guard plan.plan.privacy.noise != .none else { return }
    var composition = PrivacyLossSummary()
    for standing in coordinator.charges {
      guard case .accounted(let event) = standing.charge.event, (try? composition.add(event)) != nil else {
        faults.append("\(standing.charge.attempt) was charged without an event that can be counted")
        continue
      }
    }
    let delta = plan.plan.privacy.delta
    let (stated, recomputed) = (coordinator.recorded.epsilon(delta: delta), Accounting.epsilon(for: composition, delta: delta))
    if !(abs(stated - recomputed) <= 1e-9 * recomputed) {
      faults.append("the coordinator's ledger counts ε = \(stated), its charges compose to \(recomputed)")
    }
    if stated > plan.plan.privacy.epsilon * (1 + 1e-9) {
      faults.append("ε = \(stated) was spent of \(plan.plan.privacy.epsilon)")
    }
  }

  /// Recomputes every released sum and the model (plans without noise).
  private mutating func follow(_ shards: [UInt32: Interactions]) throws {
    let settings = plan.plan
    let algorithm = try AlgorithmRegistry.make(
      settings.algorithm.name, settings.algorithm.parameters, itemCount: settings.catalogue.itemCount)
    var model = algorithm.initialModel(seed: settings.modelSeed)
    var optimizer: OptimizerState = [:]
    let released = coordinator.charges.filter { if case .released? = $0.outcome?.result { true } else { false } }
      .sorted { $0.charge.attempt.round < $1.charge.attempt.round }
    for (expected, standing) in released.enumerated() {
      let attempt = standing.charge.attempt
      guard attempt.round == expected, case .released(let digest?)? = standing.outcome?.result else {
        faults.append("round \(expected) was not released, but \(attempt) was")
        break
      }
      let release = settings.releases[attempt.round]
      let trainer = algorithm.trainer(for: release.step, model: model)
      var sums: [UInt32: [Int64]] = [:]
      for participant in charged(round: attempt.round, attempt: attempt.attempt) {
        guard let shard = shards[participant] else { throw SuiteError("no shard of partner \(participant)") }
        var sum = [Double](repeating: 0, count: release.dimension)
        // The seed of Protocols/training-round.md: one stream per plan, round and partner.
        let seed = settings.modelSeed &+ UInt64(attempt.round) &* 0xD1B5_4A32_D192_ED03 &+ UInt64(participant) << 32
        trainer.accumulate(shard, seed: seed, into: &sum)
        sums[participant] = sum.map { Int64(($0 * release.scale).rounded(.toNearestOrEven)) }
      }
      guard let (survivors, sum) = Self.match(sums, count: standing.outcome?.survivors ?? -1, digest) else {
        faults.append(
          "\(attempt): no sum over \(standing.outcome?.survivors ?? -1) of the \(sums.count) partners that charged it is the one that was published"
        )
        break
      }
      let unit = 1 / release.scale
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release.step, sum: sum.map { Float(Double($0) * unit) },
        context: ReleaseContext(expectedUsers: Double(settings.privacy.nominalUsers), noiseDeviation: 0))
      model.version = attempt.round + 1
      rounds.append(Round(round: attempt.round, attempt: attempt.attempt, survivors: survivors))
    }
    self.model = ModelBytes.encode(model)
  }

  /// The one choice of `count` partners whose sum has the published digest.
  private static func match(_ sums: [UInt32: [Int64]], count: Int, _ digest: Digest) -> (Set<UInt32>, [Int64])? {
    let participants = sums.keys.sorted()
    guard (1...participants.count).contains(count), participants.count < 32 else { return nil }
    for mask in UInt32(1)..<(1 << UInt32(participants.count)) where mask.nonzeroBitCount == count {
      let chosen = participants.indices.filter { mask >> UInt32($0) & 1 == 1 }.map { participants[$0] }
      var total = [Int64](repeating: 0, count: sums[chosen[0]]?.count ?? 0)
      for participant in chosen { for (index, value) in (sums[participant] ?? []).enumerated() { total[index] += value } }
      if total.withUnsafeBytes({ SHA256.hash($0) }) == digest { return (Set(chosen), total) }
    }
    return nil
  }

  mutating func add(_ fault: String) { faults.append(fault) }

  /// ε that the coordinator's ledger states for everything it charged; `nil` without noise.
  var epsilon: Double? {
    guard plan.plan.privacy.noise != .none else { return nil }
    return coordinator.recorded.epsilon(delta: plan.plan.privacy.delta)
  }

  /// Digest of what an attempt released; `nil` when it released nothing.
  func releasedDigest(round: Int, attempt: Int) -> Digest? {
    for standing in coordinator.charges
    where standing.charge.attempt.round == round && standing.charge.attempt.attempt == attempt {
      if case .released(let digest)? = standing.outcome?.result { return digest }
    }
    return nil
  }

  /// Partners whose own ledger has a charge of an attempt.
  func charged(round: Int, attempt: Int) -> Set<UInt32> {
    Set(
      (Array(partners) + Array(clones)).filter { _, state in
        state.charges.contains { $0.charge.attempt.round == round && $0.charge.attempt.attempt == attempt }
      }.map(\.key))
  }
}
