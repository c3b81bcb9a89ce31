internal import CryptoPrimitives
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import WireProtocol

/// The engines of four partners and their coordinator, fed with the messages of an honest run in any order, changed at will; a start may
/// be changed and signed again, as a coordinator that lies would.
///
/// Input: a byte for the world (without or with noise), then a `FuzzOperation` for each step.
struct EngineFuzzing {
  private static let worlds = [EngineFuzzing(.none), EngineFuzzing(.central)]

  static var toPartner: [CoordinatorMessage] { worlds.flatMap(\.down) }
  static var toCoordinator: [PartnerMessage] { worlds.flatMap { $0.up.map(\.message) } }

  private static let coordinatorKey = Seeds.key(99)
  private static let roster = (UInt8(1)...4).map { ParticipantID(UInt32($0)) }

  private let plan: PlanFile
  private let algorithm: any FederatedAlgorithm
  /// What participant 1 was sent, and what every partner said, in an honest run and in one that partner 4 leaves.
  private var down: [CoordinatorMessage] = []
  private var up: [(message: PartnerMessage, sender: ParticipantID)] = []

  private init(_ noise: NoiseMode) {
    do {
      var decisions = PlanDecisions(task: "t", algorithm: "popularity", nominalUsers: 10)
      decisions.noise = noise
      // What it made public is in the last message of a round.
      decisions.evaluationShare = noise == .none ? 0 : 0.2
      decisions.usesInsecureTestRandomness = true
      let entries = Self.roster.map { participant in
        RosterEntry(
          participant: participant.rawValue, name: "p\(participant)",
          verificationKey: Seeds.key(UInt8(participant.rawValue)).verificationKey.hex, maximumUsers: 10)
      }
      guard let session = SessionID(bytes: [UInt8](repeating: 7, count: 16)) else { fatalError("a session has 16 bytes") }
      (plan, algorithm) = try PlanFactory.plan(
        decisions, catalogue: Catalogue(itemIDs: ["a", "b", "c"]), roster: entries,
        coordinatorKey: Self.coordinatorKey.verificationKey.hex, session: session)
      for leaves in [false, true] { try record(leaves: leaves) }
    } catch { fatalError("the world of the engines does not stand: \(error)") }
  }

  private func ledger(_ kind: LedgerHeader.Kind, _ key: SigningKey) throws -> PrivacyLedger {
    let header = try PrivacyLedger.headerLine(kind: kind, holder: "h", dataset: "d", created: 0, key: key)
    return try PrivacyLedger(content: header, journal: LedgerMemory(header), key: key)
  }

  private func coordinator(_ ledger: PrivacyLedger) throws -> CoordinatorEngine {
    try CoordinatorEngine(planFile: plan, signingKey: Self.coordinatorKey, algorithm: algorithm, ledger: ledger)
  }

  /// A partner with two users.
  private func partner(_ participant: ParticipantID, _ ledger: PrivacyLedger) throws -> PartnerEngine {
    try PartnerEngine(
      planFile: plan, participant: participant, signingKey: Seeds.key(UInt8(participant.rawValue)),
      shard: PartnerShard(interactions: Interactions(itemCount: 3, histories: [[0, 2], [Int32(participant.rawValue % 3)]])),
      algorithm: algorithm, ledger: ledger)
  }

  /// Plays a run and keeps what was said.
  private mutating func record(leaves: Bool) throws {
    final class Seat {
      var engine: PartnerEngine
      var random: KeyedRandomSource
      init(_ engine: consuming PartnerEngine, _ seed: UInt64) {
        self.engine = engine
        random = KeyedRandomSource(insecureSeed: seed)
      }
    }
    var seats: [ParticipantID: Seat] = [:]
    for participant in Self.roster {
      let ledger = try ledger(.partner, Seeds.key(UInt8(participant.rawValue)))
      seats[participant] = Seat(try partner(participant, ledger), UInt64(participant.rawValue))
    }
    var server = try coordinator(try ledger(.coordinator, Self.coordinatorKey))
    var random = KeyedRandomSource(insecureSeed: 50)
    var (pending, generation) = (server.begin(), 0)
    for _ in 0..<400 where server.end == nil {
      if pending.isEmpty { pending = server.deadlineExpired(generation: generation, time: 9) }
      guard !pending.isEmpty else { return }
      switch pending.removeFirst() {
      case .send(let message, let recipient):
        if recipient.rawValue == 1 { down.append(message) }
        guard let seat = seats[recipient] else { continue }
        var actions = seat.engine.receive(message, random: &seat.random, time: 6)
        while !actions.isEmpty {
          switch actions.removeFirst() {
          case .train: actions += seat.engine.train(time: 7)
          case .send(let answer):
            if leaves, recipient.rawValue == 4, case .aggregation(.maskedInput) = answer { continue }
            up.append((answer, recipient))
            pending += server.receive(answer, from: recipient, time: 8).actions
          }
        }
      case .armDeadline(let number, _): generation = number
      case .release: pending += server.release(random: &random, time: 9)
      case .readyForNext: pending += server.begin()
      case .published, .attemptAborted, .finished: break
      }
    }
  }

  static func play(partner bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    do { try worlds[Int(first & 1)].playPartner(FuzzOperation.all(in: bytes)) } catch { fatalError("\(error)") }
  }

  static func play(coordinator bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    do { try worlds[Int(first & 1)].playCoordinator(FuzzOperation.all(in: bytes)) } catch { fatalError("\(error)") }
  }

  /// Partner 1: whatever it is told, every masked input was charged before, and no attempt is answered twice.
  private func playPartner(_ operations: [FuzzOperation]) throws {
    let ledger = try ledger(.partner, Seeds.key(1))
    var engine = try partner(ParticipantID(1), ledger)
    var random = KeyedRandomSource(insecureSeed: 1)
    var (inputs, awaitsTraining) = (0, false)
    var answered: Set<SHA256Key> = []
    for operation in operations {
      var actions: [PartnerAction]
      switch operation.what & 3 {
      case 0: actions = engine.receive(down[operation.message % down.count], random: &random, time: 6)
      case 1, 2:
        let wire = operation.changed(WireCodec.encode(down[operation.message % down.count]))
        guard var message = try? WireCodec.decodeCoordinatorMessage(wire) else { continue }
        if operation.what & 0x40 != 0, case .roundStart(let start) = message { message = .roundStart(Self.signed(start)) }
        actions = engine.receive(message, random: &random, time: 6)
      default: actions = engine.train(time: 7)
      }
      while !actions.isEmpty {
        switch actions.removeFirst() {
        case .train:
          awaitsTraining = true
          if operation.what & 0x20 == 0 { actions += engine.train(time: 7) }
        case .send(.aggregation(.maskedInput)):
          inputs += 1
          hold(awaitsTraining, "an input is trained for")
          hold(ledger.state.charges.count >= inputs, "a masked input is charged before it leaves")
        case .send(.plainSum): fatalError("broken: no sum leaves without masks under a plan with secure aggregation")
        case .send(.aggregation(.unmaskResponse(let response))):
          hold(answered.insert(SHA256Key(response.context)).inserted, "an attempt is answered once")
        case .send: break
        }
      }
    }
  }

  private struct SHA256Key: Hashable {
    let round: UInt32
    let attempt: UInt32
    init(_ context: AttemptContext) { (round, attempt) = (context.round, context.attempt) }
  }

  /// The start with the coordinator's signature on whatever it says.
  private static func signed(_ start: RoundStart) -> RoundStart {
    let bytes = RoundStart.signedBytes(
      session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash,
      modelHash: SHA256.hash(start.model), ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead)
    return RoundStart(
      session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash, model: start.model,
      ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead, signature: coordinatorKey.sign(bytes))
  }

  /// The coordinator: whatever it is told, what it publishes is over enough partners, and charged.
  private func playCoordinator(_ operations: [FuzzOperation]) throws {
    let ledger = try ledger(.coordinator, Self.coordinatorKey)
    var engine = try coordinator(ledger)
    var random = KeyedRandomSource(insecureSeed: 50)
    var (generation, published) = (0, 0)
    func perform(_ actions: [CoordinatorAction]) {
      var actions = actions
      while !actions.isEmpty {
        switch actions.removeFirst() {
        case .armDeadline(let number, _): generation = number
        case .release: actions += engine.release(random: &random, time: 9)
        case .readyForNext: actions += engine.begin()
        case .published(let release):
          published += 1
          hold(release.survivors.count >= plan.plan.aggregation.minimumSurvivors, "no release over too few")
          hold(ledger.state.charges.count >= published, "a release was charged")
        case .send, .attemptAborted, .finished: break
        }
      }
    }
    perform(engine.begin())
    for operation in operations where engine.end == nil {
      let sent = up[operation.message % up.count]
      switch operation.what & 7 {
      case 0, 1, 2: perform(engine.receive(sent.message, from: sent.sender, time: 8).actions)
      case 3: perform(engine.receive(sent.message, from: ParticipantID(operation.sender % 6), time: 8).actions)
      case 4, 5, 6:
        guard let message = try? WireCodec.decodePartnerMessage(operation.changed(WireCodec.encode(sent.message))) else {
          continue
        }
        perform(engine.receive(message, from: sent.sender, time: 8).actions)
      default: perform(engine.deadlineExpired(generation: operation.change < 200 ? generation : operation.count, time: 9))
      }
    }
  }

  /// The honest runs as operations.
  static func seeds(isPartner: Bool) -> [[UInt8]] {
    worlds.enumerated().map { index, world in
      let count = isPartner ? world.down.count : world.up.count
      return [UInt8(index)] + (0..<min(count, 40)).flatMap { [0, UInt8($0), 0, 0, 0, 0, 0, 0] as [UInt8] }
    }
  }
}
