import Foundation
import Recommender
import Testing

@Suite struct ExactCovarianceTests {
  private func ease(_ itemCount: Int, ridge: Double, halfLife: Double? = nil) throws -> CovarianceAlgorithm {
    try CovarianceAlgorithm(
      itemCount: itemCount, plan: .wholeCatalogue(ridge: ridge), recency: RecencyWeighting(halfLife: halfLife)
    )
  }

  @Test func easeOnTwoItemsIsWhatPaperAndPencilSay() throws {
    // Users {0, 1} and {0}: XᵀX + 1 = [3 1; 1 2], its inverse [2 −1; −1 3] / 5; B₀₁ = 1/3, B₁₀ = 1/2.
    let algorithm = try ease(2, ridge: 1)
    let model = CentralTraining.run(
      algorithm, on: Interactions(itemCount: 2, histories: [[0, 1], [0]]), seed: 1)
    #expect(model.version == 1)
    #expect(model.tensors["counts"]?.values == [2, 1])
    let scorer = algorithm.scorer(model: model)
    var scores: [Float] = [9, 9]
    scorer.score(UserHistory(items: [0]), into: &scores)
    #expect(abs(scores[0]) < 1e-6 && abs(scores[1] - 1.0 / 3) < 1e-6)
    scorer.score(UserHistory(items: [1]), into: &scores)
    #expect(abs(scores[0] - 0.5) < 1e-6 && abs(scores[1]) < 1e-6)
    scorer.score(UserHistory(items: []), into: &scores)
    #expect(scores == [0, 0])
  }

  @Test func theFastSumEqualsTheSumOfContributionsAndTheDefinition() throws {
    var random = TestRandom(1)
    let train = random.interactions(users: 60, itemCount: 37, longest: 20)
    let algorithm = try ease(37, ridge: 1)
    let dimension = algorithm.shapes[0].dimension
    #expect(dimension == 37 * 38 / 2)
    let trainer = algorithm.trainer(for: 0, model: algorithm.initialModel(seed: 1))
    var fast = [Double](repeating: 0, count: dimension)
    trainer.accumulate(train, seed: 1, into: &fast)
    #expect(fast == sumOfContributions(train, to: trainer, dimension: dimension))
    var index = 0
    for row in 0..<37 {
      for column in row..<37 {
        let both = (0..<train.userCount).count {
          train.history(of: $0).contains(Int32(row)) && train.history(of: $0).contains(Int32(column))
        }
        #expect(fast[index] == Double(both), "items \(row) and \(column)")
        index += 1
      }
    }
  }

  @Test func scoresEqualTheClosedFormWithWeightsThatHalveWithAge() throws {
    var random = TestRandom(2)
    let train = random.interactions(users: 40, itemCount: 15, longest: 10)
    let algorithm = try ease(15, ridge: 2.5, halfLife: 2)
    let scorer = algorithm.scorer(model: CentralTraining.run(algorithm, on: train, seed: 1))
    var gram = [[Double]](repeating: [Double](repeating: 0, count: 15), count: 15)
    for user in 0..<train.userCount {
      for row in train.history(of: user) {
        for column in train.history(of: user) { gram[Int(row)][Int(column)] += 1 }
      }
    }
    for item in 0..<15 { gram[item][item] += 2.5 }
    let weights = easeWeights(gram)
    let history: [Int32] = [4, 0, 9, 2]
    let recency = [0.5 * 0.5.squareRoot(), 0.5, 0.5.squareRoot(), 1]
    let expected = (0..<15).map { item in
      zip(history, recency).reduce(0) { $0 + $1.1 * weights[Int($1.0)][item] }
    }
    var scores = [Float](repeating: 0, count: 15)
    scorer.score(UserHistory(items: history[...]), into: &scores)
    #expect(widestGap(scores.map(Double.init), expected) < 1e-5)
  }

  @Test(arguments: [0.5, 1, 4, nil]) func aLongHistoryScoresAsItsDefinitionThoughItsOldestItemsAreNotRead(halfLife: Double?)
    throws
  {
    var random = TestRandom(5)
    let train = random.interactions(users: 200, itemCount: 150, longest: 30)
    let algorithm = try ease(150, ridge: 2, halfLife: halfLife)
    let model = CentralTraining.run(algorithm, on: train, seed: 1)
    let scorer = algorithm.scorer(model: model)
    let packed = try #require(model.tensors["precision"]?.values)
    func precision(_ left: Int, _ right: Int) -> Double {
      let (row, column) = (min(left, right), max(left, right))
      return Double(packed[row * 150 - row * (row - 1) / 2 + column - row])
    }
    for _ in 0..<5 {
      let history = random.history(count: 140, itemCount: 150)
      var scores = [Float](repeating: 0, count: 150)
      scorer.score(UserHistory(items: history[...]), into: &scores)
      let expected = (0..<150).map { item in
        history.enumerated().reduce(0.0) { sum, own in
          let weight = halfLife.map { exp2(-Double(139 - own.offset) / $0) } ?? 1
          return Int(own.element) == item
            ? sum : sum - weight * precision(Int(own.element), item) / precision(item, item)
        }
      }
      #expect(widestGap(scores.map(Double.init), expected) < 2e-6 * (halfLife == nil ? 20 : 1))
    }
  }

  @Test func reasonsAddUpToTheScore() throws {
    var random = TestRandom(3)
    let train = random.interactions(users: 40, itemCount: 15, longest: 10)
    let algorithm = try ease(15, ridge: 2, halfLife: 3)
    let scorer = algorithm.scorer(model: CentralTraining.run(algorithm, on: train, seed: 1))
    let user = UserHistory(items: [3, 1, 8, 0])
    var scores = [Float](repeating: 0, count: 15)
    scorer.score(user, into: &scores)
    for item in 0..<15 {
      let reasons = try #require(scorer.explain(item, for: user))
      #expect(reasons.count == 4)
      #expect(abs(reasons.reduce(0, +) - scores[item]) < 1e-5, "item \(item)")
    }
  }

  @Test func settingsOutOfRangeAreRefusedInASentence() {
    #expect(throws: InvalidHyperparameter.self) { try ease(0, ridge: 1) }
    #expect(throws: InvalidHyperparameter.self) { try ease(20_001, ridge: 1) }
    #expect(throws: InvalidHyperparameter.self) { try ease(3, ridge: 0) }
    #expect(throws: InvalidHyperparameter.self) { try ease(3, ridge: .nan) }
    #expect(throws: InvalidHyperparameter.self) { try ease(3, ridge: 1, halfLife: 0) }
    #expect(throws: InvalidHyperparameter.self) {
      try CovarianceAlgorithm(itemCount: 3, plan: .head(size: 4, countsShare: 0.1))
    }
    #expect(throws: InvalidHyperparameter.self) {
      try CovarianceAlgorithm(itemCount: 3, plan: .head(size: 2, countsShare: 1))
    }
    #expect(throws: InvalidHyperparameter.self) {
      try CovarianceAlgorithm(itemCount: 3, plan: .head(size: 2, countsShare: 0.1, pairHalfLife: -1))
    }
    do {
      _ = try CovarianceAlgorithm(itemCount: 3, plan: .head(size: 4, countsShare: 0.1))
    } catch {
      #expect(
        "\(error)" == "covariance head size is 4; expected 1 to 3, the number of items or the largest matrix")
    }
  }

  @Test func anUntrainedModelScoresNothing() throws {
    let algorithm = try ease(3, ridge: 1)
    var scores: [Float] = [1, 2, 3]
    algorithm.scorer(model: algorithm.initialModel(seed: 1)).score(UserHistory(items: [1]), into: &scores)
    #expect(scores == [0, 0, 0])
  }
}
