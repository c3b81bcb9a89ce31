public import CryptoPrimitives
public import SecureAggregation

/// Signed statements of other partners about who was in a sum, kept as the bytes that were signed.
///
/// A ledger stores evidence without judging it. Whoever holds the plan (its roster and threshold) judges it, and until
/// then the charge counts: a refund that nobody can check is worth nothing (privacy.md §6).
public struct SurvivorEvidence: Sendable, Equatable {
  public struct Endorsement: Sendable, Equatable {
    public let key: VerificationKey
    public let signature: Signature

    public init(key: VerificationKey, signature: Signature) {
      self.key = key
      self.signature = signature
    }
  }

  /// The message of the consistency check, byte for byte as it was signed.
  public let statement: [UInt8]
  public let endorsements: [Endorsement]

  public init(statement: [UInt8], endorsements: [Endorsement]) {
    self.statement = statement
    self.endorsements = endorsements
  }
}

/// What a survivor statement says.
struct SurvivorStatement: Equatable {
  let attempt: LedgerAttempt
  /// What all keys and signatures of the attempt are bound to.
  let binding: Digest
  /// Participants whose inputs are in the sum.
  let survivors: [ParticipantID]

  /// Reads the bytes that survivors sign in the consistency check (Protocols/secure-aggregation.md): fields in order, each
  /// preceded by its length in 4 bytes, least significant first.
  ///
  /// - Returns: `nil` unless the bytes are exactly such a statement.
  init?(bytes: [UInt8]) {
    var rest = bytes[...]
    func field(_ count: Int? = nil) -> [UInt8]? {
      guard let length = Self.integer(Array(rest.prefix(4))), rest.count - 4 >= length,
        count ?? length == length
      else { return nil }
      defer { rest = rest.dropFirst(4 + length) }
      return Array(rest.dropFirst(4).prefix(length))
    }
    guard field() == Array("tacit-secagg".utf8), field(2) != nil, field(1) != nil,
      field() == Array("survivor set".utf8), let session = field(16).flatMap(SessionID.init(bytes:)),
      let round = field(4).flatMap(Self.integer), let attempt = field(4).flatMap(Self.integer),
      let binding = field(32).flatMap(Digest.init(bytes:)), field(32) != nil,
      let count = field(4).flatMap(Self.integer), rest.count == 8 * count
    else { return nil }
    var survivors: [ParticipantID] = []
    while let identifier = field(4).flatMap(Self.integer) {
      survivors.append(ParticipantID(UInt32(identifier)))
    }
    guard survivors.count == count, zip(survivors, survivors.dropFirst()).allSatisfy({ $0 < $1 }) else {
      return nil
    }
    self.attempt = LedgerAttempt(session: session, round: round, attempt: attempt)
    self.binding = binding
    self.survivors = survivors
  }

  private static func integer(_ bytes: [UInt8]) -> Int? {
    guard bytes.count == 4 else { return nil }
    return bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
  }
}

/// The part of a plan that decides whether evidence is proof.
public struct EvidenceRules: Sendable {
  /// Hash of the plan that these rules are from.
  public let plan: Digest
  /// Identity keys of all participants of the plan.
  public let roster: [ParticipantID: VerificationKey]
  /// t of the plan: how many distinct survivors must have signed.
  public let threshold: Int

  public init(plan: Digest, roster: [ParticipantID: VerificationKey], threshold: Int) {
    precondition(threshold >= 1, "a threshold of \(threshold) signatures proves nothing")
    self.plan = plan
    self.roster = roster
    self.threshold = threshold
  }

  /// Why a refund is not proven, or `nil` when it is.
  ///
  /// - Parameters:
  ///   - refund: what the holder claims.
  ///   - charge: what would be taken back.
  ///   - holder: the ledger's key.
  func objection(to refund: LedgerRefund, of charge: LedgerCharge, holder: VerificationKey) -> String? {
    guard charge.plan == plan else { return "the charge is of another plan than the roster at hand" }
    guard roster.values.contains(holder) else { return "the holder is not in the plan's roster" }
    guard let statement = SurvivorStatement(bytes: refund.evidence.statement) else {
      return "the evidence is no survivor statement"
    }
    guard statement.attempt == refund.attempt else { return "the evidence speaks of \(statement.attempt)" }
    guard statement.binding == charge.binding else { return "the evidence speaks of another plan or model" }
    let survivors = statement.survivors.compactMap { roster[$0] }
    guard survivors.count == statement.survivors.count else {
      return "the evidence names survivors outside the roster"
    }
    guard !survivors.contains(holder) else { return "the evidence counts the holder as a survivor" }
    let signers = Set(
      refund.evidence.endorsements.lazy
        .filter { survivors.contains($0.key) }
        .filter { $0.key.verifies($0.signature, of: refund.evidence.statement) }
        .map(\.key))
    guard signers.count >= threshold else {
      return "\(signers.count) valid signatures of survivors were found, \(threshold) are needed"
    }
    return nil
  }
}
