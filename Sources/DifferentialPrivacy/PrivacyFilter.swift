/// Stops a run before the release that would overspend its cap.
///
/// Events may be chosen after noised results were seen (Gaussian and Rényi composition: Smith, Thakurta 2022; Feldman,
/// Zrnic 2021), unless the filter is told that a plan fixed all parameters and may therefore be tighter.
public struct PrivacyFilter: Sendable {
  public let cap: PrivacyBudget
  /// Whether events may depend on earlier results.
  public let parameters: ParameterChoice
  /// What was spent, in order.
  public private(set) var events: [PrivacyEvent] = []
  private var summary = PrivacyLossSummary()

  public init(cap: PrivacyBudget, parameters: ParameterChoice = .adaptive) {
    self.cap = cap
    self.parameters = parameters
  }

  /// A filter that goes on from what a ledger records, even when that is already above the cap.
  ///
  /// - Throws: `PrivacyParameterError` when an event is not covered.
  public init(
    cap: PrivacyBudget, resuming events: [PrivacyEvent], parameters: ParameterChoice = .adaptive
  ) throws(PrivacyParameterError) {
    self.cap = cap
    self.parameters = parameters
    self.events = events
    summary = try PrivacyLossSummary(events)
  }

  /// ε at the cap's δ of everything spent.
  public var epsilonSpent: Double {
    Accounting.epsilon(for: summary, delta: cap.delta, parameters: parameters)
  }

  /// The composition so far.
  public var spent: PrivacyLossSummary { summary }

  /// ε at the cap's δ if the event happened too.
  ///
  /// - Throws: `PrivacyParameterError` when the event is not covered.
  public func epsilon(after event: PrivacyEvent) throws(PrivacyParameterError) -> Double {
    var next = summary
    try next.add(event)
    return Accounting.epsilon(for: next, delta: cap.delta, parameters: parameters)
  }

  /// Whether the event fits under the cap; an event that no accountant covers does not.
  public func canSpend(_ event: PrivacyEvent) -> Bool {
    guard let epsilon = try? epsilon(after: event) else { return false }
    return epsilon <= cap.epsilon * (1 + Self.tolerance)
  }

  /// Charges an event. Call it before the release, never after.
  ///
  /// - Returns: ε spent with the event in it.
  /// - Throws: `BudgetRefusal` when the event would overspend or is not covered; nothing is charged then.
  @discardableResult
  public mutating func spend(_ event: PrivacyEvent) throws(BudgetRefusal) -> Double {
    var next = summary
    do { try next.add(event) } catch { throw .notCovered(error) }
    let epsilon = Accounting.epsilon(for: next, delta: cap.delta, parameters: parameters)
    guard epsilon <= cap.epsilon * (1 + Self.tolerance) else {
      throw .exhausted(BudgetExhausted(cap: cap, epsilonSpent: epsilonSpent, epsilonNeeded: epsilon))
    }
    summary = next
    events.append(event)
    return epsilon
  }

  /// Relative. An exactly calibrated plan runs to its end although sums of 1/z² round; reports print seven digits.
  static let tolerance = 1e-9
}

/// Why a filter refuses a release.
public enum BudgetRefusal: Error, Hashable, Sendable, CustomStringConvertible {
  case exhausted(BudgetExhausted)
  case notCovered(PrivacyParameterError)

  public var description: String {
    switch self {
    case .exhausted(let budget): budget.description
    case .notCovered(let error): error.description
    }
  }
}

/// The next release would overspend.
public struct BudgetExhausted: Error, Hashable, Sendable, CustomStringConvertible {
  public let cap: PrivacyBudget
  /// ε of what was released already.
  public let epsilonSpent: Double
  /// ε that the refused release would lead to.
  public let epsilonNeeded: Double

  public var description: String {
    "the next release would lead to ε = \(epsilonNeeded) at δ = \(cap.delta); the cap is ε = \(cap.epsilon), spent so far \(epsilonSpent)"
  }
}
