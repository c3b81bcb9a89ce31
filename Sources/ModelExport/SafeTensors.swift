internal import Glibc
public import Recommender

/// Named tensors and notes in the safetensors format (huggingface/safetensors, README "Format"): F32, F16, and I8 with a tensor
/// `NAME.scale` of one F32 for each row.
///
/// Bytes: the header's length, UInt64 little-endian; the header, a JSON object from name to dtype, shape and data
/// offsets, filled up with spaces to a multiple of 8; the tensors' values, little-endian, row-major, back to back.
public enum SafeTensors {
  /// The longest header that is read, as in the reference implementation.
  static let headerSizeMax = 100_000_000

  /// The bytes of a file; tensors stand in the order of their names, so equal content gives equal bytes.
  ///
  /// - Precondition: no tensor is called `__metadata__`.
  public static func encode(_ tensors: [String: Tensor], metadata: [String: String] = [:]) -> [UInt8] {
    encode(compressed: tensors.mapValues { CompressedTensor($0, format: .float32) }, metadata: metadata)
  }

  /// The same of tensors in fewer bytes.
  ///
  /// - Precondition: no tensor is called `__metadata__`, or like the scales of another.
  public static func encode(compressed tensors: [String: CompressedTensor], metadata: [String: String] = [:]) -> [UInt8] {
    precondition(tensors["__metadata__"] == nil, "__metadata__ is not a name for a tensor")
    var parts: [Part] = []
    for (name, tensor) in tensors {
      parts.append(Part(name: name, type: Self.type(tensor.format), shape: tensor.shape, bytes: tensor.entries))
      guard tensor.format == .int8 else { continue }
      precondition(tensors[name + scaleSuffix] == nil, "two tensors are called \(name)\(scaleSuffix)")
      var scales: [UInt8] = []
      scales.appendLittleEndian(tensor.scales)
      parts.append(Part(name: name + scaleSuffix, type: "F32", shape: [tensor.scales.count], bytes: scales))
    }
    // Wide entries first, so that each lies at a multiple of its width.
    return encode(parts.sorted { (Self.width($1.type) ?? 0, $0.name) < (Self.width($0.type) ?? 0, $1.name) }, metadata: metadata)
  }

  /// What scales of a tensor are called.
  static let scaleSuffix = ".scale"

  private struct Part {
    let name: String
    let type: String
    let shape: [Int]
    let bytes: [UInt8]
  }

  private static func type(_ format: TableFormat) -> String {
    switch format {
    case .float32: "F32"
    case .float16: "F16"
    case .int8: "I8"
    }
  }

  /// Bytes of an entry; `nil` for types that are not read.
  private static func width(_ type: String) -> Int? { ["F32": 4, "F16": 2, "I8": 1][type] }

  private static func encode(_ parts: [Part], metadata: [String: String]) -> [UInt8] {
    var entries: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key < $1.key }
        .map { "\(JSONText.quoted($0.key)):\(JSONText.quoted($0.value))" }
      entries.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
    }
    var offset = 0
    for part in parts {
      let end = offset + part.bytes.count
      let shape = part.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(JSONText.quoted(part.name)):{\"dtype\":\"\(part.type)\",\"shape\":[\(shape)],\"data_offsets\":[\(offset),\(end)]}"
      )
      offset = end
    }
    var header = Array("{\(entries.joined(separator: ","))}".utf8)
    while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 + header.count + offset)
    for shift in stride(from: 0, to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: header.count >> shift))
    }
    bytes.append(contentsOf: header)
    for part in parts { bytes += part.bytes }
    return bytes
  }

  /// Reads the bytes of a file.
  ///
  /// - Parameter file: the name for messages.
  /// - Throws: `ModelFileError` unless the header is valid JSON of the known shape, every tensor is of a known type, those of bytes
  ///   with their scales, and the tensors fill the rest of the file exactly, without holes and overlaps.
  public static func decode(
    _ bytes: [UInt8], file: String
  ) throws -> (tensors: [String: Tensor], metadata: [String: String]) {
    guard bytes.count >= 8 else {
      throw ModelFileError(
        file: file, found: "\(bytes.count) bytes", expected: "a safetensors file of at least 8")
    }
    let length = (0..<8).reduce(UInt64(0)) { $0 | UInt64(bytes[$1]) << (8 * UInt64($1)) }
    guard length <= UInt64(min(headerSizeMax, bytes.count - 8)) else {
      throw ModelFileError(
        file: file, found: "a header of \(length) bytes in a file of \(bytes.count)",
        expected: "a header that fits into the file")
    }
    let start = 8 + Int(length)
    var parser = JSONText(bytes[8..<start], file: file)
    guard case .object(let header) = try parser.document() else {
      throw ModelFileError(
        file: file, found: "a header that is no JSON object", expected: "an object of tensors")
    }
    var metadata: [String: String] = [:]
    var ranges: [(range: Range<Int>, name: String, type: String, shape: [Int])] = []
    for (name, value) in header {
      guard case .object(let entry) = value else {
        throw ModelFileError(
          file: file, found: "'\(name)' that is no object", expected: "dtype, shape, data_offsets")
      }
      if name == "__metadata__" {
        for (key, value) in entry {
          guard case .string(let text) = value else {
            throw ModelFileError(
              file: file, found: "metadata '\(key)' that is no text", expected: "text only")
          }
          metadata[key] = text
        }
      } else {
        ranges.append(try tensorRange(name, entry, dataSize: bytes.count - start, file: file))
      }
    }
    ranges.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    var position = 0
    var parts: [String: Part] = [:]
    for (range, name, type, shape) in ranges {
      guard range.lowerBound == position else {
        throw ModelFileError(
          file: file, found: "the tensor '\(name)' at byte \(range.lowerBound) of the data",
          expected: "it at byte \(position), without holes and overlaps")
      }
      position = range.upperBound
      parts[name] = Part(
        name: name, type: type, shape: shape, bytes: Array(bytes[start + range.lowerBound..<start + range.upperBound]))
    }
    guard position == bytes.count - start else {
      throw ModelFileError(
        file: file, found: "\(bytes.count - start) bytes of data",
        expected: "the \(position) that the header names")
    }
    return (try tensors(parts, file: file), metadata)
  }

  /// Numbers of the entries; scales belong to their tensors and are none of their own.
  private static func tensors(_ parts: [String: Part], file: String) throws -> [String: Tensor] {
    var tensors: [String: Tensor] = [:]
    for (name, part) in parts {
      if name.hasSuffix(scaleSuffix), parts[String(name.dropLast(scaleSuffix.count))]?.type == "I8" { continue }
      let scales = part.type == "I8" ? parts[name + scaleSuffix] : nil
      let format = TableFormat.allCases.first { type($0) == part.type } ?? .float32
      guard
        let tensor = CompressedTensor(
          shape: part.shape, format: format, entries: part.bytes,
          scales: scales.map { $0.type == "F32" ? $0.bytes.littleEndianFloats(0..<$0.bytes.count) : [] } ?? [])
      else {
        throw ModelFileError(
          file: file, found: "the bytes of '\(name)' of shape \(part.shape) without a scale for each row",
          expected: "a tensor '\(name)\(scaleSuffix)' of type F32 with \(part.shape.first ?? 0) entries")
      }
      tensors[name] = tensor.tensor
    }
    return tensors
  }

  /// Writes a file atomically.
  public static func write(_ tensors: [String: Tensor], metadata: [String: String] = [:], to path: String)
    throws
  {
    try AtomicFile.write(encode(tensors, metadata: metadata), to: path)
  }

  /// Reads a file.
  public static func read(path: String) throws -> (tensors: [String: Tensor], metadata: [String: String]) {
    try decode(readFile(path), file: path)
  }

  private static func tensorRange(
    _ name: String, _ entry: [(String, JSONText.Value)], dataSize: Int, file: String
  ) throws -> (Range<Int>, String, String, [Int]) {
    let fields = Dictionary(uniqueKeysWithValues: entry)
    guard case .string(let type)? = fields["dtype"], case .integers(let shape)? = fields["shape"],
      case .integers(let offsets)? = fields["data_offsets"], offsets.count == 2, fields.count == 3
    else {
      throw ModelFileError(
        file: file, found: "the entry '\(name)' without exactly dtype, shape and two data_offsets",
        expected: "these three fields")
    }
    guard var size = width(type) else {
      throw ModelFileError(file: file, found: "the tensor '\(name)' of type \(type)", expected: "F32, F16 or I8")
    }
    for extent in shape {
      let product = size.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !product.overflow else {
        throw ModelFileError(
          file: file, found: "the shape \(shape) of '\(name)'", expected: "a shape that fits memory")
      }
      size = product.partialValue
    }
    guard offsets[0] >= 0, offsets[1] <= dataSize, offsets[0] <= offsets[1], offsets[1] - offsets[0] == size
    else {
      throw ModelFileError(
        file: file, found: "the bytes \(offsets[0])..<\(offsets[1]) for '\(name)' of shape \(shape)",
        expected: "\(size) bytes inside the \(dataSize) bytes of data")
    }
    return (offsets[0]..<offsets[1], name, type, shape)
  }
}

/// A model file that is not what it should be.
public struct ModelFileError: Error, Equatable, CustomStringConvertible {
  public let file: String
  public let found: String
  public let expected: String

  init(file: String, found: String, expected: String) {
    self.file = file
    self.found = found
    self.expected = expected
  }

  public var description: String {
    "\(file): found \(found), expected \(expected); write the model again or take another file"
  }
}

/// All bytes of a file.
func readFile(_ path: String) throws -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else {
    throw ModelFileError(
      file: path, found: "'\(String(cString: strerror(errno)))'", expected: "a readable file")
  }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 1 << 18)
  while true {
    let count = read(descriptor, &chunk, chunk.count)
    if count < 0, errno == EINTR { continue }
    guard count >= 0 else {
      throw ModelFileError(
        file: path, found: "'\(String(cString: strerror(errno)))'", expected: "a readable file")
    }
    if count == 0 { return bytes }
    bytes.append(contentsOf: chunk[..<count])
  }
}

extension [UInt8] {
  mutating func appendLittleEndian(_ values: [Float]) {
    #if _endian(little)
      values.withUnsafeBytes { append(contentsOf: $0) }
    #else
      for value in values {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { append(contentsOf: $0) }
      }
    #endif
  }

  func littleEndianFloats(_ range: Range<Int>) -> [Float] {
    withUnsafeBytes { bytes in
      (0..<range.count / 4).map {
        Float(
          bitPattern: UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: range.lowerBound + 4 * $0, as: UInt32.self)))
      }
    }
  }
}
