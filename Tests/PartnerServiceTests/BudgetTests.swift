import CryptoPrimitives
import DataImport
import DifferentialPrivacy
import FederatedLearning
import Foundation
import GRDB
import PartnerService
import PeerIdentity
import SecureAggregation
import Storage
import Testing

/// A budget belongs to people: whatever their data are called, one ledger counts them.
@Suite struct BudgetTests {
  private static func table(_ world: World, _ name: String, users: [String]) throws -> String {
    let path = world.scratch.file(name)
    let rows = users.flatMap { user in (0..<3).map { "\(user),item-\($0),\(1000 + $0)\n" } }
    try ("user,item,time\n" + rows.joined()).write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  private static func spending(_ world: World, _ name: DataSetName) throws -> PlanReview.Spending {
    let review = try Joining.review(home: world.homes[0], store: try world.store(0))
    return try #require(review.dataSets.first { $0.dataSet == name })
  }

  @Test func `the same users under a new name have the budget that they had, and no other when it is used up`() async throws {
    let world = try await World.joined(PlanSetting(noise: .central), cap: try PrivacyBudget(epsilon: 8, delta: 1e-6))
    _ = try await world.run()
    let again = try DataSetName("again")
    let result = try world.importData(0, name: again, cap: nil)
    let cap = try PrivacyBudget(epsilon: 8, delta: 1e-6)
    #expect(result.dataSet.ledger.name == .standard && result.dataSet.cap == cap)
    #expect(result.report.notes.contains { $0.contains("counted by the ledger 'data'") })
    let spent = try Self.spending(world, .standard)
    let same = try Self.spending(world, again)
    #expect(spent.spent > 7 && same.spent == spent.spent && same.spentAfterPlan == spent.spentAfterPlan)
    try await world.coordinator.publish(PlanSetting(noise: .central))
    try await world.fetch(0)
    let hash = try await world.coordinator.planHash()
    for name in [again, .standard] {
      #expect { try world.accept(0, plan: hash, data: name) } throws: {
        ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("not one release of this plan fits")
      }
    }
    #expect(try world.store(0).plan(hash)?.isAccepted == false)
    let status = try PartnerStatus(home: world.homes[0], store: try world.store(0), now: Date()).text
    #expect(status.contains("'again'") && status.components(separatedBy: "ledger 'data' of").count == 3)
  }

  @Test func `each try of a search over settings is noted by the ledger once, and the search is counted`() async throws {
    let setting = PlanSetting(noise: .central, configure: { $0.search = "rates (first)" })
    let cap = try PrivacyBudget(epsilon: 30, delta: 1e-6)
    let world = try await World.joined(setting, cap: cap)
    let review = try Joining.review(home: world.homes[0], store: try world.store(0))
    #expect(review.text.contains("one try of the search 'rates (first)' over settings"))
    for tries in 1...2 {
      if tries == 2 {
        try await world.coordinator.publish(setting)
        for index in world.homes.indices { try await world.fetch(index) }
        let hash = try await world.coordinator.planHash()
        for index in world.homes.indices { try world.accept(index, plan: hash) }
      }
      _ = try await world.run()
      let bytes = try #require(FileManager.default.contents(atPath: world.homes[0].ledger(of: .standard)))
      let state = try #require(LedgerVerifier().verify(Array(bytes)).state)
      #expect(state.charges.count == tries && state.searches == ["rates (first)"])
      #expect(state.notes.count { $0.text.hasPrefix("search: rates (first) (plan ") } == tries)
    }
  }

  @Test func `a release that was tried in vain costs once more in the review, one that is open or out does not`() async throws {
    let world = try await World.joined(PlanSetting(noise: .central), cap: try PrivacyBudget(epsilon: 20, delta: 1e-6))
    let (home, store) = (world.homes[0], try world.store(0))
    let review = try Joining.review(home: home, store: store)
    let (plan, record) = (review.plan, try #require(try store.dataSets().first))
    #expect(plan.releases.count == 1)
    var random = SystemRandomSource()
    let ledger = try PrivacyLedger.create(
      at: world.scratch.file("own.ledger"), kind: .partner, holder: "p1", dataset: "data", created: 1,
      key: SigningKey(random: &random))
    func after() throws -> Double {
      let again = try PlanReview(
        planBytes: review.planFile.bytes, signature: review.signature, rosterBytes: review.roster.encoded(),
        enrolment: review.enrolment, dataSets: [(record, ledger.state)])
      return again.dataSets[0].spentAfterPlan
    }
    func charge(_ attempt: Int) throws -> LedgerAttempt {
      let session = try #require(SessionID(hex: plan.session))
      let place = LedgerAttempt(session: session, round: 0, attempt: attempt)
      try ledger.charge(
        ChargeRequest(
          attempt: place, release: 0, name: plan.releases[0].name, plan: review.hash, binding: review.hash,
          event: .accounted(try #require(plan.releases[0].event(plan.privacy))), sampler: "everyone", participants: 4,
          survivors: nil, delta: 1e-6,
          time: 1))
      return place
    }
    let once = try after()
    let first = try charge(0)
    #expect(try after() == once)
    try ledger.record(LedgerOutcome(attempt: first, release: 0, result: .aborted(reason: "too few"), survivors: nil, time: 2))
    let twice = try after()
    #expect(twice > 1.2 * once)
    _ = try charge(1)
    #expect(try after() == twice)
    // The first was never heard of again, the second came to nothing: there will be a third.
    let third = try charge(2)
    try ledger.record(LedgerOutcome(attempt: third, release: 0, result: .aborted(reason: "too few"), survivors: nil, time: 3))
    let more = try after()
    #expect(more > 1.2 * twice)
    let last = try charge(3)
    try ledger.record(LedgerOutcome(attempt: last, release: 0, result: .released(nil), survivors: nil, time: 4))
    #expect(try after() == more)
  }

  @Test func `a plan on the new name is charged to the ledger of its users, within their cap`() async throws {
    let world = try await World.joined(PlanSetting(noise: .central), cap: try PrivacyBudget(epsilon: 20, delta: 1e-6))
    _ = try await world.run()
    try world.importData(0, name: try DataSetName("again"), cap: nil)
    try await world.coordinator.publish(PlanSetting(noise: .central))
    for index in world.homes.indices { try await world.fetch(index) }
    let hash = try await world.coordinator.planHash()
    try world.accept(0, plan: hash, data: try DataSetName("again"))
    for index in 1..<4 { try world.accept(index, plan: hash) }
    _ = try await world.run()
    #expect(await world.coordinator.releases.count == 2)
    let home = world.homes[0]
    #expect(!FileManager.default.fileExists(atPath: home.ledger(of: try DataSetName("again"))))
    let bytes = try #require(FileManager.default.contents(atPath: home.ledger(of: .standard)))
    let state = try #require(LedgerVerifier().verify(Array(bytes)).state)
    #expect(state.charges.count == 2 && state.recorded.epsilon(delta: 1e-6) > 10)
    let verification = try HomeVerification(home: home, store: try world.store(0))
    #expect(verification.checks.filter { $0.verdict == .failed } == [])
    #expect(verification.checks.contains { $0.subject == "ledger of 'again', 'data'" })
  }

  @Test func `one user in common is enough, and who was never seen begins anew`() async throws {
    let world = try await World(partners: 4)
    try await world.fetch(0)
    func add(_ name: String, _ users: [String], cap: PrivacyBudget? = nil) throws -> DataSetRecord {
      try world.importData(
        0, file: try Self.table(world, "\(name).csv", users: users), name: try DataSetName(name), cap: cap, holdsOut: false
      ).dataSet
    }
    let small = try PrivacyBudget(epsilon: 2, delta: 1e-6)
    #expect(try add("first", ["a", "b"], cap: small).ledger.name.text == "first")
    #expect(try add("other", ["x", "y"]).ledger.name.text == "other")
    let second = try add("second", ["c", "b"])
    #expect(second.ledger.name.text == "first" && second.cap == small)
    // Through the second: `c` was never in the first, and is on its ledger all the same.
    #expect(try add("third", ["c"], cap: small).ledger.name.text == "first")
    // A larger cap with the same people is no way out.
    #expect { try add("fourth", ["a"], cap: try PrivacyBudget(epsilon: 20, delta: 1e-6)) } throws: {
      ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("whose cap is ε = 2.0")
    }
    #expect { try add("both", ["y", "c"]) } throws: {
      ($0 as? PartnerError)?.kind == .data && "\($0)".contains("'first' and 'other'")
    }
    #expect(try world.store(0).dataSets().map(\.name.text).sorted() == ["first", "other", "second", "third"])
    // The cap is the ledger's: changed under one name, it holds under all.
    let large = try PrivacyBudget(epsilon: 9, delta: 1e-6)
    try DataImporting.set(cap: large, of: try DataSetName("third"), in: try world.store(0))
    #expect(try world.store(0).dataSets().filter { $0.cap == large }.map(\.name.text).sorted() == ["first", "second", "third"])
  }

  @Test func `the cap under which a ledger was first charged is remembered: later ones are judged at its order`() async throws {
    let world = try await World.joined(PlanSetting(noise: .central), cap: try PrivacyBudget(epsilon: 30, delta: 1e-6))
    let store = try world.store(0)
    func set(_ epsilon: Double) throws {
      try DataImporting.set(cap: PrivacyBudget(epsilon: epsilon, delta: 1e-6), of: .standard, in: store)
    }
    // Nothing was charged, so that no result is known and a cap may be any.
    for epsilon in [3.0, 40, 31] { try set(epsilon) }
    #expect(try store.dataSet(.standard)?.ledger.firstCap == nil)
    _ = try await world.run()
    #expect(try store.dataSet(.standard)?.ledger.firstCap?.epsilon == 31)
    for epsilon in [33.0, 5, 40] { try set(epsilon) }
    let ledger = try #require(try store.ledgers().first?.ledger)
    #expect(ledger.firstCap?.epsilon == 31 && ledger.cap?.epsilon == 40)
  }

  @Test func `a home that was killed after its first charge notes the cap that stood, before another one is set`() async throws {
    let world = try await World.joined(PlanSetting(noise: .central), cap: try PrivacyBudget(epsilon: 31, delta: 1e-6))
    _ = try await world.run()
    let store = try world.store(0)
    try await Self.set(first: nil, in: world, 0)
    #expect(try store.dataSet(.standard)?.ledger.firstCap == nil)
    try DataImporting.set(cap: PrivacyBudget(epsilon: 33, delta: 1e-6), of: .standard, in: store)
    #expect(try store.dataSet(.standard)?.ledger.firstCap?.epsilon == 31)
  }

  @Test func `a home judges a changed cap at the order of the first one, in its review and when it charges`() async throws {
    // Of several kinds, so that divergences are what is composed; at the order for so large a first cap nothing fits the present one.
    let setting = PlanSetting(
      noise: .central,
      configure: { draft in
        draft.samplingRate = 0.5
        draft.evaluationShare = 0.4
      })
    let world = try await World.joined(setting, cap: try PrivacyBudget(epsilon: 9, delta: 1e-6))
    let plain = try Self.spending(world, .standard)
    #expect(plain.spentAfterPlan < 9)
    try await Self.set(first: 2000, in: world, 0)
    #expect(try Self.spending(world, .standard).spentAfterPlan > 3 * plain.spentAfterPlan)
    await world.coordinator.start()
    let (host, other) = (try world.host(0, once: false), try world.host(1, once: false))
    let running = [host, other].map { host in Task { try await host.run() } }
    #expect(await World.eventually { await host.counts["refused: \(PartnerRefusal.budgetExhausted)", default: 0] > 0 })
    #expect(await other.counts["refused: \(PartnerRefusal.budgetExhausted)", default: 0] == 0)
    for host in [host, other] { await host.stop() }
    for task in running { _ = try? await task.value }
  }

  /// What the home's database says of the first cap of its ledger.
  private static func set(first epsilon: Double?, in world: World, _ index: Int) async throws {
    let queue = try DatabaseQueue(path: world.homes[index].database)
    defer { try? queue.close() }
    try await queue.write {
      try $0.execute(
        sql: "UPDATE ledger SET firstEpsilon = ?, firstDelta = ?", arguments: [epsilon, epsilon.map { _ in 1e-6 }])
    }
  }

  @Test func `a review says which ledger counts a data set, and that another home is another budget`() async throws {
    let world = try await World(partners: 4, PlanSetting(noise: .central))
    try await world.fetch(0)
    try world.importData(0)
    try world.importData(0, name: try DataSetName("again"), cap: nil)
    let review = try Joining.review(home: world.homes[0], store: try world.store(0))
    #expect(review.text.contains("'again' (users of it are counted by the ledger 'data')"))
    #expect(review.text.contains("another home with the same users has a budget of its own"))
    let json = try JSONSerialization.jsonObject(with: JSONEncoder().encode(review.document)) as? [String: Any]
    let budgets = json?["budgets"] as? [[String: Any]]
    #expect(budgets?.map { $0["ledger"] as? String } == ["data", "data"])
  }

  @Test func `a plan that has begun keeps its data set: peers would name a partner that shows another ledger`() async throws {
    let world = try await World.joined()
    let other = try DataSetName("other")
    try world.importData(
      0, file: try World.table(world.scratch.file("other.csv"), partner: 9), name: other, cap: nil)
    #expect(try world.store(0).dataSet(other)?.ledger.name == other)
    // Until it begins, a person may choose again.
    try world.accept(0, data: other)
    try world.accept(0, data: .standard)
    // Its first attempt has opened here.
    let store = try world.store(0)
    let session = try #require(SessionID(hex: try Joining.review(home: world.homes[0], store: store).plan.session))
    try store.advance(to: AttemptMark(round: 0, attempt: 0, stage: 0), session: session)
    #expect { try world.accept(0, data: other) } throws: {
      ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("'data' and has begun")
    }
    #expect(try world.store(0).newestAcceptedPlan()?.dataSet == .standard)
    try world.accept(0, data: .standard)
  }

  @Test func `a purged home takes no data: what counted its users is gone with them`() async throws {
    let world = try await World.joined(PlanSetting(noise: .central))
    _ = try await world.run()
    #expect(try await Purging.run(home: world.homes[0], store: try world.store(0), passphrase: .none, time: 1) {} != nil)
    #expect { try world.importData(0, name: try DataSetName("again")) } throws: { "\($0)".contains("was purged") }
    #expect(try world.store(0).dataSets().count == 1)
  }
}
