import Foundation
import Recommender
import Testing

/// Slow, dense, independent implicit ALS in Float64, straight from the objective, for comparison.
struct DenseImplicitReference {
  let histories: [[Int32]]
  let weights: [[Float]]
  let itemCount: Int
  let regularization: Double
  let unobservedWeight: Double
  /// What each user weighs in the objective; all 1 when empty. No part of the sweeps.
  var userWeights: [Double] = []

  var userCount: Int { histories.count }

  func confidence(_ user: Int, _ item: Int) -> Double? {
    guard let position = histories[user].firstIndex(of: Int32(item)) else { return nil }
    guard !weights.isEmpty else { return 1 }
    // Logarithms, relative to the user's own strongest; nothing is nothing.
    func sure(_ weight: Float) -> Double { weight > 0 ? 1 + log(1 + Double(weight)) : 0 }
    return sure(weights[user][position]) / sure(weights[user].max() ?? 0)
  }

  /// Penalty weight of a user's or item's row.
  func userRidge(_ user: Int) -> Double {
    regularization * (Double(histories[user].count) + unobservedWeight * Double(itemCount))
  }

  func itemRidge(_ item: Int, activeUsers: Int) -> Double {
    let count = histories.filter { $0.contains(Int32(item)) }.count
    return regularization * (Double(count) + unobservedWeight * Double(activeUsers))
  }

  func userWeight(_ user: Int) -> Double { userWeights.isEmpty ? 1 : userWeights[user] }

  var activeUsers: [Int] { histories.indices.filter { !histories[$0].isEmpty } }

  /// Solves every user's vector by looping over the whole catalogue.
  func users(items: [[Double]]) -> [[Double]] {
    let order = items[0].count
    return histories.indices.map { user in
      guard !histories[user].isEmpty else { return [Double](repeating: 0, count: order) }
      return weightedLeastSquares(
        rows: items, ridge: userRidge(user),
        entries: (0..<itemCount).map { item in
          confidence(user, item).map { ($0, 1.0) } ?? (unobservedWeight, 0)
        })
    }
  }

  func items(users: [[Double]]) -> [[Double]] {
    (0..<itemCount).map { item in
      weightedLeastSquares(
        rows: users, ridge: itemRidge(item, activeUsers: activeUsers.count),
        entries: histories.indices.map { user in
          confidence(user, item).map { ($0, 1.0) } ?? (unobservedWeight, 0)
        })
    }
  }

  /// The objective whose alternating minimisation ALS is.
  func objective(users: [[Double]], items: [[Double]]) -> Double {
    var total = 0.0
    for user in activeUsers {
      let share = userWeight(user)
      for item in 0..<itemCount {
        let score = dot(users[user], items[item])
        if let weight = confidence(user, item) {
          total += share * weight * (1 - score) * (1 - score)
        } else {
          total += share * unobservedWeight * score * score
        }
      }
      total += share * userRidge(user) * dot(users[user], users[user])
    }
    for item in 0..<itemCount {
      let users = activeUsers.map { histories[$0].contains(Int32(item)) ? userWeight($0) : 0 }.reduce(0, +)
      let everybody = activeUsers.map(userWeight).reduce(0, +)
      total += regularization * (users + unobservedWeight * everybody) * dot(items[item], items[item])
    }
    return total
  }

  private func weightedLeastSquares(
    rows: [[Double]], ridge: Double, entries: [(weight: Double, target: Double)]
  )
    -> [Double]
  {
    let order = rows[0].count
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: order + 1), count: order)
    for i in 0..<order { matrix[i][i] = ridge }
    for (row, entry) in zip(rows, entries) {
      for i in 0..<order {
        for j in 0..<order { matrix[i][j] += entry.weight * row[i] * row[j] }
        matrix[i][order] += entry.weight * entry.target * row[i]
      }
    }
    return gaussianElimination(matrix)
  }
}

/// Solves [A | b] with partial pivoting.
func gaussianElimination(_ augmented: [[Double]]) -> [Double] {
  var m = augmented
  let order = m.count
  for pivot in 0..<order {
    let best = (pivot..<order).max { abs(m[$0][pivot]) < abs(m[$1][pivot]) } ?? pivot
    m.swapAt(pivot, best)
    for row in 0..<order where row != pivot {
      let factor = m[row][pivot] / m[pivot][pivot]
      for column in pivot...order { m[row][column] -= factor * m[pivot][column] }
    }
  }
  return (0..<order).map { m[$0][order] / m[$0][$0] }
}

func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }

/// The rows of a model's item factors.
func itemRows(_ model: ItemModel) -> [[Double]] {
  guard let tensor = model.tensors["items"] else { return [] }
  let order = tensor.shape[1]
  return (0..<tensor.shape[0]).map { tensor.values[$0 * order..<($0 + 1) * order].map(Double.init) }
}

/// The model with its item factors multiplied.
func scaled(_ model: ItemModel, by factor: Float) -> ItemModel {
  guard let items = model.tensors["items"] else { return model }
  var model = model
  model.tensors["items"] = Tensor(shape: items.shape, values: items.values.map { $0 * factor })
  return model
}

/// The largest difference between two arrays of numbers.
func largestDifference(_ x: some Sequence<Double>, _ y: some Sequence<Double>) -> Double {
  zip(x, y).reduce(0) { max($0, abs($1.0 - $1.1)) }
}

/// Generated histories: two groups of users with tastes of their own, for even and for odd items.
struct PlantedTastes {
  let histories: [[Int32]]
  let held: [Int32]
  let itemCount: Int

  init(users: Int, itemCount: Int, perUser: Int, seed: UInt64) {
    let random = PublicRandom(seed: seed)
    var drawn = 0
    func uniform() -> Double {
      drawn += 1
      return Double(random.word(at: drawn) >> 11) * 0x1p-53
    }
    var histories: [[Int32]] = []
    var held: [Int32] = []
    for user in 0..<users {
      var items: [Int32] = []
      while items.count < perUser + 1 {
        // Nine of ten items are from the user's own half.
        let own = uniform() < 0.9 ? user % 2 : 1 - user % 2
        let rank = Int(Double(itemCount / 2) * uniform())
        let item = Int32(2 * rank + own)
        if !items.contains(item) { items.append(item) }
      }
      held.append(items.removeLast())
      histories.append(items)
    }
    self.histories = histories
    self.held = held
    self.itemCount = itemCount
  }

  /// Share of users whose held item is among the best `cutoff` unseen ones.
  func hitRate(of scorer: any Scorer, cutoff: Int) -> Double {
    var hits = 0
    var scores = [Float](repeating: 0, count: itemCount)
    for (history, held) in zip(histories, held) {
      scorer.score(UserHistory(items: history[...]), into: &scores)
      for item in history { scores[Int(item)] = -.infinity }
      let own = scores[Int(held)]
      if scores.filter({ $0 > own }).count < cutoff { hits += 1 }
    }
    return Double(hits) / Double(histories.count)
  }
}

@Suite struct FactorizationReferenceTests {
  @Test func theReferenceItselfDescendsItsObjective() {
    let reference = DenseImplicitReference(
      histories: [[0, 2], [1], [], [2, 1, 3]], weights: [[1, 2], [0.5], [], [1, 1, 3]], itemCount: 4,
      regularization: 0.05, unobservedWeight: 0.2)
    var items = [[0.3, -0.1], [0.2, 0.4], [-0.5, 0.1], [0.1, 0.1]]
    var last = Double.infinity
    for _ in 0..<5 {
      let users = reference.users(items: items)
      let afterUsers = reference.objective(users: users, items: items)
      items = reference.items(users: users)
      let afterItems = reference.objective(users: users, items: items)
      #expect(afterUsers <= last && afterItems <= afterUsers)
      last = afterItems
    }
  }

  @Test func splitMixGivesThePublishedSequence() {
    // First outputs for seed 1234567, as listed for SplitMix64 on Rosetta Code ("Pseudo-random
    // numbers/Splitmix64").
    let random = PublicRandom(seed: 1_234_567)
    let expected: [UInt64] = [
      6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
    ]
    #expect((0..<5).map { random.word(at: $0) } == expected)
  }

  @Test func initialValuesHaveMeanZeroAndDeviationOne() {
    let random = PublicRandom(seed: 5)
    let values = (0..<100_000).map { Double(random.nearlyNormal(at: $0)) }
    let mean = values.reduce(0, +) / 100_000
    let variance = values.reduce(0) { $0 + $1 * $1 } / 100_000 - mean * mean
    // Three standard errors: .0095 for the mean; the fourth moment of this sum gives .012 for the variance.
    #expect(abs(mean) < 0.0095)
    #expect(abs(variance - 1) < 0.012)
  }
}
