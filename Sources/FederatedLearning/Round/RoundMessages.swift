public import CryptoPrimitives
public import SecureAggregation

/// What the coordinator sends to one partner.
public enum CoordinatorMessage: Sendable, Equatable {
  /// Opens an attempt at a round.
  case roundStart(RoundStart)
  /// A message of the secure aggregation's current stage.
  case aggregation(ServerMessage)
  /// The attempt is over.
  case roundEnd(RoundEnd)
}

/// What a partner sends to the coordinator.
public enum PartnerMessage: Sendable, Equatable {
  /// A message of the secure aggregation's current stage.
  case aggregation(ClientMessage)
  /// The partner's integer sum in the clear; only under plans that say `isSecure: false`.
  case plainSum(PlainSum)
  /// The partner takes no further part in this attempt, and says why.
  case refusal(RoundRefusal)
}

/// Opens one attempt at one round: which release, on which model, over which ledger.
///
/// The coordinator signs it. Its hash is the `binding` that enters every key derivation and signature of the attempt, so
/// that partners who were given different models cannot finish (Pasquini et al., CCS 2022).
public struct RoundStart: Sendable, Equatable {
  public let session: SessionID
  /// Index into the plan's releases.
  public let round: UInt32
  public let attempt: UInt32
  /// SHA-256 of the plan's bytes.
  public let planHash: Digest
  /// `ModelBytes` of the model that contributions are computed from.
  public let model: [UInt8]
  /// Records in the coordinator's ledger, and the hash of the last.
  public let ledgerSize: UInt64
  public let ledgerHead: Digest
  /// By the coordinator's key, over `signedBytes`.
  public let signature: Signature

  public init(
    session: SessionID, round: UInt32, attempt: UInt32, planHash: Digest, model: [UInt8], ledgerSize: UInt64,
    ledgerHead: Digest, signature: Signature
  ) {
    self.session = session
    self.round = round
    self.attempt = attempt
    self.planHash = planHash
    self.model = model
    self.ledgerSize = ledgerSize
    self.ledgerHead = ledgerHead
    self.signature = signature
  }

  /// The signed bytes: label, plan hash, SHA-256 of the model bytes, session (16), round, attempt (u32 each),
  /// ledger size (u64), ledger head; integers little-endian.
  public static func signedBytes(
    session: SessionID, round: UInt32, attempt: UInt32, planHash: Digest, modelHash: Digest, ledgerSize: UInt64,
    ledgerHead: Digest
  ) -> [UInt8] {
    var bytes = Array("tacit/v1/round-start\n".utf8)
    bytes += planHash.bytes
    bytes += modelHash.bytes
    bytes += session.bytes
    withUnsafeBytes(of: round.littleEndian) { bytes += $0 }
    withUnsafeBytes(of: attempt.littleEndian) { bytes += $0 }
    withUnsafeBytes(of: ledgerSize.littleEndian) { bytes += $0 }
    bytes += ledgerHead.bytes
    return bytes
  }

  var signedBytes: [UInt8] {
    Self.signedBytes(
      session: session, round: round, attempt: attempt, planHash: planHash, modelHash: SHA256.hash(model),
      ledgerSize: ledgerSize, ledgerHead: ledgerHead)
  }

  /// What secure aggregation binds every key and signature to: SHA-256 of the signed bytes.
  package func context() -> AttemptContext {
    AttemptContext(session: session, round: round, attempt: attempt, binding: SHA256.hash(signedBytes))
  }
}

/// A partner's integer sum without masks, packed like a masked input.
public struct PlainSum: Sendable, Equatable {
  public let context: AttemptContext
  public let participant: ParticipantID
  /// `modulusBits` bits per entry (`RingVector`).
  public let packed: [UInt8]

  public init(context: AttemptContext, participant: ParticipantID, packed: [UInt8]) {
    self.context = context
    self.participant = participant
    self.packed = packed
  }
}

/// Closes one attempt.
public struct RoundEnd: Sendable, Equatable {
  public let context: AttemptContext
  /// `nil` when the sum was released, else why the attempt came to nothing.
  public let abortReason: AttemptAbort?
  /// What the coordinator says under its signature about the release; `nil` when there is none.
  public let release: ModelRelease?
  /// What an evaluation release made public; `nil` for training, and without noise.
  public let evaluation: ReleasedEvaluation?

  public init(
    context: AttemptContext, abortReason: AttemptAbort?, release: ModelRelease? = nil, evaluation: ReleasedEvaluation? = nil
  ) {
    self.context = context
    self.abortReason = abortReason
    self.release = release
    self.evaluation = evaluation
  }
}

/// Why an attempt came to nothing.
public enum AttemptAbort: UInt8, Sendable, Equatable, CaseIterable, CustomStringConvertible {
  case tooFewPartners = 1
  case aggregationFailed = 2
  case stopped = 3

  public var description: String {
    switch self {
    case .tooFewPartners: "fewer partners than the plan's minimum stayed to the end"
    case .aggregationFailed: "the masks could not be removed: shares are missing or false"
    case .stopped: "the run was stopped"
    }
  }
}
