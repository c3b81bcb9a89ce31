internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import Testing

/// Adaptive clipping through plan, partners, masks, noise and ledgers.
@Suite struct AdaptiveClipRoundTests {
  /// Users contribute vectors of norms 0.25, 0.5, … 3, by their one item.
  struct Ladder: FederatedAlgorithm {
    let name = "ladder"
    let itemCount = 12
    let rounds: Int

    var shapes: [ReleaseShape] {
      Array(repeating: ReleaseShape(name: "sums", dimension: itemCount, maximumNonZeros: itemCount), count: rounds)
    }
    func initialModel(seed: UInt64) -> ItemModel {
      ItemModel(algorithm: name, tensors: ["sum": Tensor(zeros: [itemCount])])
    }
    func trainer(for release: Int, model: ItemModel) -> any LocalTrainer { Trainer() }
    func advance(
      model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
    ) {
      model.tensors["sum"] = Tensor(shape: [itemCount], values: sum)
    }
    func scorer(model: ItemModel) -> any Scorer { EchoAlgorithm.SumScorer(scores: model.tensors["sum"]?.values ?? []) }

    struct Trainer: LocalTrainer {
      func contribute(_ user: UserHistory, into buffer: inout ContributionBuffer) {
        for item in user.items {
          buffer.indices.append(UInt32(item))
          buffer.values.append(Float(item + 1) / 4)
        }
      }
    }
  }

  private func clipped(_ noise: NoiseMode, share: Double, rounds: Int, epsilon: Double, target: Double = 0.5) throws -> RoundWorld
  {
    RoundWorld(
      algorithm: try AdaptivelyClipped(
        Ladder(rounds: rounds), quantile: ClipQuantile(target: target, rate: 0.3, countShare: share)),
      noise: noise, epsilon: epsilon)
  }

  @Test(arguments: [NoiseMode.central, .distributed], [0.3, 0.7])
  func `the clip finds the quantile through masks and noise`(noise: NoiseMode, target: Double) throws {
    // A large ε, as thirty users are few: the noise on the count is about half a user.
    let world = try clipped(noise, share: 0.2, rounds: 25, epsilon: 120, target: target)
    let driver = try RoundDriver(world)
    driver.run()
    #expect(driver.coordinator.end == .completed)
    let norms = world.shards.flatMap { shard in
      (0..<shard.userCount).flatMap { shard.interactions.history(of: $0).map { Double($0 + 1) / 4 } }
    }
    // The clip of the last rounds, as a factor of the first one, 1.
    let clips = driver.models.suffix(8).map { AdaptivelyClipped.factor(in: $0) }
    let below = clips.map { clip in Double(norms.count { $0 <= clip }) / Double(norms.count) }
    let mean = below.reduce(0, +) / Double(below.count)
    #expect((mean - target).magnitude < 0.15, "\(below) of the users are below \(clips)")
    #expect(Set(driver.models.map { AdaptivelyClipped.factor(in: $0) }).count > 5, "the clip moves")
    for participant: UInt32 in 1...5 {
      #expect(driver[participant].journal.chargeCount == 25, "one charge for update and count together")
    }
  }

  @Test(arguments: [NoiseMode.central, .distributed], [0.01, 0.3])
  func `update and count together cost the z of the plan, as theorem 1 of the paper splits it`(noise: NoiseMode, share: Double)
    throws
  {
    let rounds = 4
    let world = try clipped(noise, share: share, rounds: rounds, epsilon: 2)
    let fixed = RoundWorld(algorithm: Ladder(rounds: rounds), noise: noise, epsilon: 2)
    let (plan, plain) = (try world.planFile().plan, try fixed.planFile().plan)
    let quantile = try ClipQuantile(target: 0.5, rate: 0.3, countShare: share)
    var summary = PrivacyLossSummary()
    for (release, other) in zip(plan.releases, plain.releases) {
      let encoding = try #require(release.encoding)
      let charged = try gaussian(release, plan)
      let z = charged.noiseMultiplier
      let without = try gaussian(other, plain).noiseMultiplier
      #expect((z / without - 1).magnitude < 0.01, "the count is paid by the updates")
      // σ of the update over its clip, 1; σ_b of the sum of (bit − 1/2).
      let sigma = Double(charged.sigmaSquared).squareRoot() / encoding.scale
      let split = try AdaptiveClipping.updateNoiseMultiplier(total: z, countDeviation: sigma / (2 * quantile.bitOverClip))
      // Rounding to the grid makes Δ up to 0.5 % longer than the clip.
      #expect(sigma >= split * (1 - 1e-9) && sigma < split * 1.012)
      #expect(encoding.dimension == 13)
      // The clip in the plan is that of both together; had it left the bit out, Δ² would not cover ±w/2.
      let joint = 1 + quantile.bitOverClip * quantile.bitOverClip
      #expect(Double(encoding.deltaSquared) >= joint * encoding.scale * encoding.scale * (1 - 1e-9))
      try summary.add(try #require(release.event(plan.privacy)))
    }
    let epsilon = Accounting.epsilon(for: summary, delta: 1e-6)
    #expect(epsilon <= 2 * (1 + 1e-9) && epsilon > 1.99, "\(epsilon)")
  }

  private func gaussian(_ release: PlannedRelease, _ plan: TrainingPlan) throws -> GaussianRelease {
    guard case .gaussian(let charged)? = release.event(plan.privacy) else {
      throw PlanError("release '\(release.name)' charges another event")
    }
    return charged
  }

  @Test func `a coordinator that sends another clip changes what is learnt, never what is charged or how long a message is`()
    throws
  {
    let world = try clipped(.central, share: 0.1, rounds: 3, epsilon: 2)
    let release = try #require(try world.planFile().plan.releases.first)
    let encoding = try #require(release.encoding)
    for exponent: Float in [-20480, 0, 20480] {
      var model = world.algorithm.initialModel(seed: 0)
      model.tensors["clip"] = Tensor(shape: [1], values: [exponent])
      let trainer = world.algorithm.trainer(for: 0, model: model)
      var encoder = UpdateEncoder(parameters: encoding)
      var random = KeyedRandomSource(insecureSeed: 4)
      for item: Int32 in 0..<12 {
        var buffer = ContributionBuffer(dimension: 13)
        trainer.contribute(UserHistory(items: ArraySlice([item])), into: &buffer)
        let clipped = encoder.clip(indices: buffer.indices, values: buffer.values)
        let update = encoder.encode(clipped, random: &random)
        #expect(update.squaredNorm <= encoding.deltaSquared && !update.isZero)
      }
    }
  }
}
