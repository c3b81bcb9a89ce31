import Recommender
import Serving
import Testing

/// A generator that is the same everywhere (xorshift64*).
struct Coins {
  var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next(below bound: Int) -> Int {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return Int((state &* 0x2545_F491_4F6C_DD1D) >> 33) % bound
  }
}

/// Shops of 40 items in four kinds, and models that were trained on them.
enum Shop {
  static let itemCount = 40
  static let kinds = ["good", "text", "advert", "offer"]

  static let catalogue = Catalogue(
    itemIDs: (0..<itemCount).map { "item-\($0)" },
    attributes: [
      "title": (0..<itemCount).map { $0 == 7 ? "" : "The item \($0)" },
      "kind": (0..<itemCount).map { kinds[$0 % 4] },
      "colour": (0..<itemCount).map { ["red", "blue|red", "", "green"][$0 / 10] },
    ])

  static let interactions: Interactions = {
    var coins = Coins(7)
    return Interactions(
      itemCount: itemCount,
      histories: (0..<120).map { user in
        var items: [Int32] = []
        while items.count < 4 + user % 7 {
          let item = Int32((user % 5 * 8 + coins.next(below: 12)) % itemCount)
          if !items.contains(item) { items.append(item) }
        }
        return items
      })
  }()

  /// A trained algorithm of each family that scores in a way of its own.
  static let algorithms = ["als", "mf", "covariance", "hybrid", "item-knn", "popularity", "gru"]

  static func algorithm(_ name: String) throws -> any FederatedAlgorithm {
    let wanted: [String: [String: Double]] = [
      "als": ["dimension": 8, "rounds": 3], "mf": ["dimension": 8, "rounds": 3],
      "gru": ["dimension": 8, "hidden": 8, "window": 10, "negatives": 8, "dropout": 0, "rounds": 2],
    ]
    return try AlgorithmRegistry.make(
      name,
      AlgorithmRegistry.resolve(
        name, wanted[name] ?? [:], setting: .init(itemCount: itemCount, usersOverNoise: nil, rounds: nil)),
      itemCount: itemCount)
  }

  /// Trained once for all tests.
  private static let models: [String: ItemModel] = {
    var models: [String: ItemModel] = [:]
    for name in algorithms {
      models[name] = (try? algorithm(name)).map { CentralTraining.run($0, on: interactions, seed: 3) }
    }
    return models
  }()

  static func model(_ name: String) throws -> ItemModel { try #require(models[name]) }

  static func engine(
    _ name: String = "als", version: Int? = nil, attributes: [String: [String]] = [:], rules: ServingRules = ServingRules()
  ) throws -> RecommendationEngine {
    let algorithm = try algorithm(name)
    let model = try model(name)
    let counts = (model.tensors["popularity"] ?? model.tensors["counts"])?.values
    return try RecommendationEngine(
      model: .init(algorithm: name, version: version ?? model.version, plan: "0123"), scorer: algorithm.scorer(model: model),
      popularity: counts, catalogue: catalogue, attributes: attributes, rules: rules)
  }

  static func history(_ user: Int) -> ServedHistory { ServedHistory(items: Array(interactions.history(of: user))) }
}

/// Scores that a table gives: an item's score is the sum of its row over the history.
struct TableScorer: Scorer {
  let table: [[Float]]
  var itemCount: Int { table.count }

  func score(_ user: UserHistory, into scores: inout [Float]) {
    for item in scores.indices { scores[item] = user.items.reduce(0) { $0 + table[item][Int($1)] } }
  }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? { user.items.map { table[item][Int($0)] } }
}

extension RecommendationAnswer {
  var items: [Int] { entries.map(\.item) }
}
