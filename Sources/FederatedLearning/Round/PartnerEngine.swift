public import CryptoPrimitives
public import DifferentialPrivacy
public import Recommender
public import SecureAggregation

/// What the host does for a partner's engine.
public enum PartnerAction: Sendable, Equatable {
  case send(PartnerMessage)
  /// Call `train` now. Separate, because it takes long: the host may measure it or move it elsewhere.
  case train
}

/// One partner's side of a training task: it checks every round against the plan that it accepted, trains on its own
/// shard, charges its own ledger, and takes part in secure aggregation.
///
/// The engine is sans-IO: messages in, actions out. It is noncopyable because it owns the one-time secrets of the
/// current attempt. The coordinator is not trusted: whatever does not fit the plan is refused.
public struct PartnerEngine: ~Copyable {
  public let planFile: PlanFile
  public let participant: ParticipantID
  /// How many refusals of which kind this partner has spoken.
  public private(set) var refusals: [PartnerRefusal: Int] = [:]
  /// What secure aggregation refused, by reason.
  public private(set) var aggregationRefusals: [ClientRefusalReason: Int] = [:]

  /// Messages of other attempts and repeated round starts, which are dropped unread.
  public private(set) var strayMessages = 0

  private let planHash: Digest
  private let session: SessionID
  private let coordinatorKey: VerificationKey
  private let roster: [ParticipantID: VerificationKey]
  private let signingKey: SigningKey
  private let shard: PartnerShard
  private let algorithm: any FederatedAlgorithm
  private let workers: Int
  private let ledger: PrivacyLedger
  private let cap: PrivacyBudget?
  /// The highest (round, attempt) that this partner has answered; it never answers it, or an earlier one, again.
  private var highWaterMark: (round: UInt32, attempt: UInt32)?
  /// The longest ledger of the coordinator that this partner was shown.
  private var coordinatorLedger: LedgerHead?
  private var attempt: Attempt?
  private var aggregation: ClientSession?

  private struct Attempt {
    let start: RoundStart
    let context: AttemptContext
    let release: PlannedRelease
    let model: ItemModel
    /// Whether `train` was asked for and has not run: a charge is made for a masked input that can leave, or not at all.
    var awaitsTraining = false
  }

  /// - Parameters:
  ///   - planFile: the plan that this partner accepted.
  ///   - ledger: this partner's own ledger, over all plans and tasks that touched its data set.
  ///   - cap: the most that this partner lets its data set spend, over all plans; by default the plan's cap. The plan's
  ///     cap holds for the plan's own charges in any case.
  ///   - allowsUnmaskedSums: whether plans without secure aggregation are accepted; for simulations only.
  ///   - workers: threads for local training.
  /// - Throws: `PlanError` when the plan does not name this partner or does not fit the shard or the algorithm.
  public init(
    planFile: PlanFile, participant: ParticipantID, signingKey: SigningKey, shard: PartnerShard,
    algorithm: any FederatedAlgorithm, ledger: PrivacyLedger, cap: PrivacyBudget? = nil,
    allowsUnmaskedSums: Bool = false, workers: Int = 1
  ) throws(PlanError) {
    let plan = planFile.plan
    guard plan.aggregation.isSecure || allowsUnmaskedSums else {
      throw PlanError("the plan asks for this partner's sums without masks; expected secure aggregation")
    }
    guard let entry = plan.roster.first(where: { $0.participant == participant.rawValue }),
      VerificationKey(hex: entry.verificationKey) == signingKey.verificationKey
    else { throw PlanError("the plan does not name participant \(participant) with this partner's key") }
    guard let session = SessionID(hex: plan.session), let key = VerificationKey(hex: plan.coordinatorKey) else {
      throw PlanError("the plan was not validated")
    }
    guard shard.interactions.itemCount == plan.catalogue.itemCount else {
      throw PlanError(
        "the shard speaks of \(shard.interactions.itemCount) items, the plan's catalogue has \(plan.catalogue.itemCount)")
    }
    guard shard.hasDistinctHistories else {
      throw PlanError("the shard holds a history in which an item stands twice; expected distinct items: import the data again")
    }
    try plan.matches(algorithm)
    self.planFile = planFile
    self.participant = participant
    self.signingKey = signingKey
    self.shard = shard
    self.algorithm = algorithm
    self.workers = workers
    self.ledger = ledger
    self.cap = cap ?? plan.cap
    self.session = session
    coordinatorKey = key
    planHash = SHA256.hash(planFile.bytes)
    roster = plan.verificationKeys
    // After a crash the ledger knows which attempts must not be answered again.
    highWaterMark = ledger.state.charges.map(\.charge.attempt).filter { $0.session == session }
      .map { (UInt32(clamping: $0.round), UInt32(clamping: $0.attempt)) }.max { $0 < $1 }
  }

  /// A message from the coordinator.
  public mutating func receive(
    _ message: CoordinatorMessage, random: inout some RandomSource
  ) -> [PartnerAction] {
    switch message {
    case .roundStart(let start): return begin(start, random: &random)
    case .aggregation(let message):
      // What belongs to another attempt came late; it must not end the one that is under way.
      guard let attempt, message.belongs(to: attempt.context) else {
        strayMessages += 1
        return []
      }
      guard let action = aggregation?.receive(message) else { return refuse(.unexpectedMessage) }
      return follow(action)
    case .roundEnd(let end):
      guard let attempt, attempt.context == end.context else { return [] }
      self.attempt = nil
      aggregation = nil
      return []
    }
  }

  /// Trains on the shard and prepares the masked input; the answer to `.train`.
  ///
  /// - Parameter time: seconds since 1970 for the ledger entry.
  public mutating func train(random: inout some RandomSource, time: Int) -> [PartnerAction] {
    guard let attempt, attempt.awaitsTraining else { return [] }
    self.attempt?.awaitsTraining = false
    let plan = planFile.plan
    let release = attempt.release
    let pipeline = UpdatePipeline(
      release: release, shard: shard, task: task(for: release, model: attempt.model, round: attempt.start.round))
    let bits = release.modulusBits
    let input: RingVector
    if let encoding = release.encoding, let noise = release.noise {
      let contribution = pipeline.clippedSum(encoding, random: &random, workers: workers)
      if let share = noise.share {
        input = RingVector(noised: contribution.noised(with: share, random: &random), modulusBits: bits)
      } else {
        input = RingVector(exact: contribution, modulusBits: bits)
      }
    } else {
      guard let sum = pipeline.exactSum(limit: release.exactLimit(users: maximumUsers)) else {
        return refuse(.sumOutOfRange)
      }
      input = RingVector(integers: sum, modulusBits: bits)
    }
    guard allows(release) else { return refuse(.budgetExhausted) }
    // The point of no return: when `charge` returns, the entry is on disk, and only then the masked input leaves.
    do {
      try ledger.charge(
        ChargeRequest(
          plan, planHash: planHash, context: attempt.context, participants: plan.roster.count, survivors: nil, time: time),
        cap: cap)
    } catch { return refuse(.ledgerUnavailable) }
    if plan.aggregation.isSecure {
      guard let action = aggregation?.submit(input, threads: workers) else { return refuse(.unexpectedMessage) }
      return follow(action)
    }
    let sum = PlainSum(context: attempt.context, participant: participant, packed: input.packed())
    return [.send(.plainSum(sum))]
  }

  private mutating func begin(_ start: RoundStart, random: inout some RandomSource) -> [PartnerAction] {
    let plan = planFile.plan
    // Until the start is known to be the coordinator's, and new, it must not disturb the attempt under way; a refusal that
    // names this very attempt would make an honest coordinator drop this partner from it.
    if let attempt, attempt.start.session == start.session,
      (attempt.start.round, attempt.start.attempt) == (start.round, start.attempt)
    {
      strayMessages += 1
      return []
    }
    guard start.planHash == planHash else { return decline(start, .wrongPlan) }
    guard start.session == session else { return decline(start, .wrongSession) }
    guard coordinatorKey.verifies(start.signature, of: start.signedBytes) else { return decline(start, .forgedRoundStart) }
    guard Int(start.round) < plan.releases.count, Int(start.attempt) < plan.aggregation.maximumAttempts else {
      return decline(start, .unexpectedRound)
    }
    if let mark = highWaterMark {
      guard (start.round, start.attempt) > mark else { return decline(start, .staleAttempt) }
    }
    let ledgerHead = LedgerHead(size: start.ledgerSize, head: start.ledgerHead)
    if let known = coordinatorLedger {
      guard ledgerHead.size > known.size || ledgerHead == known else { return decline(start, .coordinatorLedgerRolledBack) }
    }
    attempt = nil
    aggregation = nil
    coordinatorLedger = ledgerHead
    highWaterMark = (start.round, start.attempt)
    guard let model = try? ModelBytes.decode(start.model), model.algorithm == algorithm.name,
      model.version == plan.modelVersion(before: Int(start.round)), algorithm.fault(in: model) == nil
    else { return refuse(.malformedModel, start) }
    let release = plan.releases[Int(start.round)]
    // Where privacy is claimed, nothing may hang on the number of users: a refusal would tell that the cap is passed, and
    // one user more would take all the others of this partner out of the sum. There the cap is the ring's alone, and a sum
    // that wraps is still private.
    guard release.encoding != nil || shard.userCount <= maximumUsers else { return refuse(.tooManyUsers, start) }
    guard allows(release) else { return refuse(.budgetExhausted, start) }
    let context = start.context()
    attempt = Attempt(start: start, context: context, release: release, model: model)
    guard plan.aggregation.isSecure else {
      attempt?.awaitsTraining = true
      return [.train]
    }
    guard let parameters = try? plan.parameters(of: release) else { return refuse(.wrongPlan, start) }
    let head = ledger.head.head
    // A stream of its own for the session, keyed afresh: the session outlives this call.
    let source: any RandomSource = (random as? SystemRandomSource) ?? KeyedRandomSource(key: random.bytes(32))
    guard
      var session = try? ClientSession(
        parameters: parameters, context: context, participant: participant, signingKey: signingKey, roster: roster,
        ledger: head, random: source)
    else { return refuse(.wrongPlan, start) }
    let action = session.advertise()
    aggregation = consume session
    return follow(action)
  }

  private mutating func follow(_ action: ClientAction) -> [PartnerAction] {
    switch action {
    case .send(let message), .sendLast(let message): return [.send(.aggregation(message))]
    case .awaitInput:
      attempt?.awaitsTraining = true
      return [.train]
    case .aborted:
      attempt = nil
      aggregation = nil
      return []
    case .refuse(let refusal):
      aggregationRefusals[refusal.reason, default: 0] += 1
      return refuse(.aggregationRefused)
    }
  }

  private func task(for release: PlannedRelease, model: ItemModel, round: UInt32) -> any ContributionTask {
    switch release.purpose {
    case .training:
      TrainingTask(
        trainer: algorithm.trainer(for: release.step, model: model),
        seed: planFile.plan.modelSeed &+ UInt64(round) &* 0xD1B5_4A32_D192_ED03 &+ UInt64(participant.rawValue) << 32)
    case .evaluation: EvaluationTask(scorer: algorithm.scorer(model: model))
    }
  }

  private var maximumUsers: Int {
    planFile.plan.roster.first { $0.participant == participant.rawValue }?.maximumUsers ?? 0
  }

  /// Whether one more attempt stays within what this partner allows, and within the plan's cap on the plan's own charges:
  /// a partner with a larger budget of its own still holds the coordinator to the plan.
  private func allows(_ release: PlannedRelease) -> Bool {
    let plan = planFile.plan
    let event = release.chargedEvent(plan.privacy)
    return ledger.allows(event, cap: cap) && ledger.allows(event, under: planHash, cap: plan.cap)
  }

  /// Refuses a round start and leaves the attempt under way as it is.
  private mutating func decline(_ start: RoundStart, _ reason: PartnerRefusal) -> [PartnerAction] {
    refusals[reason, default: 0] += 1
    return [.send(.refusal(refusal(of: start, reason)))]
  }

  private func refusal(of start: RoundStart, _ reason: PartnerRefusal) -> RoundRefusal {
    RoundRefusal(
      session: start.session, round: start.round, attempt: start.attempt, participant: participant, reason: reason)
  }

  private mutating func refuse(_ reason: PartnerRefusal, _ start: RoundStart? = nil) -> [PartnerAction] {
    refusals[reason, default: 0] += 1
    let start = start ?? attempt?.start
    attempt = nil
    aggregation = nil
    guard let start else { return [] }
    return [.send(.refusal(refusal(of: start, reason)))]
  }
}

extension ServerMessage {
  /// Whether the message says that it belongs to this attempt; the session checks everything else.
  func belongs(to context: AttemptContext) -> Bool {
    switch self {
    case .advertisementList(let list): list.advertisements.allSatisfy { $0.context.isSameAttempt(as: context) }
    case .shareDelivery(let delivery): delivery.context.isSameAttempt(as: context)
    case .survivorSet(let set): set.context.isSameAttempt(as: context)
    case .consistencySignatures(let signatures): signatures.context.isSameAttempt(as: context)
    case .abort(let abort): abort.context.isSameAttempt(as: context)
    }
  }
}

extension AttemptContext {
  /// The same session, round and attempt; bindings may differ, which is for the session to refuse.
  fileprivate func isSameAttempt(as other: AttemptContext) -> Bool {
    session == other.session && round == other.round && attempt == other.attempt
  }
}

extension RingVector {
  /// A partner's exact sum modulo 2^b, for masking.
  init(exact contribution: Contribution, modulusBits: Int) {
    self.init(integers: contribution.exactValues, modulusBits: modulusBits)
  }

  /// A partner's noised sum modulo 2^b, for masking.
  init(noised contribution: NoisedContribution, modulusBits: Int) {
    self.init(
      integers: contribution.residues(bits: modulusBits).map { Int64(bitPattern: $0) }, modulusBits: modulusBits)
  }
}
