import CryptoPrimitives
import FederatedLearning
import Recommender
import SecureAggregation
import Testing

@Suite("What a partner may bring")
struct ShardTests {
  @Test("A history in which an item stands twice is refused when the engine is made, not when it trains")
  func repeatedItem() throws {
    let setting = RoundWorld(noise: .central)
    let file = try setting.planFile()
    for (history, isFine) in [([Int32(1), 2, 3], true), ([Int32(1), 2, 1], false)] {
      let shard = PartnerShard(interactions: Interactions(itemCount: setting.algorithm.itemCount, histories: [history]))
      let ledger = try RoundWorld.ledger(.partner, key: setting.keys[0]).ledger
      do {
        _ = try PartnerEngine(
          planFile: file, participant: ParticipantID(1), signingKey: setting.keys[0], shard: shard,
          algorithm: setting.algorithm, ledger: ledger)
        #expect(isFine)
      } catch {
        #expect(!isFine)
        #expect(error.description.contains("an item stands twice"))
      }
    }
  }
}
