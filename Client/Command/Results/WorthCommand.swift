internal import ArgumentParser
internal import CommandSupport
internal import CryptoPrimitives
internal import DataImport
internal import Foundation
internal import PartnerService
internal import PartnerServing
internal import Serving

/// `tacit-client worth`: what taking part is worth to this partner, on its own held-out events.
struct WorthCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "worth",
    abstract: "Compare the joint model with one that you could train alone, on your own held-out events.",
    discussion: "Computed at home from exact counts; nothing of it leaves the machine, and no budget is spent.")

  @OptionGroup var home: HomeOptions
  @OptionGroup var plan: PlanOption
  @Option(help: "Initial values of your own model.") var seed: UInt64 = 1
  @Option(
    help: ArgumentHelp(
      "Business rules (JSON), as for serve: judge each scene's lists by what the scene is for, instead of comparing models.",
      valueName: "file"))
  var rules: String?
  @Option(help: ArgumentHelp("With --rules: what items are like, as for serve.", valueName: "file")) var items: String?
  @Option(help: "With --rules: length of the lists.") var top = 10
  @Option(help: "text or json.") var format: OutputFormat = .text

  func validate() throws {
    guard (1...1000).contains(top) else { throw ValidationError("--top is \(top), expected 1 to 1000.") }
    guard rules != nil || items == nil else {
      throw ValidationError("--items says what the scenes of --rules are made of; give both.")
    }
  }

  func run() async throws { try await ClientFailures.report { try execute() } }

  private struct Document: Encodable {
    struct Row: Encodable {
      let method: String
      let metrics: [Value]
    }
    struct Value: Encodable {
      let metric: String
      let mean: Double
      let low: Double
      let high: Double
    }
    let algorithm: String
    let plan: String
    let modelVersion: Int
    let users: Int
    let rows: [Row]
  }

  private func execute() throws {
    let (home, store) = try home.open()
    if let rules { return try judge(rules, home, store) }
    let worth = try Worth(home: home, store: store, plan: try plan.hash(store), seed: seed)
    if format == .json {
      return try Console.outputJSON(
        Document(
          algorithm: worth.algorithm, plan: worth.plan.hex, modelVersion: worth.modelVersion, users: worth.users,
          rows: worth.rows.map { row in
            .init(
              method: row.method,
              metrics: row.metrics.map {
                .init(metric: $0.name, mean: $0.mean, low: max(0, $0.mean - $0.halfWidth), high: min(1, $0.mean + $0.halfWidth))
              })
          }))
    }
    let names = worth.rows.first?.metrics.map(\.name) ?? []
    var table = TextTable(header: [""] + names)
    for row in worth.rows {
      table.add([row.method] + row.metrics.map { String(format: "%.4f ±%.3f", $0.mean, $0.halfWidth) })
    }
    Console.output(
      "\(worth.algorithm), model version \(worth.modelVersion), on \(worth.users) of your users with held-out events\n")
    Console.output(table.text)
    Console.output(
      "\n\(worth.origin)\nlisted ranks the held-out item against 99 others, full against everything the user has not seen; ± is half a 95 % interval. Exact figures of your own data: they are for you alone."
    )
  }

  // MARK: - Scenes

  private struct SceneDocument: Encodable {
    struct Value: Encodable {
      let measure: String
      let value: Double
      let halfWidth: Double?
    }
    let scene: String
    let kind: String
    let users: Int
    let measures: [Value]
  }

  private func judge(_ rules: String, _ home: PartnerHome, _ store: PartnerStore) throws {
    guard try plan.hash(store) == nil else {
      throw CommandFailure(.usage, "--rules judges what serve would list, which is from the newest model; leave --plan out")
    }
    let scenes = try ServingHome(home, store: store).judgeScenes(
      try RulesFile.read(path: rules), attributes: try items.map { try CatalogueFile.read(path: $0) }, count: top)
    if format == .json {
      return try Console.outputJSON(
        scenes.map { scene in
          SceneDocument(
            scene: scene.scene, kind: scene.kind.rawValue, users: scene.users,
            measures: scene.figures.map { .init(measure: $0.name, value: $0.value, halfWidth: $0.halfWidth) })
        })
    }
    var table = TextTable(header: ["scene", "kind", "users", "measure", "value"])
    for scene in scenes {
      for (place, figure) in scene.figures.enumerated() {
        table.add(
          (place == 0 ? [scene.scene, scene.kind.rawValue, "\(scene.users)"] : ["", "", ""])
            + [figure.name, String(format: "%.4f", figure.value) + (figure.halfWidth.map { String(format: " ±%.3f", $0) } ?? "")])
      }
      if scene.figures.isEmpty { table.add([scene.scene, scene.kind.rawValue, "0", "no held-out item of it", ""]) }
    }
    Console.output(table.text)
    Console.output(
      "\nLists of \(top) as serve makes them, against each user's held-out items that the scene may list; ± is half a 95 % interval over users. Exact figures of your own data: they are for you alone."
    )
  }
}
