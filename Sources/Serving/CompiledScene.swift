internal import Recommender

/// A scene with its names resolved: items are indices.
struct CompiledScene: Sendable {
  let kind: ServingRules.Kind
  /// Items that are never listed here, ascending.
  let closed: [Int32]
  let isOpen: [Bool]
  let weights: EventWeights
  /// Scenes of equal weights have the same number, so that they share solved histories.
  let profile: Int
  let lambda: Float
  let cap: ServingRules.Cap?
  let pins: [Int32]
  /// Standard deviations for each item; empty without boosts.
  let boosts: [Float]
  /// Ids that the rules name and the catalogue does not have.
  let unknownCount: Int

  /// Items that may be listed.
  var itemCount: Int { isOpen.count - closed.count }

  /// - Throws: `ServingRuleError` for a column that there is not, or a number out of range.
  init(
    name: String, _ scene: ServingRules.Scene, blockedEverywhere: ServingRules.Selection, weights: EventWeights, profile: Int,
    items: ItemIndex
  ) throws(ServingRuleError) {
    func refuse(_ what: String) -> ServingRuleError { ServingRuleError("the scene '\(name)': \(what)") }
    guard scene.lambda >= 0, scene.lambda <= 1 else {
      throw refuse("lambda is \(scene.lambda), expected a number from 0 to 1")
    }
    if let cap = scene.cap {
      guard cap.max >= 1 else { throw refuse("the cap of '\(cap.column)' is \(cap.max), expected at least 1") }
      guard items.attributes.columns[cap.column] != nil else { throw refuse(items.missing(cap.column)) }
    }
    var unknown = 0
    func resolve(_ selection: ServingRules.Selection) throws(ServingRuleError) -> [Int32] {
      var found: [Int32] = []
      for id in selection.items {
        if let item = items.index[id] { found.append(item) } else { unknown += 1 }
      }
      if let name = selection.column {
        guard let column = items.attributes.columns[name] else { throw refuse(items.missing(name)) }
        for value in selection.values { found += column.items(with: value) }
      }
      return found
    }
    var isOpen = [Bool](repeating: scene.items == nil, count: items.count)
    if let selection = scene.items { for item in try resolve(selection) { isOpen[Int(item)] = true } }
    for item in try resolve(scene.block) + resolve(blockedEverywhere) { isOpen[Int(item)] = false }
    var boosts: [Float] = []
    for boost in scene.boost {
      guard boost.add.isFinite else { throw refuse("a boost adds \(boost.add), expected a finite number") }
      if boosts.isEmpty { boosts = [Float](repeating: 0, count: items.count) }
      for item in Set(try resolve(boost.of)) { boosts[Int(item)] += boost.add }
    }
    var pins: [Int32] = []
    for item in try resolve(ServingRules.Selection(items: scene.pin)) where !pins.contains(item) { pins.append(item) }
    kind = scene.kind ?? ServingRules.Kind(rawValue: name) ?? .goods
    self.isOpen = isOpen
    self.pins = pins
    self.boosts = boosts
    closed = isOpen.indices.filter { !isOpen[$0] }.map { Int32($0) }
    unknownCount = unknown
    self.weights = weights
    self.profile = profile
    lambda = scene.lambda
    cap = scene.cap
  }
}

/// Items by id, with what is known of them.
struct ItemIndex: Sendable {
  let ids: [String]
  let index: [String: Int32]
  let attributes: ItemAttributes

  var count: Int { ids.count }

  func missing(_ column: String) -> String {
    let known = attributes.names
    return
      "there is no column '\(column)' of items; \(known.isEmpty ? "no file of items was given" : "the columns there are: \(known.joined(separator: ", "))")"
  }
}
