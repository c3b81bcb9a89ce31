/// One user's whole message of one release, obeying the L2 bound C of its encoding parameters.
///
/// Only `UpdateEncoder.clip` makes one. It holds the caller's values and one common factor, so that clipping copies
/// nothing; norm times factor is at most C.
public struct ClippedUpdate: Sendable {
  public let parameters: EncodingParameters
  /// Whether the message was longer than C and was shortened.
  ///
  /// - Warning: private. It must not leave the partner except through a noised release.
  public let wasClipped: Bool
  /// Whether the message was empty, tiny or not a number, so that the zero vector is sent instead.
  public var isZero: Bool { values.isEmpty }

  /// Distinct entries in `0..<parameters.dimension`; empty when `values` is dense.
  let indices: [UInt32]
  let values: [Float]
  /// The entry at a position is `values[position] · factor`, in units of contributions; at most 1.
  let factor: Double
  var isDense: Bool { indices.isEmpty && !values.isEmpty }

  init(parameters: EncodingParameters, indices: [UInt32], values: [Float], factor: Double, wasClipped: Bool) {
    self.parameters = parameters
    self.indices = indices
    self.values = values
    self.factor = factor
    self.wasClipped = wasClipped
  }

  /// The zero vector.
  init(zero parameters: EncodingParameters) {
    self.init(parameters: parameters, indices: [], values: [], factor: 0, wasClipped: false)
  }
}

/// One user's whole message as integers whose squared norm is at most Δ², checked in integers after rounding.
///
/// Only `UpdateEncoder.encode` makes one.
public struct EncodedUpdate: Sendable {
  public let parameters: EncodingParameters
  /// Σ vᵢ², at most `parameters.deltaSquared`.
  ///
  /// - Warning: private, as the update itself is.
  public let squaredNorm: Int64
  public var isZero: Bool { squaredNorm == 0 }

  /// Distinct entries; empty when `values` is dense (or all zero).
  let indices: [UInt32]
  /// Grid units.
  let values: [Int32]

  init(parameters: EncodingParameters, indices: [UInt32], values: [Int32], squaredNorm: Int64) {
    precondition(squaredNorm <= parameters.deltaSquared, "an encoded update must obey the plan's Δ²")
    self.parameters = parameters
    self.indices = indices
    self.values = values
    self.squaredNorm = squaredNorm
  }

  /// The zero vector.
  init(zero parameters: EncodingParameters) {
    self.init(parameters: parameters, indices: [], values: [], squaredNorm: 0)
  }

  /// The vector in full, for tests and for looking at.
  package var denseValues: [Int32] {
    var result = [Int32](repeating: 0, count: parameters.dimension)
    if indices.isEmpty {
      for (index, value) in values.enumerated() { result[index] = value }
    } else {
      for (position, index) in indices.enumerated() { result[Int(index)] = values[position] }
    }
    return result
  }
}
