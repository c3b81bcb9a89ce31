internal import CVectorKernels
internal import Glibc

/// Privacy loss distributions: the composed loss itself, by Fourier transform, for plans whose parameters are fixed.
///
/// Each release is discretised upwards (`DiscreteLoss`), both directions of neighbours are composed separately, and the
/// larger ε counts (Lebeda, Regehr, Kamath, Steinke 2024). Masses are tilted by e^(λL) before the transform, with λ where the
/// answer lies (Rényi's best order − 1), so that rounding is relative to δ and not to 1. What the grid's
/// window cannot hold is charged to δ by Chernoff's bound.
///
/// - Warning: valid when z and q of every release were fixed before any result was seen. Plans that adapt compose under
///   `RenyiAccountant`.
public struct LossDistributionAccountant: PrivacyAccountant {
  public init() {}

  public var name: String { "pld" }
  public var theorem: String {
    "Privacy loss distribution on a grid from above (connect the dots, Doroshenko et al. 2022), both directions composed separately; discrete Gaussian as post-processing of the Gaussian of variance σ² − 4, up to κ; independent secret coins per user and release, parameters fixed by the plan"
  }

  public func covers(_ loss: PrivacyLossSummary) -> Bool { true }

  public func upperEpsilon(_ summary: PrivacyLossSummary, delta: Double) -> Double {
    let loss = summary.loss
    if loss.counts.isEmpty { return 0 }
    let target = delta * exp(-loss.kappa)
    // Where the divergence alone is below δ, nothing needs composing.
    if RenyiAccountant(orders: [1.1]).upperEpsilon(summary, delta: delta) <= 2 * loss.kappa {
      return 2 * loss.kappa
    }
    let start = RenyiAccountant().bestOrder(for: loss, delta: target)
    let guess = max(start.epsilon, 1e-9)
    let directions = Self.directions(of: loss)
    let step = step(for: directions, loss: loss, order: start.order, scale: guess, target: target)
    // The answer is not below what an attack proves: the window must reach down to there.
    let least = min(guess, PrivacyLowerBound.epsilon(summary, delta: delta))
    let worst = refined(
      directions, lambda: start.order - 1, step: step, least: least, target: target, tolerance: 2e-4
    ) { $0.epsilon(delta: target) }
    // Both are proven, so that the smaller one counts.
    return min(guess, worst) * (1 + Self.numericalError) + 2 * loss.kappa
  }

  public func upperDelta(_ summary: PrivacyLossSummary, epsilon: Double) -> Double {
    let loss = summary.loss
    if loss.counts.isEmpty { return 0 }
    let target = max(0, epsilon * (1 - Self.numericalError) - 2 * loss.kappa)
    let renyi = RenyiAccountant().upperDelta(summary, epsilon: epsilon)
    let order = RenyiAccountant().bestOrder(for: loss, epsilon: target)
    let directions = Self.directions(of: loss)
    let floor = max(renyi, 1e-300)
    let step = step(for: directions, loss: loss, order: order, scale: max(target, 1e-9), target: floor)
    let worst = refined(
      directions, lambda: order - 1, step: step, least: target, target: floor, tolerance: 2e-3
    ) { $0.delta(epsilon: target) }
    return min(renyi, worst * exp(loss.kappa) * (1 + Self.numericalError), 1)
  }

  /// The larger value of the directions, on grids that are halved until halving changes it little. Every grid gives a
  /// bound, so that stopping early costs tightness only.
  private func refined(
    _ directions: [Direction], lambda: Double, step: Double, least: Double, target: Double,
    tolerance: Double, _ value: (Composition) -> Double
  ) -> Double {
    var best = Double.infinity
    var step = 2 * step
    for _ in 0..<10 {
      var worst = 0.0
      var reached = step
      for direction in directions {
        let composed = Composition(direction, lambda: lambda, step: step, least: least, target: target)
        reached = max(reached, composed.step)
        // What is not a number proves nothing.
        let proven = value(composed)
        worst = proven.isNaN ? .infinity : max(worst, proven)
      }
      let change = best - worst
      best = min(best, worst)
      if abs(change) <= tolerance * best || reached > step || best == 0 { break }
      step /= 2
    }
    return best
  }

  /// The grid on which splitting the masses moves ε by about `accuracy` relatively: the composed log moment at the tilt is known
  /// without a grid from the Rényi divergence, and what the grid adds to it, over λ, is what it adds to ε.
  private func step(
    for directions: [Direction], loss: PrivacyLoss, order: Double, scale: Double, target: Double
  ) -> Double {
    let lambda = order - 1
    let releases = Double(directions[0].reduce(0) { $0 + $1.count })
    let exact = lambda * RenyiAccountant(orders: [order]).curve(of: loss)[0]
    let logTail = Composition.logTail(target: target, releases: releases)
    let finest =
      directions.joined().map { direction -> Double in
        let (lowest, highest) = direction.pair.losses(reach: (-2 * logTail).squareRoot())
        return (highest - lowest) / Double(Composition.maximumPoints)
      }.max() ?? 0
    // Splitting adds about h²/6 to the variance of a release.
    var step = min(scale / 50, (Self.accuracy * 12 * scale / (releases * (1 + lambda))).squareRoot())
    for _ in 0..<12 where step > finest && exact.isFinite {
      var moment = 0.0
      for (pair, count) in directions[0] {
        moment += Double(count) * DiscreteLoss(pair, step: step, logTail: logTail).logMoment(lambda)
      }
      let excess = (moment - exact) / lambda / (Self.accuracy * scale)
      if excess <= 1.5 { break }
      step *= max(1.0 / 8, 0.9 / excess.squareRoot())
    }
    return max(step, finest)
  }

  typealias Direction = [(pair: DiscreteLoss.Pair, count: Int)]

  /// What is composed for each direction of neighbours: full participation as one Gaussian, then the sampled terms.
  private static func directions(of loss: PrivacyLoss) -> [Direction] {
    var common: Direction = []
    if loss.fullParticipationMuSquared > 0 {
      common.append((.gaussian(mu: loss.fullParticipationMuSquared.squareRoot()), 1))
    }
    let sampled = loss.sampledTerms
    if sampled.isEmpty { return [common] }
    if loss.adjacency == .replaceOne {
      // The term's z is over the distance 2Δ; the mixtures are shifted by Δ each.
      return [
        common
          + sampled.map {
            (.replacing(rate: $0.term.rate, noiseMultiplier: 2 * $0.term.noiseMultiplier), $0.count)
          }
      ]
    }
    return [
      common
        + sampled.map { (.removing(rate: $0.term.rate, noiseMultiplier: $0.term.noiseMultiplier), $0.count) },
      common
        + sampled.map { (.adding(rate: $0.term.rate, noiseMultiplier: $0.term.noiseMultiplier), $0.count) },
    ]
  }

  /// Relative; rounding of masses and transforms.
  static let numericalError = 1e-7
  /// Relative error of ε that the grid is chosen for; it only ever makes ε larger.
  private static let accuracy = 3e-5
}

/// One composed privacy loss in a window of the grid, under an exponential tilt.
private struct Composition {
  /// Distance of grid points; what was asked for, or wider where the window would not fit otherwise.
  let step: Double
  private let lambda: Double
  /// Grid index of `masses[0]`.
  private let bottom: Int
  /// Tilted composed masses.
  private let masses: [Double]
  /// log E[e^(λL)] of the whole composition.
  private let logMoment: Double
  private let releases: Double
  /// Charged to δ: infinite losses, and what lies above the window.
  private let charged: Double

  /// - Parameters:
  ///   - lambda: the tilt, positive.
  ///   - step: the wanted distance of grid points.
  ///   - least: a loss that the window must hold.
  ///   - target: about the δ that is looked for; the tails charged are far below it.
  init(
    _ direction: LossDistributionAccountant.Direction, lambda: Double, step: Double, least: Double,
    target: Double
  ) {
    var step = step
    releases = Double(direction.reduce(0) { $0 + $1.count })
    let logTail = Self.logTail(target: target, releases: releases)
    while true {
      let terms = direction.map {
        (loss: DiscreteLoss($0.pair, step: step, logTail: logTail), count: Double($0.count))
      }
      let moment = { (lambda: Double) in terms.reduce(0) { $0 + $1.count * $1.loss.logMoment(lambda) } }
      let centre = moment(lambda)
      // Chernoff, tilted by s more: what lies above the window has at most e^(K(λ+s) − K(λ) − s·top) of the tilted law. It
      // would enter at the bottom with its tilt undone by e^(−λε) instead of the true, smaller factor.
      let charge = log(target) - 14
      var top = Double.infinity
      for factor in Self.upperTilts {
        let extra = lambda * factor
        top = min(top, (moment(lambda + extra) - lambda * least - charge) / extra)
      }
      var floor = -Double.infinity
      for factor in Self.lowerTilts {
        let tilt = lambda * factor
        floor = max(floor, (centre - moment(lambda - tilt) - 23) / tilt)
      }
      let lowest = (min(floor, least) / step).rounded(.down) - 2
      let highest = max(lowest + 8, (top / step).rounded(.up) + 2)
      precondition(lowest.isFinite && highest.isFinite, "log moments of a finite grid are finite")
      guard highest - lowest < Double(Self.maximumPoints), abs(lowest) < 1e15 else {
        step *= 2
        continue
      }
      let bottomIndex = Int(lowest)
      var size = 16
      while size <= Int(highest - lowest) { size *= 2 }
      self.step = step
      self.lambda = lambda
      bottom = bottomIndex
      logMoment = centre
      masses = Self.composed(terms, lambda: lambda, size: size, bottom: bottomIndex)
      let aboveWindow = Double(bottomIndex + size) * step
      var lost = Double.infinity
      for factor in Self.upperTilts {
        let tilt = lambda * (1 + factor)
        lost = min(lost, moment(tilt) - tilt * aboveWindow)
      }
      charged = exp(lost) + terms.reduce(0) { $0 + $1.count * $1.loss.infinity }
      return
    }
  }

  /// The least ε ≥ 0 with δ(ε) ≤ δ.
  func epsilon(delta: Double) -> Double {
    let room = delta - charged
    guard room > 0 else { return .infinity }
    let shrink = exp(-step)
    let gain = -expm1(-step)
    // δ at the grid point below index k is δ at k plus (1 − e^(−h))·Σ_{i≥k} P_i e^(ε_k − ε_i): positive terms only.
    var below = 0.0
    var current = 0.0
    for index in stride(from: masses.count - 1, through: 0, by: -1) {
      below = below * shrink + probability(index)
      let next = current + gain * below
      guard next.isFinite else { return .infinity }
      if next + rounding(at: Double(bottom + index - 1) * step) > room {
        // e^(ε_k − ε) − 1 in units of this cell.
        let noise = rounding(at: Double(bottom + index - 1) * step)
        let fraction = max(0, room - noise - current) / below
        return max(0, Double(bottom + index) * step + log1p(-fraction))
      }
      current = next
      if bottom + index <= 0 { return 0 }
    }
    return max(0, Double(bottom) * step)
  }

  /// δ(ε), ε ≥ 0; infinite below the window.
  func delta(epsilon: Double) -> Double {
    guard epsilon >= Double(bottom) * step else { return .infinity }
    var sum = charged + rounding(at: epsilon)
    for index in masses.indices {
      let loss = Double(bottom + index) * step
      if loss > epsilon { sum += probability(index) * -expm1(epsilon - loss) }
    }
    return sum
  }

  /// What rounding in the transforms may hide of δ(ε): absolute errors of the tilted masses, which sum to 1. A power n
  /// multiplies the error of a spectrum by n.
  private func rounding(at epsilon: Double) -> Double {
    1e-15 * (16 + releases) * exp(logMoment - lambda * epsilon)
  }

  /// The mass without the tilt.
  private func probability(_ index: Int) -> Double {
    masses[index] * exp(logMoment - lambda * step * Double(bottom + index))
  }

  /// Circular convolution powers: what leaves the window at one end enters at the other. Entering at the top is on the safe
  /// side, and leaving at the top is charged.
  private static func composed(
    _ terms: [(loss: DiscreteLoss, count: Double)], lambda: Double, size: Int, bottom: Int
  ) -> [Double] {
    var cosines = [Double](repeating: 0, count: size)
    var sines = cosines
    tacit_fft_twiddles(&cosines, &sines, size)
    var productRe = [Double](repeating: 1, count: size)
    var productIm = [Double](repeating: 0, count: size)
    for (loss, count) in terms {
      var re = [Double](repeating: 0, count: size)
      var im = re
      for (index, mass) in loss.tilted(lambda).enumerated() { re[(loss.first + index) & (size - 1)] += mass }
      tacit_fft_forward(&re, &im, size, cosines, sines)
      tacit_multiply_power(&productRe, &productIm, re, im, size, UInt64(count))
    }
    tacit_fft_inverse(&productRe, &productIm, size, cosines, sines)
    return (0..<size).map { max(0, productRe[(bottom + $0) & (size - 1)]) / Double(size) }
  }

  /// What one release may leave to the ends of its grid: over all releases 1e-7 of δ.
  static func logTail(target: Double, releases: Double) -> Double { log(target) - 16 - log(releases) }

  static let maximumPoints = 1 << 21
  /// Factors of the tilt that are tried for Chernoff's bounds.
  private static let upperTilts = [0.25, 0.6, 1.2, 3]
  private static let lowerTilts = [0.25, 0.5, 1, 2, 4]
}
