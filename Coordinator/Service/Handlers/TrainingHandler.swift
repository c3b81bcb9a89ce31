internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations
internal import PeerIdentity
internal import SecureAggregation
internal import Synchronization
internal import TaskDatabase
public import Transport

/// What partners may ask of the coordinator, call by call. Who may is read from the database at every call.
public struct TrainingHandler: CoordinationHandler {
  let state: CoordinatorState
  let host: RoundHost
  let spool: UploadSpool
  let monitor: RoundMonitor
  let logger: Logger
  /// `false` on a loopback without certificates.
  let checksCertificates: Bool
  let clock: @Sendable () -> Date
  let documents = DocumentShelf()

  static let software = "tacit-coordinator 0.2.0"

  // MARK: - Who calls

  public func authorize(_ peer: Peer, isHello: Bool) async throws(TransportRefusal) {
    let certificate = checksCertificates ? peer.certificateFingerprint : nil
    var access = try storage { try state.store.access(participant: peer.participant, certificate: certificate, now: clock()) }
    if access.verdict == .unknown, let certificate, try await adopt(certificate, of: peer) {
      access = try storage { try state.store.access(participant: peer.participant, certificate: certificate, now: clock()) }
    }
    switch access.verdict {
    case .granted: break
    case .unknown: throw .notEnrolled
    case .revoked: throw .revoked
    case .expired: throw .certificateExpired
    }
    if isHello { return }
    guard let instance = access.instance else { throw .helloNeeded }
    guard instance == peer.instance.bytes else { throw .superseded }
  }

  /// Takes a certificate that was issued after the backup from which this database was restored.
  private func adopt(_ certificate: Digest, of peer: Peer) async throws(TransportRefusal) -> Bool {
    let isKept = try await commit { [state, clock] in
      try state.store.adopt(
        certificate: certificate, serial: peer.serial, participant: peer.participant, notAfter: peer.notAfter, now: clock())
    }
    if isKept {
      logger.notice(
        "a certificate that the restored database did not know is taken",
        [.participant: LogValue(peer.participant), .serial: .text(peer.serial)])
    }
    return isKept
  }

  public func hello(_ hello: ClientHello, from peer: Peer) async throws(TransportRefusal) -> ServerHello {
    guard let version = hello.versions.newestCommon(with: .ours) else {
      throw .unsupportedVersion(found: hello.versions, supported: .ours)
    }
    let known = try storage { try state.store.partnerLedgers(peer.participant) }
    // As many as one hello may name: whoever invents another at every hello does not fill the disk.
    guard Set(known.map(\.dataset)).union(hello.ledgers.map(\.dataset)).count <= 64 else { throw .malformed(field: "ledgers") }
    let shown = hello.ledgers.map { (dataset: $0.dataset, size: $0.size, head: $0.head) }
    if let dataset = try await commit({ [state] in try state.store.record(ledgers: shown, of: peer.participant) }) {
      logger.warning(
        "a partner shows a ledger that is shorter than before, or another", [.participant: LogValue(peer.participant)])
      throw .ledgerRolledBack(dataset: dataset)
    }
    // What was shown in a key advertisement names no data set, but no ledger of this home may be long enough: an old copy must not
    // take the partner's place before it finds out by itself.
    let advertised = known.first { $0.dataset.isEmpty }?.size ?? 0
    guard advertised <= shown.map(\.size).max() ?? 0 else {
      logger.warning("a partner shows no ledger as long as one before", [.participant: LogValue(peer.participant)])
      throw .ledgerRolledBack(dataset: shown.first?.dataset ?? "")
    }
    try await commit { [state] in try state.store.set(instance: peer.instance.bytes, of: peer.participant) }
    host.outbox.see(peer.participant, at: clock())
    return ServerHello(
      version: version, software: Self.software, task: state.authority.taskID,
      recordedLedgers: known.map { Transport.LedgerNote(dataset: $0.dataset, size: $0.size, head: $0.head) },
      coordinatorLedger: await host.ledgerNote,
      newestStatement: try storage { try state.store.newestStatement(of: peer.participant) },
      clock: Int64(clock().timeIntervalSince1970 * 1000))
  }

  // MARK: - What the coordinator has to say

  public func poll(_ query: PollQuery, from peer: Peer) async throws(TransportRefusal) -> PollAnswer {
    let outbox = host.outbox
    outbox.see(peer.participant, at: clock())
    let deadline = ContinuousClock.now.advanced(by: query.wait)
    // What this participant was told last: a change between two of its polls is news as well.
    var known = outbox.stateTold(to: peer.participant)
    while true {
      let version = outbox.version
      let answer = outbox.answer(peer.participant, session: query.session, after: query.after)
      let left = deadline - ContinuousClock.now
      let isNews = !answer.envelopes.isEmpty || answer.session != query.session || (known.map { $0 != answer.state } ?? false)
      if isNews || left <= .zero || Task.isCancelled || answer.state.isLast {
        outbox.see(peer.participant, at: clock())
        monitor.count(bytesDown: answer.envelopes.reduce(0) { $0 + $1.inlineCount })
        outbox.noteState(answer.state, toldTo: peer.participant)
        return answer
      }
      known = answer.state
      await outbox.wait(peer.participant, since: version, limit: left)
    }
  }

  public func document(_ name: String, for peer: Peer) async throws(TransportRefusal) -> any DocumentSource {
    host.outbox.see(peer.participant, at: clock())
    let document = try await find(name, for: peer)
    monitor.count(bytesDown: Int(document.size))
    return document
  }

  private func find(_ name: String, for peer: Peer) async throws(TransportRefusal) -> any DocumentSource {
    // A name is judged before anything is read: plans and models are large.
    guard let name = DocumentName(parsing: name) else { throw .unknownDocument(name: name) }
    switch name {
    case .message(let cursor):
      guard let message = host.outbox.message(cursor, to: peer.participant) else { break }
      // By its digest: one model goes to everybody.
      return documents.shelve(message.digest.hex, message.bytes)
    case .roster:
      if let roster = try storage({ try state.store.newestRoster() }) { return BytesDocument(roster.bytes) }
    case .keySuccession:
      let successions = try storage { try state.store.successions() }
      if !successions.isEmpty { return BytesDocument(successions.flatMap(\.encoded)) }
    case .release(let version):
      guard host.outbox.announcement.newestRelease == version, let plan = try newestPlan(),
        let release = try storage({ try state.store.newestRelease(of: plan.session) }), release.statement.version == version,
        let bytes = release.document
      else { break }
      return documents.shelve("\(plan.session)/release/\(release.statement.round)", bytes)
    case .evaluation(let round):
      guard let plan = try newestPlan(), let release = try storage({ try state.store.release(of: plan.session, round: round) })
      else { break }
      if let evaluation = try await host.evaluation(of: release) { return BytesDocument(evaluation.encoded()) }
    case .ledger(let records):
      if let continuation = try await host.ledgerContinuation(of: records) { return BytesDocument(continuation.encoded) }
    case .plan:
      if let plan = try newestPlan() { return documents.shelve("\(plan.session)/plan", plan.bytes) }
    case .planSignature:
      if let plan = try newestPlan() { return BytesDocument(plan.signature.bytes) }
    case .catalogue:
      if let plan = try newestPlan() { return documents.shelve("\(plan.session)/catalogue", plan.catalogue) }
    }
    throw .unknownDocument(name: name.description)
  }

  private func newestPlan() throws(TransportRefusal) -> PlanRecord? { try storage { try state.store.newestPlan() } }

  // MARK: - What partners have to say

  public func uploadState(_ key: UploadKey, from peer: Peer) async throws(TransportRefusal) -> UploadPhase {
    host.outbox.see(peer.participant, at: clock())
    if let phase = await host.phase(of: key, participant: peer.participant) { return phase }
    return .receiving(offset: spool.bytes(of: AttemptKey(key), participant: peer.participant, kind: key.kind))
  }

  public func openUpload(_ header: UploadHeader, from peer: Peer) async throws(TransportRefusal) -> UploadOpening {
    host.outbox.see(peer.participant, at: clock())
    switch try await host.admit(header.key, digest: header.sha256, participant: peer.participant) {
    case .settled(let phase): return .settled(phase)
    case .conflict: throw .conflict
    case .receive(let limit):
      guard header.size <= limit else { throw .tooLarge(limit: limit) }
    }
    guard header.key.kind == MessageKind.maskedInput || header.key.kind == MessageKind.plainSum else {
      return .receive(MemorySink(header: header, participant: peer.participant, host: host, monitor: monitor))
    }
    do {
      let upload = try spool.open(
        AttemptKey(header.key), participant: peer.participant, kind: header.key.kind, size: header.size, digest: header.sha256)
      return .receive(
        FileSink(upload: upload, header: header, participant: peer.participant, host: host, spool: spool, monitor: monitor))
    } catch { throw TransportRefusal(error as? SpoolError) }
  }

  public func settled(_ key: UploadKey) -> UploadPhase? { host.outbox.isOpen(AttemptKey(key)) ? nil : .superseded }

  public func renewCertificate(_ request: [UInt8], from peer: Peer) async throws(TransportRefusal) -> RenewedCertificate {
    guard let request = try? CertificateRequest(der: request) else { throw .malformed(field: "certificate_request") }
    guard let partner = try storage({ try state.store.partner(peer.participant) }) else { throw .notEnrolled }
    let now = clock()
    guard let name = try? PartnerName(partner.name),
      let issued = try? state.authority.issueClient(
        request: request, participant: peer.participant, name: name, lifetime: .seconds(state.task.certificateHours * 3600),
        now: now)
    else { throw .fault }
    let isKept = try await commit { [state] in
      try state.store.renew(
        participant: peer.participant, used: peer.certificateFingerprint, certificate: issued.fingerprint, serial: issued.serial,
        notAfter: issued.notAfter)
    }
    guard isKept else { throw .revoked }
    logger.info("certificate renewed", [.participant: LogValue(peer.participant), .serial: LogValue(issued.serial)])
    return RenewedCertificate(certificatePEM: issued.pem, authorityPEM: state.authority.certificatePEM)
  }

  public func report(_ statement: [UInt8], from peer: Peer) async throws(TransportRefusal) -> [UInt8] {
    host.outbox.see(peer.participant, at: clock())
    guard let content = PartnerStatement(decoding: statement) else { throw .malformed(field: "statement") }
    guard Hexadecimal.encode(content.task) == state.authority.taskID else { throw .wrongTask }
    guard content.participant == peer.participant, let partner = try storage({ try state.store.partner(peer.participant) }) else {
      throw .malformed(field: "statement.participant")
    }
    guard content.isSigned(by: partner.verificationKey) else { throw .badSignature(field: "statement") }
    // Partners count theirs from 1; whoever states more than a person ever could fills a disk.
    guard (1...Self.statementsMax).contains(content.number) else { throw .malformed(field: "statement.number") }
    if content.kind == .consent {
      let plans = try storage { try state.store.plans() }
      guard plans.contains(where: { $0.hash == content.plan && $0.endedAt == nil }) else {
        throw .stageClosed(reason: "the plan is not active")
      }
    }
    let isKept = try await commit { [state, clock] in
      try state.store.add(
        statement: statement, number: content.number, kind: content.kind.rawValue, plan: content.plan, of: peer.participant,
        now: clock())
    }
    guard isKept else { throw .conflict }
    logger.info("statement kept", [.participant: LogValue(peer.participant), .event: .text("\(content.kind)")])
    return SHA256.hash(statement).bytes
  }

  /// Statements that one partner can make.
  static let statementsMax: UInt64 = 10_000

  /// A transaction that waits for the disk, one after the other: the threads of calls are few, and polls need them.
  private func commit<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws(TransportRefusal) -> T {
    let result: Result<T, any Error> = await Commits.run(body)
    return try storage { try result.get() }
  }

  /// The store's own faults are the coordinator's, and say nothing to a peer.
  private func storage<T>(_ body: () throws -> T) throws(TransportRefusal) -> T {
    do { return try body() } catch {
      logger.error("the database cannot be used", [.error: LogValue(error)])
      throw (error as? TaskDatabaseError)?.kind == .full || (error as? TaskDatabaseError)?.kind == .busy
        ? .unavailable(reason: "storage") : .fault
    }
  }
}

/// What partners may download. Every document has one name: numbers have no leading zeros and no sign.
enum DocumentName: Equatable, CustomStringConvertible {
  case plan
  case planSignature
  case roster
  case keySuccession
  case catalogue
  case release(UInt32)
  /// By its round: what an evaluation release made public.
  case evaluation(UInt32)
  case message(MessageCursor)
  /// Records of the coordinator's ledger by their numbers.
  case ledger(ClosedRange<UInt64>)

  /// - Returns: `nil` for any other text.
  init?(parsing text: String) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    let numbers = parts.dropFirst().compactMap { UInt32($0) }
    switch (parts[0], numbers.count) {
    case ("plan", 0): self = .plan
    case ("plan-signature", 0): self = .planSignature
    case ("roster", 0): self = .roster
    case ("key-succession", 0): self = .keySuccession
    case ("catalogue", 0): self = .catalogue
    case ("release", 1): self = .release(numbers[0])
    case ("evaluation", 1): self = .evaluation(numbers[0])
    case ("message", 3):
      self = .message(MessageCursor(round: numbers[0], attempt: numbers[1], ordinal: numbers[2]))
    case ("ledger", 2) where numbers[0] >= 1 && numbers[0] <= numbers[1]:
      self = .ledger(UInt64(numbers[0])...UInt64(numbers[1]))
    default: return nil
    }
    guard description == text else { return nil }
  }

  var description: String {
    switch self {
    case .plan: "plan"
    case .planSignature: "plan-signature"
    case .roster: "roster"
    case .keySuccession: "key-succession"
    case .catalogue: "catalogue"
    case .release(let version): "release/\(version)"
    case .evaluation(let round): "evaluation/\(round)"
    case .message(let cursor): Outbox.name(cursor)
    case .ledger(let records): "ledger/\(records.lowerBound)/\(records.upperBound)"
    }
  }
}

/// Documents with their digests, hashed once; only a few are in use at one time.
final class DocumentShelf: Sendable {
  private let shelf = Mutex<[(name: String, document: BytesDocument)]>([])

  func shelve(_ name: String, _ bytes: [UInt8]) -> BytesDocument {
    if let found = shelf.withLock({ $0.first { $0.name == name }?.document }) { return found }
    let document = BytesDocument(bytes)
    shelf.withLock { shelf in
      shelf.append((name, document))
      if shelf.count > 4 { shelf.removeFirst() }
    }
    return document
  }
}

extension MessageEnvelope {
  fileprivate var inlineCount: Int { if case .inline(let bytes) = content { bytes.count } else { 0 } }
}

extension AttemptKey {
  init(_ key: UploadKey) {
    guard let session = SessionID(bytes: key.session) else { preconditionFailure("an upload key has a session of 16 bytes") }
    self.init(session: session, round: key.round, attempt: key.attempt)
  }
}

extension TransportRefusal {
  init(_ error: SpoolError?) {
    switch error {
    case .conflict: self = .conflict
    case .busy: self = .tooManyCalls(limit: 1)
    case .full: self = .unavailable(reason: "spool full")
    case .failed, nil: self = .fault
    }
  }
}

extension TaskState {
  /// Whether nothing follows that a poll could wait for.
  fileprivate var isLast: Bool {
    switch self {
    case .draining, .finished: true
    case .idle, .waiting, .running: false
    }
  }
}
