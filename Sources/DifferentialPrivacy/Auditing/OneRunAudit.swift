internal import Glibc

/// The outcome of an audit in one run: every canary was in the data by a fair coin of its own, and an attacker who saw the
/// releases only guessed for some of them whether they were (Steinke, Nasr, Jagielski 2023, arXiv:2305.08846).
///
/// The number of guesses must have been fixed beforehand. What is computed from it are *lower* bounds from one experiment: an
/// attack that finds little proves nothing about stronger ones.
public struct OneRunAudit: Hashable, Sendable {
  /// m: canaries with independent fair coins.
  public let canaries: Int
  /// r: canaries that the attacker guessed about.
  public let guesses: Int
  /// v: right guesses.
  public let correct: Int

  /// - Throws: `PrivacyParameterError` unless 0 ≤ correct ≤ guesses ≤ canaries and there is a canary.
  public init(canaries: Int, guesses: Int, correct: Int) throws(PrivacyParameterError) {
    guard canaries >= 1, guesses >= 0, guesses <= canaries else {
      throw PrivacyParameterError("\(guesses) guesses about \(canaries) canaries; expected at most as many guesses as canaries")
    }
    guard (0...guesses).contains(correct) else {
      throw PrivacyParameterError("\(correct) of \(guesses) guesses were right; expected 0 to \(guesses)")
    }
    self.canaries = canaries
    self.guesses = guesses
    self.correct = correct
  }

  /// The attacker who calls the `inside` highest scores in and the `outside` lowest scores out.
  ///
  /// - Parameters:
  ///   - scores: one for each canary; higher speaks for being in. Ties are broken by position.
  ///   - members: the coins.
  ///   - inside: k₊, fixed beforehand.
  ///   - outside: k₋, fixed beforehand.
  /// - Throws: `PrivacyParameterError` when k₊ + k₋ exceeds the canaries, or the two lists differ in length.
  public init(scores: [Double], members: [Bool], inside: Int, outside: Int) throws(PrivacyParameterError) {
    guard scores.count == members.count else {
      throw PrivacyParameterError("\(scores.count) scores for \(members.count) canaries; expected one for each")
    }
    guard inside >= 0, outside >= 0, inside + outside <= scores.count else {
      throw PrivacyParameterError(
        "\(inside) + \(outside) guesses about \(scores.count) canaries; expected at most as many guesses as canaries")
    }
    let order = scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }
    var correct = 0
    for index in order.prefix(inside) where members[index] { correct += 1 }
    for index in order.suffix(outside) where !members[index] { correct += 1 }
    try self.init(canaries: scores.count, guesses: inside + outside, correct: correct)
  }

  /// How probable this many right guesses are, at most, if every release together is (ε, δ)-DP (theorem 5.2):
  ///
  ///     P[Bin(r, q) ≥ v] + 2mδ · max over 1 ≤ i ≤ v of P[v − i ≤ Bin(r, q) < v]/i,   q = e^ε/(1 + e^ε)
  public func pValue(epsilon: Double, delta: Double) -> Double {
    let success = 1 / (1 + exp(-epsilon))
    let tail = TailProbabilities.binomial(atLeast: correct, trials: guesses, success: success)
    guard delta > 0 else { return min(1, tail) }
    var window = 0.0
    var worst = 0.0
    for step in 1...max(1, correct) where correct > 0 {
      window += exp(TailProbabilities.logBinomial(correct - step, trials: guesses, success: success))
      worst = max(worst, window / Double(step))
    }
    return min(1, tail + 2 * Double(canaries) * delta * worst)
  }

  /// The largest ε that this audit rejects at δ; 0 where it rejects none.
  ///
  /// With all r guesses right and δ = 0 it is logit(β^(1/r)): no audit of 100 guesses shows more than 3.5 at 5 %.
  ///
  /// - Parameter significance: β, the probability of rejecting a true ε, above 0 and below 1.
  public func epsilonLowerBound(delta: Double, significance: Double) -> Double {
    largestRejected { pValue(epsilon: $0, delta: delta) < significance }
  }

  /// Whether no mechanism with the Gaussian trade-off curve of μ gives this many right guesses, at `significance`
  /// (Mahloujifar, Melis, Chaudhuri 2025, arXiv:2410.22235, algorithm 3, with f = G_μ).
  ///
  /// Tighter than `pValue`, and true only of Gaussian mechanisms (every release with full participation).
  public func rejectsGaussian(mu: Double, significance: Double) -> Bool {
    guard guesses > 0 else { return false }
    let (m, all) = (Double(canaries), Double(guesses))
    var right = significance * Double(correct) / m
    var wrong = significance * Double(guesses - correct) / m
    for step in stride(from: correct - 1, through: 0, by: -1) {
      guard right < 1 else { return true }
      let raised = max(wrong, NormalDistribution.cumulative(TailProbabilities.normalQuantile(right) - mu))
      if raised == wrong { break }
      right += Double(step) / (all - Double(step)) * (raised - wrong)
      wrong = raised
    }
    return right + wrong > all / m
  }

  /// The ε at δ of the largest Gaussian trade-off curve that this audit rejects; 0 where it rejects none.
  ///
  /// - Warning: a bound on ε only for mechanisms whose trade-off curve is Gaussian.
  public func gaussianEpsilonLowerBound(delta: Double, significance: Double) -> Double {
    let mu = largestRejected { rejectsGaussian(mu: $0, significance: significance) }
    return mu > 0 ? AnalyticGaussian.epsilon(delta: delta, mu: mu).lower : 0
  }

  /// The largest parameter that some threshold on the upper hull of (misses, rejections) rejects, each threshold at an equal
  /// share of the significance (Bonferroni), with guesses "in" only.
  ///
  /// For scores whose threshold was not fixed beforehand.
  ///
  /// - Parameter rejects: whether an audit rejects a parameter at a significance: `pValue` below it, or `rejectsGaussian`.
  package static func bestThreshold(
    members: [Double], others: [Double], significance: Double,
    rejects: (OneRunAudit, _ parameter: Double, _ significance: Double) -> Bool
  ) -> Double {
    let thresholds = Set(members + others).sorted() + [.infinity]
    let (ins, outs) = (members.sorted(), others.sorted())
    var points: [(missed: Int, rejected: Int)] = []
    var (missed, rejected) = (0, 0)
    for threshold in thresholds {
      while missed < ins.count, ins[missed] < threshold { missed += 1 }
      while rejected < outs.count, outs[rejected] < threshold { rejected += 1 }
      // Points under the chord of their neighbours are never the best.
      while let last = points.last, points.count >= 2 {
        let before = points[points.count - 2]
        let rise = (last.rejected - before.rejected) * (missed - last.missed)
        guard rise <= (rejected - last.rejected) * (last.missed - before.missed) else { break }
        points.removeLast()
      }
      points.append((missed, rejected))
    }
    let share = significance / Double(points.count)
    var best = 0.0
    for point in points {
      let right = ins.count - point.missed
      let guesses = right + outs.count - point.rejected
      guard let audit = try? OneRunAudit(canaries: ins.count + outs.count, guesses: guesses, correct: right) else { continue }
      best = audit.largestRejected(from: best) { rejects(audit, $0, share) }
    }
    return best
  }

  /// The end of the interval from `start` on which `rejects` holds; `start` where it does not hold there.
  private func largestRejected(from start: Double = 0, _ rejects: (Double) -> Bool) -> Double {
    guard guesses > 0, rejects(start) else { return start }
    var low = start
    var high = max(1, 2 * start)
    while rejects(high) {
      (low, high) = (high, high * 2)
      guard high < 1e6 else { return low }
    }
    while high - low > 1e-12 * high {
      let middle = (low + high) / 2
      if rejects(middle) { low = middle } else { high = middle }
    }
    return low
  }
}
