internal import CryptoPrimitives

/// Reads the members of a payload one by one and refuses what is missing, of another type, or left over.
///
/// A payload with an unknown member is refused rather than read in part: a reader must not skip a word that changes
/// what a charge means.
struct LedgerFields {
  private var members: [String: CanonicalJSON]
  private let context: String

  init(_ value: CanonicalJSON, context: String) throws {
    guard case .object(let members) = value else {
      throw LedgerFormatError("\(context) is no JSON object")
    }
    self.members = members
    self.context = context
  }

  /// Takes a member of any type out; `finish` refuses members that nobody took.
  mutating func value(_ key: String) throws -> CanonicalJSON {
    guard let value = members.removeValue(forKey: key) else {
      throw LedgerFormatError("\(context) has no member \(key)")
    }
    return value
  }

  mutating func text(_ key: String, bytesMax: Int = LedgerFields.textBytesMax) throws -> String {
    guard case .string(let text) = try value(key) else { throw wrong(key, "a text") }
    guard text.utf8.count <= bytesMax else { throw wrong(key, "a text of at most \(bytesMax) bytes") }
    return text
  }

  mutating func natural(_ key: String) throws -> Int {
    guard case .integer(let integer) = try value(key), integer >= 0 else {
      throw wrong(key, "a whole number ≥ 0")
    }
    return Int(integer)
  }

  /// A round, attempt or index of a release: 32 bits, as in every message, so that nobody's arithmetic on it overflows.
  mutating func place(_ key: String) throws -> Int {
    let value = try natural(key)
    guard value <= Int(UInt32.max) else { throw wrong(key, "a whole number below 2^32") }
    return value
  }

  mutating func optionalNatural(_ key: String) throws -> Int? {
    let value = try value(key)
    if case .null = value { return nil }
    guard case .integer(let integer) = value, integer >= 0 else {
      throw wrong(key, "null or a whole number ≥ 0")
    }
    return Int(integer)
  }

  mutating func real(_ key: String) throws -> Double {
    guard let real = try value(key).double else { throw wrong(key, "a number") }
    return real
  }

  /// An ε: a number ≥ 0, or the text `infinite`.
  mutating func epsilon(_ key: String) throws -> Double {
    let value = try value(key)
    if case .string("infinite") = value { return .infinity }
    guard let real = value.double, real >= 0 else { throw wrong(key, "a number ≥ 0 or \"infinite\"") }
    return real
  }

  mutating func bytes(_ key: String) throws -> [UInt8] {
    guard case .string(let text) = try value(key), let bytes = Hexadecimal.decode(text),
      Hexadecimal.encode(bytes) == text
    else { throw wrong(key, "bytes in lower-case hexadecimal digits") }
    return bytes
  }

  mutating func fixed<Value: FixedBytes>(_ key: String) throws -> Value {
    guard let value = Value(bytes: try bytes(key)) else { throw wrong(key, "\(Value.byteCount) bytes long") }
    return value
  }

  mutating func list(_ key: String) throws -> [CanonicalJSON] {
    guard case .array(let values) = try value(key) else { throw wrong(key, "a list") }
    return values
  }

  mutating func finish() throws {
    guard let key = members.keys.min() else { return }
    throw LedgerFormatError("\(context) has an unknown member \(key)")
  }

  private func wrong(_ key: String, _ expected: String) -> LedgerFormatError {
    LedgerFormatError("\(context): \(key) is not \(expected)")
  }

  static let textBytesMax = 256
}

/// A payload that no entry of this version can have.
struct LedgerFormatError: Error, Equatable, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

extension CanonicalJSON {
  static func epsilon(_ value: Double) -> CanonicalJSON {
    value.isFinite ? .real(value) : .string("infinite")
  }

  static func hex(_ bytes: some Sequence<UInt8>) -> CanonicalJSON { .string(Hexadecimal.encode(bytes)) }

  static func natural(_ value: Int?) -> CanonicalJSON { value.map { .integer(Int64($0)) } ?? .null }
}
