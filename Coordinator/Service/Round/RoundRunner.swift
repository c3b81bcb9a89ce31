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

/// Hosts the coordinator's engine: applies an event, journals it, and only then lets anything out.
///
/// Synchronous and without a clock of its own; `RoundHost` calls it from one queue. When a method throws, nothing of what it
/// did has left, and the runner must be thrown away: its engine may be ahead of its journal. A new one on the same store has
/// the same state and sends the same bytes.
final class RoundRunner {
  let outbox: Outbox
  let parts: RoundParts
  let plan: TrainingPlan
  let planHash: Digest
  var engine: CoordinatorEngine
  var random: NoiseSource
  /// What became of the messages of the open attempt.
  var phases: [MessageID: (digest: Digest, phase: UploadPhase)] = [:]
  var stage: (generation: Int, stage: AggregationStage, openedAt: Date)?
  /// When the attempt before was over.
  var lastEnd: Date?
  /// Since when enough partners have been there, while others are waited for.
  var enoughSince: Date?
  /// Partners that were waited for in vain; nobody waits for them again before they were there.
  var givenUp: Set<UInt32> = []
  /// What is waited for between attempts.
  var waiting: Wait?
  /// Who had not answered when the last stage's time was over, by name.
  var absent: [String] = []
  /// The operator's reason, where a person has ended the plan.
  var endReason: String?
  var lastEncoded: (message: CoordinatorMessage, encoded: Outbox.Message)?

  struct MessageID: Hashable {
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
    endReason = parts.plan.end
    if parts.plan.endedAt != nil { try stop(because: parts.plan.end, now: now) }
    announceState(now: now)
  }

  /// An operator has ended the plan: what is open is paid for where inputs may have left, and over; nothing new begins.
  func stop(because reason: String?, now: Date) throws {
    guard engine.end == nil else { return }
    endReason = reason
    try perform(engine.stop(time: Int(now.timeIntervalSince1970)), now: now)
  }

  /// The state to go on from; `nil` before the first attempt.
  ///
  /// A checkpoint is written with the end of every attempt, so that the newest one lies before it; only in a copy from a backup
  /// it may not, where an attempt that was open counts as over. Its number is never used again.
  static func checkpoint(_ parts: RoundParts, _ plan: TrainingPlan, after newest: AttemptRecord?) throws
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

  static func engine(_ parts: RoundParts, _ planFile: PlanFile, checkpoint: CoordinatorCheckpoint?) throws
    -> CoordinatorEngine
  {
    try CoordinatorEngine(
      planFile: planFile, signingKey: parts.signingKey, algorithm: parts.algorithm, ledger: parts.ledger,
      checkpoint: checkpoint, releaseJournal: StoredReleaseJournal(store: parts.store, lease: parts.lease),
      workers: parts.workers)
  }

  /// The clock was set: what is being waited for is as far as it was.
  func clockMoved(by step: Double) {
    stage?.openedAt += step
    lastEnd? += step
    enoughSince? += step
    waiting?.since += step
    waiting?.saidAt? += step
  }

  // MARK: - What others ask

  var end: RunEnd? { engine.end }
  var openAttempt: AttemptKey? { engine.openAttempt.map { AttemptKey($0) } }
  var refusals: [String: Int] { engine.refusals }
  var openStage: AggregationStage? { engine.openStage }

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
}
