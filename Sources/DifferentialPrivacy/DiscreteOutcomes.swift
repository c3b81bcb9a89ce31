internal import Glibc

/// Mechanisms with countable outcomes: the probabilities of each on two neighbours.
enum DiscreteOutcomes: Hashable {
  /// Integer noise P(k) ∝ e^(−k²/(2σ²)), neighbours `distance` apart (Canonne, Kamath, Steinke 2020, arXiv:2004.00010).
  case gaussian(sigma: Double, distance: Int)
  /// Integer noise P(k) ∝ e^(−a|k|) (Ghosh, Roughgarden, Sundararajan 2012, arXiv:0811.2841).
  case laplace(decay: Double, distance: Int)
  /// Integer noise, the difference of two Poisson variables of mean variance/2 each (Agarwal, Kairouz, Liu 2021, arXiv:2110.04995).
  case skellam(variance: Double, distance: Int)
  /// One of `buckets` answers: the truth, or with probability `noise` a uniform one. Against another truth, or (`toUniform`)
  /// against an answer that is uniform.
  case randomizedResponse(noise: Double, buckets: Int, toUniform: Bool)

  /// More outcomes than this are not counted one by one.
  static let countMax = 6_000_000.0

  var isSymmetric: Bool {
    if case .randomizedResponse(_, _, true) = self { return false }
    return true
  }

  /// All losses are multiples of it, where there is such a number.
  var lossUnit: Double? {
    switch self {
    case .gaussian(let sigma, let distance): Double(distance) / (2 * sigma * sigma)
    case .laplace(let decay, let distance): decay * (distance.isMultiple(of: 2) ? 2 : 1)
    case .skellam: nil
    case .randomizedResponse(let noise, let buckets, let toUniform):
      toUniform ? nil : log1p((1 - noise) * Double(buckets) / noise)
    }
  }

  /// A rough bound of the loss, to choose a grid by.
  func largestLoss(logTail: Double) -> Double {
    switch self {
    case .gaussian(let sigma, let distance):
      let d = Double(distance)
      return d * (reach(logTail) + d) / (sigma * sigma)
    case .laplace(let decay, let distance): return decay * Double(distance)
    case .skellam(let variance, let distance):
      let d = Double(distance)
      let far = reach(logTail) + d
      // log ratio of neighbouring probabilities at k is about asinh(k/variance).
      return d * asinh((far + 1) / variance) + d / variance
    case .randomizedResponse(let noise, let buckets, let toUniform):
      let k = Double(buckets)
      return toUniform ? max(log(k * (1 - noise) + noise), -log(noise)) : log1p((1 - noise) * k / noise)
    }
  }

  /// Probabilities of every outcome under P and Q; what is cut off has infinite loss in both directions.
  func pairs(logTail: Double) -> [(p: Double, q: Double)] {
    if case .randomizedResponse(let noise, let buckets, let toUniform) = self {
      let k = Double(buckets)
      let truth = 1 - noise + noise / k
      let other = noise / k
      return toUniform
        ? [(truth, 1 / k), ((k - 1) * other, (k - 1) / k)]
        : [(truth, other), (other, truth)] + (buckets > 2 ? [((k - 2) * other, (k - 2) * other)] : [])
    }
    let (distance, weights, tail) = halfLine(logTail: logTail)
    let far = weights.count - 1
    var result: [(p: Double, q: Double)] = []
    result.reserveCapacity(2 * far + distance + 3)
    for k in (distance - far)...max(far, distance - far) {
      guard abs(k) <= far, abs(k - distance) <= far else { continue }
      result.append((weights[abs(k - distance)], weights[abs(k)]))
    }
    // Outcomes that only one of the windows holds, and the tails.
    var lost = 2 * tail
    for k in max(0, far - distance + 1)...far { lost += weights[k] }
    result.append((lost, 0))
    result.append((0, lost))
    return result
  }

  /// P(noise = k) for k = 0, 1, …, far enough that the window lost to a shift by the distance is within the tail.
  private func halfLine(logTail: Double) -> (distance: Int, weights: [Double], tail: Double) {
    switch self {
    case .randomizedResponse: return (0, [1], 0)
    case .laplace(let decay, let distance):
      // (1 − e^(−a))/(1 + e^(−a))·e^(−a|k|)
      let far = Int((-logTail / decay).rounded(.up)) + 2 * distance + 2
      let scale = tanh(decay / 2)
      return (
        distance, (0...far).map { scale * exp(-decay * Double($0)) }, exp(-decay * Double(far + 1)) / (1 + exp(-decay))
      )
    case .gaussian(let sigma, let distance):
      let far = Int(reach(logTail)) + 2 * distance + 2
      var weights = (0...far).map { exp(-Double($0) * Double($0) / (2 * sigma * sigma)) }
      let total = 2 * weights.reversed().reduce(0, +) - weights[0]
      for index in weights.indices { weights[index] /= total }
      return (distance, weights, exp(logTail))
    case .skellam(let variance, let distance):
      let far = Int(reach(logTail)) + 2 * distance + 2
      return (distance, SkellamNoise.probabilities(variance: variance, through: far), exp(logTail))
    }
  }

  /// Beyond it on either side lies less than the tail.
  private func reach(_ logTail: Double) -> Double {
    switch self {
    case .gaussian(let sigma, _):
      // Sub-Gaussian: P(X ≥ t) ≤ e^(−t²/(2σ²)).
      return sigma * (-2 * logTail).squareRoot() + 1
    case .skellam(let variance, _):
      // Bernstein: P(X ≥ t) ≤ e^(−t²/(2(v + t/3))), as log E e^(sX) = v(cosh s − 1).
      let c = -logTail
      return c / 3 + (c * c / 9 + 2 * c * variance).squareRoot() + 1
    case .laplace(let decay, _): return -logTail / decay
    case .randomizedResponse: return 0
    }
  }

  /// How many outcomes would be counted.
  func size(logTail: Double) -> Double { 2 * reach(logTail) }
}
