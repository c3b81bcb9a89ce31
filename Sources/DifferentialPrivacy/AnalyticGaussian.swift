internal import Glibc

/// The exact privacy curve of a Gaussian mechanism with distance μ = 1/z between neighbours (Balle, Wang 2018,
/// arXiv:1805.06530, theorem 8):
///
///     δ(ε) = Φ(μ/2 − ε/μ) − e^ε·Φ(−μ/2 − ε/μ)
///
/// Any adaptive sequence of full-participation Gaussian releases with fixed μ_j is such a mechanism with μ² = Σ μ_j²
/// (Dong, Roth, Su 2022, arXiv:1905.02383, corollary 3.3).
package enum AnalyticGaussian {
  /// log δ(ε).
  package static func logDelta(epsilon: Double, mu: Double) -> Double {
    if mu == 0 { return -.infinity }
    let a = mu / 2 - epsilon / mu
    let b = -mu / 2 - epsilon / mu
    if a < -2 {
      // e^ε·φ(b) = φ(a), so that δ = φ(a)·(M(−a) − M(−b)) with Mills' ratio M: no cancellation of large powers.
      let difference = NormalDistribution.millsRatio(-a) - NormalDistribution.millsRatio(-b)
      return difference > 0 ? NormalDistribution.logDensity(a) + log(difference) : -.infinity
    }
    let first = NormalDistribution.logCumulative(a)
    let second = epsilon + NormalDistribution.logCumulative(b)
    return second < first ? first + log1p(-exp(second - first)) : -.infinity
  }

  /// The bracket in which the ε lies at which δ(ε) = δ.
  package static func epsilon(delta: Double, mu: Double) -> (lower: Double, upper: Double) {
    let target = log(delta)
    guard logDelta(epsilon: 0, mu: mu) > target else { return (0, 0) }
    var upper = max(1e-12, mu * mu)
    while logDelta(epsilon: upper, mu: mu) > target { upper *= 2 }
    let bracket = leastWhere(from: min(1e-14, upper / 2), to: upper) {
      logDelta(epsilon: $0, mu: mu) <= target
    }
    return (bracket.below * (1 - numericalError), bracket.at * (1 + numericalError))
  }

  /// Bound of the relative error of ε from rounding in Double.
  static let numericalError = 1e-11
}
