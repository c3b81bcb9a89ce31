/// An algorithm that can give items a place in a finished model that had none in its training.
public protocol ItemExtending: FederatedAlgorithm {
  /// The model over a longer catalogue: the old items first, the new ones behind them in the order of their features.
  ///
  /// Nothing is trained, and nothing but the public model and the features is read.
  ///
  /// - Throws: `DatasetError` when the model was trained without features, or with others.
  func extending(
    _ model: ItemModel, by newItems: ItemFeatures
  ) throws -> (algorithm: any FederatedAlgorithm, model: ItemModel)
}

extension NeuralRecommender: ItemExtending {
  /// A new item's own row is 0: its embedding is what the learnt matrix makes of its features. Its offset is what ridge regression of
  /// the known items' offsets on their features expects.
  public func extending(
    _ model: ItemModel, by newItems: ItemFeatures
  ) throws -> (algorithm: any FederatedAlgorithm, model: ItemModel) {
    guard let known = parameters.features, newItems.dimension == known.dimension else {
      throw DatasetError(
        parameters.features == nil
          ? "the model was trained without item features, so that it knows nothing of new items; train with some (--item-features)"
          : "the new items have \(newItems.dimension) features, the model's \(featureDimension)")
    }
    let total = itemCount + newItems.itemCount
    let features = try ItemFeatures(
      itemCount: total, dimension: featureDimension, values: known.values + newItems.values)
    let algorithm = try NeuralRecommender(
      itemCount: total, architecture: architecture, dimension: dimension, rounds: rounds,
      training: training,
      optimizer: optimizer, popularityPrior: popularityPrior, countsShare: countsShare,
      featureDimension: featureDimension,
      features: features)
    var extended = model
    func append(_ name: String, _ shape: [Int], _ values: [Float]) {
      guard let tensor = model.tensors[name] else {
        preconditionFailure("the model has no tensor '\(name)'")
      }
      extended.tensors[name] = Tensor(shape: shape, values: tensor.values + values)
    }
    let none = [Float](repeating: 0, count: newItems.itemCount)
    append(
      NeuralParameters.items, [total, dimension],
      [Float](repeating: 0, count: newItems.itemCount * dimension))
    append(NeuralParameters.popularity, [total], none)
    let offsets = model.tensors[NeuralParameters.offsets]?.values ?? []
    append(
      NeuralParameters.offsets, [total],
      RidgeRegression(of: offsets, on: known).values(of: newItems))
    return (algorithm, extended)
  }
}

extension RoundedTables: ItemExtending {
  public func extending(
    _ model: ItemModel, by newItems: ItemFeatures
  ) throws -> (algorithm: any FederatedAlgorithm, model: ItemModel) {
    guard let base = base as? any ItemExtending else {
      throw DatasetError(
        "'\(name)' does not learn from item features, so that it knows nothing of new items")
    }
    return try base.extending(model, by: newItems)
  }
}

/// y ≈ mean + x·w with (XᵀX + λ) w = Xᵀ (y - mean), by conjugate gradients.
struct RidgeRegression {
  private let mean: Double
  private let weights: [Double]

  init(of values: [Float], on features: ItemFeatures, ridge: Double = 1) {
    precondition(
      values.count == features.itemCount, "\(values.count) values for \(features.itemCount) items")
    let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
    func transposed(_ items: [Double]) -> [Double] {
      var result = [Double](repeating: 0, count: features.dimension)
      for (item, value) in items.enumerated() where value != 0 {
        for (column, entry) in features.row(item).enumerated() {
          result[column] += value * Double(entry)
        }
      }
      return result
    }
    func applied(_ weights: [Double]) -> [Double] {
      let items = (0..<features.itemCount).map { Self.dot(features.row($0), weights) }
      return zip(transposed(items), weights).map { $0 + ridge * $1 }
    }
    func product(_ x: [Double], _ y: [Double]) -> Double {
      zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
    }
    var weights = [Double](repeating: 0, count: features.dimension)
    var residual = transposed(values.map { Double($0) - mean })
    var direction = residual
    var squares = product(residual, residual)
    let first = squares
    for _ in 0..<min(2 * features.dimension, 200) where squares > 1e-16 * first {
      let image = applied(direction)
      let step = squares / product(direction, image)
      for index in weights.indices {
        weights[index] += step * direction[index]
        residual[index] -= step * image[index]
      }
      let next = product(residual, residual)
      direction = zip(residual, direction).map { $0 + next / squares * $1 }
      squares = next
    }
    (self.mean, self.weights) = (mean, weights)
  }

  func values(of features: ItemFeatures) -> [Float] {
    (0..<features.itemCount).map { Float(mean + Self.dot(features.row($0), weights)) }
  }

  private static func dot(_ row: ArraySlice<Float>, _ weights: [Double]) -> Double {
    zip(row, weights).reduce(0) { $0 + Double($1.0) * $1.1 }
  }
}
