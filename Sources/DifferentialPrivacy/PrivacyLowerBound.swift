internal import Glibc

/// The ε that releases really have at least: an attacker's test that succeeds is a proof.
///
/// The test looks at one linear statistic of the releases that moves by the full shift whenever the user takes part. At
/// every threshold t, (ε, δ)-privacy would need P(S > t) ≤ e^ε·Q(S > t) + δ. Full participation makes it exact. The pair (P, Q) is always
/// one that users can bring about, which the pair that an accountant charges need not be; of integers, with the noise of
/// `GaussianRelease.attackMultiplier`.
package enum PrivacyLowerBound {
  package static func epsilon(_ summary: PrivacyLossSummary, delta: Double) -> Double {
    let loss = summary.loss
    // Where mechanisms are of several kinds: the whole composition of pairs that an adversary can bring about.
    guard loss.kernels.isEmpty else { return LossDistributionAccountant().lowerEpsilon(summary, delta: delta) }
    guard !loss.counts.isEmpty else { return 0 }
    let muSquared = loss.attackMuSquared
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

  /// A user at m partners tosses m coins in each of T releases: nothing but Bin(m·T, q) shifts of one Δ each. Under replace-one the
  /// other user of the exchange tosses the same coins, with contributions that point the other way.
  private static func sampled(
    _ term: PrivacyLoss.Term, count: Int, weight: Double, muSquared: Double, symmetric: Bool, delta: Double
  ) -> Double {
    // Per coin; the term's z is over the shifts of all coins together. With replace-one, that is 2mΔ: the statistic moves by half
    // the distance to either side.
    let z = term.attackMultiplier * Double(term.partners)
    let information = 1 / (z * z)
    let half = symmetric ? 0.5 : 1
    let deviation = (weight * weight * Double(count) * information + muSquared).squareRoot()
    let window = binomialWindow(count: count * term.partners, rate: term.coinRate)
    guard !window.isEmpty else { return 0 }
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
      let sure = hit * (1 - 1e-8) - delta
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

  /// Binomial probabilities within 12 standard deviations of the mean, in at most some thousand parts, each of which counts as its
  /// least number of successes: under P that makes the statistic smaller, under Q (of replace-one) larger. What is left out is below
  /// 1e-15. Empty where even that would take long: no attack is tried then.
  private static func binomialWindow(count: Int, rate: Double) -> [(successes: Int, probability: Double)] {
    let n = Double(count)
    let mean = n * rate
    let reach = 12 * (n * rate * (1 - rate)).squareRoot() + 40
    let first = max(0, Int((mean - reach).rounded(.down)))
    let last = min(count, Int((mean + reach).rounded(.up)))
    guard last - first < 1 << 22 else { return [] }
    // Ratios of neighbours from the mode outwards, then their sum: n! of large n has too few digits.
    let mode = min(last, max(first, Int(((n + 1) * rate).rounded(.down))))
    let odds = rate / (1 - rate)
    let size = (last - first) / partsMax + 1
    var parts = [Double](repeating: 0, count: (last - first) / size + 1)
    parts[(mode - first) / size] = 1
    var weight = 1.0
    for k in stride(from: mode + 1, through: last, by: 1) {
      if weight < 1e-22 { break }
      weight *= Double(count - k + 1) / Double(k) * odds
      parts[(k - first) / size] += weight
    }
    weight = 1
    for k in stride(from: mode - 1, through: first, by: -1) {
      if weight < 1e-22 { break }
      weight *= Double(k + 1) / (Double(count - k) * odds)
      parts[(k - first) / size] += weight
    }
    let total = parts.reduce(0, +)
    return parts.indices.map { (first + $0 * size, parts[$0] / total) }
  }

  private static let partsMax = 2048
}
