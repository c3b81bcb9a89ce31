internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import SecureAggregation
internal import Testing

@Suite struct LedgerWritingTests {
  @Test func `a charge states ε before and after, and reopening continues it`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    let first = try ledger.charge(try LedgerWorld.request(0))
    let second = try ledger.charge(try LedgerWorld.request(1))
    #expect(first.epsilonBefore == 0)
    #expect(first.epsilonAfter > 0.39 && first.epsilonAfter < 0.40)
    #expect(second.epsilonBefore == first.epsilonAfter)
    // Two releases of z = 10 are one of z = 10/√2.
    let both = try Accounting.bound(
      for: [
        .gaussian(
          release: try GaussianRelease(
            sigmaSquared: 500_004, deltaSquared: 10_000, dimension: 100, adjacency: .addRemove))
      ], delta: LedgerWorld.delta)
    #expect(abs(second.epsilonAfter - both.epsilon) < 1e-9)

    let reopened = try PrivacyLedger(content: memory.bytes, journal: memory, key: LedgerWorld.key)
    #expect(reopened.head == ledger.head)
    #expect(try reopened.charge(try LedgerWorld.request(2)).epsilonBefore == second.epsilonAfter)
    let verification = LedgerVerifier(key: LedgerWorld.key.verificationKey).verify(memory.bytes)
    #expect(verification.isSound && verification.state?.charges.count == 3)
  }

  @Test func `sampled and full releases of one data set compose`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    for round in 0..<3 {
      try ledger.charge(try LedgerWorld.request(round, event: LedgerWorld.sampledEvent()))
    }
    let last = try ledger.charge(try LedgerWorld.request(3))
    #expect(last.accountant.hasPrefix("rdp"))
    #expect(last.epsilonAfter > last.epsilonBefore)
    #expect(LedgerVerifier().verify(memory.bytes).findings == [])
  }

  @Test func `a charge above the cap is refused and leaves no trace`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    let cap = SpendingCap(try PrivacyBudget(epsilon: 0.5, delta: LedgerWorld.delta), plans: [:])
    try ledger.charge(try LedgerWorld.request(0), cap: cap)
    let before = memory.bytes
    let error = #expect(throws: LedgerError.self) {
      try ledger.charge(try LedgerWorld.request(1), cap: cap)
    }
    #expect(error?.description.contains("above the cap 0.5") == true)
    #expect(memory.bytes == before)
    #expect(ledger.state.charges.count == 1)
  }

  @Test func `a release without noise makes ε infinite, and no cap allows it`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    let cap = SpendingCap(try PrivacyBudget(epsilon: 1e9, delta: LedgerWorld.delta), plans: [:])
    #expect(throws: LedgerError.self) {
      try ledger.charge(try LedgerWorld.request(0, event: .unprotected), cap: cap)
    }
    try ledger.charge(try LedgerWorld.request(0, event: .unprotected))
    #expect(LedgerVerifier().verify(memory.bytes).epsilonUpper() == .infinity)
    #expect(try ledger.charge(try LedgerWorld.request(1)).epsilonBefore == .infinity)
  }

  @Test func `an event that does not compose with the others is refused before it is written`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(0))
    let before = memory.bytes
    #expect(throws: LedgerError.self) {
      try ledger.charge(try LedgerWorld.request(1, event: LedgerWorld.event(adjacency: .replaceOne)))
    }
    #expect(memory.bytes == before)
  }

  @Test func `nothing is charged twice, backwards, or without a charge`() throws {
    let (ledger, _) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(1, attempt: 1))
    for (round, attempt) in [(1, 1), (1, 0), (0, 5)] {
      #expect(throws: LedgerError.self) {
        try ledger.charge(try LedgerWorld.request(round, attempt: attempt))
      }
    }
    try ledger.charge(try LedgerWorld.request(1, attempt: 1, release: 1))
    try ledger.charge(try LedgerWorld.request(0, session: "another"))
    let attempt = LedgerWorld.attempt(9)
    #expect(throws: LedgerError.self) {
      try ledger.record(
        LedgerOutcome(attempt: attempt, release: 0, result: .released(nil), survivors: 5, time: 0))
    }
    #expect(ledger.state.charges.count == 3)
  }

  @Test func `an aborted attempt stays charged`() throws {
    let (ledger, memory) = try LedgerWorld.ledger(.coordinator)
    let charge = try ledger.charge(try LedgerWorld.request(0, survivors: 4))
    try ledger.record(
      LedgerOutcome(
        attempt: charge.attempt, release: 0, result: .aborted(reason: "too few answers"), survivors: 4,
        time: 5))
    let verification = LedgerVerifier().verify(memory.bytes)
    #expect(verification.epsilonUpper() == charge.epsilonAfter)
    #expect(verification.state?.charges[0].outcome?.result == .aborted(reason: "too few answers"))
  }

  @Test func `when the disk fails nothing is charged, and the next charge fits the chain`() throws {
    let header = try PrivacyLedger.headerLine(
      kind: .partner, holder: "bakery", dataset: "orders", created: 0, key: LedgerWorld.key)
    let journal = FailingJournal(header)
    let ledger = try PrivacyLedger(content: header, journal: journal, key: LedgerWorld.key)
    journal.fail(true)
    #expect(throws: FailingJournal.Failure.self) { try ledger.charge(try LedgerWorld.request(0)) }
    #expect(ledger.state.charges.isEmpty && ledger.head.head.size == 1)
    journal.fail(false)
    try ledger.charge(try LedgerWorld.request(0))
    #expect(LedgerVerifier().verify(journal.bytes).isSound)
  }

  @Test func `names and texts that are too long are refused before they are written`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    let before = memory.bytes
    #expect(throws: LedgerError.self) {
      try ledger.charge(try LedgerWorld.request(0, name: String(repeating: "x", count: 257)))
    }
    #expect(throws: LedgerError.self) { try ledger.note(String(repeating: "x", count: 4097), time: 0) }
    #expect(throws: LedgerError.self) {
      try PrivacyLedger.headerLine(
        kind: .partner, holder: String(repeating: "x", count: 300), dataset: "", created: 0,
        key: LedgerWorld.key)
    }
    #expect(memory.bytes == before)
  }

  @Test func `a damaged, torn or foreign ledger is not continued`() throws {
    let bytes = try LedgerWorld.sample()
    var flipped = bytes
    flipped[bytes.count / 2] ^= 1
    for damaged in [flipped, Array(bytes.dropLast(20)), Array(bytes.dropLast()), []] {
      #expect(throws: LedgerError.self) {
        try PrivacyLedger(content: damaged, journal: LedgerMemory(damaged), key: LedgerWorld.key)
      }
    }
    let error = #expect(throws: LedgerError.self) {
      try PrivacyLedger(content: bytes, journal: LedgerMemory(bytes), key: LedgerWorld.stranger)
    }
    #expect(error?.description.contains("another holder's") == true)
  }

  @Test func `heads show extension, and two heads of one size prove a fork`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    try ledger.charge(try LedgerWorld.request(0))
    let early = ledger.head
    // The holder restores a backup and goes on twice.
    let backup = LedgerMemory(memory.bytes)
    let clone = try PrivacyLedger(content: backup.bytes, journal: backup, key: LedgerWorld.key)
    try ledger.charge(try LedgerWorld.request(1))
    try clone.charge(try LedgerWorld.request(1, attempt: 3))
    #expect(ledger.state.isExtension(of: early.head) && clone.state.isExtension(of: early.head))
    #expect(!ledger.state.isExtension(of: clone.head.head))
    #expect(!ledger.state.isExtension(of: LedgerHead(size: 9, head: early.head.head)))
    #expect(!ledger.state.isExtension(of: .empty))

    let key = LedgerWorld.key.verificationKey
    #expect(early.isSigned(by: key) && !early.isSigned(by: LedgerWorld.stranger.verificationKey))
    #expect(LedgerFork(ledger.head, clone.head, key: key) != nil)
    #expect(LedgerFork(ledger.head, ledger.head, key: key) == nil)
    #expect(LedgerFork(early, ledger.head, key: key) == nil)
    #expect(LedgerFork(ledger.head, clone.head, key: LedgerWorld.stranger.verificationKey) == nil)
    let verifier = LedgerVerifier(key: key, knownHead: clone.head.head)
    #expect(verifier.verify(memory.bytes).findings.map(\.kind) == [.forked])

    // Another data set of the same holder is another ledger, and no fork.
    let header = try PrivacyLedger.headerLine(
      kind: .partner, holder: "bakery", dataset: "visits", created: 0, key: LedgerWorld.key)
    let visits = try PrivacyLedger(content: header, journal: LedgerMemory(header), key: LedgerWorld.key)
    for round in 0..<2 { try visits.charge(try LedgerWorld.request(round)) }
    #expect(visits.head.head.size == ledger.head.head.size)
    #expect(LedgerFork(ledger.head, visits.head, key: key) == nil)
  }

  @Test func `a thousand charges cost what their events cost`() throws {
    let (ledger, memory) = try LedgerWorld.ledger()
    let sampled = try LedgerWorld.sampledEvent()
    for round in 0..<1000 { try ledger.charge(try LedgerWorld.request(round, event: sampled)) }
    let verification = LedgerVerifier().verify(memory.bytes)
    #expect(verification.isSound)
    #expect(verification.state?.proven.events.map(\.count) == [1000])
  }
}
