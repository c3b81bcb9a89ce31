public import Recommender
public import Serving

extension ServingHome {
  /// How well each scene's lists do what the scene is for, on this home's own held-out events; scenes in order of their names.
  ///
  /// Exact figures of own data, computed at home: none of it leaves the machine, and no budget is spent on it.
  ///
  /// - Parameters:
  ///   - attributes: what is known of items, by id, for scenes that choose by columns.
  ///   - count: length of the lists, from 1.
  /// - Throws: as `load`; `PartnerError` when nothing was held out.
  public func judgeScenes(
    _ rules: ServingRules, attributes: Catalogue? = nil, count: Int = 10
  ) throws -> [SceneEvaluation] {
    let (engine, name) = try load(rules: rules, attributes: attributes)
    let data = try store.localData(of: name, itemCount: engine.itemCount)
    guard data.heldOut.contains(where: { !$0.isEmpty }) else {
      throw PartnerError(
        .missing,
        "nothing was held out of '\(name)', so that there is nothing to judge on; import data with --hold-out last (under a new name)"
      )
    }
    let histories = data.userIDs.indices.map {
      ServedHistory(items: Array(data.train.history(of: $0)), weights: Array(data.train.weights(of: $0)))
    }
    return try engine.sceneNames.map {
      try SceneEvaluation($0, of: engine, histories: histories, heldOut: data.heldOut, count: count)
    }
  }
}
