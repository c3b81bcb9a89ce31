internal import Glibc

/// A pair of distributions (P, Q) that dominates a release under one direction of neighbours; the other direction is its
/// reverse.
indirect enum LossPair: Hashable {
  /// N(μ, 1) against N(0, 1).
  case gaussian(mu: Double)
  /// (1−q)·N + q·(N shifted by 1) against N: a user is removed (Poisson sampling; Zhu, Dong, Wang 2022,
  /// arXiv:2106.08567, proposition 30). q = 1 is no sampling.
  case sampled(noise: LineNoise, rate: Double)
  /// (1−q)N(0, z²) + qN(1, z²) against (1−q)N(0, z²) + qN(−1, z²); symmetric (Lebeda, Regehr, Kamath, Steinke 2024,
  /// arXiv:2405.20769).
  case replacing(rate: Double, z: Double)
  /// Σ_j C(m,j)q^j(1−q)^(m−j)·N(j, z²) against N(0, z²): a user is removed who tosses a coin at each of m partners. Contributions
  /// that all point one way are the worst (Choquette-Choo, Ganesh, Steinke, Thakurta 2024, arXiv:2310.15526, section 4: mixtures of
  /// Gaussians are dominated by those with the norms of their shifts on a line).
  case binomial(partners: Int, rate: Double, z: Double)
  /// Outcomes that are counted one by one.
  case atoms(DiscreteOutcomes, rate: Double)
  /// By a coin that the adversary sees: the first with probability `weight`, else the second.
  case mixture(weight: Double, LossPair, LossPair)

  /// Whether the reverse has the same loss distribution.
  var isSymmetric: Bool {
    switch self {
    case .gaussian, .replacing: true
    case .sampled(_, let rate): rate >= 1
    case .binomial: false
    case .atoms(let outcomes, let rate): rate >= 1 && outcomes.isSymmetric
    case .mixture(_, let one, let other): one.isSymmetric && other.isSymmetric
    }
  }

  /// Whether the grid may be moved under it.
  var isAlongALine: Bool {
    switch self {
    case .gaussian, .sampled, .replacing, .binomial: true
    case .atoms, .mixture: false
    }
  }

  /// The largest loss in either direction, where there is one (pure differential privacy).
  var pureEpsilon: Double? {
    switch self {
    case .sampled(.laplace(let b), let rate): Self.pure(1 / b, rate)
    case .atoms(.laplace(let decay, let distance), let rate): Self.pure(decay * Double(distance), rate)
    case .atoms(.randomizedResponse(let noise, let buckets, let toUniform), let rate):
      Self.pure(
        DiscreteOutcomes.randomizedResponse(noise: noise, buckets: buckets, toUniform: toUniform).largestLoss(logTail: 0), rate)
    default: nil
    }
  }

  private static func pure(_ epsilon: Double, _ rate: Double) -> Double {
    rate < 1 ? max(mixtureLoss(epsilon, rate), -mixtureLoss(-epsilon, rate)) : epsilon
  }

  /// All losses are multiples of it, where there is such a number.
  var lossUnit: Double? {
    switch self {
    case .sampled(.laplace(let b), let rate): rate >= 1 ? 1 / b : nil
    case .atoms(let outcomes, let rate): rate >= 1 ? outcomes.lossUnit : nil
    default: nil
    }
  }

  /// Cuts the loss into cells.
  ///
  /// - Parameters:
  ///   - logTail: log of the probability that may be left to the ends.
  ///   - offset: moves the grid, of losses along a line.
  func cells(step: Double, logTail: Double, offset: Double = 0) -> LossCells {
    switch self {
    case .atoms(let outcomes, let rate):
      let pairs = outcomes.pairs(logTail: logTail)
      guard rate < 1 else { return LossCells(atoms: pairs, step: step) }
      return LossCells(atoms: pairs.map { (rate * $0.p + (1 - rate) * $0.q, $0.q) }, step: step)
    case .mixture(let weight, let one, let other):
      return one.cells(step: step, logTail: logTail).mixed(weight: weight, with: other.cells(step: step, logTail: logTail))
    case .gaussian(let mu):
      let noise = LineNoise.gaussian(z: 1 / mu)
      return Self.monotone(
        losses(logTail: logTail), step: step, offset: offset, position: { noise.position(ofLoss: $0) },
        edges: { (noise.edge($0, centre: 0), noise.edge($0, centre: 1), .bottom) }, p: { $0.1 }, q: { $0.0 })
    case .sampled(let noise, let rate):
      guard rate < 1 else {
        return Self.monotone(
          losses(logTail: logTail), step: step, offset: offset, position: { noise.position(ofLoss: $0) },
          edges: { (noise.edge($0, centre: 0), noise.edge($0, centre: 1), .bottom) }, p: { $0.1 }, q: { $0.0 })
      }
      let logRate = log(rate)
      let floor = log1p(-rate)
      return Self.monotone(
        losses(logTail: logTail), step: step, offset: offset,
        position: { loss in
          guard loss > floor else { return -.infinity }
          // log((e^L − (1 − q))/q)
          let logit = loss > 1 ? loss + log1p(-exp(floor - loss)) : log(expm1(loss) + rate)
          return noise.position(ofLoss: logit - logRate)
        },
        edges: { (noise.edge($0, centre: 0), noise.edge($0, centre: 1), .bottom) },
        p: { (1 - rate) * $0.0 + rate * $0.1 }, q: { $0.0 })
    case .replacing(let rate, let z):
      let noise = LineNoise.gaussian(z: z)
      let alpha = log((1 - rate) / rate) + 1 / (2 * z * z)
      return Self.monotone(
        losses(logTail: logTail), step: step, offset: offset,
        position: { loss in
          // x(L) = z²(asinh(sinh(L/2)·e^α) + L/2)
          z * z * (rate < 1 ? Self.scaledArcSinh(loss / 2, alpha) + loss / 2 : loss / 2)
        },
        edges: { (noise.edge($0, centre: 0), noise.edge($0, centre: 1), noise.edge($0, centre: -1)) },
        p: { (1 - rate) * $0.0 + rate * $0.1 }, q: { (1 - rate) * $0.0 + rate * $0.2 })
    case .binomial(let partners, let rate, let z):
      return BinomialShifts(partners: partners, rate: rate, z: z).cells(losses(logTail: logTail), step: step, offset: offset)
    }
  }

  /// The losses between which nearly everything lies, to choose a grid by.
  func losses(logTail: Double) -> (Double, Double) {
    let reach = Self.reach(logTail)
    switch self {
    case .gaussian(let mu): return (-mu * mu / 2 - mu * reach, mu * mu / 2 + mu * reach)
    case .sampled(let noise, let rate):
      let (low, high) = noise.losses(reach: reach)
      return rate < 1 ? (Self.mixtureLoss(low, rate), Self.mixtureLoss(high, rate)) : (low, high)
    case .replacing(let rate, let z):
      let (low, high) = LineNoise.gaussian(z: z).losses(reach: reach)
      guard rate < 1 else { return (2 * low, 2 * high) }
      let top = Self.mixtureLoss(high, rate) - Self.mixtureLoss(low - 1 / (z * z), rate)
      return (-top, top)
    case .binomial(let partners, let rate, let z):
      return BinomialShifts(partners: partners, rate: rate, z: z).losses(reach: reach)
    case .atoms(let outcomes, let rate):
      let high = outcomes.largestLoss(logTail: logTail)
      return rate < 1 ? (Self.mixtureLoss(-high, rate), Self.mixtureLoss(high, rate)) : (-high, high)
    case .mixture(_, let one, let other):
      let (a, b) = (one.losses(logTail: logTail), other.losses(logTail: logTail))
      return (min(a.0, b.0), max(a.1, b.1))
    }
  }

  /// Cells of a loss that grows along the line.
  @inline(__always)
  private static func monotone(
    _ range: (Double, Double), step: Double, offset: Double, position: (Double) -> Double, edges: (Double) -> (Edge, Edge, Edge),
    p: ((Double, Double, Double)) -> Double, q: ((Double, Double, Double)) -> Double
  ) -> LossCells {
    // A cell more at either end, so that a loss on the boundary lies inside whatever rounding does.
    let first = Int(((range.0 - offset) / step).rounded(.down)) - 1
    let count = max(1, Int(((range.1 - offset) / step).rounded(.up)) + 1 - first)
    let bottom: (Edge, Edge, Edge) = (.bottom, .bottom, .bottom)
    let top: (Edge, Edge, Edge) = (.top, .top, .top)
    func at(_ index: Int) -> (Edge, Edge, Edge) {
      let x = position(offset + Double(index) * step)
      return x == .infinity ? top : x == -.infinity ? bottom : edges(x)
    }
    func masses(_ from: (Edge, Edge, Edge), _ to: (Edge, Edge, Edge)) -> (Double, Double, Double) {
      (Edge.mass(from.0, to.0), Edge.mass(from.1, to.1), Edge.mass(from.2, to.2))
    }
    var ps = [Double](repeating: 0, count: count)
    var qs = ps
    var last = at(first)
    let below = masses(bottom, last)
    ps.withUnsafeMutableBufferPointer { ps in
      qs.withUnsafeMutableBufferPointer { qs in
        for index in 0..<count {
          let next = at(first + index + 1)
          let mass = masses(last, next)
          ps[index] = p(mass)
          qs[index] = q(mass)
          last = next
        }
      }
    }
    let above = masses(last, top)
    return LossCells(
      step: step, offset: offset, first: first, p: ps, q: qs, below: (p(below), q(below)), above: (p(above), q(above)))
  }

  /// log(1 − q + q·e^l)
  static func mixtureLoss(_ loss: Double, _ rate: Double) -> Double { logAddExp(log1p(-rate), log(rate) + loss) }

  /// asinh(sinh(y)·e^a)
  private static func scaledArcSinh(_ y: Double, _ a: Double) -> Double {
    if abs(y) < 20, abs(a) < 600 { return asinh(sinh(y) * exp(a)) }
    // |sinh(y)·e^a| = e^(|y| + a)·(1 − e^(−2|y|))/2
    let logValue = abs(y) + a + log1p(-exp(-2 * abs(y))) - log(2.0)
    let magnitude = logValue > 20 ? logValue + log(2.0) : asinh(exp(logValue))
    return y < 0 ? -magnitude : magnitude
  }

  /// R with Φ(−R) = e^logTail.
  private static func reach(_ logTail: Double) -> Double {
    var low = 0.0
    var high = max(10, (-2 * logTail).squareRoot() + 1)
    for _ in 0..<30 {
      let middle = (low + high) / 2
      if NormalDistribution.logCumulative(-middle) > logTail { low = middle } else { high = middle }
    }
    return high
  }
}
