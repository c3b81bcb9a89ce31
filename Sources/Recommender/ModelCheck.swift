/// Checks on models that came from somebody else: whatever passes them trips no precondition of a trainer or scorer.
public enum ModelCheck {
  /// Finite, and so small that products of two entries over a whole catalogue stay finite in Float.
  public static func isSane(_ value: Float) -> Bool { value.magnitude <= 0x1p40 }

  /// Why a tensor is not of the expected shape with sane values, or `nil`.
  static func fault(in model: ItemModel, tensor name: String, shape: [Int]) -> String? {
    guard let tensor = model.tensors[name] else { return "tensor '\(name)' is missing" }
    guard tensor.shape == shape else { return "tensor '\(name)' has shape \(tensor.shape); expected \(shape)" }
    guard tensor.values.allSatisfy(isSane) else { return "tensor '\(name)' has entries that are no numbers, or huge" }
    return nil
  }

  /// Why the head of a model is no ascending list of items, or `nil`; nothing is asked of a model without one.
  static func faultInHead(of model: ItemModel, itemCount: Int) -> String? {
    let head = model.tensors["head"]?.values ?? []
    guard head.allSatisfy({ $0 >= 0 && $0 < Float(itemCount) && $0 == $0.rounded() }),
      zip(head, head.dropFirst()).allSatisfy({ $0 < $1 })
    else { return "tensor 'head' is no ascending list of items" }
    return nil
  }

  /// Why a model does not hold exactly these tensors, or `nil`.
  static func fault(in model: ItemModel, shapes: [String: [Int]]) -> String? {
    for name in model.tensors.keys.sorted() where shapes[name] == nil { return "unknown tensor '\(name)'" }
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
      if let fault = fault(in: model, tensor: name, shape: shape) { return fault }
    }
    return nil
  }
}

extension FederatedAlgorithm {
  public func fault(in model: ItemModel) -> String? {
    ModelCheck.fault(in: model, shapes: initialModel(seed: 0).tensors.mapValues(\.shape))
  }
}

extension PopularityAlgorithm {
  public func fault(in model: ItemModel) -> String? {
    ModelCheck.fault(in: model, shapes: model.version == 0 ? [:] : ["counts": [itemCount]])
  }
}

extension CovarianceAlgorithm {
  public func fault(in model: ItemModel) -> String? {
    switch (plan, model.version) {
    case (_, ...0): return ModelCheck.fault(in: model, shapes: [:])
    case (.wholeCatalogue, _):
      return ModelCheck.fault(
        in: model, shapes: ["counts": [itemCount], "precision": [PackedTriangle.count(order: itemCount)]])
    case (.head(let size, _, _), let version):
      var shapes = ["counts": [itemCount], "popularity": [itemCount], "head": [size]]
      if version > 1 {
        let rank = model.tensors["items"]?.shape.last ?? 0
        guard (0...size).contains(rank) else { return "tensor 'items' has rank \(rank); expected at most \(size)" }
        shapes["items"] = [itemCount, rank]
        shapes["uniqueness"] = [1]
      }
      if let fault = ModelCheck.fault(in: model, shapes: shapes) { return fault }
      return ModelCheck.faultInHead(of: model, itemCount: itemCount)
    }
  }
}

extension NeuralRecommender {
  /// As by default, without drawing an initial model: partners ask in every round.
  public func fault(in model: ItemModel) -> String? { ModelCheck.fault(in: model, shapes: parameters.shapes) }
}
