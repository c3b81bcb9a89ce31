internal import Foundation

/// The largest privacy loss that the signed plan allows.
public struct BudgetCap: Codable, Sendable, Equatable {
  public var epsilon: Double
  public var delta: Double
  /// The adversary whose ε the cap bounds.
  public var against: Adversary

  public init(epsilon: Double, delta: Double, against: Adversary = .outsiders) {
    self.epsilon = epsilon
    self.delta = delta
    self.against = against
  }
}

/// Against whom a guarantee holds.
public enum Adversary: String, Codable, Sendable, CaseIterable {
  /// Readers of the released models and of this report, who hold no share of the noise.
  case outsiders
  /// The coordinator alone, who also sees who took part.
  case coordinator
  /// The coordinator together with the plan's c partners, who know their own shares of the noise.
  case coalition
}

/// What one adversary can learn at most about one unit, with the theorem that says so.
public struct Guarantee: Codable, Sendable, Equatable {
  public var against: Adversary
  public var delta: Double
  /// Proven upper value of ε at `delta` for everything charged.
  public var epsilonUpper: Double
  /// Lower value: no accountant can prove less than this for the same events, that is with the noise that is guaranteed. More partners
  /// than the fewest add more of it, and what was charged but never released cost nothing.
  public var epsilonLower: Double?
  /// Theorem that gives `epsilonUpper`, with its source.
  public var theorem: String?
  /// What the theorem assumes of this run, one sentence each.
  public var assumptions: [String]
  /// Numerical parameters: grid, orders, error.
  public var numerics: String?
  /// The (ε, δ) curve of upper values, in order of ε.
  public var curve: [CurvePoint]
  /// ε (upper) at δ = 1e-5 … 1e-10.
  public var epsilonAtDelta: [CurvePoint]
  /// ρ of zero-concentrated differential privacy.
  public var rho: Double?
  /// μ of Gaussian differential privacy.
  public var mu: Double?
  /// Largest true-positive rates of any attack on one unit; see `AttackReading.readings(gaussianMu:)`.
  public var attack: [AttackReading]
  /// ε for groups of 1, 2, 5 units.
  public var groups: [GroupGuarantee]
  /// ε for one user whose data are at 1, 2, 3 partners; `size` is the number of partners.
  public var atPartners: [GroupGuarantee]?

  public init(
    against: Adversary, delta: Double, epsilonUpper: Double, epsilonLower: Double? = nil,
    theorem: String? = nil, assumptions: [String] = [], numerics: String? = nil, curve: [CurvePoint] = [],
    epsilonAtDelta: [CurvePoint] = [], rho: Double? = nil, mu: Double? = nil,
    attack: [AttackReading] = [], groups: [GroupGuarantee] = []
  ) {
    self.against = against
    self.delta = delta
    self.epsilonUpper = epsilonUpper
    self.epsilonLower = epsilonLower
    self.theorem = theorem
    self.assumptions = assumptions
    self.numerics = numerics
    self.curve = curve
    self.epsilonAtDelta = epsilonAtDelta
    self.rho = rho
    self.mu = mu
    self.attack = attack
    self.groups = groups
  }

  /// The tier of `epsilonUpper`.
  public var tier: PrivacyTier { PrivacyTier(epsilon: epsilonUpper) }
}

/// One point of an (ε, δ) curve.
public struct CurvePoint: Codable, Sendable, Equatable {
  public var epsilon: Double
  public var delta: Double

  public init(epsilon: Double, delta: Double) {
    self.epsilon = epsilon
    self.delta = delta
  }
}

/// The guarantee for several units at once: a household, a shared account.
public struct GroupGuarantee: Codable, Sendable, Equatable {
  public var size: Int
  /// Upper value at `delta`.
  public var epsilon: Double
  public var delta: Double

  public init(size: Int, epsilon: Double, delta: Double) {
    self.size = size
    self.epsilon = epsilon
    self.delta = delta
  }
}

/// The tiers of Ponomareva et al. 2023, section 5: ≤ 1 strong, ≤ 10 reasonable, > 10 weak.
public enum PrivacyTier: String, Codable, Sendable, CaseIterable {
  case strong, reasonable, weak, none

  /// - Parameter epsilon: an upper value; `nil`, NaN or infinity means no guarantee.
  public init(epsilon: Double?) {
    guard let epsilon, epsilon.isFinite else {
      self = .none
      return
    }
    self = epsilon <= 1 ? .strong : epsilon <= 10 ? .reasonable : .weak
  }
}

/// The most that any attack may achieve: its true-positive rate at a given false-positive rate.
public struct AttackReading: Codable, Sendable, Equatable {
  /// In (0, 1).
  public var falsePositiveRate: Double
  /// Upper bound, in [0, 1].
  public var truePositiveRateMax: Double

  public init(falsePositiveRate: Double, truePositiveRateMax: Double) {
    self.falsePositiveRate = falsePositiveRate
    self.truePositiveRateMax = truePositiveRateMax
  }

  /// The readings at 0.1 % and 1 % false positives of a mechanism that satisfies μ-Gaussian differential privacy.
  ///
  /// TPR = Φ(Φ⁻¹(FPR) + μ) (Dong, Roth, Su 2022, "Gaussian differential privacy", definition 2.6).
  ///
  /// - Parameter mu: at least 0; infinity gives 1.
  public static func readings(gaussianMu mu: Double) -> [AttackReading] {
    [(0.001, -3.090232306167813), (0.01, -2.326347874040841)].map { rate, quantile in
      AttackReading(falsePositiveRate: rate, truePositiveRateMax: normalDistribution(quantile + mu))
    }
  }

  /// The same from points of an (ε, δ) curve, for what is not Gaussian: TPR ≤ e^ε·FPR + δ and TPR ≤ 1 − e^(−ε)(1 − δ − FPR)
  /// at every point (Kairouz, Oh, Viswanath 2015, theorem 2.1).
  ///
  /// - Returns: empty without points.
  public static func readings(curve: [CurvePoint]) -> [AttackReading] {
    guard !curve.isEmpty else { return [] }
    return [0.001, 0.01].map { rate in
      let bounds = curve.flatMap { [exp($0.epsilon) * rate + $0.delta, 1 - exp(-$0.epsilon) * (1 - $0.delta - rate)] }
      return AttackReading(falsePositiveRate: rate, truePositiveRateMax: min(1, bounds.min() ?? 1))
    }
  }
}

extension AttackReading {
  /// Φ, the distribution function of the standard normal.
  static func normalDistribution(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }
}
