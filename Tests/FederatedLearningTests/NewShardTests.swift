import CryptoPrimitives
import FederatedLearning
import Recommender
import SecureAggregation
import Testing

/// Data that grow while a plan runs: read anew at each round, and never within one (decision 0022).
@Suite struct NewShardTests {
  private let world = RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 3))
  /// Partner 1 after two more users.
  private var grown: PartnerShard {
    let old = world.shards[0].interactions
    return PartnerShard(
      interactions: Interactions(
        itemCount: 12, histories: (0..<old.userCount).map { Array(old.history(of: $0)) } + [[3, 4], [4]]))
  }

  /// What the five contribute, with partner 1's old data or new.
  private func sum(isGrown: Bool) -> [Float] {
    var sum = world.exactSum(isGrown ? 1..<5 : 0..<5)
    if isGrown {
      world.algorithm.trainer(for: 0, model: world.algorithm.initialModel(seed: 0))
        .accumulate(grown.interactions, seed: 0, into: &sum)
    }
    return sum.map { Float($0) }
  }

  private func sums(_ driver: RoundDriver) -> [[Float]] { driver.models.map { $0.tensors["sum"]?.values ?? [] } }

  @Test func `an attempt under way keeps the data that it began with, whatever comes`() throws {
    let driver = try RoundDriver(world)
    let (host, grown) = (driver[1], grown)
    driver.rewrite = { participant, message in
      // The keys of round 0 are out, and nothing is trained yet.
      if participant == ParticipantID(1), case .aggregation = message { host.engine.setShard(grown) }
      return message
    }
    driver.run()
    #expect(driver.coordinator.end == .completed)
    #expect(sums(driver) == [sum(isGrown: false), sum(isGrown: true), sum(isGrown: true)])
  }

  @Test func `a second attempt at a round has the data of the first`() throws {
    let driver = try RoundDriver(world)
    let (host, grown) = (driver[1], grown)
    driver.passes = { [unowned driver] _, _ in !driver.aborts.isEmpty }
    driver.rewrite = { participant, message in
      if participant == ParticipantID(1), case .roundStart(let start) = message, start.round == 0, start.attempt == 1 {
        host.engine.setShard(grown)
      }
      return message
    }
    driver.run()
    #expect(driver.coordinator.end == .completed && driver.aborts.count == 1)
    #expect(sums(driver) == [sum(isGrown: false), sum(isGrown: true), sum(isGrown: true)])
  }
}
