internal import CryptoPrimitives
internal import FederatedLearning
internal import Testing

/// A charge is taken back on proof, and on nothing else.
@Suite struct LedgerRefundTests {
  /// Five partners; the holder is the first.
  let partners: [SigningKey] =
    [LedgerWorld.key]
    + (1..<5).map { SigningKey(seed: SecretBytes(copying: [UInt8](repeating: UInt8(100 + $0), count: 32))) }
  let attempt = LedgerAttempt(session: "s", round: 0, attempt: 0)
  let threshold = 4

  /// A stand-in for the consistency check's message: `session/round/attempt/plan/`, then the survivors' keys.
  static func statement(_ attempt: LedgerAttempt, plan: Digest, survivors: [VerificationKey]) -> [UInt8] {
    Array("\(attempt.session)/\(attempt.round)/\(attempt.attempt)/".utf8) + plan.bytes + survivors.flatMap(\.bytes)
  }

  func rules(plan: Digest = LedgerWorld.plan) -> EvidenceRules {
    let attempts = (0..<3).map { LedgerAttempt(session: "s", round: $0, attempt: 0) }
    let plans = [LedgerWorld.plan, SHA256.hash([1])]
    return EvidenceRules(
      plan: plan, roster: Set(partners.map(\.verificationKey)), threshold: threshold,
      read: { bytes in
        for attempt in attempts {
          for plan in plans {
            let prefix = Self.statement(attempt, plan: plan, survivors: [])
            guard bytes.starts(with: prefix), (bytes.count - prefix.count).isMultiple(of: 32) else { continue }
            let keys = stride(from: prefix.count, to: bytes.count, by: 32).compactMap {
              VerificationKey(bytes: Array(bytes[$0..<$0 + 32]))
            }
            return SurvivorStatement(attempt: attempt, plan: plan, survivors: Set(keys))
          }
        }
        return nil
      })
  }

  func refund(
    survivors: [Int] = [1, 2, 3, 4], signers: [Int] = [1, 2, 3, 4], about: LedgerAttempt? = nil,
    plan: Digest = LedgerWorld.plan, statement bytes: [UInt8]? = nil, signing other: [UInt8]? = nil
  ) -> LedgerRefund {
    let bytes =
      bytes
      ?? Self.statement(about ?? attempt, plan: plan, survivors: survivors.map { partners[$0].verificationKey })
    return LedgerRefund(
      attempt: attempt, release: 0,
      evidence: SurvivorEvidence(
        statement: bytes,
        endorsements: signers.map {
          SurvivorEvidence.Endorsement(key: partners[$0].verificationKey, signature: partners[$0].sign(other ?? bytes))
        }), time: 2000)
  }

  @Test func `t survivors who signed a set without the holder give the charge back`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(0))
    try ledger.charge(try LedgerWorld.request(1))
    try ledger.refund(refund(), rules: rules())
    let next = try ledger.charge(try LedgerWorld.request(2))
    let single = try #require(LedgerVerifier().verify(memory.bytes).state).charges[0].charge.epsilonAfter
    #expect(abs(next.epsilonBefore - single) < 1e-12)

    let judged = LedgerVerifier(rules: [rules()]).verify(memory.bytes)
    #expect(judged.findings == [])
    #expect(judged.epsilonUpper() == next.epsilonAfter)
    #expect(judged.state?.charges[0].refund == .proven)
    // Whoever has no roster believes no refund.
    let unjudged = LedgerVerifier().verify(memory.bytes)
    #expect(unjudged.isSound && unjudged.findings.map(\.kind) == [.refundUnproven])
    #expect(try #require(unjudged.epsilonUpper()) > next.epsilonAfter)
    // The holder itself continues from what it wrote.
    let reopened = try PrivacyLedger(content: memory.bytes, journal: memory, key: LedgerWorld.key)
    #expect(try reopened.charge(try LedgerWorld.request(3)).epsilonBefore == next.epsilonAfter)
  }

  @Test func `every weaker evidence leaves the charge standing`() throws {
    let weak: [(String, LedgerRefund)] = [
      ("too few signatures", refund(signers: [1, 2, 3])),
      ("one signer twice", refund(signers: [1, 2, 3, 3])),
      ("the holder among the signers", refund(signers: [0, 1, 2, 3])),
      ("the holder among the survivors", refund(survivors: [0, 1, 2, 3, 4], signers: [0, 1, 2, 3, 4])),
      ("another attempt", refund(about: LedgerAttempt(session: "s", round: 1, attempt: 0))),
      ("another plan", refund(plan: SHA256.hash([1]))),
      ("no statement", refund(statement: Array("nothing".utf8))),
      ("signatures on other bytes", refund(signing: Array("other".utf8))),
      ("signers who are no survivors", refund(survivors: [1, 2, 3], signers: [1, 2, 3, 4])),
    ]
    let (ledger, memory) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(0))
    let before = memory.bytes
    for (name, refund) in weak {
      #expect(throws: LedgerError.self, "\(name)") { try ledger.refund(refund, rules: rules()) }
    }
    #expect(throws: LedgerError.self) { try ledger.refund(refund(), rules: rules(plan: SHA256.hash([1]))) }
    #expect(memory.bytes == before)
  }

  @Test func `survivors outside the roster prove nothing`() throws {
    let (ledger, _) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(0))
    let strangers = (0..<4).map {
      SigningKey(seed: SecretBytes(copying: [UInt8](repeating: UInt8(200 + $0), count: 32)))
    }
    let bytes = Self.statement(attempt, plan: LedgerWorld.plan, survivors: strangers.map(\.verificationKey))
    let invented = LedgerRefund(
      attempt: attempt, release: 0,
      evidence: SurvivorEvidence(
        statement: bytes,
        endorsements: strangers.map { .init(key: $0.verificationKey, signature: $0.sign(bytes)) }), time: 0)
    #expect(throws: LedgerError.self) { try ledger.refund(invented, rules: rules()) }
  }

  @Test func `nothing is taken back twice, uncharged, or by a coordinator`() throws {
    let (ledger, _) = try LedgerWorld.ledger()
    #expect(throws: LedgerError.self) { try ledger.refund(refund(), rules: rules()) }
    try ledger.charge(try LedgerWorld.request(0))
    try ledger.refund(refund(), rules: rules())
    #expect(throws: LedgerError.self) { try ledger.refund(refund(), rules: rules()) }
    #expect(ledger.state.recorded.epsilon(delta: 1e-6) == 0)
    let (coordinator, _) = try LedgerWorld.ledger(.coordinator)
    try coordinator.charge(try LedgerWorld.request(0))
    #expect(throws: LedgerError.self) { try coordinator.refund(refund(), rules: rules()) }
  }
}
