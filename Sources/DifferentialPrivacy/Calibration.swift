internal import Glibc

/// From a budget to noise: the least noise multiplier whose ε, as the accountants charge it, stays under the cap.
///
/// All z are relative to the distance between neighbours, as `GaussianNoise(noiseMultiplier:…)` takes them.
public enum Calibration {
  /// z of one Gaussian release, or of all full-participation releases of a task together (1/z² = Σ 1/z_j²).
  ///
  /// - Throws: `PrivacyParameterError` when no z up to 1e9 is enough.
  public static func noiseMultiplier(for budget: PrivacyBudget) throws(PrivacyParameterError) -> Double {
    try least { z in
      AnalyticGaussian.epsilon(delta: budget.delta, mu: 1 / z).upper <= budget.epsilon
    }
  }

  /// z_j of full-participation releases that share one budget: z_j = z/√f_j.
  ///
  /// - Parameter shares: fractions f_j of 1/z², positive; they are normalised to sum to 1.
  public static func noiseMultipliers(for budget: PrivacyBudget, shares: [Double])
    throws(PrivacyParameterError)
    -> [Double]
  {
    let total = shares.reduce(0, +)
    guard !shares.isEmpty, total.isFinite, shares.allSatisfy({ $0 > 0 }) else {
      throw PrivacyParameterError("budget shares \(shares); expected one positive number for each release")
    }
    let z = try noiseMultiplier(for: budget)
    return shares.map { z / ($0 / total).squareRoot() }
  }

  /// z of each of `count` equal releases, each over a Poisson sample of the users.
  ///
  /// - Parameters:
  ///   - rate: q of every user at every partner.
  ///   - partnersPerUser: m, the most partners at which a user may be; the distance grows with it.
  ///   - beside: what else the budget pays for.
  ///   - parameters: as the filter will be told that charges the plan.
  public static func noiseMultiplier(
    for budget: PrivacyBudget, rate: SamplingRate, count: Int, adjacency: Adjacency, partnersPerUser: Int = 1,
    beside: PrivacyLossSummary = PrivacyLossSummary(), parameters: ParameterChoice = .adaptive
  ) throws(PrivacyParameterError) -> Double {
    guard count >= 1, partnersPerUser >= 1 else {
      throw PrivacyParameterError(
        "\(count) releases at \(partnersPerUser) partners per user; expected at least 1")
    }
    guard beside.adjacency == nil || beside.adjacency == adjacency else {
      throw PrivacyParameterError("calibration beside events of another adjacency; expected one adjacency")
    }
    let m = Double(partnersPerUser)
    let combined =
      partnersPerUser == 1 || rate.value == 1
      ? rate.value : min(1, -expm1(m * log1p(-rate.value)) * (1 + 0x1p-50))
    // The grid of a loss distribution moves with its parameters; a margin keeps a calibrated plan under its cap.
    let isOnGrid = parameters == .fixedByPlan && (combined < 1 || !beside.isFullParticipation)
    let cap = isOnGrid ? budget.epsilon * (1 - 3e-4) : budget.epsilon
    return try least { z in
      var loss = beside.loss
      loss.add(noiseMultiplier: z, rate: combined, count: count, adjacency: adjacency)
      let summary = PrivacyLossSummary(loss: loss)
      return Accounting.accountant(for: summary, parameters: parameters).upperEpsilon(summary, delta: budget.delta) <= cap
    }
  }

  // MARK: by any parameter

  /// The least noise multiplier (or scale, or other parameter that protects more when it grows) whose event stays under the cap,
  /// by the accountant that proves the least. Within 1e-6, on the safe side.
  ///
  /// - Throws: `PrivacyParameterError` when no value up to 1e9 is enough, or the event is refused.
  public static func noise(
    for budget: PrivacyBudget, adjacency: Adjacency, _ event: (Double) throws(PrivacyParameterError) -> MechanismEvent
  ) throws(PrivacyParameterError) -> Double {
    _ = try epsilon(of: event(1), budget, adjacency)
    return try least(precision: 1e-6) { value in
      guard let epsilon = try? epsilon(of: event(value), budget, adjacency) else { return false }
      return epsilon <= budget.epsilon
    }
  }

  /// The largest sampling rate whose event stays under the cap; at most 1. Within 1e-6, on the safe side.
  ///
  /// - Throws: `PrivacyParameterError` when even a rate of 1e-9 is too much, or the event is refused.
  public static func rate(
    for budget: PrivacyBudget, adjacency: Adjacency, _ event: (Double) throws(PrivacyParameterError) -> MechanismEvent
  ) throws(PrivacyParameterError) -> Double {
    if try epsilon(of: event(1), budget, adjacency) <= budget.epsilon { return 1 }
    let inverse = try least(precision: 1e-6) { inverse in
      guard inverse > 1, let epsilon = try? epsilon(of: event(1 / inverse), budget, adjacency) else { return false }
      return epsilon <= budget.epsilon
    }
    return 1 / inverse
  }

  /// The largest number of rounds whose event stays under the cap, up to 2^40.
  ///
  /// - Throws: `PrivacyParameterError` when even one round is too much, or the event is refused.
  public static func rounds(
    for budget: PrivacyBudget, adjacency: Adjacency, _ event: (Int) throws(PrivacyParameterError) -> MechanismEvent
  ) throws(PrivacyParameterError) -> Int {
    let first = try epsilon(of: event(1), budget, adjacency)
    guard first <= budget.epsilon else {
      throw PrivacyParameterError("one round costs ε = \(first), more than the cap of \(budget.epsilon): add noise or allow more")
    }
    var low = 1
    var high = 2
    while high <= 1 << 40, try epsilon(of: event(high), budget, adjacency) <= budget.epsilon { (low, high) = (high, high * 2) }
    guard high <= 1 << 40 else { return low }
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if try epsilon(of: event(middle), budget, adjacency) <= budget.epsilon { low = middle } else { high = middle }
    }
    return low
  }

  /// The least δ at which an event is (ε, δ)-private, by the accountant that proves the least.
  ///
  /// - Throws: `PrivacyParameterError` when no accountant covers the event, or ε is negative.
  public static func delta(epsilon: Double, adjacency: Adjacency, _ event: MechanismEvent) throws(PrivacyParameterError)
    -> Double
  {
    guard epsilon >= 0, epsilon.isFinite else {
      throw PrivacyParameterError("ε is \(epsilon); expected a number of at least 0")
    }
    let loss = try PrivacyLossSummary(event, adjacency: adjacency)
    let accountants: [any PrivacyAccountant] = [
      AnalyticGaussianAccountant(), ExactAccountant(), LossDistributionAccountant(), RenyiAccountant(),
    ]
    guard let accountant = accountants.first(where: { $0.covers(loss) }) else {
      throw PrivacyParameterError("no accountant covers these events")
    }
    return accountant.upperDelta(loss, epsilon: epsilon)
  }

  private static func epsilon(of event: MechanismEvent, _ budget: PrivacyBudget, _ adjacency: Adjacency)
    throws(PrivacyParameterError) -> Double
  {
    let loss = try PrivacyLossSummary(event, adjacency: adjacency)
    let accountants: [any PrivacyAccountant] = [
      AnalyticGaussianAccountant(), ExactAccountant(), LossDistributionAccountant(), RenyiAccountant(),
    ]
    guard let accountant = accountants.first(where: { $0.covers(loss) }) else {
      throw PrivacyParameterError("no accountant covers these events")
    }
    return accountant.upperEpsilon(loss, delta: budget.delta)
  }

  /// The least parameter in 1e-3...1e9 that satisfies a condition which, once true, stays true; a hair above the boundary.
  private static func least(precision: Double = 1e-12, _ holds: (Double) -> Bool) throws(PrivacyParameterError) -> Double {
    var upper = 1.0
    while !holds(upper) {
      upper *= 4
      guard upper <= 1e9 else {
        throw PrivacyParameterError(
          "no value up to 1e9 meets this budget: allow a larger ε or δ, or fewer releases")
      }
    }
    var lower = upper
    repeat { lower /= 4 } while lower > 1e-3 && holds(lower)
    var low = lower
    var high = upper
    while high / low > 1 + precision {
      let middle = (low * high).squareRoot()
      guard middle > low, middle < high else { break }
      if holds(middle) { high = middle } else { low = middle }
    }
    return high * (1 + 1e-12)
  }
}
