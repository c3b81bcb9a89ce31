internal import Glibc

/// The privacy loss of one release on a grid, on one side of the truth.
///
/// *Upper*: connect the dots (Doroshenko, Ghazi, Kamath, Kumar, Manurangsi 2022, arXiv:2207.04380). The true curve δ(ε) is
/// convex in e^ε; the grid's curve connects its values at grid points by straight lines, and so lies above it. In terms of
/// masses: what has a loss between two grid points is split between them so that both total probabilities (under P and under
/// Q) are kept.
///
/// *Lower*: post-processing. What falls into one cell is one outcome; a cell is then merged with as much of the cell above it
/// as lifts its ratio P/Q to the grid point between them. What finds nothing to be merged with is moved down to the grid
/// point below: under P, smaller losses never raise E[(1 − e^(ε−L))⁺], of one release or of a sum of releases.
struct DiscreteLoss {
  enum Side { case upper, lower }

  /// Distance of grid points.
  let step: Double
  /// The loss of `masses[i]` is offset + (first + i)·step.
  let offset: Double
  let first: Int
  /// Probabilities under P.
  let masses: [Double]
  /// Upper: the probability under P of a loss above the grid. Lower: 0, what is above is left out.
  let infinity: Double

  init(_ cells: LossCells, side: Side) {
    let step = cells.step
    let count = cells.p.count
    var masses = [Double](repeating: 0, count: count + 1)
    let first = cells.first
    let offset = cells.offset
    masses.withUnsafeMutableBufferPointer { masses in
      cells.p.withUnsafeBufferPointer { p in
        cells.q.withUnsafeBufferPointer { q in
          switch side {
          case .upper:
            masses[0] += cells.below.p
            let grow = -1 / expm1(-step)
            // e^((first + index)·step) as a product of two exponentials: a chain of products would be off by as many roundings.
            let powers = (0..<64).map { exp(Double($0) * step) }
            var base = 0.0
            for index in 0..<count {
              if index & 63 == 0 { base = exp(offset + Double(first + index) * step) }
              let power = step < 1 ? base * powers[index & 63] : exp(offset + Double(first + index) * step)
              // a + b = p and a·e^(−ε) + b·e^(−ε−h) = q; a hair more for the upper point, against rounding. Where the power or q is
              // beyond what a Double holds, all goes up.
              let upper =
                power < Self.largest && q[index] > Self.smallest
                ? min(p[index], max(0, (p[index] - q[index] * power) * grow) + p[index] * Self.hair) : p[index]
              masses[index] += p[index] - upper
              masses[index + 1] += upper
            }
          case .lower: Self.merge(p, q, into: masses) { exp(offset + Double(first + $0) * step) }
          }
        }
      }
    }
    self.step = step
    self.offset = offset
    self.first = first
    self.masses = masses
    infinity = side == .upper ? cells.above.p : 0
  }

  /// Moves every cell to grid points, mixed with parts of its neighbours so that the ratio P/Q of what stands on a point is at least the
  /// point's.
  ///
  /// From below up to the heaviest cell, and from above down to it: the neighbour on that side has enough to give.
  private static func merge(
    _ p: UnsafeBufferPointer<Double>, _ q: UnsafeBufferPointer<Double>, into masses: UnsafeMutableBufferPointer<Double>,
    power: (Int) -> Double
  ) {
    let count = p.count
    let heaviest = p.indices.max { p[$0] < p[$1] } ?? 0
    // Upwards: the rest of a cell is lifted to the point above it by a part of the next cell.
    var rest = 1.0
    for index in 1..<max(1, heaviest + 1) where heaviest > 0 {
      let carried = rest * p[index - 1]
      rest = 1
      guard carried > 0 else { continue }
      let point = power(index)
      // A probability under Q below what a Double holds is no small one: such a cell counts as one of the loss below it.
      guard q[index - 1] > smallest, point < largest else {
        masses[index - 1] += carried
        continue
      }
      let gap = carried / p[index - 1] * q[index - 1] * point - carried
      let spare = q[index] > smallest ? p[index] - q[index] * point - p[index] * hair : 0
      if gap <= carried * aligned {
        // A single loss that stands on the grid point itself.
        masses[index] += carried
      } else if spare > 0 {
        let missing = gap + carried * hair
        let lifted = min(1, spare / missing)
        let used = min(1, missing / spare)
        masses[index] += lifted * carried + used * p[index]
        masses[index - 1] += (1 - lifted) * carried
        rest = 1 - used
      } else {
        masses[index - 1] += carried
      }
    }
    // Downwards: a cell falls to the point below it, and makes up for it by lifting a part of the cell there.
    var restBelow = 1.0
    for index in stride(from: count - 1, to: heaviest, by: -1) {
      guard q[index] > smallest, power(index + 1) < largest else {
        masses[index] += restBelow * p[index]
        restBelow = 1
        continue
      }
      let isOnTop = q[index] * power(index + 1) - p[index] <= p[index] * aligned
      if isOnTop {
        masses[index + 1] += restBelow * p[index]
        restBelow = 1
        continue
      }
      let carried = restBelow * p[index]
      let available = index - 1 == heaviest ? rest : 1
      let point = power(index)
      let excess = carried - restBelow * q[index] * point - carried * hair
      let deficit = q[index - 1] * point - p[index - 1] + p[index - 1] * hair
      var used = 0.0
      // A loss that stands on the grid point stays there.
      if excess > 0, deficit > p[index - 1] * aligned { used = min(available, excess / deficit) }
      masses[index] += carried + used * p[index - 1]
      if index - 1 == heaviest { rest -= used }
      restBelow = 1 - used
    }
    // What is left of the heaviest cell goes to the point below it, unless it stands on the one above.
    guard count > 0, rest > 0 else { return }
    let isOnTop =
      q[heaviest] > smallest && power(heaviest + 1) < largest
      && q[heaviest] * power(heaviest + 1) - p[heaviest] <= p[heaviest] * aligned
    masses[isOnTop ? heaviest + 1 : heaviest] += rest * p[heaviest]
  }

  /// log E[e^(λL)] over the finite part; off by less than `momentError`.
  func logMoment(_ lambda: Double) -> Double {
    // Horner from the far end, so that every factor is at most 1, in blocks with an exponential of their own: rounding does not
    // pile up over the grid.
    let shrink = exp(-abs(lambda) * step)
    let count = masses.count
    var total = 0.0
    masses.withUnsafeBufferPointer { masses in
      var start = 0
      while start < count {
        let end = min(start + 64, count)
        var block = 0.0
        if lambda >= 0 {
          for index in start..<end { block = block * shrink + masses[index] }
        } else {
          for index in start..<end { block = block * shrink + masses[count - 1 - index] }
        }
        if block > 0 { total += block * exp(-abs(lambda) * step * Double(count - end)) }
        start = end
      }
    }
    return log(total) + lambda * (offset + step * Double(lambda >= 0 ? first + count - 1 : first))
  }

  /// The masses times e^(λL − logMoment(λ)): they sum to 1.
  func tilted(_ lambda: Double, logMoment: Double) -> [Double] {
    let powers = (0..<64).map { exp(lambda * Double($0) * step) }
    var result = masses
    var base = 0.0
    for index in result.indices {
      if index & 63 == 0 { base = exp(lambda * (offset + step * Double(first + index)) - logMoment) }
      // A product of two exponentials is off by few roundings, whatever the place; a composition multiplies what it is off by.
      var factor = base * powers[index & 63]
      if base == 0 || !factor.isFinite { factor = exp(lambda * (offset + step * Double(first + index)) - logMoment) }
      let mass = result[index]
      // Far below the peak the factor is 0; far above it, where the factor overflows, the mass is tiny.
      result[index] =
        mass == 0
        ? 0 : factor.isFinite ? mass * factor : exp(log(mass) + lambda * (offset + step * Double(first + index)) - logMoment)
    }
    return result
  }

  /// Relative: above the rounding of cell probabilities.
  private static let hair = 1e-11
  /// Bound of the rounding of `logMoment`.
  static let momentError = 1e-13
  /// Beyond these a Double loses digits. For an upper loss each of both does alone: a cell whose power is above the one has a q below the
  /// other. For a lower one an infinite power leaves a cell at the point below it, as the guard does.
  static let smallest = 1e-290
  private static let largest = 1e290
  /// By this much an upper loss may be too small: a few roundings of its probability under Q.
  ///
  /// A second line of defence, which no question was found to need: on steps above 2·10^(−4) `hair` lifts every loss by more, and on
  /// finer ones what the grid is allowed to add is larger wherever so many releases fit a window that their roundings show.
  static let lossError = 2e-15
  /// By this much a lower loss may be too large, from rounding.
  static let aligned = 1e-12
}
