/// A value that is a fixed number of bytes: a digest, a public key, a signature, a salt.
///
/// The failable initialiser is the only door, so that a value in hand has the right size.
public protocol FixedBytes: Hashable, Sendable, CustomStringConvertible {
  /// Length in bytes of every value of this type.
  static var byteCount: Int { get }
  /// The bytes, `byteCount` of them.
  var bytes: [UInt8] { get }
  /// Lends the bytes without a copy of them.
  func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result
  /// `nil` unless there are exactly `byteCount` bytes.
  init?(bytes: [UInt8])
}

extension FixedBytes {
  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result { bytes.withUnsafeBytes(body) }

  /// The bytes as lower-case hexadecimal digits.
  public var hex: String { Hexadecimal.encode(bytes) }

  /// `nil` unless `hex` is exactly `2 * byteCount` hexadecimal digits.
  public init?(hex: String) {
    guard let bytes = Hexadecimal.decode(hex) else { return nil }
    self.init(bytes: bytes)
  }

  public var description: String { hex }
}

/// A 32-byte digest (SHA-256 unless a document says otherwise).
///
/// Held in place and not as an array: the server of a large secure sum keeps and hands on millions.
public struct Digest: FixedBytes {
  public static var byteCount: Int { 32 }
  // The bytes as they lie in memory, whatever integers that makes.
  private let word0, word1, word2, word3: UInt64

  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.init { $0.copyBytes(from: bytes) }
  }

  /// 32 zero bytes: the head of an empty chain.
  public static let zero = Digest { _ in }

  /// - Parameter fill: is given 32 zero bytes to write to.
  init(_ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    Swift.withUnsafeMutableBytes(of: &words, fill)
    (word0, word1, word2, word3) = words
  }

  public var bytes: [UInt8] { withUnsafeBytes { Array($0) } }

  public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    Swift.withUnsafeBytes(of: (word0, word1, word2, word3), body)
  }
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
