import Foundation
import Recommender
import Testing

@Suite struct NeuralRecommenderTests {
  static let architectures: [NeuralArchitecture] = [
    .transformer(blocks: 2, heads: 2), .recurrent(hidden: 10), .convolution(width: 3, horizontal: 4, vertical: 2),
    .towers(hidden: 12), .collaborative(hidden: 12, inputs: 3, tower: 8),
  ]

  private func make(
    _ architecture: NeuralArchitecture, itemCount: Int = 40, rounds: Int = 3, dropout: Float = 0, updateBound: Float = 1e3,
    negatives: Int = 12, steps: Int = 1, participation: Double = 1, window: Int = 6, features: ItemFeatures? = nil
  ) throws -> NeuralRecommender {
    try NeuralRecommender(
      itemCount: itemCount, architecture: architecture, dimension: 8, rounds: rounds,
      training: LocalTraining(
        window: window, negatives: negatives, steps: steps, dropout: dropout, updateBound: updateBound,
        participation: participation),
      optimizer: .adam(rate: 0.02, beta2: 0.999, epsilon: 1e-6), featureDimension: features?.dimension ?? 0, features: features)
  }

  /// Users who walk through the catalogue in steps of one, from anywhere.
  private func walks(users: Int, itemCount: Int = 40, length: Int = 8) -> Interactions {
    Interactions(
      itemCount: itemCount,
      histories: (0..<users).map { user in (0..<length).map { Int32((user * 7 + $0) % itemCount) } })
  }

  private func contribution(
    _ algorithm: NeuralRecommender, _ model: ItemModel, _ user: UserHistory
  ) -> ContributionBuffer {
    var buffer = ContributionBuffer(dimension: algorithm.shapes[1].dimension)
    algorithm.trainer(for: 1, model: model).contribute(user, into: &buffer)
    return buffer
  }

  /// A model whose every entry is moved a little, so that no gradient is 0 by symmetry.
  private func stirred(_ algorithm: NeuralRecommender) -> ItemModel {
    var model = algorithm.initialModel(seed: 5)
    var random = NormalSource(seed: 6)
    for name in model.tensors.keys.sorted() where name != "popularity" {
      for index in model.tensors[name]?.values.indices ?? 0..<0 { model.tensors[name]?.values[index] += 0.1 * random.next() }
    }
    return model
  }

  /// With `gru`, which has no corners; that the encoders' own gradients are right is checked for each of them.
  @Test(arguments: [0, 3])
  func `one step contributes the negative gradient of the user's loss`(featureDimension: Int) throws {
    var random = NormalSource(seed: 4)
    let features =
      featureDimension == 0
      ? nil
      : try ItemFeatures(
        itemCount: 40, dimension: featureDimension, values: (0..<40 * featureDimension).map { _ in random.next() })
    let algorithm = try make(.recurrent(hidden: 10), features: features)
    var model = stirred(algorithm)
    let user = UserHistory(items: [3, 17, 5, 30, 8, 2, 11], seed: 77)
    let buffer = contribution(algorithm, model, user)
    var gradient = [Float](repeating: 0, count: buffer.dimension)
    for (position, index) in buffer.indices.enumerated() { gradient[Int(index)] = -1e3 * buffer.values[position] }
    // The vector's order: item embeddings, item offsets, then the network's slices, which are looked up by trial.
    var worst = 0.0
    func check(_ name: String, at offset: Int) {
      let count = model.tensors[name]?.values.count ?? 0
      let scale = (gradient[offset..<offset + count].reduce(0.0) { $0 + Double($1 * $1) } / Double(count)).squareRoot()
      var random = NormalSource(seed: UInt64(offset + 1))
      for _ in 0..<min(count, 20) {
        let index = Int(random.word() % UInt64(count))
        func slope(_ h: Float) -> Double {
          let before = model.tensors[name]?.values[index] ?? 0
          func at(_ move: Float) -> Double {
            model.tensors[name]?.values[index] = before + move
            defer { model.tensors[name]?.values[index] = before }
            return algorithm.loss(of: user, model: model)
          }
          return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / Double(12 * h)
        }
        let expected = Double(gradient[offset + index])
        let numeric = slope(0x1p-5)
        worst = max(worst, abs(expected - numeric) / (abs(numeric) + abs(expected) + scale + 1e-5))
      }
    }
    check("items", at: 0)
    check("item-offsets", at: 40 * 8)
    var offset = 40 * 9
    for slice in algorithm.denseSlices {
      check(slice.name, at: offset)
      offset += slice.count
    }
    #expect(offset == buffer.dimension)
    #expect((algorithm.denseSlices.last?.name == "item-features-weight") == (features != nil))
    #expect(worst < 3e-3)
  }

  @Test(arguments: architectures)
  func `a model that knows nothing is as unsure as a softmax over everything unseen`(architecture: NeuralArchitecture) throws {
    for negatives in [1, 5, 20, 500] {
      let algorithm = try make(architecture, negatives: negatives)
      var model = algorithm.initialModel(seed: 1)
      model.tensors["items"] = Tensor(zeros: [40, 8])
      // Three targets of a window of six; 36 items unseen.
      let loss = algorithm.loss(of: UserHistory(items: [3, 17, 5, 30], seed: 7), model: model)
      #expect(abs(loss - 3.0 / 6 * log(37)) < 1e-4)
      // Longer histories: a full window.
      let full = algorithm.loss(of: UserHistory(items: [3, 17, 5, 30, 8, 2, 11, 9, 1, 4], seed: 7), model: model)
      #expect(abs(full - log(31)) < 1e-4)
    }
  }

  @Test func `events weigh by the strongest of the user, and those of weight nothing are no targets`() throws {
    let algorithm = try make(.recurrent(hidden: 4))
    let model = stirred(algorithm)
    let items: [Int32] = [3, 17, 5, 30]
    func loss(_ weights: [Float]) -> Double {
      algorithm.loss(of: UserHistory(items: items[...], weights: weights[...], seed: 7), model: model)
    }
    let plain = loss([])
    #expect(loss([1, 1, 1, 1]) == plain)
    #expect(loss([9, 9, 9, 9]) == plain)
    #expect(abs(loss([Float(exp(2.386_294_361) - 1), 1, 1, 1]) - plain / 2) < 1e-5)
    #expect(loss([1, 0, 0, 0]) == 0)
    let parts = loss([0, 1, 0, 0]) + loss([0, 0, 1, 0]) + loss([0, 0, 0, 1])
    #expect(abs(parts - plain) < 1e-5)
  }

  @Test func `a served score is the one that training compared, tower and all`() throws {
    // With one negative and no correction the loss of one pair is log(1 + exp(negative - target)).
    let algorithm = try make(.collaborative(hidden: 12, inputs: 3, tower: 8), itemCount: 3, negatives: 1, window: 1)
    let model = stirred(algorithm)
    var scores = [Float](repeating: 0, count: 3)
    algorithm.scorer(model: model).score(UserHistory(items: [0]), into: &scores)
    let loss = algorithm.loss(of: UserHistory(items: [0, 1], seed: 1), model: model)
    #expect(abs(loss - log(1 + exp(Double(scores[2] - scores[1])))) < 1e-5)
    var plain = model
    plain.tensors["tower-output-weight"] = Tensor(zeros: [4])
    var without = scores
    algorithm.scorer(model: plain).score(UserHistory(items: [0]), into: &without)
    #expect(zip(scores, without).contains { abs($0 - $1) > 1e-3 })
  }

  @Test(arguments: architectures)
  func `a walk is learnt: the next item comes first`(architecture: NeuralArchitecture) throws {
    let algorithm = try make(architecture, rounds: 150, dropout: 0.1, negatives: 39)
    let model = CentralTraining.run(algorithm, on: walks(users: 40), seed: 3)
    let scorer = algorithm.scorer(model: model)
    var scores = [Float](repeating: 0, count: 40)
    var hits = 0
    for start in 0..<40 {
      let items = (0..<5).map { Int32((start + $0) % 40) }
      scorer.score(UserHistory(items: items[...]), into: &scores)
      for item in items { scores[Int(item)] = -.infinity }
      hits += scores.indices.max { scores[$0] < scores[$1] } == (start + 5) % 40 ? 1 : 0
    }
    #expect(hits >= 36)
  }

  @Test(arguments: architectures)
  func `contributions keep their norm, their shape and their distance`(architecture: NeuralArchitecture) throws {
    let algorithm = try make(architecture, dropout: 0.2, updateBound: 1e-3, steps: 3)
    let model = stirred(algorithm)
    for user in 0..<8 {
      let buffer = contribution(algorithm, model, UserHistory(of: user, in: walks(users: 8, length: 12), release: 4))
      let norm = buffer.values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      // The gradients are far longer than the bound: the contribution is cut to 1, not longer and hardly shorter.
      #expect(norm < 1 + 1e-5 && norm > 1 - 1e-5)
      #expect(Set(buffer.indices).count == buffer.indices.count)
      #expect(buffer.indices.count == buffer.values.count)
      let isInside = buffer.indices.allSatisfy { $0 < UInt32(buffer.dimension) }
      #expect(isInside)
      #expect(buffer.values.filter { $0 != 0 }.count <= algorithm.shapes[1].maximumNonZeros)
    }
  }

  @Test func `several steps go further than one, and the first of them in its direction`() throws {
    let history = UserHistory(items: [3, 17, 5, 30, 8], seed: 7)
    func change(steps: Int) throws -> (loss: Double, buffer: ContributionBuffer) {
      let algorithm = try make(.towers(hidden: 6), steps: steps)
      let model = stirred(algorithm)
      return (algorithm.loss(of: history, model: model), contribution(algorithm, model, history))
    }
    let (one, four) = (try change(steps: 1), try change(steps: 4))
    #expect(one.loss == four.loss)
    func norm(_ buffer: ContributionBuffer) -> Double { buffer.values.reduce(0.0) { $0 + Double($1 * $1) }.squareRoot() }
    #expect(norm(four.buffer) > norm(one.buffer))
    #expect(one.buffer.indices == four.buffer.indices)
    #expect(zip(one.buffer.values, four.buffer.values).reduce(0.0) { $0 + Double($1.0 * $1.1) } > 0)
  }

  @Test(arguments: architectures)
  func `a sum over users is the sum of their contributions, to the bit`(architecture: NeuralArchitecture) throws {
    let algorithm = try make(architecture, dropout: 0.3, participation: 0.7)
    let model = algorithm.initialModel(seed: 2)
    let users = walks(users: 150)
    var expected = [Double](repeating: 0, count: algorithm.shapes[1].dimension)
    var silent = 0
    for user in 0..<150 {
      let buffer = contribution(algorithm, model, UserHistory(of: user, in: users, release: 9))
      silent += buffer.isEmpty ? 1 : 0
      for (position, index) in buffer.indices.enumerated() { expected[Int(index)] += Double(buffer.values[position]) }
    }
    for _ in 0..<2 {
      var sum = [Double](repeating: 0, count: expected.count)
      algorithm.trainer(for: 1, model: model).accumulate(users, seed: 9, into: &sum)
      #expect(sum == expected)
    }
    #expect((20...75).contains(silent))
  }

  @Test(arguments: architectures)
  func `negatives are unseen, distinct and as many as asked for`(architecture: NeuralArchitecture) throws {
    for (negatives, expected) in [(5, 5), (20, 20), (30, 30), (500, 32)] {
      let algorithm = try make(architecture, negatives: negatives)
      let model = algorithm.initialModel(seed: 1)
      for seed in 0..<20 as Range<UInt64> {
        let buffer = contribution(algorithm, model, UserHistory(items: [3, 17, 5, 30, 8, 2, 11, 33], seed: seed))
        let touched = Set(buffer.indices.filter { $0 < 40 * 8 }.map { $0 / 8 })
        // Seven items of the window, and nothing of the eighth outside it among the negatives.
        #expect(touched.count == expected + 7)
        #expect(touched.intersection([3, 17, 5, 30, 8, 2, 11, 33]).count == 7)
        #expect(Set(buffer.indices).count == buffer.indices.count)
      }
    }
  }

  @Test(arguments: architectures)
  func `users without a pair, and models out of bounds, contribute nothing`(architecture: NeuralArchitecture) throws {
    let algorithm = try make(architecture)
    var model = algorithm.initialModel(seed: 1)
    #expect(contribution(algorithm, model, UserHistory(items: [])).isEmpty)
    #expect(contribution(algorithm, model, UserHistory(items: [4])).isEmpty)
    let user = UserHistory(items: [3, 17, 5, 30, 8, 2, 11], seed: 77)
    #expect(!contribution(algorithm, model, user).isEmpty)
    for name in model.tensors.keys {
      for index in model.tensors[name]?.values.indices ?? 0..<0 { model.tensors[name]?.values[index] = 0x1p40 }
    }
    #expect(algorithm.fault(in: model) == nil)
    let values = contribution(algorithm, model, user).values
    let isFinite = values.allSatisfy(\.isFinite)
    #expect(isFinite)
    var scores = [Float](repeating: 0, count: 40)
    algorithm.scorer(model: model).score(user, into: &scores)
  }

  @Test func `users without history get the most popular items`() throws {
    let algorithm = try make(.recurrent(hidden: 4), rounds: 1)
    let users = Interactions(itemCount: 40, histories: [[1, 2], [2, 9], [2, 30]])
    let model = CentralTraining.run(algorithm, on: users, seed: 1)
    var scores = [Float](repeating: 0, count: 40)
    algorithm.scorer(model: model).score(UserHistory(items: []), into: &scores)
    #expect(scores.indices.max { scores[$0] < scores[$1] } == 2)
    #expect(model.version == 2)
    #expect(algorithm.fault(in: model) == nil)
  }

  @Test func `FedAdam makes the step of its formula`() throws {
    let algorithm = try make(.towers(hidden: 3), updateBound: 2, participation: 0.5)
    var model = algorithm.initialModel(seed: 1)
    var state = OptimizerState()
    let dimension = algorithm.shapes[1].dimension
    let first = model.tensors["items"]?.values[7] ?? 0
    var (moment, square, expected) = (0.0, 0.0, Double(first))
    for (step, entry) in [0.3, -0.1, 0.7].enumerated() {
      var sum = [Float](repeating: 0, count: dimension)
      sum[7] = Float(entry)
      algorithm.advance(
        model: &model, optimizer: &state, release: step + 1, sum: sum,
        context: ReleaseContext(expectedUsers: 10, noiseDeviation: 0))
      let average = entry * 2 / (10 * 0.5)
      moment = 0.9 * moment + 0.1 * average
      square = 0.999 * square + 0.001 * average * average
      let (m, v) = (moment / (1 - pow(0.9, Double(step + 1))), square / (1 - pow(0.999, Double(step + 1))))
      expected += 0.02 * m / (v.squareRoot() + 1e-6)
    }
    #expect(abs(Double(model.tensors["items"]?.values[7] ?? 0) - expected) < 1e-5)
    #expect(model.tensors["items"]?.values[8] == algorithm.initialModel(seed: 1).tensors["items"]?.values[8])
  }

  @Test(arguments: ["sasrec", "gru", "cnn", "two-tower", "ncf"])
  func `the registry makes each, and names what is out of range`(name: String) throws {
    for signal in [nil, 900] as [Double?] {
      let setting = AlgorithmRegistry.Setting(itemCount: 100, usersOverNoise: signal, rounds: 7)
      let values = try AlgorithmRegistry.resolve(name, [:], setting: setting)
      #expect(Set(values.keys) == Set(AlgorithmRegistry.parameters(of: name).map(\.name)))
      let algorithm = try AlgorithmRegistry.make(name, values, itemCount: 100)
      #expect(algorithm.name == name)
      #expect(algorithm.shapes.count == 8)
      let model = algorithm.initialModel(seed: 1)
      #expect(algorithm.fault(in: model) == nil)
      #expect(model == algorithm.initialModel(seed: 1))
      #expect(model != algorithm.initialModel(seed: 2))
      for (key, value) in [
        ("dimension", 0), ("rounds", 0), ("optimizer", 3), ("rate", 0), ("window", 0), ("negatives", 0), ("local-steps", 0),
        ("local-rate", -1), ("dropout", 1), ("update-bound", 0), ("participation", 0), ("popularity-prior", -1),
        ("counts-share", 1),
      ] as [(String, Double)] {
        var wrong = values
        wrong[key] = value
        #expect(throws: InvalidHyperparameter.self, "\(key) \(value)") { try AlgorithmRegistry.make(name, wrong, itemCount: 100) }
      }
    }
  }
}
