/// Training in one place, without secure aggregation and without noise: the reference of every federated run.
public enum CentralTraining {
  /// Runs all releases of an algorithm over the given users.
  ///
  /// A federated run without noise over the same users must reach the same model, up to the rounding of its sums.
  ///
  /// - Parameters:
  ///   - interactions: all users of one partner (training alone), or of all (training together).
  ///   - seed: drives initial values and the public randomness of each release.
  public static func run(
    _ algorithm: any FederatedAlgorithm, on interactions: Interactions, seed: UInt64
  ) -> ItemModel {
    precondition(
      interactions.itemCount == algorithm.itemCount,
      "the algorithm is made for \(algorithm.itemCount) items, the data have \(interactions.itemCount)")
    var model = algorithm.initialModel(seed: seed)
    var optimizer = OptimizerState()
    for (release, shape) in algorithm.shapes.enumerated() {
      var sum = [Double](repeating: 0, count: shape.dimension)
      algorithm.trainer(for: release, model: model)
        .accumulate(interactions, seed: releaseSeed(seed, release), into: &sum)
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release, sum: narrowed(sum),
        context: ReleaseContext(expectedUsers: Double(interactions.userCount), noiseDeviation: 0))
    }
    return model
  }

  private static func narrowed(_ sum: [Double]) -> [Float] {
    [Float](unsafeUninitializedCapacity: sum.count) { target, count in
      for index in sum.indices { target.initializeElement(at: index, to: Float(sum[index])) }
      count = sum.count
    }
  }

  /// A seed of its own for each release: one step of SplitMix64 (Steele, Lea, Flood 2014) from the release's offset.
  static func releaseSeed(_ seed: UInt64, _ release: Int) -> UInt64 {
    var state = seed &+ UInt64(release + 1) &* 0x9E37_79B9_7F4A_7C15
    state = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    state = (state ^ (state >> 27)) &* 0x94D0_49BB_1331_11EB
    return state ^ (state >> 31)
  }
}
