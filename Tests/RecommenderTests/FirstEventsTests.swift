import Foundation
import Recommender
import Testing

/// Users with few events: how far popularity speaks for them.
@Suite struct FirstEventsTests {
  private static let itemCount = 30
  private static let algorithms = ["als", "mf", "covariance", "hybrid", "item-knn", "two-tower", "gru"]

  private func train() -> Interactions {
    var random = TestRandom(8)
    return random.interactions(users: 80, itemCount: Self.itemCount, longest: 12)
  }

  /// - Parameter prior: `nil` as in a plan that does not name it.
  private func algorithm(_ name: String, prior: Double?) throws -> any FederatedAlgorithm {
    let wanted: [String: [String: Double]] = [
      "als": ["dimension": 6, "rounds": 3], "mf": ["dimension": 6, "rounds": 3],
      "two-tower": ["dimension": 8, "hidden": 8, "negatives": 10, "dropout": 0, "rounds": 3],
      "gru": ["dimension": 8, "hidden": 8, "window": 10, "negatives": 10, "dropout": 0, "rounds": 3],
    ]
    var values = try AlgorithmRegistry.resolve(
      name, wanted[name] ?? [:], setting: .init(itemCount: Self.itemCount, usersOverNoise: nil, rounds: nil))
    #expect(values["prior-events"] == (name == "gru" ? 0 : 3))
    values["prior-events"] = prior
    return try AlgorithmRegistry.make(name, values, itemCount: Self.itemCount)
  }

  private func scores(_ scorer: any Scorer, _ items: [Int32]) -> [Float] {
    var scores = [Float](repeating: .nan, count: scorer.itemCount)
    scorer.score(UserHistory(items: items[...]), into: &scores)
    return scores
  }

  private func deviation(_ values: [Float]) -> Double {
    let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
    return (values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count)).squareRoot()
  }

  @Test(arguments: algorithms) func `popularity is added by the square of prior over events, in the spread of the scores`(
    name: String
  ) throws {
    let train = train()
    let (plain, leaning) = (try algorithm(name, prior: nil), try algorithm(name, prior: 3))
    #expect(!(plain is FirstEvents) && leaning is FirstEvents && leaning.name == name && leaning.shapes == plain.shapes)
    let model = CentralTraining.run(plain, on: train, seed: 1)
    #expect(CentralTraining.run(leaning, on: train, seed: 1) == model, "training knows nothing of it")
    let (before, after) = (plain.scorer(model: model), leaning.scorer(model: model))
    let popularity = try #require((model.tensors["popularity"] ?? model.tensors["counts"])?.values)
    let mean = popularity.reduce(0.0) { $0 + Double($1) } / Double(popularity.count)
    let logarithms = popularity.map { log(max(Double($0), mean / 100)) }
    let centre = logarithms.reduce(0, +) / Double(logarithms.count)
    let shares = logarithms.map { ($0 - centre) / deviation(logarithms.map { Float($0) }) }
    for count in [1, 2, 3, 7, 20] {
      let items = (0..<count).map { Int32($0 * 7 % Self.itemCount) }
      let (own, mixed) = (scores(before, items), scores(after, items))
      let factor = Double(9) / Double(count * count) * deviation(own)
      for item in own.indices {
        let expected = Double(own[item]) + factor * shares[item]
        #expect(abs(Double(mixed[item]) - expected) <= 2e-5 * (1 + abs(expected)), "\(name), \(count) events, item \(item)")
      }
      // What a server keeps gives the same, to the last bit; reasons are those of the model.
      var solved = [Float](repeating: .nan, count: Self.itemCount)
      after.score(solved: after.solve(UserHistory(items: items[...])), into: &solved)
      #expect(solved == mixed)
      #expect(after.explain(4, for: UserHistory(items: items[...])) == before.explain(4, for: UserHistory(items: items[...])))
    }
  }

  @Test(arguments: algorithms) func `nobody's events are served as popularity, and a prior of none changes nothing else`(
    name: String
  ) throws {
    let train = train()
    let plain = try algorithm(name, prior: nil)
    let model = CentralTraining.run(plain, on: train, seed: 1)
    let popularity = try #require((model.tensors["popularity"] ?? model.tensors["counts"])?.values)
    let (none, some) = (try algorithm(name, prior: 0).scorer(model: model), try algorithm(name, prior: 2).scorer(model: model))
    for scorer in [none, some] {
      #expect(scores(scorer, []) == popularity && scorer.solve(UserHistory(items: [])).isEmpty)
    }
    #expect(scores(none, [3, 9]) == scores(plain.scorer(model: model), [3, 9]))
  }

  @Test func `a prior that is no number of events is refused, and popularity takes none`() throws {
    for prior in [-0.5, .nan, .infinity, 1000.5] {
      let error = #expect(throws: InvalidHyperparameter.self) { try algorithm("als", prior: prior) }
      #expect(error?.description.contains("prior-events of als") == true)
    }
    #expect(throws: InvalidHyperparameter.self) {
      try AlgorithmRegistry.resolve(
        "popularity", ["prior-events": 1], setting: .init(itemCount: 3, usersOverNoise: nil, rounds: nil))
    }
  }

  @Test func `where everything is equally popular, the model alone ranks`() throws {
    let plain = try algorithm("als", prior: nil)
    var model = CentralTraining.run(plain, on: train(), seed: 1)
    model.tensors["popularity"]?.values = [Float](repeating: 0.5, count: Self.itemCount)
    let leaning = try algorithm("als", prior: 2).scorer(model: model)
    #expect(scores(leaning, [1]) == scores(plain.scorer(model: model), [1]))
  }
}
