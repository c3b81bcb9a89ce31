internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Testing

/// Which accountant a ledger's charges are composed by.
@Suite struct LedgerAccountingTests {
  private let other = SHA256.hash(Array("another plan".utf8))

  @Test func `sampled rounds of one plan are composed as loss distributions, and cost less`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    for round in 0..<30 { try ledger.charge(try LedgerWorld.request(round, event: LedgerWorld.sampledEvent())) }
    let last = try #require(ledger.state.charges.last).charge
    #expect(last.accountant == "pld 1")
    let summary = ledger.state.recorded.summary
    #expect(last.epsilonAfter < 0.9 * Accounting.epsilon(for: summary, delta: LedgerWorld.delta))
    let bound = try Accounting.bound(for: summary, delta: LedgerWorld.delta, parameters: .fixedByPlan)
    #expect(last.epsilonAfter >= bound.lowerEpsilon && last.epsilonAfter <= bound.epsilon)
    // Whoever reads the ledger finds the same, from events alone.
    let verification = LedgerVerifier(key: LedgerWorld.key.verificationKey).verify(memory.bytes)
    #expect(verification.findings == [] && verification.epsilonUpper() == last.epsilonAfter)
  }

  @Test func `a second plan, or a second kind, is composed by divergences`() throws {
    let (plans, memory) = try LedgerWorld.ledger()
    try plans.charge(try LedgerWorld.request(0, event: LedgerWorld.sampledEvent()))
    #expect(plans.state.recorded.parameters == .fixedByPlan)
    let mixed = try plans.charge(try LedgerWorld.request(0, session: "t", event: LedgerWorld.sampledEvent(), plan: other))
    #expect(mixed.accountant == "rdp 1" && plans.state.recorded.parameters == .adaptive)
    #expect(LedgerVerifier().verify(memory.bytes).findings == [])

    // One kind: whichever attempt failed, what is charged is so many of one thing.
    let (same, _) = try LedgerWorld.ledger()
    try same.charge(try LedgerWorld.request(0, event: LedgerWorld.sampledEvent()))
    let retried = try same.charge(try LedgerWorld.request(0, attempt: 1, event: LedgerWorld.sampledEvent()))
    #expect(retried.accountant == "pld 1")
    // Two kinds: whoever makes rounds fail, or stays away from them, chooses how many there are of each.
    let chosen = try same.charge(try LedgerWorld.request(1, event: LedgerWorld.sampledEvent(rate: 0.02)))
    #expect(chosen.accountant == "rdp 1")
  }

  @Test func `a ledger that was written by the older accountant stays readable, and the smaller value counts`() throws {
    // As written before loss distributions were composed: stated by Rényi's.
    let spending = try PrivacyLossSummary([Self.accounted(LedgerWorld.sampledEvent())])
    let stated = Accounting.epsilon(for: spending, delta: LedgerWorld.delta)
    #expect(stated > 0)
    let (ledger, _) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(0, event: LedgerWorld.sampledEvent()))
    #expect(ledger.state.recorded.epsilon(delta: LedgerWorld.delta) < stated)
  }

  @Test func `the exported events are the charges that stand, and nothing that cannot be composed is exported`() throws {
    let (ledger, _) = try LedgerWorld.ledger()
    #expect(throws: (any Error).self) { try ledger.state.dpEvents() }
    try ledger.charge(try LedgerWorld.request(0))
    try ledger.charge(try LedgerWorld.request(1))
    try ledger.charge(try LedgerWorld.request(2, event: LedgerWorld.sampledEvent()))
    guard case .object(let members) = try ledger.state.dpEvents(), case .array(let events)? = members["events"] else {
      preconditionFailure("the export is an object with events")
    }
    #expect(events.count == 2)
    #expect(members["adjacency"] == .string("add-remove"))
    #expect(members["epsilon"]?.double == ledger.state.proven.epsilon(delta: LedgerWorld.delta))
    let counts = events.compactMap { event -> Double? in
      guard case .object(let event) = event else { return nil }
      return event["count"]?.double
    }
    #expect(counts.sorted() == [1, 2])
    try ledger.charge(try LedgerWorld.request(3, event: .unprotected))
    #expect(throws: (any Error).self) { try ledger.state.dpEvents() }
  }

  private static func accounted(_ event: ChargedEvent) -> PrivacyEvent {
    guard case .accounted(let event) = event else { preconditionFailure("the event is accounted") }
    return event
  }
}
