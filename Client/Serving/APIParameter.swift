internal import Foundation
internal import Serving

/// One parameter of a route: declared once, for the requests that are read and for the document that describes them.
struct APIParameter: Sendable {
  enum Place: String, Sendable { case query, path }

  /// What a value may be.
  enum Shape: Sendable {
    /// An id or a name: 1 to 256 characters, no control characters.
    case name
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    case flag
    case choice([String])
    /// Names; the parameter is repeated for each.
    case names(max: Int)
    /// `column:value`; the parameter is repeated for each.
    case conditions(max: Int)
    /// `column:number`, from 1 to 999.
    case cap
  }

  let name: String
  var place = Place.query
  let shape: Shape
  let meaning: String
  /// Of an absent parameter, for the document; handlers take it from the same constant.
  var standard: JSON?
  var isRequired = false

  static let nameLengthMax = 256

  /// Reads the values that a request gives, at least one.
  func read(_ words: [String]) throws(APIProblem) -> APIValue {
    switch shape {
    case .names(let max): return .texts(try checked(words, max: max))
    case .conditions(let max):
      return .conditions(
        try checked(words, max: max).map { word throws(APIProblem) in
          guard let (column, value) = Self.halves(word) else {
            throw problem("has no colon between a column and a value, expected column:value")
          }
          return RecommendationQuery.Condition(column: column, value: value)
        })
    case .cap:
      guard let (column, number) = Self.halves(try checked([single(words)], max: 1)[0]),
        number.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), number.first != "0", let max = Int(number), max <= 999
      else { throw problem("is not column:number with a number from 1 to 999") }
      return .cap(ServingRules.Cap(column: column, max: max))
    case .name: return .text(try checked([single(words)], max: 1)[0])
    case .integer(let range):
      let word = try single(words)
      guard word.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || $0 == 0x2D }), let value = Int(word), range.contains(value) else {
        throw problem("is no whole number from \(range.lowerBound) to \(range.upperBound)")
      }
      return .integer(value)
    case .number(let range):
      let word = try single(words)
      guard word.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains($0) }),
        let value = Double(word), range.contains(value)
      else { throw problem("is no number from \(range.lowerBound) to \(range.upperBound)") }
      return .number(value)
    case .flag:
      switch try single(words) {
      case "true": return .flag(true)
      case "false": return .flag(false)
      default: throw problem("is neither true nor false")
      }
    case .choice(let words_):
      let word = try single(words)
      guard words_.contains(word) else { throw problem("is none of \(words_.joined(separator: ", "))") }
      return .text(word)
    }
  }

  /// What stands before and after the first colon. By scalars: to a Swift character a colon and an accent after it are one.
  private static func halves(_ word: String) -> (String, String)? {
    let scalars = word.unicodeScalars
    guard let colon = scalars.firstIndex(of: ":"), colon > scalars.startIndex, scalars.index(after: colon) < scalars.endIndex
    else { return nil }
    return (String(scalars[..<colon]), String(scalars[scalars.index(after: colon)...]))
  }

  private func single(_ words: [String]) throws(APIProblem) -> String {
    guard words.count == 1 else { throw problem("is given \(words.count) times, expected once") }
    return words[0]
  }

  private func checked(_ words: [String], max: Int) throws(APIProblem) -> [String] {
    guard words.count <= max else { throw problem("is given \(words.count) times, expected at most \(max)") }
    for word in words where !Self.isName(word) {
      throw problem("is empty, longer than \(Self.nameLengthMax) characters, or holds control characters")
    }
    return words
  }

  static func isName(_ word: String) -> Bool {
    let count = word.unicodeScalars.count
    return count >= 1 && count <= nameLengthMax && !word.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F }
  }

  /// The value is not repeated in the sentence: it may be a person's id.
  private func problem(_ what: String) -> APIProblem { APIProblem(.badRequest, "the parameter '\(name)' \(what)") }

  // MARK: - The document

  /// A pattern for names, as JSON Schema has them.
  static let namePattern = #"^[^\u0000-\u001f\u007f]+$"#

  static var nameSchema: JSON {
    .object([
      ("type", .text("string")), ("minLength", .integer(1)), ("maxLength", .integer(nameLengthMax)),
      ("pattern", .text(namePattern)),
    ])
  }

  private var schema: JSON {
    func typed(_ type: String, _ rest: [(String, JSON)]) -> JSON {
      .members([("type", .text(type))] + rest.map { ($0.0, $0.1) } + [("default", standard)])
    }
    switch shape {
    case .name: return Self.nameSchema
    case .integer(let range):
      return typed("integer", [("minimum", .integer(range.lowerBound)), ("maximum", .integer(range.upperBound))])
    case .number(let range):
      return typed("number", [("minimum", .number(range.lowerBound)), ("maximum", .number(range.upperBound))])
    case .flag: return typed("boolean", [])
    case .choice(let words): return typed("string", [("enum", .texts(words))])
    case .names(let max):
      return typed("array", [("items", Self.nameSchema), ("minItems", .integer(1)), ("maxItems", .integer(max))])
    case .cap:
      return typed(
        "string",
        [("maxLength", .integer(Self.nameLengthMax)), ("pattern", .text(#"^[^:\u0000-\u001f\u007f]+:[1-9][0-9]{0,2}$"#))])
    case .conditions(let max):
      let condition = JSON.object([
        ("type", .text("string")), ("minLength", .integer(3)), ("maxLength", .integer(Self.nameLengthMax)),
        ("pattern", .text(#"^[^:\u0000-\u001f\u007f]+:[^\u0000-\u001f\u007f]+$"#)),
      ])
      return typed("array", [("items", condition), ("minItems", .integer(1)), ("maxItems", .integer(max))])
    }
  }

  var json: JSON {
    .members([
      ("name", .text(name)), ("in", .text(place.rawValue)), ("required", .flag(isRequired || place == .path)),
      ("description", .text(meaning)), ("schema", schema),
    ])
  }
}

/// A parameter's value, read and checked.
enum APIValue: Sendable {
  case text(String)
  case texts([String])
  case conditions([RecommendationQuery.Condition])
  case integer(Int)
  case number(Double)
  case flag(Bool)
  case cap(ServingRules.Cap)
}

/// The parameters of one request.
struct APIArguments: Sendable {
  private(set) var values: [String: APIValue] = [:]

  /// Reads path and query as the route declares them; anything else is refused, for a parameter that is passed over in silence is
  /// an answer to another question.
  init(_ parameters: [APIParameter], path: [String: String], query: String?) throws(APIProblem) {
    var given = path.mapValues { [$0] }
    for (name, value) in try Self.pairs(query) {
      guard parameters.contains(where: { $0.name == name && $0.place == .query }) else {
        let known = parameters.filter { $0.place == .query }.map(\.name).joined(separator: ", ")
        throw APIProblem(
          .badRequest,
          known.isEmpty ? "there are no parameters here" : "there is a parameter unknown here; expected some of \(known)")
      }
      given[name, default: []].append(value)
    }
    for parameter in parameters {
      guard let words = given[parameter.name] else {
        guard !parameter.isRequired else { throw APIProblem(.badRequest, "the parameter '\(parameter.name)' is missing") }
        continue
      }
      values[parameter.name] = try parameter.read(words)
    }
  }

  private static func pairs(_ query: String?) throws(APIProblem) -> [(String, String)] {
    var pairs: [(String, String)] = []
    for part in (query ?? "").split(separator: "&") {
      let halves = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let name = decoded(halves[0]), let value = decoded(halves.count == 2 ? halves[1] : "") else {
        throw APIProblem(.badRequest, "the query is not percent-encoded UTF-8")
      }
      pairs.append((name, value))
    }
    return pairs
  }

  private static func decoded(_ text: Substring) -> String? {
    text.replacing("+", with: " ").removingPercentEncoding
  }

  func text(_ name: String) -> String? { if case .text(let value)? = values[name] { value } else { nil } }
  func texts(_ name: String) -> [String]? { if case .texts(let value)? = values[name] { value } else { nil } }
  func integer(_ name: String) -> Int? { if case .integer(let value)? = values[name] { value } else { nil } }
  func number(_ name: String) -> Double? { if case .number(let value)? = values[name] { value } else { nil } }
  func cap(_ name: String) -> ServingRules.Cap? { if case .cap(let value)? = values[name] { value } else { nil } }
  func flag(_ name: String) -> Bool? { if case .flag(let value)? = values[name] { value } else { nil } }
  func conditions(_ name: String) -> [RecommendationQuery.Condition] {
    if case .conditions(let value)? = values[name] { value } else { [] }
  }
}
