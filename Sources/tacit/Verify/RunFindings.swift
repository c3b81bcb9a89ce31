internal import Foundation

/// What the checks of one part of a run folder found, one verdict after the other.
struct RunFindings {
  enum Verdict: String, Encodable {
    case ok, note, failed

    var label: String { self == .failed ? "FAIL" : rawValue.padding(toLength: 4, withPad: " ", startingAt: 0) }
  }

  struct Check: Encodable, Equatable {
    let verdict: Verdict
    /// The file or figure that was checked, relative to the run folder.
    let subject: String
    let sentence: String
  }

  private(set) var checks: [Check] = []
  /// What no reader of a run folder can know.
  private(set) var limits: [String] = []
  /// Whether an audit's result, as it is reported, contradicts the plan: of a sound folder too no bound can be relied on.
  private(set) var isContradicted = false

  mutating func say(_ verdict: Verdict, _ subject: String, _ sentence: String) {
    checks.append(Check(verdict: verdict, subject: subject, sentence: sentence))
  }

  mutating func contradict(_ subject: String, _ sentence: String) {
    isContradicted = true
    say(.note, subject, sentence)
  }

  mutating func limit(_ sentence: String) {
    if !limits.contains(sentence) { limits.append(sentence) }
  }

  /// Takes back limits that do not hold for this plan.
  mutating func removeLimits(beginning words: String) { limits.removeAll { $0.hasPrefix(words) } }

  mutating func append(_ other: RunFindings) {
    checks += other.checks
    isContradicted = isContradicted || other.isContradicted
    for sentence in other.limits { limit(sentence) }
  }
}
