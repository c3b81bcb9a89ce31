internal import Glibc

/// Poisson sampling at several partners: P = Σ_j w_j·N(j, z²) with binomial weights against Q = N(0, z²).
///
/// The loss log Σ_j w_j·e^((jx − j²/2)/z²) grows along the line, from log w_0.
struct BinomialShifts {
  private let z: Double
  /// log w_j for j = 0, 1, …, m.
  private let logWeights: [Double]
  private let weights: [Double]

  /// - Precondition: at least one partner and 0 < rate < 1.
  init(partners: Int, rate: Double, z: Double) {
    precondition(partners >= 1 && rate > 0 && rate < 1, "shifts are binomial where a coin can fall either way")
    self.z = z
    logWeights = (0...partners).map { GaussianRelease.logPartnerCountProbability($0, rate, partners: partners) }
    weights = logWeights.map(exp)
  }

  /// The losses at which points far out on either side stand.
  func losses(reach: Double) -> (Double, Double) {
    (loss(at: -reach * z), loss(at: Double(weights.count - 1) + reach * z))
  }

  private func loss(at x: Double) -> Double { logAddExp(logWeights[0], shifted(x).value) }

  /// log Σ_{j ≥ 1} w_j·e^((jx − j²/2)/z²) and its slope: convex in x, with a slope between 1/z² and m/z².
  private func shifted(_ x: Double) -> (value: Double, slope: Double) {
    var peak = -Double.infinity
    for j in 1..<weights.count { peak = max(peak, exponent(j, x)) }
    var (sum, moment) = (0.0, 0.0)
    for j in 1..<weights.count {
      let term = exp(exponent(j, x) - peak)
      sum += term
      moment += Double(j) * term
    }
    return (peak + log(sum), moment / sum / (z * z))
  }

  private func exponent(_ j: Int, _ x: Double) -> Double {
    logWeights[j] + (Double(j) * x - Double(j) * Double(j) / 2) / (z * z)
  }

  /// Where the loss has a value; −∞ at log w_0 and below.
  private func position(ofLoss loss: Double) -> Double {
    guard loss > logWeights[0] else { return -.infinity }
    // log(e^L − w_0): by expm1 near 0, where both are near 1.
    let target =
      loss > 1 ? loss + log1p(-exp(logWeights[0] - loss)) : log(expm1(loss) - expm1(logWeights[0]))
    guard target > -.infinity else { return -.infinity }
    // One term alone is no more than the sum, so that each gives a point to the right; from there Newton's steps on a convex
    // function go left and never past the place.
    var x = Double.infinity
    for j in 1..<weights.count { x = min(x, (z * z * (target - logWeights[j]) + Double(j) * Double(j) / 2) / Double(j)) }
    for _ in 0..<100 {
      let (value, slope) = shifted(x)
      let step = (value - target) / slope
      x -= step
      if abs(step) <= 1e-13 * (abs(x) + z) { break }
    }
    return x
  }

  /// Cells as `LossPair.cells` makes them.
  func cells(_ range: (Double, Double), step: Double, offset: Double) -> LossCells {
    let noise = LineNoise.gaussian(z: z)
    let first = Int(((range.0 - offset) / step).rounded(.down)) - 1
    let count = max(1, Int(((range.1 - offset) / step).rounded(.up)) + 1 - first)
    let bottom = [Edge](repeating: .bottom, count: weights.count)
    let top = [Edge](repeating: .top, count: weights.count)
    func edges(_ index: Int) -> [Edge] {
      let x = position(ofLoss: offset + Double(index) * step)
      return x == -.infinity ? bottom : weights.indices.map { noise.edge(x, centre: Double($0)) }
    }
    func masses(_ from: [Edge], _ to: [Edge]) -> (p: Double, q: Double) {
      var p = 0.0
      for j in weights.indices { p += weights[j] * Edge.mass(from[j], to[j]) }
      return (p, Edge.mass(from[0], to[0]))
    }
    var p = [Double](repeating: 0, count: count)
    var q = p
    var last = edges(first)
    let below = masses(bottom, last)
    for index in 0..<count {
      let next = edges(first + index + 1)
      (p[index], q[index]) = masses(last, next)
      last = next
    }
    return LossCells(step: step, offset: offset, first: first, p: p, q: q, below: below, above: masses(last, top))
  }
}
