internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Simulation
internal import WireProtocol

/// A federation whose processes die and come back: the coordinator as the network's host runs it (apply, journal, act),
/// partners that repeat a message until it was taken, a wire of bytes.
final class CrashingFederation {
  /// One partner: what stands on its disk, and its process while it runs.
  final class Partner {
    let participant: ParticipantID
    let journal: MachineJournal
    let ledgerFile: MachineLedger
    var engine: PartnerEngine
    var random: any RandomSource
    /// How often its process was started.
    var starts = 1
    var refusals: [PartnerRefusal: Int] = [:]

    init(
      participant: ParticipantID, journal: MachineJournal, ledgerFile: MachineLedger, engine: consuming PartnerEngine,
      random: any RandomSource
    ) {
      self.participant = participant
      self.journal = journal
      self.ledgerFile = ledgerFile
      self.engine = engine
      self.random = random
    }
  }

  let tiny: TinyFederation
  let planFile: PlanFile
  let disk = CoordinatorDisk()
  let ledgerFile: MachineLedger
  private(set) var partners: [ParticipantID: Partner] = [:]
  private(set) var engine: CoordinatorEngine
  private(set) var starts = 1
  private var outbox: [(to: ParticipantID, bytes: [UInt8])] = []
  /// What partners repeat until the coordinator has answered.
  private var inbox: [(from: ParticipantID, message: PartnerMessage)] = []
  private(set) var published: [PublishedRelease] = []
  private(set) var aborted: [AttemptAbort] = []
  private(set) var sent: [(from: ParticipantID, message: PartnerMessage)] = []
  /// Whether a partner's message reaches the coordinator at all.
  var passes: (ParticipantID, PartnerMessage) -> Bool = { _, _ in true }
  /// Whether what was on its way when the coordinator died is lost.
  var losesMessages = false
  /// Called when a coordinator's process has died, before the next one starts.
  var afterCrash: (CrashingFederation) -> Void = { _ in }
  /// Whether each process draws its noise from another seed.
  var drawsAnew = false

  init(_ tiny: TinyFederation) throws {
    self.tiny = tiny
    planFile = try tiny.planFile()
    func ledger(_ kind: LedgerHeader.Kind, _ letter: Int, on machine: Machine) throws -> (PrivacyLedger, MachineLedger) {
      let header = try PrivacyLedger.headerLine(
        kind: kind, holder: "h", dataset: "d", created: 0, key: TinyFederation.key(letter))
      let file = MachineLedger(machine, header: header)
      return (try PrivacyLedger(content: header, journal: file, key: TinyFederation.key(letter)), file)
    }
    let (coordinatorLedger, file) = try ledger(.coordinator, 99, on: disk.machine)
    ledgerFile = file
    engine = try CoordinatorEngine(
      planFile: planFile, signingKey: TinyFederation.key(99), algorithm: tiny.algorithm, ledger: coordinatorLedger,
      releaseJournal: disk)
    for index in 0..<tiny.partners {
      let machine = Machine()
      let (partnerLedger, file) = try ledger(.partner, index + 1, on: machine)
      let journal = MachineJournal(machine)
      let participant = ParticipantID(UInt32(index + 1))
      partners[participant] = Partner(
        participant: participant, journal: journal, ledgerFile: file,
        engine: try partnerEngine(participant, ledger: partnerLedger, journal: journal),
        random: KeyedRandomSource(insecureSeed: UInt64(index + 1)))
    }
  }

  private func partnerEngine(
    _ participant: ParticipantID, ledger: PrivacyLedger, journal: MachineJournal
  ) throws -> PartnerEngine {
    let index = Int(participant.rawValue) - 1
    return try PartnerEngine(
      planFile: planFile, participant: participant, signingKey: TinyFederation.key(index + 1), shard: tiny.shard(index),
      algorithm: tiny.algorithm, ledger: ledger, journal: journal, allowsUnmaskedSums: true)
  }

  subscript(_ participant: UInt32) -> Partner {
    guard let partner = partners[ParticipantID(participant)] else { preconditionFailure("no partner \(participant)") }
    return partner
  }

  // MARK: - The coordinator's host

  /// A new process on what the disk holds.
  func restartCoordinator() throws {
    disk.machine.start()
    starts += 1
    if losesMessages { outbox.removeAll() }
    let content = disk.content
    let ledger = try PrivacyLedger(content: ledgerFile.bytes, journal: ledgerFile, key: TinyFederation.key(99))
    engine = try CoordinatorEngine(
      planFile: planFile, signingKey: TinyFederation.key(99), algorithm: tiny.algorithm, ledger: ledger,
      checkpoint: try content.checkpoint.map { try CoordinatorCheckpoint(decoding: $0) }, releaseJournal: disk)
    outbox += content.closing
    guard let bytes = content.start else { return begin() }
    guard case .roundStart(let start) = try WireCodec.decodeCoordinatorMessage(bytes) else {
      preconditionFailure("a round start was journalled")
    }
    var actions = engine.resume(start)
    for event in content.events {
      switch event {
      case .message(let bytes, let sender):
        let (verdict, next) = engine.receive(try WireCodec.decodePartnerMessage(bytes), from: sender, time: 9)
        precondition(verdict == .accepted, "an accepted message is accepted again, found \(verdict)")
        actions += next
      case .deadline(let generation): actions += engine.deadlineExpired(generation: generation, time: 9)
      }
    }
    follow(actions)
  }

  private func begin() {
    let actions = engine.begin()
    if let start = engine.openAttempt {
      let bytes = WireCodec.encode(.roundStart(start))
      guard
        (try? disk.change {
          $0.start = bytes
          $0.events = []
        }) != nil
      else { return }
    }
    perform(actions)
  }

  private func apply(_ event: CoordinatorDisk.Event, _ actions: [CoordinatorAction]) {
    guard (try? disk.change { $0.events.append(event) }) != nil else { return }
    follow(actions)
  }

  /// Keeps the state after an attempt before anybody hears of its end.
  private func follow(_ actions: [CoordinatorAction]) {
    if engine.openAttempt == nil, engine.end?.isResumable != true {
      let checkpoint = engine.checkpoint.encoded()
      let closing = actions.compactMap { action -> (to: ParticipantID, bytes: [UInt8])? in
        guard case .send(let message, let recipient) = action else { return nil }
        return (recipient, WireCodec.encode(message))
      }
      guard (try? disk.change { $0 = CoordinatorDisk.Content(checkpoint: checkpoint, closing: closing) }) != nil else { return }
    }
    perform(actions)
  }

  private func perform(_ actions: [CoordinatorAction]) {
    for action in actions {
      guard !disk.machine.isDown else { return }
      switch action {
      case .send(let message, let recipient): outbox.append((recipient, WireCodec.encode(message)))
      case .armDeadline: break
      case .release:
        // The same noise for the same round, so that runs can be compared; or another in each process.
        let round = UInt64(engine.openAttempt?.round ?? 0)
        var random = KeyedRandomSource(insecureSeed: round + (drawsAnew ? UInt64(1000 * starts) : 100))
        follow(engine.release(random: &random, time: 9))
      case .published(let release): published.append(release)
      case .attemptAborted(_, _, let reason): aborted.append(reason)
      case .readyForNext: begin()
      case .finished: break
      }
    }
  }

  // MARK: - Partners

  /// A new process on what this partner's disk holds; what it had not sent is gone.
  func restart(_ partner: Partner) throws {
    partner.journal.machine.start()
    partner.starts += 1
    for (reason, count) in partner.engine.refusals { partner.refusals[reason, default: 0] += count }
    inbox.removeAll { $0.from == partner.participant }
    let key = TinyFederation.key(Int(partner.participant.rawValue))
    partner.engine = try partnerEngine(
      partner.participant,
      ledger: try PrivacyLedger(content: partner.ledgerFile.bytes, journal: partner.ledgerFile, key: key),
      journal: partner.journal)
    partner.random = KeyedRandomSource(insecureSeed: UInt64(partner.participant.rawValue) + 1000 * UInt64(partner.starts))
    // A fresh process asks for the open attempt from its beginning.
    if let start = engine.openAttempt { outbox.append((partner.participant, WireCodec.encode(.roundStart(start)))) }
  }

  private func perform(_ actions: [PartnerAction], by partner: Partner) {
    for action in actions {
      guard !partner.journal.machine.isDown else { return }
      switch action {
      case .train: perform(partner.engine.train(time: 5), by: partner)
      case .send(let message):
        sent.append((partner.participant, message))
        if passes(partner.participant, message) { inbox.append((partner.participant, message)) }
      }
    }
  }

  // MARK: - Time

  /// Plays until the run is over.
  ///
  /// - Parameter steps: more than any run here takes; a run that is caught in a circle ends there.
  func run(steps: Int = 5000) throws {
    begin()
    for _ in 0..<steps {
      if disk.machine.isDown {
        afterCrash(self)
        try restartCoordinator()
      } else if let down = partners.values.first(where: { $0.journal.machine.isDown }) {
        try restart(down)
      } else if !outbox.isEmpty {
        let (participant, bytes) = outbox.removeFirst()
        guard let partner = partners[participant] else { continue }
        let message = try WireCodec.decodeCoordinatorMessage(bytes)
        var continuation: LedgerContinuation?
        if case .roundStart(let start) = message, let missing = partner.engine.missingRecords(for: start) {
          continuation = engine.ledgerContinuation(of: missing)
        }
        perform(partner.engine.receive(message, continuation: continuation, random: &partner.random, time: 6), by: partner)
      } else if engine.end != nil {
        return
      } else if let (sender, message) = inbox.first {
        let (verdict, actions) = engine.receive(message, from: sender, time: 9)
        if verdict == .accepted { apply(.message(WireCodec.encode(message), from: sender), actions) }
        // Whoever got no answer asks again.
        if !disk.machine.isDown { inbox.removeFirst() }
      } else if let progress = engine.stageProgress {
        apply(.deadline(generation: progress.generation), engine.deadlineExpired(generation: progress.generation, time: 9))
      } else {
        return
      }
    }
  }

  /// Loses what a partner repeats.
  func forget(from participant: ParticipantID) { inbox.removeAll { $0.from == participant } }
  /// A partner sends something again.
  func repeats(_ message: PartnerMessage, from participant: ParticipantID) { inbox.append((participant, message)) }
  var oldestMessage: (from: ParticipantID, message: PartnerMessage)? { inbox.first }

  // MARK: - What is left

  var releaseCount: Int { planFile.plan.releases.count }

  var coordinatorLedger: LedgerState {
    get throws {
      let verification = LedgerVerifier(key: TinyFederation.key(99).verificationKey).verify(ledgerFile.bytes)
      guard verification.isSound, let state = verification.state else { preconditionFailure("\(verification.findings)") }
      return state
    }
  }

  func ledger(of participant: UInt32) -> LedgerState {
    let file = self[participant].ledgerFile
    let verification = LedgerVerifier(key: TinyFederation.key(Int(participant)).verificationKey).verify(file.bytes)
    guard verification.isSound, let state = verification.state else { preconditionFailure("\(verification.findings)") }
    return state
  }

  /// Masked inputs by partner and attempt.
  var maskedInputs: [String: Int] {
    var counts: [String: Int] = [:]
    for case (let sender, .aggregation(.maskedInput(let input))) in sent {
      counts["\(sender) \(input.context.round) \(input.context.attempt)", default: 0] += 1
    }
    return counts
  }
}
