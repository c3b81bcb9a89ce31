public import CryptoPrimitives
public import Recommender
public import SecureAggregation

/// The coordinator's side of a training task: opens rounds, lets the aggregator form sums, charges the ledger, draws the
/// noise, folds the noised sum into the model.
///
/// Sans-IO: messages and deadlines in, actions out. The only ports are the ledger and the release journal, because a charge
/// and a noised result must be durable before the next line of code runs. Nothing un-noised survives in the engine: the
/// aggregate lives inside one call of `release`.
///
/// **A host that must survive a crash** keeps the checkpoint, the bytes of the open `RoundStart`, and every event since: each
/// accepted message with sender and time, each expired deadline with generation and time. It applies an event, journals it,
/// and then performs the actions: nothing leaves on the strength of an event that a crash could take back. A new process
/// gives the checkpoint to `init`, the start to `resume`, the events to `receive` and `deadlineExpired`, and gets the same
/// state and the same actions; the ledger and the release journal take the same writes twice. `Protocols/training-round.md`
/// §7.3 says what holds when the crash came between two of these steps. To drain is to call nothing any more; `stop` ends the run.
public struct CoordinatorEngine: Sendable {
  public let planFile: PlanFile
  /// The model so far; public to all partners.
  public internal(set) var model: ItemModel
  /// Refused messages by reason, and what partners refused.
  public private(set) var refusals: [String: Int] = [:]
  /// Who accuses whom in the attempt under way or the last one: a hint for the operator, no proof.
  public internal(set) var accusations: [Accusation] = []
  public internal(set) var end: RunEnd?

  let plan: TrainingPlan
  let planHash: Digest
  /// The plan's cap as this ledger keeps it.
  let spendingCap: SpendingCap?
  let session: SessionID
  let signingKey: SigningKey
  let algorithm: any FederatedAlgorithm
  let ledger: PrivacyLedger
  let releaseJournal: (any ReleaseJournal)?
  let workers: Int
  let roster: [ParticipantID: VerificationKey]
  var optimizer: OptimizerState
  var round: Int
  var attempt: Int
  var generation = 0
  var current: Attempt?
  /// Exactly one of the two is there during an attempt. Stored flat, so that the running sum is changed in place.
  var aggregator: AggregatorSession?
  var plainAggregation: PlainAggregation?

  struct Attempt {
    let start: RoundStart
    let context: AttemptContext
    var isCharged = false
    /// Whether `.release` was handed to the host: from then on nothing changes the attempt but `release` and `stop`.
    var isClosed = false
    /// Inputs that were accepted into the sum.
    var inputCount = 0
    /// Who left by its own word before its input came.
    var refused: Set<ParticipantID> = []
    /// What partners showed of their ledgers when they advertised keys.
    var ledgers: [ParticipantID: LedgerHead] = [:]
    /// Whose refusal was taken: one each.
    var spoken: Set<ParticipantID> = []
  }

  /// - Parameters:
  ///   - ledger: the coordinator's own, of this task.
  ///   - checkpoint: where an earlier process stood between two attempts; by default the plan's beginning.
  ///   - releaseJournal: where noised results are kept; without one, a crash while a release is published cannot be mended.
  ///   - workers: threads for the expansion of masks.
  /// - Throws: `PlanError` when key, algorithm or checkpoint are not the plan's.
  public init(
    planFile: PlanFile, signingKey: SigningKey, algorithm: any FederatedAlgorithm, ledger: PrivacyLedger,
    checkpoint: CoordinatorCheckpoint? = nil, releaseJournal: (any ReleaseJournal)? = nil, workers: Int = 1
  ) throws(PlanError) {
    let plan = planFile.plan
    guard let session = SessionID(hex: plan.session) else { throw PlanError("the plan was not validated") }
    guard VerificationKey(hex: plan.coordinatorKey) == signingKey.verificationKey else {
      throw PlanError("the plan names another coordinator's key")
    }
    try plan.matches(algorithm)
    let checkpoint = checkpoint ?? .initial(plan, algorithm)
    try checkpoint.matches(plan, algorithm)
    self.planFile = planFile
    self.plan = plan
    self.session = session
    self.signingKey = signingKey
    self.algorithm = algorithm
    self.ledger = ledger
    self.releaseJournal = releaseJournal
    self.workers = workers
    planHash = SHA256.hash(planFile.bytes)
    spendingCap = planFile.plan.spendingCap(planHash)
    roster = plan.verificationKeys
    model = checkpoint.model
    optimizer = checkpoint.optimizer
    round = checkpoint.round
    attempt = checkpoint.attempt
    end = checkpoint.end
  }

  /// What a new process needs to go on from here.
  ///
  /// - Precondition: no attempt is under way, and the run did not end by a failed ledger: then the journal of the attempt
  ///   is what the next process needs, and this state must not replace it.
  public var checkpoint: CoordinatorCheckpoint {
    precondition(current == nil, "a checkpoint is the state between two attempts")
    precondition(end?.isResumable != true, "after a failed ledger the attempt is resumed from its journal")
    return CoordinatorCheckpoint(round: round, attempt: attempt, model: model, optimizer: optimizer, end: end)
  }

  /// The start of the attempt under way, which the host journals before it sends it.
  public var openAttempt: RoundStart? { current?.start }

  /// Records of this coordinator's ledger, for a partner that asks how it came to the head of a start.
  public func ledgerContinuation(of records: ClosedRange<UInt64>) -> LedgerContinuation? {
    guard records.lowerBound >= 1 else { return nil }
    return ledger.state.continuation(after: records.lowerBound - 1, upTo: records.upperBound)
  }

  /// What a partner showed of its ledger in the open attempt; a masked input of it proves that the ledger has grown since
  /// (`LedgerHead.afterCharge`).
  public func advertisedLedger(of participant: ParticipantID) -> LedgerHead? { current?.ledgers[participant] }

  /// The open stage; `nil` between attempts, and once the sum is being opened. Found at once, unlike all of `stageProgress`.
  public var openStage: AggregationStage? {
    guard let current, !current.isClosed, end == nil else { return nil }
    return aggregator.map(\.stage) ?? .maskedInput
  }

  /// How the open stage stands; `nil` between attempts, and once the sum is being opened.
  ///
  /// `answered` have done their part, `awaited` may still do it, and with `needed` answers the attempt can go on.
  public var stageProgress: (stage: AggregationStage, generation: Int, answered: Int, awaited: Int, needed: Int)? {
    guard let current, !current.isClosed, end == nil else { return nil }
    if let aggregator, let stage = aggregator.stage {
      return (stage, generation, aggregator.answeredCount, aggregator.awaitedCount, aggregator.needed)
    }
    return (
      .maskedInput, generation, current.inputCount, plan.roster.count - current.inputCount - current.refused.count,
      plan.aggregation.minimumSurvivors
    )
  }

  // MARK: - Events

  /// Opens the next attempt, or finishes.
  public mutating func begin() -> [CoordinatorAction] {
    precondition(current == nil, "an attempt begins after the one before is over")
    guard end == nil else { return [] }
    guard round < plan.releases.count else { return finish(.completed) }
    let release = plan.releases[round]
    if let contradiction = contradictionOfLedger { return finish(.ledgerFailed(contradiction)) }
    // Charged attempts are over, or resumed from their journal. Where the journal is lost, their number is too.
    while ledger.state.charge(nextAttempt, release: round) != nil { attempt += 1 }
    guard attempt < plan.aggregation.maximumAttempts else { return finish(.tooManyAborts(round: round, reason: .stopped)) }
    guard ledger.allows(release.chargedEvent(plan.privacy), of: planHash, cap: spendingCap) else {
      return finish(.budgetExhausted(round: round))
    }
    return open(makeStart())
  }

  /// Opens the attempt of a journalled start again: the same bytes, no new signature, no new ledger head. The host then
  /// feeds the journalled events in their order.
  ///
  /// - Precondition: the start was made by `begin` on this checkpoint.
  public mutating func resume(_ start: RoundStart) -> [CoordinatorAction] {
    precondition(current == nil && end == nil, "an attempt is resumed before anything else happens")
    precondition(
      start.session == session && start.planHash == planHash && Int(start.round) == round && Int(start.attempt) >= attempt
        && start.model == ModelBytes.encode(model)
        && signingKey.verificationKey.verifies(start.signature, of: start.signedBytes),
      "an attempt is resumed from the checkpoint on which it was opened")
    attempt = Int(start.attempt)
    let actions = open(start)
    // A charge that became durable although the event behind it did not: it stands, whatever happens now.
    if let standing = ledger.state.charge(nextAttempt, release: round), standing.charge.binding == current?.context.binding {
      current?.isCharged = true
    }
    return actions
  }

  /// A message from a partner, whose identity the transport has established.
  ///
  /// - Returns: whether the message changed the engine, and so belongs in the host's journal; and what is to be done.
  public mutating func receive(
    _ message: PartnerMessage, from sender: ParticipantID, time: Int
  ) -> (verdict: MessageVerdict, actions: [CoordinatorAction]) {
    if let refusal = take(message, from: sender) {
      refusals[refusal, default: 0] += 1
      return (.refused(refusal), [])
    }
    return (.accepted, isStageComplete ? closeStage(time: time) : [])
  }

  /// The stage of this generation has had its time; whoever is missing is dropped from the attempt.
  ///
  /// A deadline of another generation changes nothing; of the open stage's it is an event, which the host journals.
  public mutating func deadlineExpired(generation expired: Int, time: Int) -> [CoordinatorAction] {
    guard expired == generation, let current, !current.isClosed, end == nil else { return [] }
    return closeStage(time: time)
  }

  /// Closes the open stage before its deadline, when enough have answered: `deadlineExpired` of `stageProgress.generation`,
  /// and journalled as such.
  public mutating func closeStageEarly(time: Int) -> [CoordinatorAction] {
    deadlineExpired(generation: generation, time: time)
  }

  /// Ends the run for good: the attempt under way is aborted, the ledger stays as it is. A process that only makes room for
  /// the next one does not call this.
  public mutating func stop(time: Int) -> [CoordinatorAction] {
    guard end == nil else { return [] }
    var actions: [CoordinatorAction] = []
    if current != nil {
      // Masked inputs that left were charged by their partners, and count here too.
      if inputsMayHaveLeft, let failure = charge(time: time) { return failure }
      actions += abort(.stopped, time: time, isFinal: true)
    }
    return actions + finish(.stopped)
  }

  // MARK: - Messages

  /// - Returns: why the message is not taken, or `nil`.
  private mutating func take(_ message: PartnerMessage, from sender: ParticipantID) -> String? {
    guard let attempt = current, !attempt.isClosed, end == nil else { return CoordinatorRefusal.outsideOfRound.rawValue }
    guard roster[sender] != nil else { return CoordinatorRefusal.outsideOfRoster.rawValue }
    switch message {
    case .refusal(let refusal): return take(refusal, from: sender, start: attempt.start)
    case .plainSum(let sum):
      guard let accepted = plainAggregation?.receive(sum, from: sender) else {
        return CoordinatorRefusal.plainSumInSecureRound.rawValue
      }
      guard accepted else { return CoordinatorRefusal.unfitPlainSum.rawValue }
      current?.inputCount += 1
    case .aggregation(let message):
      guard let receipt = aggregator?.receive(message, from: sender) else {
        return CoordinatorRefusal.maskedMessageInPlainRound.rawValue
      }
      if case .refused(let reason) = receipt {
        // A false share takes its sender out of the attempt: a change, which a replay must make too.
        guard reason == .shareNotCommitted else { return reason.rawValue }
        refusals[reason.rawValue, default: 0] += 1
        return nil
      }
      switch message {
      case .keyAdvertisement(let keys): current?.ledgers[sender] = keys.ledger
      case .maskedInput: current?.inputCount += 1
      case .abort:
        refusals["partner aborted", default: 0] += 1
        current?.refused.insert(sender)
        accusations = aggregator?.accusations ?? []
      default: break
      }
    }
    return nil
  }

  private mutating func take(_ refusal: RoundRefusal, from sender: ParticipantID, start: RoundStart) -> String? {
    guard refusal.session == start.session, refusal.round == start.round, refusal.attempt == start.attempt,
      refusal.participant == sender
    else { return CoordinatorRefusal.refusalOfAnotherAttempt.rawValue }
    guard current?.spoken.insert(sender).inserted == true else { return CoordinatorRefusal.refusedBefore.rawValue }
    refusals["partner refused: \(refusal.reason)", default: 0] += 1
    if plainAggregation?.survivors.contains(sender) != true { current?.refused.insert(sender) }
    aggregator?.drop(sender)
    return nil
  }
}

extension CoordinatorCheckpoint {
  /// - Throws: `PlanError` when the checkpoint is of another plan or algorithm.
  fileprivate func matches(_ plan: TrainingPlan, _ algorithm: any FederatedAlgorithm) throws(PlanError) {
    guard round <= plan.releases.count, attempt <= plan.aggregation.maximumAttempts else {
      throw PlanError(
        "the checkpoint stands at release \(round + 1), attempt \(attempt + 1); the plan has \(plan.releases.count) releases of at most \(plan.aggregation.maximumAttempts) attempts"
      )
    }
    guard model.algorithm == algorithm.name, model.version == plan.modelVersion(before: round) else {
      throw PlanError(
        "the checkpoint holds version \(model.version) of a model of '\(model.algorithm)'; expected version \(plan.modelVersion(before: round)) of '\(algorithm.name)'"
      )
    }
    if let fault = algorithm.fault(in: model) { throw PlanError("the checkpoint's model does not fit the plan: \(fault)") }
  }
}
