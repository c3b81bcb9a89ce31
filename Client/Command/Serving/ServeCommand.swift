internal import ArgumentParser
internal import CommandSupport
internal import DataImport
internal import Foundation
internal import Logging
internal import Operations
internal import PartnerService
internal import PartnerServing
internal import PeerIdentity
internal import Recommender
internal import ServiceLifecycle
internal import Serving
internal import Synchronization

/// `tacit-client serve`: lists, similar items and explanations over HTTP, for the partner's own shop.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Answer over HTTP: recommendations, similar items, explanations; take in events.",
    discussion:
      "From the newest verified release and the home's own data; a newer release takes its place while requests go on. Runs beside `run`. Events that are posted change the next list at once and are part of the next round's data. GET /openapi.json describes everything; SIGTERM answers what has begun, and ends."
  )

  @OptionGroup var home: HomeOptions
  @Option(help: ArgumentHelp("Whose users are served; those of the model's plan when left out.", valueName: "name"))
  var dataSet: String?
  @Option(help: ArgumentHelp("Where to listen; port 0 takes any free one.", valueName: "host:port")) var listen = "127.0.0.1:8080"
  @Option(help: ArgumentHelp("Business rules and scenes (JSON); read at the start.", valueName: "file")) var rules: String?
  @Option(help: ArgumentHelp("What items are like: a table with a column item and others.", valueName: "file")) var items: String?
  @OptionGroup var laterItems: LaterItemsOption
  @Option(
    help: ArgumentHelp(
      "A file (0600) with the token that callers send; needed for any address but loopback.", valueName: "file"))
  var tokenFile: String?
  @Option(help: "trace, debug, info, notice, warning, error or critical.") var logLevel = "info"
  @Flag(help: "Print the OpenAPI document and end.") var openapi = false
  @Flag(help: "Print a file of rules with every member and end.") var sampleRules = false

  func run() async throws { try await ClientFailures.report { try await execute() } }

  private func execute() async throws {
    if openapi { return Console.output(String(OpenAPIDocument.text.dropLast())) }
    if sampleRules { return Console.output(String(RulesFile.sample.dropLast())) }
    guard let level = LogDetail(rawValue: logLevel) else {
      throw CommandFailure(
        .usage, "--log-level is '\(logLevel)'; expected trace, debug, info, notice, warning, error or critical")
    }
    let logger = LineLogHandler.logger(label: "tacit-client", level: level.level, format: .text)
    let address = try HostPort(parsing: listen)
    let access = try AccessRule(listen: address, token: try tokenFile.map { try TokenFile.read($0) })
    let rules = try rules.map { try RulesFile.read(path: $0) } ?? ServingRules()
    let attributes = try items.map { try CatalogueFile.read(path: $0) }
    let (home, store) = try home.open()
    let serving = try ServingHome(home, store: store, dataSet: try dataSet.map { try DataSetName($0) })
    guard let lock = try HomeLock(serving: home) else {
      throw CommandFailure(
        .temporary, "another process serves from the home \(home.path) already; two would not hear of each other's events")
    }
    defer { lock.release() }
    let source = try ModelSource(
      serving, rules: rules, attributes: attributes, features: try laterItems.features(items: items), logger: logger)
    let server = RecommendationServer(listen: address, models: source.models, access: access, logger: logger) { port in
      Console.output("Serving on http://\(address.host):\(port)")
    }
    let watch = ModelWatch(every: .seconds(1), logger: logger) { try source.look() }
    try await GracefulRun.run([watch, server], drainLimit: .seconds(30), logger: logger)
  }
}

/// The newest model of a home, as the server answers by it.
final class ModelSource: Sendable {
  let models: ServedModels
  private let home: ServingHome
  private let rules: ServingRules
  private let attributes: Catalogue?
  private let features: LaterItemsOption.Features?
  private let logger: Logger
  private let seen: Mutex<(mark: ModelMark?, dataSet: DataSetName)>
  /// The newest model where it could not be loaded, and when it may be tried again.
  private let failed = Mutex<(mark: ModelMark, until: ContinuousClock.Instant)?>(nil)

  init(_ home: ServingHome, rules: ServingRules, attributes: Catalogue?, features: LaterItemsOption.Features?, logger: Logger)
    throws
  {
    self.home = home
    self.rules = rules
    self.attributes = attributes
    self.features = features
    self.logger = logger
    // Before the model: one that comes in between is looked at again.
    let mark = try home.newestMark()
    let (engine, dataSet) = try home.load(rules: rules, attributes: attributes, features: features)
    models = ServedModels(
      engine: engine, store: HomeEvents(store: home.store, dataSet: dataSet, itemCount: engine.knownItemCount))
    seen = Mutex((mark, dataSet))
    let laterCount = engine.itemCount - engine.knownItemCount
    if laterCount > 0 {
      logger.info("items that came after the training are listed by their features", metadata: ["count": "\(laterCount)"])
    } else if let attributes {
      let unknown = attributes.itemIDs.count { engine.item($0) == nil }
      if unknown > 0 {
        logger.info(
          "the model's catalogue does not have some of the items; they are not listed without --item-features",
          metadata: ["count": "\(unknown)"])
      }
    }
    let empty = engine.sceneNames.count { engine.itemCount(ofScene: $0) == 0 }
    if empty > 0 {
      logger.warning(
        "there are scenes that hold no item of the catalogue: their lists will be empty", metadata: ["count": "\(empty)"])
    }
    if engine.unknownRuleItems > 0 {
      logger.warning("the rules name items that the catalogue does not have", metadata: ["count": "\(engine.unknownRuleItems)"])
    }
  }

  /// Swaps when another model, or the end of the data, has come.
  func look() throws {
    let seen = seen.withLock { $0 }
    let newest = try home.newestMark()
    let isKnown = newest == nil || newest == seen.mark
    let isFailed = failed.withLock { failed in failed.map { $0.mark == newest && .now < $0.until } ?? false }
    if isKnown || isFailed { return try closeIfErased(seen.dataSet) }
    let (engine, dataSet): (RecommendationEngine, DataSetName)
    do { (engine, dataSet) = try home.load(rules: rules, attributes: attributes, features: features) } catch {
      // Whatever keeps the newer model away: what was erased must not be served by the older one.
      if let newest { failed.withLock { $0 = (newest, .now + .seconds(60)) } }
      try closeIfErased(seen.dataSet)
      throw error
    }
    models.swap(to: engine, store: HomeEvents(store: home.store, dataSet: dataSet, itemCount: engine.knownItemCount))
    self.seen.withLock { $0 = (newest, dataSet) }
    logger.info(
      "another model answers now",
      metadata: ["plan": "\(engine.model.plan.prefix(16))", "version": "\(engine.model.version)"])
  }

  private func closeIfErased(_ dataSet: DataSetName) throws {
    if let reason = try home.obstacle(serving: dataSet) { models.close(reason) }
  }
}
