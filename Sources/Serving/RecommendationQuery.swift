/// What one request asks of the engine, in public names.
public struct RecommendationQuery: Sendable, Equatable {
  /// A value in a column.
  public struct Condition: Sendable, Hashable {
    public let column: String
    public let value: String

    public init(column: String, value: String) {
      self.column = column
      self.value = value
    }
  }

  /// `nil`: `ServingRules.standard`.
  public var scene: String?
  /// Length of the list, from 1.
  public var count = 10
  /// Whether items that the user has met may be listed.
  public var includesSeen = false
  /// Ids that must not be listed; unknown ones are passed over.
  public var excluded: [String] = []
  /// The only ids that may be listed; all when `nil`.
  public var allowed: [String]?
  /// Only items with one of the values given for a column, and so for each column.
  public var with: [Condition] = []
  /// No item with any of these.
  public var without: [Condition] = []
  /// Instead of the scene's.
  public var cap: ServingRules.Cap?
  /// Instead of the scene's, in 0...1.
  public var lambda: Float?

  public init() {}
}

/// Why the engine has no answer to a query.
public enum QueryRefusal: Error, Equatable, CustomStringConvertible {
  case unknownScene(String, known: [String])
  case unknownColumn(String, known: [String])
  case unknownItem(String)

  public var description: String {
    switch self {
    case .unknownScene(let name, let known):
      "there is no scene '\(name)'; the scenes there are: \(known.joined(separator: ", "))"
    case .unknownColumn(let name, let known):
      "items have no column '\(name)'; "
        + (known.isEmpty ? "no file of items was given" : "the columns there are: \(known.joined(separator: ", "))")
    case .unknownItem(let id): "the catalogue has no item '\(id)'"
    }
  }
}

/// One list.
public struct RecommendationAnswer: Sendable, Equatable {
  /// What the scores were made of.
  public enum Basis: String, Sendable { case history, popularity }

  /// One item of the list.
  public struct Entry: Sendable, Equatable {
    public let item: Int
    /// The model's score with the scene's boost; comparable within one list only.
    public let score: Float
    public let isPinned: Bool

    public init(item: Int, score: Float, isPinned: Bool) {
      self.item = item
      self.score = score
      self.isPinned = isPinned
    }
  }

  public let scene: String
  public let basis: Basis
  public let entries: [Entry]
}
