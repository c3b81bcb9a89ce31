/// How well a model serves users and items that were not there in its training.
public struct ColdStartEvaluation: Sendable, Equatable {
  /// Users who come with their first events.
  public struct NewUsers: Sendable, Equatable {
    /// k: events that are known of each user; 0 is what everybody gets.
    public let firstEvents: Int
    /// The next item against 99 drawn ones, and against all that is not among the k.
    public let listed: RankingMetrics?
    public let full: RankingMetrics?
  }

  /// New items, ranked among themselves, for users who took some of them.
  public struct NewItems: Sendable, Equatable {
    /// What scored them, in words.
    public let method: String
    public let metrics: RankingMetrics?
  }

  /// For every k the same users and the same target: the event after the largest k.
  public let newUsers: [NewUsers]
  /// The model by features alone, then popularity by category where items have categories, then chance.
  public let newItems: [NewItems]
  /// Why the model scores no new items, in words.
  public let silence: String?

  public static let firstEvents = [0, 1, 3, 5]
  static let candidateCount = 99

  /// - Parameters:
  ///   - features: of the whole catalogue's items, where the model was trained with features.
  ///   - seed: drives the candidates that new users' targets are ranked against.
  public init(
    _ split: ColdStartSplit, algorithm: any FederatedAlgorithm, model: ItemModel,
    features: ItemFeatures?, seed: UInt64
  ) throws {
    newUsers = Self.newUsers(split, algorithm.scorer(model: model), seed: seed)
    guard !split.newItems.isEmpty else {
      (newItems, silence) = ([], nil)
      return
    }
    var rows: [NewItems] = []
    var silence: String?
    do {
      guard let features, let extending = algorithm as? any ItemExtending else {
        throw DatasetError(
          "the model was trained without item features, so that it knows nothing of new items")
      }
      let (longer, extended) = try extending.extending(
        model, by: try features.selecting(items: split.newItems))
      rows.append(Self.row("the model, from features alone", split, longer.scorer(model: extended)))
    } catch let error as DatasetError { silence = error.description }
    if let byCategory = Self.categoryPopularity(split) {
      rows.append(Self.row("popularity of their categories", split, Unpersonal(scores: byCategory)))
    }
    let total = split.knownItems.count + split.newItems.count
    // Ties count at their expected rank: equal scores are chance itself.
    rows.append(Self.row("chance", split, Unpersonal(scores: [Float](repeating: 0, count: total))))
    (newItems, self.silence) = (rows, silence)
  }

  private static func newUsers(_ split: ColdStartSplit, _ scorer: any Scorer, seed: UInt64)
    -> [NewUsers]
  {
    let most = firstEvents.max() ?? 0
    let histories = split.newUsers.filter { $0.count > most }
    guard !histories.isEmpty else { return [] }
    let itemCount = split.knownItems.count
    var sampler = NegativeSampler(itemCount: itemCount)
    let candidates = histories.enumerated().map { user, history in
      sampler.sample(candidateCount, excluding: history, [], seed: seed, userID: "new user \(user)")
    }
    return firstEvents.map { k in
      let evaluation = Evaluator(
        train: Interactions(itemCount: itemCount, histories: histories.map { Array($0.prefix(k)) }),
        test: histories.map { [$0[most]] }, negatives: candidates
      ).evaluate(scorer)
      return NewUsers(firstEvents: k, listed: evaluation.listed, full: evaluation.full)
    }
  }

  private static func row(_ method: String, _ split: ColdStartSplit, _ scorer: any Scorer)
    -> NewItems
  {
    let known = split.knownItems.count
    let train = Interactions(
      itemCount: known + split.newItems.count,
      histories: (0..<split.warm.userCount).map { Array(split.warm.train.history(of: $0)) })
    let test = split.newItemsOfUser.map { items in items.map { Int32(known) + $0 } }
    let evaluation = Evaluator(train: train, test: test).evaluate(
      OnlyFrom(start: known, scorer: scorer))
    return NewItems(method: method, metrics: evaluation.full)
  }

  /// For each item of the longer catalogue the mean, over its categories, of how many users a known item of the category has; `nil`
  /// where items have no categories.
  private static func categoryPopularity(_ split: ColdStartSplit) -> [Float]? {
    var count = [Double](repeating: 0, count: split.knownItems.count)
    for item in split.warm.train.items { count[Int(item)] += 1 }
    var place: [Int: Int] = [:]
    for (position, item) in split.knownItems.enumerated() { place[item] = position }
    var sums: [ItemFeatures.Category: (users: Double, items: Double)] = [:]
    var ofItem = [[ItemFeatures.Category]](repeating: [], count: split.catalogue.count)
    ItemFeatures.forEachCategory(of: split.catalogue) { item, category in
      ofItem[item].append(category)
      guard let position = place[item] else { return }
      let before = sums[category] ?? (0, 0)
      sums[category] = (before.users + count[position], before.items + 1)
    }
    guard split.newItems.contains(where: { ofItem[$0].contains { sums[$0] != nil } }) else {
      return nil
    }
    let overall = count.reduce(0, +) / Double(count.count)
    return (split.knownItems + split.newItems).map { item in
      let means = ofItem[item].compactMap { sums[$0].map { $0.users / $0.items } }
      return Float(means.isEmpty ? overall : means.reduce(0, +) / Double(means.count))
    }
  }
}

/// The same scores for everybody.
private struct Unpersonal: Scorer {
  let scores: [Float]

  var itemCount: Int { scores.count }

  func score(_ user: UserHistory, into scores: inout [Float]) { scores = self.scores }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
}

/// A scorer that has no word for the items before `start`.
private struct OnlyFrom: Scorer {
  let start: Int
  let scorer: any Scorer

  var itemCount: Int { scorer.itemCount }

  func score(_ user: UserHistory, into scores: inout [Float]) {
    scorer.score(user, into: &scores)
    for item in 0..<start { scores[item] = -.infinity }
  }

  func explain(_ item: Int, for user: UserHistory) -> [Float]? { nil }
}
