internal import Glibc

/// An audit in one run of federated learning: every canary is a client whose update is a random direction, and the statistic
/// is the cosine of that direction with what was released (Andrew et al. 2023, arXiv:2302.03098).
///
/// A direction that nobody contributed has a cosine with density ∝ (1 − t²)^((d−3)/2), about N(0, 1/d): the null needs no
/// second set of canaries.
public struct OneShotAudit: Hashable, Sendable {
  /// Cosines of the canaries that took part.
  public let cosines: [Double]
  /// d
  public let dimension: Int

  /// - Throws: `PrivacyParameterError` for fewer than 2 canaries or dimensions, or what is no cosine.
  public init(cosines: [Double], dimension: Int) throws(PrivacyParameterError) {
    guard cosines.count >= 2, dimension >= 2 else {
      throw PrivacyParameterError(
        "\(cosines.count) canaries in \(dimension) dimensions; expected at least 2 of each for an audit by cosines")
    }
    guard let odd = cosines.first(where: { !(-1...1).contains($0) }) else {
      self.cosines = cosines
      self.dimension = dimension
      return
    }
    throw PrivacyParameterError("\(odd) is no cosine; expected −1 to 1")
  }

  /// Mean of the cosines, in standard deviations 1/√d of the null.
  public var shift: Double { mean * Double(dimension).squareRoot() }

  private var mean: Double { cosines.reduce(0, +) / Double(cosines.count) }

  /// A lower bound on ε: the best threshold at a cosine, with the exact false-positive rate of the null and Jeffreys' upper
  /// limit of the false-negative rate (section 4; thresholds are not corrected for, as in the paper).
  ///
  /// - Parameter significance: of the limit of the false-negative rate.
  public func epsilonLowerBound(delta: Double, significance: Double) -> Double {
    let count = Double(cosines.count)
    var best = 0.0
    for (misses, cosine) in cosines.sorted().enumerated() {
      let missed = Double(misses)
      let falseNegative = TailProbabilities.betaQuantile(missed + 0.5, count - missed + 0.5, at: 1 - significance)
      best = max(best, Self.epsilon(logFalsePositive: logNull(above: cosine), falseNegative: falseNegative, delta: delta))
    }
    return best
  }

  /// A lower bound at one threshold that was fixed beforehand, by Clopper and Pearson's limit of the false-negative rate.
  ///
  /// Holds with probability 1 − significance; a verdict rests on this one.
  ///
  /// - Parameter threshold: in standard deviations 1/√d of the null.
  public func epsilonLowerBound(threshold: Double, delta: Double, significance: Double) -> Double {
    let cosine = threshold / Double(dimension).squareRoot()
    let misses = cosines.count { $0 < cosine }
    let falseNegative =
      misses == cosines.count
      ? 1 : TailProbabilities.betaQuantile(Double(misses) + 1, Double(cosines.count - misses), at: 1 - significance)
    return Self.epsilon(logFalsePositive: logNull(above: cosine), falseNegative: falseNegative, delta: delta)
  }

  /// The ε of N(0, 1/d) against a Gaussian fitted to the cosines.
  ///
  /// - Warning: an estimate, and far too large for few canaries and small δ: the fitted variance decides it.
  public func estimate(delta: Double) -> Double {
    let center = mean
    let variance = cosines.reduce(0) { $0 + ($1 - center) * ($1 - center) } / Double(cosines.count)
    return TwoGaussians(
      mean: center, first: 1 / Double(dimension).squareRoot(), second: max(variance.squareRoot(), 1e-300)
    ).epsilon(delta: delta)
  }

  /// The same with the variance of the null on both sides: the ε of a Gaussian mechanism with μ = mean·√d.
  ///
  /// - Warning: an estimate, no bound.
  public func equalVarianceEstimate(delta: Double) -> Double {
    shift > 0 ? AnalyticGaussian.epsilon(delta: delta, mu: shift).upper : 0
  }

  /// log P(cosine of an unseen direction > cosine): the normal distribution from 1000 dimensions on, as in the paper's code,
  /// below that P(Beta((d − 1)/2, ½) < 1 − t²)/2.
  private func logNull(above cosine: Double) -> Double {
    if dimension >= 1000 { return NormalDistribution.logCumulative(-cosine * Double(dimension).squareRoot()) }
    let tail = TailProbabilities.beta(Double(dimension - 1) / 2, 0.5, below: 1 - cosine * cosine) / 2
    return cosine >= 0 ? log(tail) : log1p(-tail)
  }

  private static func epsilon(logFalsePositive: Double, falseNegative: Double, delta: Double) -> Double {
    var best = 0.0
    let power = 1 - delta - falseNegative
    if power > 0 { best = max(best, log(power) - logFalsePositive) }
    let rest = 1 - delta - exp(logFalsePositive)
    if rest > 0, falseNegative > 0 { best = max(best, log(rest) - log(falseNegative)) }
    return best
  }
}

/// Two normal distributions, N(0, first²) and N(mean, second²), as neighbours.
public struct TwoGaussians: Hashable, Sendable {
  public let mean: Double
  public let first: Double
  public let second: Double

  /// - Parameters:
  ///   - mean: of the second distribution.
  ///   - first: standard deviation of the first, positive.
  ///   - second: standard deviation of the second, positive.
  public init(mean: Double, first: Double, second: Double) {
    precondition(first > 0 && second > 0, "a normal distribution has a positive standard deviation")
    self.mean = mean
    self.first = first
    self.second = second
  }

  /// The ε at which neither direction exceeds δ: δ(ε) = P₁(L > ε) − e^ε·P₂(L > ε) with the log-ratio L, a square polynomial
  /// (Steinke 2022, arXiv:2210.00597, proposition 7).
  public func epsilon(delta: Double) -> Double {
    let target = log(delta)
    func logDelta(_ epsilon: Double) -> Double {
      max(
        Self.logDelta(epsilon, mean: mean, first: first, second: second),
        Self.logDelta(epsilon, mean: -mean, first: second, second: first))
    }
    guard logDelta(0) > target else { return 0 }
    var upper = 1.0
    while logDelta(upper) > target { upper *= 2 }
    return leastWhere(from: min(1e-12, upper / 2), to: upper) { logDelta($0) <= target }.at
  }

  /// log δ(ε) of N(0, first²) over N(mean, second²).
  private static func logDelta(_ epsilon: Double, mean: Double, first: Double, second: Double) -> Double {
    // L(y) − ε = a·y² + b·y + c
    let a = (1 / (second * second) - 1 / (first * first)) / 2
    let b = -mean / (second * second)
    let c = mean * mean / (2 * second * second) + log(second / first) - epsilon
    let inside: Double
    let outside: Double
    if abs(a) * first * first < 1e-9 {
      guard b != 0 else { return -.infinity }
      // The half line on which the line is positive.
      let border = -c / b
      func mass(_ center: Double, _ deviation: Double) -> Double {
        let z = (border - center) / deviation
        return NormalDistribution.logCumulative(b > 0 ? -z : z)
      }
      inside = mass(0, first)
      outside = mass(mean, second)
    } else {
      let determinant = b * b - 4 * a * c
      guard determinant > 0 else { return a > 0 ? log(max(0, 1 - exp(epsilon))) : -.infinity }
      let roots = [(-b - determinant.squareRoot()) / (2 * a), (-b + determinant.squareRoot()) / (2 * a)].sorted()
      func mass(_ center: Double, _ deviation: Double) -> Double {
        let (low, high) = ((roots[0] - center) / deviation, (roots[1] - center) / deviation)
        if a > 0 { return logAddExp(NormalDistribution.logCumulative(low), NormalDistribution.logCumulative(-high)) }
        // Between the roots, by the tail that is smaller.
        let (large, small) =
          low > 0
          ? (NormalDistribution.logCumulative(-low), NormalDistribution.logCumulative(-high))
          : (NormalDistribution.logCumulative(high), NormalDistribution.logCumulative(low))
        return large + log1p(-exp(small - large))
      }
      inside = mass(0, first)
      outside = mass(mean, second)
    }
    let factor = epsilon + outside - inside
    return factor < 0 ? inside + log1p(-exp(factor)) : -.infinity
  }
}
