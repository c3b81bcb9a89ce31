/// A value that is a fixed number of bytes: a digest, a public key, a signature, a salt.
///
/// The failable initialiser is the only door, so that a value in hand has the right size. The bytes are stored in place and are all
/// that is stored: the server of a large secure sum keeps and hands on millions of them, and as arrays they would take several times
/// their memory and most of its time.
public protocol FixedBytes: Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
  /// `nil` unless there are exactly `byteCount` bytes, and a type may ask for more.
  init?(copying bytes: UnsafeRawBufferPointer)
}

extension FixedBytes {
  /// Length in bytes of every value of this type.
  @inlinable public static var byteCount: Int { MemoryLayout<Self>.size }

  @inlinable public init?(copying bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.byteCount else { return nil }
    self = bytes.loadUnaligned(as: Self.self)
  }

  /// `nil` unless there are exactly `byteCount` bytes, and a type may ask for more.
  @inlinable public init?(bytes: [UInt8]) {
    guard let value = bytes.withUnsafeBytes({ Self(copying: $0) }) else { return nil }
    self = value
  }

  /// - Parameter fill: is given `byteCount` zero bytes to write to.
  /// - Precondition: the bytes are such a value.
  package init(_ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    self = withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: MemoryLayout<Self>.alignment) { bytes in
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      fill(bytes)
      guard let value = Self(copying: UnsafeRawBufferPointer(bytes)) else { preconditionFailure("the bytes are no \(Self.self)") }
      return value
    }
  }

  /// The bytes, `byteCount` of them.
  @inlinable public var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

  /// Lends the bytes without a copy of them.
  @inlinable public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try Swift.withUnsafeBytes(of: self, body)
  }

  @inlinable public static func == (left: Self, right: Self) -> Bool {
    left.withUnsafeBytes { left in right.withUnsafeBytes { left.elementsEqual($0) } }
  }

  @inlinable public func hash(into hasher: inout Hasher) { withUnsafeBytes { hasher.combine(bytes: $0) } }

  /// The bytes as lower-case hexadecimal digits.
  public var hex: String { withUnsafeBytes { Hexadecimal.encode($0) } }

  /// `nil` unless `hex` is exactly `2 * byteCount` hexadecimal digits.
  public init?(hex: String) {
    guard let bytes = Hexadecimal.decode(hex) else { return nil }
    self.init(bytes: bytes)
  }

  public var description: String { hex }
}

/// A 32-byte digest (SHA-256 unless a document says otherwise).
public struct Digest: FixedBytes {
  private let storage: InlineArray<4, UInt64>

  /// 32 zero bytes: the head of an empty chain.
  public static let zero = Digest { _ in }
}

/// Hexadecimal digits to bytes and back; not constant-time, so that of secrets only a key file's
/// passes through it, on the holder's own machine.
public enum Hexadecimal {
  /// Two lower-case digits a byte.
  public static func encode(_ bytes: some Sequence<UInt8>) -> String {
    var result: [UInt8] = []
    for byte in bytes {
      result.append(digit(byte >> 4))
      result.append(digit(byte & 15))
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// `nil` when the length is odd or a character is no hexadecimal digit.
  public static func decode(_ text: String) -> [UInt8]? { decode(digits: Array(text.utf8)[...]) }

  /// The same for digits in ASCII, of which no copy is made.
  public static func decode(digits: ArraySlice<UInt8>) -> [UInt8]? {
    guard digits.count.isMultiple(of: 2) else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2)
    for index in stride(from: digits.startIndex, to: digits.endIndex, by: 2) {
      guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
      bytes.append(high << 4 | low)
    }
    return bytes
  }

  /// The lower-case digit of a value below 16.
  public static func digit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }

  private static func value(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
