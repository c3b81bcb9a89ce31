import Recommender
import Testing

@Suite struct FactorizationGradientTests {
  private let histories: [[Int32]] = [
    [0, 3, 5], [1, 3], [2], [5, 4, 1, 0], [3, 0], [4, 5, 2, 1, 3], [0],
  ]
  private let weights: [[Float]] = [
    [1, 2, 0.5], [1, 1], [4], [1, 0.1, 1, 3], [1, 1], [2, 1, 1, 0, 1], [1],
  ]

  private func algorithm(
    dimension: Int, rounds: Int = 1, optimizer: ServerOptimizer = .curvature(rate: 0.5, momentum: 0.3),
    weighting: UserWeighting = .equal, recency: RecencyWeighting = .plain
  ) throws -> MatrixFactorization {
    try MatrixFactorization(
      itemCount: 6,
      regime: .implicit(
        ImplicitFactorization(
          dimension: dimension, rounds: rounds,
          objective: ImplicitObjective(regularization: 0.05, unobservedWeight: 0.2),
          optimizer: optimizer,
          weighting: weighting)), recency: recency)
  }

  private var interactions: Interactions {
    Interactions(itemCount: 6, histories: histories, weights: weights)
  }

  @Test(arguments: [1, 2, 17], [UserWeighting.equal, .inverseSquareRoot])
  func aRoundMovesAlongTheNegativeGradientOfTheObjective(dimension: Int, weighting: UserWeighting) throws {
    // FedAvg with rate 1 adds half the mean negative gradient. Users are at their optimum, so by the envelope
    // theorem the gradient of min over users is the partial one: central differences of the minimised
    // objective must agree.
    let algorithm = try algorithm(
      dimension: dimension, optimizer: .average(rate: 1), weighting: weighting)
    // Confidences above 1 would be cut by the second weighting, whose residuals end at 1.
    let confidences = weighting == .equal ? weights : weights.map { $0.map { min($0, 1) } }
    let interactions = Interactions(itemCount: 6, histories: histories, weights: confidences)
    // Positive factors, for positive scores and residuals below 1.
    var start = scaled(algorithm.initialModel(seed: 6), by: 5)
    start.tensors["items"] = start.tensors["items"].map {
      Tensor(shape: $0.shape, values: $0.values.map(abs))
    }
    var model = start
    var optimizer = OptimizerState()
    for release in 0..<2 { step(algorithm, release, &model, &optimizer, interactions) }

    let reference = DenseImplicitReference(
      histories: histories, weights: confidences, itemCount: 6, regularization: Double(Float(0.05)),
      unobservedWeight: Double(Float(0.2)),
      userWeights: weighting == .equal ? [] : histories.map { 1 / Double($0.count).squareRoot() })
    let rows = itemRows(start)
    let moved = itemRows(model)
    for item in 0..<6 {
      for column in 0..<dimension {
        func objective(_ offset: Double) -> Double {
          var rows = rows
          rows[item][column] += offset
          return reference.objective(users: reference.users(items: rows), items: rows)
        }
        let slope = (objective(1e-5) - objective(-1e-5)) / 2e-5
        let expected = -slope / 2 / Double(histories.count)
        #expect(
          abs(moved[item][column] - rows[item][column] - expected) < 2e-5, "item \(item), column \(column)")
      }
    }
  }

  @Test(arguments: [3, 16, 18], [UserWeighting.equal, .inverseSquareRoot])
  func accumulatingEqualsAddingContributions(dimension: Int, weighting: UserWeighting) throws {
    let algorithm = try algorithm(dimension: dimension, weighting: weighting)
    let model = scaled(algorithm.initialModel(seed: 1), by: 4)
    for release in 0..<2 {
      let (fast, slow) = sums(algorithm, release: release, model: model, interactions)
      #expect(largestDifference(fast, slow) < 1e-6)
      #expect(slow.contains { abs($0) > 1e-3 })
    }
  }

  @Test func curvatureStepsReachTheObjectiveOfAlternatingLeastSquares() throws {
    let planted = PlantedTastes(users: 120, itemCount: 30, perUser: 6, seed: 8)
    let objective = try ImplicitObjective(regularization: 0.01, unobservedWeight: 0.2)
    let interactions = Interactions(itemCount: 30, histories: planted.histories)
    let reference = DenseImplicitReference(
      histories: planted.histories, weights: [], itemCount: 30, regularization: Double(Float(0.01)),
      unobservedWeight: Double(Float(0.2)))
    func value(_ model: ItemModel) -> Double {
      reference.objective(users: reference.users(items: itemRows(model)), items: itemRows(model))
    }
    let sweeps = try AlternatingLeastSquares(
      itemCount: 30,
      configuration: AlternatingLeastSquares.Configuration(dimension: 2, sweeps: 60, objective: objective))
    let rounds = try MatrixFactorization(
      itemCount: 30,
      regime: .implicit(ImplicitFactorization(dimension: 2, rounds: 120, objective: objective)))
    let best = value(CentralTraining.run(sweeps, on: interactions, seed: 2))
    let reached = value(CentralTraining.run(rounds, on: interactions, seed: 2))
    #expect(abs(reached - best) < 1e-3 * best, "\(reached) against \(best)")
  }

  @Test func sumsOverPartnersTrainTheCentralModelInWhateverOrder() throws {
    let algorithm = try algorithm(dimension: 4, rounds: 6)
    let central = CentralTraining.run(algorithm, on: interactions, seed: 9)
    let partners = [[4, 1], [6, 0, 2], [], [5, 3]].map { interactions.selecting(users: $0) }
    #expect(
      largestDifference(
        itemRows(central).joined(), itemRows(train(algorithm, partners: partners, seed: 9)).joined()) < 1e-5)
    let rounded = train(algorithm, partners: partners, seed: 9, grid: 0x1p-18)
    #expect(largestDifference(itemRows(central).joined(), itemRows(rounded).joined()) < 2e-3)
  }

  @Test func serverOptimizersTakeTheStepsWorkedByHand() throws {
    // Two rounds from one sum: the second step tells the optimizers apart. With d the first direction and e
    // the second, FedAvg adds r d + r e, FedAvgM r d + r (m d + e), FedAdam r d/(|d| + τ) + r (bias-corrected
    // second step).
    func directions(_ optimizer: ServerOptimizer) throws -> (
      first: [Double], second: [Double], plain: [Double]
    ) {
      let algorithm = try algorithm(dimension: 2, rounds: 2, optimizer: optimizer)
      var model = scaled(algorithm.initialModel(seed: 6), by: 5)
      var state = OptimizerState()
      step(algorithm, 0, &model, &state, interactions)
      let start = Array(itemRows(model).joined())
      step(algorithm, 1, &model, &state, interactions)
      let middle = Array(itemRows(model).joined())
      // The plain direction from the middle point.
      let plainAlgorithm = try self.algorithm(dimension: 2, rounds: 2, optimizer: .average(rate: 1))
      var (plainModel, plainState) = (model, OptimizerState())
      step(plainAlgorithm, 2, &plainModel, &plainState, interactions)
      step(algorithm, 2, &model, &state, interactions)
      let end = Array(itemRows(model).joined())
      func minus(_ x: [Double], _ y: [Double]) -> [Double] { zip(x, y).map { $0 - $1 } }
      return (minus(middle, start), minus(end, middle), minus(Array(itemRows(plainModel).joined()), middle))
    }
    let d = try directions(.average(rate: 1)).first
    let average = try directions(.average(rate: 0.5))
    #expect(largestDifference(average.first, d.map { 0.5 * $0 }) < 1e-6)
    #expect(largestDifference(average.second, average.plain.map { 0.5 * $0 }) < 1e-6)
    let momentum = try directions(.momentum(rate: 0.5, momentum: 0.8))
    #expect(largestDifference(momentum.second, zip(momentum.plain, d).map { 0.5 * ($0 + 0.8 * $1) }) < 1e-6)
    let adam = try directions(.adam(rate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-3))
    #expect(largestDifference(adam.first, d.map { 0.01 * $0 / (abs($0) + 1e-3) }) < 1e-6)
    let expected = zip(d, adam.plain).map { d, e in
      let first = (0.9 * 0.1 * d + 0.1 * e) / (1 - 0.81)
      let second = (0.99 * 0.01 * d * d + 0.01 * e * e) / (1 - 0.99 * 0.99)
      return 0.01 * first / (second.squareRoot() + 1e-3)
    }
    #expect(largestDifference(adam.second, expected) < 1e-6)
  }

  @Test(arguments: [
    ServerOptimizer.average(rate: 20), .momentum(rate: 5, momentum: 0.7), .adam(rate: 0.03, epsilon: 1e-4),
    .curvature(rate: 0.5, momentum: 0.3),
  ]) func everyOptimizerLearnsThePlantedTastes(optimizer: ServerOptimizer) throws {
    let planted = PlantedTastes(users: 200, itemCount: 40, perUser: 6, seed: 4)
    let algorithm = try MatrixFactorization(
      itemCount: 40, regime: .implicit(ImplicitFactorization(dimension: 2, rounds: 40, optimizer: optimizer)))
    let model = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 40, histories: planted.histories), seed: 1)
    let popularity = try #require(model.tensors["popularity"]).values
    let byPopularity = planted.hitRate(of: FixedScorer(scores: popularity), cutoff: 8)
    let byModel = planted.hitRate(of: algorithm.scorer(model: model), cutoff: 8)
    #expect(byModel > byPopularity + 0.1, "\(byModel) against \(byPopularity)")
  }

  @Test func everyEntryStaysWithinItsBoundEvenForAWildModel() throws {
    let algorithm = try algorithm(dimension: 3)
    var model = algorithm.initialModel(seed: 1)
    let values = (0..<18).map { Float($0 % 5) - 2 }
    for scale in [1e-6, 1, 1e6] as [Float] {
      model.tensors["items"] = Tensor(shape: [6, 3], values: values.map { $0 * scale })
      let trainer = algorithm.trainer(for: 1, model: model)
      for history in histories {
        var buffer = ContributionBuffer(dimension: algorithm.shapes[1].dimension)
        trainer.contribute(
          UserHistory(items: history[...], weights: history.map { _ in 50 }[...]), into: &buffer)
        #expect(buffer.values.allSatisfy { abs(Double($0)) <= algorithm.shapes[1].entryBound * (1 + 1e-6) })
        #expect(Set(buffer.indices).count == buffer.indices.count)
      }
    }
  }

  @Test func privateContributionsHaveNormsNearOne() throws {
    // Counts exactly 1; gradients between 1/3 and 4/3, so that clipping at 1 and the noise both find what
    // they expect.
    let planted = PlantedTastes(users: 100, itemCount: 200, perUser: 30, seed: 3)
    let algorithm = try MatrixFactorization(itemCount: 200, regime: .implicit(.privateStandard))
    let model = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 200, histories: planted.histories), seed: 1)
    for release in [0, 1, 5] {
      let trainer = algorithm.trainer(for: release, model: model)
      for history in planted.histories {
        var buffer = ContributionBuffer(dimension: algorithm.shapes[release].dimension)
        trainer.contribute(UserHistory(items: history[...]), into: &buffer)
        let norm = buffer.values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        if release == 0 {
          #expect(abs(norm - 1) < 1e-6)
        } else {
          #expect(norm > 1 / 3.0 && norm < 4 / 3.0, "norm \(norm)")
        }
      }
    }
  }

  @Test(arguments: [0.01, 1, 100], [UserWeighting.equal, .inverseSquareRoot])
  func heavyNoiseLeavesEveryRowFinite(deviation: Double, weighting: UserWeighting) throws {
    let algorithm = try algorithm(dimension: 4, rounds: 30, weighting: weighting)
    let model = train(algorithm, partners: [interactions], seed: 3, noise: deviation)
    let largest = itemRows(model).joined().map { abs($0) }.max() ?? .nan
    #expect(largest.isFinite && largest < 1000, "largest entry \(largest)")
    var scores = [Float](repeating: 0, count: 6)
    algorithm.scorer(model: model).score(UserHistory(items: [2, 4]), into: &scores)
    #expect(scores.allSatisfy { $0.isFinite })
  }

  @Test func explanationsSumToTheScore() throws {
    let algorithm = try algorithm(dimension: 4, rounds: 5, recency: RecencyWeighting(halfLife: 3))
    let model = CentralTraining.run(algorithm, on: interactions, seed: 1)
    try expectExplanationsToSum(algorithm.scorer(model: model), histories: histories, itemCount: 6)
  }

  @Test func emptyHistoriesSayNothingAndGetPopularity() throws {
    let algorithm = try algorithm(dimension: 4, rounds: 5)
    let withStrangers = Interactions(
      itemCount: 6, histories: histories + [[], []], weights: weights + [[], []])
    let model = CentralTraining.run(algorithm, on: withStrangers, seed: 1)
    for release in 0..<2 {
      var buffer = ContributionBuffer(dimension: algorithm.shapes[release].dimension)
      algorithm.trainer(for: release, model: model).contribute(UserHistory(items: []), into: &buffer)
      #expect(buffer.isEmpty)
    }
    var scores = [Float](repeating: .nan, count: 6)
    algorithm.scorer(model: model).score(UserHistory(items: []), into: &scores)
    #expect(largestDifference(scores.map(Double.init), [4, 3, 2, 4, 2, 3].map { $0 / 9 }) < 1e-6)
  }

  private func step(
    _ algorithm: MatrixFactorization, _ release: Int, _ model: inout ItemModel, _ state: inout OptimizerState,
    _ interactions: Interactions
  ) {
    let sum = sums(algorithm, release: release, model: model, interactions).fast
    algorithm.advance(
      model: &model, optimizer: &state, release: release, sum: sum.map { Float($0) },
      context: ReleaseContext(expectedUsers: Double(interactions.userCount), noiseDeviation: 0))
  }
}
