internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations
internal import Recommender
internal import SecureAggregation
internal import TaskDatabase
internal import Transport
internal import WireProtocol

/// A whole message of a partner, as the transport received it.
struct ReceivedMessage: Sendable {
  enum Content: Sendable {
    case bytes([UInt8])
    /// A whole file of the spool.
    case file(String)
  }

  let participant: UInt32
  let key: UploadKey
  let digest: Digest
  let content: Content
}

/// What a runner is made of.
struct RoundParts {
  let store: CoordinatorStore
  let lease: Lease
  let spool: UploadSpool
  let plan: PlanRecord
  let signingKey: SigningKey
  let algorithm: any FederatedAlgorithm
  let ledger: PrivacyLedger
  let policy: RoundPolicy
  let monitor: RoundMonitor
  let logger: Logger
  var workers = 1
  /// Where noise comes from.
  var random: any RandomSource = SystemRandomSource()
}

/// Whatever generator the host was given.
private struct NoiseSource: RandomSource {
  var source: any RandomSource

  mutating func fill(_ buffer: UnsafeMutableRawBufferPointer) { source.fill(buffer) }
}

/// Hosts the coordinator's engine: applies an event, journals it, and only then lets anything out.
///
/// Synchronous and without a clock of its own; `RoundHost` calls it from one queue. When a method throws, nothing of what it
/// did has left, and the runner must be thrown away: its engine may be ahead of its journal. A new one on the same store has
/// the same state and sends the same bytes.
final class RoundRunner {
  let outbox: Outbox
  private let parts: RoundParts
  private let plan: TrainingPlan
  private let planHash: Digest
  private var engine: CoordinatorEngine
  private var random: NoiseSource
  /// What became of the messages of the open attempt.
  private var phases: [MessageID: (digest: Digest, phase: UploadPhase)] = [:]
  private var stage: (generation: Int, stage: AggregationStage, openedAt: Date)?
  /// When the attempt before was over.
  private var lastEnd: Date?
  /// Since when enough partners have been there, while others are waited for.
  private var enoughSince: Date?
  /// Partners that were waited for in vain; nobody waits for them again before they were there.
  private var givenUp: Set<UInt32> = []
  private var lastEncoded: (message: CoordinatorMessage, encoded: Outbox.Message)?

  private struct MessageID: Hashable {
    let participant: UInt32
    let kind: UInt32
  }

  /// Restores what the store holds: between attempts, or in the middle of one.
  ///
  /// - Throws: `PlanError`, `StoreError`, `TaskDatabaseError`, `HostFailure`.
  init(_ parts: RoundParts, outbox: Outbox, now: Date) throws {
    self.parts = parts
    self.outbox = outbox
    let planFile = try parts.plan.planFile()
    plan = planFile.plan
    planHash = parts.plan.hash
    random = NoiseSource(source: parts.random)
    let attempt = try parts.store.newestAttempt(of: parts.plan.session)
    engine = try Self.engine(parts, planFile, checkpoint: try Self.checkpoint(parts, plan, after: attempt))
    let newest = try parts.store.newestRelease(of: parts.plan.session)
    outbox.announce {
      $0.session = parts.plan.session.bytes
      $0.planHash = parts.plan.hash
      $0.newestRelease = newest?.statement.version
    }
    showBudget()
    if let attempt, let start = attempt.start, attempt.outcome == nil {
      try resume(attempt.key, start: start, now: now)
    } else {
      parts.spool.sweep(keeping: nil)
      if let attempt, let farewell = attempt.farewell {
        outbox.setFarewell(attempt.key, Self.message(farewell), ordinals: attempt.ordinals)
      }
    }
    // An operator has ended the plan while nobody served it: what was open is paid for and over, nothing new begins.
    if parts.plan.endedAt != nil, engine.end == nil {
      try perform(engine.stop(time: Int(now.timeIntervalSince1970)), now: now)
    }
    announceState(now: now)
  }

  /// The state to go on from; `nil` before the first attempt.
  ///
  /// A checkpoint is written with the end of every attempt, so that the newest one lies before it; only in a copy from a backup
  /// it may not, where an attempt that was open counts as over. Its number is never used again.
  private static func checkpoint(_ parts: RoundParts, _ plan: TrainingPlan, after newest: AttemptRecord?) throws
    -> CoordinatorCheckpoint?
  {
    let stored = try parts.store.checkpoint(of: parts.plan.session)
    guard let newest, newest.outcome != nil else { return stored }
    var checkpoint = stored ?? .initial(plan, parts.algorithm)
    if checkpoint.end == nil, Int(newest.key.round) == checkpoint.round, Int(newest.key.attempt) >= checkpoint.attempt {
      checkpoint.attempt = Int(newest.key.attempt) + 1
    }
    return checkpoint
  }

  private static func engine(_ parts: RoundParts, _ planFile: PlanFile, checkpoint: CoordinatorCheckpoint?) throws
    -> CoordinatorEngine
  {
    try CoordinatorEngine(
      planFile: planFile, signingKey: parts.signingKey, algorithm: parts.algorithm, ledger: parts.ledger,
      checkpoint: checkpoint, releaseJournal: StoredReleaseJournal(store: parts.store, lease: parts.lease),
      workers: parts.workers)
  }

  // MARK: - What others ask

  var end: RunEnd? { engine.end }
  var openAttempt: AttemptKey? { engine.openAttempt.map { AttemptKey($0) } }
  var refusals: [String: Int] { engine.refusals }
  var openStage: AggregationStage? { engine.stageProgress?.stage }

  /// What became of a message; `nil` when it is not known.
  func phase(of key: UploadKey, participant: UInt32) -> (digest: Digest, phase: UploadPhase)? {
    phases[MessageID(participant: participant, kind: key.kind)]
  }

  /// Whether a message of this key can still be taken.
  func isCurrent(_ key: UploadKey) -> Bool {
    guard let open = openAttempt else { return false }
    return key.session == open.session.bytes && key.round == open.round && key.attempt == open.attempt
  }

  /// The longest message of this kind that the open attempt can need, in bytes.
  func sizeLimit(kind: UInt32) -> UInt64? {
    guard let start = engine.openAttempt else { return nil }
    let release = plan.releases[Int(start.round)]
    switch kind {
    case MessageKind.maskedInput, MessageKind.plainSum:
      return UInt64((release.dimension * release.modulusBits + 7) / 8) + 4096
    case MessageKind.refusal, MessageKind.keyAdvertisement, MessageKind.consistencySignature: return 4096
    case MessageKind.keyShares, MessageKind.unmaskResponse, MessageKind.abort:
      return UInt64(min(WireCodec.listBytesMax, 4096 + 1024 * plan.roster.count))
    default: return nil
    }
  }

  // MARK: - Messages

  /// Gives messages to the engine, journals what it accepted in one transaction, and lets out what follows.
  ///
  /// - Returns: what became of each, in order.
  func take(_ batch: [ReceivedMessage], now: Date) throws -> [UploadPhase] {
    var results: [UploadPhase] = []
    var events: [JournalEvent] = []
    var ledgers: [(participant: UInt32, head: LedgerHead)] = []
    var actions: [CoordinatorAction] = []
    let attempt = openAttempt
    let time = Int(now.timeIntervalSince1970)
    for received in batch {
      let id = MessageID(participant: received.participant, kind: received.key.kind)
      guard isCurrent(received.key) else {
        results.append(.superseded)
        dropFile(of: received)
        continue
      }
      if let known = phases[id] {
        results.append(known.digest == received.digest ? known.phase : .refused(reason: Self.secondMessage))
        if known.digest != received.digest { dropFile(of: received) }
        continue
      }
      let phase: UploadPhase
      switch try decode(received) {
      case .failure(let reason): phase = .refused(reason: reason.sentence)
      case .success(let message):
        let stage = engine.stageProgress?.stage
        let shown = engine.advertisedLedger(of: ParticipantID(received.participant))
        let (verdict, following) = engine.receive(message, from: ParticipantID(received.participant), time: time)
        actions += following
        switch verdict {
        case .accepted:
          phase = .accepted
          events.append(JournalEvent(content: received.journalled, time: time))
          if case .aggregation(.keyAdvertisement(let keys)) = message { ledgers.append((received.participant, keys.ledger)) }
          // Its sender has charged before it left.
          if case .aggregation(.maskedInput) = message, let shown { ledgers.append((received.participant, shown.afterCharge)) }
          if let stage { parts.monitor.count(input: stage) }
          if case .refusal(let refusal) = message {
            parts.monitor.count(partnerRefusal: refusal.reason)
            parts.logger.warning(
              "a partner refuses the attempt",
              [.participant: LogValue(received.participant), .reason: LogValue(refusal.reason)])
          }
        case .refused(let reason): phase = .refused(reason: reason)
        }
      }
      if case .refused(let reason) = phase {
        parts.monitor.count(refusal: reason)
        parts.logger.info(
          "a message is refused",
          [.participant: LogValue(received.participant), .code: LogValue(received.key.kind), .reason: .text(reason)])
        dropFile(of: received)
      }
      phases[id] = (received.digest, phase)
      results.append(phase)
    }
    if !events.isEmpty, let attempt { try parts.store.append(events, ledgers: ledgers, to: attempt, parts.lease) }
    try perform(actions, now: now)
    return results
  }

  private static let secondMessage = "another message of this kind came before"
  private static let otherKind = "a message of another kind than announced"
  private static let malformedMessage = "malformed message"
  /// Why a message is refused before the engine sees it.
  static let ownRefusals = [secondMessage, otherKind, malformedMessage]

  private struct Unreadable: Error { let sentence: String }

  private func decode(_ received: ReceivedMessage) throws -> Result<PartnerMessage, Unreadable> {
    let bytes: [UInt8]
    switch received.content {
    case .bytes(let content): bytes = content
    case .file(let name): bytes = try parts.spool.read(name, digest: received.digest)
    }
    do throws(WireError) {
      let message = try WireCodec.decodePartnerMessage(bytes)
      guard MessageKind.of(message) == received.key.kind else {
        return .failure(Unreadable(sentence: Self.otherKind))
      }
      return .success(message)
    } catch { return .failure(Unreadable(sentence: Self.malformedMessage)) }
  }

  private func dropFile(of received: ReceivedMessage) {
    if case .file(let name) = received.content { parts.spool.remove(name) }
  }

  // MARK: - Time

  /// Does what is due: deadlines, stages that may close early, the next attempt.
  func tick(now: Date) throws {
    if let progress = engine.stageProgress, let stage {
      let open = now.timeIntervalSince(stage.openedAt)
      let isOver = open >= parts.policy.seconds(of: progress.stage)
      let isEnough = parts.policy.mayClose(
        answered: progress.answered, awaited: progress.awaited, needed: progress.needed, openFor: open)
      guard isOver || isEnough else { return }
      let time = Int(now.timeIntervalSince1970)
      let attempt = openAttempt
      let actions = engine.deadlineExpired(generation: progress.generation, time: time)
      if let attempt {
        try parts.store.append(
          [JournalEvent(content: .deadline(generation: progress.generation), time: time)], ledgers: [], to: attempt, parts.lease)
      }
      try perform(actions, now: now)
    } else if engine.openAttempt == nil, engine.end == nil {
      guard try isTime(now: now) else { return announceState(now: now) }
      try begin(now: now)
    }
  }

  /// Whether schedule and presence allow to open an attempt.
  private func isTime(now: Date) throws -> Bool {
    if let until = try nextOpening(), now < until { return false }
    let standings = try parts.store.standings(plan: planHash)
    let active = Set(try parts.store.partners().filter(\.isActive).map(\.participant))
    let takesPart = Set(
      plan.roster.map(\.participant).filter { participant in
        let standing = standings[participant] ?? PartnerStanding()
        return active.contains(participant) && !standing.isPaused && !standing.hasLeft
      })
    let ready = takesPart.filter { standings[$0]?.hasConsented == true }
    let present = outbox.present(at: now).intersection(ready)
    parts.monitor.setPartners(ready: ready.count, present: present.count)
    let needed = max(plan.aggregation.minimumSurvivors, plan.aggregation.isSecure ? plan.aggregation.threshold : 0)
    guard present.count >= needed else {
      enoughSince = nil
      return false
    }
    let missing = takesPart.subtracting(present)
    givenUp.formIntersection(missing)
    guard !missing.isSubset(of: givenUp) else { return true }
    let since = enoughSince ?? now
    enoughSince = since
    guard now.timeIntervalSince(since) >= parts.policy.gatherSeconds else { return false }
    givenUp = missing
    return true
  }

  /// The earliest time of the next attempt by the schedule; `nil` when it may be at once.
  private func nextOpening() throws -> Date? {
    let checkpoint = engine.checkpoint
    var times = [parts.policy.notBefore].compactMap { $0 }
    if checkpoint.attempt > 0 {
      if let lastEnd { times.append(lastEnd.addingTimeInterval(parts.policy.retrySeconds)) }
    } else if checkpoint.round > 0, parts.policy.everySeconds > 0 {
      let before = try parts.store.opening(of: checkpoint.round - 1, session: parts.plan.session)
      if let before { times.append(before.addingTimeInterval(parts.policy.everySeconds)) }
    }
    return times.max()
  }

  private func begin(now: Date) throws {
    let actions = engine.begin()
    guard let start = engine.openAttempt else { return try perform(actions, now: now) }
    let key = AttemptKey(start)
    try parts.store.open(key, start: WireCodec.encode(.roundStart(start)), now: now, parts.lease)
    parts.logger.notice("an attempt is opened", [.round: LogValue(key.round), .attempt: LogValue(key.attempt)])
    opened(key)
    try perform(actions, now: now)
  }

  private func opened(_ key: AttemptKey) {
    phases = [:]
    enoughSince = nil
    outbox.open(key)
    outbox.announce { $0.state = .running }
  }

  // MARK: - Actions

  /// What the engine wants done, when everything before it is on disk.
  private func perform(_ actions: [CoordinatorAction], now: Date) throws {
    var actions = actions
    if actions.contains(.release) {
      parts.monitor.stageEnded(after: stage.map { now.timeIntervalSince($0.openedAt) }, stage?.stage)
      stage = nil
      actions.removeAll { $0 == .release }
      actions += engine.release(random: &random, time: Int(now.timeIntervalSince1970))
    }
    let messages = encode(actions)
    try keepEnd(actions, messages, now: now)
    outbox.send(messages)
    for action in actions {
      switch action {
      case .armDeadline(let generation, let opened):
        if let stage { parts.monitor.stageEnded(after: now.timeIntervalSince(stage.openedAt), stage.stage) }
        stage = (generation, opened, now)
        parts.logger.info("a stage is open", [.stage: LogValue(opened), .generation: LogValue(generation)])
      case .attemptAborted(let round, let attempt, let reason):
        parts.monitor.count(abort: "\(reason)")
        parts.logger.warning(
          "an attempt came to nothing", [.round: LogValue(round), .attempt: LogValue(attempt), .reason: LogValue(reason)])
        for accusation in engine.accusations {
          parts.logger.warning(
            "a partner accuses others; this is no proof",
            [.participant: LogValue(accusation.accuser.rawValue), .partner: .text("\(accusation.accused)")])
        }
      case .published(let release):
        parts.monitor.countRelease()
        parts.logger.notice(
          "a release is out",
          [
            .round: LogValue(release.round), .attempt: LogValue(release.attempt),
            .version: LogValue(release.modelRelease.version),
          ])
      case .finished(let reason): parts.logger.notice("the run is over", [.reason: LogValue(reason)])
      case .send, .release, .readyForNext: break
      }
    }
    if engine.openAttempt == nil {
      showBudget()
      stage = nil
      lastEnd = now
      phases = [:]
      announceState(now: now)
    }
  }

  /// Keeps the end of an attempt or of the run before anybody hears of it.
  private func keepEnd(
    _ actions: [CoordinatorAction], _ messages: [(participant: UInt32, message: Outbox.Message)], now: Date
  ) throws {
    var outcome: String?
    var release: ReleaseRecord?
    var end: RunEnd?
    var key: AttemptKey?
    for action in actions {
      switch action {
      case .published(let published):
        outcome = "released"
        release = ReleaseRecord(
          statement: published.modelRelease, name: published.name, model: ModelBytes.encode(engine.model),
          evaluation: published.evaluation, epsilon: published.epsilonSpent, partners: published.survivors.count)
        key = AttemptKey(
          session: parts.plan.session, round: UInt32(published.round), attempt: UInt32(published.attempt))
      case .attemptAborted(let round, let attempt, let reason):
        outcome = "\(reason)"
        key = AttemptKey(session: parts.plan.session, round: UInt32(round), attempt: UInt32(attempt))
      case .finished(let reason): end = reason
      case .send, .armDeadline, .release, .readyForNext: break
      }
    }
    if let end, end.isResumable { throw HostFailure.ledger("\(end)") }
    guard outcome != nil || end != nil else { return }
    var record = CoordinatorStore.AttemptEnd(
      outcome: outcome ?? "", checkpoint: engine.checkpoint, release: release, end: end.map { "\($0)" })
    if let key {
      let sends = actions.compactMap { action -> CoordinatorMessage? in
        if case .send(let message, _) = action { message } else { nil }
      }
      var counts: [UInt32: UInt32] = [:]
      for (index, sent) in messages.enumerated() {
        let ordinal = outbox.nextOrdinal(of: sent.participant) + counts[sent.participant, default: 0]
        counts[sent.participant, default: 0] += 1
        guard case .roundEnd = sends[index] else { continue }
        record.farewell = sent.message.bytes
        record.ordinals[sent.participant] = ordinal
      }
      try parts.store.close(key, of: parts.plan.session, record, now: now, parts.lease)
      if let farewell = record.farewell { outbox.setFarewell(key, Self.message(farewell), ordinals: record.ordinals) }
      parts.spool.sweep(keeping: nil)
    } else {
      try parts.store.close(nil, of: parts.plan.session, record, now: now, parts.lease)
    }
    if let release { outbox.announce { $0.newestRelease = release.statement.version } }
  }

  private func showBudget() {
    parts.monitor.setBudget(
      spent: plan.cap.map { parts.ledger.state.recorded.epsilon(delta: $0.delta) }, cap: plan.cap?.epsilon)
  }

  private func announceState(now: Date) {
    let state: TaskState
    if let end = engine.end {
      state = .finished(reason: parts.plan.end ?? "\(end)")
    } else if engine.openAttempt != nil {
      state = .running
    } else {
      let until = (try? nextOpening()) ?? nil
      state = .waiting(until: until.flatMap { $0 > now ? Int64($0.timeIntervalSince1970) : nil })
    }
    if outbox.announcement.state != state { outbox.announce { $0.state = state } }
  }

  private func encode(_ actions: [CoordinatorAction]) -> [(participant: UInt32, message: Outbox.Message)] {
    actions.compactMap { action in
      guard case .send(let message, let participant) = action else { return nil }
      if let last = lastEncoded, last.message == message { return (participant.rawValue, last.encoded) }
      let encoded = Self.message(WireCodec.encode(message))
      lastEncoded = (message, encoded)
      return (participant.rawValue, encoded)
    }
  }

  private static func message(_ bytes: [UInt8]) -> Outbox.Message { Outbox.Message(bytes: bytes, digest: SHA256.hash(bytes)) }

  // MARK: - After a crash

  /// Tells a new engine everything that the journal holds of the open attempt.
  private func resume(_ key: AttemptKey, start: [UInt8], now: Date) throws {
    guard case .roundStart(let opening)? = try? WireCodec.decodeCoordinatorMessage(start) else {
      throw StoreError.corrupt("the opening of the attempt under way cannot be read")
    }
    var actions = engine.resume(opening)
    opened(key)
    let events = try parts.store.events(of: key)
    parts.spool.sweep(keeping: key)
    for event in events {
      // One after the other, as they were performed; nothing is journalled again.
      try performAgain(actions, now: now)
      switch event.content {
      case .deadline(let generation): actions = engine.deadlineExpired(generation: generation, time: event.time)
      case .message(let participant, let kind, let bytes):
        actions = try replay(bytes, kind, of: participant, time: event.time)
      case .file(let participant, let kind, let name, let digest):
        let bytes: [UInt8]
        do { bytes = try parts.spool.read(name, digest: digest) } catch {
          return try abandon(key, because: "\(error)", now: now)
        }
        actions = try replay(bytes, kind, of: participant, time: event.time)
      }
    }
    try perform(actions, now: now)
    parts.logger.notice(
      "the attempt under way is resumed",
      [.round: LogValue(key.round), .attempt: LogValue(key.attempt), .count: LogValue(events.count)])
  }

  private func replay(_ bytes: [UInt8], _ kind: UInt32, of participant: UInt32, time: Int) throws -> [CoordinatorAction] {
    guard let message = try? WireCodec.decodePartnerMessage(bytes) else {
      throw StoreError.corrupt("a message of the journal cannot be read")
    }
    let (verdict, actions) = engine.receive(message, from: ParticipantID(participant), time: time)
    guard verdict == .accepted else { throw StoreError.corrupt("a message of the journal is not accepted again: \(verdict)") }
    phases[MessageID(participant: participant, kind: kind)] = (SHA256.hash(bytes), .accepted)
    return actions
  }

  /// Actions in the middle of a journal: what came after them proves that they were performed.
  private func performAgain(_ actions: [CoordinatorAction], now: Date) throws {
    outbox.send(encode(actions))
    for case .armDeadline(let generation, let opened) in actions { stage = (generation, opened, now) }
  }

  /// Ends an attempt whose journal is not whole, so that the next one can begin: charged where inputs may have left, never
  /// gone on with.
  private func abandon(_ key: AttemptKey, because sentence: String, now: Date) throws {
    let before = try parts.store.checkpoint(of: parts.plan.session)
    let actions = engine.stop(time: Int(now.timeIntervalSince1970))
    if let end = engine.end, end.isResumable { throw HostFailure.ledger("\(end)") }
    let messages = encode(actions)
    var checkpoint = before ?? .initial(plan, parts.algorithm)
    checkpoint.attempt = Int(key.attempt) + 1
    var record = CoordinatorStore.AttemptEnd(outcome: "not continued: \(sentence)", checkpoint: checkpoint)
    // All of them are the same `RoundEnd`.
    record.farewell = messages.last?.message.bytes
    for sent in messages { record.ordinals[sent.participant] = outbox.nextOrdinal(of: sent.participant) }
    try parts.store.close(key, of: parts.plan.session, record, now: now, parts.lease)
    parts.monitor.count(abort: RoundMonitor.brokenJournal)
    parts.logger.error(
      "the attempt under way cannot be resumed, and is over",
      [.round: LogValue(key.round), .attempt: LogValue(key.attempt), .reason: .text(sentence)])
    engine = try Self.engine(parts, try parts.plan.planFile(), checkpoint: checkpoint)
    outbox.send(messages)
    if let farewell = record.farewell { outbox.setFarewell(key, Self.message(farewell), ordinals: record.ordinals) }
    parts.spool.sweep(keeping: nil)
    phases = [:]
    stage = nil
    lastEnd = now
  }
}

/// Why a host stops: nothing has left that its journal does not hold.
public enum HostFailure: Error, Equatable, CustomStringConvertible {
  /// The ledger or the release journal could not be written, or contradict the state.
  case ledger(String)
  /// The journal of the round could not be written.
  case journal(String)
  case fencedOff

  public var description: String {
    switch self {
    case .ledger(let sentence): sentence
    case .journal(let sentence): "the journal of the round could not be written, so nothing was sent: \(sentence)"
    case .fencedOff: StoreError.fencedOff.description
    }
  }
}

extension UploadKey {
  func names(_ attempt: AttemptKey) -> Bool {
    session == attempt.session.bytes && round == attempt.round && self.attempt == attempt.attempt
  }
}

extension ReceivedMessage {
  fileprivate var journalled: JournalEvent.Content {
    switch content {
    case .bytes(let bytes): .message(participant: participant, kind: key.kind, bytes: bytes)
    case .file(let name): .file(participant: participant, kind: key.kind, name: name, digest: digest)
    }
  }
}

/// Field numbers of `PartnerMessage`'s body (Protocols/tacit/v1/training.proto).
enum MessageKind {
  static let refusal: UInt32 = 1
  static let plainSum: UInt32 = 2
  static let keyAdvertisement: UInt32 = 3
  static let keyShares: UInt32 = 4
  static let maskedInput: UInt32 = 5
  static let consistencySignature: UInt32 = 6
  static let unmaskResponse: UInt32 = 7
  static let abort: UInt32 = 8

  static func of(_ message: PartnerMessage) -> UInt32 {
    switch message {
    case .refusal: refusal
    case .plainSum: plainSum
    case .aggregation(.keyAdvertisement): keyAdvertisement
    case .aggregation(.keyShares): keyShares
    case .aggregation(.maskedInput): maskedInput
    case .aggregation(.consistencySignature): consistencySignature
    case .aggregation(.unmaskResponse): unmaskResponse
    case .aggregation(.abort): abort
    }
  }
}
