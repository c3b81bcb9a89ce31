internal import CVectorKernels
internal import Glibc

/// A composition of discretised privacy losses in a window of their grid, under an exponential tilt.
///
/// Masses are multiplied by e^(λL) and normalised before the transform, with λ where the answer lies, so that rounding is relative
/// to δ and not to 1. The window leaves less than e^(−25) of the tilted law outside on either side (Chernoff); what that can do to
/// δ is charged in an upper composition and taken off in a lower one.
struct ComposedLoss: ~Copyable {
  private let side: DiscreteLoss.Side
  private let step: Double
  /// The grid of the composition lies at origin + k·step.
  private let origin: Double
  private let lambda: Double
  /// Grid index of `masses[0]`.
  private let bottom: Int
  /// Tilted composed masses: the first `size` entries of `re`.
  private let memory: FourierMemory
  private let size: Int
  /// log E[e^(λL)] of the whole composition.
  private let logMoment: Double
  /// Charged to δ: infinite losses, and what lies above the window.
  private let charged: Double
  /// Of the tilted masses, which sum to 1: rounding of the transforms (a power n multiplies the error of a spectrum by n), and, on
  /// the lower side, what wraps round into the window. At ε it is worth e^(K − λε) of δ. The part for rounding is an estimate, some
  /// ten times what is observed, and no proven bound.
  private let doubt: Double

  /// - Parameters:
  ///   - terms: losses on one grid, and how often each.
  ///   - lambda: the tilt, positive.
  ///   - least: a loss that the window must hold.
  ///   - points: the largest window.
  /// - Returns: `nil` when the window is larger; a wider grid or a smaller tilt is needed then.
  init?(
    _ terms: [(loss: DiscreteLoss, count: Int)], side: DiscreteLoss.Side, step: Double, lambda: Double, least: Double,
    points: Int
  ) {
    let moment = { (lambda: Double) in terms.reduce(0) { $0 + Double($1.count) * $1.loss.logMoment(lambda) } }
    let moments = terms.map { $0.loss.logMoment(lambda) }
    let centre = zip(terms, moments).reduce(0) { $0 + Double($1.0.count) * $1.1 }
    guard centre.isFinite else { return nil }
    // Chernoff for the tilted law: P(L > top) ≤ e^(K(λ+s) − K(λ) − s·top), P(L < floor) ≤ e^(K(λ−s) − K(λ) + s·floor).
    var top = Double.infinity
    var floor = -Double.infinity
    var upperTilts: [(tilt: Double, moment: Double)] = []
    for factor in [0.25, 0.6, 1.2, 3.0] {
      let tilt = lambda * factor
      let value = moment(lambda + tilt)
      upperTilts.append((tilt, value))
      top = min(top, (value - centre + Self.reach) / tilt)
      floor = max(floor, (centre - moment(lambda - tilt * 4 / 3) - Self.reach) / (tilt * 4 / 3))
    }
    let origin = terms.reduce(0.0) { $0 + Double($1.count) * $1.loss.offset }
    let greatest =
      origin + terms.reduce(0.0) { $0 + Double($1.count) * Double($1.loss.first + $1.loss.masses.count - 1) * step }
    top = min(top, greatest)
    let lowest = ((min(floor, least) - origin) / step).rounded(.down) - 2
    let highest = max(lowest + 8, ((top - origin) / step).rounded(.up) + 2)
    guard lowest.isFinite, highest.isFinite, highest - lowest < Double(points), abs(lowest) < 1e15 else { return nil }
    var size = 16
    while size <= Int(highest - lowest) { size *= 2 }
    self.side = side
    self.step = step
    self.origin = origin
    self.lambda = lambda
    bottom = Int(lowest)
    logMoment = centre
    let releases = terms.reduce(0.0) { $0 + Double($1.count) }
    let above = origin + Double(bottom + size) * step
    var outside = Double.infinity
    for (tilt, value) in upperTilts { outside = min(outside, value - centre - tilt * above) }
    if above > greatest { outside = -.infinity }
    // The true probability above the window is its tilted one times at most e^(K − λ·above).
    charged = exp(outside + centre - lambda * above) + terms.reduce(0) { $0 + Double($1.count) * $1.loss.infinity }
    doubt = 1e-15 * (16 + releases) + (side == .lower ? exp(-Self.reach) + exp(outside) : 0)
    self.size = size
    var memory = FourierMemory.taken(size: size)
    Self.compose(terms, moments: moments, lambda: lambda, size: size, bottom: bottom, in: &memory)
    self.memory = memory
  }

  deinit { memory.keep() }

  /// The ε ≥ 0 at which δ(ε) = δ; on its side of the truth.
  func epsilon(delta: Double) -> Double {
    let room = side == .upper ? delta - charged : delta
    guard room > 0 else { return .infinity }
    let sign = side == .upper ? 1.0 : -1.0
    let shrink = exp(-step)
    let gain = -expm1(-step)
    let unshrink = exp(lambda * step)
    // e^(K − λε) at the grid point; by products, anew now and then.
    var factor = 0.0
    // δ at the grid point below index k is δ at k plus (1 − e^(−h))·Σ_{i≥k} P_i e^(ε_k − ε_i): positive terms only.
    var below = 0.0
    var current = 0.0
    var countdown = 0
    return memory.re.withUnsafeBufferPointer { masses in
      for index in stride(from: size - 1, through: 0, by: -1) {
        if countdown == 0 {
          factor = exp(logMoment - lambda * loss(index))
          countdown = 64
        } else {
          factor *= unshrink
        }
        countdown -= 1
        below = below * shrink + masses[index] * factor
        let next = current + gain * below
        guard next.isFinite else { return side == .upper ? .infinity : 0 }
        let noise = sign * doubt * factor * unshrink
        if next + noise > room {
          // e^(ε_k − ε) − 1 in units of this cell.
          guard below > 0 else { return side == .upper ? max(0, loss(index)) : 0 }
          let fraction = max(0, room - noise - current) / below
          return max(0, loss(index) + log1p(-min(fraction, gain)))
        }
        current = next
        if loss(index) <= 0 { return 0 }
      }
      // Nothing in the window reaches δ.
      return side == .upper ? max(0, loss(0)) : 0
    }
  }

  /// The loss at a place of the window.
  private func loss(_ index: Int) -> Double { origin + Double(bottom + index) * step }

  /// δ(ε), ε ≥ 0, on its side of the truth.
  func delta(epsilon: Double) -> Double {
    let inside = epsilon >= loss(0)
    guard inside || side == .lower else { return .infinity }
    var sum = side == .upper ? charged : 0
    sum += (side == .upper ? 1 : -1) * doubt * exp(logMoment - lambda * epsilon)
    for index in 0..<size {
      let loss = loss(index)
      if loss > epsilon { sum += memory.re[index] * exp(logMoment - lambda * loss) * -expm1(epsilon - loss) }
    }
    return max(0, sum)
  }

  /// Circular convolution powers: what leaves the window at one end enters at the other.
  private static func compose(
    _ terms: [(loss: DiscreteLoss, count: Int)], moments: [Double], lambda: Double, size: Int, bottom: Int,
    in memory: inout FourierMemory
  ) {
    let tables = FourierTables.tables(size: size)
    memory.productRe.fill(1, count: size)
    memory.productIm.fill(0, count: size)
    for (index, term) in terms.enumerated() {
      memory.re.fill(0, count: size)
      memory.im.fill(0, count: size)
      let tilted = term.loss.tilted(lambda, logMoment: moments[index])
      let first = term.loss.first
      memory.re.withUnsafeMutableBufferPointer { re in
        for offset in tilted.indices { re[(first + offset) & (size - 1)] += tilted[offset] }
      }
      tables.forward(&memory.re, &memory.im, count: size)
      tacit_multiply_power(&memory.productRe, &memory.productIm, memory.re, memory.im, size, UInt64(term.count))
    }
    tables.inverse(&memory.productRe, &memory.productIm, count: size)
    let scale = 1 / Double(size)
    memory.productRe.withUnsafeBufferPointer { product in
      memory.re.withUnsafeMutableBufferPointer { re in
        for k in 0..<size { re[k] = max(0, product[(bottom + k) & (size - 1)]) * scale }
      }
    }
  }

  static let maximumPoints = 1 << 21
  private static let reach = 25.0
}

extension [Double] {
  /// Sets the first entries.
  fileprivate mutating func fill(_ value: Double, count: Int) {
    withUnsafeMutableBufferPointer { $0.prefix(count).update(repeating: value) }
  }
}
