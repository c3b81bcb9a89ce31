import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import Recommender
import Testing
import Transport

/// Partners with a coordinator that does its work.
@Suite struct HostTests {
  @Test(arguments: [NoiseMode.none, .central, .distributed])
  func `four partners go through a plan to its end, and each holds the released model`(_ noise: NoiseMode) async throws {
    let world = try await World.joined(PlanSetting(noise: noise))
    let endings = try await world.run()
    for (index, ending) in endings {
      #expect(try ending.get() == .finished(reason: "\(RunEnd.completed)", isComplete: true), "partner \(index)")
    }
    let published = try #require(await world.coordinator.model)
    for (index, home) in world.homes.enumerated() {
      let model = try PartnerModel(try world.store(index), home: home)
      #expect(ModelBytes.encode(model.model) == ModelBytes.encode(published))
      let verification = try HomeVerification(home: home, store: try world.store(index))
      #expect(verification.checks.filter { $0.verdict == .failed } == [])
    }
    #expect(await world.coordinator.releases.first?.survivors.count == 4)
    #expect(await world.coordinator.statements.map(\.kind) == [.consent, .consent, .consent, .consent])
  }

  @Test func `a network that learns from item features goes through its plan, scores at home and is worth something`()
    async throws
  {
    let world = try await World.joined(try PlanSetting.network())
    let endings = try await world.run()
    for (index, ending) in endings {
      #expect(try ending.get() == .finished(reason: "\(RunEnd.completed)", isComplete: true), "partner \(index)")
    }
    #expect(await world.coordinator.releases.count == 3)
    let store = try world.store(1)
    let model = try PartnerModel(store, home: world.homes[1])
    #expect(model.model.tensors["item-features-weight"]?.values.contains { $0 != 0 } == true)
    var scores = [Float](repeating: .nan, count: 20)
    model.scorer.score(UserHistory(items: [1, 2, 3]), into: &scores)
    let isFinite = scores.allSatisfy(\.isFinite)
    #expect(isFinite)
    #expect(try Worth(home: world.homes[1], store: store).rows.count == 3)
    let checks = try HomeVerification(home: world.homes[1], store: store).checks
    #expect(checks.filter { $0.verdict == .failed } == [])
    #expect(checks.contains { "\($0)".contains("its features of the items have the hash") })
    #expect(try Joining.review(home: world.homes[1], store: store).text.contains("8 public numbers"))
  }

  @Test func `a plan of several rounds ends with one charge per round at every partner`() async throws {
    let world = try await World.joined(.factorization)
    _ = try await world.run()
    let rounds = await world.coordinator.releases.count
    #expect(rounds == 3)
    for index in world.homes.indices {
      let status = try PartnerStatus(home: world.homes[index], store: try world.store(index), now: Date())
      #expect(status.text.contains("3 of 3 released"))
      let ledger = try #require(FileManager.default.contents(atPath: world.homes[index].ledger(of: .standard)))
      let state = try #require(LedgerVerifier().verify(Array(ledger)).state)
      #expect(state.charges.count == rounds)
    }
  }
}
