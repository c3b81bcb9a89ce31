import Foundation
import Recommender
import Testing

/// Scores from a table: the row of a user is found by the user's seed, which the evaluator sets to the user's index.
struct TableScorer: Scorer {
  let rows: [[Float]]

  var itemCount: Int { rows[0].count }
  func score(_ user: UserHistory, into scores: inout [Float]) { scores = rows[Int(user.seed)] }
  func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
}

@Suite struct EvaluatorTests {
  @Test func aRankingOfOneUserIsWhatPaperAndPencilSay() throws {
    // Items 2 and 5 are the user's own. Order of the rest: 0, 4, 1, 3; relevant 4 (rank 2) and 3 (rank 4).
    let evaluator = Evaluator(
      train: Interactions(itemCount: 6, histories: [[5, 2]]), test: [[4, 3]], negatives: [[0, 1, 3]],
      cutoffs: [1, 2, 4], listLength: 2)
    let scorer = TableScorer(rows: [[9, 4, 10, 1, 5, 8]])
    let outcome = evaluator.evaluate(scorer)
    let full = try #require(outcome.full)
    let (second, fourth) = (1 / log2(3.0), 1 / log2(5.0))
    let expected: [(Metric, Double)] = [
      (.hitRate(1), 0), (.hitRate(2), 1), (.hitRate(4), 1),
      (.recall(2), 0.5), (.recall(4), 1), (.precision(2), 0.5), (.precision(4), 0.5),
      (.f1(2), 0.5), (.f1(4), 2.0 / 3),
      (.ndcg(2), second / (1 + second)), (.ndcg(4), (second + fourth) / (1 + second)),
      (.averagePrecision(2), 0.25), (.averagePrecision(4), (0.5 + 0.5) / 2),
      // Item 4 beats 1 of the 2 irrelevant candidates (0 and 1), item 3 none.
      (.reciprocalRank, 0.5), (.areaUnderCurve, 0.25),
    ]
    for (metric, value) in expected {
      #expect(abs((full[metric] ?? .nan) - value) < 1e-12, "\(metric): \(String(describing: full[metric]))")
    }
    // Listed: 4 against 0, 1, 3 stands second.
    let listed = try #require(outcome.listed)
    #expect(listed[.hitRate(1)] == 0 && listed[.hitRate(2)] == 1)
    #expect(listed[.reciprocalRank] == 0.5)
    #expect(abs((listed[.areaUnderCurve] ?? 0) - 2.0 / 3) < 1e-12)
    #expect(outcome.catalogue.distinctItems == 2)
  }

  /// All orders of a small list of tied and untied items, averaged.
  @Test func tiesCountAtTheirExpectedRank() throws {
    var random = TestRandom(11)
    for trial in 0..<40 {
      let itemCount = 6
      let scores = (0..<itemCount).map { _ in Float(random.below(3)) }
      let relevant = random.history(count: 1 + random.below(3), itemCount: itemCount)
      let evaluator = Evaluator(
        train: Interactions(itemCount: itemCount, histories: [[]]), test: [relevant],
        cutoffs: [1, 2, 3, 4, 5])
      let full = try #require(evaluator.evaluate(TableScorer(rows: [scores])).full)
      var (sums, orders) = ([Metric: Double](), 0.0)
      for order in permutations(Array(0..<itemCount)) where isSorted(order.map { scores[$0] }) {
        orders += 1
        let hits = order.map { relevant.contains(Int32($0)) }
        for k in 1...5 {
          let first = hits.prefix(k)
          let count = Double(first.count { $0 })
          sums[.hitRate(k), default: 0] += count > 0 ? 1 : 0
          sums[.recall(k), default: 0] += count / Double(relevant.count)
          sums[.precision(k), default: 0] += count / Double(k)
          let gain = first.enumerated().reduce(0.0) {
            $0 + ($1.element ? 1 / log2(Double($1.offset + 2)) : 0)
          }
          let best = (0..<min(k, relevant.count)).reduce(0.0) { $0 + 1 / log2(Double($1 + 2)) }
          sums[.ndcg(k), default: 0] += gain / best
          let precisions = first.enumerated().reduce(0.0) { sum, entry in
            entry.element
              ? sum + Double(hits.prefix(entry.offset + 1).count { $0 }) / Double(entry.offset + 1) : sum
          }
          sums[.averagePrecision(k), default: 0] += precisions / Double(min(k, relevant.count))
        }
        if let rank = hits.prefix(5).firstIndex(of: true) {
          sums[.reciprocalRank, default: 0] += 1 / Double(rank + 1)
        }
        var won = 0.0
        for (place, hit) in hits.enumerated() where hit { won += Double(hits[place...].count { !$0 }) }
        sums[.areaUnderCurve, default: 0] += won / Double(relevant.count * (itemCount - relevant.count))
      }
      for (metric, sum) in sums {
        #expect(
          abs((full[metric] ?? .nan) - sum / orders) < 1e-9,
          "trial \(trial), \(metric), \(scores), \(relevant)")
      }
    }
  }

  @Test func itemsWithoutAScoreGetNoCredit() throws {
    let train = Interactions(itemCount: 4, histories: [[0]])
    let evaluator = Evaluator(train: train, test: [[1]], negatives: [[2, 3, 1]], cutoffs: [1, 3])
    for score in [Float.nan, -.infinity] {
      let outcome = evaluator.evaluate(TableScorer(rows: [[0, score, -.infinity, .nan]]))
      #expect(outcome.full?[.hitRate(3)] == 0)
      // In the listed protocol it stands behind both negatives, which have no score either.
      #expect(outcome.listed?[.hitRate(1)] == 0 && outcome.listed?[.hitRate(3)] == 1)
      #expect(outcome.listed?[.areaUnderCurve] == 0)
    }
    // A test item that the user has in train can never be recommended.
    let seen = Evaluator(train: train, test: [[0]]).evaluate(TableScorer(rows: [[9, 1, 1, 1]]))
    #expect(seen.full?[.recall(20)] == 0)
  }

  @Test func usersWithoutTestItemsAreLeftOutAndGroupsAddUp() throws {
    var random = TestRandom(12)
    let train = random.interactions(users: 70, itemCount: 25, longest: 6)
    let test = (0..<70).map { user -> [Int32] in user % 5 == 0 ? [] : random.history(count: 2, itemCount: 25)
    }
    let scorer = TableScorer(rows: (0..<70).map { _ in (0..<25).map { _ in Float(random.uniform()) } })
    let partners = UserGrouping(name: "partner", labels: (0..<70).map { $0 % 3 == 0 ? "north" : "south" })
    let activity = UserGrouping.activity(of: train)
    let outcome = Evaluator(train: train, test: test).evaluate(scorer, groupings: [partners, activity])
    let full = try #require(outcome.full)
    #expect(full.users == 56)
    #expect(outcome.listed == nil)
    for grouping in [partners, activity] {
      let groups = try #require(outcome.fullByGroup[grouping.name])
      #expect(groups.values.reduce(0) { $0 + $1.users } == 56)
      let mean = groups.values.reduce(0) { $0 + Double($1.users) * ($1[.ndcg(10)] ?? .nan) } / 56
      #expect(abs(mean - (full[.ndcg(10)] ?? .nan)) < 1e-12)
    }
    let some = Evaluator(train: train, test: test).evaluate(scorer, users: [0, 1, 2])
    #expect(some.full?.users == 2)
  }

  @Test func anIntervalIsOneAndNinetySixStandardErrors() throws {
    // Hits 1, 1, 0, 1: mean .75, variance .25, standard error .25.
    let train = Interactions(itemCount: 3, histories: [[], [], [], []])
    let rows: [[Float]] = [[3, 2, 1], [3, 2, 1], [1, 2, 3], [3, 2, 1]]
    let outcome = Evaluator(train: train, test: [[0], [0], [0], [0]], cutoffs: [1])
      .evaluate(TableScorer(rows: rows))
    let estimate = try #require(outcome.full?.values[.hitRate(1)])
    #expect(abs(estimate.mean - 0.75) < 1e-12 && abs(estimate.halfWidth - 1.96 * 0.25) < 1e-12)
  }

  @Test func theCatalogueIsDescribedByWhatTheListsShow() throws {
    // Train counts: item 0 twice, 1 and 2 once, 3 never. Lists of one: 1 for the first user, 0 for the other two.
    let train = Interactions(itemCount: 4, histories: [[0], [1, 2], [0]])
    let rows: [[Float]] = [[9, 5, 1, 1], [9, 5, 1, 1], [9, 1, 1, 5]]
    let outcome = Evaluator(train: train, test: [[2], [0], [1]], cutoffs: [1], listLength: 1)
      .evaluate(TableScorer(rows: rows))
    let catalogue = outcome.catalogue
    // Shown: 1, 0, 3.
    #expect(catalogue.distinctItems == 3 && catalogue.coverage == 0.75)
    // Shares of users 1/3, 2/3, and 1/3 for the unseen item.
    #expect(abs(catalogue.novelty - (2 * log2(3.0) + log2(1.5)) / 3) < 1e-12)
    // Shown popularity (1 + 2 + 0) / 3 against (2 + 1 + 1 + 2) / 4.
    #expect(abs(catalogue.popularityLift - (1 / 1.5 - 1)) < 1e-12)
    // Exposure 0, 1, 1, 1: Σ (2i − 5) x = −1 + 1 + 3 over 4 · 3.
    #expect(abs(catalogue.exposureGini - 0.25) < 1e-12)
  }

  @Test func aDifferenceIsOfTheSameUsers() throws {
    // Ranks of the only test item among 0, 1, 2: first and second scorer.
    let train = Interactions(itemCount: 3, histories: [[], [], [], []])
    let byRank: [[Float]] = [[9, 5, 1], [5, 9, 1], [1, 9, 5]]
    func scorer(_ ranks: [Int]) -> TableScorer { TableScorer(rows: ranks.map { byRank[$0] }) }
    let evaluator = Evaluator(
      train: train, test: [[0], [0], [0], [0]], negatives: [[1, 2], [1, 2], [1, 2], [1, 2]], cutoffs: [1], listLength: 1)
    let (first, second) = (scorer([0, 1, 1, 2]), scorer([0, 0, 0, 1]))
    let halves = UserGrouping(name: "half", labels: ["a", "a", "b", "b"])
    let found = evaluator.difference(from: first, to: second, groupings: [halves])
    let gain = try #require(found.full?.values[.hitRate(1)])
    // Gains 0, 1, 1, 0: mean 1/2, variance 1/3, standard error √(1/12).
    #expect(gain.mean == 0.5 && abs(gain.halfWidth - 1.96 * (1.0 / 12).squareRoot()) < 1e-12)
    #expect(found.listed?.values[.hitRate(1)] == gain)
    #expect(found.full?.values[.f1(1)] == nil && found.full?.users == 4)
    #expect(found.fullByGroup["half"]?["b"]?.values[.hitRate(1)]?.mean == 0.5)
    // It is what the two evaluations differ by, and nothing where there is no difference.
    let (before, after) = (evaluator.evaluate(first), evaluator.evaluate(second))
    for (metric, estimate) in try #require(found.full).values {
      let (old, new) = (try #require(before.full?[metric]), try #require(after.full?[metric]))
      #expect(abs(estimate.mean - (new - old)) < 1e-12)
    }
    let same = try #require(evaluator.difference(from: first, to: first).full)
    #expect(same.values.values.allSatisfy { $0.mean == 0 && $0.halfWidth == 0 })
  }

  private func isSorted(_ values: [Float]) -> Bool { zip(values, values.dropFirst()).allSatisfy { $0 >= $1 } }

  private func permutations(_ items: [Int]) -> [[Int]] {
    guard items.count > 1 else { return [items] }
    return items.indices.flatMap { place -> [[Int]] in
      var rest = items
      let first = rest.remove(at: place)
      return permutations(rest).map { [first] + $0 }
    }
  }
}
