internal import CryptoPrimitives
internal import Dispatch
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations
internal import Recommender
internal import SecureAggregation
internal import Storage
internal import TaskDatabase
internal import Transport

/// Runs the plans of one state folder, one after the other, on a thread of its own: syncing and summing never hold up calls.
///
/// Messages that arrive while others are being written wait, and are written together: one sync for all of them.
public actor RoundHost {
  /// What a host is made of.
  struct Parts: Sendable {
    let store: CoordinatorStore
    let lease: Lease
    let folder: StateFolder
    let signingKey: SigningKey
    let spool: UploadSpool
    let policy: RoundPolicy
    let monitor: RoundMonitor
    let workers: Int
    let logger: Logger
    let clock: @Sendable () -> Date
    /// Seconds since some moment, by a clock that nobody sets; `nil` where `clock` itself is one (tests).
    let uptime: (@Sendable () -> Double)?
  }

  nonisolated let outbox = Outbox()
  private let parts: Parts
  private nonisolated let executor = QueueExecutor(label: "tacit.rounds")
  private var runner: RoundRunner?
  private var plan: PlanRecord?
  private var ledger: PrivacyLedger?
  private var inbox: [(message: ReceivedMessage, answer: CheckedContinuation<UploadPhase, any Error>)] = []
  private var isWorking = false
  private var isDraining = false
  private var failure: (any Error)?
  private var lastLook: Date?
  private var live: LiveView?
  /// What was last seen of `Parts.clock` above `Parts.uptime`, in seconds.
  private var clockOffset: Double?
  private var lastErasure: Date?

  public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  init(_ parts: Parts) { self.parts = parts }

  // MARK: - Life

  /// Does what is due now; to be called a few times a second.
  ///
  /// - Throws: why the host stops. Nothing has left that the journal does not hold; a new host on the same folder goes on.
  public func tick() throws {
    if let failure { throw failure }
    do {
      let now = readClock()
      try lookForPlan(now: now)
      if !isDraining { try runner?.tick(now: now) }
      eraseLog(now: now)
    } catch { throw fail(error) }
    show(now: parts.clock())
    parts.monitor.set(
      polls: outbox.pollCount, ledgerRecords: ledger?.state.size ?? 0, spoolBytes: parts.spool.bytesReserved)
  }

  /// Takes nothing new; what is being written is written. The attempt under way stays open for the next process.
  public func drain() {
    isDraining = true
    outbox.announce { $0.state = .draining }
  }

  /// Lets go of ledger and memory as a process does that is killed: for tests.
  package func dropEverything() {
    runner = nil
    ledger = nil
    plan = nil
  }

  /// Whether rounds can go on: for readiness.
  public var isHealthy: Bool { failure == nil && !isDraining }

  /// How the run stands, in one line for people.
  public var summary: String {
    if let failure { return "stopped: \(failure)" }
    guard let runner, let plan else { return "no plan is active" }
    if let end = runner.end { return "plan \(plan.number) is over: \(end)" }
    guard let attempt = runner.openAttempt else { return "plan \(plan.number) waits for its next round" }
    return
      "plan \(plan.number), release \(attempt.round + 1), attempt \(attempt.attempt + 1), stage \(runner.openStage.map { "\($0)" } ?? "release")"
  }

  /// Writes down what `status` shows of this process.
  private func show(now: Date) {
    if let live, now >= live.writtenAt, now.timeIntervalSince(live.writtenAt) < LiveView.pause { return }
    let present = outbox.present(at: now)
    let view = LiveView(
      writtenAt: now, progress: runner?.progress ?? RunProgress(.idle, "no plan is active"),
      seen: outbox.lastSeen(at: now).sorted { $0.key < $1.key }.map {
        LiveView.Seen(participant: $0.key, lastSeen: $0.value, isConnected: present.contains($0.key))
      })
    view.write(to: parts.folder)
    live = view
  }

  /// The time for the runner. Waiting is measured by it, so that a clock that somebody set moves what is waited for along: no stage
  /// ends early, and none lasts for ever.
  private func readClock() -> Date {
    let now = parts.clock()
    guard let uptime = parts.uptime?() else { return now }
    let offset = now.timeIntervalSince1970 - uptime
    guard let known = clockOffset else {
      clockOffset = offset
      return now
    }
    let step = offset - known
    // Clocks are slewed all the time; that much is nobody's loss.
    guard abs(step) >= 0.5 else { return now }
    clockOffset = offset
    runner?.clockMoved(by: step)
    outbox.clockMoved(by: step, now: now)
    parts.logger.warning("the clock of this machine was set", [.seconds: LogValue(Int(step))])
    return now
  }

  /// An erasure that failed at the end of an attempt is tried again until it is done.
  private func eraseLog(now: Date) {
    if let lastErasure, abs(now.timeIntervalSince(lastErasure)) < Self.erasurePause { return }
    do {
      try parts.store.erase()
    } catch {
      lastErasure = now
      parts.logger.error(
        "the journal of an attempt that is over could not be erased from the database's log; it is tried again",
        [.error: LogValue(error)])
    }
  }

  /// Seconds between two tries.
  private static let erasurePause: Double = 10

  /// A plan may have been made, or ended, by a command beside this process.
  private func lookForPlan(now: Date) throws {
    if let lastLook, now.timeIntervalSince(lastLook) < 1, now >= lastLook { return }
    lastLook = now
    if let runner, let plan, runner.end == nil {
      guard !isDraining, let reason = try parts.store.end(of: plan.session) else { return }
      try runner.stop(because: reason, now: now)
    }
    guard let newest = try parts.store.newestPlan(), newest.session != plan?.session else { return }
    // The last plan is kept when it is over, so that late partners hear of its end.
    let planFile = try newest.planFile()
    guard VerificationKey(hex: planFile.plan.coordinatorKey) == parts.signingKey.verificationKey else {
      // A plan that was over before the signing key was rotated: nothing of it goes on, but late partners hear of its end.
      if newest.endedAt != nil { return try announceEnd(of: newest) }
      throw HostFailure.journal("the plan names another coordinator's key than this folder holds")
    }
    let ledger = try openLedger(of: newest, planFile.plan)
    let algorithm = try planFile.plan.makeAlgorithm(features: try CatalogueDocument.features(of: newest.catalogue))
    self.ledger = ledger
    plan = newest
    runner = try RoundRunner(
      RoundParts(
        store: parts.store, lease: parts.lease, spool: parts.spool, plan: newest, signingKey: parts.signingKey,
        algorithm: algorithm, ledger: ledger, policy: parts.policy, monitor: parts.monitor, logger: parts.logger,
        workers: parts.workers),
      outbox: outbox, now: now)
  }

  /// Says how a plan of an earlier key ended, to whoever was away.
  private func announceEnd(of plan: PlanRecord) throws {
    let release = try parts.store.newestRelease(of: plan.session)
    (self.plan, runner, ledger) = (plan, nil, nil)
    outbox.announce {
      $0 = Outbox.Announcement(
        session: plan.session.bytes, planHash: plan.hash, newestRelease: release?.statement.version,
        state: isDraining ? .draining : .finished(reason: plan.end ?? "the plan is over"))
    }
  }

  private func openLedger(of plan: PlanRecord, _ content: TrainingPlan) throws -> PrivacyLedger {
    let path = parts.folder.ledger(of: plan.session.hex)
    let now = Int(parts.clock().timeIntervalSince1970)
    if !FileManager.default.fileExists(atPath: path) {
      guard try parts.store.newestAttempt(of: plan.session) == nil else {
        throw HostFailure.ledger(
          "the ledger \(path) is gone, but rounds have happened: what was spent is not known; put the ledger back, or make a new plan"
        )
      }
      _ = try PrivacyLedger.create(
        at: path, kind: .coordinator, holder: "coordinator", dataset: content.task, created: now, key: parts.signingKey)
    }
    let ledger = try FencedLedger.open(at: path, key: parts.signingKey, store: parts.store, lease: parts.lease)
    try ledger.noteSearch(of: content, hash: plan.hash, time: now)
    return ledger
  }

  @discardableResult
  private func fail(_ error: any Error) -> any Error {
    let reason: any Error
    switch error {
    case StoreError.fencedOff: reason = HostFailure.fencedOff
    case let error as TaskDatabaseError: reason = HostFailure.journal(error.description)
    case let error as SpoolError: reason = HostFailure.journal(error.description)
    default: reason = error
    }
    failure = reason
    runner = nil
    ledger = nil
    outbox.announce { $0.state = .draining }
    let waiting = inbox
    inbox = []
    for item in waiting { item.answer.resume(throwing: TransportRefusal.unavailable(reason: "stopping")) }
    return reason
  }

  // MARK: - Messages

  /// Hands a whole message to the engine; returns when what became of it is on disk.
  func submit(_ message: ReceivedMessage) async throws(TransportRefusal) -> UploadPhase {
    guard failure == nil, !isDraining, runner != nil else { throw .unavailable(reason: "stopping") }
    do {
      return try await withCheckedThrowingContinuation { answer in
        inbox.append((message, answer))
        guard !isWorking else { return }
        isWorking = true
        // A job of its own: what is queued before it joins the same transaction.
        Task { self.work() }
      }
    } catch { throw (error as? TransportRefusal) ?? .fault }
  }

  private static let batchMax = 64

  private func work() {
    while let runner, !inbox.isEmpty {
      let batch = Array(inbox.prefix(Self.batchMax))
      do {
        let phases = try runner.take(batch.map(\.message), now: readClock())
        inbox.removeFirst(batch.count)
        for (item, phase) in zip(batch, phases) { item.answer.resume(returning: phase) }
      } catch { fail(error) }
    }
    isWorking = false
  }

  /// What an upload comes to before its bytes are there.
  enum Admission: Sendable {
    case receive(limit: UInt64)
    case settled(UploadPhase)
    case conflict
  }

  func admit(_ key: UploadKey, digest: Digest, participant: UInt32) throws(TransportRefusal) -> Admission {
    guard failure == nil, !isDraining, lastLook != nil else {
      throw .unavailable(reason: isDraining ? "stopping" : "starting")
    }
    // Without a plan that this process serves, every attempt is over: whoever still brings a message of one need not wait.
    guard let runner, runner.isCurrent(key) else { return .settled(.superseded) }
    if let known = runner.phase(of: key, participant: participant) {
      return known.digest == digest ? .settled(known.phase) : .conflict
    }
    guard let limit = runner.sizeLimit(kind: key.kind) else { throw .malformed(field: "key.kind") }
    return .receive(limit: limit)
  }

  /// - Returns: `nil` when nothing is known of the message but what the spool holds.
  func phase(of key: UploadKey, participant: UInt32) -> UploadPhase? {
    guard let runner, runner.isCurrent(key) else { return .superseded }
    return runner.phase(of: key, participant: participant)?.phase
  }

  /// Everything that was sent in the attempt under way, by participant: what a test compares byte for byte.
  package nonisolated var sentMessages: [UInt32: [[UInt8]]] { outbox.sent().mapValues { $0.map(\.bytes) } }

  /// Records of the active plan's ledger; `nil` when it has no such records.
  func ledgerContinuation(of records: ClosedRange<UInt64>) throws(TransportRefusal) -> LedgerContinuation? {
    guard let ledger else { throw .unavailable(reason: isDraining ? "stopping" : "starting") }
    return ledger.state.continuation(after: records.lowerBound - 1, upTo: records.upperBound)
  }

  /// What an evaluation release of the active plan made public; `nil` for any other release, and without noise.
  func evaluation(of release: ReleaseRecord) throws(TransportRefusal) -> EvaluationDocument? {
    guard failure == nil, !isDraining, lastLook != nil else {
      throw .unavailable(reason: isDraining ? "stopping" : "starting")
    }
    // Of a plan that an earlier key signed this process holds no ledger, and partners want nothing of it.
    guard let ledger, let runner, runner.plan.session == release.statement.session.hex,
      let shown = ReleasedEvaluation(release.evaluation, under: release.statement, in: ledger.state),
      shown.read(under: release.statement, of: runner.plan) != nil
    else { return nil }
    return EvaluationDocument(shown, under: release.statement)
  }

  /// The ledger's head, to show to partners.
  var ledgerNote: Transport.LedgerNote? {
    ledger.map { Transport.LedgerNote(dataset: "", size: $0.head.head.size, head: $0.head.head.head) }
  }
}

/// Runs an actor's jobs on one dispatch queue.
final class QueueExecutor: SerialExecutor {
  private let queue: DispatchQueue

  init(label: String) { queue = DispatchQueue(label: label) }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
