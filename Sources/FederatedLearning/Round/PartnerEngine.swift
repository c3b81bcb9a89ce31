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
///
/// Its journal is synced before anything leaves: the mark before each answer, the heads of the coordinator's and the peers'
/// ledgers before the answer that follows from them. No secret of an attempt is ever stored: after a crash the partner is a
/// dropout of that attempt, refuses whatever is not above its mark, and takes part in the next one.
public struct PartnerEngine: ~Copyable {
  public let planFile: PlanFile
  public let participant: ParticipantID
  /// How many refusals of which kind this partner has spoken.
  public internal(set) var refusals: [PartnerRefusal: Int] = [:]
  /// What secure aggregation refused, by reason.
  public private(set) var aggregationRefusals: [ClientRefusalReason: Int] = [:]

  /// Messages of other attempts and messages that came again, which are dropped.
  public private(set) var strayMessages = 0
  /// While it is set, new attempts are refused as `paused`; the attempt under way goes on.
  public var isPaused = false
  /// The newest signed release that this partner has seen.
  public internal(set) var newestRelease: ModelRelease?

  let planHash: Digest
  let session: SessionID
  let coordinatorKey: VerificationKey
  private let roster: [ParticipantID: VerificationKey]
  private let signingKey: SigningKey
  private var shard: PartnerShard
  /// What the data have become since `shard` was read; the next round begins with it.
  private var newShard: PartnerShard?
  /// The round that `shard` was taken for; every attempt of a round has the same data.
  private var shardRound: UInt32?
  let algorithm: any FederatedAlgorithm
  private let workers: Int
  let ledger: PrivacyLedger
  /// What this partner lets its data set spend, over all plans.
  private var cap: SpendingCap?
  /// The plan's own cap, on its own charges.
  private let planCap: SpendingCap?
  /// By their hashes: the plan and those before it that this data set may have been charged under.
  private let plans: [Digest: TrainingPlan]
  let journal: any PartnerJournal
  /// Other ledgers of the same people; `nil` where there are none.
  private let linked: (any LinkedLedgers)?
  /// How far this partner has come; it never answers an attempt at or below it again.
  var highWaterMark: AttemptMark?
  /// The least ledger of the coordinator that this partner goes on with (`PartnerJournal.coordinatorHead`).
  var coordinatorLedger: LedgerHead?
  /// The coordinator's ledger at the newest start that this partner took (`PartnerJournal.shownHead`).
  var shownLedger: LedgerHead?
  /// The least ledgers of the peers that this partner goes on with (`PartnerJournal.peerHeads`).
  var peerLedgers: [ParticipantID: LedgerHead]
  /// What evaluation releases said, by round, as it is kept.
  var evaluations: [UInt32: EvaluationDocument]
  var attempt: Attempt?
  var aggregation: ClientSession?

  struct Attempt {
    let start: RoundStart
    let context: AttemptContext
    let release: PlannedRelease
    let model: ItemModel
    /// Coins of sampling, rounding and noise; of one key with the session's own secrets.
    var coins: KeyedRandomSource
    /// Whether `train` was asked for and has not run: a charge is made for a masked input that can leave, or not at all.
    var awaitsTraining = false
    /// What secure aggregation has taken; a message that comes again changes nothing.
    var handled: [ServerMessage] = []
  }

  /// - Parameters:
  ///   - planFile: the plan that this partner accepted.
  ///   - ledger: this partner's own ledger, over all plans and tasks that touched its data set.
  ///   - cap: the most that this partner lets its data set spend, over all plans; by default the plan's cap. The plan's
  ///     cap holds for the plan's own charges in any case.
  ///   - firstCap: under which the ledger's first charges were made, where that was another one (`SpendingCap`).
  ///   - earlierPlans: by their hashes, the plans that the ledger may hold charges of.
  ///   - journal: the partner's durable memory; by default one that forgets with the process, for simulations.
  ///   - linked: other ledgers that count users of this shard; the cap counts their charges too.
  ///   - allowsUnmaskedSums: whether plans without secure aggregation are accepted; for simulations only.
  ///   - workers: threads for local training.
  /// - Throws: `PlanError` when the plan does not name this partner or does not fit the shard or the algorithm, or the
  ///   journal cannot be read.
  public init(
    planFile: PlanFile, participant: ParticipantID, signingKey: SigningKey, shard: PartnerShard,
    algorithm: any FederatedAlgorithm, ledger: PrivacyLedger, cap: PrivacyBudget? = nil, firstCap: PrivacyBudget? = nil,
    earlierPlans: [Digest: TrainingPlan] = [:], journal: (any PartnerJournal)? = nil, linked: (any LinkedLedgers)? = nil,
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
    let journal = journal ?? PartnerMemory()
    let memory: PartnerRecollection
    do { memory = try PartnerRecollection(of: session, in: journal) } catch {
      throw PlanError("this partner's journal cannot be read: \(error)")
    }
    self.planFile = planFile
    self.participant = participant
    self.signingKey = signingKey
    self.shard = shard
    self.algorithm = algorithm
    self.workers = workers
    self.ledger = ledger
    self.session = session
    coordinatorKey = key
    planHash = SHA256.hash(planFile.bytes)
    let plans = earlierPlans.merging([planHash: plan]) { $1 }
    self.plans = plans
    self.cap = (cap ?? plan.cap).map { SpendingCap($0, first: firstCap, plans: plans) }
    planCap = plan.spendingCap(planHash)
    roster = plan.verificationKeys
    self.journal = journal
    self.linked = linked
    // Two witnesses of what was answered before a crash: the ledger holds what was charged, the journal everything.
    let charged = ledger.state.charges.map(\.charge.attempt).filter { $0.session == session }
      .map { AttemptMark(round: UInt32(clamping: $0.round), attempt: UInt32(clamping: $0.attempt), stage: 3) }.max()
    highWaterMark = [charged, memory.mark].compactMap { $0 }.max()
    coordinatorLedger = memory.coordinatorHead
    shownLedger = memory.shownHead
    peerLedgers = memory.peerHeads
    newestRelease = memory.release
    evaluations = memory.evaluations
  }

  /// A message from the coordinator.
  ///
  /// - Parameters:
  ///   - continuation: with a start, the coordinator's records that `missingRecords(for:)` asks for; without them it is refused.
  ///   - time: seconds since 1970, for the ledger entry that an attempt's end may write.
  public mutating func receive(
    _ message: CoordinatorMessage, continuation: LedgerContinuation? = nil, random: inout some RandomSource, time: Int
  ) -> [PartnerAction] {
    switch message {
    case .roundStart(let start): return begin(start, continuation, random: &random)
    case .aggregation(let message): return receive(message)
    case .roundEnd(let end): return close(end, time: time)
    }
  }

  private mutating func receive(_ message: ServerMessage) -> [PartnerAction] {
    // What belongs to another attempt came late, what was handled came twice; neither must end the attempt under way.
    guard let attempt, message.belongs(to: attempt.context), !attempt.handled.contains(message) else {
      strayMessages += 1
      return []
    }
    guard let action = aggregation?.receive(message) else { return refuse(.unexpectedMessage) }
    if case .refuse = action { return follow(action) }
    self.attempt?.handled.append(message)
    // Only what the session has found signed is believed: in a drawn graph that is this partner's holders. Its answer is
    // still here.
    if case .advertisementList(let list) = message {
      let verified = aggregation?.verifiedAdvertisers ?? []
      if let refusal = remember(list.advertisements.filter { verified.contains($0.participant) }) { return refusal }
    }
    if case .consistencySignatures(let signatures) = message, let refusal = witness(signatures) { return refusal }
    return follow(action)
  }

  /// Trains on the shard and prepares the masked input; the answer to `.train`.
  ///
  /// - Parameter time: seconds since 1970 for the ledger entry.
  public mutating func train(time: Int) -> [PartnerAction] {
    guard let attempt, attempt.awaitsTraining else { return [] }
    self.attempt?.awaitsTraining = false
    var coins = attempt.coins
    let plan = planFile.plan
    let release = attempt.release
    let pipeline = UpdatePipeline(
      release: release, shard: shard, task: task(for: release, model: attempt.model, round: attempt.start.round),
      round: Int(attempt.start.round))
    let bits = release.modulusBits
    let input: RingVector
    if let encoding = release.encoding, let noise = release.noise {
      let contribution = pipeline.clippedSum(encoding, random: &coins, workers: workers)
      if let share = noise.share {
        input = RingVector(noised: contribution.noised(with: share, random: &coins), modulusBits: bits)
      } else {
        input = RingVector(exact: contribution, modulusBits: bits)
      }
    } else {
      guard let sum = pipeline.exactSum(limit: release.exactLimit(users: maximumUsers)) else {
        return refuse(.sumOutOfRange)
      }
      input = sum
    }
    if let refusal = Self.holding(linked, { charge(attempt, elsewhere: $0, time: time) }) { return refuse(refusal) }
    // The coordinator charges before it goes on from here. One whose ledger is not longer at the next start was set back.
    guard expect(LedgerHead(size: attempt.start.ledgerSize + 1, head: .zero)) else { return refuse(.journalUnavailable) }
    if plan.aggregation.isSecure {
      guard let action = aggregation?.submit(input, threads: workers) else { return refuse(.unexpectedMessage) }
      return follow(action)
    }
    let sum = PlainSum(context: attempt.context, participant: participant, packed: input.packed())
    return [.send(.plainSum(sum))]
  }

  private mutating func begin(
    _ start: RoundStart, _ continuation: LedgerContinuation?, random: inout some RandomSource
  ) -> [PartnerAction] {
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
      guard (start.round, start.attempt) > (mark.round, mark.attempt) else { return decline(start, .staleAttempt) }
    }
    let ledgerHead = LedgerHead(size: start.ledgerSize, head: start.ledgerHead)
    guard goesOn(with: ledgerHead), isReached(ledgerHead, by: continuation) else {
      return decline(start, .coordinatorLedgerRolledBack)
    }
    guard !isPaused else { return decline(start, .paused) }
    guard advance(to: AttemptMark(round: start.round, attempt: start.attempt, stage: 0)) else {
      return decline(start, .journalUnavailable)
    }
    attempt = nil
    aggregation = nil
    adoptShard(for: start.round)
    guard expect(ledgerHead), show(ledgerHead) else { return refuse(.journalUnavailable, start) }
    guard let model = try? ModelBytes.decode(start.model), model.algorithm == algorithm.name,
      model.version == plan.modelVersion(before: Int(start.round)), algorithm.fault(in: model) == nil
    else { return refuse(.malformedModel, start) }
    guard isExpected(SHA256.hash(start.model), version: UInt32(model.version)) else { return refuse(.wrongModel, start) }
    let release = plan.releases[Int(start.round)]
    // Where privacy is claimed, nothing may hang on the number of users: a refusal would tell that the cap is passed, and
    // one user more would take all the others of this partner out of the sum. There the cap is the ring's alone, and a sum
    // that wraps is still private.
    guard release.encoding != nil || shard.userCount <= maximumUsers else { return refuse(.tooManyUsers, start) }
    if let refusal = Self.holding(linked, { allows(release, elsewhere: $0) ? nil : .budgetExhausted }) {
      return refuse(refusal, start)
    }
    let context = start.context()
    // One key for all that is drawn in an attempt. A machine whose memory was copied with the masks in it has the same coins
    // too, and sends the same bytes as its copy: never two inputs under one mask (decision 0010).
    var root = KeyedRandomSource(key: random.bytes(32))
    let source = KeyedRandomSource(key: root.bytes(32))
    attempt = Attempt(
      start: start, context: context, release: release, model: model, coins: KeyedRandomSource(key: root.bytes(32)))
    guard plan.aggregation.isSecure else {
      attempt?.awaitsTraining = true
      return [.train]
    }
    guard let parameters = try? plan.parameters(of: release) else { return refuse(.wrongPlan, start) }
    let head = ledger.head.head
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
    case .send(let message), .sendLast(let message):
      guard advance(to: message.stage) else { return refuse(.journalUnavailable) }
      return [.send(.aggregation(message))]
    case .awaitInput:
      attempt?.awaitsTraining = true
      return [.train]
    case .aborted:
      attempt = nil
      aggregation = nil
      return []
    case .refuse(let refusal):
      aggregationRefusals[refusal.reason, default: 0] += 1
      guard let context = attempt?.context, !refusal.suspects.isEmpty else { return refuse(.aggregationRefused) }
      _ = refuse(.aggregationRefused)
      return [.send(.aggregation(.abort(refusal.abort(in: context))))]
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

  /// Brings what the partner's data have become; used from the next round on.
  ///
  /// An attempt under way keeps its data, and so do further attempts of its round: two sums of one round differ by who took part
  /// and by noise, never by what somebody did meanwhile. Within an attempt data must not change at all (decision 0010: two inputs
  /// under one mask).
  ///
  /// - Precondition: the shard speaks of the plan's catalogue, and no history holds an item twice.
  public mutating func setShard(_ shard: PartnerShard) {
    precondition(
      shard.interactions.itemCount == self.shard.interactions.itemCount && shard.hasDistinctHistories,
      "the new shard speaks of the plan's catalogue, in distinct items")
    newShard = shard
  }

  private mutating func adoptShard(for round: UInt32) {
    defer { shardRound = round }
    guard let newShard, round != shardRound else { return }
    shard = newShard
    self.newShard = nil
  }

  /// Sets what this partner lets its data set spend, over all plans; holds from the next charge on.
  ///
  /// - Parameters:
  ///   - cap: the plan's cap when `nil`.
  ///   - first: under which the ledger's first charges were made, where that was another one.
  public mutating func setCap(_ cap: PrivacyBudget?, first: PrivacyBudget?) {
    self.cap = (cap ?? planFile.plan.cap).map { SpendingCap($0, first: first, plans: plans) }
  }

  /// Whether one more attempt stays within what this partner allows, and within the plan's cap on the plan's own charges:
  /// a partner with a larger budget of its own still holds the coordinator to the plan.
  private func allows(_ release: PlannedRelease, elsewhere: ChargedElsewhere) -> Bool {
    let event = release.chargedEvent(planFile.plan.privacy)
    return ledger.allows(event, of: planHash, cap: cap?.knowing(elsewhere.plans), elsewhere: elsewhere.ledgers)
      && ledger.allows(event, under: planHash, cap: planCap)
  }

  /// Charges an attempt whose masked input is ready.
  ///
  /// - Returns: why it was not charged.
  private mutating func charge(_ attempt: Attempt, elsewhere: ChargedElsewhere, time: Int) -> PartnerRefusal? {
    guard allows(attempt.release, elsewhere: elsewhere) else { return .budgetExhausted }
    guard advance(to: .maskedInput) else { return .journalUnavailable }
    let request = ChargeRequest(
      planFile.plan, planHash: planHash, context: attempt.context, participants: planFile.plan.roster.count, survivors: nil,
      time: time)
    // The point of no return: when `charge` returns, the entry is on disk, and only then the masked input leaves.
    do {
      try ledger.charge(request, cap: cap?.knowing(elsewhere.plans), elsewhere: elsewhere.ledgers)
    } catch { return .ledgerUnavailable }
    return nil
  }

  /// Judges or charges while no linked ledger is charged by anybody else.
  private static func holding(
    _ linked: (any LinkedLedgers)?, _ body: (ChargedElsewhere) -> PartnerRefusal?
  ) -> PartnerRefusal? {
    guard let linked else { return body(.nothing) }
    do { return try linked.holding(body) } catch { return .ledgerUnavailable }
  }

  /// Refuses a round start and leaves the attempt under way as it is.
  private mutating func decline(_ start: RoundStart, _ reason: PartnerRefusal) -> [PartnerAction] {
    refusals[reason, default: 0] += 1
    return [.send(.refusal(refusal(of: start, reason)))]
  }

  /// The same for the end of an attempt.
  mutating func decline(_ context: AttemptContext, _ reason: PartnerRefusal) -> [PartnerAction] {
    refusals[reason, default: 0] += 1
    let refusal = RoundRefusal(
      session: context.session, round: context.round, attempt: context.attempt, participant: participant, reason: reason)
    return [.send(.refusal(refusal))]
  }

  private func refusal(of start: RoundStart, _ reason: PartnerRefusal) -> RoundRefusal {
    RoundRefusal(
      session: start.session, round: start.round, attempt: start.attempt, participant: participant, reason: reason)
  }

  mutating func refuse(_ reason: PartnerRefusal, _ start: RoundStart? = nil) -> [PartnerAction] {
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
