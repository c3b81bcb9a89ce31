public import SecureAggregation
internal import Synchronization

/// How far a partner has come in one session: nothing at or below its mark is ever answered again.
public struct AttemptMark: Comparable, Hashable, Sendable, Codable {
  public var round: UInt32
  public var attempt: UInt32
  /// 0: the attempt was opened; 1 to 5: the answer of this stage (`AggregationStage`) may have left.
  public var stage: UInt8

  public init(round: UInt32, attempt: UInt32, stage: UInt8) {
    self.round = round
    self.attempt = attempt
    self.stage = stage
  }

  public static func < (left: Self, right: Self) -> Bool {
    (left.round, left.attempt, left.stage) < (right.round, right.attempt, right.stage)
  }
}

/// Durable memory of one partner, outside of its ledger.
///
/// The engine reads it once, when it is made, and writes before anything leaves that the entry is about: every `record` and
/// `advance` is durable on return. One that throws lets nothing out.
public protocol PartnerJournal: AnyObject, Sendable {
  func highWaterMark(session: SessionID) throws -> AttemptMark?
  /// Replaces the mark; refuses to go back.
  func advance(to mark: AttemptMark, session: SessionID) throws
  /// The least ledger of the coordinator that this partner goes on with: the longest that it was shown, or, after a masked
  /// input left, one record more, whose hash is not known yet and stands as `Digest.zero`.
  func coordinatorHead(session: SessionID) throws -> LedgerHead?
  /// Replaces it.
  func record(coordinatorHead: LedgerHead, session: SessionID) throws
  /// The coordinator's ledger at the newest start that this partner took: its records are chained to this hash from then on.
  func shownHead(session: SessionID) throws -> LedgerHead?
  /// Replaces it.
  func record(shownHead: LedgerHead, session: SessionID) throws
  /// The longest ledgers that peers advertised, or, after they signed a survivor set, one record more, whose hash is not known
  /// yet and stands as `Digest.zero`.
  func peerHeads(session: SessionID) throws -> [ParticipantID: LedgerHead]
  /// Replaces the heads of the peers that are named, and leaves the others.
  func record(peerHeads: [ParticipantID: LedgerHead], session: SessionID) throws
  /// The newest signatures of survivors under the coordinator's head that this partner has seen and verified.
  func newestWitness(session: SessionID) throws -> LedgerWitness?
  /// Replaces it.
  func record(witness: LedgerWitness, session: SessionID) throws
  /// The newest signed release that this partner has seen.
  func newestRelease(session: SessionID) throws -> ModelRelease?
  /// Replaces it.
  func record(release: ModelRelease, session: SessionID) throws
  /// What evaluation releases said, by round; checked before they came here.
  func evaluations(session: SessionID) throws -> [EvaluationDocument]
  /// Keeps one more; the first of a round stays.
  func record(evaluation: EvaluationDocument, session: SessionID) throws
}

/// What a journal holds of one session.
struct PartnerRecollection {
  var mark: AttemptMark?
  var coordinatorHead: LedgerHead?
  var shownHead: LedgerHead?
  var witness: LedgerWitness?
  var peerHeads: [ParticipantID: LedgerHead] = [:]
  var release: ModelRelease?
  /// By round.
  var evaluations: [UInt32: EvaluationDocument] = [:]

  init() {}

  init(of session: SessionID, in journal: any PartnerJournal) throws {
    mark = try journal.highWaterMark(session: session)
    coordinatorHead = try journal.coordinatorHead(session: session)
    shownHead = try journal.shownHead(session: session)
    peerHeads = try journal.peerHeads(session: session)
    release = try journal.newestRelease(session: session)
    for held in try journal.evaluations(session: session) { evaluations[held.statement.round] = held }
  }
}

/// A partner's journal without a disk, for simulations and tests: it forgets with its process.
public final class PartnerMemory: PartnerJournal {
  private let sessions = Mutex<[SessionID: PartnerRecollection]>([:])

  public init() {}

  public func highWaterMark(session: SessionID) -> AttemptMark? { sessions.withLock { $0[session]?.mark } }

  public func advance(to mark: AttemptMark, session: SessionID) throws {
    try sessions.withLock { sessions in
      if let standing = sessions[session]?.mark, standing > mark {
        throw LedgerError("the high-water mark stands at \(standing) and does not go back to \(mark)")
      }
      sessions[session, default: PartnerRecollection()].mark = mark
    }
  }

  public func coordinatorHead(session: SessionID) -> LedgerHead? { sessions.withLock { $0[session]?.coordinatorHead } }

  public func record(coordinatorHead: LedgerHead, session: SessionID) {
    sessions.withLock { $0[session, default: PartnerRecollection()].coordinatorHead = coordinatorHead }
  }

  public func shownHead(session: SessionID) -> LedgerHead? { sessions.withLock { $0[session]?.shownHead } }

  public func record(shownHead: LedgerHead, session: SessionID) {
    sessions.withLock { $0[session, default: PartnerRecollection()].shownHead = shownHead }
  }

  public func newestWitness(session: SessionID) -> LedgerWitness? { sessions.withLock { $0[session]?.witness } }

  public func record(witness: LedgerWitness, session: SessionID) {
    sessions.withLock { $0[session, default: PartnerRecollection()].witness = witness }
  }

  public func peerHeads(session: SessionID) -> [ParticipantID: LedgerHead] {
    sessions.withLock { $0[session]?.peerHeads ?? [:] }
  }

  public func record(peerHeads: [ParticipantID: LedgerHead], session: SessionID) {
    sessions.withLock { $0[session, default: PartnerRecollection()].peerHeads.merge(peerHeads) { $1 } }
  }

  public func newestRelease(session: SessionID) -> ModelRelease? { sessions.withLock { $0[session]?.release } }

  public func record(release: ModelRelease, session: SessionID) {
    sessions.withLock { $0[session, default: PartnerRecollection()].release = release }
  }

  public func evaluations(session: SessionID) -> [EvaluationDocument] {
    sessions.withLock { $0[session]?.evaluations.values.sorted { $0.statement.round < $1.statement.round } ?? [] }
  }

  public func record(evaluation: EvaluationDocument, session: SessionID) {
    sessions.withLock {
      $0[session, default: PartnerRecollection()].evaluations.merge([evaluation.statement.round: evaluation]) { first, _ in first
      }
    }
  }
}
