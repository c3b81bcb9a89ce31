import CryptoPrimitives
import FederatedLearning
import Foundation
import GRDB
import PartnerService
import SecureAggregation
import Testing
import Transport

/// What a partner knows of the coordinator's ledger, follows, and reads out.
@Suite struct LedgerHeadTests {
  private func coordinatorLedger(_ world: World) async throws -> LedgerState {
    try #require(await world.coordinator.ledger).state
  }

  @Test func `every partner reads out what the coordinator reads out, and other words after a fork`() async throws {
    let world = try await World.joined(.factorization)
    _ = try await world.run()
    let state = try await coordinatorLedger(world)
    for index in world.homes.indices {
      let store = try world.store(index)
      let heads = try LedgerHeads(home: world.homes[index], store: store)
      let entry = try #require(heads.coordinator.first)
      #expect(entry.newest?.text == state.head.head.spoken)
      #expect(heads.text.contains(state.head.head.spoken))
      let countersigned = try #require(entry.countersigned)
      #expect(countersigned.text == state.signedHead(size: Int(countersigned.records)).head.spoken && entry.signers == 4)
      #expect(entry.followed == countersigned, "the newest start is the one that was signed under")
      let status = try PartnerStatus(home: world.homes[index], store: store, now: Date())
      #expect(status.text.contains("the coordinator's ledger: \(state.head.head.spoken)"))
      #expect(heads.own.count == 1 && status.dataSets[0].text.contains(heads.own[0].head.text))
    }
    // The same records but for the last word of one: as many, and no fingerprint in common from there on.
    let header = try PrivacyLedger.headerLine(
      kind: .coordinator, holder: "coordinator", dataset: "test", created: 0, key: world.coordinator.key)
    let fork = try PrivacyLedger(content: header, journal: LedgerMemory(header), key: world.coordinator.key)
    while fork.state.size < state.size { try fork.note("nothing to see here", time: 1) }
    #expect(fork.head.head.size == state.head.head.size && fork.head.head.spoken != state.head.head.spoken)
  }

  @Test(arguments: ["withheld", "changed", "cut"])
  func `a start whose ledger is not shown to go on from the one before is refused`(lie: String) async throws {
    let world = try await World.joined(.factorization)
    await world.coordinator.tamper(
      2,
      .init(document: { name, bytes in
        guard name.hasPrefix("ledger/") else { return bytes }
        var bytes = bytes
        switch lie {
        case "withheld": bytes = []
        case "cut":
          bytes.removeLast()
          while bytes.last.map({ $0 != UInt8(ascii: "\n") }) ?? false { bytes.removeLast() }
        default: bytes[bytes.count / 2] ^= 1
        }
        return bytes
      }))
    let endings = try await world.run([0, 1, 2, 3])
    #expect(endings.count == 4)
    let releases = await world.coordinator.releases
    #expect(releases.map { $0.survivors.contains(ParticipantID(2)) } == [true, false, false])
    let reason = "partner refused: \(PartnerRefusal.coordinatorLedgerRolledBack)"
    #expect(await world.coordinator.refusals[reason] == 2)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: world.homes[1].ledger(of: .standard)))
    let ledger = try #require(LedgerVerifier(key: nil).verify(Array(bytes)).state)
    #expect(ledger.charges.count == 1, "it charged nothing for what it refused")
  }

  @Test func `records that cannot be fetched just now are fetched again`() async throws {
    let world = try await World.joined(.factorization)
    let downloads = Counter()
    await world.coordinator.tamper(
      3, .init(failure: { call in call == "download" && downloads.next() == 0 ? .deadlineExceeded : nil }))
    _ = try await world.run()
    let releases = await world.coordinator.releases
    #expect(releases.count == 3 && releases.allSatisfy { $0.survivors.count == 4 })
  }

  @Test func `verify checks the partners' signatures under the coordinator's head`() async throws {
    let world = try await World.joined(.factorization)
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    func verdict() throws -> HomeVerification.Check? {
      try HomeVerification(home: home, store: store).checks.last { $0.subject.hasPrefix("coordinator's ledger") }
    }
    #expect(try verdict()?.verdict == .ok)
    #expect(try verdict()?.sentence.contains("4 partners signed") == true)
    let queue = try DatabaseQueue(path: home.database)
    defer { try? queue.close() }
    let document = try #require(try await queue.read { try String.fetchOne($0, sql: "SELECT document FROM witness") })
    // A signature of a partner is another partner's.
    let changed = document.replacing("\"participant\":1", with: "\"participant\":2")
    try await queue.write { try $0.execute(sql: "UPDATE witness SET document = ?", arguments: [changed]) }
    #expect(try verdict()?.sentence.contains("3 partners signed") == true)
    let forged = changed.replacing("\"participant\":3", with: "\"participant\":4")
    try await queue.write { try $0.execute(sql: "UPDATE witness SET document = ?", arguments: [forged]) }
    #expect(try verdict()?.verdict == .failed)
    try await queue.write { try $0.execute(sql: "UPDATE witness SET document = ?", arguments: [document]) }
    try await queue.write { try $0.execute(sql: "UPDATE shownHead SET head = zeroblob(32)") }
    #expect(try verdict()?.verdict == .failed)
  }

  @Test func `verify asks in a drawn graph for the signatures of t holders beside the home's own`() async throws {
    // Five holders each, of whom four open a secret.
    let world = try await World.joined(
      partners: 8,
      PlanSetting { draft in
        draft.aggregation.graph = DrawnGraphPolicy(holders: 5, maskDraws: 5)
        draft.aggregation.threshold = 4
        draft.aggregation.minimumSurvivors = 7
      })
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    let queue = try DatabaseQueue(path: home.database)
    defer { try? queue.close() }
    let document = try #require(try await queue.read { try String.fetchOne($0, sql: "SELECT document FROM witness") })
    let signatures = document.matches(of: /{"participant":(\d+),"signature":"[0-9a-f]+"}/)
    // Its holders' and its own, and nobody else's of the eight.
    #expect(signatures.count == 6)
    let own = try #require(signatures.first { $0.1 == "1" })
    for (others, verdict) in [(4, HomeVerification.Verdict.ok), (3, .failed)] {
      let kept = [own] + signatures.filter { $0.1 != "1" }.prefix(others)
      let list = kept.map { String($0.0) }.joined(separator: ",")
      let changed = document.replacing(/"signatures":\[.*?\]/, with: "\"signatures\":[\(list)]")
      try await queue.write { try $0.execute(sql: "UPDATE witness SET document = ?", arguments: [changed]) }
      let check = try HomeVerification(home: home, store: store).checks.last { $0.subject.hasPrefix("coordinator's ledger") }
      #expect(check?.verdict == verdict, "\(others): \(String(describing: check))")
      #expect(check?.sentence.contains("\(others + 1)") == true)
    }
  }
}
