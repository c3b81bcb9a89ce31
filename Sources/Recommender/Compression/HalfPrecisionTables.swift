/// An algorithm whose tables are rounded to Float16 after every release, so that a model is sent in half the bytes.
///
/// Rounding is of the model, not of a copy on the wire: all parties compute with the same numbers, and what is signed is what is sent.
/// Vectors stay Float32, and so does a table with an entry that no Float16 can hold. What the coordinator's optimizer keeps is not rounded.
public struct HalfPrecisionTables: FederatedAlgorithm {
  public let base: any FederatedAlgorithm

  public init(_ base: any FederatedAlgorithm) { self.base = base }

  public var name: String { base.name }
  public var itemCount: Int { base.itemCount }
  public var shapes: [ReleaseShape] { base.shapes }

  public func initialModel(seed: UInt64) -> ItemModel { Self.rounded(base.initialModel(seed: seed)) }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer { base.trainer(for: release, model: model) }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    base.advance(model: &model, optimizer: &optimizer, release: release, sum: sum, context: context)
    model = Self.rounded(model)
  }

  public func fault(in model: ItemModel) -> String? { base.fault(in: model) }

  public func scorer(model: ItemModel) -> any Scorer { base.scorer(model: model) }

  private static func rounded(_ model: ItemModel) -> ItemModel { CompressedModel(model, format: .float16).model }
}
