/// The dense parameters of a network as one vector with named slices: what a secure sum carries is this vector's change.
package struct ParameterLayout: Sendable, Equatable {
  /// How a slice begins.
  package enum Initial: Sendable, Equatable {
    case constant(Float)
    /// Nearly normal with mean 0 and this standard deviation.
    case normal(Float)
  }

  package struct Slice: Sendable, Equatable {
    package let name: String
    package let shape: [Int]
    package let initial: Initial
    /// Index of the first entry in the vector.
    package let offset: Int

    package var count: Int { shape.reduce(1, *) }
  }

  package private(set) var slices: [Slice] = []
  /// Entries of the whole vector.
  package private(set) var count = 0

  package init() {}

  /// Appends a slice and returns where it begins.
  mutating func add(_ name: String, _ shape: [Int], _ initial: Initial) -> Int {
    let slice = Slice(name: name, shape: shape, initial: initial, offset: count)
    slices.append(slice)
    count += slice.count
    return slice.offset
  }

  /// The vector before training; the same on every machine.
  package func initialValues(seed: UInt64) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(count)
    for slice in slices {
      switch slice.initial {
      case .constant(let value): values.append(contentsOf: repeatElement(value, count: slice.count))
      case .normal(let deviation):
        let random = PublicRandom(seed: SplitMix64.mix(seed ^ stableHash(slice.name)))
        values.append(contentsOf: (0..<slice.count).lazy.map { deviation * random.nearlyNormal(at: $0) })
      }
    }
    return values
  }

  /// The slices of a vector as tensors, by name.
  package func tensors(of values: [Float]) -> [String: Tensor] {
    precondition(values.count == count, "the parameters are \(count) entries, not \(values.count)")
    return Dictionary(
      uniqueKeysWithValues: slices.map {
        ($0.name, Tensor(shape: $0.shape, values: Array(values[$0.offset..<$0.offset + $0.count])))
      })
  }

  /// The vector of which `tensors` are the slices.
  package func values(of tensors: [String: Tensor]) -> [Float] {
    var values: [Float] = []
    values.reserveCapacity(count)
    for slice in slices {
      guard let tensor = tensors[slice.name], tensor.shape == slice.shape else {
        preconditionFailure("the model has no tensor '\(slice.name)' of shape \(slice.shape)")
      }
      values.append(contentsOf: tensor.values)
    }
    return values
  }
}
