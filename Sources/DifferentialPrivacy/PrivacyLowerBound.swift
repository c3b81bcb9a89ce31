internal import Glibc

/// The ε that releases really have at least: an attacker's test that succeeds is a proof.
///
/// The test looks at one linear statistic of the releases that moves by the full shift whenever the user takes part. At
/// every threshold t, (ε, δ)-privacy would need P(S > t) ≤ e^ε·Q(S > t) + δ. Full participation makes it exact.
enum PrivacyLowerBound {
  static func epsilon(_ summary: PrivacyLossSummary, delta: Double) -> Double {
    let loss = summary.loss
    // Where mechanisms are of several kinds: the whole composition of pairs that an adversary can bring about.
    guard loss.kernels.isEmpty else { return LossDistributionAccountant().lowerEpsilon(summary, delta: delta) }
    guard !loss.counts.isEmpty else { return 0 }
    let muSquared = loss.fullParticipationMuSquared
    var best = 0.0
    if muSquared > 0 {
      best = max(0, AnalyticGaussian.epsilon(delta: delta, mu: muSquared.squareRoot()).lower - 2 * loss.kappa)
    }
    // Each kind of sampled release together with all full-participation releases; leaving others out is post-processing.
    for (term, count) in loss.sampledTerms {
      // Rarely sampled releases deserve less weight beside the others; any weight gives a sound test.
      for weight in muSquared > 0 ? [term.rate, term.rate.squareRoot(), 1] : [1] {
        let epsilon = sampled(
          term, count: count, weight: weight, muSquared: muSquared, symmetric: loss.adjacency == .replaceOne,
          delta: delta)
        best = max(best, epsilon - 2 * loss.kappa)
      }
    }
    return best
  }

  private static func sampled(
    _ term: PrivacyLoss.Term, count: Int, weight: Double, muSquared: Double, symmetric: Bool, delta: Double
  ) -> Double {
    // With replace-one, z is over 2Δ: the statistic moves by half the distance to either side.
    let information = 1 / (term.noiseMultiplier * term.noiseMultiplier)
    let half = symmetric ? 0.5 : 1
    let deviation = (weight * weight * Double(count) * information + muSquared).squareRoot()
    let window = binomialWindow(count: count, rate: term.rate)
    let shifts = window.map { (weight * Double($0.successes) * information + muSquared) * half }
    let mirrored = symmetric ? shifts.map { -$0 } : [Double](repeating: 0, count: shifts.count)
    let origin = symmetric ? -muSquared * half : 0
    let lower = (origin + (shifts.first ?? 0)) / 2 - 10 * deviation
    let upper = (shifts.last ?? 0) + 10 * deviation
    let proven = { (threshold: Double) -> Double in
      var hit = 0.0
      var logFalseAlarm = symmetric ? log(1e-15) : NormalDistribution.logCumulative(-threshold / deviation)
      for (index, part) in window.enumerated() {
        hit += part.probability * NormalDistribution.cumulative((shifts[index] - threshold) / deviation)
        if symmetric {
          // What the window leaves out counts as false alarm, see the start value.
          let alarm = NormalDistribution.logCumulative((mirrored[index] - threshold) / deviation)
          logFalseAlarm = logAddExp(logFalseAlarm, log(part.probability) + alarm)
        }
      }
      // A hair below what was computed, so that rounding cannot raise the bound.
      let sure = hit * (1 - 1e-10) - delta
      return sure > 0 ? log(sure) - logFalseAlarm : 0
    }
    // A coarse sweep, then a finer one around its best.
    var best = 0.0
    var step = (upper - lower) / 60
    var centre = (lower + upper) / 2
    for round in 0..<3 {
      let reach = round == 0 ? 30 : 8
      var here = centre
      for index in -reach...reach {
        let threshold = centre + Double(index) * step
        let epsilon = proven(threshold)
        if epsilon > best {
          best = epsilon
          here = threshold
        }
      }
      centre = here
      step /= 8
    }
    return best
  }

  /// Binomial probabilities within 12 standard deviations of the mean; what is left out is below 1e-15.
  private static func binomialWindow(count: Int, rate: Double) -> [(successes: Int, probability: Double)] {
    let n = Double(count)
    let mean = n * rate
    let reach = 12 * (n * rate * (1 - rate)).squareRoot() + 40
    let first = max(0, Int((mean - reach).rounded(.down)))
    let last = min(count, Int((mean + reach).rounded(.up)))
    return (first...last).map { successes in
      let k = Double(successes)
      let logProbability =
        lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(rate) + (n - k) * log1p(-rate)
      return (successes, exp(logProbability))
    }
  }
}
