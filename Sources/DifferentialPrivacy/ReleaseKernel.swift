internal import Glibc

/// One kind of release other than a (Poisson-sampled) Gaussian, with the distance between neighbours already in it. Everything that
/// accountants know about a mechanism is said here.
package enum ReleaseKernel: Hashable, Sendable {
  /// Laplace noise; its scale over the L1 distance.
  case laplace(scale: Double, rate: Double)
  /// Integer noise P(k) ∝ e^(−a|k|) on one entry.
  case discreteLaplace(decay: Double, distance: Int, rate: Double)
  /// Integer noise P(k) ∝ e^(−k²/(2σ²)) on one entry.
  case discreteGaussian(sigma: Double, distance: Int, rate: Double)
  /// Skellam noise on vectors of given L1 and L2 distance.
  case skellam(variance: Double, l1: Double, l2: Double, rate: Double)
  /// A sum of discrete Gaussians with parameter σ together, each of which is off by τ.
  case distributedDiscreteGaussian(sigma: Double, tau: Double, dimension: Double, l1: Double, l2: Double, rate: Double)
  case randomizedResponse(noise: Double, buckets: Int, toUniform: Bool)
  /// A cohort of exactly a fraction of the users; z over the distance of replace-one.
  case fixedSizeGaussian(noiseMultiplier: Double, fraction: Double)
  /// Poisson sampling, and a random subset of the sample when it is larger than `cap`; z over one user's norm.
  case truncatedPoissonGaussian(noiseMultiplier: Double, rate: Double, users: Int, cap: Int, isReplacing: Bool)
  /// R(α) = ξ + ρα.
  case concentrated(xi: Double, rho: Double)
  /// Divergences somebody else proved at some orders.
  case renyiCurve([RenyiPoint])
  /// The best of a random number of runs.
  case selected(runs: PrivacyLoss, law: RepetitionLaw)

  /// The pair that dominates it, where loss distributions cover it.
  var upperPair: LossPair? {
    switch self {
    case .laplace(let scale, let rate): return .sampled(noise: .laplace(b: scale), rate: rate)
    case .discreteLaplace(let decay, let distance, let rate):
      return countable(.laplace(decay: decay, distance: distance), rate)
    case .discreteGaussian(let sigma, let distance, let rate):
      return countable(.gaussian(sigma: sigma, distance: distance), rate)
    case .skellam(let variance, let l1, let l2, let rate):
      // One entry only: in more dimensions the worst direction is not known.
      guard l1 == l2, l2 == l2.rounded(), l2 < 1e6 else { return nil }
      return countable(.skellam(variance: variance, distance: Int(l2)), rate)
    case .randomizedResponse(let noise, let buckets, let toUniform):
      return .atoms(.randomizedResponse(noise: noise, buckets: buckets, toUniform: toUniform), rate: 1)
    case .truncatedPoissonGaussian(let z, let rate, let users, let cap, let isReplacing):
      let plain: LossPair =
        isReplacing ? .replacing(rate: rate, z: z) : .sampled(noise: .gaussian(z: z), rate: rate)
      guard let truncation = TruncatedPoisson(rate: rate, users: users, cap: cap) else { return plain }
      return .mixture(weight: truncation.probability, .replacing(rate: truncation.rateWhenFull, z: z / 2), plain)
    case .distributedDiscreteGaussian, .fixedSizeGaussian, .concentrated, .renyiCurve, .selected: return nil
    }
  }

  /// A pair that an adversary can bring about: what holds for it, the mechanism cannot undercut.
  var lowerPair: LossPair? {
    switch self {
    case .fixedSizeGaussian(let z, let fraction):
      // All other users contribute nothing: the pair of Poisson sampling, with shifts of one user's norm, half the distance.
      return .replacing(rate: fraction, z: 2 * z)
    case .truncatedPoissonGaussian(let z, let rate, let users, let cap, let isReplacing):
      // Again all others contribute nothing: a user takes part who is sampled and kept.
      let kept = TruncatedPoisson.participation(rate: rate, users: users, cap: cap) * (1 - 1e-9)
      return isReplacing ? .replacing(rate: kept, z: z) : .sampled(noise: .gaussian(z: z), rate: kept)
    case .skellam(let variance, _, let l2, let rate):
      // A vector along one entry.
      guard l2 >= 1, l2 < 1e6 else { return nil }
      return countable(.skellam(variance: variance, distance: Int(l2)), rate)
    default: return upperPair
    }
  }

  private func countable(_ outcomes: DiscreteOutcomes, _ rate: Double) -> LossPair? {
    outcomes.size(logTail: -80) <= DiscreteOutcomes.countMax ? .atoms(outcomes, rate: rate) : nil
  }

  /// Whether Rényi accounting covers it.
  var hasDivergence: Bool {
    switch self {
    case .truncatedPoissonGaussian: false
    case .selected(let runs, _): RenyiAccountant().covers(PrivacyLossSummary(loss: runs))
    default: true
    }
  }

  /// R(order) of one release, both directions of neighbours.
  func divergence(order: Double, accountant: RenyiAccountant) -> Double {
    switch self {
    case .selected(let runs, let law): return law.divergence(order: order, of: runs, accountant: accountant)
    case .fixedSizeGaussian(let z, let fraction):
      return FixedSizeSampling.divergence(order: order, fraction: fraction, noiseMultiplier: z)
    case .renyiCurve(let points): return RenyiPoint.divergence(order: order, points: points)
    default:
      guard rate < 1 else { return plainDivergence(order: order) }
      return RenyiDivergence.sampled(order: order, rate: rate) { plainDivergence(order: $0) }
    }
  }

  private var rate: Double {
    switch self {
    case .laplace(_, let rate), .discreteLaplace(_, _, let rate), .discreteGaussian(_, _, let rate),
      .skellam(_, _, _, let rate), .distributedDiscreteGaussian(_, _, _, _, _, let rate):
      rate
    default: 1
    }
  }

  /// Without sampling.
  private func plainDivergence(order: Double) -> Double {
    switch self {
    case .laplace(let scale, _): return RenyiDivergence.laplace(order: order, pureEpsilon: 1 / scale)
    case .discreteLaplace(let decay, let distance, _):
      return RenyiDivergence.discreteLaplace(order: order, decay: decay, distance: distance)
    case .discreteGaussian(let sigma, let distance, _):
      return order * Double(distance) * Double(distance) / (2 * sigma * sigma)
    case .skellam(let variance, let l1, let l2, _):
      // The published bound is used where public code uses it.
      return RenyiDivergence.betweenIntegers(order) { SkellamNoise.renyiBound(order: $0, variance: variance, l1: l1, l2: l2) }
    case .distributedDiscreteGaussian(let sigma, let tau, let dimension, let l1, let l2, _):
      return DistributedDiscreteGaussian.renyiBound(
        order: order, sigma: sigma, tau: tau, dimension: dimension, l1: l1, l2: l2)
    case .randomizedResponse(let noise, let buckets, let toUniform):
      return RenyiDivergence.randomizedResponse(order: order, noise: noise, buckets: buckets, toUniform: toUniform)
    case .concentrated(let xi, let rho): return xi + rho * order
    case .truncatedPoissonGaussian: return .infinity
    case .fixedSizeGaussian, .renyiCurve, .selected: preconditionFailure("handled by divergence(order:accountant:)")
    }
  }

  /// ρ of zCDP, where one is known; sampling only helps.
  var rho: Double? {
    switch self {
    // ε-DP is ε²/2-zCDP (Bun, Steinke 2016, arXiv:1605.02065, proposition 1.4).
    case .laplace(let scale, _): 1 / (2 * scale * scale)
    case .discreteLaplace(let decay, let distance, _): decay * Double(distance) * decay * Double(distance) / 2
    case .discreteGaussian(let sigma, let distance, _): Double(distance) * Double(distance) / (2 * sigma * sigma)
    case .randomizedResponse(let noise, let buckets, let toUniform):
      {
        let epsilon = DiscreteOutcomes.randomizedResponse(noise: noise, buckets: buckets, toUniform: toUniform)
          .largestLoss(logTail: 0)
        return epsilon * epsilon / 2
      }()
    case .fixedSizeGaussian(let z, _): 1 / (2 * z * z)
    case .concentrated(let xi, let rho): xi == 0 ? rho : nil
    default: nil
    }
  }

  /// What its accounting rests on, as a clause of a theorem.
  var theorem: String {
    let sampling = rate < 1 ? ", sampled by independent secret coins" : ""
    return switch self {
    case .laplace: "Laplace noise (Dwork et al. 2006; Mironov 2017, proposition 6)" + sampling
    case .discreteLaplace: "discrete Laplace noise (Ghosh, Roughgarden, Sundararajan 2012)" + sampling
    case .discreteGaussian: "discrete Gaussian noise on one entry (Canonne, Kamath, Steinke 2020, theorems 4 and 7)" + sampling
    case .skellam: "Skellam noise (Agarwal, Kairouz, Liu 2021, theorem 3.5)" + sampling
    case .distributedDiscreteGaussian:
      "a sum of discrete Gaussians (Kairouz, Liu, Steinke 2021, proposition 14)" + sampling
    case .randomizedResponse: "randomised response"
    case .fixedSizeGaussian:
      "Gaussian noise on a uniformly drawn cohort of fixed size, replace-one (Wang, Balle, Kasiviswanathan 2019, theorem 27)"
    case .truncatedPoissonGaussian: "Gaussian noise on a truncated Poisson sample (arXiv:2508.15089, section 4.3)"
    case .concentrated: "concentrated differential privacy as declared (Bun, Steinke 2016)"
    case .renyiCurve: "Rényi divergences as declared"
    case .selected: "the best of a random number of runs (Papernot, Steinke 2022, theorems 2 and 6)"
    }
  }
}

/// A Rényi divergence that was proven elsewhere.
public struct RenyiPoint: Hashable, Sendable, Codable {
  /// α > 1.
  public let order: Double
  public let divergence: Double

  public init(order: Double, divergence: Double) {
    self.order = order
    self.divergence = divergence
  }

  /// A bound at another order from bounds at some: (α − 1)R(α) is convex and 0 at α = 1, and R does not fall
  /// (van Erven, Harremoës 2014, arXiv:1206.2459, theorem 3 and corollary 2).
  static func divergence(order: Double, points: [RenyiPoint]) -> Double {
    var left = (order: 1.0, scaled: 0.0)
    for point in points.sorted(by: { $0.order < $1.order }) {
      if point.order >= order {
        let right = (order: point.order, scaled: (point.order - 1) * point.divergence)
        let weight = (order - left.order) / (right.order - left.order)
        let interpolated = ((1 - weight) * left.scaled + weight * right.scaled) / (order - 1)
        return min(interpolated, point.divergence)
      }
      left = (point.order, (point.order - 1) * point.divergence)
    }
    return .infinity
  }
}
