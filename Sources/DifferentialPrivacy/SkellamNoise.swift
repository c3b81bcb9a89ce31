internal import Glibc

/// The Skellam mechanism: the difference of two independent Poisson variables on each integer entry. Sums of shares are Skellam
/// again, so that dropouts only change the variance.
package enum SkellamNoise {
  /// P(X = k) = e^(−v)·I_k(v) for k = 0 … `last`, of a variable with variance v.
  ///
  /// The ratios I_(k+1)/I_k come from their continued fraction from far above (backward recurrence, stable), and the scale from
  /// the sum being 1.
  package static func probabilities(variance: Double, through last: Int) -> [Double] {
    // r_k = 1/(2(k+1)/v + r_(k+1)); started so far out that the start is forgotten.
    let start = last + 40 + Int(10 * variance.squareRoot())
    var ratios = [Double](repeating: 0, count: last + 1)
    var ratio = 0.0
    for k in stride(from: start, through: 0, by: -1) {
      ratio = 1 / (2 * Double(k + 1) / variance + ratio)
      if k <= last { ratios[k] = ratio }
    }
    var weights = [Double](repeating: 0, count: last + 1)
    weights[0] = 1
    for k in 0..<last { weights[k + 1] = weights[k] * ratios[k] }
    let total = 2 * weights.reversed().reduce(0, +) - 1
    return weights.map { $0 / total }
  }

  /// A bound of the Rényi divergence in any dimension (Agarwal, Kairouz, Liu 2021, arXiv:2110.04995, theorem 3.5 and the form that
  /// google-research/federated uses):
  /// α·Δ₂²/(2v) + min{((2α−1)Δ₂² + 6Δ₁)/(4v²), 3Δ₁/(2v)}, in grid units.
  package static func renyiBound(order: Double, variance v: Double, l1: Double, l2: Double) -> Double {
    let correction = min(((2 * order - 1) * l2 * l2 + 6 * l1) / (4 * v * v), 3 * l1 / (2 * v))
    return order * l2 * l2 / (2 * v) + correction
  }

  /// The divergence itself of one entry that moves by `distance`, by summation.
  package static func exactRenyi(order: Double, variance: Double, distance: Int) -> Double {
    let reach = variance.squareRoot() * (order * Double(distance) / variance.squareRoot() + 45) + order * Double(distance) + 60
    let far = Int(reach)
    let weights = probabilities(variance: variance, through: far + distance)
    var sum = 0.0
    for k in -far...far {
      let p = weights[abs(k - distance)]
      let q = weights[abs(k)]
      // q·((p/q)^α − 1 − α(p/q − 1)) is never negative, and its sum is the moment less 1.
      guard p > 0, q > 0 else { continue }
      let logRatio = log(p / q)
      sum += q * (expm1(order * logRatio) - order * expm1(logRatio))
    }
    return log1p(sum) / (order - 1)
  }
}

/// The distributed discrete Gaussian: a sum of n discrete Gaussians is nearly, not exactly, a discrete Gaussian.
package enum DistributedDiscreteGaussian {
  /// τ = 10·Σ_(k=1)^(n−1) e^(−2π²s²k/(k+1)), s the parameter of one share in grid units (Kairouz, Liu, Steinke 2021,
  /// arXiv:2102.06387, theorem 1).
  package static func tau(shareSigma s: Double, shares: Int) -> Double {
    var sum = 0.0
    for k in 1..<max(2, shares) where shares > 1 {
      let term = exp(-2 * Double.pi * Double.pi * s * s * Double(k) / Double(k + 1))
      sum += term
      // Further terms are no smaller than the limit e^(−2π²s²) and no larger than this one.
      if k > 1_000_000 { return 10 * (sum + term * Double(shares - 1 - k)) }
    }
    return 10 * sum
  }

  /// A bound of the Rényi divergence (the same, proposition 14): the least of three.
  ///
  /// - Parameters:
  ///   - sigma: √n·s, the parameter of the sum in grid units.
  ///   - l1, l2: distances between neighbours in grid units.
  package static func renyiBound(
    order: Double, sigma: Double, tau: Double, dimension: Double, l1: Double, l2: Double
  ) -> Double {
    let near = l2 * l2 / (sigma * sigma)
    let one = order / 2 * near + tau * dimension
    let two = order / 2 * (near + 2 * l1 / sigma * tau + tau * tau * dimension)
    let three = order / 2 * (l2 / sigma + dimension.squareRoot() * tau) * (l2 / sigma + dimension.squareRoot() * tau)
    return min(one, min(two, three))
  }

  /// The L2 distance after conditional randomised rounding of a vector of norm c (grid units) with d entries, each attempt accepted
  /// with probability at least 1 − β (the same, section 3.1), and the L1 distance that follows from it.
  package static func roundedSensitivity(clip c: Double, dimension d: Double, beta: Double) -> (l1: Double, l2: Double) {
    let always = c + d.squareRoot()
    let likely = (c * c + d / 4 + (2 * log(1 / beta)).squareRoot() * (c + d.squareRoot() / 2)).squareRoot()
    let l2 = beta > 0 ? min(always, likely) : always
    return (l2 * min(d.squareRoot(), l2), l2)
  }
}
