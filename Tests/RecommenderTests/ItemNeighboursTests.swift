import Foundation
import Recommender
import Testing

/// Item-based nearest neighbours against their definition, computed densely here.
@Suite struct ItemNeighboursTests {
  typealias Configuration = ItemNeighbours.Configuration

  /// cᵢⱼ by its definition: n^−γ of every user who has both.
  private func dense(_ train: Interactions, _ weight: (_ count: Int) -> Double) -> [[Double]] {
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: train.itemCount), count: train.itemCount)
    for user in 0..<train.userCount {
      let history = train.history(of: user)
      for one in history {
        for other in history where other != one { matrix[Int(one)][Int(other)] += weight(history.count) }
      }
    }
    return matrix
  }

  private func counts(_ train: Interactions) -> [Double] {
    (0..<train.itemCount).map { item in
      Double((0..<train.userCount).count { train.history(of: $0).contains(Int32(item)) })
    }
  }

  /// What a model's table says of each pair.
  private func table(_ model: ItemModel) throws -> [[Double]] {
    let lengths = try #require(model.tensors["lengths"]).values
    let neighbours = try #require(model.tensors["neighbours"]).values
    let values = try #require(model.tensors["co-occurrence"]).values
    #expect(lengths.reduce(0, +) == Float(neighbours.count) && values.count >= neighbours.count)
    #expect(values.dropFirst(neighbours.count).allSatisfy { $0 == 0 })
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: lengths.count), count: lengths.count)
    var pair = 0
    for row in lengths.indices {
      for _ in 0..<Int(lengths[row]) {
        let column = Int(neighbours[pair])
        matrix[row][column] = Double(values[pair])
        matrix[column][row] = Double(values[pair])
        pair += 1
      }
    }
    return matrix
  }

  @Test(arguments: [2, 3, 14, 15, 31], [1, 4, 5, 14])
  func `whatever the blocks are, every pair is in one of them, once`(itemCount: Int, rows: Int) throws {
    let algorithm = try ItemNeighbours(
      itemCount: itemCount, configuration: Configuration(neighbours: 0, weighting: .power(0), blockRows: min(rows, itemCount)))
    let blocks = algorithm.shapes.dropFirst()
    #expect(Set(blocks.map(\.dimension)).count == 1)
    #expect(blocks.count * algorithm.shapes[1].dimension >= itemCount * (itemCount - 1) / 2)
    // With one pair of items after the other as the only history, the place of its entry is what is not zero.
    var places: Set<[Int]> = []
    for low in 0..<itemCount {
      for high in low + 1..<max(low + 1, itemCount) {
        for (block, shape) in blocks.enumerated() {
          let trainer = algorithm.trainer(for: block + 1, model: algorithm.initialModel(seed: 1))
          let vector = contribution(of: [Int32(high), Int32(low)], to: trainer, dimension: shape.dimension)
          for index in vector.indices where vector[index] != 0 { places.insert([block, index]) }
        }
      }
    }
    #expect(places.count == itemCount * (itemCount - 1) / 2)
  }

  @Test(arguments: [0, 0.7], [24, 25])
  func `the table is the definition, in one block and in many`(exponent: Double, itemCount: Int) throws {
    var random = TestRandom(11)
    let train = random.interactions(users: 70, itemCount: itemCount, longest: 9)
    let expected = dense(train) { pow(Double($0), -exponent) }
    var models: [ItemModel] = []
    for rows in [itemCount, 9, 2, 1] {
      let algorithm = try ItemNeighbours(
        itemCount: itemCount, configuration: Configuration(neighbours: 0, weighting: .power(exponent), blockRows: rows))
      for release in 1..<algorithm.shapes.count {
        let trainer = algorithm.trainer(for: release, model: algorithm.initialModel(seed: 1))
        var fast = [Double](repeating: 0, count: algorithm.shapes[release].dimension)
        trainer.accumulate(train, seed: 1, into: &fast)
        #expect(widestGap(fast, sumOfContributions(train, to: trainer, dimension: fast.count)) < 1e-12)
        #expect(fast.max() ?? 0 <= algorithm.shapes[release].entryBound * Double(train.userCount))
      }
      let model = CentralTraining.run(algorithm, on: train, seed: 1)
      #expect(model.version == algorithm.shapes.count && algorithm.fault(in: model) == nil)
      #expect(model.tensors["counts"]?.values.map(Double.init) == counts(train))
      for (found, row) in zip(try table(model), expected) { #expect(widestGap(found, row) < 1e-5) }
      models.append(model)
    }
    #expect(models.allSatisfy { $0.tensors == models[0].tensors })
  }

  @Test(arguments: [nil, 2.5]) func `scores are the closed form, and reasons add up to them`(halfLife: Double?) throws {
    var random = TestRandom(12)
    let train = random.interactions(users: 60, itemCount: 18, longest: 8)
    let algorithm = try ItemNeighbours(
      itemCount: 18,
      configuration: Configuration(
        neighbours: 0, historyExponent: 0.6, candidateExponent: 0.35, weighting: .power(0.5), blockRows: 5),
      recency: RecencyWeighting(halfLife: halfLife))
    let scorer = algorithm.scorer(model: CentralTraining.run(algorithm, on: train, seed: 1))
    let (pairs, degrees) = (dense(train) { pow(Double($0), -0.5) }, counts(train))
    let history: [Int32] = [4, 0, 17, 9, 2]
    var scores = [Float](repeating: 9, count: 18)
    let user = UserHistory(items: history[...])
    scorer.score(user, into: &scores)
    for item in 0..<18 {
      let parts = history.enumerated().map { age, own -> Double in
        let weight = halfLife.map { pow(0.5, Double(history.count - 1 - age) / $0) } ?? 1
        guard degrees[Int(own)] > 0, degrees[item] > 0 else { return 0 }
        return weight * pairs[Int(own)][item] * pow(degrees[Int(own)], -0.6) * pow(degrees[item], -0.35)
      }
      #expect(abs(Double(scores[item]) - parts.reduce(0, +)) < 1e-5)
      let reasons = try #require(scorer.explain(item, for: user)).map(Double.init)
      #expect(widestGap(reasons, parts) < 1e-5)
    }
    var solved = [Float](repeating: 9, count: 18)
    scorer.score(solved: scorer.solve(user), into: &solved)
    #expect(solved == scores)
    scorer.score(UserHistory(items: []), into: &scores)
    #expect(scores.allSatisfy { $0 == 0 })
    let similarity = try #require(scorer.makeSimilarity())
    for (one, other) in [(3, 7), (7, 3), (0, 17), (4, 4)] {
      let product = (degrees[one] * degrees[other]).squareRoot()
      let expected = one == other ? 1 : product > 0 ? pairs[one][other] / product : 0
      #expect(abs(Double(similarity.similarity(one, other)) - expected) < 1e-5)
    }
  }

  @Test(arguments: [1, 3, 6]) func `a pair stays when it is among the strongest of one of its items`(neighbours: Int) throws {
    var random = TestRandom(13)
    let train = random.interactions(users: 200, itemCount: 26, longest: 10)
    let expected = dense(train) { pow(Double($0), -0.5) }
    let degrees = counts(train)
    func strength(_ item: Int, _ other: Int) -> Double { expected[item][other] * pow(degrees[other], -0.3) }
    func bar(_ item: Int) -> Double {
      let all = (0..<26).filter { expected[item][$0] > 0 }.map { strength(item, $0) }.sorted(by: >)
      return all.count > neighbours ? all[neighbours - 1] : 0
    }
    let bars = (0..<26).map(bar)
    var tables: [[[Double]]] = []
    // In many blocks it is pruned while it grows.
    for rows in [26, 1] {
      let algorithm = try ItemNeighbours(
        itemCount: 26,
        configuration: Configuration(neighbours: neighbours, candidateExponent: 0.3, weighting: .power(0.5), blockRows: rows))
      tables.append(try table(CentralTraining.run(algorithm, on: train, seed: 1)))
    }
    #expect(tables[0] == tables[1])
    for one in 0..<26 {
      for other in 0..<26 where expected[one][other] > 0 {
        let (own, its) = (strength(one, other) - bars[one], strength(other, one) - bars[other])
        // Where a bar is met to rounding either is right.
        guard abs(own) > 1e-6 || abs(its) > 1e-6 else { continue }
        let isKept = tables[0][one][other] > 0
        if max(own, its) > 1e-6 { #expect(isKept, "\(one), \(other)") }
        if max(own, its) < -1e-6 { #expect(!isKept, "\(one), \(other)") }
      }
    }
  }

  @Test func `under noise a user's pairs have length 1 over all blocks, and the squares of the clips add up to 1`() throws {
    var configuration = Configuration(weighting: .unitNorm, blockRows: 6)
    configuration.neighbours = 0
    let algorithm = try ItemNeighbours(itemCount: 40, configuration: configuration)
    let blocks = algorithm.shapes.dropFirst()
    #expect(blocks.count == 7)
    #expect(abs(blocks.reduce(0) { $0 + $1.clipNorm * $1.clipNorm } - 1) < 1e-12)
    #expect(abs(algorithm.shapes.reduce(0) { $0 + $1.budgetShare } - 1) < 1e-12)
    var random = TestRandom(14)
    for count in [1, 2, 3, 11, 40] {
      let history = random.history(count: count, itemCount: 40)
      let squares = blocks.indices.reduce(0.0) { sum, release in
        let trainer = algorithm.trainer(for: release, model: algorithm.initialModel(seed: 1))
        let length = norm(contribution(of: history, to: trainer, dimension: algorithm.shapes[release].dimension))
        return sum + length * length
      }
      #expect(abs(squares - (count > 1 ? 1 : 0)) < 1e-5, "\(count) items")
    }
  }

  @Test func `what does not stand above the noise is no neighbour, and every count has a floor`() throws {
    var configuration = Configuration(weighting: .unitNorm, blockRows: 4, threshold: 3)
    configuration.neighbours = 4
    let algorithm = try ItemNeighbours(itemCount: 4, configuration: configuration)
    var model = algorithm.initialModel(seed: 1)
    var optimizer = OptimizerState()
    let context = ReleaseContext(expectedUsers: 100, noiseDeviation: 2)
    algorithm.advance(model: &model, optimizer: &optimizer, release: 0, sum: [7, -3, 0.1, 4], context: context)
    #expect(model.tensors["counts"]?.values == [7, 0.5, 0.5, 4])
    // Row 0 and row 3 are the first strip, rows 1 and 2 the second: (0,1) (0,2) (0,3), then (1,2) (1,3) (2,3).
    algorithm.advance(model: &model, optimizer: &optimizer, release: 1, sum: [6, 6.1, -9, 5.9, 8, .infinity], context: context)
    #expect(model.tensors["lengths"]?.values == [1, 1, 1, 0] && model.tensors["neighbours"]?.values == [2, 3, 3])
    #expect(model.tensors["co-occurrence"]?.values.prefix(3) == [6.1, 8, 0x1p40])
    #expect(algorithm.fault(in: model) == nil && optimizer.isEmpty)
    var scores = [Float](repeating: .nan, count: 4)
    algorithm.scorer(model: model).score(UserHistory(items: [0, 1, 2]), into: &scores)
    #expect(scores.allSatisfy { $0.isFinite })
  }

  @Test(arguments: [1, 3] as [Double]) func `more noise than the plan promises raises the bar`(factor: Double) throws {
    var random = TestRandom(15)
    let algorithm = try ItemNeighbours(itemCount: 200, configuration: Configuration(weighting: .unitNorm, threshold: 5))
    var model = algorithm.initialModel(seed: 1)
    var optimizer = OptimizerState()
    let context = ReleaseContext(expectedUsers: 100, noiseDeviation: 2)
    algorithm.advance(
      model: &model, optimizer: &optimizer, release: 0, sum: [Float](repeating: 1, count: 200), context: context)
    var sum = (0..<algorithm.shapes[1].dimension).map { _ in Float(2 * factor * random.normal()) }
    sum[17] = Float(11 * factor)
    algorithm.advance(model: &model, optimizer: &optimizer, release: 1, sum: sum, context: context)
    #expect(model.tensors["neighbours"]?.values == [18])
  }

  @Test func `between its releases a model is popularity, and the coordinator alone has the table`() throws {
    let algorithm = try ItemNeighbours(itemCount: 6, configuration: Configuration(neighbours: 0, blockRows: 2))
    let train = Interactions(itemCount: 6, histories: [[0, 1, 5], [5, 1], [2, 5]])
    var model = algorithm.initialModel(seed: 1)
    var optimizer = OptimizerState()
    for (release, shape) in algorithm.shapes.enumerated() {
      #expect(algorithm.fault(in: model) == nil)
      var sum = [Double](repeating: 0, count: shape.dimension)
      algorithm.trainer(for: release, model: model).accumulate(train, seed: 1, into: &sum)
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release, sum: sum.map(Float.init),
        context: ReleaseContext(expectedUsers: 3, noiseDeviation: 0))
      guard release < 3 else { continue }
      #expect(model.tensors.keys.sorted() == ["counts"])
      var scores = [Float](repeating: 0, count: 6)
      algorithm.scorer(model: model).score(UserHistory(items: [0]), into: &scores)
      #expect(scores == [1, 2, 1, 0, 0, 3])
    }
    #expect(model.tensors.keys.sorted() == ["co-occurrence", "counts", "lengths", "neighbours"] && optimizer.isEmpty)
  }

  @Test func `a table that is none is refused`() throws {
    let algorithm = try ItemNeighbours(itemCount: 4, configuration: Configuration(neighbours: 0))
    let train = Interactions(itemCount: 4, histories: [[0, 1, 3], [2, 3], [1, 3]])
    let model = CentralTraining.run(algorithm, on: train, seed: 1)
    #expect(algorithm.fault(in: model) == nil)
    #expect(model.tensors["neighbours"]?.values == [1, 3, 3, 3])
    for neighbours: [Float] in [[3, 1, 3, 3], [1, 1, 3, 3], [1, 3, 1, 3], [1, 3, 4, 3], [1, 2.5, 3, 3], [0, 3, 3, 3]] {
      var other = model
      other.tensors["neighbours"] = Tensor(shape: [4], values: neighbours)
      #expect(algorithm.fault(in: other) != nil, "\(neighbours)")
    }
    for lengths: [Float] in [[2, 1, 1, 1], [2, 1, 0, 0], [5, -1, 0, 0], [1.5, 1.5, 1, 0], [1e9, 1, 1, 0]] {
      var other = model
      other.tensors["lengths"] = Tensor(shape: [4], values: lengths)
      #expect(algorithm.fault(in: other) != nil, "\(lengths)")
    }
    var negative = model
    negative.tensors["co-occurrence"]?.values[0] = -1
    #expect(algorithm.fault(in: negative) == "tensor 'co-occurrence' has negative entries")
  }

  @Test func `tables of half precision keep the items that they speak of`() throws {
    let train = Interactions(itemCount: 3000, histories: (0..<40).map { [Int32($0), Int32(2999 - $0), Int32(2050 + $0)] })
    func trained(_ bits: Double) throws -> ItemModel {
      let setting = AlgorithmRegistry.Setting(itemCount: 3000, usersOverNoise: nil, rounds: nil)
      let values = try AlgorithmRegistry.resolve("item-knn", ["table-bits": bits], setting: setting)
      return CentralTraining.run(try AlgorithmRegistry.make("item-knn", values, itemCount: 3000), on: train, seed: 1)
    }
    let (whole, half) = (try trained(32), try trained(16))
    for name in ["counts", "lengths", "neighbours"] { #expect(whole.tensors[name] == half.tensors[name]) }
    let pairs = try #require(half.tensors["co-occurrence"])
    #expect(pairs.values.allSatisfy { Float(Float16($0)) == $0 } && pairs.shape == [2, 64])
    #expect(zip(pairs.values, try #require(whole.tensors["co-occurrence"]).values).allSatisfy { abs($0 - $1) <= 0x1p-11 * $1 })
  }

  @Test func `settings out of range are refused in a sentence`() throws {
    func refused(_ itemCount: Int, _ change: (inout Configuration) -> Void) -> String? {
      var configuration = Configuration(neighbours: 1)
      change(&configuration)
      do {
        _ = try ItemNeighbours(itemCount: itemCount, configuration: configuration)
        return nil
      } catch { return "\(error)" }
    }
    #expect(refused(5) { _ in } == nil && refused(ItemNeighbours.itemsMax) { _ in } == nil)
    #expect(
      refused(ItemNeighbours.itemsMax + 1) { _ in }
        == "catalogue size is 65537; expected 2 to 65536 items for the co-occurrence of all pairs; use `als` or `mf`")
    #expect(refused(1) { _ in } != nil)
    #expect(refused(5) { $0.neighbours = 6 } == "number of neighbours is 6; expected 1 to 5, the number of items, or 0 for all")
    #expect(refused(5) { $0.neighbours = -1 } != nil)
    #expect(refused(5) { $0.historyExponent = 1.5 }?.hasPrefix("exponent of the history's items is 1.5") == true)
    #expect(refused(5) { $0.candidateExponent = .nan } != nil)
    #expect(refused(5) { $0.weighting = .power(-1) } != nil && refused(5) { $0.weighting = .power(2.1) } != nil)
    #expect(refused(5) { $0.blockRows = 0 } != nil && refused(5) { $0.blockRows = 6 } != nil)
    #expect(
      refused(60_000) { $0.blockRows = 60_000 }
        == "rows in one release is 60000; expected at most 2236, as a coordinator keeps at most 67108864 entries of a release")
    #expect(refused(5) { $0.countsShare = 1 } != nil && refused(5) { $0.threshold = -1 } != nil)
  }

  @Test func `a plan's numbers make the algorithm, and those of the other kind of plan are refused`() throws {
    func make(_ given: [String: Double], signal: Double?, itemCount: Int = 100) throws -> any FederatedAlgorithm {
      let setting = AlgorithmRegistry.Setting(itemCount: itemCount, usersOverNoise: signal, rounds: nil)
      return try AlgorithmRegistry.make(
        "item-knn", AlgorithmRegistry.resolve("item-knn", given, setting: setting), itemCount: itemCount)
    }
    func configuration(_ algorithm: any FederatedAlgorithm) throws -> Configuration {
      try #require((algorithm as? FirstEvents)?.base as? ItemNeighbours).configuration
    }
    let exact = try configuration(try make(["user-exponent": 0.25, "block-rows": 10], signal: nil))
    #expect(exact.weighting == .power(0.25) && exact.blockRows == 10 && exact.neighbours == 100)
    let noised = try configuration(try make(["threshold": 5], signal: 3000))
    #expect(noised.weighting == .unitNorm && noised.threshold == 5 && noised.countsShare == 0.1)
    #expect(throws: InvalidHyperparameter.self) { try make(["user-exponent": 0.5], signal: 3000) }
    #expect(throws: InvalidHyperparameter.self) { try make(["threshold": 5], signal: nil) }
    #expect(throws: InvalidHyperparameter.self) { try make(["neighbours": 2.5], signal: nil) }
    #expect(exact.candidateExponent == 0.6 && noised.candidateExponent == 0.6)
    // As many rows as a gigabyte holds; a large catalogue is a sparse one.
    let large = try make([:], signal: nil, itemCount: 40_981)
    #expect(large.shapes.count == 1 + 26 && large.shapes[1].dimension <= 1 << 25)
    #expect(try configuration(large).candidateExponent == 0.3)
  }
}
