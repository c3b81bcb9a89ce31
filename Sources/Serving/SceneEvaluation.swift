internal import Glibc
internal import Recommender

/// How well a scene's lists do what the scene is for, on events that were held out of the model's training and of the histories.
///
/// Lists are made exactly as they are served: the scene's items, weights, pins, blocks, boosts, cap and diversity. Relevant are a user's held-out
/// items that the scene may list; users without one are left out.
public struct SceneEvaluation: Sendable, Equatable {
  /// One measure.
  public struct Figure: Sendable, Equatable {
    public let name: String
    public let value: Double
    /// Half of the 95 % interval over users; `nil` for what is no mean over users.
    public let halfWidth: Double?
  }

  public let scene: String
  public let kind: ServingRules.Kind
  /// Users with a held-out item of the scene.
  public let users: Int
  /// Length of the lists.
  public let count: Int
  /// In an order of the kind's own; empty without users.
  public let figures: [Figure]

  /// - Parameters:
  ///   - name: of a scene of the engine.
  ///   - histories: one for each user, without what was held out; `heldOut`: items of each, in the engine's catalogue.
  ///   - count: length of the lists, from 1.
  /// - Throws: `QueryRefusal` for an unknown scene.
  public init(
    _ name: String, of engine: RecommendationEngine, histories: [ServedHistory], heldOut: [[Int32]], count: Int = 10
  ) throws(QueryRefusal) {
    precondition(histories.count == heldOut.count && count >= 1, "one history for each user, and lists of at least one item")
    let scene = try engine.scene(name)
    var query = RecommendationQuery()
    query.scene = name
    query.count = count
    var lists: [Outcome] = []
    for (history, items) in zip(histories, heldOut) {
      let relevant = Set(items.filter { scene.isOpen[Int($0)] }.map { Int($0) })
      guard !relevant.isEmpty else { continue }
      let solved = history.entries.isEmpty ? nil : try engine.solve(history, scene: name)
      let list = try engine.recommend(query, history: history, solved: solved).entries.map(\.item)
      let unpromoted =
        scene.kind == .promotions
        ? try engine.recommend(query, history: history, solved: solved, promotes: false).entries.map(\.item) : list
      lists.append(Outcome(items: list, unpromoted: unpromoted, relevant: relevant))
    }
    self.scene = name
    kind = scene.kind
    users = lists.count
    self.count = count
    guard !lists.isEmpty else {
      figures = []
      return
    }
    let hitRate = Self.mean("HR@\(count)", lists.map { $0.hits > 0 ? 1 : 0 })
    let gain = Self.mean("NDCG@\(count)", lists.map { $0.gain(of: $0.items, count) })
    switch scene.kind {
    case .goods:
      let recall = Self.mean("recall@\(count)", lists.map { Double($0.hits) / Double($0.relevant.count) })
      figures = [hitRate, gain, recall]
    case .content:
      let distinct = Set(lists.flatMap(\.items)).count
      let coverage = Figure(name: "coverage", value: Double(distinct) / Double(max(1, scene.itemCount)), halfWidth: nil)
      let likeness = engine.likeness()
      let diversity = likeness.map { likeness in
        Self.mean("diversity", lists.filter { $0.items.count > 1 }.map { Self.diversity($0.items, likeness) })
      }
      figures = [hitRate, coverage] + (diversity.map { [$0] } ?? [])
    case .ads:
      let shown = lists.reduce(0) { $0 + $1.items.count }
      let rate = Figure(
        name: "hits per 1000 shown", value: shown == 0 ? 0 : 1000 * Double(lists.reduce(0) { $0 + $1.hits }) / Double(shown),
        halfWidth: nil)
      figures = [rate, Self.mean("seen-weighted precision", lists.map(\.seenPrecision))] + Self.calibration(lists, count)
    case .promotions:
      let promoted = Set(scene.pins.map { Int($0) } + scene.boosts.indices.filter { scene.boosts[$0] > 0 })
      func share(_ name: String, _ items: [Int]) -> Figure {
        Figure(
          name: name, value: items.isEmpty ? 0 : Double(items.count { promoted.contains($0) }) / Double(items.count),
          halfWidth: nil)
      }
      figures = [
        share("promoted among shown", lists.flatMap(\.items)),
        share("promoted among hits", lists.flatMap { list in list.items.filter { list.relevant.contains($0) } }), gain,
        Self.mean("NDCG@\(count) lost", lists.map { $0.gain(of: $0.unpromoted, count) - $0.gain(of: $0.items, count) }),
      ]
    }
  }

  /// One user's list beside what the user did.
  private struct Outcome {
    let items: [Int]
    /// Without pins and boosts.
    let unpromoted: [Int]
    let relevant: Set<Int>

    var hits: Int { items.count { relevant.contains($0) } }

    /// Discounted gain over the best possible (Järvelin and Kekäläinen, TOIS 2002).
    func gain(of items: [Int], _ count: Int) -> Double {
      let best = (0..<min(count, relevant.count)).reduce(0.0) { $0 + SceneEvaluation.seen($1) }
      return items.enumerated().reduce(0.0) { $0 + (relevant.contains($1.element) ? SceneEvaluation.seen($1.offset) : 0) } / best
    }

    /// Of what is seen, how much was wanted: precision with each place by how often it is looked at.
    var seenPrecision: Double {
      let all = items.indices.reduce(0.0) { $0 + SceneEvaluation.seen($1) }
      guard all > 0 else { return 0 }
      return items.enumerated().reduce(0.0) { $0 + (relevant.contains($1.element) ? SceneEvaluation.seen($1.offset) : 0) } / all
    }
  }

  /// How often a place is looked at, 1 for the first: 1 / log₂(rank + 1), the discount of NDCG.
  private static func seen(_ place: Int) -> Double { 1 / log2(Double(place) + 2) }

  /// 1 − mean likeness of two items of the list.
  private static func diversity(_ items: [Int], _ likeness: ListSelection.Likeness) -> Double {
    var (sum, pairs) = (0.0, 0)
    var values = [Float](repeating: 0, count: items.count)
    for place in items.indices.dropFirst() {
      let before = Array(items[..<place])
      likeness(before, items[place], &values)
      sum += values[..<before.count].reduce(0.0) { $0 + Double($1) }
      pairs += before.count
    }
    return pairs == 0 ? 0 : 1 - sum / Double(pairs)
  }

  /// What is expected of every other user, by the rates of each place among the rest, over what came: 1 where rates that are billed by can be believed.
  private static func calibration(_ lists: [Outcome], _ count: Int) -> [Figure] {
    var (shown, hit) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
    for list in lists.indices.filter({ $0 % 2 == 0 }).map({ lists[$0] }) {
      for (place, item) in list.items.enumerated() {
        shown[place] += 1
        if list.relevant.contains(item) { hit[place] += 1 }
      }
    }
    let judged = lists.indices.filter { $0 % 2 == 1 }.map { lists[$0] }
    let observed = judged.reduce(0) { $0 + $1.hits }
    guard observed > 0 else { return [] }
    let expected = judged.reduce(0.0) { sum, list in
      list.items.indices.reduce(sum) { $0 + (shown[$1] > 0 ? hit[$1] / shown[$1] : 0) }
    }
    return [Figure(name: "expected over observed hits", value: expected / Double(observed), halfWidth: nil)]
  }

  private static func mean(_ name: String, _ values: [Double]) -> Figure {
    guard !values.isEmpty else { return Figure(name: name, value: 0, halfWidth: nil) }
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / max(count - 1, 1)
    return Figure(name: name, value: mean, halfWidth: 1.96 * (variance / count).squareRoot())
  }
}
