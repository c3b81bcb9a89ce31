internal import Glibc

/// The privacy loss of one release on a grid, never smaller than the truth: connect the dots (Doroshenko, Ghazi, Kamath,
/// Kumar, Manurangsi 2022, arXiv:2207.04380).
///
/// The true curve δ(ε) is convex in e^ε; the grid's curve connects its values at grid points by straight lines, and so lies
/// above it. In terms of masses: what has a loss between two grid points is split between them so that both total
/// probabilities (under P and under Q) are kept.
struct DiscreteLoss {
  /// Distance of grid points.
  let step: Double
  /// The loss of `masses[i]` is (first + i)·step.
  let first: Int
  /// Probabilities under P.
  let masses: [Double]
  /// Probability under P of a loss above the grid.
  let infinity: Double

  /// A pair of distributions on the line whose log ratio is monotone.
  enum Pair: Hashable {
    /// N(μ, 1) against N(0, 1); symmetric.
    case gaussian(mu: Double)
    /// (1−q)N(0, z²) + qN(1, z²) against N(0, z²): a user is removed.
    case removing(rate: Double, noiseMultiplier: Double)
    /// N(0, z²) against (1−q)N(0, z²) + qN(1, z²): a user is added.
    case adding(rate: Double, noiseMultiplier: Double)
    /// (1−q)N(0, z²) + qN(1, z²) against (1−q)N(0, z²) + qN(−1, z²); symmetric.
    case replacing(rate: Double, noiseMultiplier: Double)
  }

  /// - Parameter logTail: log of the probability that may be left to the ends.
  init(_ pair: Pair, step: Double, logTail: Double) {
    let reach = Self.reach(logTail)
    // Losses grow with x; in the adding direction the axis is turned round.
    let (lowest, highest) = pair.losses(reach: reach)
    let first = Int((lowest / step).rounded(.down))
    let last = max(first + 1, Int((highest / step).rounded(.up)))
    var masses = [Double](repeating: 0, count: last - first + 1)
    var infinity = 0.0
    masses.withUnsafeMutableBufferPointer { masses in
      var position = pair.position(ofLoss: Double(first) * step)
      masses[0] += pair.probabilities(-.infinity, position).p
      let grow = -expm1(-step)
      for index in 0..<last - first {
        let loss = Double(first + index) * step
        let next = pair.position(ofLoss: loss + step)
        let (p, q) = pair.probabilities(position, next)
        // a + b = p and a·e^(−ε) + b·e^(−ε−h) = q; a hair more for the upper point, against rounding.
        let upper = min(p, max(0, (p - q * exp(loss)) / grow) + p * 1e-11)
        masses[index] += p - upper
        masses[index + 1] += upper
        position = next
      }
      infinity = pair.probabilities(position, .infinity).p
    }
    self.step = step
    self.first = first
    self.masses = masses
    self.infinity = infinity
  }

  /// log E[e^(λL)] over the finite part.
  func logMoment(_ lambda: Double) -> Double {
    let (peak, sum) = scaledMoment(lambda)
    return peak + log(sum)
  }

  /// The masses times e^(λL), summing to 1.
  func tilted(_ lambda: Double) -> [Double] {
    let (peak, sum) = scaledMoment(lambda)
    return masses.enumerated().map { index, mass in
      mass == 0 ? 0 : mass * exp(lambda * step * Double(first + index) - peak) / sum
    }
  }

  /// E[e^(λL)] = e^peak · sum with the largest exponent taken out.
  private func scaledMoment(_ lambda: Double) -> (peak: Double, sum: Double) {
    // The largest exponent of entries that can matter: mass and factor together.
    var peak = -Double.infinity
    for (index, mass) in masses.enumerated() where mass > 0 {
      let exponent = lambda * step * Double(first + index) + log(mass)
      if exponent > peak { peak = exponent }
    }
    var sum = 0.0
    for (index, mass) in masses.enumerated() where mass > 0 {
      sum += mass * exp(lambda * step * Double(first + index) - peak)
    }
    return (peak, sum)
  }

  /// R with Φ(−R) = e^logTail.
  private static func reach(_ logTail: Double) -> Double {
    var low = 0.0
    var high = 200.0
    for _ in 0..<60 {
      let middle = (low + high) / 2
      if NormalDistribution.logCumulative(-middle) > logTail { low = middle } else { high = middle }
    }
    return high
  }
}

extension DiscreteLoss.Pair {
  /// The losses outside which P has less than the tail on either side.
  func losses(reach: Double) -> (Double, Double) {
    switch self {
    case .gaussian(let mu): return (mu * mu / 2 - mu * reach, mu * mu / 2 + mu * reach)
    case .removing(let q, let z): return (mixtureLoss(-z * reach, q, z), mixtureLoss(1 + z * reach, q, z))
    case .adding(let q, let z): return (-mixtureLoss(z * reach, q, z), -mixtureLoss(-z * reach, q, z))
    case .replacing(let q, let z):
      let top = mixtureLoss(1 + z * reach, q, z) - mixtureLoss(-1 - z * reach, q, z)
      let bottom = mixtureLoss(-z * reach, q, z) - mixtureLoss(z * reach, q, z)
      return (bottom, top)
    }
  }

  /// Where on the (possibly turned) axis the loss is reached.
  func position(ofLoss loss: Double) -> Double {
    switch self {
    case .gaussian(let mu): return loss / mu + mu / 2
    case .removing(let q, let z): return mixturePosition(loss, q, z)
    case .adding(let q, let z): return -mixturePosition(-loss, q, z)
    case .replacing(let q, let z):
      // privacy-formulas: x(L) = z²(asinh(−sinh(L/2)·α) − L/2), with the axis turned so that losses grow.
      let alpha = log((1 - q) / q) + 1 / (2 * z * z)
      return z * z * (scaledArcSinh(loss / 2, alpha) + loss / 2)
    }
  }

  /// Probabilities of an interval under P and Q.
  func probabilities(_ from: Double, _ to: Double) -> (p: Double, q: Double) {
    switch self {
    case .gaussian(let mu): return (interval(from - mu, to - mu), interval(from, to))
    case .removing(let q, let z):
      let plain = interval(from / z, to / z)
      return ((1 - q) * plain + q * interval((from - 1) / z, (to - 1) / z), plain)
    case .adding(let q, let z):
      // Turned: the mixture's second part lies at −1.
      let plain = interval(from / z, to / z)
      return (plain, (1 - q) * plain + q * interval((from + 1) / z, (to + 1) / z))
    case .replacing(let q, let z):
      let plain = (1 - q) * interval(from / z, to / z)
      return (
        plain + q * interval((from - 1) / z, (to - 1) / z), plain + q * interval((from + 1) / z, (to + 1) / z)
      )
    }
  }

  /// log(1 − q + q·e^((2x−1)/(2z²)))
  private func mixtureLoss(_ x: Double, _ q: Double, _ z: Double) -> Double {
    logAddExp(log1p(-q), log(q) + (2 * x - 1) / (2 * z * z))
  }

  /// Its inverse; −∞ below its range.
  private func mixturePosition(_ loss: Double, _ q: Double, _ z: Double) -> Double {
    let floor = log1p(-q)
    guard loss > floor else { return -.infinity }
    // log((e^L − (1 − q))/q)
    let logit = loss > 1 ? loss + log1p(-exp(floor - loss)) : log(expm1(loss) + q)
    return z * z * (logit - log(q)) + 0.5
  }

  /// asinh(sinh(y)·e^a)
  private func scaledArcSinh(_ y: Double, _ a: Double) -> Double {
    if abs(y) < 20, abs(a) < 600 { return asinh(sinh(y) * exp(a)) }
    // |sinh(y)·e^a| = e^(|y| + a)·(1 − e^(−2|y|))/2
    let logValue = abs(y) + a + log1p(-exp(-2 * abs(y))) - log(2.0)
    let magnitude = logValue > 20 ? logValue + log(2.0) : asinh(exp(logValue))
    return y < 0 ? -magnitude : magnitude
  }

  /// Φ(to) − Φ(from), from the nearer tail.
  private func interval(_ from: Double, _ to: Double) -> Double {
    guard to > from else { return 0 }
    if from > 0 {
      return 0.5 * (erfc(from * 0.5.squareRoot()) - erfc(to * 0.5.squareRoot()))
    }
    return 0.5 * (erfc(-to * 0.5.squareRoot()) - erfc(-from * 0.5.squareRoot()))
  }
}
