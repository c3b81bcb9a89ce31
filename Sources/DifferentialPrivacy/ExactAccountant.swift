internal import Glibc

/// One release of something countable: its privacy curve is a finite sum.
///
/// δ(ε) = Σ_o (P(o) − e^ε·Q(o))⁺ over the outcomes, in both directions. For the discrete Gaussian that is Canonne, Kamath, Steinke 2020
/// (arXiv:2004.00010), theorem 7; here the sum itself is taken.
public struct ExactAccountant: PrivacyAccountant {
  public init() {}

  public var name: String { "exact" }
  public var theorem: String { "The sum Σ (P − e^ε·Q)⁺ over all outcomes of one release, both directions" }

  public func covers(_ loss: PrivacyLossSummary) -> Bool { Self.outcomes(of: loss) != nil }

  public func upperEpsilon(_ loss: PrivacyLossSummary, delta: Double) -> Double { bracket(loss, delta: delta).upper }

  public func bracket(_ loss: PrivacyLossSummary, delta: Double) -> (lower: Double, upper: Double) {
    guard let (outcomes, rate) = Self.outcomes(of: loss) else { preconditionFailure("one countable release is covered") }
    var bracket = (lower: 0.0, upper: 0.0)
    for losses in Self.directions(outcomes, rate, logTail: log(delta) - 40) {
      bracket.upper = max(bracket.upper, losses.epsilon(delta: delta - losses.infinity))
      bracket.lower = max(bracket.lower, losses.epsilon(delta: delta))
    }
    return (bracket.lower * (1 - Self.numericalError), bracket.upper * (1 + Self.numericalError))
  }

  public func upperDelta(_ loss: PrivacyLossSummary, epsilon: Double) -> Double {
    guard let (outcomes, rate) = Self.outcomes(of: loss) else { preconditionFailure("one countable release is covered") }
    return Self.directions(outcomes, rate, logTail: -700)
      .map { losses in
        losses.atoms.reduce(losses.infinity) { $0 + max(0, $1.p - exp(epsilon) * $1.q) }
      }.max() ?? 0
  }

  private struct Losses {
    /// By falling loss.
    let atoms: [(p: Double, q: Double)]
    let infinity: Double

    /// On each stretch between two losses δ(ε) = P − e^ε·Q of the outcomes above.
    func epsilon(delta: Double) -> Double {
      guard delta > 0 else { return .infinity }
      var sum = (p: 0.0, q: 0.0)
      var best = 0.0
      for atom in atoms {
        sum = (sum.p + atom.p, sum.q + atom.q)
        // Every set of outcomes proves an ε; the curve is the largest of them.
        if sum.p > delta { best = max(best, log((sum.p - delta) / sum.q)) }
        if atom.p <= atom.q { break }
      }
      return best
    }
  }

  private static func directions(_ outcomes: DiscreteOutcomes, _ rate: Double, logTail: Double) -> [Losses] {
    let plain = outcomes.pairs(logTail: logTail)
    let removed = rate < 1 ? plain.map { (p: rate * $0.p + (1 - rate) * $0.q, q: $0.q) } : plain
    let isSymmetric = rate >= 1 && outcomes.isSymmetric
    return (isSymmetric ? [removed] : [removed, removed.map { (p: $0.q, q: $0.p) }]).map { pairs in
      let finite = pairs.filter { $0.q > 0 && $0.p > 0 }
      return Losses(
        atoms: finite.sorted { $0.p * $1.q > $1.p * $0.q }, infinity: pairs.reduce(0) { $0 + ($1.q > 0 ? 0 : $1.p) })
    }
  }

  private static func outcomes(of summary: PrivacyLossSummary) -> (DiscreteOutcomes, Double)? {
    let loss = summary.loss
    guard loss.counts.isEmpty, loss.kernels.count == 1, let (kernel, count) = loss.kernels.first, count == 1,
      case .atoms(let outcomes, let rate)? = kernel.upperPair
    else { return nil }
    return (outcomes, rate)
  }

  /// Relative; rounding of the sums.
  private static let numericalError = 1e-10
}
