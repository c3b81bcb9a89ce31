internal import Glibc

/// The ε that releases really have at least: an attacker's test that succeeds is a proof.
///
/// The test looks at one linear statistic of the releases that moves by the full shift whenever the user takes part. At
/// every threshold t, (ε, δ)-privacy would need P(S > t) ≤ e^ε·Q(S > t) + δ. Full participation makes it exact.
enum PrivacyLowerBound {
  static func epsilon(_ summary: PrivacyLossSummary, delta: Double) -> Double {
    let loss = summary.loss
    guard !loss.counts.isEmpty else { return 0 }
    let muSquared = loss.fullParticipationMuSquared
    var best = 0.0
    if muSquared > 0 {
      best = max(0, AnalyticGaussian.epsilon(delta: delta, mu: muSquared.squareRoot()).lower - 2 * loss.kappa)
    }
    // Each kind of sampled release together with all full-participation releases; leaving others out is post-processing.
    for (term, count) in loss.sampledTerms {
      best = max(
        best,
        sampled(
          term, count: count, muSquared: muSquared, symmetric: loss.adjacency == .replaceOne, delta: delta)
          - 2 * loss.kappa)
    }
    return best
  }

  private static func sampled(
    _ term: PrivacyLoss.Term, count: Int, muSquared: Double, symmetric: Bool, delta: Double
  ) -> Double {
    // With replace-one, z is over 2Δ: the statistic moves by half the distance to either side.
    let information = 1 / (term.noiseMultiplier * term.noiseMultiplier)
    let half = symmetric ? 0.5 : 1
    let deviation = (Double(count) * information + muSquared).squareRoot()
    let weights = binomialWindow(count: count, rate: term.rate)
    let shifts = weights.map { (Double($0.successes) * information + muSquared) * half }
    let mirrored = symmetric ? shifts.map { -$0 } : [Double](repeating: 0, count: shifts.count)
    let origin = symmetric ? -muSquared * half : 0
    let lower = (origin + (shifts.first ?? 0)) / 2 - 10 * deviation
    let upper = (shifts.last ?? 0) + 10 * deviation
    var best = 0.0
    let steps = 400
    for step in 0...steps {
      let threshold = lower + (upper - lower) * Double(step) / Double(steps)
      var hit = 0.0
      var logFalseAlarm = -Double.infinity
      if !symmetric { logFalseAlarm = NormalDistribution.logCumulative(-threshold / deviation) }
      for (index, weight) in weights.enumerated() {
        hit += weight.probability * NormalDistribution.cumulative((shifts[index] - threshold) / deviation)
        if symmetric {
          logFalseAlarm = logAddExp(
            logFalseAlarm,
            log(weight.probability)
              + NormalDistribution.logCumulative((mirrored[index] - threshold) / deviation))
        }
      }
      // What the window leaves out counts as false alarm.
      if symmetric { logFalseAlarm = logAddExp(logFalseAlarm, log(1e-15)) }
      // A hair below what was computed, so that rounding cannot raise the bound.
      let sure = hit * (1 - 1e-10) - delta
      if sure > 0 { best = max(best, log(sure) - logFalseAlarm) }
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
