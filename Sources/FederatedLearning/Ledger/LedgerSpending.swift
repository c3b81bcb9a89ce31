public import DifferentialPrivacy

/// What a list of charges adds up to, recomputed from their events alone.
///
/// Events may be taken away again (refunds), so that the events are kept with their multiplicities beside the
/// composition. Their order does not matter to any accountant used here.
public struct LedgerSpending: Sendable {
  /// Composition of all accounted events.
  public private(set) var summary = PrivacyLossSummary()
  private var counts: [PrivacyEvent: Int] = [:]
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
    return summary.isEmpty ? 0 : Accounting.epsilon(for: summary, delta: delta)
  }

  /// Name and version of the accountant that `epsilon` asks.
  public var accountant: String { "\(Accounting.accountant(for: summary).name) \(Self.arithmeticVersion)" }

  /// Adds one charge.
  ///
  /// - Returns: why the event cannot be composed with the others, or `nil`; ε is infinite then.
  mutating func add(_ event: ChargedEvent) -> PrivacyParameterError? {
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

  /// Takes one charge away that was added before.
  mutating func remove(_ event: ChargedEvent) {
    guard case .accounted(let event) = event else {
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
  enum Agreement { case equal, restated, wrong }

  /// The same accountant must give the same value; another one may give another, and then the recomputed value counts.
  static func compare(stated: Double, by statedAccountant: String, recomputed: Double, by accountant: String)
    -> Agreement
  {
    if stated == recomputed || abs(stated - recomputed) <= tolerance * max(recomputed, 1e-3) { return .equal }
    return statedAccountant == accountant ? .wrong : .restated
  }

  /// Relative. Machines differ in the last bits of exp and log; reports print seven digits.
  private static let tolerance = 1e-6

  /// Raised whenever an accountant's values change by more than the tolerance, so that old ledgers stay readable.
  private static let arithmeticVersion = 1
}
