internal import Recommender
internal import Testing

/// Clips that follow a quantile of users' norms (Andrew et al. 2021).
@Suite struct AdaptiveClipTests {
  /// Every user has one item and contributes its number plus 1, over 100, to that entry; the model adds up.
  struct Ladder: FederatedAlgorithm {
    let name = "ladder"
    let itemCount: Int
    let rounds: Int

    var shapes: [ReleaseShape] {
      [ReleaseShape(name: "counts", dimension: itemCount, maximumNonZeros: itemCount)]
        + Array(
          repeating: ReleaseShape(name: "sums", dimension: itemCount, maximumNonZeros: itemCount, clipNorm: 2), count: rounds)
    }
    func initialModel(seed: UInt64) -> ItemModel {
      ItemModel(algorithm: name, tensors: ["sum": Tensor(zeros: [itemCount]), "noise": Tensor(zeros: [1])])
    }
    func trainer(for release: Int, model: ItemModel) -> any LocalTrainer { Trainer() }
    func advance(
      model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
    ) {
      model.tensors["sum"] = Tensor(shape: [itemCount], values: sum)
      model.tensors["noise"] = Tensor(shape: [1], values: [Float(context.noiseDeviation)])
      model.version += 1
    }
    func scorer(model: ItemModel) -> any Scorer {
      precondition(model.tensors["clip"] == nil, "the algorithm below never sees the clip")
      return NoScorer(itemCount: itemCount)
    }

    struct Trainer: LocalTrainer {
      func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
        for item in user.items {
          buffer.indices.append(UInt32(item))
          buffer.values.append(item == 0 ? .infinity : Float(item) / 100)
        }
      }
    }
    struct NoScorer: Scorer {
      let itemCount: Int
      func score(_ user: UserHistory, into scores: inout [Float]) {}
      func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
    }
  }

  /// Users with the items 1 to `count`: their norms are 0.01, 0.02, …
  private static func population(_ count: Int) -> Interactions {
    Interactions(itemCount: count + 1, histories: (1...count).map { [Int32($0)] })
  }

  private func total(_ algorithm: any FederatedAlgorithm, _ release: Int, _ model: ItemModel, _ users: Interactions) -> [Float] {
    var sum = [Double](repeating: 0, count: algorithm.shapes[release].dimension)
    algorithm.trainer(for: release, model: model).accumulate(users, seed: 0, into: &sum)
    return sum.map(Float.init)
  }

  @Test(arguments: [0.1, 0.5, 0.9]) func `the clip finds the wanted quantile and stays there`(target: Double) throws {
    let users = Self.population(600)
    let algorithm = try AdaptivelyClipped(Ladder(itemCount: 601, rounds: 60), quantile: ClipQuantile(target: target, rate: 1))
    var model = algorithm.initialModel(seed: 1)
    var optimizer: OptimizerState = [:]
    for release in algorithm.shapes.indices {
      let sum = total(algorithm, release, model, users)
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release, sum: sum,
        context: ReleaseContext(expectedUsers: 600, noiseDeviation: 0))
    }
    let clip = 2 * AdaptivelyClipped.factor(in: model)
    let below = Double((1...600).count { Double($0) / 100 <= clip }) / 600
    #expect((below - target).magnitude < 0.02, "\(below) of the users are below \(clip)")
    #expect(algorithm.fault(in: model) == nil)
    _ = algorithm.scorer(model: model)
  }

  @Test func `the sum comes back in the units of the algorithm, with its noise`() throws {
    let users = Self.population(50)
    let algorithm = try AdaptivelyClipped(Ladder(itemCount: 51, rounds: 2), quantile: ClipQuantile(target: 0.5))
    var model = algorithm.initialModel(seed: 1)
    model.tensors["clip"] = Tensor(shape: [1], values: [-2048])
    var optimizer: OptimizerState = [:]
    let sum = total(algorithm, 1, model, users)
    algorithm.advance(
      model: &model, optimizer: &optimizer, release: 1, sum: sum, context: ReleaseContext(expectedUsers: 50, noiseDeviation: 3))
    // Two octaves below the first clip, 2: users above 0.5 are cut to it, none of these is.
    let values = try #require(model.tensors["sum"]).values
    #expect(values.indices.dropFirst().allSatisfy { (values[$0] - min(Float($0) / 100, 0.5)).magnitude < 1e-6 })
    #expect(model.tensors["noise"]?.values == [0.75])
  }

  @Test func `whatever the clip is, message and bit together keep the norm that the plan fixes`() throws {
    let algorithm = try AdaptivelyClipped(
      Ladder(itemCount: 601, rounds: 2), quantile: ClipQuantile(target: 0.5, countShare: 0.2))
    let shape = algorithm.shapes[1]
    #expect(shape.dimension == 602 && shape.maximumNonZeros == 602)
    for exponent: Float in [-20480, -3000, 0, 700, 20480] {
      var model = algorithm.initialModel(seed: 1)
      model.tensors["clip"] = Tensor(shape: [1], values: [exponent])
      #expect(algorithm.fault(in: model) == nil)
      let trainer = algorithm.trainer(for: 1, model: model)
      for item: Int32 in [0, 1, 200, 600] {
        var buffer = ContributionBuffer(dimension: 602)
        trainer.contribute(UserHistory(items: ArraySlice([item])), into: &buffer)
        let norm = buffer.values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(norm <= shape.clipNorm * (1 + 1e-6))
        #expect(buffer.indices.last == 601 && buffer.values.last.map { ($0.magnitude - 1) }?.magnitude ?? 1 < 1e-6)
      }
      var nothing = ContributionBuffer(dimension: 602)
      trainer.contribute(UserHistory(items: ArraySlice<Int32>()), into: &nothing)
      #expect(nothing.isEmpty, "a user without a message has no bit either")
    }
  }

  @Test(arguments: [Float.nan, .infinity, 0.5, 20481, -20481]) func `a model with another clip is refused`(value: Float) throws {
    let algorithm = try AdaptivelyClipped(Ladder(itemCount: 5, rounds: 2), quantile: ClipQuantile(target: 0.5))
    var model = algorithm.initialModel(seed: 1)
    model.tensors["clip"] = Tensor(shape: [1], values: [value])
    #expect(algorithm.fault(in: model) != nil)
    model.tensors["clip"] = nil
    #expect(algorithm.fault(in: model) != nil)
  }

  @Test func `the clip moves by the noised fraction alone and stops at its ends`() throws {
    let quantile = try ClipQuantile(target: 0.5, rate: 0.2)
    #expect(quantile.next(0, fraction: 0.5) == 0)
    // e^(−0.2·0.5) is −147.7 steps of 2^(1/1024).
    #expect(quantile.next(0, fraction: 1) == -148 && quantile.next(0, fraction: 0) == 148)
    #expect(quantile.next(0, fraction: 40) == -148 && quantile.next(0, fraction: .nan) == 0)
    #expect(quantile.next(20400, fraction: 0) == 20480 && quantile.next(-20400, fraction: 1) == -20480)
  }

  @Test func `a quantile is a parameter of algorithms that repeat a release, and of no other`() throws {
    let setting = AlgorithmRegistry.Setting(itemCount: 20, usersOverNoise: nil, rounds: 3)
    let values = try AlgorithmRegistry.resolve("mf", ["clip-quantile": 0.5], setting: setting)
    #expect(values["clip-rate"] == 0.2 && values["clip-count-share"] == 0.01)
    let clipped = try #require(try AlgorithmRegistry.make("mf", values, itemCount: 20) as? AdaptivelyClipped)
    #expect(clipped.shapes.count == 4 && clipped.shapes[0] == clipped.base.shapes[0])
    #expect(clipped.shapes[1].dimension == clipped.base.shapes[1].dimension + 1)
    #expect(throws: InvalidHyperparameter.self) {
      try AlgorithmRegistry.resolve("popularity", ["clip-quantile": 0.5], setting: setting)
    }
    for (name, value) in [
      ("clip-quantile", 1.0), ("clip-quantile", -0.5), ("clip-rate", 0.0), ("clip-count-share", 0.9), ("clip-rate", .nan),
    ] {
      var wrong = values
      wrong[name] = value
      #expect(throws: InvalidHyperparameter.self) { try AlgorithmRegistry.make("mf", wrong, itemCount: 20) }
    }
    let fixed = try AlgorithmRegistry.resolve("mf", [:], setting: setting)
    #expect(fixed["clip-quantile"] == nil, "plans without it say nothing about it")
  }
}
