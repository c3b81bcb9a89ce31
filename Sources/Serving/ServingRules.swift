public import Recommender

/// What a business decides about its lists, beside what the model says: pins, blocks, boosts, and the scenes.
public struct ServingRules: Sendable, Equatable {
  /// Which items: a list of ids, or those with one of some values in a column; with both, items that are in either.
  public struct Selection: Sendable, Equatable {
    public var items: [String]
    public var column: String?
    public var values: [String]

    public init(items: [String] = [], column: String? = nil, values: [String] = []) {
      self.items = items
      self.column = column
      self.values = values
    }
  }

  /// Items that are lifted or lowered.
  public struct Boost: Sendable, Equatable {
    public var of: Selection
    /// Added to the score, in standard deviations of the scores of all items that the list could hold; finite.
    public var add: Float

    public init(of: Selection, add: Float) {
      self.of = of
      self.add = add
    }
  }

  /// At most so many items of a list may share a value.
  public struct Cap: Sendable, Equatable {
    public var column: String
    public var max: Int

    public init(column: String, max: Int) {
      self.column = column
      self.max = max
    }
  }

  /// What a scene is for, and so what its lists are measured by (`SceneEvaluation`).
  public enum Kind: String, Sendable, CaseIterable {
    /// To be bought: the right things, high up.
    case goods
    /// To be read or watched: much of what there is, and not the same thing ten times.
    case content
    /// Billed by what is shown: how often it is wanted, and whether that can be foretold.
    case ads
    /// Pushed by pins and boosts: what that brings, and what it costs.
    case promotions
  }

  /// One kind of place where lists are shown: goods, content, ads, promotions, …; all scenes share the model.
  public struct Scene: Sendable, Equatable {
    /// By the scene's name when `nil`, and `goods` where that is no kind.
    public var kind: Kind?
    /// All items when `nil`.
    public var items: Selection?
    /// How much each kind of event says here; those of the data when `nil`.
    public var eventWeights: EventWeights?
    /// 1 ranks by score alone, 0 by difference from what is listed already.
    public var lambda: Float
    public var cap: Cap?
    /// Shown first, in this order, whoever asks; filters and blocks hold for them too.
    public var pin: [String]
    public var block: Selection
    public var boost: [Boost]

    public init(
      kind: Kind? = nil, items: Selection? = nil, eventWeights: EventWeights? = nil, lambda: Float = 1, cap: Cap? = nil,
      pin: [String] = [],
      block: Selection = Selection(), boost: [Boost] = []
    ) {
      self.kind = kind
      self.items = items
      self.eventWeights = eventWeights
      self.lambda = lambda
      self.cap = cap
      self.pin = pin
      self.block = block
      self.boost = boost
    }
  }

  /// How much each kind of event says, for training and for scenes that do not say otherwise.
  public var eventWeights: EventWeights
  /// Never listed in any scene.
  public var block: Selection
  /// By name; a request that names none gets `standard`.
  public var scenes: [String: Scene]

  /// The scene of requests that name none. Without rules it holds all items.
  public static let standard = "all"

  public init(
    eventWeights: EventWeights = EventWeights(), block: Selection = Selection(), scenes: [String: Scene] = [:]
  ) {
    self.eventWeights = eventWeights
    self.block = block
    self.scenes = scenes
  }
}

/// A rule that cannot hold: what was found, what was expected.
public struct ServingRuleError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}
