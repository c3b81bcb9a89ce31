internal import Glibc

/// Poisson sampling with a cap on the cohort: when more are sampled, a uniform subset of `cap` is kept (arXiv:2508.15089, section 4.3).
struct TruncatedPoisson {
  /// The probability that the cohort is cut, given that the user is sampled: P(Bin(n−1, q) ≥ cap).
  let probability: Double
  /// The probability that the user is in a cohort that was cut.
  let rateWhenFull: Double

  /// - Returns: `nil` when the cap is never met.
  init?(rate: Double, users: Int, cap: Int) {
    let cut = Self.tail(users - 1, rate, from: cap)
    guard cut > 0 else { return nil }
    probability = min(1, cut)
    rateWhenFull = min(1, Self.tail(users, rate, from: cap + 1) * Double(cap) / (cut * Double(users)))
  }

  /// The probability that a user is sampled and kept: E[min(N, cap)]/n with N ~ Bin(n, q).
  static func participation(rate: Double, users: Int, cap: Int) -> Double {
    var expected = 0.0
    // E[min(N, cap)] = Σ_{j=1}^{cap} P(N ≥ j) = E[N] − Σ_{j>cap} P(N ≥ j); the excess is a sum over the upper tail.
    var k = cap + 1
    while k <= users {
      let term = Double(k - cap) * exp(logProbability(users, rate, k))
      expected += term
      if term < expected * 1e-17 || (term == 0 && Double(k) > Double(users) * rate) { break }
      k += 1
    }
    return max(0, rate - expected / Double(users))
  }

  /// P(Bin(n, q) ≥ k)
  static func tail(_ n: Int, _ q: Double, from k: Int) -> Double {
    if k <= 0 { return 1 }
    if k > n { return 0 }
    if q >= 1 { return 1 }
    let isUpper = Double(k) > Double(n) * q
    var sum = 0.0
    var index = isUpper ? k : k - 1
    while index >= 0, index <= n {
      let term = exp(logProbability(n, q, index))
      sum += term
      if term <= sum * 1e-18 { break }
      index += isUpper ? 1 : -1
    }
    return isUpper ? sum : 1 - sum
  }

  private static func logProbability(_ n: Int, _ q: Double, _ k: Int) -> Double {
    if q >= 1 { return k == n ? 0 : -.infinity }
    let (nn, kk) = (Double(n), Double(k))
    return lgamma(nn + 1) - lgamma(kk + 1) - lgamma(nn - kk + 1) + kk * log(q) + (nn - kk) * log1p(-q)
  }
}
