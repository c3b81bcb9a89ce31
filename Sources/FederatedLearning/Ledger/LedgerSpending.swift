internal import CryptoPrimitives
public import DifferentialPrivacy
internal import Synchronization

/// What a list of charges adds up to, recomputed from their events alone.
///
/// Events may be taken away again (refunds), so that the events are kept with their multiplicities beside the
/// composition. Their order does not matter to any accountant used here.
public struct LedgerSpending: Sendable {
  /// Composition of all accounted events.
  public private(set) var summary = PrivacyLossSummary()
  private var counts: [PrivacyEvent: Int] = [:]
  /// Charges by plan; `nil` for those of a forecast.
  private var plans: [Digest?: Int] = [:]
  private var unprotectedCount = 0
  /// Set when events were charged that no accountant can compose with the others.
  private var isBeyondAccounting = false

  init() {}

  /// Every accounted event with its multiplicity, in no particular order.
  public var events: [(event: PrivacyEvent, count: Int)] { counts.map { ($0.key, $0.value) } }

  /// ε at δ of everything charged: 0 for nothing, infinite where a sum was released without noise.
  ///
  /// - Parameter delta: 0 < δ < 1.
  public func epsilon(delta: Double) -> Double {
    precondition(delta > 0 && delta < 1, "δ is \(delta), expected 0 < δ < 1")
    if unprotectedCount > 0 || isBeyondAccounting { return .infinity }
    return summary.isEmpty ? 0 : LedgerEpsilonCache.epsilon(of: summary, delta: delta, parameters: parameters)
  }

  /// Name and version of the accountant that `epsilon` asks.
  public var accountant: String {
    "\(Accounting.accountant(for: summary, parameters: parameters).name) \(Self.arithmeticVersion)"
  }

  /// Whether the charges are so many times one thing of one signed plan, so that loss distributions may be composed.
  ///
  /// Which of several kinds were charged, and under which plans, may have been chosen after results were seen: Rényi composition covers
  /// those. This is about the charges as they stand, if no result decided that they are no others; a promise about all that may yet be
  /// charged is kept by `SpendingCap`, which does not change its accountant on the way.
  public var parameters: ParameterChoice { plans.count == 1 && counts.count <= 1 ? .fixedByPlan : .adaptive }

  /// Adds one charge.
  ///
  /// - Parameters:
  ///   - plan: hash of the plan that it is of; `nil` in forecasts for a plan that has none yet.
  /// - Returns: why the event cannot be composed with the others, or `nil`; ε is infinite then.
  mutating func add(_ event: ChargedEvent, plan: Digest? = nil) -> PrivacyParameterError? {
    plans[plan, default: 0] += 1
    guard case .accounted(let event) = event else {
      unprotectedCount += 1
      return nil
    }
    do {
      try summary.add(event)
    } catch {
      isBeyondAccounting = true
      return error
    }
    counts[event, default: 0] += 1
    return nil
  }

  mutating func add(_ charge: LedgerCharge) -> PrivacyParameterError? {
    add(charge.event, plan: charge.plan)
  }

  /// Takes one charge away that was added before.
  mutating func remove(_ charge: LedgerCharge) {
    plans[charge.plan] = plans[charge.plan].flatMap { $0 == 1 ? nil : $0 - 1 }
    guard case .accounted(let event) = charge.event else {
      unprotectedCount -= 1
      return
    }
    guard let count = counts[event] else { return }
    counts[event] = count == 1 ? nil : count - 1
    var rebuilt = PrivacyLossSummary()
    for (event, count) in counts {
      do {
        try rebuilt.add(.repeated(event: event, count: count))
      } catch {
        isBeyondAccounting = true
      }
    }
    summary = rebuilt
  }

  /// How a stated ε relates to the recomputed one.
  enum Agreement { case equal, restated, understated, wrong }

  /// The same accountant must give the same value; another one may give a larger one, and then the recomputed value counts. A smaller
  /// one is a claim that nobody here can prove, whatever name stands beside it.
  static func compare(stated: Double, by statedAccountant: String, recomputed: Double, by accountant: String)
    -> Agreement
  {
    // Infinity is within any part of infinity of every number: no finite value agrees with it.
    if stated == recomputed { return .equal }
    if recomputed.isFinite, abs(stated - recomputed) <= tolerance * max(recomputed, 1e-3) { return .equal }
    if statedAccountant == accountant { return .wrong }
    return stated > recomputed ? .restated : .understated
  }

  /// Relative. Machines differ in the last bits of exp and log; reports print seven digits.
  private static let tolerance = 1e-6

  /// Raised whenever an accountant's values change by more than the tolerance, so that old ledgers stay readable.
  private static let arithmeticVersion = 1
}

/// ε of sums of charges that was computed before: the ledgers of one run say the same after each round, a charge begins where the
/// last one ended, and composing loss distributions costs milliseconds.
///
/// ε depends on public parameters only, so that sharing it between threads and ledgers changes no result.
enum LedgerEpsilonCache {
  struct Key: Hashable {
    let summary: PrivacyLossSummary
    let delta: Double
  }

  private static let known = Mutex<[Key: Double]>([:])

  static func epsilon(of summary: PrivacyLossSummary, delta: Double, parameters: ParameterChoice) -> Double {
    let renyi = Accounting.epsilon(for: summary, delta: delta)
    guard parameters == .fixedByPlan, !summary.isFullParticipation else { return renyi }
    let key = Key(summary: summary, delta: delta)
    if let epsilon = known.withLock({ $0[key] }) { return epsilon }
    // Both are proven; at the edges of what a grid can do, divergences may prove less.
    let epsilon = min(renyi, Accounting.epsilon(for: summary, delta: delta, parameters: parameters))
    known.withLock { known in
      if known.count >= countMax { known.removeAll() }
      known[key] = epsilon
    }
    return epsilon
  }

  private static let countMax = 1 << 12
}
