import Foundation
import Recommender
import Serving
import Testing

/// What scenes are measured by, on lists that can be worked by hand.
@Suite struct SceneEvaluationTests {
  /// Eight items; whoever has item u gets 8 points for item u + 1, 7 for u + 2, and so on round.
  private struct Ring: Scorer {
    let itemCount = 8
    func score(_ user: UserHistory, into scores: inout [Float]) {
      let last = Int(user.items.last ?? 0)
      for step in 1...8 { scores[(last + step) % 8] = Float(9 - step) }
    }
    func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
  }

  private func engine(_ scenes: [String: ServingRules.Scene]) throws -> RecommendationEngine {
    try RecommendationEngine(
      model: .init(algorithm: "ring", version: 1, plan: ""), scorer: Ring(),
      catalogue: Catalogue(
        itemIDs: (0..<8).map { "i\($0)" }, attributes: ["kind": (0..<8).map { $0 < 6 ? "a" : "b" }]),
      rules: ServingRules(scenes: scenes))
  }

  /// Users with one item each, and what was held out of them.
  private func judge(
    _ name: String, _ scene: ServingRules.Scene, _ users: [(has: Int32, then: [Int32])], count: Int = 2
  ) throws -> (kind: ServingRules.Kind, users: Int, figures: [String: Double], evaluation: SceneEvaluation) {
    let evaluation = try SceneEvaluation(
      name, of: try engine([name: scene]), histories: users.map { ServedHistory(items: [$0.has]) }, heldOut: users.map(\.then),
      count: count)
    return (
      evaluation.kind, evaluation.users,
      Dictionary(uniqueKeysWithValues: evaluation.figures.map { ($0.name, $0.value) }), evaluation
    )
  }

  private let second = 1 / log2(3.0)

  @Test func `goods count hits, high ones more`() throws {
    // Lists of two: [1, 2], [2, 3], [3, 4]; the third user's item is not in the scene.
    let (kind, users, figures, evaluation) = try judge(
      "goods", .init(items: .init(column: "kind", values: ["a"])), [(0, [1]), (1, [3, 5]), (2, [7])])
    #expect(kind == .goods && users == 2 && evaluation.count == 2)
    #expect(figures["HR@2"] == 1 && figures["recall@2"] == 0.75)
    let gain = (1 + second / (1 + second)) / 2
    #expect(abs((figures["NDCG@2"] ?? 0) - gain) < 1e-12)
    // 1.96 · s / √2 with s = |difference| / √2 of two values.
    let width = try #require(evaluation.figures.first { $0.name == "recall@2" }?.halfWidth)
    #expect(abs(width - 1.96 * 0.5 / 2) < 1e-12)
  }

  @Test func `content counts what is shown of it, and how little alike the items of a list are`() throws {
    // [1, 2] and [5, 6]: four of eight items; 5 and 6 share no value, 1 and 2 share all.
    let (kind, users, figures, evaluation) = try judge("content", .init(), [(0, [4]), (4, [6])])
    #expect(kind == .content && users == 2)
    #expect(figures == ["HR@2": 0.5, "coverage": 0.5, "diversity": 0.5])
    #expect(evaluation.figures.first { $0.name == "coverage" }?.halfWidth == nil)
  }

  @Test func `ads count hits by what is shown and seen, and how well they are foretold`() throws {
    // Even users: a hit at place 1, one at place 2. Odd users: a hit at place 1, none, none.
    let users: [(Int32, [Int32])] = [(0, [1]), (0, [1]), (3, [5]), (3, [0]), (5, [0]), (5, [1])]
    let (kind, count, figures, _) = try judge("banner", .init(kind: .ads), users)
    #expect(kind == .ads && count == 6)
    #expect(abs((figures["hits per 1000 shown"] ?? 0) - 250) < 1e-9)
    #expect(abs((figures["seen-weighted precision"] ?? 0) - (2 + second) / (1 + second) / 6) < 1e-12)
    // 1/3 at either place for each of three lists, and one hit came.
    #expect(abs((figures["expected over observed hits"] ?? 0) - 2) < 1e-12)
    // Nothing came: nothing is said of how well it was foretold.
    #expect(try judge("ads", .init(), [(0, [1]), (0, [7])]).figures["expected over observed hits"] == nil)
  }

  @Test func `promotions count what pushing brought, and what it cost`() throws {
    // Item 6 is pinned: [6, 1] and [6, 3] instead of [1, 2] and [3, 4].
    let (kind, users, figures, _) = try judge("promotions", .init(pin: ["i6"]), [(0, [1]), (2, [6])])
    #expect(kind == .promotions && users == 2)
    #expect(figures["promoted among shown"] == 0.5 && figures["promoted among hits"] == 0.5)
    #expect(abs((figures["NDCG@2"] ?? 0) - (second + 1) / 2) < 1e-12)
    #expect(abs((figures["NDCG@2 lost"] ?? 0) - ((1 - second) + (0 - 1)) / 2) < 1e-12)
    // A boost counts like a pin, a damper does not.
    let boosted = try judge(
      "promotions", .init(boost: [.init(of: .init(items: ["i7"]), add: 9), .init(of: .init(items: ["i1"]), add: -0.001)]),
      [(0, [7])])
    #expect(boosted.figures["promoted among shown"] == 0.5 && boosted.figures["promoted among hits"] == 1)
  }

  @Test func `a scene that nobody's held-out items are in has no figures, and an unknown one is refused`() throws {
    let empty = try judge("x", .init(items: .init(items: ["i0"])), [(0, [1])])
    #expect(empty.kind == .goods && empty.users == 0 && empty.evaluation.figures.isEmpty)
    #expect(throws: QueryRefusal.self) {
      try SceneEvaluation("nowhere", of: try engine([:]), histories: [], heldOut: [])
    }
  }
}
