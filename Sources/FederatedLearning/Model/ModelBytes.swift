public import Recommender

/// The canonical bytes of an item model: what is hashed, signed and sent (Protocols/training-round.md, "Model bytes").
///
/// Little-endian throughout: `"TACITMODEL2\n"`, algorithm (u16 length, ASCII), version (u32), tensor count (u16), then per
/// tensor in ascending byte order of its name: name (u16 length, ASCII), rank (u8), extents (u64 each), bytes of a value (u8), values.
/// A table (rank 2 or more) of which every value is a Float16 takes 2 bytes for each; one whose rows are multiples of a scale, `CompressedTensor` says
/// of which, takes 1 and the scales; every other tensor takes 4.
public enum ModelBytes {
  static let magic = Array("TACITMODEL2\n".utf8)

  /// The one encoding of a model.
  public static func encode(_ model: ItemModel) -> [UInt8] {
    var bytes = magic
    let names = model.tensors.keys.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    bytes.reserveCapacity(64 + model.tensors.values.reduce(0) { $0 + 4 * $1.values.count + 64 })
    append(text: model.algorithm, to: &bytes)
    append(UInt32(model.version), to: &bytes)
    append(UInt16(names.count), to: &bytes)
    for name in names {
      guard let tensor = model.tensors[name] else { continue }
      append(text: name, to: &bytes)
      bytes.append(UInt8(tensor.shape.count))
      for extent in tensor.shape { append(UInt64(extent), to: &bytes) }
      switch form(of: tensor) {
      case .half:
        bytes.append(2)
        for value in tensor.values { append(Float16(value).bitPattern, to: &bytes) }
      case .levels(let levels):
        bytes.append(1)
        levels.scales.withUnsafeBytes { bytes.append(contentsOf: $0) }
        bytes += levels.entries
      case .whole:
        bytes.append(4)
        tensor.values.withUnsafeBytes { bytes.append(contentsOf: $0) }
      }
    }
    return bytes
  }

  /// How a tensor's values are written.
  private enum Form {
    case half, whole
    case levels(CompressedTensor)

    var width: Int {
      switch self {
      case .half: 2
      case .levels: 1
      case .whole: 4
      }
    }
  }

  /// The first of half, levels and whole that loses nothing.
  private static func form(of tensor: Tensor) -> Form {
    guard tensor.shape.count >= 2, !tensor.values.isEmpty else { return .whole }
    if tensor.values.allSatisfy(isHalf) { return .half }
    return CompressedTensor(exactly: tensor).map { .levels($0) } ?? .whole
  }

  /// Whether a number is a Float16, to the bit; NaN is none.
  private static func isHalf(_ value: Float) -> Bool {
    !value.isNaN && Float(Float16(value)).bitPattern == value.bitPattern
  }

  /// Decodes a model, refusing anything that `encode` would not write.
  ///
  /// - Throws: `ModelBytesError` naming the field and the offset.
  public static func decode(_ bytes: [UInt8]) throws(ModelBytesError) -> ItemModel {
    var reader = Reader(bytes: bytes)
    guard try reader.take(magic.count, "magic") == magic[...] else {
      throw ModelBytesError(field: "magic", offset: 0, reason: "expected TACITMODEL2")
    }
    let algorithm = try reader.text("algorithm")
    let version = try reader.integer(UInt32.self, "version")
    let count = try reader.integer(UInt16.self, "tensor count")
    var tensors: [String: Tensor] = [:]
    var previous: [UInt8] = []
    for _ in 0..<count {
      let name = try reader.text("tensor name")
      guard previous.lexicographicallyPrecedes(Array(name.utf8)) else {
        throw ModelBytesError(field: "tensor name", offset: reader.position, reason: "names must ascend")
      }
      previous = Array(name.utf8)
      let rank = Int(try reader.take(1, "rank").first ?? 0)
      var shape: [Int] = []
      var size = 1
      for _ in 0..<rank {
        let extent = try reader.integer(UInt64.self, "extent")
        let (product, overflow) = size.multipliedReportingOverflow(by: Int(clamping: extent))
        guard !overflow, extent <= UInt64(Int32.max) else {
          throw ModelBytesError(field: "extent", offset: reader.position, reason: "found \(extent), too large")
        }
        size = product
        shape.append(Int(extent))
      }
      let width = Int(try reader.take(1, "bytes of a value").first ?? 0)
      guard [1, 2, 4].contains(width), width != 1 || rank >= 2 else {
        throw ModelBytesError(
          field: "bytes of a value", offset: reader.position, reason: "found \(width), expected 2, 4, or of a table 1")
      }
      let (byteCount, overflow) = size.multipliedReportingOverflow(by: width)
      guard !overflow else {
        throw ModelBytesError(field: "extent", offset: reader.position, reason: "the tensor is too large")
      }
      let tensor = Tensor(
        shape: shape,
        values: width == 1
          ? try levels(shape, size, name, &reader) : values(try reader.take(byteCount, "values of \(name)"), size, width))
      // That scales and levels are the values' own has been seen.
      let isLeast = width == 1 ? !tensor.values.allSatisfy(isHalf) : form(of: tensor).width == width
      guard isLeast else {
        throw ModelBytesError(
          field: "bytes of a value", offset: reader.position, reason: "found \(width) for '\(name)', which takes another number")
      }
      tensors[name] = tensor
    }
    guard reader.position == bytes.count else {
      throw ModelBytesError(
        field: "end", offset: reader.position, reason: "found \(bytes.count - reader.position) bytes too many")
    }
    return ItemModel(algorithm: algorithm, version: Int(version), tensors: tensors)
  }

  private static func values(_ raw: ArraySlice<UInt8>, _ size: Int, _ width: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: size) { buffer, initialized in
      raw.withUnsafeBytes { raw in
        if width == 4 { UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw) }
        for index in 0..<(width == 2 ? size : 0) {
          let bits = UInt16(littleEndian: raw.loadUnaligned(fromByteOffset: 2 * index, as: UInt16.self))
          buffer.initializeElement(at: index, to: Float(Float16(bitPattern: bits)))
        }
      }
      initialized = size
    }
  }

  /// Scales and levels; they must be those that the table's values give, as `exactly` finds them.
  private static func levels(
    _ shape: [Int], _ size: Int, _ name: String, _ reader: inout Reader
  ) throws(ModelBytesError) -> [Float] {
    guard size > 0, let rows = shape.first else {
      throw ModelBytesError(field: "bytes of a value", offset: reader.position, reason: "found 1 for '\(name)', which is empty")
    }
    let scales = values(try reader.take(4 * rows, "scales of \(name)"), rows, 4)
    let entries = Array(try reader.take(size, "values of \(name)"))
    guard let read = CompressedTensor(shape: shape, format: .int8, entries: entries, scales: scales) else {
      throw ModelBytesError(field: "values of \(name)", offset: reader.position, reason: "the table is not whole")
    }
    let tensor = read.tensor
    guard CompressedTensor(exactly: tensor) == read else {
      throw ModelBytesError(
        field: "values of \(name)", offset: reader.position, reason: "scales and levels are not those of the values")
    }
    return tensor.values
  }

  private static func append(text: String, to bytes: inout [UInt8]) {
    append(UInt16(text.utf8.count), to: &bytes)
    bytes.append(contentsOf: text.utf8)
  }

  private static func append(_ value: some FixedWidthInteger, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  private struct Reader {
    let bytes: [UInt8]
    var position = 0

    mutating func take(_ count: Int, _ field: String) throws(ModelBytesError) -> ArraySlice<UInt8> {
      guard count <= bytes.count - position else {
        throw ModelBytesError(
          field: field, offset: position, reason: "expected \(count) bytes, found \(bytes.count - position)")
      }
      defer { position += count }
      return bytes[position..<position + count]
    }

    mutating func integer<T: FixedWidthInteger>(_ type: T.Type, _ field: String) throws(ModelBytesError) -> T {
      try take(MemoryLayout<T>.size, field).reversed().reduce(T(0)) { ($0 << 8) | T(truncatingIfNeeded: $1) }
    }

    mutating func text(_ field: String) throws(ModelBytesError) -> String {
      let count = Int(try integer(UInt16.self, field))
      let raw = try take(count, field)
      guard raw.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
        throw ModelBytesError(field: field, offset: position, reason: "expected printable ASCII")
      }
      return String(decoding: raw, as: UTF8.self)
    }
  }
}

/// Why bytes are no item model.
public struct ModelBytesError: Error, Equatable, CustomStringConvertible {
  public let field: String
  public let offset: Int
  public let reason: String

  public var description: String { "model bytes: \(field) at offset \(offset): \(reason)" }
}
