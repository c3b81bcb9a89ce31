internal import Glibc

/// Where one user's relevant items stand in a ranking whose ties are broken at random.
///
/// A tie group is a run of candidates of equal score. Only groups that hold relevant items matter, and every metric is
/// its expected value over the order within groups.
struct ExpectedRanking {
  struct TieGroup {
    /// Candidates that rank above the group.
    let start: Int
    /// Candidates in the group, relevant ones included.
    let size: Int
    /// Relevant candidates in the group.
    let relevant: Int
  }

  /// Best first.
  let groups: [TieGroup]
  /// Relevant items of the user, also those that are in no group because they have no score.
  let relevantCount: Int

  /// Probability that a relevant item is among the first k.
  func hitRate(_ k: Int) -> Double {
    guard let first = groups.first, first.start < k else { return 0 }
    let slots = k - first.start
    if slots >= first.size { return 1 }
    // The slots all go to the others of the group: C(size − relevant, slots) / C(size, slots).
    var missed = 1.0
    for slot in 0..<slots {
      missed *= max(0, Double(first.size - first.relevant - slot)) / Double(first.size - slot)
    }
    return 1 - missed
  }

  /// Expected relevant items among the first k.
  func hits(_ k: Int) -> Double {
    groups.reduce(0) { sum, group in
      let slots = min(max(k - group.start, 0), group.size)
      return sum + Double(group.relevant) * Double(slots) / Double(group.size)
    }
  }

  /// Discounted gain 1 / log₂(rank + 1) of the relevant items among the first k, over that of the best order
  /// (Järvelin and Kekäläinen 2002).
  func ndcg(_ k: Int) -> Double {
    var gain = 0.0
    for group in groups where group.start < k {
      let chance = Double(group.relevant) / Double(group.size)
      for rank in group.start..<min(k, group.start + group.size) { gain += chance * Self.discount(rank) }
    }
    var best = 0.0
    for rank in 0..<min(k, relevantCount) { best += Self.discount(rank) }
    return best > 0 ? gain / best : 0
  }

  /// Sum of the precision at each relevant item among the first k, over the most that could stand there.
  func averagePrecision(_ k: Int) -> Double {
    var (sum, above) = (0.0, 0.0)
    for group in groups where group.start < k {
      let (size, relevant) = (Double(group.size), Double(group.relevant))
      // Given a relevant item at a place in the group, each earlier place of the group is relevant with this chance.
      let beside = size > 1 ? (relevant - 1) / (size - 1) : 0
      for place in 0..<min(k - group.start, group.size) {
        sum += relevant / size * (above + 1 + Double(place) * beside) / Double(group.start + place + 1)
      }
      above += relevant
    }
    return relevantCount > 0 ? sum / Double(min(k, relevantCount)) : 0
  }

  /// Expected 1 / rank of the first relevant item; 0 when that rank is beyond `limit`.
  func reciprocalRank(limit: Int) -> Double {
    guard let first = groups.first else { return 0 }
    var (sum, noneBefore) = (0.0, 1.0)
    for place in 0..<max(0, min(limit - first.start, first.size)) {
      let here = Double(first.relevant) / Double(first.size - place)
      sum += noneBefore * min(here, 1) / Double(first.start + place + 1)
      noneBefore *= max(0, 1 - here)
    }
    return sum
  }

  /// 1 / log₂(rank + 2), rank from 0.
  private static func discount(_ rank: Int) -> Double { 1 / log2(Double(rank + 2)) }
}
