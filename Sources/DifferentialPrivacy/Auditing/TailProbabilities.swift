internal import Glibc

/// Tail probabilities that audits are made of: binomial, beta, χ², and quantiles of the normal distribution.
///
/// Relative errors are below 1e-10 for parameters up to 1e6; tails are computed on the side on which they are small.
package enum TailProbabilities {
  /// I_x(a, b), the regularised incomplete beta function: P(Beta(a, b) ≤ x).
  ///
  /// By Lentz's evaluation of the continued fraction (DLMF 8.17.22), on the side of the mean where it converges fast.
  package static func beta(_ a: Double, _ b: Double, below x: Double) -> Double {
    precondition(a > 0 && b > 0, "a beta distribution has positive parameters")
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    if x > (a + 1) / (a + b + 2) { return 1 - beta(b, a, below: 1 - x, complement: x) }
    return beta(a, b, below: x, complement: 1 - x)
  }

  private static func beta(_ a: Double, _ b: Double, below x: Double, complement y: Double) -> Double {
    let logFront = a * log(x) + b * log(y) + lgamma(a + b) - lgamma(a) - lgamma(b)
    if logFront < -745 { return 0 }
    // 1/(1 + d₁/(1 + d₂/(1 + …)))
    func term(_ index: Int) -> Double {
      let m = Double(index / 2)
      return index % 2 == 0
        ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
    }
    return exp(logFront) / (a * continuedFraction(numerator: term))
  }

  /// 1 + d₁/(1 + d₂/(1 + …)) by the modified method of Lentz.
  private static func continuedFraction(numerator: (Int) -> Double) -> Double {
    let tiny = 1e-300
    var value = 1.0
    var c = 1.0
    var d = 0.0
    for index in 1...200_000 {
      let term = numerator(index)
      d = 1 + term * d
      if abs(d) < tiny { d = tiny }
      d = 1 / d
      c = 1 + term / c
      if abs(c) < tiny { c = tiny }
      let factor = c * d
      value *= factor
      if abs(factor - 1) < 1e-15 { break }
    }
    return value
  }

  /// The x at which P(Beta(a, b) ≤ x) = p, by bisection.
  package static func betaQuantile(_ a: Double, _ b: Double, at p: Double) -> Double {
    var low = 0.0
    var high = 1.0
    while true {
      let middle = (low + high) / 2
      guard middle > low, middle < high, high - low > 1e-15 * high else { return high }
      if beta(a, b, below: middle) < p { low = middle } else { high = middle }
    }
  }

  /// log P(Bin(trials, success) = k).
  static func logBinomial(_ k: Int, trials: Int, success: Double) -> Double {
    let (n, k) = (Double(trials), Double(k))
    if success <= 0 { return k == 0 ? 0 : -.infinity }
    if success >= 1 { return k == n ? 0 : -.infinity }
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(success) + (n - k) * log1p(-success)
  }

  /// P(Bin(trials, success) ≥ k).
  package static func binomial(atLeast k: Int, trials: Int, success: Double) -> Double {
    if k <= 0 { return 1 }
    if k > trials { return 0 }
    return beta(Double(k), Double(trials - k + 1), below: success)
  }

  /// P(χ² with `degrees` degrees of freedom > x), by the series or the continued fraction of Γ(a, x) (DLMF 8.7.1, 8.9.2).
  package static func chiSquared(above x: Double, degrees: Double) -> Double {
    let (above, below) = gamma(degrees / 2, at: x / 2)
    return above ?? 1 - (below ?? 0)
  }

  /// P(χ² with `degrees` degrees of freedom < x).
  package static func chiSquared(below x: Double, degrees: Double) -> Double {
    let (above, below) = gamma(degrees / 2, at: x / 2)
    return below ?? 1 - (above ?? 0)
  }

  /// The smaller of the two sides of the regularised incomplete gamma function.
  private static func gamma(_ a: Double, at x: Double) -> (above: Double?, below: Double?) {
    if x <= 0 { return (nil, 0) }
    let logFront = a * log(x) - x - lgamma(a)
    if x < a + 1 {
      var term = 1 / a
      var sum = term
      var k = a
      repeat {
        k += 1
        term *= x / k
        sum += term
      } while term > sum * 1e-16
      return (nil, exp(logFront) * sum)
    }
    // e^(−x)x^a/Γ(a) · 1/(x + 1 − a − 1(1 − a)/(x + 3 − a − …)), by the modified method of Lentz.
    var b = x + 1 - a
    var c = 1e300
    var d = 1 / b
    var value = d
    for index in 1...200_000 {
      let n = Double(index)
      let numerator = -n * (n - a)
      b += 2
      d = 1 / (numerator * d + b)
      c = b + numerator / c
      let factor = c * d
      value *= factor
      if abs(factor - 1) < 1e-15 { break }
    }
    return (exp(logFront) * value, nil)
  }

  /// P(N(0, 1) > x)
  package static func normal(above x: Double) -> Double { NormalDistribution.cumulative(-x) }

  /// P(|N(0, 1)| > x)
  package static func normal(twoSided x: Double) -> Double { erfc(abs(x) * 0.5.squareRoot()) }

  /// Φ⁻¹(p), by Newton's method on log Φ, which is concave: from the left it rises to the root without passing it.
  package static func normalQuantile(_ p: Double) -> Double {
    if p <= 0 { return -.infinity }
    if p >= 1 { return .infinity }
    if p == 0.5 { return 0 }
    if p > 0.5 { return -normalQuantile(1 - p) }
    let target = log(p)
    // Φ(−t) ≤ e^(−t²/2)/2, so that this is left of the root.
    var x = -(-2 * target).squareRoot()
    for _ in 0..<60 {
      let value = NormalDistribution.logCumulative(x)
      let step = (target - value) * exp(value - NormalDistribution.logDensity(x))
      x += step
      if abs(step) <= 1e-15 * max(1, abs(x)) { break }
    }
    return x
  }
}
