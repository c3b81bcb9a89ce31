internal import Recommender
internal import Serving

/// What each operation answers.
struct APIHandlers: Sendable {
  let models: ServedModels

  func answer(_ operation: APIRoute.Operation, _ arguments: APIArguments) async throws -> JSON {
    switch operation {
    case .recommendations: try await recommendations(arguments)
    case .similarItems: try similarItems(arguments)
    case .explanation: try await explanation(arguments)
    case .model: try model()
    case .health: .object([("status", .text("ok"))])
    case .document: OpenAPIDocument.json
    case .events: preconditionFailure("events have a body")
    }
  }

  private func recommendations(_ arguments: APIArguments) async throws -> JSON {
    let current = try models.current()
    let engine = current.engine
    var query = RecommendationQuery()
    query.scene = arguments.text("scene")
    query.count = arguments.integer("count") ?? APIRoute.countStandard
    query.includesSeen = arguments.text("seen") == "include"
    query.excluded = arguments.texts("exclude") ?? []
    query.allowed = arguments.texts("allow")
    query.with = arguments.conditions("with")
    query.without = arguments.conditions("without")
    query.lambda = arguments.number("lambda").map { Float($0) }
    query.cap = arguments.cap("cap")
    let known = try await current.known(arguments.text("user"), scene: query.scene, isSolved: true)
    let answer = try engine.recommend(query, history: known.history, solved: known.solved)
    let explains = (arguments.flag("explain") ?? false) && answer.basis == .history && engine.explainsExactly
    return .object([
      reference(engine), ("scene", .text(answer.scene)), ("basis", .text(answer.basis.rawValue)),
      (
        "items",
        .array(
          try answer.entries.enumerated().map { place, entry in
            .members([
              ("rank", .integer(place + 1)), ("item", .text(engine.itemID(entry.item))), ("title", title(entry.item, engine)),
              ("score", .float(entry.score)), ("pinned", entry.isPinned ? .flag(true) : nil),
              ("because", explains ? try because(entry.item, engine, known.history, query.scene) : nil),
            ])
          })
      ),
    ])
  }

  private func because(
    _ item: Int, _ engine: RecommendationEngine, _ history: ServedHistory, _ scene: String?
  ) throws -> JSON? {
    guard let explanation = try engine.explain(engine.itemID(item), history: history, scene: scene) else { return nil }
    let reasons = parts(explanation, engine).filter { $0.share >= 0.05 }.prefix(3)
    return .array(reasons.map(\.json))
  }

  private func similarItems(_ arguments: APIArguments) throws -> JSON {
    let engine = try models.current().engine
    let id = arguments.text("id") ?? ""
    let list = try engine.similar(
      to: id, count: arguments.integer("count") ?? APIRoute.countStandard, scene: arguments.text("scene"))
    return .object([
      reference(engine), ("item", .text(id)), ("scene", .text(arguments.text("scene") ?? ServingRules.standard)),
      ("measure", engine.similarityMeasure.map { .text($0) } ?? .null),
      (
        "items",
        .array(
          list.enumerated().map { place, entry in
            .members([
              ("rank", .integer(place + 1)), ("item", .text(engine.itemID(entry.item))), ("title", title(entry.item, engine)),
              ("similarity", .float(entry.score)),
            ])
          })
      ),
    ])
  }

  private func explanation(_ arguments: APIArguments) async throws -> JSON {
    let current = try models.current()
    let engine = current.engine
    let (id, scene) = (arguments.text("item") ?? "", arguments.text("scene"))
    let known = try await current.known(arguments.text("user"), scene: scene, isSolved: false)
    guard let explanation = try engine.explain(id, history: known.history, scene: scene) else {
      throw APIProblem(.notFound, "nothing is known of this user here, so that there is nothing to explain")
    }
    return .members([
      reference(engine), ("item", .text(id)), ("title", title(explanation.item, engine)),
      ("score", .float(explanation.score)), ("basis", .text(explanation.basis.rawValue)),
      ("events", .integer(known.history.entries.count)), ("considered", .integer(explanation.consideredCount)),
      ("contributions", .array(parts(explanation, engine).map(\.json))), ("rest", .float(explanation.rest)),
    ])
  }

  private func parts(
    _ explanation: ServedExplanation, _ engine: RecommendationEngine
  ) -> [(share: Float, json: JSON)] {
    // Where the parts and popularity are the score, popularity speaks for the item too.
    let popularity = explanation.basis == .exact ? max(explanation.rest, 0) : 0
    let support = explanation.parts.reduce(popularity) { $0 + max($1.contribution, 0) }
    return explanation.parts.map { part in
      let share = support > 0 ? max(part.contribution, 0) / support : 0
      return (
        share,
        .members([
          ("item", .text(engine.itemID(part.item))), ("title", title(part.item, engine)),
          ("contribution", .float(part.contribution)), ("share", .float(share)),
        ])
      )
    }
  }

  private func model() throws -> JSON {
    let current = try models.current()
    let engine = current.engine
    return .object([
      ("algorithm", .text(engine.model.algorithm)), ("version", .integer(engine.model.version)),
      ("plan", .text(engine.model.plan)), ("items", .integer(engine.itemCount)), ("dataSet", .text(current.store.name)),
      (
        "scenes",
        .array(
          engine.sceneNames.map {
            .object([("name", .text($0)), ("items", .integer(engine.itemCount(ofScene: $0)))])
          })
      ), ("columns", .texts(engine.columnNames)),
      ("similarity", engine.similarityMeasure.map { .text($0) } ?? .null), ("swaps", .integer(current.generation)),
    ])
  }

  /// Takes events in; on return they are on disk.
  func take(_ events: [ServedEvent]) async throws -> JSON {
    let report = try await models.take(events)
    var unknown: [String] = []
    var (repeated, trained, foreign) = (0, 0, 0)
    for (event, fate) in zip(events, report.fates) {
      switch fate {
      case .trained: trained += 1
      case .served: foreign += 1
      case .repeated: repeated += 1
      case .unknownItem: if !unknown.contains(event.item) { unknown.append(event.item) }
      }
    }
    return .object([
      ("stored", .integer(events.count - repeated)), ("repeated", .integer(repeated)), ("trained", .integer(trained)),
      ("unknownItems", .texts(unknown)), ("notTrained", .integer(foreign)),
    ])
  }

  private func reference(_ engine: RecommendationEngine) -> (String, JSON) {
    ("model", .object([("plan", .text(engine.model.plan)), ("version", .integer(engine.model.version))]))
  }

  private func title(_ item: Int, _ engine: RecommendationEngine) -> JSON? { engine.title(item).map { .text($0) } }
}
