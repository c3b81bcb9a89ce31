public import CryptoPrimitives
public import DifferentialPrivacy
internal import Glibc
internal import Synchronization

/// A cap on what is charged, and the composition by which it is kept: fixed by signed plans before anything was released.
///
/// What a ledger *states* as spent (`LedgerSpending`) is about the charges as they stand. A cap is a promise about all that may come to
/// stand while a coordinator and a partner's people look at results and choose: which attempts fail, when a plan ends, which plan comes
/// next. It is kept by one accountant from the first charge on; to take whichever proves most about what came to stand would prove
/// nothing (docs/decisions/0020).
///
/// *Charges of one plan.* The plan's list decides: everybody in every release, then the exact Gaussian curve; one thing several
/// times, then loss distributions; several things, then Rényi divergences, also while only one of them was charged.
///
/// *Several plans.* The first plan that is charged has a cap of its own, which its partner never lets it exceed. Let δ₀ be what it can at
/// most amount to at ε under that cap. Everything that holds a charge of another plan is composed by divergences with what is left, δ − δ₀.
///
/// *Divergences* are judged at one order, which follows from the first plan and the cap (`RenyiAccountant.order`): where much of this plan
/// fits, and of others. A least value over orders would let results choose between orders. So all of it is (ε, δ), whoever chose
/// (Protocols/privacy-accounting.md, section 8, has the proof).
///
/// *Several ledgers of the same people* are counted as one with several first plans: what is left is δ less the δ₀ of each, at the order
/// of each.
public struct SpendingCap: Sendable {
  public let budget: PrivacyBudget
  /// The cap whose order is kept.
  public let first: PrivacyBudget
  private let plans: [Digest: Rule]

  /// - Parameters:
  ///   - first: under which the ledger's first charges were made, where the cap was changed since: one order for all caps of a ledger
  ///     makes the promise that of the largest of them, whatever results they were changed for.
  ///   - plans: those that the charges may be of, by the hash of their bytes. Where several were charged and
  ///     one of them is not here, no other is ever allowed.
  public init(_ budget: PrivacyBudget, first: PrivacyBudget? = nil, plans: [Digest: TrainingPlan]) {
    self.init(budget, first: first ?? budget, rules: plans.mapValues { Rule($0) })
  }

  private init(_ budget: PrivacyBudget, first: PrivacyBudget, rules: [Digest: Rule]) {
    self.budget = budget
    self.first = first
    plans = rules
  }

  /// The same cap with more plans known: those of linked ledgers.
  public func knowing(_ more: [Digest: TrainingPlan]) -> SpendingCap {
    SpendingCap(
      budget, first: first,
      rules: plans.merging(more.filter { plans[$0.key] == nil }.mapValues { Rule($0) }) { known, _ in known })
  }

  /// What the charges need of this cap's ε, by the composition and at the order by which this cap is kept; 0 for none, infinite where it
  /// could never be proven. They are allowed just when this `holds`; a cap that is not `first` of the same ledger may have another order, and so another value.
  ///
  /// - Parameters:
  ///   - state: what stands there counts.
  ///   - more: charges that would come after it.
  ///   - plan: only what is of this plan in `state`, where the cap is the plan's own.
  ///   - elsewhere: other ledgers that count users of this one; what stands there counts too.
  ///   - believingRefunds: also those of `state` that nothing proves, as the holder itself does; others should not.
  public func epsilon(
    of state: LedgerState?, and more: [(plan: Digest, event: ChargedEvent)] = [], only plan: Digest? = nil,
    elsewhere: [LedgerState] = [], believingRefunds: Bool = true
  ) -> Double {
    let own = (state?.standing(believingRefunds: believingRefunds) ?? []) + more
    if let plan { return epsilon(of: own.filter { $0.plan == plan }, firsts: [plan]) }
    guard CapObstacle(ledgers: [own.map(\.plan)] + elsewhere.map { $0.standing.map(\.plan) }) == nil else { return .infinity }
    // The plan of the first charge ever of each ledger, also where it was taken back: when that happens is chosen by others.
    let firsts = [state?.firstPlan ?? more.first?.plan] + elsewhere.map(\.firstPlan)
    return epsilon(of: own + elsewhere.flatMap(\.standing), firsts: Set(firsts.compactMap { $0 }))
  }

  /// - Parameter firsts: with which each ledger that was ever charged began.
  private func epsilon(of charges: [(plan: Digest, event: ChargedEvent)], firsts: Set<Digest>) -> Double {
    guard let one = charges.first?.plan else { return 0 }
    var summary = PrivacyLossSummary()
    for charge in charges {
      guard case .accounted(let event) = charge.event, (try? summary.add(event)) != nil else { return .infinity }
    }
    if firsts.contains(one), charges.allSatisfy({ $0.plan == one }) {
      // Nobody charges a plan that is not known: this is for people to read.
      return plans[one]?.epsilon(of: summary, within: budget, order: first)
        ?? RenyiAccountant().upperEpsilon(summary, delta: budget.delta)
    }
    // A plan that nobody here knows may have used all of δ by its own rule, or may come back and do so.
    let units = plans.mapValues(\.partnersPerUser)
    guard CapObstacle(firsts: firsts, plans: charges.map(\.plan), partnersPerUser: units) == nil else { return .infinity }
    // Sums of floating-point numbers depend on the sequence of their parts.
    return epsilon(of: summary, after: firsts.sorted { $0.hex < $1.hex }.compactMap { plans[$0] })
  }

  /// Whether charges that need a cap of this ε stay within it.
  public func holds(_ epsilon: Double) -> Bool { epsilon <= budget.epsilon * (1 + Self.tolerance) }

  /// Relative, as in `PrivacyFilter`: an exactly calibrated plan runs to its end although sums of 1/z² round.
  static let tolerance = 1e-9

  /// What divergences, at the orders of this cap, need at what the first plans leave of δ.
  private func epsilon(of summary: PrivacyLossSummary, after firsts: [Rule]) -> Double {
    // Whatever is released first, one of the first plans was charged before it and belongs to them ever after: its order is not chosen
    // by results, and all that comes later fits there.
    let orders = Set(firsts.compactMap { $0.order(within: first) })
    let divergences = { (delta: Double) -> Double in
      orders.map { RenyiAccountant(orders: [$0]).upperEpsilon(summary, delta: delta) }.max() ?? .infinity
    }
    let gaussians = firsts.count { $0.composition == .gaussian }
    let needed = { (epsilon: Double) -> Double in
      let room = firsts.reduce(budget.delta) { $1.composition == .divergences ? $0 : $0 - $1.delta(epsilon: epsilon) }
      guard room > 0 else { return .infinity }
      // Several plans of which all are Gaussian have an exact curve, adaptively chosen too (Smith, Thakurta 2022). That is a third way
      // for things to go, which shares what is left with the second. Which ways there are must not hang on a ledger that begins later:
      // one first plan of this kind keeps a half of the rest free for it, one of another kind closes it for good.
      guard gaussians > 0 else { return divergences(room) }
      return gaussians == firsts.count && summary.isFullParticipation
        ? AnalyticGaussianAccountant().upperEpsilon(summary, delta: room / 2)
        : divergences(room / 2)
    }
    // What is left at the cap's own ε decides: one question where a charge is allowed.
    let own = needed(budget.epsilon)
    if holds(own) { return own }
    // People may ask how far above it the charges are. A larger ε leaves more of δ, so that less is needed.
    var low = budget.epsilon
    var high = max(divergences(budget.delta), low * (1 + 1e-6))
    guard high.isFinite else { return .infinity }
    while needed(high) > high {
      low = high
      high *= 2
      guard high < 1e6 else { return .infinity }
    }
    while high - low > high * 1e-7 {
      let middle = (low + high) / 2
      if needed(middle) > middle { low = middle } else { high = middle }
    }
    return high
  }

  /// By which theorem charges of one plan compose against a cap.
  private enum Composition {
    /// One Gaussian mechanism, chosen adaptively or not.
    case gaussian
    /// Loss distributions: so many times one thing, at most as often as the cap allows.
    case distributions
    case divergences
  }

  /// What a signed plan says about its own charges.
  private struct Rule: Sendable {
    let composition: Composition
    /// At how many partners a user may be.
    let partnersPerUser: Int
    /// The plan's own cap; `nil` without noise.
    let cap: PrivacyBudget?
    /// The one event of a plan that repeats it, and the most charges that its attempts can make.
    let repeated: (event: PrivacyEvent, count: Int)?
    /// All releases once, and one of each kind; `nil` without noise.
    private let releases: (list: PrivacyLossSummary, kinds: [PrivacyLossSummary])?

    init(_ plan: TrainingPlan) {
      let events = plan.releases.map { $0.event(plan.privacy) }
      let kinds = Set(events)
      composition =
        (try? PrivacyLossSummary(kinds.compactMap { $0 }))?.isFullParticipation == true
        ? .gaussian : kinds.count == 1 ? .distributions : .divergences
      partnersPerUser = plan.privacy.maximumPartnersPerUser
      cap = kinds.contains(nil) ? nil : plan.cap
      repeated = kinds.count == 1 ? events[0].map { ($0, events.count * plan.aggregation.maximumAttempts) } : nil
      let protected = cap == nil ? nil : try? PrivacyLossSummary(events.compactMap { $0 })
      releases = protected.map { ($0, kinds.compactMap { kind in try? PrivacyLossSummary(kind.map { [$0] } ?? []) }) }
    }

    /// The order at which divergences of this plan, and of what comes after it, are judged against a cap.
    func order(within cap: PrivacyBudget) -> Double? {
      releases.map {
        RenyiAccountant().order(fittingMostOf: $0.kinds, beside: $0.list, epsilon: cap.epsilon, delta: cap.delta)
      }
    }

    /// What charges of this plan alone need of a cap.
    func epsilon(of summary: PrivacyLossSummary, within cap: PrivacyBudget, order first: PrivacyBudget) -> Double {
      switch composition {
      case .gaussian where summary.isFullParticipation: AnalyticGaussianAccountant().upperEpsilon(summary, delta: cap.delta)
      case .distributions: LedgerEpsilonCache.epsilon(of: summary, delta: cap.delta, parameters: .fixedByPlan)
      case .gaussian, .divergences:
        order(within: first).map { RenyiAccountant(orders: [$0]).upperEpsilon(summary, delta: cap.delta) } ?? .infinity
      }
    }

    /// δ₀: the most that the plan's own charges can amount to at ε; 1 where nothing is known.
    func delta(epsilon: Double) -> Double {
      guard let cap else { return 1 }
      switch composition {
      case .divergences: return 1
      case .gaussian:
        // The largest μ under the plan's cap, and a hair for its tolerance.
        guard let z = try? Calibration.noiseMultiplier(for: cap) else { return 1 }
        return min(1, exp(AnalyticGaussian.logDelta(epsilon: epsilon, mu: 1 / z * (1 + 1e-6))))
      case .distributions:
        guard let repeated else { return 1 }
        let count = CountCache.mostCharges(of: repeated.event, upTo: repeated.count, cap: cap)
        guard let most = try? PrivacyLossSummary([.repeated(event: repeated.event, count: count)]) else { return 1 }
        return DeltaCache.delta(of: most, epsilon: epsilon)
      }
    }
  }

  /// δ of a list that is fixed beforehand, by what proves least: loss distributions take milliseconds, and a ledger asks at every charge.
  private enum DeltaCache {
    struct Key: Hashable {
      let list: PrivacyLossSummary
      let epsilon: Double
    }

    private static let known = Mutex<[Key: Double]>([:])

    static func delta(of list: PrivacyLossSummary, epsilon: Double) -> Double {
      let key = Key(list: list, epsilon: epsilon)
      if let delta = known.withLock({ $0[key] }) { return delta }
      let accountants: [any PrivacyAccountant] = [RenyiAccountant(), LossDistributionAccountant()]
      let delta = accountants.filter { $0.covers(list) }.map { $0.upperDelta(list, epsilon: epsilon) }.min() ?? 1
      known.withLock { known in
        if known.count >= 1 << 10 { known.removeAll() }
        known[key] = delta
      }
      return delta
    }
  }

  /// How often a cap pays for one event: loss distributions take milliseconds, and a ledger asks at every charge.
  private enum CountCache {
    struct Key: Hashable {
      let event: PrivacyEvent
      let limit: Int
      let cap: PrivacyBudget
    }

    private static let known = Mutex<[Key: Int]>([:])

    static func mostCharges(of event: PrivacyEvent, upTo limit: Int, cap: PrivacyBudget) -> Int {
      let key = Key(event: event, limit: limit, cap: cap)
      if let count = known.withLock({ $0[key] }) { return count }
      var low = 0
      var high = limit + 1
      while high - low > 1 {
        let middle = (low + high) / 2
        let summary = try? PrivacyLossSummary([.repeated(event: event, count: middle)])
        let epsilon = summary.map { LedgerEpsilonCache.epsilon(of: $0, delta: cap.delta, parameters: .fixedByPlan) } ?? .infinity
        // Twice the tolerance: never a charge fewer than were allowed.
        if epsilon <= cap.epsilon * (1 + 2 * tolerance) { low = middle } else { high = middle }
      }
      let count = low
      known.withLock { known in
        if known.count >= 1 << 10 { known.removeAll() }
        known[key] = count
      }
      return count
    }
  }
}

extension TrainingPlan {
  /// The plan's cap on its own charges, as every party keeps it; `nil` without noise.
  ///
  /// - Parameter hash: of the plan's bytes.
  func spendingCap(_ hash: Digest) -> SpendingCap? { cap.map { SpendingCap($0, plans: [hash: self]) } }
}
