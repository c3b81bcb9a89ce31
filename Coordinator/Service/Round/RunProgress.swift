public import Foundation

/// What a run does now, or what it waits for: the same words for `status` and for the log.
public struct RunProgress: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable {
    /// No plan is there.
    case idle
    /// Too few partners are there for an attempt.
    case waiting
    /// Too few partners have access: no waiting mends that.
    case stuck
    /// The next round has its time.
    case scheduled
    /// Enough are there; others are waited for a while.
    case gathering
    /// An attempt is open.
    case open
    case over
  }

  public struct Missing: Codable, Sendable, Equatable {
    public let name: String
    /// `nil` where it only has not answered yet.
    public let why: String?

    public init(name: String, why: String?) {
      self.name = name
      self.why = why
    }
  }

  public var kind: Kind
  /// Without who is missing, and until when.
  public var summary: String
  public var missing: [Missing]
  /// When this ends at the latest: a stage, a wait, a pause between rounds.
  public var until: Date?

  public init(_ kind: Kind, _ summary: String, missing: [Missing] = [], until: Date? = nil) {
    self.kind = kind
    self.summary = summary
    self.missing = missing
    self.until = until
  }

  private static func text(_ missing: Missing) -> String {
    missing.why.map { "\(missing.name) (\($0))" } ?? missing.name
  }

  /// The whole in one line.
  public var sentence: String {
    var text = summary
    if !missing.isEmpty {
      let names = missing.map { Self.text($0) }
      text += "; missing: " + names.joined(separator: ", ")
    }
    if let until { text += "; until \(until.formatted(.iso8601))" }
    return text
  }
}
