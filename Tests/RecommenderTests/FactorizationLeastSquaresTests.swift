import Recommender
import Testing

@Suite struct FactorizationLeastSquaresTests {
  private let histories: [[Int32]] = [
    [0, 3, 5], [1, 3], [], [2], [5, 4, 1, 0], [3, 0], [4, 5, 2, 1, 3], [0],
  ]
  private let weights: [[Float]] = [
    [1, 2, 0.5], [1, 1], [], [4], [1, 0.1, 1, 3], [1, 1], [2, 1, 1, 0, 1], [1],
  ]

  private func algorithm(dimension: Int, sweeps: Int = 3, userNormBound: Float = 4) throws
    -> AlternatingLeastSquares
  {
    try AlternatingLeastSquares(
      itemCount: 7,
      configuration: AlternatingLeastSquares.Configuration(
        dimension: dimension, sweeps: sweeps,
        objective: ImplicitObjective(regularization: 0.05, unobservedWeight: 0.2),
        userNormBound: userNormBound))
  }

  private var reference: DenseImplicitReference {
    DenseImplicitReference(
      histories: histories, weights: weights, itemCount: 7, regularization: 0.05, unobservedWeight: 0.2)
  }

  @Test(arguments: [1, 3, 16, 17]) func sweepsEqualDenseLeastSquares(dimension: Int) throws {
    let algorithm = try algorithm(dimension: dimension)
    let interactions = Interactions(itemCount: 7, histories: histories, weights: weights)
    var expected = itemRows(algorithm.initialModel(seed: 3))
    for _ in 0..<3 { expected = reference.items(users: reference.users(items: expected)) }
    let model = CentralTraining.run(algorithm, on: interactions, seed: 3)
    let difference = largestDifference(itemRows(model).joined(), expected.joined())
    #expect(difference < 1e-4, "largest difference \(difference)")
    #expect(model.version == 3)
  }

  @Test(arguments: [3, 16, 18]) func accumulatingEqualsAddingContributions(dimension: Int) throws {
    let algorithm = try algorithm(dimension: dimension)
    let model = algorithm.initialModel(seed: 1)
    let interactions = Interactions(itemCount: 7, histories: histories, weights: weights)
    let (fast, slow) = sums(algorithm, release: 0, model: model, interactions)
    #expect(largestDifference(fast, slow) < 1e-6)
    #expect(slow.contains { abs($0) > 1e-3 })
  }

  @Test func sumsOverPartnersTrainTheCentralModel() throws {
    let algorithm = try algorithm(dimension: 4)
    let central = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 7, histories: histories, weights: weights), seed: 9)
    let partners = [[4, 1], [0, 2, 7], [6], [], [5, 3]].map {
      Interactions(itemCount: 7, histories: histories, weights: weights).selecting(users: $0)
    }
    let federated = train(algorithm, partners: partners, seed: 9)
    #expect(largestDifference(itemRows(central).joined(), itemRows(federated).joined()) < 1e-5)
  }

  @Test func roundingPartnersSumsMovesTheModelLittle() throws {
    let algorithm = try algorithm(dimension: 4)
    let all = Interactions(itemCount: 7, histories: histories, weights: weights)
    let partners = [[0, 1, 2, 3], [4, 5, 6, 7]].map { all.selecting(users: $0) }
    let exact = train(algorithm, partners: partners, seed: 9)
    let rounded = train(algorithm, partners: partners, seed: 9, grid: 0x1p-18)
    #expect(largestDifference(itemRows(exact).joined(), itemRows(rounded).joined()) < 2e-3)
  }

  @Test func theOrderOfUsersDoesNotMatter() throws {
    let algorithm = try algorithm(dimension: 5)
    let all = Interactions(itemCount: 7, histories: histories, weights: weights)
    let model = CentralTraining.run(algorithm, on: all, seed: 2)
    let shuffled = CentralTraining.run(
      algorithm, on: all.selecting(users: [6, 2, 0, 7, 5, 1, 3, 4]), seed: 2)
    #expect(largestDifference(itemRows(model).joined(), itemRows(shuffled).joined()) < 1e-5)
  }

  @Test func everyEntryStaysWithinItsBoundEvenForAWildModel() throws {
    let algorithm = try algorithm(dimension: 3, userNormBound: 0.25)
    var model = algorithm.initialModel(seed: 1)
    let values = (0..<21).map { Float($0 % 5) - 2 }
    for scale in [1e-6, 1, 1e6] as [Float] {
      model.tensors["items"] = Tensor(shape: [7, 3], values: values.map { $0 * scale })
      let trainer = algorithm.trainer(for: 0, model: model)
      for (history, weights) in zip(histories, weights) {
        var buffer = ContributionBuffer(dimension: algorithm.shapes[0].dimension)
        trainer.contribute(
          UserHistory(items: history[...], weights: weights.map { $0 * 100 }[...]), into: &buffer)
        #expect(buffer.values.allSatisfy { abs(Double($0)) <= algorithm.shapes[0].entryBound * (1 + 1e-6) })
        #expect(Set(buffer.indices).count == buffer.indices.count)
        #expect(buffer.values.count == buffer.indices.count)
      }
    }
  }

  @Test func anEmptyHistorySaysNothingAndAnUntouchedItemScoresZero() throws {
    let algorithm = try algorithm(dimension: 3)
    let model = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 7, histories: histories, weights: weights), seed: 1)
    var buffer = ContributionBuffer(dimension: algorithm.shapes[0].dimension)
    algorithm.trainer(for: 1, model: model).contribute(UserHistory(items: []), into: &buffer)
    #expect(buffer.isEmpty)
    #expect(itemRows(model)[6] == [0, 0, 0])
    var scores = [Float](repeating: .nan, count: 7)
    algorithm.scorer(model: model).score(UserHistory(items: [0, 3]), into: &scores)
    #expect(scores[6] == 0)
    #expect(scores.allSatisfy { $0.isFinite })
  }

  @Test func aStrangerIsOfferedWhatMostUsersTook() throws {
    let algorithm = try algorithm(dimension: 3)
    let model = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 7, histories: histories, weights: weights), seed: 1)
    var scores = [Float](repeating: .nan, count: 7)
    algorithm.scorer(model: model).score(UserHistory(items: []), into: &scores)
    // Items 0 and 3 have four users, 1 and 5 three, 2 and 4 two, 6 none; seven users are active.
    #expect(largestDifference(scores.map(Double.init), [4, 3, 2, 4, 2, 3, 0].map { $0 / 7 }) < 1e-6)
  }

  @Test func clippingAMessageIsWeightingAUserLess() throws {
    // Two users with everything halved train like the same users at half the weight: half of a sum is a
    // rescaled problem, and a least-squares problem does not feel its scale.
    let algorithm = try algorithm(dimension: 3, sweeps: 1)
    let all = Interactions(itemCount: 7, histories: histories, weights: weights)
    let initial = algorithm.initialModel(seed: 4)
    let sum = sums(algorithm, release: 0, model: initial, all).fast
    var (whole, half) = (initial, initial)
    var optimizer = OptimizerState()
    let context = ReleaseContext(expectedUsers: 8, noiseDeviation: 0)
    algorithm.advance(
      model: &whole, optimizer: &optimizer, release: 0, sum: sum.map { Float($0) }, context: context)
    algorithm.advance(
      model: &half, optimizer: &optimizer, release: 0, sum: sum.map { Float($0 / 2) }, context: context)
    #expect(largestDifference(itemRows(whole).joined(), itemRows(half).joined()) < 1e-5)
  }

  @Test(arguments: [0.01, 1, 100]) func heavyNoiseLeavesEveryRowFinite(deviation: Double) throws {
    let algorithm = try algorithm(dimension: 4, sweeps: 4)
    let all = Interactions(itemCount: 7, histories: histories, weights: weights)
    let model = train(algorithm, partners: [all], seed: 3, noise: deviation)
    let largest = itemRows(model).joined().map { abs($0) }.max() ?? .nan
    #expect(largest.isFinite && largest < 100, "largest entry \(largest)")
    var scores = [Float](repeating: 0, count: 7)
    for history in histories {
      algorithm.scorer(model: model).score(UserHistory(items: history[...]), into: &scores)
      #expect(scores.allSatisfy { $0.isFinite })
    }
  }

  @Test func explanationsSumToTheScore() throws {
    let algorithm = try AlternatingLeastSquares(itemCount: 7, recency: RecencyWeighting(halfLife: 2))
    let model = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 7, histories: histories, weights: weights), seed: 1)
    try expectExplanationsToSum(algorithm.scorer(model: model), histories: histories, itemCount: 7)
  }

  @Test func aNewUserOfOneItemIsOfferedItsCompanions() throws {
    let planted = PlantedTastes(users: 200, itemCount: 40, perUser: 6, seed: 4)
    let algorithm = try AlternatingLeastSquares(
      itemCount: 40, configuration: AlternatingLeastSquares.Configuration(dimension: 2, sweeps: 5))
    let model = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 40, histories: planted.histories), seed: 1)
    var scores = [Float](repeating: 0, count: 40)
    for item in [0, 1] as [Int32] {
      algorithm.scorer(model: model).score(UserHistory(items: [item]), into: &scores)
      let best = scores.indices.sorted { scores[$0] > scores[$1] }.prefix(6)
      #expect(best.allSatisfy { $0 % 2 == Int(item) }, "after item \(item): \(Array(best))")
    }
    let popularity = try #require(model.tensors["popularity"]).values
    let byPopularity = planted.hitRate(of: FixedScorer(scores: popularity), cutoff: 8)
    #expect(planted.hitRate(of: algorithm.scorer(model: model), cutoff: 8) > byPopularity + 0.1)
  }

  @Test func settingsOutOfRangeAreRefusedInWords() {
    let cases: [(refused: () throws -> Void, words: String)] = [
      (
        { _ = try AlternatingLeastSquares.Configuration(dimension: 0) }, "dimension is 0; expected at least 1"
      ),
      (
        { _ = try AlternatingLeastSquares.Configuration(userNormBound: .nan) },
        "bound on user vectors is nan; expected a finite number above 0"
      ),
      (
        { _ = try ImplicitObjective(regularization: 0.1, unobservedWeight: 1.5) },
        "unobserved weight is 1.5; expected above 0 and at most 1"
      ),
      ({ _ = try AlternatingLeastSquares(itemCount: 0) }, "number of items is 0; expected at least 1"),
      (
        {
          _ = try AlternatingLeastSquares(
            itemCount: 10_000_000, configuration: AlternatingLeastSquares.Configuration(dimension: 64))
        },
        "number of entries of one release is 21450002081; "
          + "expected at most 4294967295: choose a smaller dimension or catalogue"
      ),
      (
        { _ = try ImplicitFactorization(optimizer: .adam(rate: 0.1, beta1: 0.9, beta2: 1, epsilon: 1e-6)) },
        "decay of Adam's second moment is 1.0; expected at least 0 and below 1"
      ),
      (
        { _ = try RankOneFactorization(countShare: 1) },
        "budget share of the counts is 1.0; expected between 0 and 1, exclusive"
      ),
    ]
    for (refused, words) in cases {
      let error = #expect(throws: InvalidHyperparameter.self) { try refused() }
      #expect(error?.description == words)
    }
  }
}

/// The same scores for everybody.
struct FixedScorer: Scorer {
  let scores: [Float]
  var itemCount: Int { scores.count }
  func score(_ user: UserHistory, into scores: inout [Float]) { scores = self.scores }
  func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
}

/// One release's sum by `accumulate`, and by adding up what `contribute` writes.
func sums(_ algorithm: any FederatedAlgorithm, release: Int, model: ItemModel, _ interactions: Interactions)
  -> (fast: [Double], slow: [Double])
{
  let dimension = algorithm.shapes[release].dimension
  let trainer = algorithm.trainer(for: release, model: model)
  var fast = [Double](repeating: 0, count: dimension)
  trainer.accumulate(interactions, seed: 1, into: &fast)
  var slow = [Double](repeating: 0, count: dimension)
  for user in 0..<interactions.userCount {
    var buffer = ContributionBuffer(dimension: dimension)
    trainer.contribute(
      UserHistory(items: interactions.history(of: user), weights: interactions.weights(of: user)),
      into: &buffer)
    let indices = buffer.isDense ? buffer.values.indices.map { $0 } : buffer.indices.map { Int($0) }
    for (index, value) in zip(indices, buffer.values) { slow[index] += Double(value) }
  }
  return (fast, slow)
}

/// Trains on the sums of partners, optionally rounded to a grid and with noise of a given standard deviation
/// on every entry.
func train(
  _ algorithm: any FederatedAlgorithm, partners: [Interactions], seed: UInt64, grid: Double? = nil,
  noise: Double = 0
) -> ItemModel {
  var model = algorithm.initialModel(seed: seed)
  var optimizer = OptimizerState()
  let users = Double(partners.reduce(0) { $0 + $1.userCount })
  for (release, shape) in algorithm.shapes.enumerated() {
    let trainer = algorithm.trainer(for: release, model: model)
    let random = PublicRandom(seed: seed &+ UInt64(release) &* 77)
    var total = (0..<shape.dimension).map { noise * Double(random.nearlyNormal(at: $0)) }
    for partner in partners {
      var sum = [Double](repeating: 0, count: shape.dimension)
      trainer.accumulate(partner, seed: 1, into: &sum)
      for index in sum.indices { total[index] += grid.map { (sum[index] / $0).rounded() * $0 } ?? sum[index] }
    }
    algorithm.advance(
      model: &model, optimizer: &optimizer, release: release, sum: total.map { Float($0) },
      context: ReleaseContext(expectedUsers: users, noiseDeviation: noise))
  }
  return model
}

/// Every score must be the sum of what each item of the history is said to have carried.
func expectExplanationsToSum(_ scorer: any Scorer, histories: [[Int32]], itemCount: Int) throws {
  var scores = [Float](repeating: 0, count: itemCount)
  for history in histories where !history.isEmpty {
    scorer.score(UserHistory(items: history[...]), into: &scores)
    for item in 0..<itemCount {
      let parts = try #require(scorer.explain(item, for: UserHistory(items: history[...])))
      #expect(parts.count == history.count)
      #expect(abs(parts.reduce(0, +) - scores[item]) < 1e-4, "item \(item) for \(history)")
    }
  }
}
