/// A JSON value with one byte form: RFC 8785 (JSON Canonicalization Scheme) with exact integers.
///
/// Ledgers hash and sign the bytes of their payloads, so that a value must have one spelling and a reader must refuse
/// every other: keys sorted and unique, no white space, the shortest number that reads back as the same double, the
/// shortest escapes. Whole numbers below 2^63 are written with all their digits and read exactly, where RFC 8785 would
/// round them above 2^53. NaN and infinities have no form. Protocols/ledger.md §2 says the same for other languages.
public enum CanonicalJSON: Sendable, Hashable {
  case null
  case bool(Bool)
  case integer(Int64)
  /// A finite double that is no whole number of 63 bits; make it by `real`.
  case number(Double)
  case string(String)
  case array([CanonicalJSON])
  /// Keys are printable ASCII.
  case object([String: CanonicalJSON])

  /// A finite double in its one form: an integer where it is one, so that 4.0 and 4 are the same value.
  ///
  /// - Precondition: `value` is finite.
  public static func real(_ value: Double) -> CanonicalJSON {
    precondition(value.isFinite, "JSON has no form for \(value)")
    if let whole = Int64(exactly: value) { return .integer(whole) }
    return .number(value)
  }

  /// The value as a double; integers only where the double is exact.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(exactly: value)
    case .number(let value): value
    default: nil
    }
  }

  /// The one byte form, UTF-8 without a trailing line feed.
  public var bytes: [UInt8] {
    var output: [UInt8] = []
    write(into: &output)
    return output
  }

  /// The one byte form as text.
  public var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// Why bytes are not canonical JSON, and where.
public struct CanonicalJSONError: Error, Equatable, CustomStringConvertible {
  /// 0-based byte offset of the first byte that does not fit.
  public let offset: Int
  public let reason: String

  public var description: String { "byte \(offset): \(reason)" }
}

// MARK: - Writing

extension CanonicalJSON {
  private func write(into output: inout [UInt8]) {
    switch self {
    case .null: output += Array("null".utf8)
    case .bool(let value): output += Array((value ? "true" : "false").utf8)
    case .integer(let value): output += Array(String(value).utf8)
    case .number(let value): output += Array(Self.digits(of: value).utf8)
    case .string(let value): Self.write(value, into: &output)
    case .array(let values):
      output.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        value.write(into: &output)
      }
      output.append(UInt8(ascii: "]"))
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for (index, key) in members.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }).enumerated() {
        precondition(
          key.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "keys are printable ASCII, found \(key)")
        if index > 0 { output.append(UInt8(ascii: ",")) }
        Self.write(key, into: &output)
        output.append(UInt8(ascii: ":"))
        members[key]?.write(into: &output)
      }
      output.append(UInt8(ascii: "}"))
    }
  }

  private static func write(_ text: String, into output: inout [UInt8]) {
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
      case 0x08: output += Array("\\b".utf8)
      case 0x09: output += Array("\\t".utf8)
      case 0x0A: output += Array("\\n".utf8)
      case 0x0C: output += Array("\\f".utf8)
      case 0x0D: output += Array("\\r".utf8)
      case 0..<0x20:
        let hex = String(byte, radix: 16)
        output += Array(("\\u" + String(repeating: "0", count: 4 - hex.count) + hex).utf8)
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  /// The form of ECMAScript's Number::toString (RFC 8785 §3.2.2.3), from the shortest digits that read back exactly.
  static func digits(of value: Double) -> String {
    precondition(value.isFinite, "JSON has no form for \(value)")
    if value == 0 { return "0" }
    if value < 0 { return "-" + digits(of: -value) }
    // Swift prints the shortest digits too, but lays them out in another way: take digits and exponent apart.
    let parts = value.description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    var digits = Array(mantissa[0].utf8)
    var point = digits.count + (parts.count == 2 ? Int(parts[1]) ?? 0 : 0)
    if mantissa.count == 2 { digits += Array(mantissa[1].utf8) }
    while digits.first == UInt8(ascii: "0") {
      digits.removeFirst()
      point -= 1
    }
    while digits.last == UInt8(ascii: "0") { digits.removeLast() }
    let text = String(decoding: digits, as: UTF8.self)
    switch point {
    case digits.count...21 where point >= digits.count:
      return text + String(repeating: "0", count: point - digits.count)
    case 1...21:
      return text.prefix(point) + "." + text.dropFirst(point)
    case -5...0:
      return "0." + String(repeating: "0", count: -point) + text
    default:
      let exponent = point - 1
      let fraction = digits.count > 1 ? "." + text.dropFirst() : ""
      return text.prefix(1) + fraction + "e" + (exponent < 0 ? "-" : "+") + String(exponent.magnitude)
    }
  }
}

// MARK: - Reading

extension CanonicalJSON {
  /// Reads a value whose bytes are exactly its canonical form.
  ///
  /// - Throws: `CanonicalJSONError` when the bytes are no JSON, or JSON in another spelling.
  public init(canonical bytes: some Collection<UInt8>) throws {
    let source = Array(bytes)
    var reader = Reader(bytes: source)
    let value = try reader.value(depth: 0)
    guard reader.position == source.count else { throw reader.error("bytes after the end of the value") }
    let written = value.bytes
    guard written == source else {
      let offset = zip(written, source).prefix { $0 == $1 }.count
      throw CanonicalJSONError(
        offset: offset, reason: "not in canonical form (RFC 8785): sorted keys, no spaces, shortest numbers")
    }
    self = value
  }

  private struct Reader {
    let bytes: [UInt8]
    var position = 0

    static let depthMax = 32

    func error(_ reason: String) -> CanonicalJSONError {
      CanonicalJSONError(offset: position, reason: reason)
    }

    var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func take(_ literal: String) -> Bool {
      guard bytes[position...].starts(with: literal.utf8) else { return false }
      position += literal.utf8.count
      return true
    }

    mutating func value(depth: Int) throws -> CanonicalJSON {
      guard depth <= Self.depthMax else { throw error("nested deeper than \(Self.depthMax) levels") }
      guard let byte = next else { throw error("ends where a value should begin") }
      switch byte {
      case UInt8(ascii: "{"): return try object(depth: depth)
      case UInt8(ascii: "["): return try array(depth: depth)
      case UInt8(ascii: "\""): return .string(try string())
      case UInt8(ascii: "n") where take("null"): return .null
      case UInt8(ascii: "t") where take("true"): return .bool(true)
      case UInt8(ascii: "f") where take("false"): return .bool(false)
      case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
      default: throw error("no JSON value begins here")
      }
    }

    mutating func object(depth: Int) throws -> CanonicalJSON {
      position += 1
      var members: [String: CanonicalJSON] = [:]
      if take("}") { return .object(members) }
      while true {
        guard next == UInt8(ascii: "\"") else { throw error("a key in quotes is expected") }
        let start = position
        let key = try string()
        guard key.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) else {
          throw CanonicalJSONError(offset: start, reason: "keys are printable ASCII")
        }
        guard take(":") else { throw error("a colon is expected after the key \(key)") }
        let value = try value(depth: depth + 1)
        guard members.updateValue(value, forKey: key) == nil else {
          throw CanonicalJSONError(offset: start, reason: "the key \(key) stands twice")
        }
        if take("}") { return .object(members) }
        guard take(",") else { throw error("a comma or a closing brace is expected") }
      }
    }

    mutating func array(depth: Int) throws -> CanonicalJSON {
      position += 1
      var values: [CanonicalJSON] = []
      if take("]") { return .array(values) }
      while true {
        values.append(try value(depth: depth + 1))
        if take("]") { return .array(values) }
        guard take(",") else { throw error("a comma or a closing bracket is expected") }
      }
    }

    mutating func number() throws -> CanonicalJSON {
      let start = position
      while let byte = next, Self.numberBytes.contains(byte) { position += 1 }
      let token = String(decoding: bytes[start..<position], as: UTF8.self)
      if let whole = Int64(token) { return .integer(whole) }
      // Swift also reads forms that JSON does not know ("+1", ".5", "1."); re-writing the value refuses them.
      guard let value = Double(token), value.isFinite else {
        throw CanonicalJSONError(offset: start, reason: "\(token) is no finite number")
      }
      return .number(value)
    }

    static let numberBytes = Set("+-.0123456789eE".utf8)

    mutating func string() throws -> String {
      let start = position
      position += 1
      var content: [UInt8] = []
      while let byte = next {
        position += 1
        switch byte {
        case UInt8(ascii: "\""):
          guard let text = String(validating: content, as: UTF8.self) else {
            throw CanonicalJSONError(offset: start, reason: "the text is not UTF-8")
          }
          return text
        case UInt8(ascii: "\\"):
          content += try escape()
        case 0..<0x20:
          throw CanonicalJSONError(offset: position - 1, reason: "a control character stands in a text")
        default:
          content.append(byte)
        }
      }
      throw error("the text does not end")
    }

    /// The byte of one escape; a canonical text escapes nothing but quotes, backslashes and control characters.
    mutating func escape() throws -> [UInt8] {
      guard let byte = next else { throw error("the text does not end") }
      position += 1
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): return [byte]
      case UInt8(ascii: "b"): return [0x08]
      case UInt8(ascii: "t"): return [0x09]
      case UInt8(ascii: "n"): return [0x0A]
      case UInt8(ascii: "f"): return [0x0C]
      case UInt8(ascii: "r"): return [0x0D]
      case UInt8(ascii: "u") where position + 4 <= bytes.count:
        let hex = String(decoding: bytes[position..<position + 4], as: UTF8.self)
        guard let code = UInt8(hex, radix: 16), code < 0x20 else {
          throw error("only control characters are written as \\u escapes")
        }
        position += 4
        return [code]
      default: throw error("an unknown escape")
      }
    }
  }
}
