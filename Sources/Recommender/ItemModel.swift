/// A dense array of Float32 in row-major order.
public struct Tensor: Sendable, Equatable {
  public let shape: [Int]
  public var values: [Float]

  /// - Precondition: `values.count` is the product of `shape`.
  public init(shape: [Int], values: [Float]) {
    precondition(shape.reduce(1, *) == values.count, "a tensor of shape \(shape) cannot hold \(values.count) values")
    self.shape = shape
    self.values = values
  }

  /// A tensor of zeros.
  public init(zeros shape: [Int]) { self.init(shape: shape, values: [Float](repeating: 0, count: shape.reduce(1, *))) }
}

/// The public part of a recommender: what the coordinator publishes and every partner reads.
///
/// It speaks of items only. User vectors are solved where the user's history lies, and never leave the partner.
public struct ItemModel: Sendable, Equatable {
  /// Algorithm that made the model (`mf`, `als`, `covariance`, ...).
  public let algorithm: String
  /// Number of releases folded into the model; 0 for the initial model.
  public var version: Int
  /// Named tensors, for instance `items` of shape [items, dimension]. Names are ASCII without spaces.
  public var tensors: [String: Tensor]

  public init(algorithm: String, version: Int = 0, tensors: [String: Tensor] = [:]) {
    self.algorithm = algorithm
    self.version = version
    self.tensors = tensors
  }
}
