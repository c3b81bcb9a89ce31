public import Recommender

/// One event as it is sent to a server.
public struct ServedEvent: Sendable, Equatable {
  public let user: String
  public let item: String
  public let kind: EventKind?
  /// When it happened, in seconds since 1970, where the sender says so. Histories keep the order in which events arrive.
  public let time: Int?
  /// The sender's own name of the event: one that comes again under the same name is not counted again.
  public let name: String?

  public init(user: String, item: String, kind: EventKind? = nil, time: Int? = nil, name: String? = nil) {
    self.user = user
    self.item = item
    self.kind = kind
    self.time = time
    self.name = name
  }
}

/// What became of a batch of events.
public struct IntakeReport: Sendable, Equatable {
  /// For each event of the batch.
  public enum Fate: Sendable, Equatable {
    /// Kept, and part of what the next round trains on.
    case trained(Int32)
    /// Kept, and part of the user's next lists; not trained on, because another ledger counts the user, or may.
    case served(Int32)
    /// Kept; the catalogue does not have the item.
    case unknownItem
    /// Kept before under the same name.
    case repeated
  }

  public let fates: [Fate]

  public init(fates: [Fate]) { self.fates = fates }
}
