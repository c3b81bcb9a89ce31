public import Recommender

/// Everything that lists are made of, as it was at one moment: a model, the catalogue, the scenes. Immutable, so that requests on
/// any thread share it, and a new model is a new engine beside it.
public final class RecommendationEngine: Sendable {
  /// Which model it is.
  public struct Model: Sendable, Equatable {
    public let algorithm: String
    /// Releases folded into it.
    public let version: Int
    /// The hash of the plan that it was trained by.
    public let plan: String

    public init(algorithm: String, version: Int, plan: String) {
      self.algorithm = algorithm
      self.version = version
      self.plan = plan
    }
  }

  public let model: Model
  public let eventWeights: EventWeights
  /// Ids that the rules name and the catalogue does not have.
  public let unknownRuleItems: Int
  let scorer: any Scorer
  let similarity: (any ItemSimilarity)?
  let items: ItemIndex
  private let titles: [String]?
  /// For users without events.
  private let popularity: [Float]
  let scenes: [String: CompiledScene]
  /// Items that the training knew, which come first; those behind them are listed, but no history has them.
  public let knownItemCount: Int

  /// - Parameters:
  ///   - popularity: for users without events; the scorer's own answer to an empty history when `nil`.
  ///   - attributes: column → one field per item of the catalogue, beside the catalogue's own.
  ///   - knownItemCount: items at the catalogue's beginning that histories may hold; all when `nil`.
  /// - Throws: `ServingRuleError` when a rule names a column that there is not, or a number out of range.
  public init(
    model: Model, scorer: any Scorer, popularity: [Float]? = nil, catalogue: Catalogue, attributes: [String: [String]] = [:],
    rules: ServingRules = ServingRules(), knownItemCount: Int? = nil
  ) throws(ServingRuleError) {
    precondition(scorer.itemCount == catalogue.count, "the model and the catalogue speak of the same items")
    precondition(popularity.map { $0.count == catalogue.count } ?? true, "one popularity per item")
    let items = ItemIndex(
      ids: catalogue.itemIDs, index: catalogue.indexByID(),
      attributes: ItemAttributes(catalogue.attributes.merging(attributes) { $1 }))
    var named = rules.scenes
    if named[ServingRules.standard] == nil { named[ServingRules.standard] = ServingRules.Scene() }
    var profiles = [rules.eventWeights]
    var scenes: [String: CompiledScene] = [:]
    for (name, scene) in named.sorted(by: { $0.key < $1.key }) {
      let weights = scene.eventWeights ?? rules.eventWeights
      if !profiles.contains(weights) { profiles.append(weights) }
      scenes[name] = try CompiledScene(
        name: name, scene, blockedEverywhere: rules.block, weights: weights, profile: profiles.firstIndex(of: weights) ?? 0,
        items: items)
    }
    precondition((0...catalogue.count).contains(knownItemCount ?? 0), "the known items are some of the catalogue's")
    self.knownItemCount = knownItemCount ?? catalogue.count
    self.model = model
    self.scorer = scorer
    self.items = items
    self.scenes = scenes
    titles = attributes["title"] ?? catalogue.titles
    eventWeights = rules.eventWeights
    similarity = scorer.makeSimilarity()
    explainsExactly = scorer.explain(0, for: UserHistory(items: [0])) != nil
    unknownRuleItems = scenes.values.reduce(0) { $0 + $1.unknownCount }
    self.popularity =
      popularity
      ?? {
        var scores = [Float](repeating: 0, count: scorer.itemCount)
        scorer.score(UserHistory(items: []), into: &scores)
        return scores
      }()
  }

  /// Whether the parts of every score are known, and add up.
  public let explainsExactly: Bool

  // MARK: - Names

  public var itemCount: Int { items.count }
  public var sceneNames: [String] { scenes.keys.sorted() }
  public var columnNames: [String] { items.attributes.names }
  public func itemID(_ item: Int) -> String { items.ids[item] }
  /// `nil` for an id that the catalogue does not have.
  public func item(_ id: String) -> Int32? { items.index[id] }
  /// The item as histories have it: `nil` for one that came after the training as well. The data set is of the plan's catalogue, and a round
  /// could not train on others; their events are kept until a plan has them.
  public func eventItem(_ id: String) -> Int32? { items.index[id].flatMap { $0 < knownItemCount ? $0 : nil } }
  public func title(_ item: Int) -> String? {
    guard let title = titles?[item], !title.isEmpty else { return nil }
    return title
  }
  /// Items that a scene can list.
  public func itemCount(ofScene name: String) -> Int { scenes[name]?.itemCount ?? 0 }

  // MARK: - Lists

  /// What scoring needs of a history, solved once: see `Scorer.solve`. Good for this engine, and for scenes of the same profile.
  public func solve(_ history: ServedHistory, scene: String?) throws(QueryRefusal) -> [Float] {
    scorer.solve(history.history(try self.scene(scene).weights))
  }

  /// Scenes with the same number weigh events alike.
  public func profile(ofScene name: String?) throws(QueryRefusal) -> Int { try scene(name).profile }

  /// The best items for a user, as the scene's rules and the query's filters leave them; best first, of equal scores the lower
  /// index first.
  ///
  /// - Parameters:
  ///   - history: empty for a user of whom nothing is known: the scene's popular items then.
  ///   - solved: what `solve` gave for this history and scene, where the caller kept it.
  public func recommend(
    _ query: RecommendationQuery, history: ServedHistory, solved: [Float]? = nil
  ) throws(QueryRefusal) -> RecommendationAnswer {
    try recommend(query, history: history, solved: solved, promotes: true)
  }

  /// - Parameter promotes: whether the scene's pins and boosts count.
  func recommend(
    _ query: RecommendationQuery, history: ServedHistory, solved: [Float]?, promotes: Bool
  ) throws(QueryRefusal) -> RecommendationAnswer {
    let scene = try scene(query.scene)
    var scores = history.entries.isEmpty ? popularity : [Float](repeating: 0, count: items.count)
    if !history.entries.isEmpty {
      scorer.score(solved: solved ?? scorer.solve(history.history(scene.weights)), into: &scores)
    }
    try close(&scores, query, scene, history)
    if promotes { boost(&scores, scene) }
    let cap: (ItemAttributes.Column, Int)?
    if let wanted = query.cap ?? scene.cap { cap = (try column(wanted.column), wanted.max) } else { cap = nil }
    let pinned = Self.capped((promotes ? scene.pins : []).map { Int($0) }.filter { scores[$0] > -.infinity }, cap).prefix(
      query.count)
    let selection = ListSelection(
      count: query.count, lambda: query.lambda ?? scene.lambda, similarity: likeness(), cap: cap)
    var entries = pinned.map { RecommendationAnswer.Entry(item: $0, score: scores[$0], isPinned: true) }
    for item in pinned { scores[item] = -.infinity }
    entries += selection.choose(from: scores, after: Array(pinned))
      .map { RecommendationAnswer.Entry(item: $0.item, score: $0.score, isPinned: false) }
    return RecommendationAnswer(
      scene: query.scene ?? ServingRules.standard, basis: history.entries.isEmpty ? .popularity : .history, entries: entries)
  }

  /// Pins in their order, without those that are too many of their kind.
  private static func capped(_ pins: [Int], _ cap: (ItemAttributes.Column, Int)?) -> [Int] {
    guard let (column, most) = cap else { return pins }
    var counts: [Int32: Int] = [:]
    return pins.filter { pin in
      let values = column.values(of: pin)
      guard values.allSatisfy({ counts[$0, default: 0] < most }) else { return false }
      for value in values { counts[value, default: 0] += 1 }
      return true
    }
  }

  /// Sets the score of everything that may not be listed to −∞.
  private func close(
    _ scores: inout [Float], _ query: RecommendationQuery, _ scene: CompiledScene, _ history: ServedHistory
  ) throws(QueryRefusal) {
    for item in scene.closed { scores[Int(item)] = -.infinity }
    if !query.includesSeen { for entry in history.entries { scores[Int(entry.item)] = -.infinity } }
    for id in query.excluded { if let item = items.index[id] { scores[Int(item)] = -.infinity } }
    if let allowed = query.allowed { keep(allowed.compactMap { items.index[$0] }, in: &scores) }
    for (name, conditions) in Dictionary(grouping: query.with, by: \.column) {
      let column = try column(name)
      keep(conditions.flatMap { column.items(with: $0.value) }, in: &scores)
    }
    for condition in query.without {
      for item in try column(condition.column).items(with: condition.value) { scores[Int(item)] = -.infinity }
    }
  }

  private func keep(_ kept: [Int32], in scores: inout [Float]) {
    var isKept = [Bool](repeating: false, count: scores.count)
    for item in kept { isKept[Int(item)] = true }
    for item in scores.indices where !isKept[item] { scores[item] = -.infinity }
  }

  private func boost(_ scores: inout [Float], _ scene: CompiledScene) {
    guard !scene.boosts.isEmpty else { return }
    var (count, sum, squares) = (0.0, 0.0, 0.0)
    for score in scores where score.isFinite {
      count += 1
      sum += Double(score)
      squares += Double(score) * Double(score)
    }
    guard count > 1 else { return }
    let deviation = Float(max(squares / count - (sum / count) * (sum / count), 0).squareRoot())
    for item in scores.indices { scores[item] += scene.boosts[item] * deviation }
  }

  // MARK: - Similar items

  /// How items are compared, in words; `nil` when nothing is known by which they are alike.
  public var similarityMeasure: String? {
    similarity?.measure ?? (items.attributes.canCompare ? "overlap of attributes" : nil)
  }

  /// The items most like one of them, best first; the scene's items only, without the item itself and those of which nothing is known.
  public func similar(to id: String, count: Int, scene name: String?) throws(QueryRefusal) -> [Recommendation] {
    let scene = try scene(name)
    guard let item = items.index[id].map({ Int($0) }) else { throw .unknownItem(id) }
    var values = [Float](repeating: -.infinity, count: items.count)
    if let similarity {
      similarity.similarities(to: item, into: &values)
    } else if items.attributes.canCompare {
      for other in values.indices { values[other] = items.attributes.overlap(item, other) }
    }
    // 0 is what is said of items of which nothing is known.
    for other in values.indices where values[other] == 0 { values[other] = -.infinity }
    for closed in scene.closed { values[Int(closed)] = -.infinity }
    values[item] = -.infinity
    return TopItems.select(count, from: values)
  }

  func likeness() -> ListSelection.Likeness? {
    if let similarity { return { similarity.similarities(of: $0, to: $1, into: &$2) } }
    guard items.attributes.canCompare else { return nil }
    return { [attributes = items.attributes] others, item, values in
      for (place, other) in others.enumerated() { values[place] = attributes.overlap(other, item) }
    }
  }

  // MARK: - Lookups

  func scene(_ name: String?) throws(QueryRefusal) -> CompiledScene {
    let name = name ?? ServingRules.standard
    guard let scene = scenes[name] else { throw .unknownScene(name, known: sceneNames) }
    return scene
  }

  private func column(_ name: String) throws(QueryRefusal) -> ItemAttributes.Column {
    guard let column = items.attributes.columns[name] else { throw .unknownColumn(name, known: columnNames) }
    return column
  }
}
