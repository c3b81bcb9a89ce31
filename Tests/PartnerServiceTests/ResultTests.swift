import CryptoPrimitives
import FederatedLearning
import Foundation
import PartnerService
import Recommender
import Testing

/// What a partner does with a released model, at home.
@Suite struct ResultTests {
  @Test func `worth compares the joint model with the own one on held-out events`() async throws {
    let world = try await World.joined(.factorization)
    _ = try await world.run()
    let worth = try Worth(home: world.homes[0], store: try world.store(0))
    #expect(worth.users == 20 && worth.modelVersion == 3)
    #expect(worth.rows.map(\.method) == ["most popular here", "own model, alone", "joint model"])
    for row in worth.rows {
      #expect(row.metrics.map(\.name).contains("HR@10 (full)") && row.metrics.map(\.name).contains("NDCG@10 (listed)"))
      for figure in row.metrics { #expect((0...1).contains(figure.mean) && figure.halfWidth >= 0) }
    }
    // The same figures as an evaluator gets from the released model.
    let model = try PartnerModel(try world.store(0), home: world.homes[0])
    let joint = try #require(worth.rows.last?.metrics.first { $0.name == "HR@10 (full)" })
    #expect(joint.mean > 0)
    #expect(model.scorer.itemCount == 20)
  }

  @Test func `a new plan takes neither the working model nor the report away`() async throws {
    let world = try await World.joined(PlanSetting(noise: .central, epsilon: 4))
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    let first = try PartnerModel(store, home: home)
    #expect(first.laterPlans == [])
    try await world.coordinator.publish(PlanSetting(noise: .central, epsilon: 4, configure: { $0.task = "third" }))
    try await world.fetch(0)
    let second = try await world.coordinator.planHash()
    let waiting = try PartnerStatus(home: home, store: store, now: Date())
    #expect(waiting.needs.contains { $0.hasPrefix("a decision: plan 'third'") })
    try world.accept(0, plan: second)
    #expect(try store.newestAcceptedPlan()?.hash == second)
    let model = try PartnerModel(store, home: home)
    #expect(model.planHash == first.planHash && model.origin.contains("'third', which was accepted later, has released none"))
    #expect { try PartnerModel(store, home: home, plan: second) } throws: { "\($0)".contains("no model of 'third'") }
    #expect(try Worth(home: home, store: store).plan == first.planHash)
    let ledger = try LedgerOfPlan(home: home, store: store)
    #expect(ledger.planHash == first.planHash && ledger.charges.count == 1)
    let later = try LedgerOfPlan(home: home, store: store, plan: second)
    #expect(later.charges.isEmpty && later.state.charges.count == 1)
    #expect(try store.plan(beginningWith: String(second.hex.prefix(8))).hash == second)
    #expect { try store.plan(beginningWith: "0123") } throws: { ($0 as? PartnerError)?.kind == .usage }
  }

  @Test func `a purged home says so, whatever it is asked`() async throws {
    let world = try await World.joined()
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    try Joining.purge(home: home, store: store)
    let bodies: [() throws -> Void] = [
      { _ = try PartnerModel(store, home: home) }, { _ = try Joining.review(home: home, store: store) },
      { try Joining.refusePurged(store, home) }, { _ = try world.importData(0) },
    ]
    for body in bodies { #expect(throws: PartnerError.self) { try body() } }
    #expect { try PartnerModel(store, home: home) } throws: { "\($0)".contains("was purged") }
  }

  @Test func `worth without held-out events says what to do`() async throws {
    let world = try await World.joined(holdsOut: false)
    _ = try await world.run()
    #expect { try Worth(home: world.homes[0], store: try world.store(0)) } throws: { "\($0)".contains("--hold-out last") }
  }

  @Test func `recommendations come from the own shard, and unknown users are named`() async throws {
    let world = try await World.joined()
    #expect(throws: PartnerError.self) { try PartnerModel(try world.store(0), home: world.homes[0]) }
    _ = try await world.run()
    let store = try world.store(0)
    let model = try PartnerModel(store, home: world.homes[0])
    let history = try model.history(of: "u0-3", in: store)
    // Four to learn from, and the one that is held out.
    #expect(history.items.count == 5)
    let list = model.scorer.recommend(to: history, count: 5)
    #expect(list.count == 5 && !list.contains { history.items.contains(Int32($0.item)) })
    #expect { try model.history(of: "u1-3", in: store) } throws: {
      // Nobody else's id stands in it.
      "\($0)".contains("not in the data set") && !"\($0)".contains("u0-")
    }
    #expect(model.catalogue.titles?.first == "The item 0")
  }
}
