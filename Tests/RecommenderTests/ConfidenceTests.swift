import Foundation
import Recommender
import Testing

/// What the weights of events do to lists.
@Suite struct ConfidenceTests {
  private static let users: Interactions = {
    let histories: [[Int32]] = (0..<60).map { user in
      var items: [Int32] = []
      for step in 0..<5 {
        let item = Int32((user * 7 + step * (1 + user % 3)) % 12)
        if !items.contains(item) { items.append(item) }
      }
      return items
    }
    return Interactions(itemCount: 12, histories: histories)
  }()

  private func scores(_ name: String, _ weights: [Float], trainedOn users: Interactions = users) throws -> [Float] {
    let setting = AlgorithmRegistry.Setting(itemCount: 12, usersOverNoise: nil, rounds: nil)
    let given: [String: Double] = ["als": ["dimension": 4], "mf": ["dimension": 4]][name] ?? [:]
    let algorithm = try AlgorithmRegistry.make(
      name, AlgorithmRegistry.resolve(name, given, setting: setting), itemCount: 12)
    let model = CentralTraining.run(algorithm, on: users, seed: 1)
    var scores = [Float](repeating: 0, count: 12)
    algorithm.scorer(model: model).score(UserHistory(items: [2, 5, 9], weights: weights[...]), into: &scores)
    return scores
  }

  @Test(arguments: ["als", "mf", "covariance", "item-knn", "hybrid"])
  func `a purchase beside looks changes what is listed, looks alone do not`(name: String) throws {
    let plain = try scores(name, [])
    #expect(try scores(name, [1, 1, 1]) == plain)
    // Whatever the unit is.
    #expect(zip(try scores(name, [10, 10, 10]), plain).allSatisfy { abs($0 - $1) < 1e-5 })
    let bought = try scores(name, [1, 1, 10])
    let other = try scores(name, [10, 1, 1])
    #expect(zip(bought, plain).contains { abs($0 - $1) > 1e-3 } && zip(bought, other).contains { abs($0 - $1) > 1e-3 })
  }

  @Test(arguments: ["als", "mf"]) func `training knows the weights`(name: String) throws {
    let histories = (0..<60).map { Array(Self.users.history(of: $0)) }
    let weights: [[Float]] = histories.map { history in history.indices.map { $0 % 3 == 0 ? 10 : 1 } }
    let weighted = Interactions(itemCount: 12, histories: histories, weights: weights)
    #expect(zip(try scores(name, [], trainedOn: weighted), try scores(name, [])).contains { abs($0 - $1) > 1e-3 })
  }

  @Test func `logarithms, relative to the strongest`() throws {
    // EASE is linear: the score of a history is the sum of its items' rows, each times how sure it is.
    let setting = AlgorithmRegistry.Setting(itemCount: 12, usersOverNoise: nil, rounds: nil)
    let given: [String: Double] = ["prior-events": 0, "half-life": 0]
    let algorithm = try AlgorithmRegistry.make(
      "covariance", AlgorithmRegistry.resolve("covariance", given, setting: setting), itemCount: 12)
    let scorer = algorithm.scorer(model: CentralTraining.run(algorithm, on: Self.users, seed: 1))
    func score(_ weights: [Float]) -> [Float] {
      var scores = [Float](repeating: 0, count: 12)
      scorer.score(UserHistory(items: [2, 5], weights: weights[...]), into: &scores)
      return scores
    }
    let (first, second) = (score([1, 0]), score([0, 1]))
    for (weights, sure) in [
      ([1, 10], [(1 + log(2)) / (1 + log(11)), 1]), ([300, 3], [1, (1 + log(4)) / (1 + log(301))]), ([Float.nan, 2], [0, 1]),
      ([-3, 2], [0, 1]), ([.infinity, 1], [1, 0.018_874]),
    ] as [([Float], [Double])] {
      let expected = zip(first, second).map { sure[0] * Double($0) + sure[1] * Double($1) }
      #expect(zip(score(weights), expected).allSatisfy { abs(Double($0) - $1) < 1e-4 }, "\(weights)")
    }
    #expect(score([0, 0]).allSatisfy { $0 == 0 })
  }

  @Test func `where histories have no order nothing of them fades`() throws {
    for name in AlgorithmRegistry.names where AlgorithmRegistry.parameters(of: name).contains(where: { $0.name == "half-life" }) {
      for signal in [nil, 20_000.0] {
        func halfLife(_ given: [String: Double], isOrdered: Bool) throws -> Double? {
          try AlgorithmRegistry.resolve(
            name, given, setting: .init(itemCount: 600, usersOverNoise: signal, rounds: nil, isOrdered: isOrdered))["half-life"]
        }
        #expect(try halfLife([:], isOrdered: false) == 0, "\(name)")
        #expect(try halfLife([:], isOrdered: true) ?? 0 > 0, "\(name)")
        #expect(try halfLife(["half-life": 7], isOrdered: false) == 7, "\(name)")
      }
    }
  }
}
