internal import Glibc

/// The privacy loss log(P/Q) of one release, cut into cells of a grid: how much of P and of Q falls into each. Nothing is
/// rounded yet: `DiscreteLoss` makes an upper and a lower distribution of it.
struct LossCells {
  /// Distance of grid points.
  let step: Double
  /// Where the grid lies: its points are at offset + k·step.
  var offset = 0.0
  /// Cell i holds the losses between grid points first + i and first + i + 1.
  var first: Int
  /// Probabilities of the cells under P and under Q; as many of both.
  var p: [Double]
  var q: [Double]
  /// Probabilities of losses below the first cell.
  var below: (p: Double, q: Double)
  /// Probabilities of losses above the last cell, infinite ones among them.
  var above: (p: Double, q: Double)

  /// The loss of Q against P: the other direction of neighbours, from the same cells.
  var reversed: LossCells {
    LossCells(
      step: step, offset: -offset, first: -(first + p.count), p: q.reversed(), q: p.reversed(), below: (above.q, above.p),
      above: (below.q, below.p))
  }

  /// Where within a step the loss of the heaviest cell lies, if that cell holds most of P: a grid that is moved there splits nothing of
  /// it.
  var heaviestOffset: Double? {
    guard let index = p.indices.max(by: { p[$0] < p[$1] }), p[index] > 0.2, q[index] > DiscreteLoss.smallest else { return nil }
    let loss = log(p[index] / q[index])
    return loss - (loss / step).rounded(.down) * step
  }

  /// The loss of a release that does one thing or the other by a public coin: part `weight` of these, the rest of `other`.
  func mixed(weight: Double, with other: LossCells) -> LossCells {
    let low = min(first, other.first)
    let high = max(first + p.count, other.first + other.p.count)
    var result = LossCells(
      step: step, first: low, p: [Double](repeating: 0, count: high - low), q: [Double](repeating: 0, count: high - low),
      below: (0, 0), above: (0, 0))
    for (part, share) in [(self, weight), (other, 1 - weight)] {
      for index in part.p.indices {
        result.p[part.first - low + index] += share * part.p[index]
        result.q[part.first - low + index] += share * part.q[index]
      }
      result.below = (result.below.p + share * part.below.p, result.below.q + share * part.below.q)
      result.above = (result.above.p + share * part.above.p, result.above.q + share * part.above.q)
    }
    return result
  }

  /// Cells of a loss that takes single values.
  ///
  /// - Parameter atoms: probabilities of each outcome under P and under Q, not both zero.
  init(atoms: [(p: Double, q: Double)], step: Double) {
    var kept: [(cell: Int, p: Double, q: Double)] = []
    kept.reserveCapacity(atoms.count)
    var below = (p: 0.0, q: 0.0)
    var above = (p: 0.0, q: 0.0)
    for atom in atoms {
      // Of a probability below the normal numbers only its size is known, not its digits. The quotient of two normal ones is one; by
      // such a q it would overflow, and has no cell. That such a p counts as lying below is for its digits alone: it weighs nothing.
      if atom.p < .leastNormalMagnitude {
        below.p += atom.p
        below.q += atom.q
      } else if atom.q < .leastNormalMagnitude {
        above.p += atom.p
        above.q += atom.q
      } else {
        // A loss on a grid point, up to rounding, belongs to the cell below it.
        let position = log(atom.p / atom.q) / step
        let nearest = position.rounded()
        let cell = abs(position - nearest) < 1e-9 * max(1, abs(nearest)) ? nearest - 1 : position.rounded(.down)
        kept.append((Int(cell), atom.p, atom.q))
      }
    }
    let low = kept.map(\.cell).min() ?? 0
    let high = kept.map(\.cell).max() ?? 0
    self.step = step
    first = low
    p = [Double](repeating: 0, count: high - low + 1)
    q = p
    self.below = below
    self.above = above
    for (cell, atomP, atomQ) in kept {
      p[cell - low] += atomP
      q[cell - low] += atomQ
    }
  }

  init(
    step: Double, offset: Double = 0, first: Int, p: [Double], q: [Double], below: (p: Double, q: Double),
    above: (p: Double, q: Double)
  ) {
    self.step = step
    self.offset = offset
    self.first = first
    self.p = p
    self.q = q
    self.below = below
    self.above = above
  }
}

/// A point of the line as a distribution function sees it: the probability of the nearer tail.
struct Edge {
  /// Whether the point lies right of the centre, so that the tail is the upper one.
  let isRight: Bool
  let tail: Double

  static let bottom = Edge(isRight: false, tail: 0)
  static let top = Edge(isRight: true, tail: 0)

  /// The probability between two points, without cancellation in either tail.
  @inline(__always)
  static func mass(_ from: Edge, _ to: Edge) -> Double {
    switch (from.isRight, to.isRight) {
    case (true, true): max(0, from.tail - to.tail)
    case (false, false): max(0, to.tail - from.tail)
    case (false, true): 1 - from.tail - to.tail
    case (true, false): 0
    }
  }
}

/// Additive noise on the line with the shift 1 between neighbours and a loss that grows with x.
enum LineNoise: Hashable {
  /// N(0, z²)
  case gaussian(z: Double)
  /// Density e^(−|x|/b)/(2b).
  case laplace(b: Double)

  /// P(X ≤ x) around a centre, as an edge.
  @inline(__always)
  func edge(_ x: Double, centre: Double) -> Edge {
    switch self {
    case .gaussian(let z):
      let t = (x - centre) / z
      return Edge(isRight: t > 0, tail: 0.5 * erfc(abs(t) * 0.7071067811865476))
    case .laplace(let b):
      let t = (x - centre) / b
      return Edge(isRight: t > 0, tail: 0.5 * exp(-abs(t)))
    }
  }

  /// The point at which log(density around 1 / density around 0) has a value; ±∞ beyond its range.
  @inline(__always)
  func position(ofLoss loss: Double) -> Double {
    switch self {
    case .gaussian(let z): return z * z * loss + 0.5
    case .laplace(let b):
      if loss >= 1 / b { return .infinity }
      if loss < -1 / b { return -.infinity }
      return (b * loss + 1) / 2
    }
  }

  /// The losses at which a point far out on either side stands.
  func losses(reach: Double) -> (Double, Double) {
    switch self {
    case .gaussian(let z): ((-2 * z * reach - 1) / (2 * z * z), (2 * z * reach + 1) / (2 * z * z))
    case .laplace(let b): (-1 / b, 1 / b)
    }
  }
}
