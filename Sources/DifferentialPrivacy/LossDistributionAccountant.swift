internal import Glibc

/// Privacy loss distributions: the composed loss itself, by Fourier transform, for plans whose parameters are fixed.
///
/// Each release (a mixture of Gaussians where a user tosses a coin at each of several partners) is discretised upwards and downwards
/// (`DiscreteLoss`), both directions of neighbours are composed separately (Lebeda, Regehr, Kamath, Steinke 2024), and the larger ε
/// counts. The grid is chosen from what it adds to the moments of the loss,
/// and halved until the upper and the lower value meet.
///
/// - Warning: valid when z and q of every release were fixed before any result was seen. Plans that adapt compose under
///   `RenyiAccountant`.
public struct LossDistributionAccountant: PrivacyAccountant {
  public init() {}

  public var name: String { "pld" }
  public var theorem: String {
    "Privacy loss distribution on a grid from above (connect the dots, Doroshenko et al. 2022), both directions composed separately; \(Accounting.passage); independent secret coins per user and release, parameters fixed by the plan"
  }

  public func theorem(for loss: PrivacyLossSummary) -> String {
    theorem(
      for: loss,
      severalCoins: loss.adjacency == .replaceOne
        ? "counts as one with a single coin, of the probability that any of them falls, and the whole distance"
        : "is a mixture of Gaussians with binomial weights, dominated by the one whose shifts lie on a line (Choquette-Choo, Ganesh, Steinke, Thakurta 2024, arXiv:2310.15526)"
    )
  }

  public func covers(_ loss: PrivacyLossSummary) -> Bool { loss.loss.kernels.keys.allSatisfy { $0.upperPair != nil } }

  public func upperEpsilon(_ summary: PrivacyLossSummary, delta: Double) -> Double {
    solve(summary, delta: delta, wantsLower: false).upper
  }

  public func bracket(_ summary: PrivacyLossSummary, delta: Double) -> (lower: Double, upper: Double) {
    solve(summary, delta: delta, wantsLower: true)
  }

  /// The ε that the releases have at least, where the pair that is attacked may be another than the one that is charged.
  func lowerEpsilon(_ summary: PrivacyLossSummary, delta: Double) -> Double {
    let terms = Self.terms(of: summary.loss, isLower: true) { $0.lowerPair }
    guard !terms.isEmpty else { return 0 }
    guard var search = LossSearch(terms, goal: .epsilon(delta: delta * exp(summary.kappa))) else { return 0 }
    return lowered(Self.values(&search).lower, summary)
  }

  /// Both values of one composition, on a grid that is halved until they meet.
  private static func values(_ search: inout LossSearch) -> (lower: Double, upper: Double) {
    var upper = search.upper()
    var lower = search.lower()
    for _ in 0..<attemptsMax where !(upper - lower <= tolerance * upper) && search.halve() {
      let (before, gap) = (upper, upper - lower)
      upper = min(upper, search.upper())
      lower = max(lower, search.lower())
      // Where neither comes nearer, a finer grid is of no use.
      if before.isFinite, upper - lower > 0.9 * gap { break }
    }
    return (lower, upper)
  }

  private func solve(_ summary: PrivacyLossSummary, delta: Double, wantsLower: Bool) -> (lower: Double, upper: Double) {
    let loss = summary.loss
    if summary.isEmpty { return (0, 0) }
    precondition(covers(summary), "the loss distribution accountant is asked about what it covers")
    let target = delta * exp(-loss.kappa)
    let terms = Self.terms(of: loss) { $0.upperPair }
    // Where the divergence alone is below δ, nothing needs composing.
    let renyi = RenyiAccountant()
    if renyi.covers(summary), RenyiAccountant(orders: [1.1]).upperEpsilon(summary, delta: delta) <= 2 * loss.kappa {
      return (0, 2 * loss.kappa)
    }
    guard var search = LossSearch(terms, goal: .epsilon(delta: target)) else { return (0, 2 * loss.kappa) }
    // The lower one is of the pair that is charged: how far the grid is from what it discretises.
    var (lower, upper) = Self.values(&search)
    upper = upper * (1 + Self.numericalError) + rounding(loss) + 2 * loss.kappa
    // At the edges of what a grid can do, what the divergences prove may be less, or that of everybody taking part; losses that
    // are bounded compose to their sum.
    if upper - lower > Self.looseness * upper {
      if renyi.covers(summary) { upper = min(upper, renyi.upperEpsilon(summary, delta: delta)) }
      if summary.mu.isFinite {
        upper = min(upper, AnalyticGaussian.epsilon(delta: target, mu: summary.mu).upper + 2 * loss.kappa)
      }
    }
    let isBroughtAbout = loss.kernels.keys.allSatisfy { $0.lowerPair == $0.upperPair } && !Self.isCrude(loss)
    if !wantsLower {
      lower = 0
    } else if !isBroughtAbout {
      lower = PrivacyLowerBound.epsilon(summary, delta: delta)
    } else {
      // Integers have more noise for an attacker than is charged.
      lower = loss.isAttackedAsCharged ? lowered(lower, summary) : lowerEpsilon(summary, delta: delta)
      // Over very many releases the rounding of their losses hides what an attack still proves.
      if upper - lower > Self.looseness * upper { lower = max(lower, PrivacyLowerBound.epsilon(summary, delta: delta)) }
    }
    let pure = terms.reduce(0) { sum, term in sum + Double(term.count) * (term.pair.pureEpsilon ?? .infinity) }
    upper = min(upper, pure * (1 + Self.numericalError) + 2 * loss.kappa)
    return (min(lower, upper), upper)
  }

  private func lowered(_ lower: Double, _ summary: PrivacyLossSummary) -> Double {
    // Each release may have been put too high by the rounding of its losses.
    max(0, lower * (1 - Self.numericalError) - releases(summary.loss) * DiscreteLoss.aligned - 2 * summary.kappa)
  }

  /// By how much all losses together may have been put too low, from the rounding of their masses.
  private func rounding(_ loss: PrivacyLoss) -> Double { releases(loss) * DiscreteLoss.lossError }

  private func releases(_ loss: PrivacyLoss) -> Double {
    loss.kernels.values.reduce(0.0) { $0 + Double($1) } + loss.sampledTerms.reduce(1.0) { $0 + Double($1.count) }
  }

  public func upperDelta(_ summary: PrivacyLossSummary, epsilon: Double) -> Double {
    let loss = summary.loss
    if summary.isEmpty { return 0 }
    precondition(covers(summary), "the loss distribution accountant is asked about what it covers")
    // Margins are second lines of defence, as in `solve`: they are far below what a grid adds to δ, and κ is below a Double's rounding.
    let target = max(0, epsilon * (1 - Self.numericalError) - rounding(loss) - 2 * loss.kappa)
    let terms = Self.terms(of: loss) { $0.upperPair }
    guard let search = LossSearch(terms, goal: .delta(epsilon: target)) else { return 0 }
    return min(1, search.upperDelta(epsilon: target) * exp(loss.kappa) * (1 + Self.numericalError))
  }

  /// What is composed: full participation as one Gaussian, then every other kind of release with its multiplicity.
  ///
  /// - Parameter isLower: pairs that users can bring about, instead of pairs that dominate.
  private static func terms(of loss: PrivacyLoss, isLower: Bool = false, _ pair: (ReleaseKernel) -> LossPair?)
    -> [LossSearch.Term]
  {
    var terms: [LossSearch.Term] = []
    let muSquared = isLower ? loss.attackMuSquared : loss.fullParticipationMuSquared
    if muSquared > 0 { terms.append((.gaussian(mu: muSquared.squareRoot()), 1)) }
    for (term, count) in loss.sampledTerms {
      let multiplier = isLower ? term.attackMultiplier : term.noiseMultiplier
      // Rounding never helps the side that it is for.
      let hair = isLower ? 1 + 0x1p-50 : 1 - 0x1p-50
      // Under replace-one the term's z is over the distance 2Δ; the mixtures are shifted by Δ each.
      if loss.adjacency == .replaceOne {
        // Of users at several partners: one coin for the whole distance dominates; below it stands a user whose data are at one.
        let rate = isLower ? term.coinRate : term.rate
        let z = 2 * multiplier * (isLower ? Double(term.partners) * hair : 1)
        terms.append((.replacing(rate: rate, z: z), count))
      } else if term.partners > 1 {
        let z = multiplier * Double(term.partners) * hair
        terms.append((.binomial(partners: term.partners, rate: term.coinRate, z: z), count))
      } else {
        terms.append((.sampled(noise: .gaussian(z: multiplier), rate: term.rate), count))
      }
    }
    for (kernel, count) in loss.orderedKernels {
      if let pair = pair(kernel) { terms.append((pair, count)) }
    }
    return terms
  }

  /// Whether a pair is charged that no users can bring about.
  private static func isCrude(_ loss: PrivacyLoss) -> Bool {
    loss.adjacency == .replaceOne && loss.sampledTerms.contains { $0.term.partners > 1 }
  }

  /// Relative; rounding of masses and transforms.
  static let numericalError = 1e-7
  /// Upper and lower value meet within this, relatively, or the grid is halved.
  private static let tolerance = 2e-3
  private static let looseness = 0.02
  private static let attemptsMax = 4
}
