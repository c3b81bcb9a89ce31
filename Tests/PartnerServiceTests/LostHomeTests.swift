import CryptoPrimitives
import DifferentialPrivacy
import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import SecureAggregation
import Testing

/// Homes that have lost something of their own: what is left still counts every user.
@Suite struct LostHomeTests {
  @Test func `a home whose database was lost shows the ledgers that are there, and states on from where the coordinator is`()
    async throws
  {
    let world = try await World.joined(PlanSetting(noise: .central), cap: try PrivacyBudget(epsilon: 20, delta: 1e-6))
    let home = world.homes[0]
    try Joining.state(.pause, home: home, store: try world.store(0), passphrase: .none, time: 1002)
    try Joining.state(.resume, home: home, store: try world.store(0), passphrase: .none, time: 1003)
    _ = try await world.run()
    try world.loseDatabase(0)
    let outcome = try await world.renew(try await world.coordinator.token("p1"))
    #expect(outcome.before == nil && outcome.enrolment.participant == 1)
    // Two before it has heard how far its statements had come, and one after that.
    try Joining.state(.pause, home: home, store: try world.store(0), passphrase: .none, time: 1004)
    try Joining.state(.resume, home: home, store: try world.store(0), passphrase: .none, time: 1005)
    let host = try world.host(0, once: false)
    let running = Task { try await host.run() }
    func said() async -> [PartnerStatement] { await world.coordinator.statements.filter { $0.participant == 1 } }
    #expect(await World.eventually { await said().count == 5 })
    await host.stop()
    _ = try await running.value
    try await world.coordinator.publish(PlanSetting(noise: .central))
    for index in world.homes.indices { try await world.fetch(index) }
    try world.importData(0, told: .countedBy(.standard), cap: try PrivacyBudget(epsilon: 20, delta: 1e-6))
    let hash = try await world.coordinator.planHash()
    for index in world.homes.indices { try world.accept(index, plan: hash) }
    _ = try await world.run()
    let kinds: [PartnerStatement.Kind] = [.consent, .pause, .resume]
    #expect(await said().map(\.kind) == kinds + [.pause, .resume, .consent])
    #expect(await said().map(\.number) == Array(1...6))
    let bytes = try #require(FileManager.default.contents(atPath: home.ledger(of: .standard)))
    #expect(try #require(LedgerVerifier().verify(Array(bytes)).state).charges.count == 2)
    #expect(await world.coordinator.releases.allSatisfy { $0.survivors.count == 4 })
  }

  @Test func `after its database was lost a home gives nobody a new budget, whatever the data are called`() async throws {
    let world = try await World.joined()
    _ = try await world.run()
    let other = try DataSetName("q4")
    try world.loseDatabase(0)
    _ = try await world.renew(try await world.coordinator.token("p1"))
    try await world.fetch(0)
    let store = try world.store(0)
    #expect(try store.lostLedgers() == [.standard])
    for (name, told, words) in [
      (other, .nothing, "--ledger NAME"), (.standard, .nothing, "--ledger NAME"),
      (other, .countedBy(other), "no ledger 'q4' in this home"),
      (.standard, .neverImported, "the ledger 'data' of this home counts other users"),
    ] as [(DataSetName, ToldUsers, String)] {
      #expect { try world.importData(0, name: name, told: told, cap: nil) } throws: {
        ($0 as? PartnerError)?.kind == .usage && "\($0)".contains(words)
      }
      #expect(try store.dataSets().isEmpty)
    }
    let imported = try world.importData(0, name: other, told: .countedBy(.standard))
    #expect(imported.dataSet.name == other && imported.dataSet.ledger.name == .standard)
    #expect(try store.lostLedgers().isEmpty)
    // That one data set has its ledger again does not say who else was counted by it: every other needs a word, for good.
    let strangers = try World.table(world.scratch.file("new.csv"), partner: 9)
    for told in [ToldUsers.nothing, .neverImported] {
      // Not under the name of a ledger that counts others.
      #expect { try world.importData(0, file: strangers, told: told) } throws: { ($0 as? PartnerError)?.kind == .usage }
    }
    #expect { try world.importData(0, file: strangers, name: DataSetName("new")) } throws: { "\($0)".contains("--new-users") }
    let new = try world.importData(0, file: strangers, name: DataSetName("new"), told: .neverImported)
    #expect(new.dataSet.ledger.name.text == "new")
    // And nobody's word moves the same people.
    for (told, words) in [
      (.countedBy(try DataSetName("new")), "ledgers 'data' and 'new'"), (.neverImported, "users whom the ledger 'data' counts"),
    ] as [(ToldUsers, String)] {
      #expect { try world.importData(0, name: DataSetName("again"), told: told, cap: nil) } throws: { "\($0)".contains(words) }
    }
  }

  @Test func `a ledger whose first plan is lost is charged for no other, until somebody brings that plan back`() async throws {
    let cap = try PrivacyBudget(epsilon: 20, delta: 1e-6)
    let world = try await World.joined(PlanSetting(noise: .central), cap: cap)
    _ = try await world.run()
    let home = world.homes[0]
    let plans = URL(fileURLWithPath: "\(home.path)/ledgers/plans")
    let kept = try FileManager.default.contentsOfDirectory(at: plans, includingPropertiesForKeys: nil)
    let first = try await world.coordinator.planHash()
    #expect(kept.map(\.lastPathComponent) == ["\(first.hex).json"])
    let bytes = try Data(contentsOf: try #require(kept.first))
    // The database alone: what lies beside the ledgers speaks for the first plan. Without it nothing does.
    try world.loseDatabase(0)
    try FileManager.default.removeItem(at: plans)
    _ = try await world.renew(try await world.coordinator.token("p1"))
    try await world.coordinator.publish(PlanSetting(noise: .central))
    for index in world.homes.indices { try await world.fetch(index) }
    // The cap was lost, too: without one nothing would bound what comes.
    #expect { try world.importData(0, told: .countedBy(.standard), cap: nil) } throws: {
      ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("say the cap again")
    }
    try world.importData(0, told: .countedBy(.standard), cap: cap)
    let second = try await world.coordinator.planHash()
    func refused() throws {
      let store = try world.store(0)
      let review = try Joining.review(second, home: home, store: store)
      #expect(review.warnings.contains { $0.contains(first.hex.prefix(16)) && $0.contains("tacit-coordinator export") })
      #expect { try world.accept(0, plan: second) } throws: {
        ($0 as? PartnerError)?.kind == .missing && "\($0)".contains("ledgers/plans")
      }
    }
    try refused()
    // Another plan under its name, a changed one, a damaged one.
    try FileManager.default.createDirectory(at: plans, withIntermediateDirectories: false)
    let file = plans.appendingPathComponent("\(first.hex).json")
    let other = try #require(try world.store(0).plan(second)).bytes
    for wrong in [Data(other), bytes.dropLast(), Data()] {
      try wrong.write(to: file)
      try refused()
    }
    try FileManager.default.removeItem(at: file)
    try bytes.write(to: plans.appendingPathComponent("brought-back.json"))
    for index in world.homes.indices { try world.accept(index, plan: second) }
    _ = try await world.run()
    let ledger = try #require(FileManager.default.contents(atPath: home.ledger(of: .standard)))
    #expect(try #require(LedgerVerifier().verify(Array(ledger)).state).charges.map(\.charge.plan) == [first, second])
    // It went on by the first plan's rule: the second was kept, too.
    #expect(FileManager.default.fileExists(atPath: plans.appendingPathComponent("\(second.hex).json").path))
    // Lost between an acceptance and the next start: `run` says so.
    try await world.coordinator.publish(PlanSetting(noise: .central))
    try await world.fetch(0)
    try world.accept(0, plan: try await world.coordinator.planHash())
    try FileManager.default.removeItem(at: plans)
    await world.coordinator.start()
    await #expect {
      try await world.host(0).run()
    } throws: {
      ($0 as? PartnerError)?.kind == .missing && "\($0)".contains("ledgers/plans")
    }
  }
}
