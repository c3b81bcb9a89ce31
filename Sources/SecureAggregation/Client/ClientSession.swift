public import CryptoPrimitives

/// A participant's side of one attempt: events in, actions out, no clock, no socket.
///
/// The session goes through the five stages once. It is noncopyable and every transition consumes the stage before, so
/// that a mask cannot be used twice and a client cannot reveal both shares of one peer. It never trusts the server to
/// be polite: the default answer to a message is a refusal, every refusal closes the session, and a closed session has
/// wiped its secrets and answers nothing.
///
/// ```
/// advertise() ─▶ advertisementList ─▶ shareDelivery ─▶ submit(_:) ─▶ survivorSet ─▶ consistencySignatures ─▶ closed
/// ```
///
/// | stage | event | answer |
/// | --- | --- | --- |
/// | ready | `advertise()` | `send(keyAdvertisement)` |
/// | awaiting advertisements | `advertisementList` | `send(keyShares)` |
/// | awaiting shares | `shareDelivery` | `awaitInput` |
/// | awaiting input | `submit(_:)` | `send(maskedInput)` |
/// | awaiting survivors | `survivorSet` | `send(consistencySignature)` |
/// | awaiting signatures | `consistencySignatures` | `sendLast(unmaskResponse)` |
/// | any | `abort` of this attempt | `aborted` |
/// | any | anything else | `refuse` |
public struct ClientSession: ~Copyable {
  private enum Stage: ~Copyable {
    /// Nothing has been drawn yet.
    case ready(ClientReady)
    /// Keys are advertised; peers' keys are to come.
    case awaitingAdvertisements(ClientAwaitingAdvertisements)
    /// Shares are dealt; peers' shares are to come.
    case awaitingShares(ClientAwaitingShares)
    /// All shares checked; the host's input is to come.
    case awaitingInput(ClientAwaitingInput)
    /// The masked input is out; the survivor set is to come.
    case awaitingSurvivors(ClientAwaitingSurvivors)
    /// The survivor set is signed; the others' signatures are to come.
    case awaitingSignatures(ClientAwaitingSignatures)
  }

  // nil: closed.
  private var stage: Stage?
  /// What this client signed about who is in the sum; `nil` before it did.
  public private(set) var survivorStatement: [UInt8]?
  /// Whose advertisement of this attempt this client has found signed: everybody's in the complete graph, its own and its
  /// holders' in a drawn one. Empty before the list has come.
  public private(set) var verifiedAdvertisers: Set<ParticipantID> = []
  private let context: AttemptContext

  /// - Parameters:
  ///   - parameters: from the plan.
  ///   - context: which attempt; its binding is the plan hash that this participant computed itself.
  ///   - signingKey: this participant's enrolled identity.
  ///   - roster: the enrolled identities of all participants of the plan.
  ///   - ledger: size and head of this participant's own privacy ledger.
  ///   - random: keys, seeds, coefficients and salts are drawn from it, in the order of the specification.
  /// - Throws: `AggregationParameterError` when the roster is not the plan's or does not hold this identity.
  public init(
    parameters: AggregationParameters, context: AttemptContext, participant: ParticipantID,
    signingKey: SigningKey,
    roster: [ParticipantID: VerificationKey], ledger: LedgerHead, random: any RandomSource
  ) throws(AggregationParameterError) {
    let setting = try ClientSetting(
      parameters: parameters, context: context, participant: participant, signingKey: signingKey,
      roster: roster)
    self.context = context
    stage = .ready(ClientReady(setting: setting, ledger: ledger, random: random))
  }

  /// Whether the session has ended; its secrets are wiped.
  public var isClosed: Bool {
    switch stage {
    case .none: true
    case .some: false
    }
  }

  /// Begins the attempt. The host has synced its high-water mark before.
  public mutating func advertise() -> ClientAction {
    switch stage.take() {
    case .none: return .refuse(ClientRefusal(.sessionClosed))
    case .ready(let state):
      let step = state.advertise()
      stage = .awaitingAdvertisements(step.next)
      return step.action
    default: return .refuse(ClientRefusal(.unexpectedMessage))
    }
  }

  /// A message of the server.
  public mutating func receive(_ message: ServerMessage) -> ClientAction {
    let current = stage.take()
    do throws(ClientRefusal) {
      return try proceed(from: current, with: message)
    } catch {
      return .refuse(error)
    }
  }

  /// Masks `input` and hands it over. The host has synced its ledger entry before: from here on the input may be in
  /// the sum, whatever the server says later.
  ///
  /// - Parameters:
  ///   - input: as many entries and bits as the plan says; consumed, and masked in place.
  ///   - threads: on how many threads masks are expanded.
  public mutating func submit(_ input: consuming RingVector, threads: Int = 1) -> ClientAction {
    switch stage.take() {
    case .none: return .refuse(ClientRefusal(.sessionClosed))
    case .awaitingInput(let state):
      let step = state.submit(input, threads: threads)
      stage = .awaitingSurvivors(step.next)
      return step.action
    default: return .refuse(ClientRefusal(.unexpectedMessage))
    }
  }

  /// Leaves the attempt; secrets are wiped.
  public mutating func close() { stage = nil }

  private mutating func proceed(from current: consuming Stage?, with message: ServerMessage)
    throws(ClientRefusal)
    -> ClientAction
  {
    guard let current else { throw ClientRefusal(.sessionClosed) }
    if case .abort(let abort) = message {
      guard abort.context == context else { throw ClientRefusal(.wrongContext) }
      return .aborted(abort)
    }
    switch consume current {
    case .awaitingAdvertisements(let state):
      guard case .advertisementList(let list) = message else { throw ClientRefusal(.unexpectedMessage) }
      let step = try state.receive(list)
      verifiedAdvertisers = Set(step.next.holders.ids)
      stage = .awaitingShares(step.next)
      return step.action
    case .awaitingShares(let state):
      guard case .shareDelivery(let delivery) = message else { throw ClientRefusal(.unexpectedMessage) }
      let step = try state.receive(delivery)
      stage = .awaitingInput(step.next)
      return step.action
    case .awaitingSurvivors(let state):
      guard case .survivorSet(let survivors) = message else { throw ClientRefusal(.unexpectedMessage) }
      let step = try state.receive(survivors)
      survivorStatement = step.next.signedBytes
      stage = .awaitingSignatures(step.next)
      return step.action
    case .awaitingSignatures(let state):
      guard case .consistencySignatures(let signatures) = message else {
        throw ClientRefusal(.unexpectedMessage)
      }
      return .sendLast(.unmaskResponse(try state.receive(signatures)))
    default:
      throw ClientRefusal(.unexpectedMessage)
    }
  }
}

/// A stage's answer and the stage after it.
struct ClientStep<Next: ~Copyable>: ~Copyable {
  let next: Next
  let action: ClientAction
}

/// What stays the same through all stages of a client.
struct ClientSetting {
  let parameters: AggregationParameters
  let context: AttemptContext
  let participant: ParticipantID
  let signingKey: SigningKey
  let roster: [ParticipantID: VerificationKey]
  /// Where this client's shares of everybody's secrets are taken.
  let point: UInt64

  var keys: KeyDerivation { KeyDerivation(suite: parameters.suite, context: context) }

  init(
    parameters: AggregationParameters, context: AttemptContext, participant: ParticipantID,
    signingKey: SigningKey,
    roster: [ParticipantID: VerificationKey]
  ) throws(AggregationParameterError) {
    try parameters.check(roster: roster)
    guard let point = parameters.sharePoint(of: participant) else {
      throw .init(
        "Participant \(participant) is not in the plan's roster; expected one of \(parameters.participants).")
    }
    guard roster[participant] == signingKey.verificationKey else {
      throw .init(
        "The signing key is not the one enrolled for participant \(participant); use the key registered at enrolment."
      )
    }
    self.parameters = parameters
    self.context = context
    self.participant = participant
    self.signingKey = signingKey
    self.roster = roster
    self.point = point
  }

  /// The identity enrolled for a participant of the plan.
  func identity(of participant: ParticipantID) throws(ClientRefusal) -> VerificationKey {
    guard let key = roster[participant] else {
      throw ClientRefusal(.unknownParticipant, suspects: [participant])
    }
    return key
  }

  /// An advertisement must be signed by its participant's enrolled identity.
  func checkSignature(of advertisement: KeyAdvertisement) throws(ClientRefusal) {
    let sender = advertisement.participant
    guard try identity(of: sender).verifies(advertisement.signature, of: advertisement.signedBytes) else {
      throw ClientRefusal(.badAdvertisementSignature, suspects: [sender])
    }
  }

  func checkContext(_ context: AttemptContext) throws(ClientRefusal) {
    guard context == self.context else { throw ClientRefusal(.wrongContext) }
  }

  /// Lists are strictly ascending, so that nobody is listed twice and every list has one encoding.
  func checkAscending(_ participants: some Sequence<ParticipantID>) throws(ClientRefusal) {
    var previous: ParticipantID?
    for participant in participants {
      if let previous, previous >= participant { throw ClientRefusal(.notAscending) }
      previous = participant
    }
  }
}

extension AggregationParameters {
  /// The roster's identities must be the plan's participants, no more and no fewer, and no two the same.
  func check(roster: [ParticipantID: VerificationKey]) throws(AggregationParameterError) {
    guard roster.count == participants.count, participants.allSatisfy({ roster[$0] != nil }) else {
      throw .init(
        "The roster names identities for \(roster.keys.sorted()); expected exactly the plan's \(participants)."
      )
    }
    guard Set(roster.values).count == roster.count else {
      throw .init("Two participants of the roster have the same identity; enrol each with a key of its own.")
    }
  }
}
