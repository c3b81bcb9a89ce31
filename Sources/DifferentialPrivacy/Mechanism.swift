internal import Glibc

/// A mechanism as a textbook names it, with its noise relative to **one user's** contribution: the adjacency of the question then
/// decides how far neighbours are apart. For questions ("what would it cost?"); ledgers hold `PrivacyEvent`, which takes the integers
/// that were really used.
public enum Mechanism: Hashable, Sendable {
  /// Gaussian noise; σ over the L2 norm of one user's contribution.
  case gaussian(noiseMultiplier: Double)
  /// Laplace noise; scale b over the L1 norm of one user's contribution.
  case laplace(scale: Double)
  /// Integer noise P(k) ∝ e^(−a|k|); one user moves the value by at most `sensitivity`.
  case discreteLaplace(decay: Double, sensitivity: Int)
  /// Integer noise P(k) ∝ e^(−k²/(2σ²)) on one value; σ is the parameter, not the standard deviation.
  case discreteGaussian(sigma: Double, sensitivity: Int)
  /// Skellam noise of a given variance on integer vectors; L1 and L2 norms of one user's contribution.
  case skellam(variance: Double, l1: Double, l2: Double)
  /// A sum of `shares` discrete Gaussians with parameter `shareSigma` each (grid units).
  case distributedDiscreteGaussian(shares: Int, shareSigma: Double, dimension: Int, l1: Double, l2: Double)
  /// With probability `noise` a uniform answer out of `buckets`, else the truth.
  case randomizedResponse(noise: Double, buckets: Int)
  /// Anything that is (ξ, ρ)-zCDP under the adjacency in question.
  case concentrated(rho: Double, xi: Double)
  /// Anything whose Rényi divergences are known under the adjacency in question.
  case renyiCurve([RenyiPoint])
  /// Prefix sums by a binary tree with Gaussian noise on its nodes.
  case tree(noiseMultiplier: Double, TreeAggregation)
  /// Prefix sums by a matrix factorisation with Gaussian noise.
  case factorisation(noiseMultiplier: Double, MatrixFactorisation)
}

/// Who takes part in a release.
public enum CohortSampling: Hashable, Sendable {
  case everyone
  /// Every user tosses a secret coin.
  case poisson(rate: Double)
  /// A uniformly drawn cohort with exactly this fraction of the users.
  case fixedSize(fraction: Double)
  /// Poisson sampling, and a random subset of `cap` when more were sampled.
  case truncatedPoisson(rate: Double, users: Int, cap: Int)
}

/// What is asked about: one release, several, or the best of several.
public indirect enum MechanismEvent: Hashable, Sendable {
  case release(Mechanism, sampling: CohortSampling)
  case repeated(MechanismEvent, count: Int)
  case composed([MechanismEvent])
  /// A search that releases the best of a random number of runs.
  case best(of: MechanismEvent, law: RepetitionLaw)

  /// Matrix factorisation with b bands and users in b groups that take turns, sampled by coins inside their group: ⌈T/b⌉ sampled
  /// Gaussian releases. The columns of the strategy have L2 norm 1 (Choquette-Choo et al. 2023, arXiv:2306.08153, theorem 4).
  ///
  /// - Throws: `PrivacyParameterError` unless there is at least one round and one band.
  public static func amplifiedBands(noiseMultiplier: Double, rate: Double, rounds: Int, bands: Int)
    throws(PrivacyParameterError) -> MechanismEvent
  {
    guard rounds >= 1, bands >= 1 else {
      throw PrivacyParameterError("\(rounds) rounds in \(bands) groups; expected at least 1 of both")
    }
    return .repeated(
      .release(.gaussian(noiseMultiplier: noiseMultiplier), sampling: .poisson(rate: rate)),
      count: (rounds - 1) / bands + 1)
  }
}

extension PrivacyLossSummary {
  /// Folds mechanisms into what accountants add up.
  ///
  /// - Throws: `PrivacyParameterError` when an event is not covered; nothing is composed then.
  public init(_ event: MechanismEvent, adjacency: Adjacency) throws(PrivacyParameterError) {
    var loss = PrivacyLoss()
    try event.fold(into: &loss, count: 1, adjacency: adjacency)
    self.init(loss: loss)
  }
}

extension MechanismEvent {
  fileprivate func fold(into loss: inout PrivacyLoss, count: Int, adjacency: Adjacency) throws(PrivacyParameterError) {
    switch self {
    case .release(let mechanism, let sampling):
      try mechanism.check()
      try sampling.check()
      try mechanism.fold(into: &loss, sampling: sampling, count: count, adjacency: adjacency)
    case .repeated(let event, let times):
      guard times >= 0 else { throw PrivacyParameterError("an event repeated \(times) times; expected 0 or more") }
      let (total, overflow) = count.multipliedReportingOverflow(by: times)
      guard !overflow, total <= PrivacyLoss.countLimit else {
        throw PrivacyParameterError("more than \(PrivacyLoss.countLimit) releases")
      }
      try event.fold(into: &loss, count: total, adjacency: adjacency)
    case .composed(let events):
      for event in events { try event.fold(into: &loss, count: count, adjacency: adjacency) }
    case .best(let event, let law):
      var runs = PrivacyLoss()
      try event.fold(into: &runs, count: 1, adjacency: adjacency)
      loss.add(.selected(runs: runs, law: law), count: count, adjacency: adjacency)
    }
  }
}

extension Mechanism {
  fileprivate func check() throws(PrivacyParameterError) {
    func positive(_ value: Double, _ name: String) throws(PrivacyParameterError) {
      guard value > 0, value.isFinite else {
        throw PrivacyParameterError("\(name) is \(value); expected a positive number")
      }
    }
    switch self {
    case .gaussian(let z), .tree(let z, _), .factorisation(let z, _): try positive(z, "the noise multiplier")
    case .laplace(let scale): try positive(scale, "the scale of Laplace noise")
    case .discreteLaplace(let decay, let sensitivity):
      try positive(decay, "the decay of discrete Laplace noise")
      try positive(Double(sensitivity), "the sensitivity")
    case .discreteGaussian(let sigma, let sensitivity):
      try positive(sigma, "σ of the discrete Gaussian")
      try positive(Double(sensitivity), "the sensitivity")
    case .skellam(let variance, let l1, let l2):
      try positive(variance, "the variance of Skellam noise")
      try positive(l1, "the L1 norm")
      try positive(l2, "the L2 norm")
      guard l1 >= l2 * (1 - 1e-9) else {
        throw PrivacyParameterError("an L1 norm of \(l1) below the L2 norm of \(l2); an L1 norm is never the smaller one")
      }
    case .distributedDiscreteGaussian(let shares, let sigma, let dimension, let l1, let l2):
      try positive(Double(shares), "the number of shares")
      try positive(sigma, "σ of a share")
      try positive(Double(dimension), "the number of entries")
      try positive(l1, "the L1 norm")
      try positive(l2, "the L2 norm")
    case .randomizedResponse(let noise, let buckets):
      guard noise > 0, noise < 1, buckets >= 2 else {
        throw PrivacyParameterError(
          "randomised response over \(buckets) answers with noise \(noise); expected at least 2 answers and a probability between 0 and 1"
        )
      }
    case .concentrated(let rho, let xi):
      guard rho >= 0, xi >= 0, rho.isFinite, xi.isFinite, rho + xi > 0 else {
        throw PrivacyParameterError(
          "concentrated privacy with ρ = \(rho) and ξ = \(xi); expected numbers of at least 0, one of them positive")
      }
    case .renyiCurve(let points):
      guard !points.isEmpty, points.allSatisfy({ $0.order > 1 && $0.order.isFinite && $0.divergence >= 0 }) else {
        throw PrivacyParameterError(
          "a Rényi curve of \(points.count) points; expected orders above 1 with divergences of at least 0")
      }
    }
  }

  fileprivate func fold(
    into loss: inout PrivacyLoss, sampling: CohortSampling, count: Int, adjacency: Adjacency
  ) throws(PrivacyParameterError) {
    let factor = adjacency.distanceFactor
    if case .gaussian(let z) = self {
      return try Self.foldGaussian(z, into: &loss, sampling: sampling, count: count, adjacency: adjacency)
    }
    let rate: Double
    switch sampling {
    case .everyone: rate = 1
    case .poisson(let value): rate = value
    case .fixedSize, .truncatedPoisson:
      throw PrivacyParameterError("\(name) on a cohort of fixed size or a cut one is not covered; expected Gaussian noise there")
    }
    if rate < 1, adjacency == .replaceOne {
      throw PrivacyParameterError("sampled \(name) under replace-one is not covered; expected add-remove or zero-out")
    }
    func unsampled() throws(PrivacyParameterError) {
      guard rate >= 1 else { throw PrivacyParameterError("sampled \(name) is not covered; expected no sampling") }
    }
    let kernel: ReleaseKernel
    switch self {
    case .gaussian: preconditionFailure("Gaussian noise is folded above")
    case .laplace(let scale): kernel = .laplace(scale: scale / factor, rate: rate)
    case .discreteLaplace(let decay, let sensitivity):
      kernel = .discreteLaplace(decay: decay, distance: sensitivity * Int(factor), rate: rate)
    case .discreteGaussian(let sigma, let sensitivity):
      kernel = .discreteGaussian(sigma: sigma, distance: sensitivity * Int(factor), rate: rate)
    case .skellam(let variance, let l1, let l2):
      kernel = .skellam(variance: variance, l1: l1 * factor, l2: l2 * factor, rate: rate)
    case .distributedDiscreteGaussian(let shares, let sigma, let dimension, let l1, let l2):
      kernel = .distributedDiscreteGaussian(
        sigma: Double(shares).squareRoot() * sigma, tau: DistributedDiscreteGaussian.tau(shareSigma: sigma, shares: shares),
        dimension: Double(dimension), l1: l1 * factor, l2: l2 * factor, rate: rate)
    case .randomizedResponse(let noise, let buckets):
      try unsampled()
      guard adjacency != .addRemove else {
        throw PrivacyParameterError(
          "randomised response under add-remove: an answer cannot be left out; expected replace-one or zero-out")
      }
      kernel = .randomizedResponse(noise: noise, buckets: buckets, toUniform: adjacency == .zeroOut)
    case .concentrated(let rho, let xi):
      try unsampled()
      kernel = .concentrated(xi: xi, rho: rho)
    case .renyiCurve(let points):
      try unsampled()
      kernel = .renyiCurve(points)
    case .tree(let z, let tree):
      try unsampled()
      return try Self.foldStream(z, tree.sensitivitySquared, name, into: &loss, count: count, adjacency: adjacency)
    case .factorisation(let z, let factorisation):
      try unsampled()
      return try Self.foldStream(z, factorisation.sensitivitySquared, name, into: &loss, count: count, adjacency: adjacency)
    }
    loss.add(kernel, count: count, adjacency: adjacency)
  }

  private static func foldGaussian(
    _ z: Double, into loss: inout PrivacyLoss, sampling: CohortSampling, count: Int, adjacency: Adjacency
  ) throws(PrivacyParameterError) {
    let factor = adjacency.distanceFactor
    switch sampling {
    case .everyone: loss.add(noiseMultiplier: z / factor, count: count, adjacency: adjacency)
    case .poisson(let rate): loss.add(noiseMultiplier: z / factor, rate: rate, count: count, adjacency: adjacency)
    case .fixedSize(let fraction):
      guard adjacency == .replaceOne else {
        throw PrivacyParameterError(
          "a cohort of fixed size under \(adjacency.rawValue): its size does not change; expected replace-one")
      }
      if fraction >= 1 { return loss.add(noiseMultiplier: z / factor, count: count, adjacency: adjacency) }
      loss.add(.fixedSizeGaussian(noiseMultiplier: z / factor, fraction: fraction), count: count, adjacency: adjacency)
    case .truncatedPoisson(let rate, let users, let cap):
      loss.add(
        .truncatedPoissonGaussian(
          noiseMultiplier: z, rate: rate, users: users, cap: cap, isReplacing: adjacency == .replaceOne), count: count,
        adjacency: adjacency)
    }
  }

  /// Prefix sums are one Gaussian release of everything; a user left out must not move the others to other steps.
  private static func foldStream(
    _ z: Double, _ sensitivitySquared: Double, _ name: String, into loss: inout PrivacyLoss, count: Int, adjacency: Adjacency
  ) throws(PrivacyParameterError) {
    guard adjacency != .addRemove else {
      throw PrivacyParameterError(
        "\(name) under add-remove: leaving a user out must not move others to other steps; expected zero-out or replace-one")
    }
    loss.add(
      noiseMultiplier: z / sensitivitySquared.squareRoot() / adjacency.distanceFactor, count: count, adjacency: adjacency)
  }

  /// As sentences call it.
  public var name: String {
    switch self {
    case .gaussian: "Gaussian noise"
    case .laplace: "Laplace noise"
    case .discreteLaplace: "discrete Laplace noise"
    case .discreteGaussian: "discrete Gaussian noise"
    case .skellam: "Skellam noise"
    case .distributedDiscreteGaussian: "distributed discrete Gaussian noise"
    case .randomizedResponse: "randomised response"
    case .concentrated: "a zCDP mechanism"
    case .renyiCurve: "a mechanism known by its Rényi curve"
    case .tree: "tree aggregation"
    case .factorisation: "matrix factorisation"
    }
  }
}

extension CohortSampling {
  fileprivate func check() throws(PrivacyParameterError) {
    switch self {
    case .everyone: return
    case .poisson(let rate), .fixedSize(let rate), .truncatedPoisson(let rate, _, _): _ = try SamplingRate(rate)
    }
    if case .truncatedPoisson(_, let users, let cap) = self {
      guard users >= 1, cap >= 1 else {
        throw PrivacyParameterError("a cohort of \(users) users cut to \(cap); expected at least 1 of both")
      }
    }
  }
}
