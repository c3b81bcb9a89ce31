internal import Glibc

/// The grid and the tilt for a composition of losses, and the compositions on them.
struct LossSearch {
  typealias Term = (pair: LossPair, count: Int)

  enum Goal {
    case epsilon(delta: Double)
    case delta(epsilon: Double)
  }

  private let terms: [Term]
  private let goal: Goal
  private let releases: Double
  private var logTail: Double
  /// The grid, the cells of every term on it, and their upper losses in both directions.
  private var grid: Grid
  /// The tilt, where a Chernoff bound of the goal is least.
  private var lambda: Double
  /// About the answer (ε), from above.
  private var guess: Double
  private var canHalve = true
  /// The direction of neighbours with the larger ε.
  private var worstDirection = 0

  private struct Grid {
    let step: Double
    let cells: [LossCells]
    /// Upper losses by direction; one direction when all pairs are symmetric.
    let upper: [[(loss: DiscreteLoss, count: Int)]]

    init(_ terms: [Term], step: Double, logTail: Double) {
      self.step = step
      let cells = terms.map { term in
        let cells = term.pair.cells(step: step, logTail: logTail)
        // Where most of a release loses nearly the same (rare sampling), the grid goes where that is.
        guard term.pair.isAlongALine, let offset = cells.heaviestOffset else { return cells }
        return term.pair.cells(step: step, logTail: logTail, offset: offset)
      }
      self.cells = cells
      let isSymmetric = terms.allSatisfy(\.pair.isSymmetric)
      let directions = isSymmetric ? [cells] : [cells, cells.map(\.reversed)]
      upper = directions.map { cells in
        zip(cells, terms).map { (DiscreteLoss($0, side: .upper), $1.count) }
      }
    }

    /// log E[e^(λL)] of the composition, in the larger direction.
    func logMoment(_ lambda: Double) -> Double {
      upper.map { direction in direction.reduce(0) { $0 + Double($1.count) * $1.loss.logMoment(lambda) } }.max() ?? 0
    }

    var infinity: Double {
      upper.map { direction in direction.reduce(0) { $0 + Double($1.count) * $1.loss.infinity } }.max() ?? 0
    }
  }

  /// - Returns: `nil` when the answer is 0 by the divergence alone, or when there is nothing to compose.
  init?(_ terms: [Term], goal: Goal) {
    guard !terms.isEmpty else { return nil }
    self.terms = terms
    self.goal = goal
    releases = terms.reduce(0.0) { $0 + Double($1.count) }
    switch goal {
    case .epsilon(let delta): logTail = log(delta) - 16 - log(releases)
    case .delta: logTail = -60 - log(releases)
    }
    let logTail = logTail
    let span = terms.map { term -> Double in
      let (low, high) = term.pair.losses(logTail: logTail)
      return high - low
    }
    let widest = span.max() ?? 1
    var step = Self.aligned(widest / 1024, terms)
    let finest = widest / Double(Self.cellsMax)
    grid = Grid(terms, step: step, logTail: logTail)
    (lambda, guess) = Self.tilt(goal, grid, near: nil)
    if case .delta(let epsilon) = goal {
      // Now that δ is roughly known, the tails can be chosen by it; not smaller than a Double can hold (where no loss is finite, the moment
      // is 0 and says nothing).
      let logDelta = Self.logDelta(lambda, epsilon: epsilon, moment: grid.logMoment(lambda))
      self.logTail = max(Self.logTailMin, min(self.logTail, logDelta - 20 - log(releases)))
    }
    for _ in 0..<12 {
      let coarse = grid.logMoment(lambda)
      // Each halving takes three quarters of what a grid adds to the log moment; over λ, that is what it adds to ε.
      let next = Self.aligned(step / 2, terms)
      let finer = Grid(terms, step: next, logTail: self.logTail)
      let ratio = step / next
      let excess = max(0, coarse - finer.logMoment(lambda)) / (ratio * ratio - 1) / lambda
      grid = finer
      step = next
      (lambda, guess) = Self.tilt(goal, grid, near: lambda)
      let allowed = allowance
      if excess <= allowed || step <= finest { break }
      // Jump near the grid that is fine enough, and measure again from twice its step.
      let jump = max(1.0 / 16, min(0.5, (allowed / excess).squareRoot() * 2))
      if jump < 0.5 {
        step = Self.aligned(max(finest, step * jump), terms)
        grid = Grid(terms, step: step, logTail: self.logTail)
        (lambda, guess) = Self.tilt(goal, grid, near: lambda)
      }
    }
    if case .epsilon(let delta) = goal {
      // δ² + e^(−R) − 1 > 0: the divergence alone is below δ (Bretagnolle, Huber 1979). Of rare samples the divergence is smaller than
      // the rounding of the moment, which counts as divergence.
      let kl = (grid.logMoment(0.1) + momentError) / 0.1
      let room = delta - grid.infinity
      if room > 0, room * room + expm1(-kl) > 0 { return nil }
    }
  }

  /// What the grid may add to ε.
  private var allowance: Double {
    switch goal {
    case .epsilon: Self.accuracy * max(guess, 1e-7)
    case .delta: 1e-3 / (1 + lambda)
    }
  }

  /// Halves the grid, unless it is as fine as can be.
  mutating func halve() -> Bool {
    let step = Self.aligned(grid.step / 2, terms)
    guard canHalve, step < grid.step, grid.cells.allSatisfy({ $0.p.count < Self.cellsMax / 2 }) else { return false }
    grid = Grid(terms, step: step, logTail: logTail)
    return true
  }

  /// The larger ε of the directions, from above.
  mutating func upper() -> Double {
    var best = composedUpper()
    // Where Chernoff's bound is far from the truth, its tilt is not the best one for the transform.
    for _ in 0..<4 where best.isFinite && best < 0.8 * guess {
      guess = best
      lambda = Self.tilt(.delta(epsilon: best), grid, near: nil).lambda
      best = min(best, composedUpper())
    }
    return best
  }

  /// The same with the present tilt, or a smaller one: of a law with a heavy tail, a tilted one needs too wide a window.
  private mutating func composedUpper() -> Double {
    guard case .epsilon(let delta) = goal else { return .infinity }
    var points = Self.convenientPoints
    while true {
      var worst = 0.0
      var fits = true
      for (index, direction) in grid.upper.enumerated() {
        guard let composed = composed(direction, side: .upper, points: points) else {
          fits = false
          break
        }
        let value = composed.epsilon(delta: delta)
        // What is not a number proves nothing.
        if value.isNaN || value > worst { (worst, worstDirection) = (value.isNaN ? .infinity : value, index) }
      }
      if fits { return min(worst, proven) }
      if lambda > 0.05, points < ComposedLoss.maximumPoints || lambda > 1 {
        lambda *= 0.7
        if lambda <= 0.05 { (lambda, points) = (Self.tilt(goal, grid, near: nil).lambda, ComposedLoss.maximumPoints) }
      } else if !widen() {
        // What Chernoff's bound proves is left.
        return proven
      }
    }
  }

  /// The ε of the worse direction, from below; after `upper()`, which finds that direction and the tilt.
  func lower() -> Double {
    guard case .epsilon(let delta) = goal else { return 0 }
    let cells = worstDirection == 0 ? grid.cells : grid.cells.map(\.reversed)
    let losses = zip(cells, terms).map { (loss: DiscreteLoss($0, side: .lower), count: $1.count) }
    guard let composed = composed(losses, side: .lower, points: ComposedLoss.maximumPoints) else { return 0 }
    let value = composed.epsilon(delta: delta)
    return value.isFinite ? value : 0
  }

  /// The larger δ of the directions at ε, from above.
  func upperDelta(epsilon: Double) -> Double {
    var worst = 0.0
    let bound = exp(Self.logDelta(lambda, epsilon: epsilon, moment: grid.logMoment(lambda) + momentError)) + grid.infinity
    for direction in grid.upper {
      guard let composed = composed(direction, side: .upper, points: ComposedLoss.maximumPoints) else { return min(1, bound) }
      let value = composed.delta(epsilon: epsilon)
      worst = value.isNaN ? 1 : max(worst, value)
    }
    return min(bound, worst, 1)
  }

  private func composed(_ losses: [(loss: DiscreteLoss, count: Int)], side: DiscreteLoss.Side, points: Int) -> ComposedLoss? {
    let least =
      switch goal {
      case .epsilon: guess / 2
      case .delta(let epsilon): epsilon
      }
    return ComposedLoss(losses, side: side, step: grid.step, lambda: lambda, least: least, points: points)
  }

  /// The ε that the moments alone prove.
  private var proven: Double {
    guard case .epsilon(let delta) = goal, delta > grid.infinity else { return .infinity }
    return max(0, Self.epsilon(lambda, delta: delta - grid.infinity, moment: grid.logMoment(lambda) + momentError))
  }

  /// By how much rounding may have made the moment of the composition too small.
  ///
  /// For the divergence alone (`init`) it decides: without it rare samples cost nothing. In `proven` and `upperDelta` it is a second line
  /// of defence, which no question was found to need: 2^40 roundings of some 10^(−16) move log δ by 10^(−4), and Chernoff's δ is larger
  /// than the truth by a factor.
  private var momentError: Double { releases * DiscreteLoss.momentError }

  private mutating func widen() -> Bool {
    guard grid.step < 1e6, grid.cells.contains(where: { $0.p.count > 16 }) else { return false }
    grid = Grid(terms, step: grid.step * 2, logTail: logTail)
    canHalve = false
    return true
  }

  /// The tilt with the least bound; order α = λ + 1.
  private static func tilt(_ goal: Goal, _ grid: Grid, near: Double?) -> (lambda: Double, guess: Double) {
    let value = { (logLambda: Double) -> Double in
      let lambda = exp(logLambda)
      let moment = grid.logMoment(lambda)
      return switch goal {
      case .epsilon(let delta): epsilon(lambda, delta: delta, moment: moment)
      case .delta(let epsilon): logDelta(lambda, epsilon: epsilon, moment: moment)
      }
    }
    // Golden section on log λ; the bound has one valley.
    let least = log(0.02)
    // A tilt that changes much within a cell of the grid gains nothing.
    let most = min(log(2e5), log(4 / grid.step))
    var low = near.map { min(max(log($0) - 0.7, least), most - 0.1) } ?? least
    var high = near.map { min(log($0) + 0.7, most) } ?? most
    let bounds = (low, high)
    let golden = 0.6180339887498949
    var a = high - golden * (high - low)
    var b = low + golden * (high - low)
    var (valueA, valueB) = (value(a), value(b))
    for _ in 0..<(near == nil ? 22 : 8) {
      if valueA < valueB {
        high = b
        (b, valueB) = (a, valueA)
        a = high - golden * (high - low)
        valueA = value(a)
      } else {
        low = a
        (a, valueA) = (b, valueB)
        b = low + golden * (high - low)
        valueB = value(b)
      }
    }
    let best = valueA < valueB ? (a, valueA) : (b, valueB)
    // At an end of a narrow search the valley lies elsewhere.
    if near != nil, best.0 - bounds.0 < 0.05 && bounds.0 > least || bounds.1 - best.0 < 0.05 && bounds.1 < most {
      return tilt(goal, grid, near: nil)
    }
    switch goal {
    case .epsilon: return (exp(best.0), best.1.isFinite ? max(best.1, 0) : 1)
    case .delta(let epsilon): return (exp(best.0), epsilon)
    }
  }

  /// Canonne, Kamath, Steinke 2020, proposition 12, at order λ + 1.
  private static func epsilon(_ lambda: Double, delta: Double, moment: Double) -> Double {
    moment / lambda + log1p(-1 / (1 + lambda)) - log(delta * (1 + lambda)) / lambda
  }

  private static func logDelta(_ lambda: Double, epsilon: Double, moment: Double) -> Double {
    moment + lambda * (log1p(-1 / (1 + lambda)) - epsilon) - log(1 + lambda)
  }

  /// The step, or a little less, so that losses that are multiples of one number stand on grid points.
  private static func aligned(_ step: Double, _ terms: [Term]) -> Double {
    guard let unit = terms.compactMap(\.pair.lossUnit).first, unit >= step, unit < step * 1e6 else { return step }
    return unit / (unit / step).rounded(.up)
  }

  /// Relative error of ε that the grid is chosen for.
  private static let accuracy = 8e-5
  private static let cellsMax = 1 << 20
  /// log of less than any Double above 0.
  private static let logTailMin = -800.0
  /// A window of this size is transformed in little time.
  private static let convenientPoints = 1 << 18
}
