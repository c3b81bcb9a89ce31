internal import Glibc

/// k, m and t of the drawn graph (`AggregationGraph.drawn`).
public struct DrawnGraphSolution: Sendable, Hashable {
  /// k: holders that every participant draws.
  public let holders: Int
  /// m: the first of them, with whom it also shares a mask.
  public let maskDraws: Int
  /// t: shares that open a secret.
  public let threshold: Int
  /// n_min: n − ⌊δn⌋, below which no client unmasks.
  public let minimumSurvivors: Int
  /// With how many a participant shares a mask on average: those that it drew and those that drew it.
  public let meanMaskPeers: Double
}

/// Solves the drawn graph exactly: every participant draws k of the n − 1 others by its own private coins.
///
/// Nobody chooses the draw but the one that it protects, so that there is no seed to grind: corrupt are a set of ⌊γn⌋
/// that does not depend on honest coins (the plan pins the roster before any coin falls). What a lying server may choose
/// *after* it has seen all draws is who is missing, up to n − n_min = ⌊δn⌋, and what it tells whom. With h = n − ⌊γn⌋
/// honest participants, four events are bounded, the first three by 2^−(σ+2) each:
///
/// 1. **both secrets of one**: some honest participant has at least 2t − k corrupt holders: n · P[Hyp(n−1, c, k) ≥ 2t − k]
///    (curious server: t or more).
/// 2. **a split sum**: the honest survivors fall into two parts without a mask between them. Let S be the smaller, of size s.
///    A member of S stays only while t of its k holders do, so that at most k − t of its mask draws are missing, and the
///    other m − k + t lie in S or are corrupt: C(h,s) · P[Hyp(n−1, c+s−1, m) ≥ m−k+t]^s. For large S the number of missing
///    counts: all draws of S lie in S, the corrupt and the d missing, and no draw of the other part lies in S:
///    C(h,s) · C(h−s,d) · P[all m in c+s−1+d]^s · P[no m in s]^(h−d−s), d = min(⌊δn⌋, h−s−1). Of both bounds the smaller,
///    summed over s ≤ h/2.
///    Against a curious server the missing do not depend on the draws: no union over them, and the second bound alone.
/// 3. **two survivor sets**: an honest minority of size a, told another set than the rest, in which everybody finds t of
///    its holders among the minority and the corrupt: Σ C(h,a) · P[Hyp(n−1, c+a−1, k) ≥ t]^a, a ≤ h/2.
/// 4. **an attempt that cannot end**: some participant keeps fewer than t holders when ⌊δn⌋ are missing, independently of
///    the draws: n · P[Hyp(n−1, n−1−⌊δn⌋, k) < t] ≤ 2^−η.
public enum DrawnGraphSolver {
  /// Below this number the complete graph costs little, and a tenth of the roster is nobody or a few.
  public static let leastDrawn = 50
  /// The most participants that it solves for.
  public static let participantsMax = 100_000

  /// The smallest k, then the smallest m.
  ///
  /// - Returns: `nil` when there is none: take the complete graph.
  /// - Throws: `AggregationParameterError` for requirements that no graph meets.
  public static func solve(_ requirements: GraphRequirements) throws(AggregationParameterError) -> DrawnGraphSolution? {
    try requirements.check()
    let count = requirements.participants
    guard count <= participantsMax else {
      throw .init("The drawn graph is solved for at most \(participantsMax) participants, found \(count).")
    }
    guard count >= 4, requirements.minimumSurvivors >= 3 else { return nil }
    for holders in 2..<count {
      guard let threshold = threshold(holders, requirements) else { continue }
      guard let maskDraws = maskDraws(holders, threshold, requirements) else { continue }
      return DrawnGraphSolution(
        holders: holders, maskDraws: maskDraws, threshold: threshold, minimumSurvivors: requirements.minimumSurvivors,
        meanMaskPeers: meanMaskPeers(participants: count, maskDraws: maskDraws))
    }
    return nil
  }

  /// The solution where drawing is worth it: where it at least halves the shares. The promise of the complete graph is
  /// certain, that of a drawn one has a probability; it is not given up for less.
  ///
  /// - Returns: `nil` to take the complete graph.
  public static func choose(_ requirements: GraphRequirements) throws(AggregationParameterError) -> DrawnGraphSolution? {
    let solution = try solve(requirements)
    guard requirements.participants >= leastDrawn, let solution, 2 * solution.holders <= requirements.participants - 1 else {
      return nil
    }
    return solution
  }

  /// What a given drawn graph is worth against a lying server and `corrupt` participants: −log2 of the sum of the bounds on
  /// events 1 to 3. Below 0 it promises nothing.
  public static func securityBits(
    participants: Int, holders: Int, maskDraws: Int, threshold: Int, minimumSurvivors: Int, corrupt: Int
  ) -> Double {
    let missing = participants - minimumSurvivors
    guard (2...participantsMax).contains(participants), (1..<participants).contains(holders),
      (1...holders).contains(maskDraws), (1...holders).contains(threshold), (0..<participants).contains(missing),
      (0..<participants).contains(corrupt)
    else { return -.infinity }
    let setting = Setting(participants: participants, corrupt: corrupt, missing: missing, isLying: true)
    let secrets = Hypergeometric(population: participants - 1, marked: min(corrupt, participants - 1), draws: holders)
      .logUpperTail(from: 2 * threshold - holders)
    var total = log(Double(participants)) + secrets
    total = Combinatorics.logAdd(total, logProbabilityOfSplit(holders, maskDraws, threshold, setting))
    total = Combinatorics.logAdd(total, logProbabilityOfTwoSets(holders, threshold, setting))
    return -total / log(2.0)
  }

  /// The numbers behind the bounds.
  struct Setting {
    let participants: Int
    let corrupt: Int
    let missing: Int
    let isLying: Bool
  }

  /// A pair shares a mask unless neither of the two drew the other.
  static func meanMaskPeers(participants: Int, maskDraws: Int) -> Double {
    let share = Double(maskDraws) / Double(participants - 1)
    return Double(participants - 1) * (1 - (1 - share) * (1 - share))
  }

  /// Events 1, 3 and 4.
  private static func threshold(_ holders: Int, _ requirements: GraphRequirements) -> Int? {
    let others = requirements.participants - 1
    let logCount = log(Double(requirements.participants))
    let corrupt = Hypergeometric(population: others, marked: min(others, requirements.corruptCount), draws: holders)
    let corruptMost = corrupt.upperQuantile(logProbability: requirements.logPerEvent - logCount)
    let isLying = requirements.adversary == .lyingServer
    let threshold = max(2, isLying ? (corruptMost + holders) / 2 + 1 : corruptMost + 1)
    guard threshold <= holders else { return nil }
    let staying = Hypergeometric(population: others, marked: others - requirements.dropoutCount, draws: holders)
    let tooFew = staying.logLowerTail(to: threshold - 1) + logCount
    guard tooFew <= -Double(requirements.correctnessBits) * log(2.0) else { return nil }
    guard !isLying || logProbabilityOfTwoSets(holders, threshold, requirements.setting) <= requirements.logPerEvent else {
      return nil
    }
    return threshold
  }

  /// Event 2.
  private static func maskDraws(_ holders: Int, _ threshold: Int, _ requirements: GraphRequirements) -> Int? {
    // More draws only help, so that the smallest number is found by halving.
    var low = holders - threshold + 1
    var high = holders
    guard logProbabilityOfSplit(holders, high, threshold, requirements.setting) <= requirements.logPerEvent else { return nil }
    while low < high {
      let middle = (low + high) / 2
      if logProbabilityOfSplit(holders, middle, threshold, requirements.setting) <= requirements.logPerEvent {
        high = middle
      } else {
        low = middle + 1
      }
    }
    return low
  }

  static func logProbabilityOfTwoSets(_ holders: Int, _ threshold: Int, _ setting: Setting) -> Double {
    let others = setting.participants - 1
    let corrupt = setting.corrupt
    let honest = setting.participants - corrupt
    var total = -Double.infinity
    for size in stride(from: 1, through: honest / 2, by: 1) {
      let inside = Hypergeometric(population: others, marked: corrupt + size - 1, draws: holders)
      let term =
        Combinatorics.logBinomial(honest, size) + Double(size) * inside.logUpperTail(from: threshold)
      total = Combinatorics.logAdd(total, term)
    }
    return total
  }

  static func logProbabilityOfSplit(
    _ holders: Int, _ maskDraws: Int, _ threshold: Int, _ setting: Setting
  ) -> Double {
    let others = setting.participants - 1
    let corrupt = setting.corrupt
    let honest = setting.participants - corrupt
    let isLying = setting.isLying
    let all = Combinatorics.logBinomial(others, maskDraws)
    var total = -Double.infinity
    for size in stride(from: 1, through: honest / 2, by: 1) {
      let sets = Combinatorics.logBinomial(honest, size)
      // Somebody is left on the other side, or there is no other side.
      let missing = min(setting.missing, honest - size - 1)
      let reachable = min(others, corrupt + size - 1 + missing)
      let rest = honest - missing - size
      var term =
        sets + Double(size) * (Combinatorics.logBinomial(reachable, maskDraws) - all)
      term += Double(rest) * (Combinatorics.logBinomial(others - size, maskDraws) - all)
      if isLying {
        term += Combinatorics.logBinomial(honest - size, missing)
        let inside = Hypergeometric(population: others, marked: corrupt + size - 1, draws: maskDraws)
        term = min(
          term, sets + Double(size) * inside.logUpperTail(from: maskDraws - holders + threshold))
      }
      total = Combinatorics.logAdd(total, term)
    }
    return total
  }
}

extension GraphRequirements {
  /// n_min of the drawn graph: n − ⌊δn⌋.
  var minimumSurvivors: Int { participants - dropoutCount }
  var setting: DrawnGraphSolver.Setting {
    .init(
      participants: participants, corrupt: corruptCount, missing: dropoutCount, isLying: adversary == .lyingServer)
  }
  /// ln 2^−(σ+2): three events of privacy.
  var logPerEvent: Double { -Double(securityBits + 2) * log(2.0) }
}
