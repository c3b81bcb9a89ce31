public import CryptoPrimitives

/// All parties of one attempt played in one process, message by message, by the sessions that production uses.
///
/// For benchmarks, simulations and tests. Keys come from a seed, so that a rehearsal repeats byte for byte; it protects
/// nobody.
public struct AggregationRehearsal: Sendable {
  public let parameters: AggregationParameters
  public let context: AttemptContext
  /// On how many threads masks are expanded.
  public var threads = 1
  /// The seed that all keys are drawn from.
  public let seed: UInt64
  /// The enrolled identities.
  public let identities: [ParticipantID: SigningKey]

  /// Whose turn it is; a benchmark reads its clock when the turn changes.
  public enum Role: Hashable, Sendable {
    case client(ParticipantID)
    case server
    /// Nobody's: an input is made.
    case host
  }

  /// How the attempt ended and what was refused on the way.
  public struct Report: Sendable {
    /// `finish` or `abort`.
    public let ending: AggregatorAction
    /// Clients that closed their session, and why.
    public let clientRefusals: [ParticipantID: ClientRefusal]
    /// Messages that the server refused, by reason.
    public let serverRefusals: [AggregatorRefusal: Int]

    /// The sum, when there is one.
    public var sum: AggregateSum? {
      if case .finish(let sum) = ending { sum } else { nil }
    }

    /// The abort, when there is no sum.
    public var abort: Abort? {
      if case .abort(let abort, _) = ending { abort } else { nil }
    }
  }

  /// What lies between the parties: may change, swallow, repeat or add messages. The default carries them faithfully.
  package struct Network {
    /// From a client's message to what reaches the server, with the connection that it comes over.
    package var toServer: (ClientMessage, ParticipantID) -> [(ClientMessage, ParticipantID)] = { [($0, $1)] }
    /// From a server's message to what reaches the clients.
    package var toClient: (OutgoingMessage) -> [OutgoingMessage] = { [$0] }
    /// Called when all messages of a stage have arrived and before it is closed.
    package var beforeClosing: (inout AggregatorSession) -> Void = { _ in }

    package init() {}
  }

  /// - Parameter seed: identities, keys, seeds and salts come from it.
  public init(parameters: AggregationParameters, seed: UInt64, round: UInt32 = 0, attempt: UInt32 = 0) {
    self.parameters = parameters
    self.seed = seed
    let label = "rehearsal \(seed)"
    guard let session = SessionID(bytes: Array(SHA256.hash(Array(label.utf8)).bytes.prefix(16))) else {
      preconditionFailure("a session has 16 bytes")
    }
    context = AttemptContext(
      session: session, round: round, attempt: attempt, binding: SHA256.hash(Array("plan of \(label)".utf8)))
    identities = Dictionary(
      uniqueKeysWithValues: parameters.participants.map { participant in
        (participant, SigningKey(seed: Self.secret("identity", seed, participant)))
      })
  }

  /// The public halves of the identities.
  public var roster: [ParticipantID: VerificationKey] { identities.mapValues(\.verificationKey) }

  /// A client's session as the rehearsal makes it.
  public func client(_ participant: ParticipantID) throws(AggregationParameterError) -> ClientSession {
    try client(participant, roster: roster)
  }

  /// - Parameter roster: `roster`, made once for many clients.
  package func client(
    _ participant: ParticipantID, roster: [ParticipantID: VerificationKey]
  ) throws(AggregationParameterError) -> ClientSession {
    guard let identity = identities[participant] else {
      throw AggregationParameterError(
        "Participant \(participant) is not in the plan's roster; expected one of \(parameters.participants).")
    }
    return try ClientSession(
      parameters: parameters, context: context, participant: participant, signingKey: identity,
      roster: roster,
      ledger: .empty, random: randomSource(of: participant))
  }

  /// Where a client's keys come from.
  package func randomSource(of participant: ParticipantID) -> KeyedRandomSource {
    Self.secret("keys \(context.round) \(context.attempt)", seed, participant).withUnsafeBytes {
      KeyedRandomSource(key: Array($0))
    }
  }

  /// Plays the attempt.
  ///
  /// - Parameters:
  ///   - inputs: one vector for each participant that comes as far as the masked input.
  ///   - silentFrom: the first stage that a participant does not answer any more.
  ///   - onTurn: called whenever another party begins to work.
  public func run(
    inputs: [ParticipantID: RingVector], silentFrom: [ParticipantID: AggregationStage] = [:],
    onTurn: (Role) -> Void = { _ in }
  ) throws(AggregationParameterError) -> Report {
    try run(inputs: inputs, silentFrom: silentFrom, network: Network(), onTurn: onTurn)
  }

  /// Plays the attempt over a network that may misbehave.
  package func run(
    inputs: [ParticipantID: RingVector], silentFrom: [ParticipantID: AggregationStage] = [:],
    network: Network,
    onTurn: (Role) -> Void = { _ in }
  ) throws(AggregationParameterError) -> Report {
    try run(input: { inputs[$0] }, silentFrom: silentFrom, network: network, onTurn: onTurn)
  }

  /// Plays the attempt with inputs that are made when they are due, so that they need not all be there at once.
  ///
  /// - Parameter input: asked once for each participant that comes as far as the masked input.
  public func run(
    input: (ParticipantID) -> RingVector?, silentFrom: [ParticipantID: AggregationStage] = [:],
    onTurn: (Role) -> Void = { _ in }
  ) throws(AggregationParameterError) -> Report {
    try run(input: input, silentFrom: silentFrom, network: Network(), onTurn: onTurn)
  }

  package func run(
    input: (ParticipantID) -> RingVector?, silentFrom: [ParticipantID: AggregationStage] = [:],
    network: Network, onTurn: (Role) -> Void = { _ in }
  ) throws(AggregationParameterError) -> Report {
    let roster = roster
    var seats: [ParticipantID: Seat] = [:]
    for participant in parameters.participants where silentFrom[participant] != .advertiseKeys {
      seats[participant] = Seat(try client(participant, roster: roster))
    }
    var server = try AggregatorSession(parameters: parameters, context: context, roster: roster)
    var refusals: [ParticipantID: ClientRefusal] = [:]
    for participant in parameters.participants {
      guard let seat = seats[participant] else { continue }
      play(
        seat, of: participant, silentFrom[participant], network, &server, &refusals, input, onTurn
      ) { $0.advertise() }
    }
    while true {
      onTurn(.server)
      network.beforeClosing(&server)
      let action = server.closeStage(threads: threads)
      guard case .send(let messages) = action else {
        return Report(ending: action, clientRefusals: refusals, serverRefusals: server.refusals)
      }
      for outgoing in messages {
        for delivered in network.toClient(outgoing) {
          guard let seat = seats[delivered.recipient] else { continue }
          play(
            seat, of: delivered.recipient, silentFrom[delivered.recipient], network, &server, &refusals,
            input, onTurn
          ) { $0.receive(delivered.message) }
        }
      }
    }
  }

  // A noncopyable session in a place that a dictionary can hold.
  private final class Seat {
    var session: ClientSession
    var isSilent = false

    init(_ session: consuming ClientSession) { self.session = session }
  }

  private func play(
    _ seat: Seat, of participant: ParticipantID, _ silentFrom: AggregationStage?, _ network: Network,
    _ server: inout AggregatorSession, _ refusals: inout [ParticipantID: ClientRefusal],
    _ input: (ParticipantID) -> RingVector?, _ onTurn: (Role) -> Void,
    _ event: (inout ClientSession) -> ClientAction
  ) {
    if seat.isSilent { return }
    onTurn(.client(participant))
    var action = event(&seat.session)
    if case .awaitInput = action {
      if silentFrom == .maskedInput {
        seat.isSilent = true
        return
      }
      onTurn(.host)
      guard let input = input(participant) else {
        preconditionFailure("participant \(participant) has no input to rehearse with")
      }
      onTurn(.client(participant))
      action = seat.session.submit(input, threads: threads)
    }
    let message: ClientMessage
    switch action {
    case .send(let next), .sendLast(let next): message = next
    case .refuse(let refusal):
      refusals[participant] = refusals[participant] ?? refusal
      message = .abort(refusal.abort(in: context))
    case .awaitInput, .aborted: return
    }
    if let stage = message.stage, let silentFrom, stage >= silentFrom {
      seat.isSilent = true
      return
    }
    onTurn(.server)
    for (arriving, connection) in network.toServer(message, participant) {
      _ = server.receive(arriving, from: connection)
    }
  }

  private static func secret(_ purpose: String, _ seed: UInt64, _ participant: ParticipantID) -> SecretBytes {
    SecretBytes(copying: SHA256.hash(Array("rehearsal \(purpose) \(seed) \(participant)".utf8)).bytes)
  }
}
