public import CryptoPrimitives

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

/// What a survivor statement says, read from its bytes by whoever knows their layout.
public struct SurvivorStatement: Sendable, Equatable {
  public let attempt: LedgerAttempt
  public let plan: Digest
  /// Identity keys of the partners whose inputs are in the sum.
  public let survivors: Set<VerificationKey>

  public init(attempt: LedgerAttempt, plan: Digest, survivors: Set<VerificationKey>) {
    self.attempt = attempt
    self.plan = plan
    self.survivors = survivors
  }
}

/// The part of a plan that decides whether evidence is proof.
public struct EvidenceRules: Sendable {
  /// Hash of the plan that these rules are from.
  public let plan: Digest
  /// Identity keys of all partners of the plan.
  public let roster: Set<VerificationKey>
  /// t of the plan: how many distinct survivors must have signed.
  public let threshold: Int
  /// Reads the bytes of a survivor statement; `nil` when they are none.
  public let read: @Sendable ([UInt8]) -> SurvivorStatement?

  public init(
    plan: Digest, roster: Set<VerificationKey>, threshold: Int,
    read: @escaping @Sendable ([UInt8]) -> SurvivorStatement?
  ) {
    precondition(threshold >= 1, "a threshold of \(threshold) signatures proves nothing")
    self.plan = plan
    self.roster = roster
    self.threshold = threshold
    self.read = read
  }

  /// Why a refund is not proven, or `nil` when it is.
  ///
  /// - Parameters:
  ///   - refund: what the holder claims.
  ///   - charged: the plan of the charge that would be taken back.
  ///   - holder: the ledger's key.
  func objection(to refund: LedgerRefund, charged: Digest, holder: VerificationKey) -> String? {
    guard charged == plan else { return "the charge is of another plan than the roster at hand" }
    guard let statement = read(refund.evidence.statement) else {
      return "the evidence is no survivor statement"
    }
    guard statement.attempt == refund.attempt else {
      return "the evidence speaks of \(statement.attempt)"
    }
    guard statement.plan == plan else { return "the evidence speaks of another plan" }
    guard !statement.survivors.contains(holder) else { return "the evidence counts the holder as a survivor" }
    guard statement.survivors.isSubset(of: roster) else { return "the evidence names survivors outside the roster" }
    let signers = Set(
      refund.evidence.endorsements.lazy
        .filter { statement.survivors.contains($0.key) }
        .filter { $0.key.verifies($0.signature, of: refund.evidence.statement) }
        .map(\.key))
    guard signers.count >= threshold else {
      return "\(signers.count) valid signatures of survivors were found, \(threshold) are needed"
    }
    return nil
  }
}
