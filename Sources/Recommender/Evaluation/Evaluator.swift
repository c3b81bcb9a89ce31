internal import CVectorKernels

/// Judges a scorer on items that it was not trained on.
///
/// Two protocols, on the same scores. *Listed*: the user's first test item against listed negatives (He et al. 2017).
/// *Full*: all test items among all items that the user has not in train. Ties count at their expected rank, NaN counts
/// as −∞, and a test item at −∞ gets no credit.
public struct Evaluator: Sendable {
  public let train: Interactions
  public let test: [[Int32]]
  public let negatives: [[Int32]]?
  /// The k of HR@k and the others, ascending.
  public let cutoffs: [Int]
  /// Length of the lists behind the catalogue metrics.
  public let listLength: Int

  /// - Parameters:
  ///   - train: the histories that users are scored from; their items are left out of full ranking.
  ///   - test: test items of every user; users without any are not evaluated.
  ///   - negatives: listed negatives of every user, or nil to leave the listed protocol out. Occurrences of the test item
  ///     among its negatives are dropped.
  public init(
    train: Interactions, test: [[Int32]], negatives: [[Int32]]? = nil, cutoffs: [Int] = [5, 10, 20],
    listLength: Int = 10
  ) {
    precondition(test.count == train.userCount, "test holds \(test.count) users, train \(train.userCount)")
    precondition(
      negatives.map { $0.count == test.count } ?? true, "negatives must cover the same users as test")
    precondition(!cutoffs.isEmpty && cutoffs.allSatisfy { $0 > 0 }, "cutoffs are list lengths of at least 1")
    let range = 0..<Int32(clamping: train.itemCount)
    precondition(
      test.allSatisfy { $0.allSatisfy(range.contains) }
        && (negatives ?? []).allSatisfy { $0.allSatisfy(range.contains) },
      "test and negatives must lie in the catalogue of \(train.itemCount) items")
    self.train = train
    self.test = test
    self.negatives = negatives
    self.cutoffs = cutoffs.sorted()
    self.listLength = listLength
  }

  /// Scores every user with test items, on all cores.
  ///
  /// - Parameters:
  ///   - users: the users to evaluate; all when nil.
  ///   - groupings: ways to divide the users; metrics are also given per group.
  public func evaluate(
    _ scorer: any Scorer, users: [Int]? = nil, groupings: [UserGrouping] = []
  ) -> Evaluation {
    let users = (users ?? Array(test.indices)).filter { !test[$0].isEmpty }
    let outcomes = outcomes(of: users, scorer)
    return Evaluation(
      listed: UserMetrics(cutoffs: cutoffs).mean(of: outcomes.compactMap(\.listed)),
      full: UserMetrics(cutoffs: cutoffs).mean(of: outcomes.compactMap(\.full)),
      listedByGroup: byGroup(groupings, users, outcomes.map(\.listed)),
      fullByGroup: byGroup(groupings, users, outcomes.map(\.full)),
      catalogue: CatalogueMetrics(lists: outcomes.map(\.list), listLength: listLength, train: train))
  }

  /// What the second scorer does better than the first, user by user: the same users are in both, so that the difference is known far
  /// better than either mean.
  public func difference(
    from first: any Scorer, to second: any Scorer, users: [Int]? = nil, groupings: [UserGrouping] = []
  ) -> EvaluationDifference {
    let users = (users ?? Array(test.indices)).filter { !test[$0].isEmpty }
    let (before, after) = (outcomes(of: users, first), outcomes(of: users, second))
    func gains(_ values: (UserOutcome) -> [Double]?) -> [[Double]?] {
      zip(before, after).map { before, after in
        guard let before = values(before), let after = values(after) else { return nil }
        return zip(before, after).map { $1 - $0 }
      }
    }
    let metrics = UserMetrics(cutoffs: cutoffs)
    let (listed, full) = (gains(\.listed), gains(\.full))
    return EvaluationDifference(
      listed: metrics.mean(of: listed.compactMap { $0 })?.linear, full: metrics.mean(of: full.compactMap { $0 })?.linear,
      listedByGroup: byGroup(groupings, users, listed).mapValues { $0.mapValues(\.linear) },
      fullByGroup: byGroup(groupings, users, full).mapValues { $0.mapValues(\.linear) })
  }

  private func outcomes(of users: [Int], _ scorer: any Scorer) -> [UserOutcome] {
    precondition(scorer.itemCount == train.itemCount, "the scorer has another catalogue than the data")
    var outcomes = [UserOutcome](repeating: UserOutcome(), count: users.count)
    outcomes.withUnsafeMutableBufferPointer { outcomes in
      let outcomes = outcomes
      Parallel.forEachBlock(of: users.count, size: 32) { block in
        var scores = [Float](repeating: 0, count: train.itemCount)
        for position in block {
          outcomes[position] = outcome(of: users[position], scorer: scorer, scores: &scores)
        }
      }
    }
    return outcomes
  }

  /// Means of rows, one for each of `users` that has one, by grouping and group.
  private func byGroup(_ groupings: [UserGrouping], _ users: [Int], _ rows: [[Double]?]) -> [String: [String: RankingMetrics]] {
    var result: [String: [String: RankingMetrics]] = [:]
    for grouping in groupings {
      precondition(grouping.labels.count == test.count, "grouping `\(grouping.name)` must label every user")
      let members = Dictionary(grouping: users.indices) { grouping.labels[users[$0]] }
      result[grouping.name] = members.compactMapValues { UserMetrics(cutoffs: cutoffs).mean(of: $0.compactMap { rows[$0] }) }
    }
    return result
  }

  private func outcome(of user: Int, scorer: any Scorer, scores: inout [Float]) -> UserOutcome {
    scorer.score(
      UserHistory(items: train.history(of: user), weights: train.weights(of: user), seed: UInt64(user)),
      into: &scores)
    scores.withUnsafeMutableBufferPointer { tacit_bury_nan_f32($0.baseAddress, $0.count) }
    var outcome = UserOutcome()
    if let negatives {
      outcome.listed = listed(positive: test[user][0], negatives: negatives[user], scores: scores)
    }
    for item in train.history(of: user) { scores[Int(item)] = -.infinity }
    outcome.full = full(
      relevant: test[user], candidates: train.itemCount - train.history(of: user).count, scores: scores)
    outcome.list = TopItems.select(listLength, from: scores)
    return outcome
  }

  /// The positive among its negatives; nil without any.
  private func listed(positive: Int32, negatives: [Int32], scores: [Float]) -> [Double]? {
    let own = scores[Int(positive)]
    var (above, equal, count) = (0, 0, 0)
    for item in negatives where item != positive {
      let score = scores[Int(item)]
      count += 1
      if score > own { above += 1 } else if score == own { equal += 1 }
    }
    guard count > 0 else { return nil }
    // A positive without a score stands behind all others without one.
    if own == -.infinity { (above, equal) = (above + equal, 0) }
    let group = ExpectedRanking.TieGroup(start: above, size: equal + 1, relevant: 1)
    return UserMetrics(cutoffs: cutoffs)
      .values(
        of: ExpectedRanking(groups: [group], relevantCount: 1),
        areaUnderCurve: 1 - (Double(above) + Double(equal) / 2) / Double(count), reciprocalRankLimit: .max)
  }

  /// All relevant items among the candidates; `scores` is −∞ at items that are no candidates.
  private func full(relevant: [Int32], candidates: Int, scores: [Float]) -> [Double] {
    let relevant = Set(relevant)
    let own = relevant.map { scores[Int($0)] }.filter { $0 > -.infinity }.sorted(by: >)
    var groups: [ExpectedRanking.TieGroup] = []
    var (seen, pairsWon) = (0, 0.0)
    let others = max(candidates - own.count, 0)
    while seen < own.count {
      let score = own[seen]
      let tied = own[seen...].prefix { $0 == score }.count
      var (above, equal) = (0, 0)
      scores.withUnsafeBufferPointer {
        tacit_count_above_f32($0.baseAddress, $0.count, score, &above, &equal)
      }
      groups.append(.init(start: above, size: equal, relevant: tied))
      // Among the others only: relevant items do not compete with each other.
      let lost = Double(above - seen) + Double(equal - tied) / 2
      pairsWon += Double(tied) * (others > 0 ? 1 - lost / Double(others) : 0.5)
      seen += tied
    }
    return UserMetrics(cutoffs: cutoffs)
      .values(
        of: ExpectedRanking(groups: groups, relevantCount: relevant.count),
        areaUnderCurve: pairsWon / Double(max(relevant.count, 1)), reciprocalRankLimit: cutoffs.last ?? 0)
  }
}

/// What one user adds to an evaluation.
private struct UserOutcome {
  var listed: [Double]?
  var full: [Double]?
  var list: [Recommendation] = []
}

/// A way to divide the users of an evaluation, such as by partner.
public struct UserGrouping: Sendable, Equatable {
  public let name: String
  /// The group of every user.
  public let labels: [String]

  public init(name: String, labels: [String]) {
    self.name = name
    self.labels = labels
  }

  /// Users by the length of their history: quarters of the users, labelled by their range (`16-31`).
  public static func activity(of train: Interactions) -> UserGrouping {
    let lengths = (0..<train.userCount).map { train.history(of: $0).count }
    let sorted = lengths.sorted()
    // Upper ends of the quarters; equal ends merge into one group.
    let ends = Set((1...4).map { sorted.isEmpty ? 0 : sorted[max(0, sorted.count * $0 / 4 - 1)] }).sorted()
    let labels = lengths.map { length in
      let group = ends.firstIndex { length <= $0 } ?? 0
      let low = group == 0 ? sorted[0] : ends[group - 1] + 1
      return low == ends[group] ? "\(low)" : "\(low)-\(ends[group])"
    }
    return UserGrouping(name: "activity", labels: labels)
  }
}

/// The outcome of an evaluation.
public struct Evaluation: Sendable, Equatable {
  /// The first test item against listed negatives; nil when none are listed.
  public let listed: RankingMetrics?
  /// All test items among all unseen items; nil when no user has test items.
  public let full: RankingMetrics?
  /// By name of the grouping, then by group.
  public let listedByGroup: [String: [String: RankingMetrics]]
  public let fullByGroup: [String: [String: RankingMetrics]]
  /// Coverage, novelty and popularity bias of the lists.
  public let catalogue: CatalogueMetrics
}

/// How much one scorer is better than another on the same users.
///
/// Estimates are of differences user by user, with their 95 % intervals. F1 is left out: it is no mean over users.
public struct EvaluationDifference: Sendable, Equatable {
  /// The first test item against listed negatives; nil when none are listed.
  public let listed: RankingMetrics?
  /// All test items among all unseen items.
  public let full: RankingMetrics?
  /// By name of the grouping, then by group.
  public let listedByGroup: [String: [String: RankingMetrics]]
  public let fullByGroup: [String: [String: RankingMetrics]]
}
