internal import FederatedLearning
public import Recommender

extension PartnerModel {
  /// The same model with items behind the plan's that only this partner has: what came into its shop after the training.
  ///
  /// Nobody but this home knows of them. Each gets the embedding that the trained matrix makes of its features (`ItemExtending`), so features
  /// must be made as the coordinator made those of the known items, and that is checked, not believed: what `features` gives for the known items
  /// must be, bit by bit, what the plan names by its hash.
  ///
  /// - Parameters:
  ///   - items: what this partner knows of items, by id, in any order; those of the plan that are not in it are blank.
  ///   - features: of a catalogue whose first items are the plan's; which attributes count is decided by those alone (their number is the second argument).
  /// - Returns: the model itself, when `items` has none that the plan's catalogue has not.
  /// - Throws: `PartnerError` when the model learnt nothing of features, or when those of the known items are not the plan's.
  public func extended(
    by items: Catalogue, features make: (Catalogue, Int) throws -> ItemFeatures
  ) throws -> PartnerModel {
    let longer = Self.longer(catalogue, items)
    guard longer.count > catalogue.count else { return self }
    do {
      guard let known = features, let algorithm = algorithm as? any ItemExtending else {
        throw PartnerError(
          .data,
          "the plan '\(plan.task)' trains '\(plan.algorithm.name)' without item features, so that its model knows nothing of the \(longer.count - catalogue.count) items that are not in its catalogue; serve without --item-features"
        )
      }
      let all = try make(longer, catalogue.count)
      guard all.dimension == known.dimension, try all.selecting(items: Array(0..<catalogue.count)) == known else {
        throw PartnerError(
          .data,
          "the item features made from this file are not those of the plan '\(plan.task)' for the items that both have; give the sources in the coordinator's order and the columns of the coordinator's list of items, no other ones, for all of its items"
        )
      }
      var extended = self
      (extended.algorithm, extended.model) = try algorithm.extending(
        model, by: try all.selecting(items: Array(catalogue.count..<longer.count)))
      extended.catalogue = longer
      extended.features = all
      return extended
    } catch let error as DatasetError { throw PartnerError(.data, "items that came later: \(error)") }
  }

  /// The known items in their order, then the others in that of the file; all with the file's columns.
  private static func longer(_ known: Catalogue, _ file: Catalogue) -> Catalogue {
    let (isKnown, places) = (Set(known.itemIDs), file.indexByID())
    let ids = known.itemIDs + file.itemIDs.filter { !isKnown.contains($0) }
    return Catalogue(
      itemIDs: ids,
      attributes: file.attributes.mapValues { fields in ids.map { id in places[id].map { fields[Int($0)] } ?? "" } })
  }
}
