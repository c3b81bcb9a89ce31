internal import CryptoPrimitives
internal import Dispatch
internal import FederatedLearning
public import Foundation
public import Logging
public import PeerIdentity
internal import Recommender
internal import SecureAggregation
internal import Transport
internal import WireProtocol

/// How a host's work came to its end.
public enum PartnerEnding: Sendable, Equatable {
  /// The plan is over, in the coordinator's words; only with `PartnerHost.Options.once`.
  case finished(reason: String, isComplete: Bool)
  case left
  /// `stop` was called.
  case stopped
}

/// One partner's daemon: reaches the coordinator, renews its certificate, takes part in every attempt of the plan that it
/// accepted, and goes on for as long as it takes.
///
/// The engine and its one-time secrets live in this actor only. What must survive a crash is on disk before it matters:
/// marks and heads by the engine's journal, charges by the ledger. After a crash the attempt of the mark is refused, and the
/// next one is answered.
public actor PartnerHost {
  /// What may be chosen about a host.
  public struct Options: Sendable {
    /// Whether the host ends with the plan instead of waiting for the next one.
    public var once = false
    /// Threads for local training.
    public var workers = 1
    /// How long one poll waits at the coordinator.
    public var pollWait: Duration = .seconds(30)
    /// Pause before the partner looks again whether a plan was accepted or a pause is over.
    public var idlePause: Duration = .seconds(2)
    /// First and longest pause while nobody answers.
    public var firstPause: Duration = .milliseconds(500)
    public var longestPause: Duration = .seconds(60)

    public init() {}
  }

  private let home: PartnerHome
  private let store: PartnerStore
  private let enrolment: Enrolment
  private let keys: PartnerKeys
  private let line: CoordinatorLine
  private let options: Options
  private let clock: @Sendable () -> Date
  private let logger: Logger
  private let lock: HomeLock
  private let executor = QueueExecutor()
  private var random = SystemRandomSource()
  private var generator = SystemRandomNumberGenerator()
  private var active: ActiveTask?
  /// Plans that were fetched and wait for a person; told once.
  private var announced: Set<Digest> = []
  private var isStopping = false
  /// Attempts in which a message could not be delivered or read; the engine is not asked for more of them.
  private var lastRenewal: ContinuousClock.Instant?
  private var skew: TimeInterval = 0
  /// Refusals of the engine, messages that came twice, and the like; by reason.
  public private(set) var counts: [String: Int] = [:]

  /// Trains off Swift's shared threads: they must stay free for the network, whatever the number of hosts.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// Opens a home.
  ///
  /// - Parameters:
  ///   - line: makes the connection from the home's certificate and keys.
  ///   - clock: for the ledger's and the certificate's times; nothing of a round depends on it.
  /// - Throws: `PartnerError` when the home has not enrolled, was purged or left, or is in use (`superseded`);
  ///   `PeerIdentityError` for keys.
  public init(
    home: PartnerHome, passphrase: PassphraseSource, options: Options = Options(), logger: Logger,
    clock: @escaping @Sendable () -> Date = { Date() },
    line: (Enrolment, PartnerCredentials) throws -> CoordinatorLine
  ) throws {
    guard let lock = try HomeLock(home) else {
      throw PartnerError(
        .superseded,
        "another process speaks for the home \(home.path) already; end it first, or look at it with: tacit-client status")
    }
    self.lock = lock
    self.home = home
    store = try PartnerStore(home)
    enrolment = try Joining.enrolment(of: store, home)
    guard try !store.isPurged else {
      throw PartnerError(.usage, "the home \(home.path) was purged: its keys and data are gone; enrol a new one")
    }
    keys = try PartnerKeys.read(home, passphrase: passphrase)
    guard keys.identity.verificationKey == enrolment.identity else {
      throw PartnerError(.data, "\(home.identityKey) is not the identity that this home enrolled with; put the right file back")
    }
    self.options = options
    self.logger = logger
    self.clock = clock
    self.line = try line(enrolment, PartnerCredentials(home: home, keys: keys))
  }

  /// Runs until the plan ends (`once`), the partner leaves, or `stop`.
  ///
  /// - Throws: `PartnerError` when going on would be wrong: another process took the identity over, this home was rolled back,
  ///   the coordinator lets this partner in no longer, or shows documents that contradict what was pinned.
  public func run() async throws -> PartnerEnding {
    let connection = line.connection
    defer {
      // The ledger's lock goes with the engine; the next process may begin.
      active = nil
      lock.release()
    }
    var backoff = Backoff(first: options.firstPause, longest: options.longestPause)
    var distrusts = 0
    while !isStopping {
      do {
        return try await converse {
          backoff.reset()
          distrusts = 0
        }
      } catch let failure as TransportFailure {
        if case .cancelled = failure { break }
        if case .notTrusted = failure { distrusts += 1 }
        if let error = FatalFailure.error(for: failure, home: home, distrusts: distrusts) {
          await connection.close()
          throw error
        }
        let pause = FatalFailure.pause(for: failure) ?? backoff.next(using: &generator)
        logger.warning(
          "the coordinator does not answer as it should; trying again",
          metadata: [
            "error": "\(failure)", "retry": "\(pause)",
          ])
        try? await Task.sleep(for: pause)
        if Task.isCancelled { break }
      } catch {
        guard FatalFailure.isFullDisk(error) else {
          await connection.close()
          throw error
        }
        // Nothing was half-written; when there is space again, the partner goes on.
        count("the disk is full")
        let pause = backoff.next(using: &generator)
        logger.error("the disk is full; waiting for space", metadata: ["reason": "\(error)", "retry": "\(pause)"])
        try? await Task.sleep(for: pause)
        if Task.isCancelled { break }
      }
    }
    await connection.close()
    return .stopped
  }

  /// Ends `run` at the next message or pause; an attempt under way goes on without this partner.
  public func stop() async {
    isStopping = true
    await line.connection.close()
  }

  // MARK: - One conversation

  /// A coordinator answers at once when there is a message, but need not when a plan merely ended: whoever waits for that
  /// asks often.
  private var wait: Duration { options.once ? min(options.pollWait, .seconds(2)) : options.pollWait }

  private func converse(succeeded: () -> Void) async throws -> PartnerEnding {
    try await greet()
    while true {
      for sentence in try await Greeting.sendStatements(line.connection, store) {
        count("a statement was refused")
        logger.error("the coordinator does not take a statement", metadata: ["reason": "\(sentence)"])
      }
      if try store.hasLeft { return .left }
      try await renewIfDue()
      if isStopping { return .stopped }
      let isIdle = active == nil
      let answer = try await line.connection.poll(
        PollQuery(
          session: active?.session.bytes ?? [], after: active?.cursor, wait: isIdle ? .zero : wait))
      succeeded()
      if let ending = try await handle(answer) { return ending }
      if isStopping { return .stopped }
    }
  }

  private func greet() async throws {
    let answer = try await Greeting.exchange(
      line.connection, home: home, store: store, enrolment: enrolment,
      open: active.map { [$0.ledgerName: $0.ledger.state] } ?? [:])
    skew = TimeInterval(answer.clock) / 1000 - clock().timeIntervalSince1970
    if abs(skew) > 300 {
      logger.warning("the clocks of this machine and of the coordinator differ", metadata: ["seconds": "\(Int(skew))"])
    }
    logger.info("connected", metadata: ["task": "\(enrolment.task)", "participant": "\(enrolment.participant)"])
  }

  private func renewIfDue() async throws {
    let now = clock()
    let certificate = try IssuedCertificate(pem: String(decoding: try HomeFile.read(home.certificate), as: UTF8.self))
    // By this machine's clock or the coordinator's, whichever says so first: too early costs a call, too late the connection.
    guard max(now, now.addingTimeInterval(skew)) >= certificate.renewAt else { return }
    if let lastRenewal, ContinuousClock.now - lastRenewal < .seconds(600) { return }
    lastRenewal = .now
    let request = try CertificateRequest.create(key: keys.transport, name: try PartnerName(enrolment.name))
    guard let answer = try await renewal(of: request) else { return }
    let renewed = try IssuedCertificate(pem: answer.certificatePEM)
    let anchor = try TrustAnchor(pem: String(decoding: try HomeFile.read(home.authority), as: UTF8.self))
    let named = try anchor.partner(of: renewed).participant
    guard anchor.fingerprint == enrolment.authority, keys.transport.matches(renewed), named == enrolment.participant,
      renewed.notAfter > certificate.notAfter
    else { throw PartnerError(.untrusted, "the coordinator renewed the certificate with one that is not for this partner's key") }
    try HomeFile.write(Array(renewed.pem.utf8), to: home.certificate)
    try line.reload(renewed.pem)
    line.connection.reconnect()
    logger.info("the certificate was renewed", metadata: ["until": "\(renewed.notAfter)"])
  }

  /// - Returns: `nil` when the coordinator cannot renew just now.
  private func renewal(of request: CertificateRequest) async throws -> RenewedCertificate? {
    do {
      return try await line.connection.renewCertificate(request.der)
    } catch {
      guard error.isTemporary else { throw error }
      logger.warning("the certificate could not be renewed; trying again later", metadata: ["error": "\(error)"])
      return nil
    }
  }

  // MARK: - Answers of a poll

  private func handle(_ answer: PollAnswer) async throws -> PartnerEnding? {
    try await meetPlan(answer)
    guard let task = active else {
      if options.once, case .finished(let reason) = answer.state, answer.planHash.map({ try? store.plan($0)?.isAccepted }) == nil
      {
        return .finished(reason: reason, isComplete: false)
      }
      try await pause()
      return nil
    }
    guard answer.session == task.session.bytes else {
      // The plan that was accepted is not the one that runs.
      try await pause()
      return nil
    }
    if let planHash = answer.planHash, planHash != task.hash {
      count("the coordinator names another plan under this session")
      logger.error(
        "the coordinator names another plan than the one accepted; its messages are not answered",
        metadata: [
          "plan": "\(task.hash.hex.prefix(16))", "found": "\(planHash.hex.prefix(16))",
        ])
      try await pause()
      return nil
    }
    var isMissing = false
    for envelope in answer.envelopes {
      if try await !take(envelope, task) { isMissing = true }
      if isStopping { return .stopped }
    }
    if isMissing { try await pause() }
    switch answer.state {
    case .running, .waiting: return nil
    case .idle, .draining:
      try await pause()
      return nil
    case .finished(let reason):
      // Its messages come first: the last of them says what was released.
      guard answer.envelopes.isEmpty else { return nil }
      return try await finish(task, reason, newest: answer.newestRelease)
    }
  }

  /// Makes the coordinator's plan this host's task, when a person has accepted it; fetches it for a person otherwise.
  private func meetPlan(_ answer: PollAnswer) async throws {
    guard let planHash = answer.planHash else { return }
    if let active, active.session.bytes == answer.session { return }
    guard let stored = try store.plan(planHash) else {
      try await Documents.fetch(from: line.connection, into: store, enrolment: enrolment, time: now)
      return try announce(planHash)
    }
    guard stored.isAccepted else { return try announce(planHash) }
    active = nil
    let task = try ActiveTask(
      stored, home: home, store: store, enrolment: enrolment, keys: keys, workers: options.workers, time: now)
    active = task
    if let recovery = task.recovery {
      logger.warning("the end of the ledger was mended", metadata: ["reason": "\(recovery)"])
    }
    logger.info(
      "taking part",
      metadata: [
        "plan": "\(planHash.hex.prefix(16))", "task": "\(task.plan.task)", "releases": "\(task.plan.releases.count)",
      ])
  }

  private func announce(_ hash: Digest) throws {
    guard announced.insert(hash).inserted else { return }
    logger.notice(
      "a plan waits for a person: look at it with `tacit-client review`, join with `tacit-client accept`",
      metadata: [
        "plan": "\(hash.hex.prefix(16))"
      ])
  }

  /// Handles one message, in order.
  ///
  /// - Returns: `false` when the message cannot be handled yet: something is missing before it.
  private func take(_ envelope: MessageEnvelope, _ task: ActiveTask) async throws -> Bool {
    let (cursor, known) = (envelope.cursor, task.cursor)
    guard cursor > known else {
      count("a message that was handled before")
      return true
    }
    let bytes = try await line.connection.message(envelope, limit: UInt64(WireCodec.messageBytesMax))
    let message: CoordinatorMessage
    do { message = try WireCodec.decodeCoordinatorMessage(bytes) } catch {
      count("a malformed message")
      logger.error("a message of the coordinator cannot be read", metadata: ["reason": "\(error)"])
      task.cursor = cursor
      return true
    }
    let isSameAttempt = (cursor.round, cursor.attempt) == (known.round, known.attempt)
    if cursor.ordinal != (isSameAttempt ? known.ordinal + 1 : 1) {
      // Of an attempt that is over only its end is still there; it needs nothing of what came before it.
      guard case .roundEnd = message else {
        count("a message out of order")
        return false
      }
    }
    task.cursor = cursor
    task.engine.isPaused = try store.isPaused
    let actions = task.engine.receive(message, random: &random, time: now)
    note(message, task)
    if case .roundStart(let start) = message { try keepModel(of: start, task) }
    try await perform(actions, task)
    rememberLedger(task)
    return true
  }

  // MARK: - Actions of the engine

  private func perform(_ actions: [PartnerAction], _ task: ActiveTask) async throws {
    for action in actions {
      switch action {
      case .train:
        let next = task.engine.train(time: now)
        rememberLedger(task)
        try await perform(next, task)
      case .send(let message): try await send(message, task)
      }
    }
  }

  private func send(_ message: PartnerMessage, _ task: ActiveTask) async throws {
    var place = (session: task.session, round: task.cursor.round, attempt: task.cursor.attempt)
    if case .refusal(let refusal) = message {
      place = (refusal.session, refusal.round, refusal.attempt)
      count("refused: \(refusal.reason)")
      logger.warning(
        "an attempt is refused",
        metadata: [
          "round": "\(refusal.round)", "attempt": "\(refusal.attempt)", "reason": "\(refusal.reason)",
        ])
      note("refused: \(refusal.reason)", task, round: refusal.round, attempt: refusal.attempt)
    }
    let key = UploadKey(session: place.session.bytes, round: place.round, attempt: place.attempt, kind: message.kind)
    let payload = BytesPayload(WireCodec.encode(message))
    var backoff = Backoff(first: options.firstPause, longest: options.longestPause)
    while true {
      do {
        switch try await line.connection.upload(key, payload: payload) {
        case .accepted: break
        case .receiving: break
        case .refused(let reason):
          count("an upload was refused: \(reason)")
          logger.warning("the coordinator did not take a message", metadata: ["kind": "\(key.kind)", "reason": "\(reason)"])
        case .superseded: count("an upload came too late")
        }
        return
      } catch let failure {
        switch failure {
        case .refused(.stageClosed(let reason)):
          count("an upload came too late")
          logger.warning("a message came too late", metadata: ["kind": "\(key.kind)", "reason": "\(reason)"])
          return
        case .refused(.conflict), .refused(.malformed), .refused(.tooLarge):
          count("an upload was refused: \(failure)")
          logger.error("the coordinator does not take a message", metadata: ["kind": "\(key.kind)", "error": "\(failure)"])
          return
        default: break
        }
        guard failure.isTemporary, !isStopping else { throw failure }
        try? await Task.sleep(for: FatalFailure.pause(for: failure) ?? backoff.next(using: &generator))
        if Task.isCancelled { throw TransportFailure.cancelled }
      }
    }
  }

  // MARK: - The end of a plan

  private func finish(_ task: ActiveTask, _ reason: String, newest: UInt32?) async throws -> PartnerEnding? {
    try await fetchNewestModel(task, version: newest)
    if try store.plan(task.hash)?.end == nil {
      try store.recordEnd(of: task.hash, reason)
      logger.notice("the plan is over", metadata: ["plan": "\(task.hash.hex.prefix(16))", "reason": "\(reason)"])
    }
    if options.once {
      let newest = try store.newestRelease(session: task.session)
      return .finished(reason: reason, isComplete: newest.map { Int($0.round) + 1 == task.plan.releases.count } ?? false)
    }
    try await pause()
    return nil
  }

  /// Brings the newest released model home, when it is the one that the coordinator signed and no older than one seen before.
  private func fetchNewestModel(_ task: ActiveTask, version: UInt32?) async throws {
    guard let version else { return }
    let known = try store.newestRelease(session: task.session)
    if let known, known.version == version, Int(known.round) + 1 == task.plan.releases.count,
      try store.newestModel(session: task.session)?.release == known
    {
      return
    }
    let document = try await line.connection.download("release/\(version)", limit: UInt64(WireCodec.messageBytesMax))
    func refuse(_ why: String) {
      count("a release was refused: \(why)")
      logger.error("a released model is refused", metadata: ["version": "\(version)", "reason": "\(why)"])
    }
    guard let (statement, model) = ReleaseDocument.decode(document), let release = try? ModelRelease(decoding: statement),
      release.version == version, SHA256.hash(model) == release.modelHash
    else { return refuse("the document does not hold the model that it names") }
    if let refusal = task.engine.learn(release) { return refuse("\(refusal)") }
    guard let decoded = try? ModelBytes.decode(model), decoded.version == Int(version), task.algorithm.fault(in: decoded) == nil
    else { return refuse("\(PartnerRefusal.malformedModel)") }
    try store.record(model: model, of: release)
  }

  /// A start carries the model of the release before it: kept, so that recommendations are always of the newest one.
  private func keepModel(of start: RoundStart, _ task: ActiveTask) throws {
    guard let newest = try store.newestRelease(session: task.session), newest.modelHash == SHA256.hash(start.model),
      try store.newestModel(session: task.session)?.release != newest
    else { return }
    do { try store.record(model: start.model, of: newest) } catch {
      logger.error("a model could not be kept", metadata: ["reason": "\(error)"])
    }
  }

  // MARK: - Memory and words

  private var now: Int { Int(clock().timeIntervalSince1970) }

  /// For people and for finding a ledger that was put back; the ledger itself is what counts, so that a full disk stops nothing here.
  private func rememberLedger(_ task: ActiveTask) {
    do { try store.record(ledgerHead: task.ledger.head.head, of: task.ledgerName) } catch {
      logger.error("the ledger's head could not be noted", metadata: ["reason": "\(error)"])
    }
  }

  private func note(_ message: CoordinatorMessage, _ task: ActiveTask) {
    switch message {
    case .roundStart(let start):
      logger.info("an attempt opens", metadata: ["round": "\(start.round)", "attempt": "\(start.attempt)"])
      note("open", task, round: start.round, attempt: start.attempt, isFirst: true)
    case .roundEnd(let end):
      let words = end.abortReason.map { "came to nothing: \($0)" } ?? "released"
      logger.info(
        "an attempt ends",
        metadata: [
          "round": "\(end.context.round)", "attempt": "\(end.context.attempt)", "result": "\(words)",
        ])
      note(words, task, round: end.context.round, attempt: end.context.attempt)
    case .aggregation: break
    }
  }

  private func note(_ words: String, _ task: ActiveTask, round: UInt32, attempt: UInt32, isFirst: Bool = false) {
    do { try store.note(words, session: task.session.hex, round: round, attempt: attempt, time: now) } catch {
      logger.error("an attempt could not be noted", metadata: ["reason": "\(error)"])
    }
  }

  private func count(_ reason: String) { counts[reason, default: 0] += 1 }

  private func pause() async throws {
    if options.once {
      try? await Task.sleep(for: min(options.idlePause, .milliseconds(500)))
    } else {
      try? await Task.sleep(for: options.idlePause)
    }
  }
}

/// Runs an actor's work on a queue of its own.
final class QueueExecutor: SerialExecutor {
  private let queue = DispatchQueue(label: "tacit.partner", qos: .utility)

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    let executor = asUnownedSerialExecutor()
    queue.async { job.runSynchronously(on: executor) }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
