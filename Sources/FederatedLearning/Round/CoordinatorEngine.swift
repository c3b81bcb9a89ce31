public import CryptoPrimitives
internal import DifferentialPrivacy
public import Recommender
public import SecureAggregation

/// What the host does for the coordinator's engine, in the order of the list.
public enum CoordinatorAction: Sendable, Equatable {
  case send(CoordinatorMessage, to: ParticipantID)
  /// Call `deadlineExpired(generation)` when the stage has had its time; later generations replace earlier ones.
  case armDeadline(generation: Int, stage: AggregationStage)
  /// The aggregation of this attempt is complete: call `release` now. Separate, because it draws the noise and takes long.
  case release
  /// A release became public.
  case published(PublishedRelease)
  /// An attempt came to nothing; another follows unless `finished` does.
  case attemptAborted(round: Int, attempt: Int, reason: AttemptAbort)
  case finished(RunEnd)
}

/// What one release made public.
public struct PublishedRelease: Sendable, Equatable {
  public let round: Int
  public let attempt: Int
  public let name: String
  public let purpose: PlannedRelease.Purpose
  /// Partners whose inputs are in the sum.
  public let survivors: [ParticipantID]
  /// ε charged so far; `nil` without noise.
  public let epsilonSpent: Double?
  /// For evaluation releases: the noised (1, hit, ndcg) sums; empty for training.
  public let evaluation: [Float]
  /// SHA-256 of the released integers, 8 bytes each, little-endian.
  public let digest: Digest
}

/// Why a run is over.
public enum RunEnd: Sendable, Equatable, CustomStringConvertible {
  /// Every release of the plan happened.
  case completed
  /// The next release would have overspent the cap; it did not happen.
  case budgetExhausted(round: Int)
  /// A round came to nothing as often as the plan allows.
  case tooManyAborts(round: Int, reason: AttemptAbort)
  /// The ledger could not be written; nothing was released after that.
  case ledgerFailed(String)
  case stopped

  public var description: String {
    switch self {
    case .completed: "every release of the plan happened"
    case .budgetExhausted(let round):
      "stopped before release \(round + 1): it would have overspent the privacy budget"
    case .tooManyAborts(let round, let reason): "gave up at release \(round + 1): \(reason)"
    case .ledgerFailed(let sentence): "stopped because the ledger could not be written: \(sentence)"
    case .stopped: "stopped on request"
    }
  }
}

/// The coordinator's side of a training task: opens rounds, lets the aggregator form sums, charges the ledger, draws the
/// noise, folds the noised sum into the model.
///
/// Sans-IO: messages and deadlines in, actions out. The only port is the ledger, because a charge must be durable before
/// the next line of code runs. Nothing un-noised survives in the engine: the aggregate lives inside one call of `release`.
public struct CoordinatorEngine: Sendable {
  public let planFile: PlanFile
  /// The model so far; public to all partners.
  public private(set) var model: ItemModel
  /// Refused messages by reason, and messages that did not fit.
  public private(set) var refusals: [String: Int] = [:]
  public private(set) var end: RunEnd?

  private let plan: TrainingPlan
  private let planHash: Digest
  private let session: SessionID
  private let signingKey: SigningKey
  private let roster: [ParticipantID: VerificationKey]
  private let algorithm: any FederatedAlgorithm
  private let ledger: PrivacyLedger
  private let workers: Int
  private var optimizer: OptimizerState = [:]
  private var round = 0
  private var attempt = 0
  private var generation = 0
  private var current: Attempt?
  /// Exactly one of the two is there during an attempt. Stored flat, so that the running sum is changed in place.
  private var aggregator: AggregatorSession?
  private var plainAggregation: PlainAggregation?

  private struct Attempt {
    let start: RoundStart
    let context: AttemptContext
    var isCharged = false
    /// Whether `.release` was handed to the host: from then on nothing changes the attempt but `release` and `stop`.
    var isClosed = false
    /// Inputs that were accepted into the sum.
    var inputCount = 0
    var refused: Set<ParticipantID> = []
  }

  /// - Throws: `PlanError` when the key is not the plan's, or the algorithm does not fit it.
  public init(
    planFile: PlanFile, signingKey: SigningKey, algorithm: any FederatedAlgorithm, ledger: PrivacyLedger,
    workers: Int = 1
  ) throws(PlanError) {
    let plan = planFile.plan
    guard let session = SessionID(hex: plan.session) else { throw PlanError("the plan was not validated") }
    guard VerificationKey(hex: plan.coordinatorKey) == signingKey.verificationKey else {
      throw PlanError("the plan names another coordinator's key")
    }
    try plan.matches(algorithm)
    self.planFile = planFile
    self.plan = plan
    self.session = session
    self.signingKey = signingKey
    self.algorithm = algorithm
    self.ledger = ledger
    self.workers = workers
    planHash = SHA256.hash(planFile.bytes)
    roster = plan.verificationKeys
    model = algorithm.initialModel(seed: plan.modelSeed)
  }

  /// Opens the next attempt, or finishes.
  public mutating func begin() -> [CoordinatorAction] {
    precondition(current == nil, "an attempt begins after the one before is over")
    guard end == nil else { return [] }
    guard round < plan.releases.count else { return finish(.completed) }
    let release = plan.releases[round]
    guard ledger.allows(release.chargedEvent(plan.privacy), cap: plan.cap) else {
      return finish(.budgetExhausted(round: round))
    }
    let start = makeStart()
    let context = start.context()
    generation += 1
    let messages = plan.roster.map {
      CoordinatorAction.send(.roundStart(start), to: ParticipantID($0.participant))
    }
    guard let parameters = try? plan.parameters(of: release) else {
      preconditionFailure("a validated plan has parameters for every release")
    }
    current = Attempt(start: start, context: context)
    guard plan.aggregation.isSecure else {
      plainAggregation = PlainAggregation(parameters: parameters, context: context)
      return messages + [.armDeadline(generation: generation, stage: .maskedInput)]
    }
    do { aggregator = try AggregatorSession(parameters: parameters, context: context, roster: roster) } catch {
      preconditionFailure("a validated plan has a sound roster: \(error)")
    }
    return messages + [.armDeadline(generation: generation, stage: .advertiseKeys)]
  }

  /// A message from a partner, whose identity the transport has established.
  public mutating func receive(_ message: PartnerMessage, from sender: ParticipantID, time: Int) -> [CoordinatorAction] {
    guard let attempt = current, !attempt.isClosed, end == nil else { return count("message outside of a round") }
    guard roster[sender] != nil else { return count("sender outside of the roster") }
    switch message {
    case .refusal(let refusal):
      guard let start = current?.start, refusal.session == start.session, refusal.round == start.round,
        refusal.attempt == start.attempt, refusal.participant == sender
      else { return count("refusal of another attempt") }
      _ = count("partner refused: \(refusal.reason)")
      if plainAggregation?.survivors.contains(sender) != true { current?.refused.insert(sender) }
      aggregator?.drop(sender)
    case .aggregation(let message):
      guard let receipt = aggregator?.receive(message, from: sender) else { return count("masked message in a plain round") }
      if case .refused(let reason) = receipt { return count(reason.rawValue) }
      if case .maskedInput = message { current?.inputCount += 1 }
    case .plainSum(let sum):
      guard let accepted = plainAggregation?.receive(sum, from: sender) else { return count("plain sum in a secure round") }
      guard accepted else { return count("plain sum that does not fit the attempt") }
      current?.inputCount += 1
    }
    return isStageComplete ? closeStage(time: time) : []
  }

  /// The stage of this generation has had its time; whoever is missing is dropped from the attempt.
  public mutating func deadlineExpired(generation expired: Int, time: Int) -> [CoordinatorAction] {
    guard expired == generation, let current, !current.isClosed, end == nil else { return [] }
    return closeStage(time: time)
  }

  /// Ends the run at a safe point: the attempt under way is aborted, the ledger stays as it is.
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

  /// Opens the sum, draws the noise and folds the result into the model; the answer to `.release`.
  ///
  /// - Parameter random: the operating system's generator, or a stream keyed by it.
  public mutating func release(random: inout some RandomSource, time: Int) -> [CoordinatorAction] {
    guard let attempt = current, attempt.isClosed else { return [] }
    precondition(attempt.isCharged, "a sum is opened after its charge is on disk")
    let release = plan.releases[round]
    let opened: (sum: RingVector, survivors: [ParticipantID])
    if let plain = plainAggregation.take() {
      opened = (plain.sum, plain.survivors)
    } else {
      guard var session = aggregator.take() else { return [] }
      guard case .finish(let result) = session.closeStage(threads: workers) else {
        return abort(.aggregationFailed, time: time)
      }
      opened = (result.sum, result.survivors)
    }
    guard let values = privatize(opened.sum, survivors: opened.survivors.count, release: release, random: &random)
    else { return abort(.tooFewPartners, time: time) }
    let digest = Self.digest(of: values)
    do {
      try ledger.record(
        LedgerOutcome(
          attempt: attempt.context.ledgerAttempt, release: round, result: .released(digest),
          survivors: opened.survivors.count, time: time))
    } catch { return finish(.ledgerFailed("\(error)")) }
    let unit = 1 / release.scale
    let sum = values.map { Float(Double($0) * unit) }
    if release.purpose == .training {
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release.step, sum: sum,
        context: ReleaseContext(
          expectedUsers: release.samplingRate * Double(plan.privacy.nominalUsers),
          noiseDeviation: release.noiseDeviation))
      model.version = round + 1
    }
    let published = PublishedRelease(
      round: round, attempt: self.attempt, name: release.name, purpose: release.purpose, survivors: opened.survivors,
      epsilonSpent: plan.cap.map { ledger.state.recorded.epsilon(delta: $0.delta) },
      evaluation: release.purpose == .evaluation ? sum : [], digest: digest)
    current = nil
    round += 1
    self.attempt = 0
    return [.published(published)] + endMessages(attempt.context, reason: nil) + begin()
  }

  // MARK: - Stages

  private var isStageComplete: Bool {
    if let aggregator { return aggregator.isStageComplete }
    guard let current else { return false }
    return current.inputCount + current.refused.count >= plan.roster.count
  }

  /// Whether some partner may have sent its input and charged its own ledger, be the input here, late or lost.
  private var inputsMayHaveLeft: Bool {
    guard let current else { return false }
    if let stage = aggregator?.stage, stage < .maskedInput { return false }
    return current.inputCount > 0 || current.refused.count < plan.roster.count
  }

  private mutating func closeStage(time: Int) -> [CoordinatorAction] {
    guard let attempt = current else { return [] }
    // Charged once inputs may have left a partner: before the survivor set is fixed, and so before anything is opened.
    if inputsMayHaveLeft, let failure = charge(time: time) { return failure }
    guard let stage = aggregator?.stage else {
      guard attempt.inputCount >= plan.aggregation.minimumSurvivors else { return abort(.tooFewPartners, time: time) }
      return openingActions()
    }
    generation += 1
    if stage == .unmask, aggregator?.canProceed == true { return openingActions() }
    switch aggregator?.closeStage() {
    case .send(let messages)?:
      return messages.map { .send(.aggregation($0.message), to: $0.recipient) }
        + [.armDeadline(generation: generation, stage: aggregator?.stage ?? stage)]
    case .abort(let abort, let recipients)?:
      let reason: AttemptAbort = abort.reason == .dealerLied ? .aggregationFailed : .tooFewPartners
      return recipients.map { .send(.aggregation(.abort(abort)), to: $0) } + self.abort(reason, time: time)
    case .finish?, nil: preconditionFailure("sums are opened by `release` only")
    }
  }

  /// The attempt is closed: a second `.release` would open the sum of the attempt after it.
  private mutating func openingActions() -> [CoordinatorAction] {
    current?.isClosed = true
    return [.release]
  }

  /// - Returns: `nil` when the charge is on disk, else what to do instead of going on.
  private mutating func charge(time: Int) -> [CoordinatorAction]? {
    guard let attempt = current, !attempt.isCharged else { return nil }
    do {
      try ledger.charge(
        ChargeRequest(
          plan, planHash: planHash, context: attempt.context, participants: plan.roster.count,
          survivors: attempt.inputCount, time: time), cap: plan.cap)
    } catch {
      let isAffordable = ledger.allows(plan.releases[round].chargedEvent(plan.privacy), cap: plan.cap)
      return abort(.stopped, time: time, isFinal: true)
        + finish(isAffordable ? .ledgerFailed("\(error)") : .budgetExhausted(round: round))
    }
    current?.isCharged = true
    return nil
  }

  private mutating func abort(_ reason: AttemptAbort, time: Int, isFinal: Bool = false) -> [CoordinatorAction] {
    guard let attempt = current else { return [] }
    current = nil
    aggregator = nil
    plainAggregation = nil
    var actions = endMessages(attempt.context, reason: reason)
    actions.append(.attemptAborted(round: round, attempt: self.attempt, reason: reason))
    if attempt.isCharged {
      do {
        try ledger.record(
          LedgerOutcome(
            attempt: attempt.context.ledgerAttempt, release: round, result: .aborted(reason: "\(reason)"), survivors: nil,
            time: time))
      } catch { return actions + finish(.ledgerFailed("\(error)")) }
    }
    self.attempt += 1
    if isFinal { return actions }
    guard self.attempt < plan.aggregation.maximumAttempts else {
      return actions + finish(.tooManyAborts(round: round, reason: reason))
    }
    return actions + begin()
  }

  private mutating func finish(_ end: RunEnd) -> [CoordinatorAction] {
    guard self.end == nil else { return [] }
    self.end = end
    current = nil
    aggregator = nil
    plainAggregation = nil
    return [.finished(end)]
  }

  private func endMessages(_ context: AttemptContext, reason: AttemptAbort?) -> [CoordinatorAction] {
    plan.roster.map {
      .send(.roundEnd(RoundEnd(context: context, abortReason: reason)), to: ParticipantID($0.participant))
    }
  }

  private mutating func count(_ reason: String) -> [CoordinatorAction] {
    refusals[reason, default: 0] += 1
    return []
  }

  // MARK: - Release

  /// The integers that become public; `nil` when too few partners put noise into the sum.
  private func privatize(
    _ sum: RingVector, survivors: Int, release: PlannedRelease, random: inout some RandomSource
  ) -> [Int64]? {
    guard let noise = release.noise, let event = release.event(plan.privacy) else {
      precondition(plan.privacy.noise == .none, "a plan that claims privacy has noise in every release")
      return sum.centred()
    }
    let bits = release.modulusBits
    if noise.share == nil {
      return PrivatizedSum(adding: noise, to: sum.lanes, bits: bits, event: event, random: &random).values
    }
    return PrivatizedSum(
      noisedByPartners: sum.lanes, bits: bits, noise: noise, contributors: survivors, event: event)?.values
  }

  private static func digest(of values: [Int64]) -> Digest {
    values.withUnsafeBytes { SHA256.hash($0) }
  }

  private func makeStart() -> RoundStart {
    let bytes = ModelBytes.encode(model)
    let head = ledger.head.head
    let signature = signingKey.sign(
      RoundStart.signedBytes(
        session: session, round: UInt32(round), attempt: UInt32(attempt), planHash: planHash,
        modelHash: SHA256.hash(bytes), ledgerSize: head.size, ledgerHead: head.head))
    return RoundStart(
      session: session, round: UInt32(round), attempt: UInt32(attempt), planHash: planHash, model: bytes,
      ledgerSize: head.size, ledgerHead: head.head, signature: signature)
  }
}

extension RingVector {
  /// The entries as residues in `0..<2^b`.
  var lanes: [UInt64] { (0..<count).map { self[$0] } }
}
