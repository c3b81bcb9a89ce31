public import CryptoPrimitives

/// The server's side of one attempt: client messages in, per-participant messages out, no clock, no socket.
///
/// The host feeds messages with the identity of the connection that each came over, tells of participants that are gone
/// (`drop`), and closes a stage (`closeStage`) when nobody is awaited any more or when its deadline has passed. A closed
/// stage takes nothing: a vector that arrives after the survivor set was made is refused.
///
/// A copyable value: the host may keep it, or rebuild it after a crash by feeding the journalled messages again, in
/// order. It holds one vector, the running sum, and no participant's input on its own.
///
/// | stage | takes | `closeStage` needs | then sends |
/// | --- | --- | --- | --- |
/// | advertise keys | `KeyAdvertisement` | max(t, n_min) | `AdvertisementList` |
/// | share keys | `KeyShares` | max(t, n_min) | `ShareDelivery` |
/// | masked input | `MaskedInput` | max(t, n_min) | `SurvivorSet` |
/// | consistency check | `ConsistencySignature` | t | `ConsistencySignatures` |
/// | unmask | `UnmaskResponse` | t | nothing; the sum |
public struct AggregatorSession: Sendable {
  private enum Stage: Sendable {
    case advertiseKeys(AggregatorAdvertiseKeys)
    case shareKeys(AggregatorShareKeys)
    case maskedInput(AggregatorMaskedInput)
    case consistencyCheck(AggregatorConsistencyCheck)
    case unmask(AggregatorUnmask)
    /// The attempt has ended, with a sum or without.
    case over
  }

  private var state: Stage
  private let setting: AggregatorSetting
  // Who has left, or was found lying: nothing is taken from them or sent to them.
  private var gone: Set<ParticipantID> = []
  // Who is still to answer the open stage. Kept, for counting it anew with every message takes ten thousand participants seconds.
  private var open: Set<ParticipantID>

  /// How often a message was refused, by reason.
  public private(set) var refusals: [AggregatorRefusal: Int] = [:]
  /// Who accuses whom, from the aborts of clients: a hint for the operator, no proof. In order of arrival.
  public private(set) var accusations: [Accusation] = []

  /// - Parameters:
  ///   - parameters: from the plan.
  ///   - context: which attempt.
  ///   - roster: the enrolled identities of all participants of the plan.
  /// - Throws: `AggregationParameterError` when the roster is not the plan's.
  public init(
    parameters: AggregationParameters, context: AttemptContext, roster: [ParticipantID: VerificationKey]
  ) throws(AggregationParameterError) {
    try parameters.check(roster: roster)
    setting = AggregatorSetting(parameters: parameters, context: context, roster: roster)
    state = .advertiseKeys(AggregatorAdvertiseKeys())
    open = Set(parameters.participants)
  }

  /// The open stage; `nil` when the attempt is over.
  public var stage: AggregationStage? {
    switch state {
    case .advertiseKeys: .advertiseKeys
    case .shareKeys: .shareKeys
    case .maskedInput: .maskedInput
    case .consistencyCheck: .consistencyCheck
    case .unmask: .unmask
    case .over: nil
    }
  }

  /// Who has not yet answered the open stage and has not left, ascending.
  public var awaited: [ParticipantID] { open.sorted() }

  /// How many they are.
  public var awaitedCount: Int { open.count }

  /// Whether nobody is awaited: waiting longer changes nothing.
  public var isStageComplete: Bool { stage != nil && open.isEmpty }

  /// Whether enough have answered for `closeStage` to go on instead of aborting.
  ///
  /// In a drawn graph numbers do not say all: of every contributor at least t holders must be among those that answered.
  public var canProceed: Bool {
    guard stage != nil, answeredCount >= leastAnswers else { return false }
    let threshold = setting.parameters.threshold
    switch state {
    case .advertiseKeys, .over: return true
    case .shareKeys(let stage): return setting.parameters.graph == .complete || stage.contributors(setting).count >= leastAnswers
    case .maskedInput(let stage):
      return setting.parameters.graph == .complete || stage.graph.isCovered(by: stage.received, threshold: threshold)
    case .consistencyCheck(let stage):
      return stage.inputs.graph.isCovered(by: Set(stage.signatures.keys), threshold: threshold)
    case .unmask(let stage):
      return stage.inputs.graph.isCovered(by: Set(stage.responses.keys), threshold: threshold)
    }
  }

  /// How many have answered the open stage, and how many answers `closeStage` needs to go on; 0 when the attempt is over.
  public var answeredCount: Int {
    switch state {
    case .advertiseKeys(let stage): stage.advertisements.count
    case .shareKeys(let stage): stage.deals.count
    case .maskedInput(let stage): stage.received.count
    case .consistencyCheck(let stage): stage.signatures.count
    case .unmask(let stage): stage.responses.count
    case .over: 0
    }
  }
  public var needed: Int {
    guard setting.parameters.graph != .complete, stage != nil else { return leastAnswers }
    // Numbers do not say all: as long as somebody's holders are too few, at least one answer more is needed.
    let least = max(leastAnswers, setting.parameters.fewestContributors)
    return answeredCount >= least && !canProceed ? answeredCount + 1 : least
  }

  /// Below this number the stage is not closed but the attempt aborted.
  private var leastAnswers: Int {
    switch state {
    case .advertiseKeys, .shareKeys, .maskedInput: setting.parameters.fewestContributors
    case .consistencyCheck, .unmask: setting.parameters.threshold
    case .over: 0
    }
  }

  /// Whose inputs are in the sum (U3), ascending; `nil` before that is settled and after the end.
  public var survivors: [ParticipantID]? {
    switch state {
    case .consistencyCheck(let stage): stage.survivors
    case .unmask(let stage): stage.survivors
    default: nil
    }
  }

  /// What at least t survivors signed about who is in the sum, and their signatures, ascending; `nil` before they did and after the end.
  public var survivorEvidence: (statement: [UInt8], signatures: [ConsistencySignatures.Entry])? {
    guard case .unmask(let stage) = state else { return nil }
    let set = SurvivorSet(context: setting.context, survivors: stage.survivors)
    return (
      set.signedBytes(suite: setting.parameters.suite, transcript: stage.inputs.transcript), stage.signatures.entries
    )
  }

  /// A message that came over `sender`'s authenticated connection.
  public mutating func receive(_ message: ClientMessage, from sender: ParticipantID) -> Receipt {
    if let refusal = take(message, from: sender) {
      refusals[refusal, default: 0] += 1
      return .refused(refusal)
    }
    open.remove(sender)
    return .accepted
  }

  /// `participant` has left: it is not waited for, and what it sends later is refused. What it has sent already in the
  /// open stage still counts, except that a participant that leaves before the shares are handed out is left out.
  public mutating func drop(_ participant: ParticipantID) {
    leave(participant)
    switch state {
    case .advertiseKeys(var stage):
      state = .over
      stage.advertisements[participant] = nil
      state = .advertiseKeys(stage)
    case .shareKeys(var stage):
      state = .over
      stage.deals[participant] = nil
      state = .shareKeys(stage)
    default: break
    }
  }

  private mutating func leave(_ participant: ParticipantID) {
    gone.insert(participant)
    open.remove(participant)
  }

  /// Ends the open stage and begins the next one; aborts when too few have answered.
  ///
  /// - Parameter threads: on how many threads masks are expanded when the last stage closes.
  public mutating func closeStage(threads: Int = 1) -> AggregatorAction {
    let closing = state
    precondition(stage != nil, "an attempt that is over has no stage to close")
    guard canProceed else { return abort(.tooFewParticipants, suspects: suspects) }
    state = .over
    defer { open = Set(expected).subtracting(gone) }
    switch closing {
    case .advertiseKeys(let stage):
      let next = stage.close(setting)
      state = .shareKeys(next)
      return .send(next.messages(except: gone))
    case .shareKeys(let stage):
      let next = stage.close(setting)
      state = .maskedInput(next)
      return .send(stage.deliveries(setting, next.graph, except: gone))
    case .maskedInput(let stage):
      let next = stage.close(setting)
      state = .consistencyCheck(next)
      return .send(next.messages(except: gone))
    case .consistencyCheck(let stage):
      let next = stage.close(setting)
      state = .unmask(next)
      return .send(next.messages(except: gone))
    case .unmask(let stage):
      switch stage.close(setting, threads: threads) {
      case .success(let sum): return .finish(sum)
      case .failure(let lie): return abort(.dealerLied, suspects: lie.dealers)
      }
    case .over: preconditionFailure("an attempt that is over has no stage to close")
    }
  }

  /// Ends the attempt by the host's decision.
  public mutating func stop() -> AggregatorAction {
    precondition(stage != nil, "an attempt that is over cannot be stopped")
    return abort(.stopped, suspects: [])
  }

  private mutating func abort(_ reason: AbortReason, suspects: [ParticipantID]) -> AggregatorAction {
    state = .over
    open = []
    let abort = Abort(context: setting.context, reason: reason, suspects: suspects)
    return .abort(abort, recipients: setting.parameters.participants.filter { !gone.contains($0) })
  }

  private mutating func take(_ message: ClientMessage, from sender: ParticipantID) -> AggregatorRefusal? {
    guard let current = stage else { return .attemptOver }
    guard setting.parameters.contains(sender) else { return .notEnrolled }
    guard message.context == setting.context else { return .wrongContext }
    if case .abort(let abort) = message {
      guard !gone.contains(sender) else { return .notExpected }
      accusations.append(Accusation(accuser: sender, accused: abort.suspects))
      drop(sender)
      return nil
    }
    guard message.participant == sender else { return .wrongSender }
    if let stage = message.stage, stage != current { return stage < current ? .stageClosed : .stageNotOpen }
    guard !gone.contains(sender), isExpected(sender) else { return .notExpected }
    guard !hasAnswered(sender) else { return .duplicate }

    // The state is taken out while it changes, so that its vector is not copied.
    let taken = state
    state = .over
    switch consume taken {
    case .advertiseKeys(var stage):
      guard case .keyAdvertisement(let message) = message else { Self.wrongStage() }
      defer { state = .advertiseKeys(stage) }
      return stage.take(message, setting)
    case .shareKeys(var stage):
      guard case .keyShares(let message) = message else { Self.wrongStage() }
      defer { state = .shareKeys(stage) }
      return stage.take(message, setting)
    case .maskedInput(var stage):
      guard case .maskedInput(let message) = message else { Self.wrongStage() }
      defer { state = .maskedInput(stage) }
      return stage.take(message)
    case .consistencyCheck(var stage):
      guard case .consistencySignature(let message) = message else { Self.wrongStage() }
      defer { state = .consistencyCheck(stage) }
      return stage.take(message, setting)
    case .unmask(var stage):
      guard case .unmaskResponse(let message) = message else { Self.wrongStage() }
      defer { state = .unmask(stage) }
      let refusal = stage.take(message, setting)
      if refusal == .shareNotCommitted { leave(message.participant) }
      return refusal
    case .over: Self.wrongStage()
    }
  }

  private static func wrongStage() -> Never {
    preconditionFailure("a message's stage was compared with the open one")
  }

  private var expected: [ParticipantID] {
    switch state {
    case .advertiseKeys: setting.parameters.participants
    case .shareKeys(let stage): stage.advertisers
    case .maskedInput(let stage): stage.contributors
    case .consistencyCheck(let stage): stage.survivors
    case .unmask(let stage): stage.signers
    case .over: []
    }
  }

  /// Whether a participant of the plan takes part in the open stage.
  private func isExpected(_ participant: ParticipantID) -> Bool {
    switch state {
    case .advertiseKeys: true
    case .shareKeys(let stage): stage.advertised(participant)
    case .maskedInput(let stage): stage.advertisements[participant] != nil
    case .consistencyCheck(let stage): stage.inputs.received.contains(participant)
    case .unmask(let stage): stage.hasSigned(participant)
    case .over: false
    }
  }

  private func hasAnswered(_ participant: ParticipantID) -> Bool {
    switch state {
    case .advertiseKeys(let stage): stage.advertisements[participant] != nil
    case .shareKeys(let stage): stage.deals[participant] != nil
    case .maskedInput(let stage): stage.received.contains(participant)
    case .consistencyCheck(let stage): stage.signatures[participant] != nil
    case .unmask(let stage): stage.responses[participant] != nil
    case .over: false
    }
  }

  private var suspects: [ParticipantID] {
    if case .unmask(let stage) = state { return stage.liars.sorted() }
    return []
  }
}

/// One client's abort that names others.
public struct Accusation: Hashable, Sendable {
  public let accuser: ParticipantID
  public let accused: [ParticipantID]
}

/// What stays the same through all stages of the aggregator.
struct AggregatorSetting: Sendable {
  let parameters: AggregationParameters
  let context: AttemptContext
  let roster: [ParticipantID: VerificationKey]

  var keys: KeyDerivation { KeyDerivation(suite: parameters.suite, context: context) }

  /// Whether `participant`'s enrolled identity signed `message`.
  func verifies(_ signature: Signature, of message: [UInt8], by participant: ParticipantID) -> Bool {
    roster[participant]?.verifies(signature, of: message) ?? false
  }

  /// The share point of a participant that is known to be in the plan.
  func point(of participant: ParticipantID) -> UInt64 {
    guard let point = parameters.sharePoint(of: participant) else {
      preconditionFailure("participant \(participant) is not in the plan")
    }
    return point
  }
}

extension ClientMessage {
  var context: AttemptContext {
    switch self {
    case .keyAdvertisement(let message): message.context
    case .keyShares(let message): message.context
    case .maskedInput(let message): message.context
    case .consistencySignature(let message): message.context
    case .unmaskResponse(let message): message.context
    case .abort(let message): message.context
    }
  }

  /// Whom the message claims to be from; `nil` for an abort, which names nobody.
  var participant: ParticipantID? {
    switch self {
    case .keyAdvertisement(let message): message.participant
    case .keyShares(let message): message.dealer
    case .maskedInput(let message): message.participant
    case .consistencySignature(let message): message.participant
    case .unmaskResponse(let message): message.participant
    case .abort: nil
    }
  }
}
