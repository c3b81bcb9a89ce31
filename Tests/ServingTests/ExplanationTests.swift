import Recommender
import Serving
import Testing

/// Why an item was scored as it was.
@Suite struct ExplanationTests {
  @Test(arguments: ["als", "mf", "covariance", "hybrid", "item-knn"])
  func `the parts and what popularity adds are the score, and the score is the list's`(
    name: String
  ) throws {
    let engine = try Shop.engine(name)
    #expect(engine.explainsExactly)
    for user in [1, 44, 97] {
      var history = Shop.history(user)
      history.append(39, .buy)
      var query = RecommendationQuery()
      query.count = Shop.itemCount
      query.includesSeen = true
      // Everybody's list, whose scores are popularity: what it adds to an item grows with that, and is 0 on average.
      let popularity = Dictionary(
        uniqueKeysWithValues: try engine.recommend(query, history: ServedHistory()).entries.map { ($0.item, $0.score) })
      var added: [(popularity: Float, rest: Float)] = []
      for entry in try engine.recommend(query, history: history).entries {
        let explanation = try #require(
          try engine.explain(engine.itemID(entry.item), history: history, scene: nil))
        let sum = explanation.parts.reduce(0.0) { $0 + Double($1.contribution) }
        let rest = Double(entry.score) - sum
        #expect(explanation.basis == .exact && abs(Double(explanation.rest) - rest) <= 1e-5 * max(1, abs(rest)))
        added.append((try #require(popularity[entry.item]), explanation.rest))
        #expect(explanation.score == entry.score || abs(explanation.score - entry.score) < 1e-5)
        #expect(Set(explanation.parts.map(\.item)) == Set(history.entries.map { Int($0.item) }))
        #expect(zip(explanation.parts, explanation.parts.dropFirst()).allSatisfy { $0.contribution >= $1.contribution })
      }
      let most = added.map { abs($0.rest) }.max() ?? 0
      #expect(most > 0 && abs(added.reduce(0) { $0 + $1.rest }) <= 1e-3 * most * Float(Shop.itemCount))
      let ordered = added.sorted { $0.popularity < $1.popularity }
      #expect(zip(ordered, ordered.dropFirst()).allSatisfy { $0.rest <= $1.rest + 1e-3 * most }, "\(name)")
    }
  }

  @Test func `where the model is not linear each part is what the score loses without the event, and that is said`() throws {
    let engine = try Shop.engine("gru")
    #expect(!engine.explainsExactly)
    let history = Shop.history(50)
    let explanation = try #require(try engine.explain("item-3", history: history, scene: nil))
    #expect(explanation.basis == .leaveOneOut && explanation.consideredCount == history.entries.count)
    var query = RecommendationQuery()
    query.count = Shop.itemCount
    query.includesSeen = true
    func score(_ history: ServedHistory) throws -> Float {
      try #require(try engine.recommend(query, history: history).entries.first { $0.item == 3 }).score
    }
    let whole = try score(history)
    for part in explanation.parts {
      let rest = ServedHistory(items: history.entries.map(\.item).filter { Int($0) != part.item })
      #expect(abs(part.contribution - (whole - (try score(rest)))) < 1e-6)
    }
    let sum = explanation.parts.reduce(0) { $0 + $1.contribution }
    #expect(abs(explanation.rest - (whole - sum)) < 1e-5)
  }

  @Test func `only the newest events of a long history are left out one by one`() throws {
    let table = (0..<80).map { item in (0..<80).map { Float($0 == item ? 2 : 1) } }
    struct Blunt: Scorer {
      let inner: TableScorer
      var itemCount: Int { inner.itemCount }
      func score(_ user: UserHistory, into scores: inout [Float]) { inner.score(user, into: &scores) }
      func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
    }
    let engine = try RecommendationEngine(
      model: .init(algorithm: "blunt", version: 1, plan: ""), scorer: Blunt(inner: TableScorer(table: table)),
      catalogue: Catalogue(itemIDs: (0..<80).map { "\($0)" }))
    let explanation = try #require(try engine.explain("70", history: ServedHistory(items: Array(0..<70)), scene: nil))
    #expect(explanation.consideredCount == RecommendationEngine.leaveOneOutMax && explanation.score == 70)
    #expect(explanation.parts.allSatisfy { $0.contribution == 1 && $0.item >= 20 } && explanation.rest == 20)
  }

  @Test func `nothing is explained of nobody, and unknown items are named`() throws {
    let engine = try Shop.engine()
    #expect(try engine.explain("item-3", history: ServedHistory(), scene: nil) == nil)
    #expect(throws: QueryRefusal.unknownItem("gone")) { try engine.explain("gone", history: Shop.history(0), scene: nil) }
    #expect(throws: QueryRefusal.unknownItem("gone")) { try engine.similar(to: "gone", count: 3, scene: nil) }
  }
}
