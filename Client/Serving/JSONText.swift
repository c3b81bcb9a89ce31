/// JSON that keeps the order in which it was written, so that a document has one spelling.
enum JSON: Sendable, Equatable {
  case object([(String, JSON)])
  case array([JSON])
  case text(String)
  case integer(Int)
  case number(Double)
  /// Printed with the digits that a Float32 needs.
  case float(Float)
  case flag(Bool)
  case null

  static func texts(_ values: some Sequence<String>) -> JSON { .array(values.map { .text($0) }) }

  /// Members with a value; the others are left out.
  static func members(_ members: [(String, JSON?)]) -> JSON {
    .object(members.compactMap { name, value in value.map { (name, $0) } })
  }

  static func == (left: JSON, right: JSON) -> Bool { left.text() == right.text() }

  /// - Parameter isIndented: over several lines, for people.
  func text(isIndented: Bool = false) -> String {
    var text = ""
    write(into: &text, indent: isIndented ? 0 : nil)
    if isIndented { text += "\n" }
    return text
  }

  private func write(into text: inout String, indent: Int?) {
    switch self {
    case .object(let members):
      Self.list(members, "{", "}", into: &text, indent) { member, text, inner in
        Self.quote(member.0, into: &text)
        text += indent == nil ? ":" : ": "
        member.1.write(into: &text, indent: inner)
      }
    case .array(let values):
      Self.list(values, "[", "]", into: &text, indent) { value, text, inner in value.write(into: &text, indent: inner) }
    case .text(let value): Self.quote(value, into: &text)
    case .integer(let value): text += "\(value)"
    // JSON has no word for what is not finite.
    case .number(let value): text += value.isFinite ? "\(value)" : "null"
    case .float(let value): text += value.isFinite ? "\(value)" : "null"
    case .flag(let value): text += value ? "true" : "false"
    case .null: text += "null"
    }
  }

  private static func list<Value>(
    _ values: [Value], _ opening: String, _ closing: String, into text: inout String, _ indent: Int?,
    _ write: (Value, inout String, Int?) -> Void
  ) {
    text += opening
    for (place, value) in values.enumerated() {
      if place > 0 { text += "," }
      if let indent { text += "\n" + String(repeating: "  ", count: indent + 1) }
      write(value, &text, indent.map { $0 + 1 })
    }
    if let indent, !values.isEmpty { text += "\n" + String(repeating: "  ", count: indent) }
    text += closing
  }

  private static func quote(_ value: String, into text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || scalar.value == 0x7F:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
