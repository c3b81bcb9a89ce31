internal import Glibc

/// Rényi divergences of one release at one order, both directions of neighbours covered.
package enum RenyiDivergence {
  /// The Gaussian mechanism at order α: α/(2z²) (Mironov 2017, arXiv:1702.07476, proposition 7).
  package static func gaussian(order: Double, noiseMultiplier z: Double) -> Double { order / (2 * z * z) }

  /// The Poisson-sampled Gaussian under add/remove or zero-out (Mironov, Talwar, Zhang 2019, arXiv:1908.10530, theorem 5:
  /// the direction computed here is the larger one).
  ///
  /// Integer orders: R(a) = 1/(a−1)·log Σ C(a,k)(1−q)^(a−k) q^k e^((k²−k)/(2z²)). Others: the integral itself.
  package static func sampledGaussian(order: Double, rate q: Double, noiseMultiplier z: Double) -> Double {
    if q >= 1 { return gaussian(order: order, noiseMultiplier: z) }
    if order == order.rounded(), order < 1e6 {
      return integerOrder(Int(order), rate: q, noiseMultiplier: z)
    }
    // u = dP/dQ − 1 under Q = N(0, z²), P = (1−q)·N(0, z²) + q·N(1, z²).
    let sampled = excessIntegral(order: order, noiseMultiplier: z, from: 0, to: order) { x in
      let t = (2 * x - 1) / (2 * z * z)
      let logRatio = t > 30 ? t + log(q) + log1p((1 - q) / q * exp(-t)) : log1p(q * expm1(t))
      return (-x * x / (2 * z * z), t > 30 ? .infinity : q * expm1(t), logRatio)
    }
    // Sampling never costs more than taking part for certain.
    return min(sampled, gaussian(order: order, noiseMultiplier: z))
  }

  /// The Poisson-sampled Gaussian under replace-one, with z relative to one user's norm Δ (half the distance): the pair
  /// (1−q)N(0)+qN(−1), (1−q)N(0)+qN(+1), symmetric (Lebeda, Regehr, Kamath, Steinke 2024, arXiv:2405.20769).
  package static func sampledGaussianReplace(order: Double, rate q: Double, noiseMultiplier z: Double)
    -> Double
  {
    if q >= 1 { return gaussian(order: order, noiseMultiplier: z / 2) }
    let weight = 1 / (2 * z * z)
    let sampled = excessIntegral(order: order, noiseMultiplier: z, from: -2 * order, to: order) { x in
      let logP = logAddExp(log1p(-q), log(q) - (2 * x + 1) * weight)
      let logQ = logAddExp(log1p(-q), log(q) + (2 * x - 1) * weight)
      let logRatio = logP - logQ
      // q·(e^(−t₁) − e^(t₂)) without cancellation near x = 0.
      let u =
        abs(x) < z * z ? -2 * q * exp(-weight) * sinh(2 * x * weight) / exp(logQ) : expm1(logRatio)
      return (-x * x * weight + logQ, u, logRatio)
    }
    return min(sampled, gaussian(order: order, noiseMultiplier: z / 2))
  }

  /// A − 1 = Σ_{k≥2} C(a,k)(1−q)^(a−k) q^k (e^((k²−k)/(2z²)) − 1): all terms positive, no cancellation.
  private static func integerOrder(_ order: Int, rate q: Double, noiseMultiplier z: Double) -> Double {
    guard order >= 2 else { return 0 }
    let a = Double(order)
    let logQ = log(q)
    let logRest = log1p(-q)
    var total = -Double.infinity
    var logBinomial = log(a)
    for k in 2...order {
      let kk = Double(k)
      logBinomial += log((a - kk + 1) / kk)
      let exponent = (kk * kk - kk) / (2 * z * z)
      let logExcess = exponent > 40 ? exponent + log1p(-exp(-exponent)) : log(expm1(exponent))
      total = logAddExp(total, logBinomial + (a - kk) * logRest + kk * logQ + logExcess)
    }
    return logOnePlusExp(total) / (a - 1)
  }

  /// 1/(α−1)·log(1 + E_Q[(1+u)^α − 1 − αu]), as E_Q[u] = 0: the integrand is never negative.
  ///
  /// Trapezoids on an entire-line analytic integrand converge geometrically: the nearest singularity is πz² from
  /// the axis, and the step is at most z·min(1/16, z/5), an error below e^(−98).
  private static func excessIntegral(
    order: Double, noiseMultiplier z: Double, from lower: Double, to upper: Double,
    _ node: (Double) -> (logDensity: Double, u: Double, logRatio: Double)
  ) -> Double {
    let step = z * min(1.0 / 16, z / 5)
    guard (upper - lower + 80 * z) / step < Double(maximumNodes) else { return .infinity }
    let first = Int(((lower - 40 * z) / step).rounded(.down))
    let last = Int(((upper + 40 * z) / step).rounded(.up))
    var peak = -Double.infinity
    var sum = 0.0
    for index in first...last {
      let (logDensity, u, logRatio) = node(Double(index) * step)
      let term = logDensity + logExcess(order: order, u: u, logRatio: logRatio)
      if term <= peak {
        sum += exp(term - peak)
      } else if term > -.infinity {
        sum = sum * exp(peak - term) + 1
        peak = term
      }
    }
    let logExcess = peak + log(sum) + log(step / z) - 0.9189385332046727
    return logOnePlusExp(logExcess) / (order - 1)
  }

  /// Beyond it an integral is given up, and the divergence without sampling stands in for it.
  private static let maximumNodes = 100_000

  /// log((1+u)^α − 1 − αu), with log(1+u) given.
  private static func logExcess(order: Double, u: Double, logRatio: Double) -> Double {
    if abs(u) * order < 1e-2 {
      // Binomial series; the sixth omitted term is below 1e-16 of the first.
      var term = order * (order - 1) / 2
      var sum = term
      var power = 1.0
      for k in 3...10 {
        term *= (order - Double(k) + 1) / Double(k)
        power *= u
        sum += term * power
      }
      return u == 0 ? -.infinity : 2 * log(abs(u)) + log(sum)
    }
    let grown = order * logRatio
    if grown > 50 { return grown + log1p((order - 1) * exp(-grown) - order * exp(logRatio - grown)) }
    return log(expm1(grown) - order * u)
  }

  /// What dp-accounting 0.6.0 reports at fractional orders: the series of Mironov, Talwar, Zhang 2019, section 3.3,
  /// with the absolute values of its alternating terms. An upper bound, infinite where the series does not converge.
  /// For comparison with published tables only: `sampledGaussian` is the value itself, and smaller.
  package static func publishedSeries(order: Double, rate q: Double, noiseMultiplier z: Double) -> Double {
    if q >= 1 || order == order.rounded() {
      return sampledGaussian(order: order, rate: q, noiseMultiplier: z)
    }
    let crossing = z * z * log(1 / q - 1) + 0.5
    var total = -Double.infinity
    var last = (-Double.infinity, -Double.infinity)
    for i in 0..<1000 {
      let k = Double(i)
      let j = order - k
      let logBinomial = lgamma(order + 1) - lgamma(k + 1) - lgamma(order - k + 1)
      let left =
        logBinomial + k * log(q) + j * log1p(-q) + (k * k - k) / (2 * z * z)
        + NormalDistribution.logCumulative((crossing - k) / z)
      let right =
        logBinomial + j * log(q) + k * log1p(-q) + (j * j - j) / (2 * z * z)
        + NormalDistribution.logCumulative((j - crossing) / z)
      total = logAddExp(total, logAddExp(left, right))
      if left < last.0, right < last.1, max(left, right) < total - 30 { return total / (order - 1) }
      last = (left, right)
    }
    return .infinity
  }

  /// Laplace noise of pure ε (Mironov 2017, arXiv:1702.07476, proposition 6), in a form without cancellation.
  package static func laplace(order a: Double, pureEpsilon epsilon: Double) -> Double {
    epsilon + log1p((a - 1) * expm1(epsilon * (1 - 2 * a)) / (2 * a - 1)) / (a - 1)
  }

  /// Discrete Laplace noise P(k) ∝ e^(−s|k|), neighbours `distance` apart, by the sum of the definition: both tails are geometric.
  package static func discreteLaplace(order a: Double, decay s: Double, distance: Int) -> Double {
    let d = Double(distance)
    let tail = 1 / (1 + exp(-s))
    // E_Q[(P/Q)^a] with the factor e^(a·s·d) of the largest ratio taken out.
    var sum = tail * exp(-2 * a * s * d) + tail * exp(-s * d)
    for k in 1..<max(1, distance) where distance > 1 {
      let kk = Double(k)
      sum += tanh(s / 2) * exp(-s * kk + a * s * (2 * kk - 2 * d))
    }
    return max(0, (a * s * d + log(sum)) / (a - 1))
  }

  /// k-ary randomised response: with probability `noise` a uniform answer. Against another truth, or against an answer that is
  /// uniform (the larger direction).
  package static func randomizedResponse(order a: Double, noise: Double, buckets: Int, toUniform: Bool) -> Double {
    let k = Double(buckets)
    if toUniform {
      let high = log(k * (1 - noise) + noise)
      let low = log(noise)
      let moment = { (power: Double) in logAddExp(power * high - log(k), power * low + log1p(-1 / k)) }
      return max(0, max(moment(a), moment(1 - a)) / (a - 1))
    }
    let ratio = log1p((1 - noise) * k / noise)
    let ends = logAddExp(a * ratio + log(noise / k), -a * ratio + log1p(-noise + noise / k))
    return max(0, logAddExp(ends, buckets > 2 ? log((1 - 2 / k) * noise) : -.infinity) / (a - 1))
  }

  /// Poisson sampling of a release whose noise is symmetric, so that a reflection exchanges its neighbours: both directions are at
  /// most (Mironov, Talwar, Zhang 2019, theorem 5; Zhu, Wang 2019, theorem 6)
  ///
  ///     R'(a) = 1/(a−1)·log Σ C(a,k)(1−q)^(a−k) q^k e^((k−1)R(k))
  ///
  /// at integer orders; between them (α−1)R'(α) is convex, and linear interpolation is a bound.
  package static func sampled(order: Double, rate q: Double, plain: (Double) -> Double) -> Double {
    let low = order.rounded(.down)
    let weight = order - low
    var scaled = sampledLogMoment(Int(low), rate: q, plain: plain)
    if weight > 0 {
      scaled = (1 - weight) * scaled + weight * sampledLogMoment(Int(low) + 1, rate: q, plain: plain)
    }
    // Sampling never costs more than taking part for certain.
    return min(scaled / (order - 1), plain(order))
  }

  /// A divergence at any order from bounds at integer ones: (α − 1)R(α) is convex and 0 at α = 1 (van Erven, Harremoës 2014,
  /// arXiv:1206.2459, corollary 2).
  static func betweenIntegers(_ order: Double, _ divergence: (Double) -> Double) -> Double {
    let low = order.rounded(.down)
    guard low < order else { return divergence(order) }
    let weight = order - low
    let below = low > 1 ? (1 - weight) * (low - 1) * divergence(low) : 0
    return (below + weight * low * divergence(low + 1)) / (order - 1)
  }

  private static func sampledLogMoment(_ order: Int, rate q: Double, plain: (Double) -> Double) -> Double {
    guard order >= 2 else { return 0 }
    let a = Double(order)
    var total = -Double.infinity
    var logBinomial = log(a)
    for k in 2...order {
      let kk = Double(k)
      logBinomial += log((a - kk + 1) / kk)
      let exponent = (kk - 1) * plain(kk)
      guard exponent > 0 else { continue }
      let logExcess = exponent > 40 ? exponent + log1p(-exp(-exponent)) : log(expm1(exponent))
      total = logAddExp(total, logBinomial + (a - kk) * log1p(-q) + kk * log(q) + logExcess)
    }
    return logOnePlusExp(total)
  }

  private static func logOnePlusExp(_ x: Double) -> Double { x > 40 ? x + exp(-x) : log1p(exp(x)) }
}
