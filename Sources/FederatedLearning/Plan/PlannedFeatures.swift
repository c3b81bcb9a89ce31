internal import CryptoPrimitives
public import Recommender

/// The features of a plan's items: named by their hash, so that nobody trains or scores with others.
extension CatalogueReference {
  /// SHA-256 of a table's canonical bytes, in hex.
  public static func hash(of features: ItemFeatures) -> String { SHA256.hash(features.canonicalBytes).hex }

  /// - Throws: `PlanError` unless these are the features that the plan names; plans without any take none.
  public func check(_ found: ItemFeatures?) throws(PlanError) {
    switch (features, found) {
    case (nil, nil): return
    case (nil, .some): throw PlanError("the plan names no item features, but some were given")
    case (let hash?, nil):
      throw PlanError("the plan's item features (\(hash.prefix(16))…) are missing; fetch the plan's documents again")
    case (let hash?, let found?):
      let own = Self.hash(of: found)
      guard own == hash, found.itemCount == itemCount else {
        throw PlanError(
          "the item features are \(found.itemCount) × \(found.dimension) with hash \(own.prefix(16))…; expected those of \(itemCount) items with the plan's hash \(hash.prefix(16))…"
        )
      }
    }
  }
}

extension TrainingPlan {
  /// F: numbers that are known of each item; 0 without features.
  public var featureDimension: Int { Int(exactly: algorithm.parameters["feature-dimension"] ?? 0) ?? 0 }

  /// The plan's algorithm, ready to train and to score.
  ///
  /// - Parameter features: those that the plan names; `nil` for a plan without.
  /// - Throws: `PlanError` when they are others or missing; `InvalidHyperparameter` for parameters out of range.
  public func makeAlgorithm(features: ItemFeatures?) throws -> any FederatedAlgorithm {
    try catalogue.check(features)
    return try AlgorithmRegistry.make(
      algorithm.name, algorithm.parameters, itemCount: catalogue.itemCount, features: features)
  }

  /// The same for its shapes alone, before the features are there.
  public func makeShapes() throws -> any FederatedAlgorithm {
    try AlgorithmRegistry.make(algorithm.name, algorithm.parameters, itemCount: catalogue.itemCount)
  }

  /// Whether features are named exactly where the algorithm reads some.
  func validateFeatures() throws(PlanError) {
    let count = algorithm.parameters["feature-dimension"] ?? 0
    switch catalogue.features {
    case nil:
      guard count == 0 else { throw PlanError("'feature-dimension' is \(count), but 'catalogue' names no features; expected 0") }
    case let hash?:
      guard Digest(hex: hash) != nil else { throw PlanError("'catalogue.features' is no hash of 64 hexadecimal digits") }
      guard let dimension = Int(exactly: count), (1...ItemFeatures.dimensionMax).contains(dimension),
        AlgorithmRegistry.takesFeatures(algorithm.name)
      else {
        throw PlanError(
          "'catalogue' names item features, and '\(algorithm.name)' reads \(count) of an item; expected an algorithm that reads 1 to \(ItemFeatures.dimensionMax)"
        )
      }
    }
  }
}
