/// Just enough JSON for the header of a safetensors file: objects, texts and lists of integers.
///
/// Unlike a general reader it refuses a key that occurs twice, as the format demands.
struct JSONText {
  indirect enum Value {
    case object([(String, Value)])
    case string(String)
    case integers([Int])
  }

  private let bytes: ArraySlice<UInt8>
  private let file: String
  private var position: Int

  init(_ bytes: ArraySlice<UInt8>, file: String) {
    self.bytes = bytes
    self.file = file
    position = bytes.startIndex
  }

  /// The one value that the text holds, spaces behind it allowed.
  mutating func document() throws -> Value {
    let result = try value(depth: 0)
    skipSpaces()
    guard position == bytes.endIndex else { throw broken("text behind the header") }
    return result
  }

  /// A text between quotation marks.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\u{0}"..<"\u{20}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  private mutating func value(depth: Int) throws -> Value {
    skipSpaces()
    switch peek() {
    case UInt8(ascii: "{"):
      guard depth < 3 else { throw broken("objects within objects within objects") }
      return .object(try object(depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "["): return .integers(try integers())
    default: throw broken("something else than an object, a text or a list of integers")
    }
  }

  private mutating func object(depth: Int) throws -> [(String, Value)] {
    position += 1
    var result: [(String, Value)] = []
    var keys = Set<String>()
    skipSpaces()
    if take("}") { return result }
    while true {
      skipSpaces()
      guard peek() == UInt8(ascii: "\"") else { throw broken("an object without a key in quotation marks") }
      let key = try string()
      guard keys.insert(key).inserted else { throw broken("the key '\(key)' twice") }
      skipSpaces()
      guard take(":") else { throw broken("a key without a colon") }
      result.append((key, try value(depth: depth + 1)))
      skipSpaces()
      if take("}") { return result }
      guard take(",") else { throw broken("an object that is not closed") }
    }
  }

  private mutating func integers() throws -> [Int] {
    position += 1
    var result: [Int] = []
    skipSpaces()
    if take("]") { return result }
    while true {
      skipSpaces()
      let start = position
      while let byte = peek(), byte >= 48, byte <= 57 { position += 1 }
      guard let number = Int(String(decoding: bytes[start..<position], as: UTF8.self)) else {
        throw broken("a list with something else than non-negative integers")
      }
      result.append(number)
      skipSpaces()
      if take("]") { return result }
      guard take(",") else { throw broken("a list that is not closed") }
    }
  }

  private mutating func string() throws -> String {
    position += 1
    var scalars: [UInt8] = []
    while let byte = peek() {
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let text = String(validating: scalars, as: UTF8.self) else {
          throw broken("bytes that are not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"):
        guard let escape = peek() else { throw broken("a text that is not closed") }
        position += 1
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): scalars.append(escape)
        case UInt8(ascii: "n"): scalars.append(10)
        case UInt8(ascii: "r"): scalars.append(13)
        case UInt8(ascii: "t"): scalars.append(9)
        case UInt8(ascii: "b"): scalars.append(8)
        case UInt8(ascii: "f"): scalars.append(12)
        case UInt8(ascii: "u"): scalars.append(contentsOf: Array(String(try unicodeEscape()).utf8))
        default: throw broken("an unknown escape in a text")
        }
      case 0..<32: throw broken("a control character in a text")
      default: scalars.append(byte)
      }
    }
    throw broken("a text that is not closed")
  }

  private mutating func unicodeEscape() throws -> Character {
    var unit = try hexadecimal()
    if unit >= 0xD800, unit < 0xDC00, take("\\"), take("u") {
      let low = try hexadecimal()
      guard low >= 0xDC00, low < 0xE000 else { throw broken("half a surrogate pair") }
      unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(unit) else { throw broken("half a surrogate pair") }
    return Character(scalar)
  }

  private mutating func hexadecimal() throws -> UInt32 {
    guard position + 4 <= bytes.endIndex,
      let unit = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
    else { throw broken("an escape without four hexadecimal digits") }
    position += 4
    return unit
  }

  private func peek() -> UInt8? { position < bytes.endIndex ? bytes[position] : nil }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  private mutating func skipSpaces() {
    while let byte = peek(), byte == 32 || byte == 9 || byte == 10 || byte == 13 { position += 1 }
  }

  private func broken(_ found: String) -> ModelFileError {
    ModelFileError(
      file: file, found: "a header with \(found) (byte \(position))",
      expected: "the JSON of a safetensors header")
  }
}
