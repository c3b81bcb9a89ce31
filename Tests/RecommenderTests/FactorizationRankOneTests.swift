import Recommender
import Testing

@Suite struct FactorizationRankOneTests {
  private let histories: [[Int32]] = [
    [0, 3, 5], [1, 3], [], [2], [5, 4, 1, 0], [3, 0], [4, 5, 2, 1, 3], [0],
  ]

  private func algorithm(
    itemCount: Int = 6, dimension: Int = 3, rounds: Int = 4, recency: RecencyWeighting = .plain
  )
    throws -> MatrixFactorization
  {
    try MatrixFactorization(
      itemCount: itemCount,
      regime: .rankOne(RankOneFactorization(dimension: dimension, rounds: rounds, rate: 10)),
      recency: recency)
  }

  private func norm(_ values: [Float]) -> Double {
    values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
  }

  /// A model after the counts, with item factors of a given scale.
  private func model(_ algorithm: MatrixFactorization, _ interactions: Interactions, scale: Float)
    -> ItemModel
  {
    var model = algorithm.initialModel(seed: 7)
    var optimizer = OptimizerState()
    let counts = sums(algorithm, release: 0, model: model, interactions).fast.map { Float($0) }
    algorithm.advance(
      model: &model, optimizer: &optimizer, release: 0, sum: counts,
      context: ReleaseContext(expectedUsers: Double(interactions.userCount), noiseDeviation: 0))
    return scaled(model, by: scale)
  }

  @Test func noContributionIsLongerThanOne() throws {
    let planted = PlantedTastes(users: 150, itemCount: 60, perUser: 7, seed: 2)
    let histories =
      planted.histories + (1...60).map { Array(0..<Int32($0)) } + (0..<60).map { [Int32($0)] }
    let algorithm = try algorithm(itemCount: 60, dimension: 5)
    let interactions = Interactions(itemCount: 60, histories: histories)
    var longest = 0.0
    for scale in [1e-3, 1, 30, 1e4] as [Float] {
      let model = model(algorithm, interactions, scale: scale)
      for release in 0..<2 {
        let trainer = algorithm.trainer(for: release, model: model)
        for history in histories {
          var buffer = ContributionBuffer(dimension: algorithm.shapes[release].dimension)
          trainer.contribute(UserHistory(items: history[...]), into: &buffer)
          let length = norm(buffer.values)
          longest = max(longest, length)
          if release == 0 { #expect(abs(length - 1) < 1e-6) }
        }
      }
    }
    // Float rounding of entries that are exactly 1/√n can reach a few units in the eighth digit.
    #expect(longest <= 1 + 1e-7 && longest > 0.99, "longest \(longest)")
  }

  @Test func aContributionIsTheRankOneMatrixOfTheRecipe() throws {
    let algorithm = try algorithm()
    let interactions = Interactions(itemCount: 6, histories: histories)
    let model = model(algorithm, interactions, scale: 10)
    let direction = try #require(model.tensors["popularity"]).values.map(Double.init)
    #expect(abs(dot(direction, direction) - 1) < 1e-6)
    let rows = itemRows(model)
    for history in histories where !history.isEmpty {
      let expected = recipe(history: history, popularity: direction, rows: rows, ridge: Double(Float(0.02)))
      var buffer = ContributionBuffer(dimension: 18)
      algorithm.trainer(for: 1, model: model).contribute(UserHistory(items: history[...]), into: &buffer)
      #expect(buffer.isDense)
      #expect(largestDifference(buffer.values.map(Double.init), expected) < 1e-5, "\(history)")
    }
  }

  /// e ûᵀ by dense arithmetic.
  private func recipe(history: [Int32], popularity: [Double], rows: [[Double]], ridge: Double) -> [Double] {
    var x = [Double](repeating: 0, count: rows.count)
    for item in history { x[Int(item)] = 1 }
    let along = dot(x, popularity)
    var rho = zip(x, popularity).map { $0 - along * $1 }
    let length = dot(rho, rho).squareRoot()
    rho = rho.map { $0 / length }
    let u = ridgeSolution(rho, rows: rows, ridge: ridge)
    var e = rho.indices.map { rho[$0] - dot(rows[$0], u) }
    let scale = min(1, 1 / dot(e, e).squareRoot())
    e = e.map { $0 * scale }
    let unit = u.map { $0 / dot(u, u).squareRoot() }
    return e.flatMap { value in unit.map { value * $0 } }
  }

  private func ridgeSolution(_ target: [Double], rows: [[Double]], ridge: Double) -> [Double] {
    let order = rows[0].count
    return gaussianElimination(
      (0..<order).map { i in
        (0..<order).map { j in rows.reduce(0) { $0 + $1[i] * $1[j] } + (i == j ? ridge : 0) }
          + [zip(rows, target).reduce(0) { $0 + $1.0[i] * $1.1 }]
      })
  }

  @Test func theServerAveragesWithTheFixedDenominatorAndAMomentum() throws {
    let algorithm = try MatrixFactorization(
      itemCount: 2, regime: .rankOne(RankOneFactorization(dimension: 1, rounds: 2, rate: 10, momentum: 0.5)))
    var model = algorithm.initialModel(seed: 1)
    model.tensors["items"] = Tensor(zeros: [2, 1])
    var optimizer = OptimizerState()
    let context = ReleaseContext(expectedUsers: 20, noiseDeviation: 0)
    algorithm.advance(model: &model, optimizer: &optimizer, release: 0, sum: [3, 4], context: context)
    #expect(largestDifference(model.tensors["popularity"]?.values.map(Double.init) ?? [], [0.6, 0.8]) < 1e-6)
    algorithm.advance(model: &model, optimizer: &optimizer, release: 1, sum: [2, -4], context: context)
    #expect(itemRows(model) == [[1], [-2]])
    // Momentum .5 of (.1, -.2) plus (.2, .1): (.25, 0), times the rate.
    algorithm.advance(model: &model, optimizer: &optimizer, release: 2, sum: [4, 2], context: context)
    #expect(largestDifference(itemRows(model).joined(), [3.5, -2]) < 1e-6)
    #expect(model.version == 3)
  }

  @Test func countsBelowTheNoiseAreRaisedToItsFloor() throws {
    let algorithm = try algorithm(itemCount: 2, dimension: 1)
    var model = algorithm.initialModel(seed: 1)
    var optimizer = OptimizerState()
    algorithm.advance(
      model: &model, optimizer: &optimizer, release: 0, sum: [-5, 4],
      context: ReleaseContext(expectedUsers: 9, noiseDeviation: 12))
    #expect(largestDifference(model.tensors["popularity"]?.values.map(Double.init) ?? [], [0.6, 0.8]) < 1e-6)
    algorithm.advance(
      model: &model, optimizer: &optimizer, release: 0, sum: [0, 0],
      context: ReleaseContext(expectedUsers: 9, noiseDeviation: 0))
    #expect(
      largestDifference(
        model.tensors["popularity"]?.values.map(Double.init) ?? [], [0.5, 0.5].map { $0.squareRoot() })
        < 1e-6)
  }

  @Test func budgetSharesAreTheCountsAndEqualRounds() throws {
    let shapes = try algorithm().shapes
    #expect(shapes.map(\.name) == ["item counts"] + Array(repeating: "item gradients", count: 4))
    #expect(largestDifference(shapes.map(\.budgetShare), [0.1, 0.225, 0.225, 0.225, 0.225]) < 1e-12)
    #expect(shapes.map(\.dimension) == [6, 18, 18, 18, 18])
    #expect(shapes.allSatisfy { $0.clipNorm == 1 })
  }

  @Test func sumsOverPartnersTrainTheCentralModel() throws {
    let algorithm = try algorithm()
    let all = Interactions(itemCount: 6, histories: histories)
    let central = CentralTraining.run(algorithm, on: all, seed: 9)
    let partners = [[4, 1], [6, 0, 2], [], [5, 3, 7]].map { all.selecting(users: $0) }
    #expect(
      largestDifference(
        itemRows(central).joined(), itemRows(train(algorithm, partners: partners, seed: 9)).joined()) < 1e-4)
  }

  @Test func thePlantedTastesAreLearned() throws {
    let planted = PlantedTastes(users: 200, itemCount: 40, perUser: 6, seed: 4)
    let algorithm = try algorithm(itemCount: 40, dimension: 2, rounds: 10)
    let model = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 40, histories: planted.histories), seed: 1)
    let popularity = try #require(model.tensors["popularity"]).values
    let byPopularity = planted.hitRate(of: FixedScorer(scores: popularity), cutoff: 8)
    let byModel = planted.hitRate(of: algorithm.scorer(model: model), cutoff: 8)
    #expect(byModel > byPopularity + 0.1, "\(byModel) against \(byPopularity)")
  }

  @Test(arguments: [0.01, 1, 1000]) func heavyNoiseLeavesEverythingFinite(deviation: Double) throws {
    let algorithm = try algorithm(rounds: 10)
    let model = train(
      algorithm, partners: [Interactions(itemCount: 6, histories: histories)], seed: 3, noise: deviation)
    #expect(itemRows(model).joined().allSatisfy { $0.isFinite })
    var scores = [Float](repeating: 0, count: 6)
    for history in histories {
      algorithm.scorer(model: model).score(UserHistory(items: history[...]), into: &scores)
      #expect(scores.allSatisfy { $0.isFinite })
    }
  }

  @Test func scoresAreTheFormulaAndExplanationsSumToThem() throws {
    let recency = try RecencyWeighting(halfLife: 2)
    let algorithm = try algorithm(recency: recency)
    let model = model(algorithm, Interactions(itemCount: 6, histories: histories), scale: 10)
    let direction = try #require(model.tensors["popularity"]).values.map(Double.init)
    let rows = itemRows(model)
    var scores = [Float](repeating: 0, count: 6)
    for history in histories where !history.isEmpty {
      algorithm.scorer(model: model).score(UserHistory(items: history[...]), into: &scores)
      var x = [Double](repeating: 0, count: 6)
      for (item, weight) in zip(history, recency.weights(count: history.count)) {
        x[Int(item)] = Double(weight)
      }
      let along = dot(x, direction)
      let u = ridgeSolution(
        zip(x, direction).map { $0 - along * $1 }, rows: rows, ridge: Double(Float(0.02)))
      let expected = rows.indices.map { along * direction[$0] + dot(rows[$0], u) }
      #expect(largestDifference(scores.map(Double.init), expected) < 1e-5)
    }
    try expectExplanationsToSum(algorithm.scorer(model: model), histories: histories, itemCount: 6)
    algorithm.scorer(model: model).score(UserHistory(items: []), into: &scores)
    #expect(scores.map(Double.init) == direction)
  }

  @Test func initialModelsDependOnTheSeedAlone() throws {
    let algorithm = try algorithm()
    #expect(algorithm.initialModel(seed: 5) == algorithm.initialModel(seed: 5))
    #expect(algorithm.initialModel(seed: 5) != algorithm.initialModel(seed: 6))
  }
}
