/// An algorithm whose tables are rounded after every release, so that a model is sent in fewer bytes.
///
/// Rounding is of the model, not of a copy on the wire: all parties compute with the same numbers, and what is signed is what is sent.
/// Vectors stay Float32, and so does a table with an entry that no Float16 can hold.
///
/// With `int8` the items' own tables (`items`, a row for each item) have 8 bits an entry and a scale for each item, other tables are Float16. Steps of
/// training are often smaller than half a level, and rounding would take them back each time; so the coordinator applies each step to the tables as
/// they were before rounding (error feedback: Tang et al. 2019, "DoubleSqueeze", §3), which it keeps beside its optimizer's state and
/// sends to nobody. Partners compute at the rounded tables; what a step itself reads of a table (its ridge, its implicit zeros) it reads before rounding.
public struct RoundedTables: FederatedAlgorithm {
  public let base: any FederatedAlgorithm
  /// Of the items' tables.
  public let format: TableFormat

  public init(_ base: any FederatedAlgorithm, format: TableFormat) {
    self.base = base
    self.format = format
  }

  public var name: String { base.name }
  public var itemCount: Int { base.itemCount }
  public var shapes: [ReleaseShape] { base.shapes }

  public func initialModel(seed: UInt64) -> ItemModel { rounded(base.initialModel(seed: seed)) }

  public func trainer(for release: Int, model: ItemModel) -> any LocalTrainer { base.trainer(for: release, model: model) }

  public func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    for name in optimizer.keys.filter({ $0.hasPrefix(Self.keptPrefix) }) {
      guard let kept = optimizer.removeValue(forKey: name) else { continue }
      model.tensors[String(name.dropFirst(Self.keptPrefix.count))] = kept
    }
    base.advance(model: &model, optimizer: &optimizer, release: release, sum: sum, context: context)
    let rounded = rounded(model)
    if format == .int8, release + 1 < shapes.count {
      for (name, tensor) in model.tensors where rounded.tensors[name] != tensor { optimizer[Self.keptPrefix + name] = tensor }
    }
    model = rounded
  }

  public func fault(in model: ItemModel) -> String? { base.fault(in: model) }

  public func scorer(model: ItemModel) -> any Scorer { base.scorer(model: model) }

  private func rounded(_ model: ItemModel) -> ItemModel {
    var rounded = model
    for (name, tensor) in model.tensors {
      rounded.tensors[name] = CompressedTensor(tensor, format: Self.isOfItems(name, tensor, itemCount) ? format : .float16).tensor
    }
    return rounded
  }

  /// Whether a tensor is the algorithm's table of items, of rows that are worth a scale.
  public static func isOfItems(_ name: String, _ tensor: Tensor, _ itemCount: Int) -> Bool {
    name == "items" && tensor.shape.count == 2 && tensor.shape[0] == itemCount && tensor.shape[1] > 1
  }

  private static let keptPrefix = "exact/"
}
