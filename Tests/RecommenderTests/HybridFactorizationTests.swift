import Recommender
import Testing

@Suite struct HybridFactorizationTests {
  private let planted = PlantedTastes(users: 300, itemCount: 40, perUser: 6, seed: 4)

  private func algorithm(rounds: Int = 4, dimension: Int = 2, head: Int = 24) throws -> HybridFactorization {
    try HybridFactorization(
      itemCount: 40, headSize: head, rounds: RankOneFactorization(dimension: dimension, rounds: rounds, rate: 6))
  }

  private var interactions: Interactions { Interactions(itemCount: 40, histories: planted.histories) }

  /// The models after each release, without noise.
  private func models(_ algorithm: HybridFactorization) -> [ItemModel] {
    var model = algorithm.initialModel(seed: 1)
    var optimizer = OptimizerState()
    return algorithm.shapes.indices.map { release in
      let sum = sums(algorithm, release: release, model: model, interactions).fast.map { Float($0) }
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release, sum: sum,
        context: ReleaseContext(expectedUsers: 300, noiseDeviation: 0))
      return model
    }
  }

  @Test func everyContributionHasLengthOneAtMost() throws {
    let algorithm = try algorithm()
    let models = [algorithm.initialModel(seed: 1)] + models(algorithm)
    for (release, shape) in algorithm.shapes.enumerated() {
      let trainer = algorithm.trainer(for: release, model: models[release])
      var longest = 0.0
      for history in planted.histories + [[], [39], Array(0..<40)] {
        let values = contribution(of: history, to: trainer, dimension: shape.dimension)
        #expect(values.count == shape.dimension)
        longest = max(longest, values.reduce(0) { $0 + $1 * $1 }.squareRoot())
      }
      #expect(longest <= 1 + 1e-6 && longest > 0.9, "release \(release): \(longest)")
    }
  }

  @Test func sharesOfTheBudgetAddUp() throws {
    let shapes = try algorithm().shapes
    #expect(shapes.map(\.name) == ["item counts", "head covariance"] + Array(repeating: "item gradients", count: 4))
    #expect(abs(shapes.reduce(0) { $0 + $1.budgetShare } - 1) < 1e-12)
    #expect(shapes.map(\.dimension) == [40, 300, 80, 80, 80, 80] && shapes.allSatisfy { $0.clipNorm == 1 })
  }

  @Test func theCovarianceStartsWithTheTastesAndTheRoundsReachTheTail() throws {
    let algorithm = try algorithm()
    let models = models(algorithm)
    let popularity = try #require(models[0].tensors["popularity"]).values
    let head = Set(try #require(models[0].tensors["head"]).values.map { Int($0) })
    #expect(head.count == 24 && abs(popularity.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
    // The strongest direction beside popularity separates the two tastes: even and odd items.
    let start = itemRows(models[1])
    let agreeing = head.count { (start[$0][0] > 0) == ($0 % 2 == 0) }
    #expect(agreeing == head.count || agreeing == 0, "\(agreeing) of \(head.count)")
    let column = start.map { $0[0] }
    #expect(abs(column.reduce(0) { $0 + $1 * $1 }.squareRoot() - 1) < 1e-5)
    #expect(start.indices.allSatisfy { head.contains($0) || start[$0][0] == 0 })
    // Rounds carry it into items outside of the head.
    let end = itemRows(try #require(models.last))
    let tail = end.indices.filter { !head.contains($0) }
    let carried = tail.count { (end[$0][0] > 0) == ($0 % 2 == 0) }
    #expect(agreeing == head.count ? carried >= 13 : carried <= 3, "\(carried) of \(tail.count)")
    let byPopularity = planted.hitRate(of: FixedScorer(scores: popularity), cutoff: 8)
    let rates = [models[1], models[5]].map { planted.hitRate(of: algorithm.scorer(model: $0), cutoff: 8) }
    #expect(rates.allSatisfy { $0 > byPopularity + 0.05 }, "\(byPopularity), \(rates)")
  }

  @Test func columnsWithoutAnEigenvalueAboveTheNoiseStayAsTheyBegan() throws {
    let algorithm = try algorithm(dimension: 3)
    var model = algorithm.initialModel(seed: 7)
    let initial = itemRows(model)
    var optimizer = OptimizerState()
    for release in 0..<2 {
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release,
        sum: [Float](repeating: 0, count: algorithm.shapes[release].dimension),
        context: ReleaseContext(expectedUsers: 300, noiseDeviation: 50))
    }
    #expect(itemRows(model) == initial && algorithm.fault(in: model) == nil)
  }

  @Test func sumsOverPartnersTrainTheCentralModel() throws {
    let algorithm = try algorithm()
    let central = CentralTraining.run(algorithm, on: interactions, seed: 9)
    let partners = [Array(0..<100), Array(100..<110), [], Array(110..<300)].map { interactions.selecting(users: $0) }
    #expect(
      largestDifference(itemRows(central).joined(), itemRows(train(algorithm, partners: partners, seed: 9)).joined()) < 1e-3)
  }

  @Test(arguments: [0.01, 1, 1000]) func heavyNoiseLeavesEverythingFinite(deviation: Double) throws {
    let algorithm = try algorithm()
    let model = train(algorithm, partners: [interactions], seed: 3, noise: deviation)
    #expect(itemRows(model).joined().allSatisfy { $0.isFinite } && algorithm.fault(in: model) == nil)
  }

  @Test func explanationsSumToTheScores() throws {
    let algorithm = try algorithm()
    let model = try #require(models(algorithm).last)
    try expectExplanationsToSum(
      algorithm.scorer(model: model), histories: Array(planted.histories.prefix(20)), itemCount: 40)
  }

  @Test func hyperparametersOutOfRangeAreNamed() throws {
    let rounds = try RankOneFactorization()
    for (words, make) in [
      ("head size", { try HybridFactorization(itemCount: 40, headSize: 41, rounds: rounds) }),
      ("budget shares", { try HybridFactorization(itemCount: 40, headSize: 4, countsShare: 0.6, rounds: rounds) }),
      ("pair half-life", { try HybridFactorization(itemCount: 40, headSize: 4, pairHalfLife: -1, rounds: rounds) }),
      ("first factors", { try HybridFactorization(itemCount: 40, headSize: 4, startNorm: 0, rounds: rounds) }),
    ] as [(String, () throws -> HybridFactorization)] {
      #expect { _ = try make() } throws: { "\($0)".contains(words) }
    }
  }
}
