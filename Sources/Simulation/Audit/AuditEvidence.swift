public import CryptoPrimitives
internal import DifferentialPrivacy
public import FederatedLearning
public import Recommender
internal import SecureAggregation
internal import Synchronization

/// The task that is audited: what a run of it is made of.
public struct AuditedTask: Sendable {
  public let planFile: PlanFile
  public let algorithm: any FederatedAlgorithm
  /// One shard for each entry of the roster, in its order.
  public let shards: [PartnerShard]
  public let coordinatorKey: SigningKey
  public let partnerKeys: [SigningKey]
  public let faults: FaultPlan
  public let randomness: Randomness
  public let workers: Int

  public init(
    planFile: PlanFile, algorithm: any FederatedAlgorithm, shards: [PartnerShard], coordinatorKey: SigningKey,
    partnerKeys: [SigningKey], faults: FaultPlan = FaultPlan(), randomness: Randomness, workers: Int = 2
  ) {
    self.planFile = planFile
    self.algorithm = algorithm
    self.shards = shards
    self.coordinatorKey = coordinatorKey
    self.partnerKeys = partnerKeys
    self.faults = faults
    self.randomness = randomness
    self.workers = workers
  }

  var plan: TrainingPlan { planFile.plan }
  var users: Int { shards.reduce(0) { $0 + $1.userCount } }
  /// At how many partners a canary is: as many as the plan allows a user, for ε is that of such a user.
  var copies: Int { min(plan.privacy.maximumPartnersPerUser, plan.roster.count) }
}

/// What one run with canaries left: its releases, and what an auditor knows beside them.
struct AuditEvidence {
  struct Release {
    let round: Int
    let planned: PlannedRelease
    /// Partners in the sum.
    let survivors: Int
    /// Released minus exact sum, in grid units.
    let residual: [Int64]
    /// Released minus the exact sum of the ordinary users, in grid units: differential privacy holds against somebody who knows
    /// everybody else's data, so this attacker does.
    let view: [Double]

    /// The variance that the noise of these survivors has by the plan, in squared grid units.
    var variance: Double {
      guard let noise = planned.noise else { return 0 }
      return noise.share.map { Double($0.variance) * Double(survivors) } ?? Double(noise.sigmaSquared)
    }
  }

  let releases: [Release]

  /// Plays the task once, with these canaries in the partners' shards.
  ///
  /// - Parameters:
  ///   - members: canaries that take part.
  ///   - seed: of delays, faults and, where asked for, insecure randomness.
  /// - Throws: `AuditError` when the run does not come to its end, `PlanError` when the task does not fit together.
  init(_ task: AuditedTask, _ directions: CanaryDirections, members: [Int], seed: UInt64, shouldStop: @escaping () -> Bool)
    throws
  {
    let witness = ExactSums()
    let journal = ReleaseMemory()
    func ledger(_ kind: LedgerHeader.Kind, _ holder: String, _ key: SigningKey) throws -> PrivacyLedger {
      let header = try PrivacyLedger.headerLine(kind: kind, holder: holder, dataset: "audit", created: 0, key: key)
      return try PrivacyLedger(content: header, journal: LedgerMemory(header), key: key)
    }
    let count = task.plan.roster.count
    var partners: [SimulatedPartner] = []
    for (index, entry) in task.plan.roster.enumerated() {
      let participant = ParticipantID(entry.participant)
      // Every partner has some, so that a fault of any one of them can show; a canary is at neighbours in the roster.
      let own = members.filter { (index - $0 % count + count) % count < task.copies }
      let crowd = Crowd(participant: participant, members: own, directions: directions, sums: witness)
      partners.append(
        SimulatedPartner(
          participant: participant, name: entry.name,
          shard: PartnerShard(
            interactions: task.shards[index].interactions, heldOut: task.shards[index].heldOut, canaries: crowd),
          signingKey: task.partnerKeys[index], ledger: try ledger(.partner, entry.name, task.partnerKeys[index])))
    }
    var published: [PublishedRelease] = []
    let randomness: Randomness =
      switch task.randomness {
      case .system: .system
      case .insecureTest(let base): .insecureTest(seed: SplitMix64.mix(base ^ SplitMix64.mix(seed)))
      }
    let federation = try Federation(
      planFile: task.planFile, algorithm: task.algorithm, partners: partners, coordinatorKey: task.coordinatorKey,
      coordinatorLedger: try ledger(.coordinator, "coordinator", task.coordinatorKey), faults: task.faults, seed: seed,
      randomness: randomness, releaseJournal: journal, workers: task.workers,
      observer: { if case .published(let release, _) = $0 { published.append(release) } }, shouldStop: shouldStop)
    let end = federation.run().end
    guard end == .completed else { throw AuditError("the run with canaries did not come to its end: \(end)") }
    let recorded = journal.recorded
    releases = published.compactMap { release in
      let planned = task.plan.releases[release.round]
      guard let noise = planned.noise,
        let values = recorded.first(where: { $0.key.round == release.round && $0.key.attempt == release.attempt })?.value
      else { return nil }
      let (ordinary, all) = witness.sums(round: release.round, of: release.survivors, dimension: noise.dimension)
      let bits = planned.modulusBits
      func difference(_ exact: [Int64]) -> [Int64] {
        zip(values, exact).map { centred(UInt64(bitPattern: $0 &- $1), bits: bits) }
      }
      return Release(
        round: release.round, planned: planned, survivors: release.survivors.count, residual: difference(all),
        view: difference(ordinary).map { Double($0) })
    }
  }
}

/// Exact sums by partner and release, as canaries witnessed them.
private final class ExactSums: Sendable {
  private struct Key: Hashable {
    let participant: ParticipantID
    let round: Int
  }

  private let sums = Mutex<[Key: (ordinary: [Int64], all: [Int64])]>([:])

  func record(_ participant: ParticipantID, _ round: Int, ordinary: [Int64], all: [Int64]) {
    sums.withLock { $0[Key(participant: participant, round: round)] = (ordinary, all) }
  }

  /// The sums over the partners whose inputs are in a release; memory of the release is given back.
  func sums(round: Int, of survivors: [ParticipantID], dimension: Int) -> (ordinary: [Int64], all: [Int64]) {
    var total = (ordinary: [Int64](repeating: 0, count: dimension), all: [Int64](repeating: 0, count: dimension))
    for participant in survivors {
      guard let own = sums.withLock({ $0.removeValue(forKey: Key(participant: participant, round: round)) }) else {
        preconditionFailure("a partner whose input is in a sum has computed it")
      }
      for index in 0..<dimension {
        total.ordinary[index] &+= own.ordinary[index]
        total.all[index] &+= own.all[index]
      }
    }
    return total
  }
}

/// The canaries at one partner.
private struct Crowd: CanaryUsers {
  let participant: ParticipantID
  /// Numbers of the canaries that take part here.
  let members: [Int]
  let directions: CanaryDirections
  let sums: ExactSums

  var count: Int { members.count }

  func contribute(canary: Int, round: Int, into buffer: inout ContributionBuffer) {
    directions.contribute(members[canary], round: round, into: &buffer)
  }

  func witness(round: Int, ordinary: [Int64], all: [Int64]) {
    sums.record(participant, round, ordinary: ordinary, all: all)
  }
}
