import Foundation
import Recommender
import Testing

@Suite struct HeadCovarianceTests {
  private func algorithm(
    itemCount: Int, size: Int, pairHalfLife: Double? = nil, halfLife: Double? = nil
  ) throws -> CovarianceAlgorithm {
    try CovarianceAlgorithm(
      itemCount: itemCount, plan: .head(size: size, countsShare: 0.1, pairHalfLife: pairHalfLife),
      recency: RecencyWeighting(halfLife: halfLife))
  }

  /// The model after the counts.
  private func counted(_ algorithm: CovarianceAlgorithm, _ counts: [Float], deviation: Double = 0)
    -> ItemModel
  {
    var model = algorithm.initialModel(seed: 1)
    var optimizer = OptimizerState()
    algorithm.advance(
      model: &model, optimizer: &optimizer, release: 0, sum: counts,
      context: ReleaseContext(expectedUsers: 10, noiseDeviation: deviation))
    return model
  }

  /// (1 − h hᵀ) K (1 − h hᵀ) at Frobenius norm 1, by its definition, packed with √2 off the diagonal.
  private func definition(_ items: [Int32], head: [Int32], h: [Double], halfLife: Double?) -> [Double]? {
    let size = head.count
    var kernel = [[Double]](repeating: [Double](repeating: 0, count: size), count: size)
    for (first, a) in items.enumerated() {
      for (second, b) in items.enumerated() {
        guard let row = head.firstIndex(of: a), let column = head.firstIndex(of: b) else { continue }
        kernel[row][column] = halfLife.map { pow(0.5, Double(abs(first - second)) / $0) } ?? 1
      }
    }
    func project(_ rows: [[Double]]) -> [[Double]] {
      rows.map { row in
        let along = zip(row, h).reduce(0) { $0 + $1.0 * $1.1 }
        return zip(row, h).map { $0 - along * $1 }
      }
    }
    func transpose(_ rows: [[Double]]) -> [[Double]] { (0..<size).map { c in rows.map { $0[c] } } }
    let projected = project(transpose(project(kernel)))
    let length = norm(projected.flatMap { $0 })
    guard length > 1e-9 else { return nil }
    return (0..<size).flatMap { row in
      (row..<size).map { projected[row][$0] / length * (row == $0 ? 1 : 2.0.squareRoot()) }
    }
  }

  @Test func thePlanSetsHeadAndBudgetFromUsersOverNoiseAlone() throws {
    let small = try CovarianceAlgorithm.privatePlan(itemCount: 3706, usersOverNoise: 6040 / 4.2247)
    #expect(small == .head(size: 399, countsShare: 0.2, pairHalfLife: 20))
    let medium = try CovarianceAlgorithm.privatePlan(
      itemCount: 3706, usersOverNoise: 5075, timeOrdered: false)
    #expect(medium == .head(size: 800, countsShare: 0.1, pairHalfLife: nil))
    #expect(
      try CovarianceAlgorithm.privatePlan(itemCount: 300, usersOverNoise: .infinity)
        == .head(size: 300, countsShare: 0.1))
    #expect(
      try CovarianceAlgorithm.privatePlan(itemCount: 100_000, usersOverNoise: 1e6)
        == .head(size: 4096, countsShare: 0.1))
    #expect(throws: InvalidHyperparameter.self) {
      try CovarianceAlgorithm.privatePlan(itemCount: 300, usersOverNoise: 0)
    }
    let shapes = try algorithm(itemCount: 50, size: 20).shapes
    #expect(shapes.map(\.dimension) == [50, 210])
    #expect(shapes.map(\.budgetShare) == [0.1, 0.9])
    #expect(shapes.map(\.clipNorm) == [1, 1])
  }

  @Test func noisyCountsChooseTheHeadAndAreFloored() throws {
    let model = counted(try algorithm(itemCount: 6, size: 3), [5, -2, 7, 5, 0.5, 5], deviation: 4)
    #expect(model.tensors["head"]?.values == [0, 2, 3])
    #expect(model.tensors["popularity"]?.values == [5, 1, 7, 5, 1, 5])
    #expect(model.tensors["counts"]?.values == [5, -2, 7, 5, 0.5, 5])
    #expect(model.version == 1)
  }

  @Test func theCountsOfAUserHaveNormOne() throws {
    let algorithm = try algorithm(itemCount: 6, size: 3)
    let trainer = algorithm.trainer(for: 0, model: algorithm.initialModel(seed: 1))
    #expect(contribution(of: [4, 1, 2, 0], to: trainer, dimension: 6) == [0.5, 0.5, 0.5, 0, 0.5, 0])
    #expect(contribution(of: [], to: trainer, dimension: 6) == [0, 0, 0, 0, 0, 0])
  }

  @Test(arguments: [nil, 1, 3] as [Double?])
  func aContributionIsTheNormalisedCovarianceBesideThePopularDirection(halfLife: Double?) throws {
    let algorithm = try algorithm(itemCount: 8, size: 4, pairHalfLife: halfLife)
    // The head is items 1, 3, 4, 6 with the popular direction (4, 2, 5, 6) / 9.
    let model = counted(algorithm, [1, 4, 0, 2, 5, 1, 6, 0])
    let trainer = algorithm.trainer(for: 1, model: model)
    for items: [Int32] in [[1], [6, 0, 1], [4, 2, 5, 3, 1], [1, 3, 4, 6], [0, 2, 7]] {
      let found = contribution(of: items, to: trainer, dimension: 10)
      let expected =
        definition(items, head: [1, 3, 4, 6], h: [4.0 / 9, 2.0 / 9, 5.0 / 9, 6.0 / 9], halfLife: halfLife)
        ?? [Double](repeating: 0, count: 10)
      #expect(widestGap(found, expected) < 1e-6, "\(items)")
    }
  }

  @Test func everyUserWeighsTheSameAndOneUserMovesTheSumByAtMostOne() throws {
    var random = TestRandom(5)
    let train = random.interactions(users: 50, itemCount: 40, longest: 30)
    for pairHalfLife in [nil, 2, 20] as [Double?] {
      let algorithm = try algorithm(itemCount: 40, size: 25, pairHalfLife: pairHalfLife)
      let model = counted(algorithm, (0..<40).map { 40 - Float($0) })
      let trainer = algorithm.trainer(for: 1, model: model)
      let dimension = algorithm.shapes[1].dimension
      for user in 0..<train.userCount {
        let length = norm(contribution(of: Array(train.history(of: user)), to: trainer, dimension: dimension))
        let empty = train.history(of: user).allSatisfy { $0 >= 25 }
        #expect(abs(length - (empty ? 0 : 1)) < 1e-5, "user \(user): \(length)")
      }
      var (all, rest) = ([Double](repeating: 0, count: dimension), [Double](repeating: 0, count: dimension))
      trainer.accumulate(train, seed: 1, into: &all)
      trainer.accumulate(train.selecting(users: Array(1..<50)), seed: 1, into: &rest)
      #expect(norm(zip(all, rest).map { $0 - $1 }) < 1 + 1e-6)
    }
  }

  @Test func theFastSumEqualsTheSumOfContributions() throws {
    var random = TestRandom(6)
    let train = random.interactions(users: 50, itemCount: 30, longest: 25)
    for pairHalfLife in [nil, 2] as [Double?] {
      let algorithm = try algorithm(itemCount: 30, size: 18, pairHalfLife: pairHalfLife)
      let trainer = algorithm.trainer(for: 1, model: counted(algorithm, (0..<30).map { 60 - Float($0) }))
      let dimension = algorithm.shapes[1].dimension
      var fast = [Double](repeating: 0, count: dimension)
      trainer.accumulate(train, seed: 1, into: &fast)
      #expect(widestGap(fast, sumOfContributions(train, to: trainer, dimension: dimension)) < 1e-5)
    }
  }

  @Test func aUserAlongThePopularDirectionContributesNothing() throws {
    let algorithm = try algorithm(itemCount: 3, size: 1)
    let trainer = algorithm.trainer(for: 1, model: counted(algorithm, [1, 9, 1]))
    var buffer = ContributionBuffer(dimension: 1)
    trainer.contribute(UserHistory(items: [1, 0]), into: &buffer)
    #expect(buffer.isEmpty)
  }

  @Test func withoutNoiseTheLoadingsRebuildTheCovariance() throws {
    var random = TestRandom(7)
    let train = random.interactions(users: 60, itemCount: 20, longest: 12)
    let algorithm = try algorithm(itemCount: 20, size: 12, pairHalfLife: 4)
    let model = CentralTraining.run(algorithm, on: train, seed: 1)
    #expect(model.version == 2)
    let items = try #require(model.tensors["items"])
    let head = try #require(model.tensors["head"]).values.map { Int($0) }
    var sum = [Double](repeating: 0, count: 78)
    algorithm.trainer(for: 1, model: model).accumulate(train, seed: 1, into: &sum)
    let rank = items.shape[1]
    var index = 0
    for row in 0..<12 {
      for column in row..<12 {
        let product = (0..<rank).reduce(0.0) {
          $0 + Double(items.values[head[row] * rank + $1]) * Double(items.values[head[column] * rank + $1])
        }
        let seen = sum[index] / 60 / (row == column ? 1 : 2.0.squareRoot())
        #expect(abs(product - seen) < 1e-6, "\(row), \(column)")
        index += 1
      }
    }
    for item in 0..<20 where !head.contains(item) {
      #expect(items.values[item * rank..<(item + 1) * rank].allSatisfy { $0 == 0 })
    }
  }

  @Test func noiseAloneLeavesNoLoadingsAndAPlantedDirectionIsFoundAndShrunk() throws {
    let size = 120
    let algorithm = try algorithm(itemCount: size, size: size)
    var random = TestRandom(8)
    let deviation = 3.0
    // Edge of the noise 2 (3 / √2) √120 = 46.5; a direction of strength 200 is seen at 200 + 120 · 4.5 / 200.
    let noise = (0..<size * (size + 1) / 2).map { _ in deviation * random.normal() }
    let direction = (0..<size).map { _ in random.normal() }
    let length = norm(direction)
    for strength in [0.0, 200] {
      var model = counted(algorithm, [Float](repeating: 1, count: size))
      var sum = noise
      var index = 0
      for row in 0..<size {
        for column in row..<size {
          let product = strength * direction[row] * direction[column] / (length * length)
          sum[index] += product * (row == column ? 1 : 2.0.squareRoot())
          index += 1
        }
      }
      var optimizer = OptimizerState()
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: 1, sum: sum.map(Float.init),
        context: ReleaseContext(expectedUsers: 1, noiseDeviation: deviation))
      let items = try #require(model.tensors["items"])
      if strength == 0 {
        #expect(items.shape == [size, 0])
        var scores = [Float](repeating: 0, count: size)
        algorithm.scorer(model: model).score(UserHistory(items: [3]), into: &scores)
        #expect(scores.allSatisfy { $0.isFinite })
      } else {
        #expect(items.shape == [size, 1])
        let loadings = items.values.map(Double.init)
        // η = √(λ² − 4nτ²) = 200 − 2.7 at λ = 202.7, up to the noise along the direction (deviation 3).
        #expect(abs(norm(loadings) * norm(loadings) - 197.3) < 9)
        let cosine = abs(zip(loadings, direction).reduce(0) { $0 + $1.0 * $1.1 }) / norm(loadings) / length
        #expect(cosine > 0.98)
      }
    }
  }

  @Test func scoresEqualTheClosedFormAndReasonsAddUpToThem() throws {
    var random = TestRandom(9)
    let train = random.interactions(users: 80, itemCount: 20, longest: 12)
    let algorithm = try algorithm(itemCount: 20, size: 12, pairHalfLife: 5, halfLife: 2)
    let model = CentralTraining.run(algorithm, on: train, seed: 1)
    let items = try #require(model.tensors["items"])
    let head = try #require(model.tensors["head"]).values.map { Int($0) }
    let popularity = try #require(model.tensors["popularity"]).values.map(Double.init)
    let uniqueness = Double(try #require(model.tensors["uniqueness"]).values[0])
    let rank = items.shape[1]
    let covariance = head.map { a in
      head.map { b in
        (0..<rank).reduce(a == b ? uniqueness : 0) {
          $0 + Double(items.values[a * rank + $1]) * Double(items.values[b * rank + $1])
        }
      }
    }
    let weights = easeWeights(covariance)
    let h = head.map { popularity[$0] }
    let history: [Int32] = [Int32(head[3]), 19, Int32(head[0]), Int32(head[7])]
    var x = [Double](repeating: 0, count: 20)
    for (age, item) in history.reversed().enumerated() { x[Int(item)] = pow(0.5, Double(age) / 2) }
    let along = zip(x, popularity).reduce(0) { $0 + $1.0 * $1.1 } / norm(popularity)
    var expected = popularity.map { along * $0 / norm(popularity) }
    let alongHead = zip(head, h).reduce(0) { $0 + x[$1.0] * $1.1 } / norm(h)
    let residual = zip(head, h).map { x[$0] - alongHead * $1 / norm(h) }
    for (column, item) in head.enumerated() {
      expected[item] += residual.indices.reduce(0) { $0 + residual[$1] * weights[$1][column] }
    }
    let scorer = algorithm.scorer(model: model)
    let user = UserHistory(items: history[...])
    var scores = [Float](repeating: 0, count: 20)
    scorer.score(user, into: &scores)
    #expect(widestGap(scores.map(Double.init), expected) < 1e-5)
    for item in 0..<20 {
      let reasons = try #require(scorer.explain(item, for: user))
      #expect(abs(reasons.reduce(0, +) - scores[item]) < 1e-5, "item \(item)")
    }
  }

  @Test func afterTheCountsAloneThePopularItemsAreRecommended() throws {
    let algorithm = try algorithm(itemCount: 4, size: 2)
    let scorer = algorithm.scorer(model: counted(algorithm, [3, 9, 1, 4]))
    #expect(scorer.recommend(to: UserHistory(items: [1]), count: 2).map(\.item) == [3, 0])
  }
}
