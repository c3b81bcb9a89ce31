internal import Glibc
internal import Synchronization

/// Gaussian noise on a cohort of fixed size, drawn uniformly without replacement (Wang, Balle, Kasiviswanathan 2019,
/// arXiv:1808.00087, theorem 27; neighbours: replace-one).
///
/// With γ the fraction and f(j) = j/(2z²), z over the distance 2C of replace-one:
///
///     (a−1)·R(a) ≤ log(1 + γ²C(a,2)·min{4(e^f(2) − 1), 2e^f(2)}
///                        + Σ_{j≥3} γ^j C(a,j)·min{4·√(B(2⌊j/2⌋)·B(2⌈j/2⌉)), 2e^((j−1)f(j))})
///
/// with B(l) = E_Q[(P/Q − 1)^l], the forward difference of the theorem, for even l. Orders between integers: linear interpolation
/// of (α−1)R(α), which is convex (the same, corollary 10).
package enum FixedSizeSampling {
  package static func divergence(order: Double, fraction: Double, noiseMultiplier z: Double) -> Double {
    if fraction >= 1 { return RenyiDivergence.gaussian(order: order, noiseMultiplier: z) }
    let low = order.rounded(.down)
    let weight = order - low
    let terms = Terms.of(z: z)
    var scaled = terms.logMoment(order: Int(low), fraction: fraction)
    if weight > 0 { scaled = (1 - weight) * scaled + weight * terms.logMoment(order: Int(low) + 1, fraction: fraction) }
    return scaled / (order - 1)
  }

  /// The part that does not depend on the fraction: log of the minimum for each j.
  private struct Terms {
    let z: Double
    /// Index j, from 0; valid from 2 to `exactMax`.
    let logs: [Double]

    /// Above this order only the closed branch is used.
    static let exactMax = 256

    init(z: Double) {
      self.z = z
      let even = Self.evenDifferences(z: z, through: Self.exactMax)
      logs = (0...Self.exactMax).map { j in
        if j < 2 { return 0 }
        let closed = Self.closed(j, z: z)
        if j == 2 { return min(log(4.0) + log(expm1(1 / (z * z))), closed) }
        return min(log(4.0) + (even[j / 2] + even[(j + 1) / 2]) / 2, closed)
      }
    }

    /// log 2e^((j−1)f(j))
    static func closed(_ j: Int, z: Double) -> Double { log(2.0) + Double(j - 1) * Double(j) / (2 * z * z) }

    func logMoment(order: Int, fraction: Double) -> Double {
      guard order >= 2 else { return 0 }
      var total = -Double.infinity
      var logBinomial = log(Double(order))
      for j in 2...order {
        logBinomial += log(Double(order - j + 1) / Double(j))
        let term = order <= Self.exactMax || j == 2 ? logs[j] : Self.closed(j, z: z)
        total = logAddExp(total, logBinomial + Double(j) * log(fraction) + term)
      }
      return total > 40 ? total + exp(-total) : log1p(exp(total))
    }

    /// log E_Q[(e^((2x−1)/(2z²)) − 1)^(2i)] for i = 0 … `last`/2: an integral of something positive, by trapezoids, which converge
    /// geometrically for entire integrands.
    private static func evenDifferences(z: Double, through last: Int) -> [Double] {
      let count = last / 2 + 1
      let step = z / 16
      // Beyond the largest order the closed branch is the smaller one, so that a clipped integral is never used there.
      let far = min(Double(last), 60 * z * z + 60) + 40 * z
      let first = Int((-40 * z / step).rounded(.down))
      let end = Int((far / step).rounded(.up))
      var logs = [Double](repeating: -.infinity, count: count)
      var peaks = logs
      var sums = [Double](repeating: 0, count: count)
      for node in first...end {
        let x = Double(node) * step
        let t = (2 * x - 1) / (2 * z * z)
        let density = -x * x / (2 * z * z)
        let logAbsolute = t > 30 ? t + log1p(-exp(-t)) : log(abs(expm1(t)))
        guard logAbsolute > -.infinity else { continue }
        for i in 0..<count {
          let term = density + 2 * Double(i) * logAbsolute
          if term <= peaks[i] - 45 { continue }
          if term <= peaks[i] {
            sums[i] += exp(term - peaks[i])
          } else {
            sums[i] = sums[i] * exp(peaks[i] - term) + 1
            peaks[i] = term
          }
        }
      }
      for i in 0..<count {
        // Where the peak may lie beyond the nodes, nothing is claimed.
        let isCovered = 2 * Double(i) + 12 * z < far
        logs[i] = isCovered ? peaks[i] + log(sums[i]) + log(step / z) - 0.9189385332046727 : .infinity
      }
      return logs
    }

    static func of(z: Double) -> Terms {
      if let known = cache.withLock({ $0[z] }) { return known }
      let terms = Terms(z: z)
      cache.withLock { cache in
        if cache.count >= 256 { cache.removeAll() }
        cache[z] = terms
      }
      return terms
    }

    private static let cache = Mutex<[Double: Terms]>([:])
  }
}
