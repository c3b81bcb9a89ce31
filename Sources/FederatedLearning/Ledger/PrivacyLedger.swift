public import CryptoPrimitives
internal import DifferentialPrivacy
internal import SecureAggregation
internal import Synchronization

/// The ledger of one holder, open for writing: computes ε, refuses what would overspend, signs, and has every line
/// durable before it returns.
///
/// A partner charges before its masked input leaves; the coordinator charges before it opens the sum. Whoever gets an
/// error has not charged, and must not go on.
public final class PrivacyLedger: Sendable {
  private let key: SigningKey
  private let journal: any LedgerJournal
  private let current: Mutex<LedgerState>

  /// The first line of a new ledger.
  ///
  /// - Throws: `LedgerError` when a name is longer than 256 bytes.
  public static func headerLine(
    kind: LedgerHeader.Kind, holder: String, dataset: String, created: Int, key: SigningKey
  ) throws -> [UInt8] {
    let header = LedgerHeader(
      kind: kind, holder: holder, dataset: dataset, key: key.verificationKey, created: created)
    return try line(.header(header), after: nil, key: key).bytes
  }

  /// Continues a ledger.
  ///
  /// - Parameters:
  ///   - content: everything that the journal holds; at least the header.
  ///   - key: the holder's identity; the ledger must be its own.
  /// - Throws: `LedgerError` when the content has any fault: a damaged ledger is not continued.
  public init(content: [UInt8], journal: any LedgerJournal, key: SigningKey) throws {
    let verification = LedgerVerifier(key: key.verificationKey).verify(content)
    if let finding = verification.findings.first(where: {
      $0.stopsHolder || $0.kind == .tornLastLine || $0.kind == .missingLineFeed
    }) {
      throw LedgerError("the ledger cannot be continued: \(finding)")
    }
    guard let state = verification.state else {
      throw LedgerError("the ledger cannot be continued: it has no header")
    }
    self.key = key
    self.journal = journal
    current = Mutex(state)
  }

  /// What the ledger says now.
  public var state: LedgerState { current.withLock { $0 } }

  /// The head for key advertisements.
  public var head: SignedLedgerHead { current.withLock { $0.head } }

  /// Charges one release of one attempt; on return the charge is on disk.
  ///
  /// A coordinator replays its attempt after a crash: in its ledger, a charge that stands for the same release of the same
  /// attempt with the same plan, binding and event is returned as it was written, and nothing is added. A partner answers
  /// an attempt once: in its ledger a second charge is refused, so that no second input leaves on the strength of one charge.
  ///
  /// - Parameters:
  ///   - cap: the most that this ledger may spend, over all plans; `nil` where something else stops the run.
  ///   - elsewhere: linked ledgers, whose charges the cap counts too.
  /// - Returns: the charge with ε before and after.
  /// - Throws: `LedgerError` when the charge would overspend, was made before or comes out of order; the journal's error
  ///   when it cannot be written. Nothing is charged then.
  @discardableResult
  public func charge(
    _ request: ChargeRequest, cap: SpendingCap? = nil, elsewhere: [LedgerState] = []
  ) throws -> LedgerCharge {
    try current.withLock { state in
      if state.header.kind == .coordinator, let standing = state.charge(request.attempt, release: request.release)?.charge {
        guard standing.plan == request.plan, standing.binding == request.binding, standing.event == request.event else {
          throw LedgerError(
            "release \(request.release) (\(request.name)) of \(request.attempt) stands charged under another plan, model or ledger; this state is not the one that was charged"
          )
        }
        return standing
      }
      var spending = state.recorded
      let before = spending.epsilon(delta: request.delta)
      if let refusal = spending.add(
        request.event, plan: request.plan)
      {
        throw LedgerError(
          "release \(request.release) (\(request.name)) of \(request.attempt) is not charged: \(refusal)")
      }
      if let cap {
        let after = cap.epsilon(of: state, and: [(request.plan, request.event)], elsewhere: elsewhere)
        guard cap.holds(after) else {
          throw LedgerError(
            "release \(request.release) (\(request.name)) of \(request.attempt) would need a cap of ε = \(after) at δ = \(cap.budget.delta), above the cap \(cap.budget.epsilon) of \(state.header.dataset); \(cap.epsilon(of: state, elsewhere: elsewhere)) is spent"
          )
        }
      }
      let charge = LedgerCharge(
        attempt: request.attempt, release: request.release, name: request.name, plan: request.plan,
        binding: request.binding, event: request.event, sampler: request.sampler,
        participants: request.participants,
        survivors: request.survivors, delta: request.delta, epsilonBefore: before,
        epsilonAfter: spending.epsilon(delta: request.delta), accountant: spending.accountant,
        time: request.time)
      try append(.charge(charge), to: &state)
      return charge
    }
  }

  /// Writes what became of a charged attempt, once: the same result again adds nothing.
  ///
  /// - Throws: `LedgerError` when the attempt was not charged, or another result stands.
  public func record(_ outcome: LedgerOutcome) throws {
    try current.withLock { state in
      if let standing = state.charge(outcome.attempt, release: outcome.release)?.outcome {
        guard standing.result == outcome.result, standing.survivors == outcome.survivors else {
          throw LedgerError("\(outcome.attempt) stands with another outcome; a second one is never written")
        }
        return
      }
      try append(.outcome(outcome), to: &state)
    }
  }

  /// Takes a charge back on proof.
  ///
  /// - Parameter rules: roster and threshold of the plan that was charged.
  /// - Throws: `LedgerError` when the evidence is not enough; the charge stands then.
  public func refund(_ refund: LedgerRefund, rules: EvidenceRules) throws {
    try current.withLock { state in
      guard let standing = state.charge(refund.attempt, release: refund.release) else {
        throw LedgerError("release \(refund.release) of \(refund.attempt) was never charged")
      }
      if let objection = LedgerState.objection(
        to: refund, charge: standing.charge, holder: state.header.key, rules: [rules])
      {
        throw LedgerError("the charge of \(refund.attempt) stands: \(objection)")
      }
      try append(.refund(refund), to: &state, rules: [rules])
    }
  }

  /// Writes a remark.
  public func note(_ text: String, time: Int) throws {
    try current.withLock { try append(.note(LedgerNote(text: text, time: time)), to: &$0) }
  }

  private func append(_ entry: LedgerEntry, to state: inout LedgerState, rules: [EvidenceRules] = []) throws {
    let (record, bytes) = try Self.line(entry, after: state, key: key)
    // The fold is tried on a copy first: an entry that a verifier would object to is never written.
    var next = state
    if let finding = next.fold(record, rules: rules).first(where: \.isFault) {
      throw LedgerError("not written: \(finding.sentence)")
    }
    try journal.append(bytes)
    state = next
  }

  private static func line(
    _ entry: LedgerEntry, after state: LedgerState?, key: SigningKey
  ) throws -> (record: LedgerRecord, bytes: [UInt8]) {
    let number = (state?.size ?? 0) + 1
    let payload = entry.payload(number: number)
    do {
      _ = try LedgerEntry(payload: payload)
    } catch {
      throw LedgerError("not written: \(error)")
    }
    let digest = LedgerChain.link(
      previous: state?.head.head.head ?? LedgerChain.origin, payload: payload.bytes)
    let head = LedgerHead(size: UInt64(number), head: digest)
    var tree = state?.tree ?? MerkleLog()
    tree.append(digest.bytes)
    let root = tree.root
    let signature = key.sign(LedgerChain.message(ledger: state?.head.ledger ?? digest, head: head, root: root))
    let bytes = LedgerChain.line(payload: payload.bytes, digest: digest, root: root, signature: signature)
    guard bytes.count <= LedgerChain.lineBytesMax else {
      throw LedgerError(
        "not written: the record has \(bytes.count) bytes, \(LedgerChain.lineBytesMax) are allowed")
    }
    return (LedgerRecord(number: number, entry: entry, digest: digest, root: root, signature: signature), bytes)
  }
}

/// What a caller knows of a charge before ε is computed; members as in `LedgerCharge`.
public struct ChargeRequest: Sendable, Equatable {
  public let attempt: LedgerAttempt
  public let release: Int
  public let name: String
  public let plan: Digest
  public let binding: Digest
  public let event: ChargedEvent
  public let sampler: String
  public let participants: Int
  public let survivors: Int?
  public let delta: Double
  public let time: Int

  public init(
    attempt: LedgerAttempt, release: Int, name: String, plan: Digest, binding: Digest, event: ChargedEvent,
    sampler: String,
    participants: Int, survivors: Int?, delta: Double, time: Int
  ) {
    precondition(delta > 0 && delta < 1, "δ is \(delta), expected 0 < δ < 1")
    self.attempt = attempt
    self.release = release
    self.name = name
    self.plan = plan
    self.binding = binding
    self.event = event
    self.sampler = sampler
    self.participants = participants
    self.survivors = survivors
    self.delta = delta
    self.time = time
  }
}

/// Why an entry was not written or a ledger not opened, in one sentence.
public struct LedgerError: Error, Equatable, CustomStringConvertible {
  public let description: String

  init(_ description: String) { self.description = description }
}
