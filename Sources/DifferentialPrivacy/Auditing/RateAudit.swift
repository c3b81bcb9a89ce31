internal import Glibc

/// An audit by rates: how often an attack said "in" of those who were and of those who were not, each in a run of its own
/// (Jagielski, Ullman, Oprea 2020, arXiv:2006.07709; limits of Clopper and Pearson 1934).
public struct RateAudit: Hashable, Sendable {
  /// Members that were called in, of all members.
  public let hits: Int
  public let members: Int
  /// Others that were called in, of all others.
  public let alarms: Int
  public let others: Int

  /// - Throws: `PrivacyParameterError` unless 0 ≤ hits ≤ members and 0 ≤ alarms ≤ others, both at least one.
  public init(hits: Int, members: Int, alarms: Int, others: Int) throws(PrivacyParameterError) {
    guard members >= 1, others >= 1, (0...members).contains(hits), (0...others).contains(alarms) else {
      throw PrivacyParameterError(
        "\(hits) of \(members) members and \(alarms) of \(others) others were called in; expected no more than there are, and one of each at least"
      )
    }
    self.hits = hits
    self.members = members
    self.alarms = alarms
    self.others = others
  }

  /// log((TPR₋ − δ)/FPR₊), each limit at half the significance; 0 where that proves nothing.
  public func epsilonLowerBound(delta: Double, significance: Double) -> Double {
    let side = significance / 2
    let truePositive =
      hits == 0 ? 0 : TailProbabilities.betaQuantile(Double(hits), Double(members - hits + 1), at: side)
    let falsePositive =
      alarms == others ? 1 : TailProbabilities.betaQuantile(Double(alarms + 1), Double(others - alarms), at: 1 - side)
    return truePositive > delta ? max(0, log((truePositive - delta) / falsePositive)) : 0
  }
}
