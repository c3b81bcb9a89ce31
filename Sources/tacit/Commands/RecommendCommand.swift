internal import ArgumentParser
internal import CommandSupport
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import Storage

/// `tacit recommend`: the best items for one user, with the reasons in words.
struct RecommendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "recommend",
    abstract: "List the best items for one user of a finished run, and say why.",
    discussion:
      "The model holds items only: the user's own history makes it personal, and is read from the data, or given with --history for somebody who is not in them."
  )

  @Option(name: .customLong("run"), help: "Folder of a run; the newest under runs/ when left out.") var folder: String?
  @Option(help: "Id of a user in the data.") var user: String?
  @Option(help: "Instead of --user: items that a new user has, oldest first, as item,item,…") var history: String?
  @Option(help: "Length of the list.") var top = 10
  @Flag(help: "Say which items of the user's own history carried each recommendation.") var explain = false
  @Option(help: "Items to leave out, as item,item,…") var excludeItems: String?
  @Option(help: "The data, when they are no longer where the run found them.") var data: String?
  @Option(help: "text or json.") var format: OutputFormat = .text

  func validate() throws {
    guard (1...1000).contains(top) else { throw ValidationError("--top is \(top), expected 1 to 1000.") }
    guard (user == nil) != (history == nil) else {
      throw ValidationError(
        user == nil
          ? "Give --user with an id of the data, or --history with the items of a new user."
          : "Give either --user or --history, not both.")
    }
  }

  func run() throws { try Failures.report { try execute() } }

  private func execute() throws {
    guard let path = folder ?? RunFiles.newest() else {
      throw CommandFailure(
        .noInput, "there is no finished run under runs/; train one with tacit simulate, or name one with --run")
    }
    let finished = try FinishedRun(at: path)
    // A new user's items are found in the run itself; the data only add titles.
    let dataset = history == nil || data != nil ? try finished.dataset(from: data) : try? finished.dataset(from: nil)
    let catalogue = ItemNames(ids: finished.itemIDs, titles: dataset?.catalogue.titles)
    let own = try ownHistory(finished, dataset, catalogue)
    let excluded = try excludeItems.map { try catalogue.indices(of: $0, option: "--exclude-items") } ?? []
    let list = RecommendationList(
      finished.scorer, for: own, names: catalogue, count: top, excluding: excluded, explain: explain)
    try show(finished, own, list)
  }

  private func ownHistory(_ run: FinishedRun, _ dataset: Dataset?, _ catalogue: ItemNames) throws -> UserHistory {
    if let history {
      let items = try catalogue.indices(of: history, option: "--history")
      return UserHistory(items: items[...])
    }
    guard let dataset, let user else { preconditionFailure("a user is looked up in data") }
    guard let index = dataset.userIDs.firstIndex(of: user) else {
      let examples = dataset.userIDs.prefix(3).joined(separator: ", ")
      throw CommandFailure(
        .data,
        "user '\(user)' is not among the \(dataset.userCount) users of \(data ?? run.settings.data) (such as \(examples)); check the id, or give the items of a new user with --history item,item,…"
      )
    }
    return RecommendationFile.history(dataset, index)
  }

  private struct Document: Encodable {
    let run: String
    let user: String?
    let historyLength: Int
    let recommendations: [RecommendationList.Entry]
  }

  private func show(_ run: FinishedRun, _ history: UserHistory, _ list: RecommendationList) throws {
    if format == .json {
      try Console.outputJSON(
        Document(
          run: run.folder.currentPath, user: user, historyLength: history.items.count, recommendations: list.entries))
      return
    }
    let who = user.map { "user \($0)" } ?? "a new user"
    Console.output(
      "For \(who), who has \(history.items.count) item\(history.items.count == 1 ? "" : "s") (\(run.plan.algorithm.name), \(run.folder.currentPath)):"
    )
    for line in list.lines { Console.output(line) }
  }
}
