internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import DataImport
internal import FederatedLearning
internal import Foundation
internal import PartnerService
internal import Recommender

/// `tacit-client recommend`: the best items for one of this partner's users, from the newest verified release.
struct RecommendCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recommend", abstract: "List the best items for one of your users, and say why.",
    discussion: "Everything happens at home: the released model knows items only, the user's history is read from the shard.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var plan: PlanOption
  @Option(help: "Id of a user in your data.") var user: String
  @Option(help: "Length of the list.") var top = 10
  @Flag(help: "Say which items of the user's own history carried each recommendation.") var explain = false
  @Option(help: "Items to leave out, as item,item,…") var excludeItems: String?
  @Option(
    help: ArgumentHelp("What items are like: a table with a column item and others; see --item-features.", valueName: "file"))
  var items: String?
  @OptionGroup var laterItems: LaterItemsOption
  @Option(help: "text or json.") var format: OutputFormat = .text

  func validate() throws {
    guard (1...1000).contains(top) else { throw ValidationError("--top is \(top), expected 1 to 1000.") }
  }

  func run() async throws { try await ClientFailures.report { try execute() } }

  private struct Document: Encodable {
    let user: String
    let plan: String
    let modelVersion: Int
    let historyLength: Int
    let recommendations: [RecommendationList.Entry]
  }

  private func execute() throws {
    let (home, store) = try home.open()
    var model = try PartnerModel(store, home: home, plan: try plan.hash(store))
    if let features = try laterItems.features(items: items), let items {
      model = try model.extended(by: try CatalogueFile.read(path: items), features: features)
    }
    let history = try model.history(of: user, in: store)
    let names = ItemNames(ids: model.catalogue.itemIDs, titles: model.catalogue.titles)
    let list = RecommendationList(
      model.scorer, for: history, names: names, count: top,
      excluding: try excludeItems.map { try names.indices(of: $0, option: "--exclude-items") } ?? [], explain: explain)
    if format == .json {
      return try Console.outputJSON(
        Document(
          user: user, plan: model.planHash.hex, modelVersion: model.model.version, historyLength: history.items.count,
          recommendations: list.entries))
    }
    Console.output(
      "For user \(user), who has \(history.items.count) item\(history.items.count == 1 ? "" : "s") (\(model.plan.algorithm.name), model after \(model.model.version) of \(model.plan.releases.count) releases):"
    )
    for line in list.lines { Console.output(line) }
    Console.output("\n\(model.origin)")
  }
}
