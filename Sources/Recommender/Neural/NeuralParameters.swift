/// Everything that a neural recommender learns, as one vector: item embeddings, item offsets, the encoder's dense slices.
///
/// The embeddings serve twice: as the encoder's input and as what its output is compared with, score = h·e + offset.
struct NeuralParameters: Sendable, Equatable {
  static let items = "items"
  static let offsets = "item-offsets"
  static let popularity = "popularity"

  let itemCount: Int
  let dimension: Int
  let dense: ParameterLayout
  /// The perceptron over pairs whose slices are in `dense`, in `ncf`.
  var tower: PairTower?
  /// Where the matrix from features to embeddings begins in `dense`, F × dimension; `nil` without features.
  var featureWeight: Int?
  /// F; 0 without features.
  var featureDimension = 0
  /// What is known of the items; `nil` also where only shapes are asked for.
  var features: ItemFeatures?

  /// Where the item offsets begin; the embeddings begin at 0.
  var offsetStart: Int { itemCount * dimension }
  var denseStart: Int { offsetStart + itemCount }
  var count: Int { denseStart + dense.count }

  /// Names and shapes of all tensors of a model.
  var shapes: [String: [Int]] {
    var shapes = Dictionary(uniqueKeysWithValues: dense.slices.map { ($0.name, $0.shape) })
    shapes[Self.items] = [itemCount, dimension]
    shapes[Self.offsets] = [itemCount]
    shapes[Self.popularity] = [itemCount]
    return shapes
  }

  /// The model before training: small embeddings, no offsets, nobody's interactions counted.
  func initialModel(algorithm: String, seed: UInt64) -> ItemModel {
    let random = PublicRandom(seed: SplitMix64.mix(seed))
    let deviation = 0.1 / Float(dimension).squareRoot()
    var tensors = dense.tensors(of: dense.initialValues(seed: seed))
    tensors[Self.items] = Tensor(
      shape: [itemCount, dimension], values: (0..<itemCount * dimension).map { deviation * random.nearlyNormal(at: $0) })
    tensors[Self.offsets] = Tensor(zeros: [itemCount])
    tensors[Self.popularity] = Tensor(zeros: [itemCount])
    return ItemModel(algorithm: algorithm, tensors: tensors)
  }

  /// The vector of a model's trained tensors.
  func vector(of model: ItemModel) -> [Float] {
    var vector = tensor(Self.items, of: model, shape: [itemCount, dimension])
    vector.reserveCapacity(count)
    vector.append(contentsOf: tensor(Self.offsets, of: model, shape: [itemCount]))
    vector.append(contentsOf: dense.values(of: model.tensors))
    return vector
  }

  /// The same with embeddings as they are compared: own rows and what their features add.
  func effectiveVector(of model: ItemModel) -> [Float] {
    var vector = vector(of: model)
    guard let featureWeight else { return vector }
    let features = requiredFeatures
    vector.withUnsafeMutableBufferPointer { vector in
      features.values.withUnsafeBufferPointer { features in
        guard let base = vector.baseAddress, let known = features.baseAddress else { return }
        DenseAlgebra.multiply(
          known, base + denseStart + featureWeight, into: base, rows: itemCount, columns: dimension, inner: featureDimension,
          beta: 1)
      }
    }
    return vector
  }

  /// - Precondition: features were given, where the plan has some: whoever trains or scores has them, the plan's hash says which.
  var requiredFeatures: ItemFeatures {
    guard let features else {
      preconditionFailure("an algorithm with \(featureDimension) features of an item was made without them")
    }
    return features
  }

  /// Writes a vector back into a model.
  func store(_ vector: [Float], in model: inout ItemModel) {
    precondition(vector.count == count, "the parameters are \(count) entries, not \(vector.count)")
    model.tensors[Self.items] = Tensor(shape: [itemCount, dimension], values: Array(vector[..<offsetStart]))
    model.tensors[Self.offsets] = Tensor(shape: [itemCount], values: Array(vector[offsetStart..<denseStart]))
    model.tensors.merge(dense.tensors(of: Array(vector[denseStart...]))) { $1 }
  }

  private func tensor(_ name: String, of model: ItemModel, shape: [Int]) -> [Float] {
    guard let tensor = model.tensors[name], tensor.shape == shape else {
      preconditionFailure("the model has no tensor '\(name)' of shape \(shape)")
    }
    return tensor.values
  }
}
