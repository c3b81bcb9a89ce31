public import SecureAggregation

/// A partner's "no" to an attempt.
public struct RoundRefusal: Sendable, Equatable {
  public let session: SessionID
  public let round: UInt32
  public let attempt: UInt32
  public let participant: ParticipantID
  public let reason: PartnerRefusal

  public init(
    session: SessionID, round: UInt32, attempt: UInt32, participant: ParticipantID, reason: PartnerRefusal
  ) {
    self.session = session
    self.round = round
    self.attempt = attempt
    self.participant = participant
    self.reason = reason
  }
}

/// Why a partner takes no further part in an attempt: a closed list that can be counted and shown.
public enum PartnerRefusal: UInt8, Sendable, Equatable, CaseIterable, CustomStringConvertible {
  case wrongPlan = 1
  case wrongSession = 2
  case forgedRoundStart = 3
  case staleAttempt = 4
  case unexpectedRound = 5
  case malformedModel = 6
  case budgetExhausted = 7
  case tooManyUsers = 8
  case sumOutOfRange = 9
  case ledgerUnavailable = 10
  case aggregationRefused = 11
  case unexpectedMessage = 12
  case coordinatorLedgerRolledBack = 13
  case wrongModel = 14
  case peerLedgerRolledBack = 15
  case journalUnavailable = 16
  case paused = 17
  case wrongEvaluation = 18

  public var description: String {
    switch self {
    case .wrongPlan: "the round belongs to another plan than the one accepted"
    case .wrongSession: "the round belongs to another session"
    case .forgedRoundStart: "the round was not opened by the coordinator of the plan"
    case .staleAttempt: "the attempt is not newer than one already answered"
    case .unexpectedRound: "the plan has no such round or attempt"
    case .malformedModel: "the model could not be read, or is not of the plan's algorithm"
    case .budgetExhausted: "the release would overspend this partner's privacy budget"
    case .tooManyUsers: "this partner holds more users than the plan's cap for it"
    case .sumOutOfRange: "this partner's sum does not fit the plan's ring"
    case .ledgerUnavailable: "the ledger entry could not be written, or a linked ledger not read"
    case .aggregationRefused: "secure aggregation refused to go on"
    case .unexpectedMessage: "the message does not fit the stage"
    case .coordinatorLedgerRolledBack: "the coordinator's ledger is shorter than, or no extension of, one shown before"
    case .wrongModel: "the model or its release is not the one that the coordinator signed, or older than one seen before"
    case .peerLedgerRolledBack: "a peer's ledger is shorter than, or no extension of, one that it showed before"
    case .journalUnavailable: "this partner's journal could not be written"
    case .paused: "this partner is paused"
    case .wrongEvaluation: "the integers of an evaluation are not those whose hash the signed release leads to"
    }
  }
}
