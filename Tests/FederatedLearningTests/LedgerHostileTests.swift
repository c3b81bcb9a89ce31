internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Testing

/// What a holder may write with its own key and should not be believed.
@Suite struct LedgerHostileTests {
  /// A ledger by the reference, in which an accountant that nobody knows states less than the events give.
  private func understated() throws -> (bytes: [UInt8], seed: [UInt8]) {
    struct Vector: Decodable { let ledger: String }
    let file = LedgerVectorTests.folder.appendingPathComponent("bad_epsilon_by_no_accountant.json")
    let vector = try JSONDecoder().decode(Vector.self, from: Data(contentsOf: file))
    return (try #require(Hexadecimal.decode(vector.ledger)), SHA256.hash(Array("tacit vectors: ledger holder".utf8)).bytes)
  }

  @Test func `an understated ε is a fault for others, and its holder may write on with the value that can be proven`() throws {
    let (bytes, seed) = try understated()
    let verification = LedgerVerifier().verify(bytes)
    #expect(!verification.isSound && verification.findings.map(\.kind) == [.epsilonUnderstated])
    let standing = try #require(verification.state?.charges.first)
    #expect(standing.charge.epsilonAfter == 0.0001 && standing.epsilonAfter > 0.39)
    let memory = LedgerMemory(bytes)
    let ledger = try PrivacyLedger(content: bytes, journal: memory, key: SigningKey(seed: SecretBytes(copying: seed)))
    let plan = standing.charge.plan
    let next = try ledger.charge(try LedgerWorld.request(1, session: "t", plan: plan))
    #expect(next.epsilonBefore == standing.epsilonAfter)
    let cap = SpendingCap(try PrivacyBudget(epsilon: 0.6, delta: LedgerWorld.delta), plans: [:])
    #expect(throws: LedgerError.self) { try ledger.charge(try LedgerWorld.request(2, session: "t", plan: plan), cap: cap) }
  }

  @Test func `the ε after each charge is recomputed, and only a proven refund takes from it`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    for round in 0..<3 { try ledger.charge(try LedgerWorld.request(round)) }
    let state = try #require(LedgerVerifier().verify(memory.bytes).state)
    #expect(state.charges.map(\.epsilonAfter) == ledger.state.charges.map(\.charge.epsilonAfter))
    // The vector's holder takes its first charge back without proof and counts from nothing again; others do not.
    struct Vector: Decodable { let ledger: String }
    for (name, isProven) in [("good_refund_proven", true), ("good_refund_unproven_three_signers", false)] {
      let file = LedgerVectorTests.folder.appendingPathComponent("\(name).json")
      let vector = try JSONDecoder().decode(LedgerVectorTests.Vector.self, from: Data(contentsOf: file))
      let bytes = try #require(Hexadecimal.decode(vector.ledger))
      let read = try #require(try vector.verifier().verify(bytes).state)
      let first = try #require(read.charges.first)
      #expect((first.refund == .proven) == isProven)
      guard let second = read.charges.dropFirst().first else { continue }
      #expect(second.epsilonAfter == read.proven.epsilon(delta: LedgerWorld.delta))
    }
  }

  @Test func `a charge that the plan does not hold is refused for each of its members`() throws {
    let world = RoundWorld()
    let plan = try world.planFile().plan
    let release = plan.releases[0]
    let session = try #require(SessionID(hex: plan.session))
    let event = release.event(plan.privacy).map { ChargedEvent.accounted($0) } ?? .unprotected
    func objection(
      round: Int = 0, attempt: Int = 0, release number: Int = 0, session other: SessionID? = nil, name: String? = nil,
      event otherEvent: ChargedEvent? = nil, sampler: String? = nil, participants: Int? = nil, delta: Double? = nil
    ) throws -> String? {
      let (ledger, _) = try LedgerWorld.ledger(.coordinator)
      let charge = try ledger.charge(
        ChargeRequest(
          attempt: LedgerAttempt(session: other ?? session, round: round, attempt: attempt), release: number,
          name: name ?? release.name, plan: LedgerWorld.plan, binding: LedgerWorld.binding, event: otherEvent ?? event,
          sampler: sampler ?? release.sampler, participants: participants ?? plan.roster.count, survivors: nil,
          delta: delta ?? plan.privacy.delta, time: 1))
      return plan.objection(to: charge)
    }
    #expect(try objection() == nil)
    for found in [
      try objection(round: 1), try objection(attempt: plan.aggregation.maximumAttempts), try objection(release: 1),
      try objection(round: 4000, release: 4000), try objection(session: LedgerWorld.session("x")), try objection(name: "other"),
      try objection(event: LedgerWorld.event()), try objection(sampler: "none"), try objection(participants: 99),
      try objection(delta: 0.99), try objection(delta: plan.privacy.delta * 2),
    ] { #expect(found != nil) }
  }

  @Test func `numbers beyond every message and groups beyond every accountant are refused and end nothing`() throws {
    for size in [Int.max, Int.max / 2, 501] {
      let event = PrivacyEvent.gaussian(
        release: try GaussianRelease(
          sigmaSquared: 1_000_004, deltaSquared: 10_000, dimension: 100, adjacency: .addRemove, partnersPerUser: 2))
      #expect(throws: PrivacyParameterError.self) { try event.forGroup(of: size) }
    }
    for value in ["4294967296", "9223372036854775807"] {
      let zero = String(repeating: "00", count: 32)
      let text =
        #"{"attempt":\#(value),"hash":"\#(zero)","kind":"tacit-ledger-witness","model":"\#(zero)","plan":"\#(zero)","round":0,"session":"\#(zero.prefix(32))","signatures":[],"size":1,"statement":"","version":1}"#
      #expect(throws: (any Error).self) { try LedgerWitness(json: try CanonicalJSON(canonical: Array(text.utf8))) }
      #expect(throws: Never.self) {
        try LedgerWitness(json: try CanonicalJSON(canonical: Array(text.replacing(#":\#(value)"#, with: ":4294967295").utf8)))
      }
    }
  }
}
