internal import Glibc

/// What an accountant says about a sequence of releases at one δ: never a bare ε.
public struct PrivacyBound: Hashable, Sendable, Codable {
  /// The releases together are (ε, δ)-differentially private with this ε.
  public let epsilon: Double
  /// They are not (ε′, δ)-differentially private for any smaller ε′; the truth lies between.
  public let lowerEpsilon: Double
  public let delta: Double
  public let adjacency: Adjacency
  /// Which accountant, in one word.
  public let accountant: String
  /// The theorem and what it assumes, in one sentence.
  public let theorem: String
  /// ρ: the releases are ρ-zCDP (Bun, Steinke 2016).
  public let rho: Double
  /// μ: the releases are μ-GDP (Dong, Roth, Su 2022).
  public let mu: Double
}

/// Folds events into (ε, δ).
public protocol PrivacyAccountant: Sendable {
  /// One word: `analytic-gaussian`, `rdp`, …
  var name: String { get }
  /// The theorem that its values rest on, with its assumptions.
  var theorem: String { get }
  /// The same for these releases: what they consist of is named.
  func theorem(for loss: PrivacyLossSummary) -> String
  /// Whether it can answer for such a loss.
  func covers(_ loss: PrivacyLossSummary) -> Bool
  /// The least ε it can prove at δ.
  func upperEpsilon(_ loss: PrivacyLossSummary, delta: Double) -> Double
  /// The least δ it can prove at ε.
  func upperDelta(_ loss: PrivacyLossSummary, epsilon: Double) -> Double
  /// The least ε it can prove at δ, and an ε below which no accountant can prove one.
  func bracket(_ loss: PrivacyLossSummary, delta: Double) -> (lower: Double, upper: Double)
}

extension PrivacyAccountant {
  public func theorem(for loss: PrivacyLossSummary) -> String {
    theorem(
      for: loss,
      severalCoins: "counts as one with a single coin, of the probability that any of them falls, and the whole distance")
  }

  /// - Parameter severalCoins: what a user who tosses a coin at each of several partners counts as.
  func theorem(for loss: PrivacyLossSummary, severalCoins: String) -> String {
    var text = theorem
    // Continuous noise, as a question names it, needs no passage from the integers.
    if loss.kappa == 0 { text = text.removing("; " + Accounting.passage) }
    let coins =
      loss.loss.sampledTerms.contains { $0.term.partners > 1 }
      ? ["a user with a coin at each of several partners \(severalCoins)"] : []
    let kernels = Set(loss.loss.kernels.keys.map(\.theorem)).sorted()
    return ([text] + coins + kernels).joined(separator: "; ")
  }

  public func bracket(_ loss: PrivacyLossSummary, delta: Double) -> (lower: Double, upper: Double) {
    let upper = upperEpsilon(loss, delta: delta)
    return (min(upper, PrivacyLowerBound.epsilon(loss, delta: delta)), upper)
  }
}

/// A composition of events, ready for accountants: adjacency is one, every event is covered, κT is below 1e-20.
public struct PrivacyLossSummary: Hashable, Sendable {
  package private(set) var loss: PrivacyLoss

  /// Nothing released yet.
  public init() { loss = PrivacyLoss() }

  package init(loss: PrivacyLoss) { self.loss = loss }

  /// - Throws: `PrivacyParameterError` when an event is not covered; nothing is composed then.
  public init(_ events: [PrivacyEvent]) throws(PrivacyParameterError) {
    loss = try PrivacyLoss(.composed(events: events))
  }

  /// Adds one event, or nothing when it is refused.
  public mutating func add(_ event: PrivacyEvent) throws(PrivacyParameterError) { try loss.add(event) }

  /// Whether nothing was released.
  public var isEmpty: Bool { loss.isEmpty }
  /// Whether every user takes part in every release.
  public var isFullParticipation: Bool { loss.isGaussian }
  /// The one adjacency of all events; `nil` before the first.
  public var adjacency: Adjacency? { loss.adjacency }
  /// κT, the bound of the log ratio between what is released and the theorem's continuous Gaussian.
  public var kappa: Double { loss.kappa }
  /// ρ of zCDP.
  public var rho: Double { loss.rho }
  /// μ of Gaussian differential privacy; infinite when something else than Gaussian noise was used.
  public var mu: Double { loss.kernels.isEmpty ? (2 * loss.rho).squareRoot() : .infinity }
}

/// Who chose the parameters (noise, sampling rate) of a sequence of releases, and when.
public enum ParameterChoice: String, Hashable, Sendable, Codable {
  /// A signed plan fixed them all before anything was released: privacy loss distributions may be composed.
  case fixedByPlan = "fixed-by-plan"
  /// They may depend on earlier noised results (a ledger over many plans): Rényi and Gaussian composition only.
  case adaptive
}

/// The tightest accountant that covers the releases.
public enum Accounting {
  /// The accountant whose word counts for such releases.
  public static func accountant(for loss: PrivacyLossSummary, parameters: ParameterChoice = .adaptive)
    -> any PrivacyAccountant
  {
    if loss.isFullParticipation { return AnalyticGaussianAccountant() }
    let distributions = LossDistributionAccountant()
    return parameters == .fixedByPlan && distributions.covers(loss) ? distributions : RenyiAccountant()
  }

  /// ε at δ, with its lower value and its theorem.
  ///
  /// - Throws: `PrivacyParameterError` when δ is out of range or an event is not covered.
  public static func bound(
    for events: [PrivacyEvent], delta: Double, parameters: ParameterChoice = .adaptive
  ) throws(PrivacyParameterError) -> PrivacyBound {
    try bound(for: PrivacyLossSummary(events), delta: delta, parameters: parameters)
  }

  /// ε at δ, with its lower value and its theorem.
  public static func bound(
    for loss: PrivacyLossSummary, delta: Double, parameters: ParameterChoice = .adaptive
  ) throws(PrivacyParameterError) -> PrivacyBound {
    let accountant = accountant(for: loss, parameters: parameters)
    let bound = try bound(for: loss, delta: delta, by: accountant)
    // At the edges of what a grid can do, divergences may prove less.
    guard accountant.name == LossDistributionAccountant().name, RenyiAccountant().covers(loss),
      RenyiAccountant().upperEpsilon(loss, delta: delta) < bound.epsilon
    else { return bound }
    return try Self.bound(for: loss, delta: delta, by: RenyiAccountant())
  }

  /// The same by an accountant of choice.
  public static func bound(for loss: PrivacyLossSummary, delta: Double, by accountant: any PrivacyAccountant)
    throws(PrivacyParameterError) -> PrivacyBound
  {
    try PrivacyBudget.check(delta: delta)
    guard accountant.covers(loss) else {
      throw PrivacyParameterError("the accountant \(accountant.name) does not cover these events")
    }
    let (lower, upper) = accountant.bracket(loss, delta: delta)
    return PrivacyBound(
      epsilon: upper, lowerEpsilon: lower, delta: delta, adjacency: loss.adjacency ?? .addRemove,
      accountant: accountant.name, theorem: accountant.theorem(for: loss), rho: loss.rho, mu: loss.mu)
  }

  /// ε by the accountant that proves the least: the exact curve where there is one, else the smaller of loss distributions and
  /// Rényi. Parameters are taken to be fixed beforehand.
  ///
  /// - Throws: `PrivacyParameterError` when δ is out of range or no accountant covers the releases.
  public static func best(for loss: PrivacyLossSummary, delta: Double) throws(PrivacyParameterError) -> PrivacyBound {
    for exact in [AnalyticGaussianAccountant(), ExactAccountant()] as [any PrivacyAccountant] where exact.covers(loss) {
      return try bound(for: loss, delta: delta, by: exact)
    }
    var best: PrivacyBound?
    for accountant in [LossDistributionAccountant(), RenyiAccountant()] as [any PrivacyAccountant] where accountant.covers(loss) {
      // Where loss distributions give a finite bracket, Rényi accounting has nothing to add.
      if let best, best.epsilon.isFinite, best.epsilon - best.lowerEpsilon <= 1e-3 * best.epsilon { break }
      let other = try bound(for: loss, delta: delta, by: accountant)
      if other.epsilon < best?.epsilon ?? .infinity || best == nil { best = other }
    }
    guard let best else { throw PrivacyParameterError("no accountant covers these events") }
    return best
  }

  /// How the integers that are released are brought under theorems about continuous noise.
  static let passage = "discrete Gaussian as post-processing of the Gaussian of variance σ² − 4, up to κ"

  /// The least ε proven at δ, without the lower value: what filters ask.
  public static func epsilon(
    for loss: PrivacyLossSummary, delta: Double, parameters: ParameterChoice = .adaptive
  ) -> Double {
    let accountant = accountant(for: loss, parameters: parameters)
    let epsilon = accountant.upperEpsilon(loss, delta: delta)
    guard accountant.name == LossDistributionAccountant().name, RenyiAccountant().covers(loss) else { return epsilon }
    return min(epsilon, RenyiAccountant().upperEpsilon(loss, delta: delta))
  }

  /// The least δ proven at ε.
  public static func delta(
    for loss: PrivacyLossSummary, epsilon: Double, parameters: ParameterChoice = .adaptive
  ) -> Double {
    accountant(for: loss, parameters: parameters).upperDelta(loss, epsilon: epsilon)
  }
}

/// Full participation only: the composition is one Gaussian mechanism, and its curve is exact.
public struct AnalyticGaussianAccountant: PrivacyAccountant {
  public init() {}

  public var name: String { "analytic-gaussian" }
  public var theorem: String {
    "Exact Gaussian curve (Balle, Wang 2018, theorem 8) of the composition 1/z² = Σ 1/z_j² (Dong, Roth, Su 2022, corollary 3.3); \(Accounting.passage); every user in every release"
  }

  public func covers(_ loss: PrivacyLossSummary) -> Bool { loss.isFullParticipation }

  public func upperEpsilon(_ loss: PrivacyLossSummary, delta: Double) -> Double {
    precondition(covers(loss), "the analytic Gaussian curve covers full participation only")
    let mu = loss.loss.fullParticipationMuSquared.squareRoot()
    if mu == 0 { return 0 }
    return AnalyticGaussian.epsilon(delta: delta * exp(-loss.kappa), mu: mu).upper + 2 * loss.kappa
  }

  public func upperDelta(_ loss: PrivacyLossSummary, epsilon: Double) -> Double {
    precondition(covers(loss), "the analytic Gaussian curve covers full participation only")
    let mu = loss.loss.fullParticipationMuSquared.squareRoot()
    let logDelta = AnalyticGaussian.logDelta(epsilon: max(0, epsilon - 2 * loss.kappa), mu: mu)
    return min(1, exp(logDelta + loss.kappa) * (1 + AnalyticGaussian.numericalError))
  }
}

extension String {
  fileprivate func removing(_ part: String) -> String {
    guard let range = ranges(of: part).first else { return self }
    return String(self[..<range.lowerBound] + self[range.upperBound...])
  }
}
