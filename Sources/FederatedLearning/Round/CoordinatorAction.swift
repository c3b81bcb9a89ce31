public import CryptoPrimitives
public import SecureAggregation

/// What the host does for the coordinator's engine, in the order of the list.
public enum CoordinatorAction: Sendable, Equatable {
  case send(CoordinatorMessage, to: ParticipantID)
  /// Call `deadlineExpired(generation)` when the stage has had its time; later generations replace earlier ones.
  case armDeadline(generation: Int, stage: AggregationStage)
  /// The aggregation of this attempt is complete: call `release` now. Separate, because it draws the noise and takes long.
  case release
  /// A release became public.
  case published(PublishedRelease)
  /// An attempt came to nothing; `readyForNext` or `finished` follows.
  case attemptAborted(round: Int, attempt: Int, reason: AttemptAbort)
  /// The attempt is over, and `checkpoint` may be kept: call `begin` when it is time for the next one.
  case readyForNext
  case finished(RunEnd)
}

/// What became of one message; only an accepted one changed the engine, and belongs in the host's journal.
public enum MessageVerdict: Sendable, Equatable {
  case accepted
  /// Counted and forgotten; the reason is a raw value of `CoordinatorRefusal` or of `AggregatorRefusal`.
  case refused(String)
}

/// The closed list of reasons why the coordinator's engine does not take a message; secure aggregation has its own.
public enum CoordinatorRefusal: String, Sendable, CaseIterable {
  case outsideOfRound = "message outside of a round"
  case outsideOfRoster = "sender outside of the roster"
  case refusalOfAnotherAttempt = "refusal of another attempt"
  case refusedBefore = "refusal of a partner that refused before"
  case maskedMessageInPlainRound = "masked message in a plain round"
  case plainSumInSecureRound = "plain sum in a secure round"
  case unfitPlainSum = "plain sum that does not fit the attempt"
}

/// What one release made public.
public struct PublishedRelease: Sendable, Equatable {
  public let round: Int
  public let attempt: Int
  public let name: String
  public let purpose: PlannedRelease.Purpose
  /// Partners whose inputs are in the sum.
  public let survivors: [ParticipantID]
  /// ε charged so far; `nil` without noise.
  public let epsilonSpent: Double?
  /// For evaluation releases; `nil` for training.
  public let evaluation: NoisedEvaluation?
  /// SHA-256 of the released integers, 8 bytes each, little-endian.
  public let digest: Digest
  /// The signed statement about the model after this release, as every partner gets it.
  public let modelRelease: ModelRelease
  /// The survivors' signatures under this coordinator's ledger head, to be kept beside the ledger; `nil` without secure aggregation.
  public let witness: LedgerWitness?
}

/// Why a run is over.
public enum RunEnd: Sendable, Equatable, CustomStringConvertible {
  /// Every release of the plan happened.
  case completed
  /// The next release would have overspent the cap; it did not happen.
  case budgetExhausted(round: Int)
  /// A round came to nothing as often as the plan allows.
  case tooManyAborts(round: Int, reason: AttemptAbort)
  /// Ledger or release journal could not be written or contradict this state; nothing was released after that. It ends the
  /// process and no run: the host keeps its journal of the attempt as it is, and the next process resumes.
  case ledgerFailed(String)
  case stopped

  /// Whether the next process goes on with the attempt under way, so that the host keeps no checkpoint of this end.
  public var isResumable: Bool {
    if case .ledgerFailed = self { true } else { false }
  }

  public var description: String {
    switch self {
    case .completed: "every release of the plan happened"
    case .budgetExhausted(let round):
      "stopped before release \(round + 1): it would have overspent the privacy budget"
    case .tooManyAborts(let round, let reason): "gave up at release \(round + 1): \(reason)"
    case .ledgerFailed(let sentence): "stopped because the ledger could not be written: \(sentence)"
    case .stopped: "stopped on request"
    }
  }
}
