import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import SecureAggregation
import Testing
import Transport

/// A masked input proves that its sender has charged: what the coordinator holds against a copy of just before.
@Suite struct ChargeWitnessTests {
  private func hello(_ task: TestTask, _ partner: TestPartner, _ head: LedgerHead) async -> TransportRefusal? {
    do {
      _ = try await task.handler.hello(
        ClientHello(software: "test", ledgers: [Transport.LedgerNote(dataset: "data", size: head.size, head: head.head)]),
        from: partner.peer)
      return nil
    } catch { return error }
  }

  private func advertised(_ task: TestTask, _ partner: TestPartner) throws -> LedgerHead? {
    try task.state.store.partnerLedgers(partner.participant).first { $0.dataset.isEmpty }
      .map { LedgerHead(size: $0.size, head: $0.head) }
  }

  @Test(arguments: [false, true])
  func `a home of before its last charge is refused once its masked input is here, also by the next process`(
    isRestarted: Bool
  ) async throws {
    let task = try await TestTask()
    let partner = task.partners[1]
    let before = partner.ledger.head.head
    var isIn = false
    try await task.run(
      until: { isIn },
      afterEach: { sender, kind in
        let shown = try advertised(task, partner)
        if sender === partner, kind == 3 { #expect(shown == before) }
        if sender === partner, kind == 5 { isIn = true }
      })
    #expect(isIn)
    #expect(try advertised(task, partner) == before.afterCharge)
    if isRestarted { try await task.restart() }
    // The copy's ledger is the one that was advertised, byte for byte.
    #expect(await hello(task, partner, before) == .ledgerRolledBack(dataset: "data"))
    #expect(await hello(task, partner, partner.ledger.head.head) == nil)
  }

  @Test func `what was not known of a charge is known with the next advertisement`() async throws {
    let task = try await TestTask()
    let partner = task.partners[0]
    let store = task.state.store
    func shown(_ size: UInt64, _ head: Digest) throws -> String? {
      try store.record(ledgers: [(dataset: "data", size: size, head: head)], of: partner.participant)
    }
    let (one, other) = (SHA256.hash([1]), SHA256.hash([2]))
    #expect(try shown(8, .zero) == nil)
    #expect(try shown(7, one) == "data", "before the charge")
    #expect(try shown(8, one) == nil)
    #expect(try shown(8, other) == "data", "the hash is known now")
    #expect(try store.partnerLedgers(partner.participant).first { $0.dataset == "data" }?.head == one)
  }
}
