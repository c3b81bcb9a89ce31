import Recommender
import Serving
import Testing

/// Lists: exact, filtered, as rules say.
@Suite struct RecommendationTests {
  @Test(arguments: Shop.algorithms) func `a list equals brute force over all scores`(name: String) throws {
    let engine = try Shop.engine(name)
    let algorithm = try Shop.algorithm(name)
    let scorer = algorithm.scorer(model: try Shop.model(name))
    for user in [0, 17, 63, 119] {
      let history = Shop.history(user)
      var scores = [Float](repeating: 0, count: Shop.itemCount)
      scorer.score(history.history(), into: &scores)
      let seen = Set(history.entries.map { Int($0.item) })
      let expected = scores.indices.filter { !seen.contains($0) }
        .sorted { (scores[$1], $0) < (scores[$0], $1) }.prefix(10)
      var query = RecommendationQuery()
      let answer = try engine.recommend(query, history: history)
      #expect(answer.items == Array(expected) && answer.basis == .history, "\(name), user \(user)")
      #expect(answer.entries.allSatisfy { $0.score == scores[$0.item] && !$0.isPinned })
      // What was solved once gives the same list.
      let solved = try engine.solve(history, scene: nil)
      #expect(try engine.recommend(query, history: history, solved: solved) == answer)
      query.includesSeen = true
      query.count = Shop.itemCount
      #expect(
        try engine.recommend(query, history: history).items == scores.indices.sorted { (scores[$1], $0) < (scores[$0], $1) })
    }
  }

  @Test func `equal scores stand in the order of the catalogue`() throws {
    let engine = try RecommendationEngine(
      model: .init(algorithm: "table", version: 1, plan: ""),
      scorer: TableScorer(table: Array(repeating: [1, 1, 1, 1, 1], count: 5)),
      popularity: [2, 2, 2, 2, 2], catalogue: Catalogue(itemIDs: ["a", "b", "c", "d", "e"]))
    var query = RecommendationQuery()
    query.count = 3
    #expect(try engine.recommend(query, history: ServedHistory(items: [1])).items == [0, 2, 3])
    #expect(try engine.recommend(query, history: ServedHistory()).items == [0, 1, 2])
  }

  @Test func `who has no events gets what is popular in the scene, and the first event is enough for more`() throws {
    let engine = try Shop.engine(rules: ServingRules(scenes: ["ads": .init(items: .init(column: "kind", values: ["advert"]))]))
    var query = RecommendationQuery()
    let counts = (0..<Shop.itemCount).map { item in Shop.interactions.items.count { Int($0) == item } }
    let everywhere = try engine.recommend(query, history: ServedHistory())
    #expect(everywhere.basis == .popularity && counts[everywhere.items[0]] == counts.max())
    query.scene = "ads"
    let adverts = try engine.recommend(query, history: ServedHistory())
    #expect(adverts.scene == "ads" && adverts.items.count == 10 && adverts.items.allSatisfy { $0 % 4 == 2 })
    var first = ServedHistory()
    first.append(5, .browse)
    let solved = try engine.recommend(query, history: first)
    #expect(solved.basis == .history && solved.entries != adverts.entries)
  }

  @Test func `filters keep out what they name, and nothing else`() throws {
    let engine = try Shop.engine()
    let history = Shop.history(4)
    var query = RecommendationQuery()
    query.count = Shop.itemCount
    let all = try engine.recommend(query, history: history).items
    func filtered(_ change: (inout RecommendationQuery) -> Void, _ keeps: (Int) -> Bool) throws {
      var changed = query
      change(&changed)
      #expect(try engine.recommend(changed, history: history).items == all.filter(keeps))
    }
    try filtered({ $0.excluded = ["item-\(all[0])", "item-\(all[3])", "nobody's"] }, { $0 != all[0] && $0 != all[3] })
    try filtered({ $0.allowed = ["item-\(all[5])", "item-\(all[2])", "nobody's"] }, { $0 == all[5] || $0 == all[2] })
    try filtered({ $0.allowed = [] }, { _ in false })
    try filtered({ $0.with = [.init(column: "kind", value: "good")] }, { $0 % 4 == 0 })
    try filtered({ $0.with = [.init(column: "kind", value: "good"), .init(column: "kind", value: "text")] }, { $0 % 4 < 2 })
    try filtered(
      { $0.with = [.init(column: "kind", value: "good"), .init(column: "colour", value: "red")] }, { $0 % 4 == 0 && $0 < 20 })
    try filtered({ $0.with = [.init(column: "kind", value: "none such")] }, { _ in false })
    try filtered(
      { $0.without = [.init(column: "colour", value: "red"), .init(column: "kind", value: "offer")] }, { $0 >= 20 && $0 % 4 != 3 }
    )
    query.with = [.init(column: "size", value: "big")]
    #expect(throws: QueryRefusal.unknownColumn("size", known: ["colour", "kind", "title"])) {
      try engine.recommend(query, history: history)
    }
    query = RecommendationQuery()
    query.scene = "nowhere"
    #expect(throws: QueryRefusal.unknownScene("nowhere", known: ["all"])) { try engine.recommend(query, history: history) }
  }

  @Test func `a cap holds for every value, and the list is as good as it can be`() throws {
    let engine = try Shop.engine()
    let history = Shop.history(9)
    var query = RecommendationQuery()
    query.count = Shop.itemCount
    let all = try engine.recommend(query, history: history).items
    for (count, max) in [(8, 2), (12, 3), (40, 1)] {
      query.count = count
      query.cap = .init(column: "kind", max: max)
      var used = [0, 0, 0, 0]
      let expected = all.filter { item in
        guard used[item % 4] < max else { return false }
        used[item % 4] += 1
        return true
      }
      #expect(try engine.recommend(query, history: history).items == Array(expected.prefix(count)))
    }
    // Several values in one field, and none: what has none is not held back.
    query.count = 30
    query.cap = .init(column: "colour", max: 1)
    let list = try engine.recommend(query, history: history).items
    #expect(list.count { $0 < 20 } == 1 && list.count { $0 >= 30 } == 1)
    #expect(list.count { (20..<30).contains($0) } == all.count { (20..<30).contains($0) })
  }

  @Test(arguments: Shop.algorithms) func `diversity with λ = 1 is the order of the scores, and less of it sets apart`(
    name: String
  ) throws {
    let engine = try Shop.engine(name)
    for user in [3, 58] {
      let history = Shop.history(user)
      var query = RecommendationQuery()
      let plain = try engine.recommend(query, history: history).items
      query.lambda = 1
      #expect(try engine.recommend(query, history: history).items == plain)
      query.lambda = 0.999_999
      let barely = try engine.recommend(query, history: history)
      #expect(Set(barely.items).count == 10 && barely.items[0] == plain[0])
      query.lambda = 0.2
      let apart = try engine.recommend(query, history: history).items
      #expect(apart[0] == plain[0] && Set(apart).count == 10)
      // Greedy choice promises nothing about sums; on factors it is far from the line.
      if name == "als" { #expect(try likeness(apart, engine) < likeness(plain, engine)) }
    }
  }

  @Test(arguments: ["als", "mf", "covariance", "item-knn", "gru", "popularity"])
  func `maximal marginal relevance equals the definition, step by step`(name: String) throws {
    let engine = try Shop.engine(name)
    let history = Shop.history(21)
    var query = RecommendationQuery()
    query.count = Shop.itemCount
    let all = try engine.recommend(query, history: history).entries
    let (best, worst) = (try #require(all.first).score, try #require(all.last).score)
    for lambda: Float in [0, 0.3, 0.7] {
      var left = all
      var chosen: [Int] = []
      while chosen.count < 6 {
        func value(_ entry: RecommendationAnswer.Entry) throws -> Float {
          let near = try chosen.map { try similarity($0, entry.item, engine) }.max() ?? -1
          return lambda * (entry.score - worst) / (best - worst) - (1 - lambda) * near
        }
        let values = try left.map(value)
        let next = try #require(values.indices.max { (values[$0], $1) < (values[$1], $0) })
        chosen.append(left.remove(at: next).item)
      }
      query.count = 6
      query.lambda = lambda
      #expect(try engine.recommend(query, history: history).items == chosen, "λ = \(lambda)")
    }
  }

  @Test func `without factors items are alike by what is known of them`() throws {
    let engine = try Shop.engine("popularity")
    #expect(engine.similarityMeasure == "overlap of attributes")
    let similar = try engine.similar(to: "item-0", count: 3, scene: nil)
    // The same kind and the same colour.
    #expect(similar.map(\.item) == [4, 8, 12] && similar[0].score == 1 && similar[2].score < 1)
  }

  @Test func `pins come first where filters let them, blocks never come, boosts lift`() throws {
    let history = Shop.history(33)
    var query = RecommendationQuery()
    query.count = 5
    let plain = try Shop.engine().recommend(query, history: history).items
    var scene = ServingRules.Scene()
    scene.pin = ["item-\(plain[4])", "no such item", "item-\(plain[2])"]
    scene.block = .init(items: ["item-\(plain[0])"])
    let ruled = try Shop.engine(rules: ServingRules(scenes: ["all": scene]))
    let answer = try ruled.recommend(query, history: history)
    #expect(ruled.unknownRuleItems == 1)
    #expect(Array(answer.items.prefix(4)) == [plain[4], plain[2], plain[1], plain[3]])
    #expect(answer.entries.map(\.isPinned) == [true, true, false, false, false] && !answer.items.contains(plain[0]))
    query.excluded = ["item-\(plain[4])"]
    #expect(try ruled.recommend(query, history: history).items.first == plain[2])
    query.count = 1
    #expect(try ruled.recommend(query, history: history).items == [plain[2]])

    query = RecommendationQuery()
    query.count = 5
    let last = plain[4]
    scene = ServingRules.Scene(boost: [.init(of: .init(items: ["item-\(last)"]), add: 100)])
    #expect(try Shop.engine(rules: ServingRules(scenes: ["all": scene])).recommend(query, history: history).items[0] == last)
    scene = ServingRules.Scene(boost: [.init(of: .init(column: "kind", values: [Shop.kinds[plain[0] % 4]]), add: -100)])
    let lowered = try Shop.engine(rules: ServingRules(scenes: ["all": scene])).recommend(query, history: history).items
    #expect(!lowered.contains { $0 % 4 == plain[0] % 4 })
  }

  @Test func `each scene has its own items, its own weights and its own list`() throws {
    let rules = ServingRules(
      block: .init(items: ["item-0"]),
      scenes: [
        "goods": .init(items: .init(column: "kind", values: ["good"])),
        "content": .init(items: .init(items: ["item-1", "item-5"], column: "kind", values: ["text"])),
        "ads": .init(
          items: .init(column: "kind", values: ["advert"]), eventWeights: EventWeights(browse: 50, favourite: 3, cart: 5, buy: 1)),
      ])
    let engine = try Shop.engine("mf", rules: rules)
    #expect(engine.sceneNames == ["ads", "all", "content", "goods"])
    #expect(engine.itemCount(ofScene: "goods") == 9 && engine.itemCount(ofScene: "all") == 39)
    #expect(try engine.profile(ofScene: "goods") == engine.profile(ofScene: "all"))
    #expect(try engine.profile(ofScene: "ads") != engine.profile(ofScene: "all"))
    var history = Shop.history(2)
    history.append(30, .browse)
    history.append(31, .buy)
    var query = RecommendationQuery()
    query.count = 40
    for (name, place) in [("goods", 0), ("content", 1), ("ads", 2)] {
      query.scene = name
      let list = try engine.recommend(query, history: history).items
      #expect(!list.isEmpty && list.allSatisfy { $0 % 4 == place && $0 != 0 })
    }
  }

  @Test(
    "Rules that cannot hold are refused with a sentence",
    arguments: [
      (ServingRules.Scene(lambda: 1.5), "lambda is 1.5"),
      (ServingRules.Scene(cap: .init(column: "kind", max: 0)), "the cap of 'kind' is 0"),
      (ServingRules.Scene(cap: .init(column: "size", max: 2)), "no column 'size' of items; the columns there are: colour, kind"),
      (ServingRules.Scene(items: .init(column: "size", values: ["big"])), "no column 'size'"),
      (ServingRules.Scene(boost: [.init(of: .init(), add: .nan)]), "a boost adds nan"),
    ])
  func badRules(_ scene: ServingRules.Scene, _ words: String) throws {
    let error = #expect(throws: ServingRuleError.self) { try Shop.engine(rules: ServingRules(scenes: ["ads": scene])) }
    #expect(
      error?.description.contains(words) == true && error?.description.contains("'ads'") == true, "\(String(describing: error))")
  }

  private func likeness(_ items: [Int], _ engine: RecommendationEngine) throws -> Float {
    var sum: Float = 0
    for (place, item) in items.enumerated() { for other in items[..<place] { sum += try similarity(item, other, engine) } }
    return sum
  }

  private func similarity(_ item: Int, _ other: Int, _ engine: RecommendationEngine) throws -> Float {
    try engine.similar(to: engine.itemID(item), count: Shop.itemCount, scene: nil).first { $0.item == other }?.score ?? 0
  }
}
