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
  /// The loss of `masses[i]` is (first + i)·step.
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
    masses.withUnsafeMutableBufferPointer { masses in
      cells.p.withUnsafeBufferPointer { p in
        cells.q.withUnsafeBufferPointer { q in
          // e^((first + index)·step): from one exponential for every 64 cells.
          let ratio = exp(step)
          switch side {
          case .upper:
            masses[0] += cells.below.p
            let grow = -1 / expm1(-step)
            var power = 0.0
            for index in 0..<count {
              power = index & 63 == 0 ? exp(Double(first + index) * step) : power * ratio
              // a + b = p and a·e^(−ε) + b·e^(−ε−h) = q; a hair more for the upper point, against rounding.
              let upper = min(p[index], max(0, (p[index] - q[index] * power) * grow) + p[index] * Self.hair)
              masses[index] += p[index] - upper
              masses[index + 1] += upper
            }
          case .lower:
            var carry = (p: 0.0, q: 0.0)
            for index in 0..<count {
              let power = exp(Double(first + index) * step)
              // What is missing at the grid point below this cell, and what this cell has to spare above it.
              let gap = carry.q * power - carry.p
              let missing = max(0, gap) + carry.p * Self.hair
              let spare = p[index] - q[index] * power - p[index] * Self.hair
              var used = 0.0
              if carry.p > 0 {
                if gap <= carry.p * Self.aligned {
                  // A single loss that stands on the grid point itself.
                  masses[index] += carry.p
                } else if spare > 0 {
                  let lifted = min(1, spare / missing)
                  used = min(1, missing / spare)
                  masses[index] += lifted * carry.p + used * p[index]
                  if index > 0 { masses[index - 1] += (1 - lifted) * carry.p }
                } else if index > 0 {
                  masses[index - 1] += carry.p
                }
              }
              carry = ((1 - used) * p[index], (1 - used) * q[index])
            }
            let onTop = carry.q * exp(Double(first + count) * step) - carry.p <= carry.p * Self.aligned
            masses[onTop ? count : count - 1] += carry.p
          }
        }
      }
    }
    self.step = step
    self.first = first
    self.masses = masses
    infinity = side == .upper ? cells.above.p : 0
  }

  /// log E[e^(λL)] over the finite part.
  func logMoment(_ lambda: Double) -> Double {
    // Horner from the far end, so that every factor is at most 1; anew for every 256 entries, so that rounding does not pile up.
    let shrink = exp(-abs(lambda) * step)
    let count = masses.count
    var total = 0.0
    masses.withUnsafeBufferPointer { masses in
      var start = 0
      while start < count {
        let end = min(start + 256, count)
        var block = 0.0
        if lambda >= 0 {
          for index in start..<end { block = block * shrink + masses[index] }
          total = total * exp(-lambda * step * Double(end - start)) + block
        } else {
          for index in start..<end { block = block * shrink + masses[count - 1 - index] }
          total = total * exp(lambda * step * Double(end - start)) + block
        }
        start = end
      }
    }
    return log(total) + lambda * step * Double(lambda >= 0 ? first + count - 1 : first)
  }

  /// The masses times e^(λL − logMoment(λ)): they sum to 1.
  func tilted(_ lambda: Double, logMoment: Double) -> [Double] {
    let ratio = exp(lambda * step)
    var result = masses
    var factor = 0.0
    for index in result.indices {
      if index & 63 == 0 || factor == 0 || !factor.isFinite {
        factor = exp(lambda * step * Double(first + index) - logMoment)
      } else {
        factor *= ratio
      }
      let mass = result[index]
      // Far below the peak the factor is 0; far above it, where the factor overflows, the mass is tiny.
      result[index] =
        mass == 0 ? 0 : factor.isFinite ? mass * factor : exp(log(mass) + lambda * step * Double(first + index) - logMoment)
    }
    return result
  }

  /// Relative: above the rounding of cell probabilities.
  private static let hair = 1e-11
  /// By this much a lower loss may be too large, from rounding.
  static let aligned = 1e-10
}
