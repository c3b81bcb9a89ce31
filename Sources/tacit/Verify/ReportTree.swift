internal import Foundation

/// Two values of one type, compared member by member as the JSON that they are written in.
///
/// Nothing is left out because nobody thought of it: what one side has and the other has not is a difference too.
enum ReportTree {
  /// One sentence for each place where the stated value is another than the one found; numbers may differ by 1e-6 relative.
  ///
  /// - Throws: the encoder's error when a value has no JSON.
  static func differences(stated: some Encodable, found: some Encodable, at path: String) throws -> [String] {
    func tree(_ value: some Encodable) throws -> JSONTree {
      try JSONDecoder().decode(JSONTree.self, from: try JSONEncoder().encode(value))
    }
    var sentences: [String] = []
    compare(try tree(stated), try tree(found), path, &sentences)
    return sentences
  }

  private static func compare(_ stated: JSONTree?, _ found: JSONTree?, _ path: String, _ sentences: inout [String]) {
    switch (stated, found) {
    case (.members(let left), .members(let right)):
      for key in Set(left.keys).union(right.keys).sorted() {
        compare(left[key], right[key], "\(path).\(key)", &sentences)
      }
    case (.list(let left), .list(let right)) where left.count == right.count:
      for (index, pair) in zip(left, right).enumerated() { compare(pair.0, pair.1, "\(path)[\(index)]", &sentences) }
    case (.number(let left), .number(let right)):
      // Machines differ in the last bits of exp and log. JSON has no infinite number that all others would be near to.
      if left != right, !(abs(left - right) <= 1e-6 * max(abs(right), 1e-3)) {
        sentences.append("states \(path) as \(left), found \(right)")
      }
    default:
      if stated != found { sentences.append("states \(path) as \(text(stated)), found \(text(found))") }
    }
  }

  private static func text(_ value: JSONTree?) -> String {
    switch value {
    case nil, .null: "nothing"
    case .bool(let value): "\(value)"
    case .number(let value): "\(value)"
    case .text(let text): text.count > 40 ? "'\(text.prefix(40))…'" : "'\(text)'"
    case .list(let values): "a list of \(values.count)"
    case .members: "an object"
    }
  }
}

private enum JSONTree: Decodable, Equatable {
  case null
  case bool(Bool)
  case number(Double)
  case text(String)
  case list([JSONTree])
  case members([String: JSONTree])

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .null
    } else if let value = try? container.decode(Bool.self) {
      self = .bool(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else if let value = try? container.decode(String.self) {
      self = .text(value)
    } else if let values = try? container.decode([JSONTree].self) {
      self = .list(values)
    } else {
      self = .members(try container.decode([String: JSONTree].self))
    }
  }
}
