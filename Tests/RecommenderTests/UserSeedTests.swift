import Recommender
import Testing

/// What the sensitivity of a sum rests on: nobody's contribution depends on who else is there.
@Suite struct UserSeedTests {
  /// A trainer that draws: one random entry at a random place.
  private struct DrawingTrainer: LocalTrainer {
    let dimension: Int
    func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
      var random = SplitMix64(seed: user.seed)
      buffer.indices.append(UInt32(random.uniform(below: dimension)))
      buffer.values.append(Float(1 + random.uniform(below: 8)) / 8)
    }
  }

  private func sum(_ interactions: Interactions) -> [Double] {
    var sum = [Double](repeating: 0, count: 50)
    DrawingTrainer(dimension: 50).accumulate(interactions, seed: 3, into: &sum)
    return sum
  }

  @Test(arguments: 0..<6) func `removing one user moves the sum by that user's contribution alone`(removed: Int) {
    let all = Interactions(itemCount: 9, histories: [[0], [1, 2], [2, 1], [4, 5, 6], [], [8]])
    let others = all.selecting(users: (0..<6).filter { $0 != removed })
    let difference = zip(sum(all), sum(others)).map { $0 - $1 }
    #expect(difference == sum(all.selecting(users: [removed])))
    #expect(difference.filter { $0 != 0 }.count == 1)
  }

  @Test func `seeds differ between histories, orders and releases`() {
    let all = Interactions(itemCount: 9, histories: [[1, 2], [2, 1], [1], []])
    let seeds = (0..<4).flatMap { user in [7, 8].map { UserHistory(of: user, in: all, release: $0).seed } }
    #expect(Set(seeds).count == 8)
  }
}
