import Recommender
import Testing

@Suite struct BaselineTests {
  private let train = Interactions(itemCount: 4, histories: [[0, 1], [1, 2, 0, 3], [1], [], [2]])

  @Test func popularityCountsUsersOrUnitRows() throws {
    let binary = CentralTraining.run(
      try PopularityAlgorithm(itemCount: 4, weighting: .binary), on: train, seed: 1)
    #expect(binary.tensors["counts"]?.values == [2, 3, 2, 1])
    #expect(binary.version == 1)
    #expect(binary.algorithm == "popularity")
    let unit = CentralTraining.run(try PopularityAlgorithm(itemCount: 4), on: train, seed: 1)
    let counts = try #require(unit.tensors["counts"]).values.map(Double.init)
    let half = 0.5.squareRoot()
    #expect(widestGap(counts, [half + 0.5, half + 1.5, 1.5, 0.5]) < 1e-6)
  }

  @Test func everybodyGetsThePopularItemsNotYetSeen() throws {
    let algorithm = try PopularityAlgorithm(itemCount: 4, weighting: .binary)
    let scorer = algorithm.scorer(model: CentralTraining.run(algorithm, on: train, seed: 1))
    #expect(scorer.recommend(to: UserHistory(items: [1]), count: 2).map(\.item) == [0, 2])
    #expect(scorer.recommend(to: UserHistory(items: []), count: 9, excluding: [0]).map(\.item) == [1, 2, 3])
    #expect(scorer.explanation(of: 0, score: 1, for: UserHistory(items: [1])) == nil)
  }

  @Test func centralTrainingFoldsEveryReleaseOnceAndRepeatsItself() throws {
    var random = TestRandom(4)
    let train = random.interactions(users: 30, itemCount: 12, longest: 8)
    let algorithm = try CovarianceAlgorithm(itemCount: 12, plan: .head(size: 6, countsShare: 0.1))
    let model = CentralTraining.run(algorithm, on: train, seed: 5)
    #expect(model.version == algorithm.shapes.count)
    #expect(model == CentralTraining.run(algorithm, on: train, seed: 5))
  }
}
