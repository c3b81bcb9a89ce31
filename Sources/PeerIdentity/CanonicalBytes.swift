internal import CryptoPrimitives

/// Writes the fields of a canonical encoding: integers big-endian, texts after their length.
struct CanonicalWriter {
  private(set) var bytes: [UInt8]

  /// - Parameter capacity: room for the whole, so that a secret among the fields leaves no copy behind.
  init(capacity: Int = 0) {
    bytes = []
    bytes.reserveCapacity(capacity)
  }

  mutating func integer(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func raw(_ value: some Collection<UInt8>) { bytes.append(contentsOf: value) }

  mutating func secret(_ value: SecretBytes) { value.withUnsafeBytes { bytes.append(contentsOf: $0) } }

  /// One byte of length and at most 255 bytes of UTF-8.
  mutating func text(_ value: String) {
    precondition(value.utf8.count <= 255, "a text field has at most 255 bytes, found \(value.utf8.count)")
    bytes.append(UInt8(value.utf8.count))
    bytes.append(contentsOf: value.utf8)
  }

  mutating func wipeAll() { wipe(&bytes) }
}

/// Reads what `CanonicalWriter` wrote; every method gives `nil` when the bytes end too early. It makes no copies, so that a
/// secret among the fields stays where it is.
struct CanonicalReader {
  private let bytes: UnsafeRawBufferPointer
  private var position = 0

  /// - Parameter bytes: valid as long as the reader is used.
  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var isAtEnd: Bool { position == bytes.count }

  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) -> Value? {
    guard let field = raw(Value.bitWidth / 8) else { return nil }
    return field.reduce(Value(0)) { $0 << 8 | Value(truncatingIfNeeded: $1) }
  }

  mutating func raw(_ count: Int) -> UnsafeRawBufferPointer? {
    guard count <= bytes.count - position else { return nil }
    defer { position += count }
    return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
  }

  /// The bytes of a text, whatever they are.
  mutating func field() -> UnsafeRawBufferPointer? { integer(UInt8.self).flatMap { raw(Int($0)) } }

  mutating func fixed<Value: FixedBytes>(_ type: Value.Type) -> Value? {
    raw(Value.byteCount).flatMap { Value(copying: $0) }
  }
}
