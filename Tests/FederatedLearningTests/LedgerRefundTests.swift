internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import SecureAggregation
internal import Testing

/// A charge is taken back on proof, and on nothing else.
@Suite struct LedgerRefundTests {
  /// Five partners; the holder is the first.
  let partners: [SigningKey] =
    [LedgerWorld.key]
    + (1..<5).map { SigningKey(seed: SecretBytes(copying: [UInt8](repeating: UInt8(100 + $0), count: 32))) }
  let attempt = LedgerWorld.attempt(0)
  let threshold = 4

  /// The message of the consistency check, as secure aggregation signs it.
  static func statement(
    _ attempt: LedgerAttempt, binding: Digest = LedgerWorld.binding, survivors: [Int]
  ) -> [UInt8] {
    let context = AttemptContext(
      session: attempt.session, round: UInt32(attempt.round), attempt: UInt32(attempt.attempt),
      binding: binding)
    return SurvivorSet(context: context, survivors: survivors.map { ParticipantID(UInt32($0)) })
      .signedBytes(suite: .aes256CTR, transcript: SHA256.hash([9]))
  }

  func rules(plan: Digest = LedgerWorld.plan) -> EvidenceRules {
    EvidenceRules(
      plan: plan,
      roster: Dictionary(
        uniqueKeysWithValues: partners.enumerated().map { (ParticipantID(UInt32($0)), $1.verificationKey) }),
      threshold: threshold)
  }

  func refund(
    survivors: [Int] = [1, 2, 3, 4], signers: [Int] = [1, 2, 3, 4], about: LedgerAttempt? = nil,
    binding: Digest = LedgerWorld.binding, statement bytes: [UInt8]? = nil, signing other: [UInt8]? = nil
  ) -> LedgerRefund {
    let bytes = bytes ?? Self.statement(about ?? attempt, binding: binding, survivors: survivors)
    return LedgerRefund(
      attempt: attempt, release: 0,
      evidence: SurvivorEvidence(
        statement: bytes,
        endorsements: signers.map {
          SurvivorEvidence.Endorsement(
            key: partners[$0].verificationKey, signature: partners[$0].sign(other ?? bytes))
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
    // Nor where it is held against a cap, though the holder's own does.
    let cap = try SpendingCap(PrivacyBudget(epsilon: 8, delta: 1e-6), plans: [:])
    let (all, believed) = (cap.epsilon(of: unjudged.state, believingRefunds: false), cap.epsilon(of: unjudged.state))
    #expect(all > believed && believed == cap.epsilon(of: judged.state, believingRefunds: false))
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
      ("another attempt", refund(about: LedgerWorld.attempt(1))),
      ("another plan or model", refund(binding: SHA256.hash([1]))),
      ("survivors out of order", refund(survivors: [2, 1, 3, 4])),
      ("one survivor twice", refund(survivors: [1, 1, 2, 3, 4])),
      ("a byte too many", refund(statement: Self.statement(attempt, survivors: [1, 2, 3, 4]) + [0])),
      ("a byte too few", refund(statement: Self.statement(attempt, survivors: [1, 2, 3, 4]).dropLast())),
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
    // Numbers that no roster has, and the numbers of others signed by keys of one's own.
    for survivors in [[11, 12, 13, 14], [1, 2, 3, 4]] {
      let bytes = Self.statement(attempt, survivors: survivors)
      let invented = LedgerRefund(
        attempt: attempt, release: 0,
        evidence: SurvivorEvidence(
          statement: bytes,
          endorsements: strangers.map { .init(key: $0.verificationKey, signature: $0.sign(bytes)) }), time: 0)
      #expect(throws: LedgerError.self) { try ledger.refund(invented, rules: rules()) }
    }
  }

  @Test func `a charge that is taken back was still the first one: what follows it is of a second plan`() throws {
    let world = RoundWorld(algorithm: EchoAlgorithm(itemCount: 100, releases: 2), noise: .central)
    let file = try world.planFile()
    let second = SHA256.hash(file.bytes)
    let event = ChargedEvent.accounted(try #require(file.plan.releases[0].event(file.plan.privacy)))
    let cap = SpendingCap(
      try PrivacyBudget(epsilon: 8, delta: 1e-6), plans: [LedgerWorld.plan: file.plan, second: file.plan])
    let (ledger, _) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(0, event: event))
    try ledger.charge(try LedgerWorld.request(0, session: "t", event: event, plan: second))
    try ledger.refund(refund(), rules: rules())
    // When the proof of a refund comes is for others to choose, and so would be which plan counts as the first.
    #expect(cap.epsilon(of: ledger.state) > cap.epsilon(of: ledger.state, only: second))
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
