import DifferentialPrivacy
import FederatedLearning
import Testing

/// Caps that stand in the ledger itself.
@Suite struct CapNoteTests {
  private static func cap(_ epsilon: Double, delta: Double = 1e-6) throws -> PrivacyBudget {
    try PrivacyBudget(epsilon: epsilon, delta: delta)
  }

  @Test func `the cap before the first charge is the first one, and the newest one stands`() throws {
    let (ledger, _) = try LedgerWorld.ledger()
    #expect(ledger.state.cap == nil && ledger.state.firstCap == nil)
    for epsilon in [3.0, 0.1 + 0.2] { try ledger.note(cap: Self.cap(epsilon), time: 1) }
    #expect(try ledger.state.cap == Self.cap(0.1 + 0.2) && ledger.state.firstCap == nil)
    try ledger.charge(try LedgerWorld.request(0))
    #expect(try ledger.state.firstCap == Self.cap(0.1 + 0.2))
    try ledger.note(cap: Self.cap(9, delta: 1e-7), time: 2)
    try ledger.charge(try LedgerWorld.request(1))
    #expect(try ledger.state.cap == Self.cap(9, delta: 1e-7) && ledger.state.firstCap == Self.cap(0.1 + 0.2))
    // The same cap is not noted again.
    let size = ledger.state.size
    try ledger.note(cap: Self.cap(9, delta: 1e-7), time: 3)
    #expect(ledger.state.size == size)
  }

  @Test(arguments: ["", "9", "9,", "9,1e-6,1", "nan,1e-6", "-1,1e-6", "9,0", "9,1e-6 ", "ε,δ"])
  func `a remark that names no cap moves none`(_ text: String) throws {
    let (ledger, _) = try LedgerWorld.ledger()
    try ledger.note(cap: Self.cap(2), time: 1)
    try ledger.note("cap over all plans: \(text)", time: 1)
    try ledger.note("the cap over all plans: 9,1e-6", time: 1)
    #expect(try ledger.state.cap == Self.cap(2))
  }
}
