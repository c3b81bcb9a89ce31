internal import CryptoPrimitives

/// Reads canonical bytes of this module's own files and rows, field by field; integers are little-endian.
struct StoredBytes {
  private let bytes: [UInt8]
  private let what: String
  private var position = 0

  /// - Parameter what: the name of the whole, for the error's sentence.
  init(_ bytes: [UInt8], _ what: String) {
    self.bytes = bytes
    self.what = what
  }

  mutating func expect(_ label: [UInt8]) throws(StoredBytesError) {
    guard try take(label.count, "label") == label[...] else { throw error("label", "is of another kind or version") }
  }

  mutating func take(_ count: Int, _ field: String) throws(StoredBytesError) -> ArraySlice<UInt8> {
    guard count <= bytes.count - position else {
      throw error(field, "needs \(count) bytes, \(bytes.count - position) are left")
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  mutating func integer<T: FixedWidthInteger & UnsignedInteger>(_ field: String) throws(StoredBytesError) -> T {
    try take(MemoryLayout<T>.size, field).reversed().reduce(T(0)) { ($0 << 8) | T($1) }
  }

  mutating func fixed<T: FixedBytes>(_ field: String) throws(StoredBytesError) -> T {
    guard let value = T(bytes: Array(try take(T.byteCount, field))) else { throw error(field, "is no value of its kind") }
    return value
  }

  /// A length (u64) and as many bytes.
  mutating func block(_ field: String) throws(StoredBytesError) -> [UInt8] {
    let count: UInt64 = try integer(field)
    return Array(try take(Int(clamping: count), field))
  }

  func finish() throws(StoredBytesError) {
    guard position == bytes.count else { throw error("end", "is followed by \(bytes.count - position) bytes too many") }
  }

  func error(_ field: String, _ reason: String) -> StoredBytesError {
    StoredBytesError(description: "\(what) cannot be read: its \(field) \(reason); expected the bytes as this program wrote them")
  }
}

/// Why bytes from a file or a row are not what they should be, in one sentence.
public struct StoredBytesError: Error, Equatable, CustomStringConvertible {
  public let description: String
}
