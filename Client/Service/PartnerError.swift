/// What a partner's own person can mend: one sentence, and what kind of trouble it is.
public struct PartnerError: Error, Equatable, CustomStringConvertible {
  /// Kinds that callers tell apart; a command line gives each an exit code.
  public enum Kind: Sendable, Equatable {
    /// What was asked for cannot be done in this order or with these values.
    case usage
    /// The home, the data or a document lacks what is needed.
    case missing
    /// Data or a document that does not hold together.
    case data
    /// Nobody answers.
    case unavailable
    /// Another process on this machine holds the home; it may end soon.
    case superseded
    /// Another process said hello with this identity after this one. Two that start again in turn would push each other out for ever.
    case takenOver
    /// Files that others can read, or a coordinator that lets this partner in no longer.
    case permission
    /// The coordinator's documents do not fit what this partner has pinned or accepted, or its word does not fit this home.
    case untrusted
    /// This home is older than what it has written itself.
    case rolledBack
    case io
  }

  public let kind: Kind
  public let description: String

  public init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }
}
