public import CryptoPrimitives
public import DifferentialPrivacy
public import SecureAggregation

/// What a ledger says, folded from its records: nothing is stored that the records do not hold.
///
/// Two amounts are kept apart. `recorded` believes every refund of the holder, and is what the holder's next charge
/// must continue. `proven` takes a charge back only where the evidence was checked, and is what everybody else should
/// believe.
public struct LedgerState: Sendable {
  public let header: LedgerHeader
  /// The last head, as its holder signed it.
  public private(set) var head: SignedLedgerHead
  /// Every charge with what became of it, oldest first.
  public private(set) var charges: [Standing] = []
  /// What the holder counts as spent.
  public private(set) var recorded = LedgerSpending()
  /// What is spent for all that can be proven; never less than `recorded`.
  public private(set) var proven = LedgerSpending()
  /// Remarks, oldest first.
  public private(set) var notes: [LedgerNote] = []
  /// The cap over all plans that the newest remark about one tells of.
  public private(set) var cap: PrivacyBudget?
  /// That under which the first charge was made; `nil` before it, when no result is known and a cap may be any.
  public private(set) var firstCap: PrivacyBudget?

  private var signedHeads: [SignedLedgerHead]
  /// As they were chained; a coordinator's only, whose partners ask for them.
  private var payloads: [[UInt8]] = []
  /// Over the chain hashes, one entry for each record.
  public private(set) var tree: MerkleLog
  private var positions: [ChargeKey: Int] = [:]
  private var lastPlaces: [SessionID: ChargeKey] = [:]
  private var hasRefunds = false

  /// Hash of the plan of the first charge, also where that was taken back: a cap over several plans is proven from it.
  public var firstPlan: Digest? { charges.first?.charge.plan }

  /// A charge and its later fate.
  public struct Standing: Sendable, Equatable {
    public let charge: LedgerCharge
    /// Record number of the charge.
    public let number: Int
    public fileprivate(set) var outcome: LedgerOutcome?
    public fileprivate(set) var refund: Refund?
    /// Upper value of ε of everything charged up to here, at the charge's δ, recomputed from the events; only proven refunds are
    /// taken off. What the holder stated is in `charge`.
    public let epsilonAfter: Double
  }

  public enum Refund: Sendable, Equatable {
    case proven
    /// The holder took the charge back, but the evidence could not be checked here or is not enough.
    case unproven
  }

  /// - Parameter record: record 1, which the reader has found to be a header.
  init(header: LedgerHeader, record: LedgerRecord) {
    self.header = header
    head = SignedLedgerHead(
      ledger: record.digest, head: LedgerHead(size: 1, head: record.digest), root: record.root, signature: record.signature)
    signedHeads = [head]
    tree = MerkleLog([record.digest.bytes])
    keep(record)
  }

  /// Number of records, the header included.
  public var size: Int { signedHeads.count }

  /// Chain hash of the last record.
  public var lastHash: Digest { head.head.head }

  /// The head after record `size` as its holder signed it.
  ///
  /// - Precondition: 1 ≤ size ≤ `self.size`.
  public func signedHead(size: Int) -> SignedLedgerHead { signedHeads[size - 1] }

  /// Whether this ledger continues the one that `other` was the head of: same bytes up to there, and no shorter.
  public func isExtension(of other: LedgerHead) -> Bool {
    other.size >= 1 && other.size <= size && signedHeads[Int(other.size) - 1].head == other
  }

  /// Whether this ledger holds what others know of it: an extension of `known`, or as many records where they know no hash.
  public func reaches(_ known: LedgerHead) -> Bool {
    known.head == .zero ? UInt64(size) >= known.size : isExtension(of: known)
  }

  /// The records after the first `known`, up to record `size`: what shows that the head of `size` goes on from that of `known`.
  ///
  /// - Returns: `nil` for a partner's ledger, which shows its records to nobody, and when there are no such records here.
  public func continuation(after known: UInt64, upTo size: UInt64) -> LedgerContinuation? {
    guard header.kind == .coordinator, known < size, size <= UInt64(self.size) else { return nil }
    return LedgerContinuation(payloads: Array(payloads[Int(known)..<Int(size)]))
  }

  private mutating func keep(_ record: LedgerRecord) {
    guard header.kind == .coordinator else { return }
    payloads.append(record.entry.payload(number: record.number).bytes)
  }

  /// The charge of one release of one attempt.
  public func charge(_ attempt: LedgerAttempt, release: Int) -> Standing? {
    positions[ChargeKey(attempt: attempt, release: release)].map { charges[$0] }
  }

  /// Takes one more record into account.
  ///
  /// - Parameters:
  ///   - record: the record after the last; the reader has checked its chain hash, signature and number.
  ///   - rules: rosters and thresholds against which refunds are judged.
  /// - Returns: what contradicts the records before it.
  mutating func fold(_ record: LedgerRecord, rules: [EvidenceRules]) -> [LedgerFinding] {
    precondition(record.number == size + 1, "records are folded in order")
    head = SignedLedgerHead(
      ledger: head.ledger, head: LedgerHead(size: UInt64(record.number), head: record.digest), root: record.root,
      signature: record.signature)
    signedHeads.append(head)
    tree.append(record.digest.bytes)
    keep(record)
    switch record.entry {
    case .header:
      return [
        LedgerFinding(.outOfOrder, line: record.number, "a second header stands in the middle of the ledger")
      ]
    case .charge(let charge): return fold(charge, number: record.number)
    case .outcome(let outcome): return fold(outcome, number: record.number)
    case .refund(let refund): return fold(refund, number: record.number, rules: rules)
    case .note(let note):
      notes.append(note)
      cap = Self.cap(in: note) ?? cap
      return []
    }
  }

  private mutating func fold(_ charge: LedgerCharge, number: Int) -> [LedgerFinding] {
    var findings: [LedgerFinding] = []
    if charges.isEmpty { firstCap = cap }
    let key = ChargeKey(attempt: charge.attempt, release: charge.release)
    if positions[key] != nil {
      findings.append(
        LedgerFinding(
          .chargedTwice, line: number, "release \(charge.release) of \(charge.attempt) was charged before"))
    } else if let last = lastPlaces[charge.attempt.session], !(last < key) {
      findings.append(
        LedgerFinding(
          .outOfOrder, line: number,
          "release \(charge.release) of \(charge.attempt) comes after round \(last.attempt.round), attempt \(last.attempt.attempt)"
        ))
    }
    let before = recorded.epsilon(delta: charge.delta)
    if let refusal = recorded.add(charge) {
      findings.append(
        LedgerFinding(
          .notAccountable, line: number, "the event cannot be composed with those before: \(refusal)"))
    }
    _ = proven.add(charge)
    let after = recorded.epsilon(delta: charge.delta)
    for (moment, stated, found) in [
      ("before", charge.epsilonBefore, before), ("after", charge.epsilonAfter, after),
    ] {
      let text =
        "ε \(moment) the charge is stated as \(stated), the events give \(found) at δ = \(charge.delta)"
      switch LedgerSpending.compare(
        stated: stated, by: charge.accountant, recomputed: found, by: recorded.accountant)
      {
      case .equal: break
      case .understated:
        findings.append(
          LedgerFinding(
            .epsilonUnderstated, line: number,
            "\(text): \(charge.accountant) is no accountant that this program can follow, and its value is the smaller one"))
      case .wrong: findings.append(LedgerFinding(.epsilonWrong, line: number, text))
      case .restated:
        findings.append(
          LedgerFinding(
            .epsilonRestated, line: number,
            "\(text): it was computed by \(charge.accountant), and the value of \(recorded.accountant) counts now"
          ))
      }
    }
    positions[key] = charges.count
    lastPlaces[charge.attempt.session] = key
    // Both are the same while nothing was taken back.
    let upper = hasRefunds ? proven.epsilon(delta: charge.delta) : after
    charges.append(Standing(charge: charge, number: number, epsilonAfter: upper))
    return findings
  }

  private mutating func fold(_ outcome: LedgerOutcome, number: Int) -> [LedgerFinding] {
    guard let position = positions[ChargeKey(attempt: outcome.attempt, release: outcome.release)] else {
      return [
        LedgerFinding(
          .notCharged, line: number,
          "an outcome of release \(outcome.release) of \(outcome.attempt), which was never charged")
      ]
    }
    guard charges[position].outcome == nil else {
      return [
        LedgerFinding(
          .outOfOrder, line: number,
          "a second outcome of release \(outcome.release) of \(outcome.attempt)")
      ]
    }
    charges[position].outcome = outcome
    return []
  }

  private mutating func fold(_ refund: LedgerRefund, number: Int, rules: [EvidenceRules]) -> [LedgerFinding] {
    guard let position = positions[ChargeKey(attempt: refund.attempt, release: refund.release)] else {
      return [
        LedgerFinding(
          .notCharged, line: number,
          "a refund of release \(refund.release) of \(refund.attempt), which was never charged")
      ]
    }
    guard header.kind == .partner, charges[position].refund == nil else {
      return [
        LedgerFinding(
          .outOfOrder, line: number,
          header.kind == .partner
            ? "release \(refund.release) of \(refund.attempt) is taken back a second time"
            : "a coordinator's charge is never taken back")
      ]
    }
    let charge = charges[position].charge
    hasRefunds = true
    recorded.remove(charge)
    guard let objection = Self.objection(to: refund, charge: charge, holder: header.key, rules: rules) else {
      charges[position].refund = .proven
      proven.remove(charge)
      return []
    }
    charges[position].refund = .unproven
    return [
      LedgerFinding(
        .refundUnproven, line: number,
        "the refund of release \(refund.release) of \(refund.attempt) is not proven (\(objection)): the charge counts"
      )
    ]
  }

  /// Why a refund cannot be believed, or `nil`.
  static func objection(
    to refund: LedgerRefund, charge: LedgerCharge, holder: VerificationKey, rules: [EvidenceRules]
  ) -> String? {
    guard let rules = rules.first(where: { $0.plan == charge.plan }) else {
      return "the roster of its plan is not at hand"
    }
    return rules.objection(to: refund, of: charge, holder: holder)
  }
}

/// The place of a charge within its session: rounds, then attempts, then releases go up.
private struct ChargeKey: Hashable, Comparable {
  let attempt: LedgerAttempt
  let release: Int

  static func < (left: ChargeKey, right: ChargeKey) -> Bool {
    (left.attempt.round, left.attempt.attempt, left.release)
      < (right.attempt.round, right.attempt.attempt, right.release)
  }
}
