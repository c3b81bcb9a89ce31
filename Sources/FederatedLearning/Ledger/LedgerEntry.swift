public import CryptoPrimitives
public import SecureAggregation

/// One entry of a privacy ledger: what its holder states, before it is chained and signed.
///
/// Entries are facts that were true when they were written. Nobody edits them; what changes is stated by a later entry.
/// The members and their bytes are in Protocols/ledger.md §3.
public enum LedgerEntry: Sendable, Equatable {
  /// Record 1 and no other.
  case header(LedgerHeader)
  case charge(LedgerCharge)
  case outcome(LedgerOutcome)
  case refund(LedgerRefund)
  case note(LedgerNote)
}

/// Whose ledger it is, and what it counts.
public struct LedgerHeader: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    /// Charged before a sum is opened; counts one task.
    case coordinator
    /// Charged before a masked input leaves; counts one data set over all plans, coordinators and tasks.
    case partner
  }

  public let kind: Kind
  /// Name of the coordinator or partner, as in the plan's roster; at most 256 bytes.
  public let holder: String
  /// What the budget belongs to: a partner's data set, or the coordinator's task; at most 256 bytes.
  public let dataset: String
  /// The holder's long-lived identity, whose signature every record carries.
  public let key: VerificationKey
  /// Seconds since 1970-01-01 00:00 UTC, by the holder's clock.
  public let created: Int

  public init(kind: Kind, holder: String, dataset: String, key: VerificationKey, created: Int) {
    self.kind = kind
    self.holder = holder
    self.dataset = dataset
    self.key = key
    self.created = created
  }

  /// The version of the bytes that this code writes and reads.
  public static let formatVersion = 2
}

/// Which attempt an entry speaks of: masks, keys and charges are per attempt.
public struct LedgerAttempt: Sendable, Hashable, CustomStringConvertible {
  public let session: SessionID
  /// 0-based.
  public let round: Int
  /// 0-based; a round that aborts is tried again under the next number.
  public let attempt: Int

  public init(session: SessionID, round: Int, attempt: Int) {
    precondition(
      round >= 0 && attempt >= 0, "rounds and attempts count from 0, found \(round) and \(attempt)")
    self.session = session
    self.round = round
    self.attempt = attempt
  }

  /// The attempt that messages of secure aggregation name.
  public init(_ context: AttemptContext) {
    self.init(session: context.session, round: Int(context.round), attempt: Int(context.attempt))
  }

  public var description: String { "session \(session), round \(round), attempt \(attempt)" }
}

/// Budget spent on one attempt of one release, written at the point of no return.
///
/// It counts partners and never users: a realised number of users is itself a release.
public struct LedgerCharge: Sendable, Equatable {
  public let attempt: LedgerAttempt
  /// 0-based index into the plan's list of releases.
  public let release: Int
  /// The release's name in the plan.
  public let name: String
  /// Hash of the signed plan under which the attempt runs.
  public let plan: Digest
  /// What every key and signature of the attempt is bound to: plan, roster, model bytes, the coordinator's ledger head.
  public let binding: Digest
  /// What is charged, with σ², Δ² and adjacency; the accountant sees nothing else.
  public let event: ChargedEvent
  /// The sampler that ran, in the plan's words (`everyone`, `poisson`, …).
  public let sampler: String
  /// Partners that take part in the attempt.
  public let participants: Int
  /// Partners whose inputs are in the sum; unknown (`nil`) when a partner writes.
  public let survivors: Int?
  /// The δ at which the two values of ε are stated.
  public let delta: Double
  /// ε of everything charged before, at this δ, by the accountant named.
  public let epsilonBefore: Double
  /// ε of everything charged with this event.
  public let epsilonAfter: Double
  /// Name and version of the accountant that computed both.
  public let accountant: String
  /// Seconds since 1970-01-01 00:00 UTC, by the holder's clock (virtual in a simulation).
  public let time: Int
}

/// What became of an attempt that was charged.
public struct LedgerOutcome: Sendable, Equatable {
  public enum Result: Sendable, Equatable {
    /// The sum was published; the digest is that of the published bytes, where the holder has them.
    case released(Digest?)
    /// The attempt ended without a result; the charge stands.
    case aborted(reason: String)
  }

  public let attempt: LedgerAttempt
  public let release: Int
  public let result: Result
  /// Partners whose inputs were in the sum; `nil` when the attempt ended before that was known.
  public let survivors: Int?
  public let time: Int

  public init(attempt: LedgerAttempt, release: Int, result: Result, survivors: Int?, time: Int) {
    self.attempt = attempt
    self.release = release
    self.result = result
    self.survivors = survivors
    self.time = time
  }

  /// SHA-256 of released integers, 8 bytes each, little-endian: what `released` holds of a sum.
  public static func digest(of entries: [Int64]) -> Digest {
    // The bytes of memory where it holds them in this order already.
    if Int64(1).littleEndian == 1 { return entries.withUnsafeBytes { SHA256.hash($0) } }
    return entries.map { $0.littleEndian }.withUnsafeBytes { SHA256.hash($0) }
  }
}

/// A charge taken back on proof that the holder's input was not in the sum.
public struct LedgerRefund: Sendable, Equatable {
  public let attempt: LedgerAttempt
  public let release: Int
  /// Signatures of at least t partners on one survivor set of that attempt, without the holder.
  public let evidence: SurvivorEvidence
  public let time: Int

  public init(attempt: LedgerAttempt, release: Int, evidence: SurvivorEvidence, time: Int) {
    self.attempt = attempt
    self.release = release
    self.evidence = evidence
    self.time = time
  }
}

/// A remark that moves no budget: a hyperparameter search, a warm start, a recovery after a crash.
public struct LedgerNote: Sendable, Equatable {
  /// At most 4096 bytes; no personal data.
  public let text: String
  public let time: Int

  public init(text: String, time: Int) {
    self.text = text
    self.time = time
  }

  public static let textBytesMax = 4096
}
