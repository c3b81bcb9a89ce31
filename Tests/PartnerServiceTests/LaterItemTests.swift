import FederatedLearning
import Foundation
import PartnerService
import Recommender
import Serving
import Testing

/// Items that came into a partner's shop after the training.
@Suite struct LaterItemTests {
  /// The partner's own list: the plan's items in another order, and two that the plan does not have.
  private static let file = Catalogue(
    itemIDs: ["later-b"] + (0..<20).reversed().map { "item-\($0)" } + ["later-a"],
    attributes: [
      "title": ["The item 7"] + (0..<20).reversed().map { "The item \($0)" } + ["Something else"]
    ])

  private static func text(_ catalogue: Catalogue, _ known: Int) throws -> ItemFeatures {
    #expect(known == 20 && catalogue.itemIDs == (0..<20).map { "item-\($0)" } + ["later-b", "later-a"])
    return try ItemFeatures.text(of: catalogue, dimension: 8)
  }

  private func trained(_ setting: PlanSetting) async throws -> (world: World, store: PartnerStore, serving: ServingHome) {
    let world = try await World.joined(setting)
    _ = try await world.run()
    let store = try world.store(0)
    return (world, store, try ServingHome(world.homes[0], store: store))
  }

  @Test func `they are listed behind the plan's items by their features, filtered like others, and trained on by nobody`()
    async throws
  {
    let (world, store, serving) = try await trained(try PlanSetting.network())
    let rules = ServingRules(block: .init(items: ["later-a"]))
    let (engine, name) = try serving.load(rules: rules, attributes: Self.file, features: Self.text)
    #expect(engine.itemCount == 22 && engine.knownItemCount == 20 && engine.unknownRuleItems == 0)
    #expect(engine.item("later-b") == 20 && engine.title(20) == "The item 7" && engine.title(3) == "The item 3")
    let history = try #require(try store.servedHistory(of: "u0-3", in: name, itemCount: engine.knownItemCount))
    var query = RecommendationQuery()
    query.count = 22
    query.includesSeen = true
    let list = try engine.recommend(query, history: history)
    #expect(Set(list.items) == Set(0...20), "later-a is blocked")
    // Its twin by title has the same features; what is left between them is the twin's own row.
    let model = try PartnerModel(store, home: world.homes[0])
    let extended = try model.extended(by: Self.file, features: Self.text)
    let (weight, rows) = (extended.model.tensors["item-features-weight"], extended.model.tensors["items"])
    #expect(weight == model.model.tensors["item-features-weight"])
    #expect(rows?.values.suffix(8).allSatisfy { $0 == 0 } == true && rows?.shape == [22, 4])
    #expect(extended.model.tensors["items"]?.values.prefix(80) == model.model.tensors["items"]?.values.prefix(80))
    let scores = list.entries.map(\.score)
    #expect(scores.allSatisfy(\.isFinite) && extended.algorithm.fault(in: extended.model) == nil)
    // An event of such an item is kept; the data set, and with it the next round, knows the plan's items only.
    #expect(engine.eventItem("later-b") == nil && engine.eventItem("item-19") == 19 && engine.eventItem("gone") == nil)
    let report = try store.record(
      [ServedEvent(user: "u0-3", item: "later-b", kind: .buy)], in: name, index: { engine.eventItem($0) },
      weights: EventWeights(), time: 5)
    #expect(report.fates == [.unknownItem])
    #expect(try store.servedHistory(of: "u0-3", in: name, itemCount: 20) == history)
  }

  @Test func `features that are not made as the plan's were are refused, and so is a model that knows none`() async throws {
    let (world, store, serving) = try await trained(try PlanSetting.network())
    let model = try PartnerModel(store, home: world.homes[0])
    // Another column, another width, an item less.
    for features in [
      { catalogue, _ in try ItemFeatures.text(of: catalogue, dimension: 9) },
      { catalogue, _ in
        try ItemFeatures.text(
          of: Catalogue(itemIDs: catalogue.itemIDs, attributes: ["title": catalogue.itemIDs]), dimension: 8)
      },
    ] as [(Catalogue, Int) throws -> ItemFeatures] {
      #expect { try model.extended(by: Self.file, features: features) } throws: {
        ($0 as? PartnerError)?.kind == .data && "\($0)".contains("are not those of the plan")
      }
    }
    let cut = Catalogue(
      itemIDs: Array(Self.file.itemIDs[..<5]), attributes: ["title": Array((Self.file.titles ?? [])[..<5])])
    #expect {
      try serving.load(rules: ServingRules(), attributes: cut, features: { try ItemFeatures.text(of: $0, dimension: $1 - 12) })
    } throws: { "\($0)".contains("for all of its items") }
    // Nothing new: nothing is asked for.
    let same = try model.extended(
      by: Catalogue(itemIDs: ["item-3"]), features: { _, _ in throw DatasetError("nobody asks") })
    #expect(same.model == model.model && same.catalogue == model.catalogue)
    let (plainWorld, _, plain) = try await trained(.factorization)
    #expect { try plain.load(rules: ServingRules(), attributes: Self.file, features: Self.text) } throws: {
      "\($0)".contains("without item features") && "\($0)".contains("2 items")
    }
    // Without the wish they are passed over, as before.
    let engine = try plain.load(rules: ServingRules(), attributes: Self.file).engine
    #expect(engine.itemCount == 20 && engine.knownItemCount == 20 && plainWorld.homes.count == 4)
  }
}

extension RecommendationAnswer {
  fileprivate var items: [Int] { entries.map(\.item) }
}
