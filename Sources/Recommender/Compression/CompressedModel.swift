/// How the entries of a table are kept.
public enum TableFormat: String, Sendable, CaseIterable {
  case float32
  /// IEEE 754 binary16: half the bytes, 11 bits of each entry.
  case float16
  /// One byte for each entry and a Float32 for each row: v = scale · q with |q| ≤ 127, where the scale has 16 significant bits, so that v is exact.
  case int8
}

/// A tensor in few bytes, and what it stands for.
///
/// Tables (two extents or more) take the format; vectors stay Float32, as they are short and may hold indices or counts.
public struct CompressedTensor: Sendable, Equatable {
  public let shape: [Int]
  public let format: TableFormat
  /// Entries in row-major order, little-endian.
  public let entries: [UInt8]
  /// Of `int8`: one for each row of the first extent; else empty.
  public let scales: [Float]

  /// - Returns: Float32 where an entry is no Float16, or no number, and that was asked for.
  public init(_ tensor: Tensor, format: TableFormat) {
    shape = tensor.shape
    let largest = tensor.values.reduce(Float(0)) { max($0, $1.magnitude) }
    let isNumber = tensor.values.allSatisfy(\.isFinite)
    let fits = shape.count >= 2 && isNumber && (format != .float16 || largest <= Float(Float16.greatestFiniteMagnitude))
    self.format = fits ? format : .float32
    switch self.format {
    case .float32:
      entries = tensor.values.flatMap { withUnsafeBytes(of: $0.bitPattern.littleEndian, Array.init) }
      scales = []
    case .float16:
      entries = tensor.values.flatMap { withUnsafeBytes(of: Float16($0).bitPattern.littleEndian, Array.init) }
      scales = []
    case .int8:
      let width = shape[0] == 0 ? 0 : tensor.values.count / shape[0]
      var scales: [Float] = []
      var entries: [UInt8] = []
      entries.reserveCapacity(tensor.values.count)
      for row in 0..<shape[0] {
        let values = tensor.values[row * width..<(row + 1) * width]
        let scale = Self.scale(of: values)
        scales.append(scale)
        for value in values { entries.append(UInt8(bitPattern: Self.level(of: value, scale))) }
      }
      (self.scales, self.entries) = (scales, entries)
    }
  }

  /// A table in int8, where that saves bytes (rows of two entries or more) and loses nothing: not a bit of any entry.
  public init?(exactly tensor: Tensor) {
    guard tensor.shape.count >= 2, let rows = tensor.shape.first, !tensor.values.isEmpty else { return nil }
    let width = tensor.values.count / rows
    guard width >= 2 else { return nil }
    for row in 0..<rows {
      let values = tensor.values[row * width..<(row + 1) * width]
      guard values.allSatisfy(\.isFinite) else { return nil }
      let scale = Self.scale(of: values)
      for value in values where (scale * Float(Self.level(of: value, scale))).bitPattern != value.bitPattern { return nil }
    }
    self.init(tensor, format: .int8)
  }

  /// Rounded up to 16 significant bits: a product with 7 more is exact unless it overflows, and the largest entry still has level 127 or −127
  /// unless it is subnormal.
  private static func scale(of row: ArraySlice<Float>) -> Float {
    let largest = row.reduce(Float(0)) { max($0, $1.magnitude) }
    return Float(bitPattern: ((largest / 127).bitPattern + 0xFF) & ~0xFF)
  }

  /// 0 in a row of zeros, or of numbers so small that their 127th part is none.
  private static func level(of value: Float, _ scale: Float) -> Int8 {
    scale > 0 ? Int8(min(127, max(-127, (value / scale).rounded(.toNearestOrEven)))) : 0
  }

  /// As bytes of a file hold it.
  ///
  /// - Returns: `nil` unless the bytes are those of so many entries.
  public init?(shape: [Int], format: TableFormat, entries: [UInt8], scales: [Float]) {
    let count = shape.reduce(1, *)
    let isWhole =
      switch format {
      case .float32: entries.count == 4 * count && scales.isEmpty
      case .float16: entries.count == 2 * count && scales.isEmpty
      case .int8: entries.count == count && shape.count >= 2 && scales.count == shape[0]
      }
    guard isWhole else { return nil }
    (self.shape, self.format, self.entries, self.scales) = (shape, format, entries, scales)
  }

  /// The entries as numbers.
  public var tensor: Tensor {
    func integer<T: FixedWidthInteger>(_ index: Int, _ type: T.Type) -> T {
      entries.withUnsafeBytes { T(littleEndian: $0.loadUnaligned(fromByteOffset: index * MemoryLayout<T>.size, as: T.self)) }
    }
    let count = shape.reduce(1, *)
    return Tensor(
      shape: shape,
      values: (0..<count).map { index in
        switch format {
        case .float32: Float(bitPattern: integer(index, UInt32.self))
        case .float16: Float(Float16(bitPattern: integer(index, UInt16.self)))
        case .int8: scales[index / (count / shape[0])] * Float(Int8(bitPattern: entries[index]))
        }
      })
  }

  public var byteCount: Int { entries.count + 4 * scales.count }
}

/// A model whose tables are kept in few bytes.
public struct CompressedModel: Sendable, Equatable {
  public let algorithm: String
  public let version: Int
  public let tensors: [String: CompressedTensor]

  public init(_ model: ItemModel, format: TableFormat) {
    (algorithm, version) = (model.algorithm, model.version)
    tensors = model.tensors.mapValues { CompressedTensor($0, format: format) }
  }

  /// The model that the bytes stand for.
  public var model: ItemModel { ItemModel(algorithm: algorithm, version: version, tensors: tensors.mapValues(\.tensor)) }

  /// Of all entries and scales, without names and headers.
  public var byteCount: Int { tensors.values.reduce(0) { $0 + $1.byteCount } }

  /// Without the rows of some items in every table that has one for each item.
  public func byteCount(keeping kept: Int, of itemCount: Int) -> Int {
    tensors.values.reduce(0) { sum, tensor in
      sum + (tensor.shape.first == itemCount ? tensor.byteCount / max(1, itemCount) * kept : tensor.byteCount)
    }
  }
}
