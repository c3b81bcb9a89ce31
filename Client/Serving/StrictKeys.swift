/// Members of a JSON object by their names, read strictly: one that nobody reads is refused, for a misspelt one would be lost in
/// silence.
struct StrictKey: CodingKey {
  let stringValue: String
  var intValue: Int? { nil }

  init(_ name: String) { stringValue = name }
  init?(stringValue: String) { self.stringValue = stringValue }
  init?(intValue: Int) { nil }
}

/// A member that does not fit: where it stands, and what is expected.
struct StrictProblem: Error {
  let sentence: String
}

extension Decoder {
  /// The members of the object here, all of them known.
  func members(_ known: [String]) throws -> KeyedDecodingContainer<StrictKey> {
    let container = try container(keyedBy: StrictKey.self)
    guard container.allKeys.allSatisfy({ known.contains($0.stringValue) }) else {
      throw StrictProblem(sentence: "\(place)an unknown member stands here; expected some of \(known.joined(separator: ", "))")
    }
    return container
  }

  /// `events[3]: `, or nothing at the top.
  var place: String { StrictProblem.place(codingPath) }
}

extension StrictProblem {
  static func place(_ path: [any CodingKey]) -> String {
    guard !path.isEmpty else { return "" }
    var text = ""
    for key in path {
      if let index = key.intValue { text += "[\(index)]" } else { text += (text.isEmpty ? "" : ".") + key.stringValue }
    }
    return text + ": "
  }

  /// What is wrong with a document, without repeating what stands in it.
  static func sentence(_ error: any Error, of document: String) -> String {
    switch error {
    case let problem as StrictProblem: problem.sentence
    case DecodingError.typeMismatch(let type, let context), DecodingError.valueNotFound(let type, let context):
      "\(place(context.codingPath))found another kind of value, expected \(word(type))"
    case DecodingError.keyNotFound(let key, let context):
      "\(place(context.codingPath))the member '\(key.stringValue)' is missing"
    case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
      "\(place(context.codingPath))the value cannot be read"
    default: "\(document) is not JSON"
    }
  }

  private static func word(_ type: any Any.Type) -> String {
    switch type {
    case is String.Type: "a text"
    case is Int.Type: "a whole number"
    case is Double.Type, is Float.Type: "a number"
    case is any RangeReplaceableCollection.Type: "a list"
    default: "an object"
    }
  }
}
