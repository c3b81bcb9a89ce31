internal import Glibc

/// Degree and threshold of the k-regular Harary graph over a random permutation, for which Bell et al. (CCS 2020) gave
/// the analysis. Not the graph that sessions use (`DrawnGraphSolver` is): it is here so that our arithmetic can be
/// compared with the published figures and with another implementation's.
public struct HararySolution: Sendable, Hashable {
  /// k, even: neighbours of every participant.
  public let degree: Int
  /// t: shares that open a secret.
  public let threshold: Int

  package init(degree: Int, threshold: Int) {
    self.degree = degree
    self.threshold = threshold
  }
}

public enum HararySolver {
  /// The smallest even degree below n − 1, with the smallest threshold for it.
  ///
  /// Three events are bounded, the first two by 2^−(σ+1) each:
  /// 1. two gaps of k/2 consecutive participants, all corrupt or missing, cut the circle: union over pairs of places;
  /// 2. some participant has more than t − 1 corrupt neighbours (curious server) or 2t − k or more (lying server);
  /// 3. some participant has fewer than t neighbours that stay: at most 2^−η.
  ///
  /// - Returns: `nil` when no degree below n − 1 will do: take the complete graph.
  /// - Throws: `AggregationParameterError` for requirements that no graph meets.
  public static func solve(_ requirements: GraphRequirements) throws(AggregationParameterError) -> HararySolution? {
    try requirements.check()
    let count = requirements.participants
    for degree in stride(from: 2, to: count - 1, by: 2) {
      if let threshold = threshold(degree, requirements) { return HararySolution(degree: degree, threshold: threshold) }
    }
    return nil
  }

  private static func threshold(_ degree: Int, _ requirements: GraphRequirements) -> Int? {
    let count = requirements.participants
    let perEvent = -Double(requirements.securityBits + 1) * log(2.0)
    guard logProbabilityOfTwoGaps(degree, requirements) < perEvent else { return nil }
    let corrupt = Hypergeometric(population: count, marked: requirements.corruptCount, draws: degree)
    let staying = Hypergeometric(
      population: count, marked: count - requirements.dropoutCount, draws: degree)
    let corruptMost = corrupt.upperQuantile(logProbability: perEvent - log(Double(count)))
    let stayingLeast = staying.lowerQuantile(
      logProbability: -Double(requirements.correctnessBits) * log(2.0) - log(Double(count)))
    let threshold =
      requirements.adversary == .lyingServer ? (corruptMost + degree) / 2 + 1 : corruptMost + 1
    guard threshold <= stayingLeast else { return nil }
    return max(2, threshold)
  }

  /// Any k given places of the circle are all corrupt or missing with probability C(bad, k) / C(n, k).
  private static func logProbabilityOfTwoGaps(_ degree: Int, _ requirements: GraphRequirements) -> Double {
    let count = requirements.participants
    let bad = requirements.corruptCount + requirements.dropoutCount
    guard degree <= bad else { return -.infinity }
    let pairs = log(Double(count)) + log(Double(count - degree - 1)) - log(2.0)
    return pairs + Combinatorics.logBinomial(bad, degree) - Combinatorics.logBinomial(count, degree)
  }
}
