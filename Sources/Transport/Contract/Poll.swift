public import CryptoPrimitives

/// Position of a message among those that the coordinator sends to one participant.
public struct MessageCursor: Sendable, Hashable, Comparable {
  /// 0-based index into the plan's releases.
  public var round: UInt32
  /// 0-based.
  public var attempt: UInt32
  /// From 1 within the attempt (`RoundStart`); 0 stands before the first.
  public var ordinal: UInt32

  public init(round: UInt32, attempt: UInt32, ordinal: UInt32) {
    self.round = round
    self.attempt = attempt
    self.ordinal = ordinal
  }

  public static func < (left: MessageCursor, right: MessageCursor) -> Bool {
    (left.round, left.attempt, left.ordinal) < (right.round, right.attempt, right.ordinal)
  }
}

/// One message of the coordinator: its bytes, or where to fetch them.
public struct MessageEnvelope: Sendable, Hashable {
  public var cursor: MessageCursor
  /// Bytes of the message.
  public var size: UInt64
  /// Of the message's bytes.
  public var sha256: Digest
  public var content: Content

  /// Largest message that travels inside a poll's answer, bytes: a limit of the protocol.
  public static let inlineBytesMax = 256 << 10

  public enum Content: Sendable, Hashable {
    /// At most `MessageEnvelope.inlineBytesMax`.
    case inline([UInt8])
    /// Name of the document that holds the message.
    case document(String)
  }

  public init(cursor: MessageCursor, size: UInt64, sha256: Digest, content: Content) {
    self.cursor = cursor
    self.size = size
    self.sha256 = sha256
    self.content = content
  }

  /// With the bytes inside.
  public init(cursor: MessageCursor, inline bytes: [UInt8]) {
    self.init(cursor: cursor, size: UInt64(bytes.count), sha256: SHA256.hash(bytes), content: .inline(bytes))
  }
}

/// "What is there after this cursor? I wait that long for an answer."
public struct PollQuery: Sendable, Hashable {
  /// 16 bytes; empty when the partner knows no session yet.
  public var session: [UInt8]
  /// `nil`: from the beginning of the open attempt.
  public var after: MessageCursor?
  /// How long the server may hold the call when there is nothing; the server caps it (`TransportLimits.longestPoll`).
  public var wait: Duration

  public init(session: [UInt8], after: MessageCursor?, wait: Duration) {
    self.session = session
    self.after = after
    self.wait = wait
  }
}

/// What the coordinator has for this participant; an answer without envelopes is "nothing yet".
public struct PollAnswer: Sendable, Hashable {
  /// 16 bytes of the active plan's session; empty when no plan is active.
  public var session: [UInt8]
  /// In the order of their cursors, all after the query's.
  public var envelopes: [MessageEnvelope]
  /// SHA-256 of the active plan's file.
  public var planHash: Digest?
  /// Version of the newest signed model release.
  public var newestRelease: UInt32?
  public var state: TaskState

  public init(session: [UInt8], envelopes: [MessageEnvelope], planHash: Digest?, newestRelease: UInt32?, state: TaskState) {
    self.session = session
    self.envelopes = envelopes
    self.planHash = planHash
    self.newestRelease = newestRelease
    self.state = state
  }
}

/// What the task is doing.
public enum TaskState: Sendable, Hashable {
  /// No plan is active.
  case idle
  /// The next round is not open yet.
  /// - Parameter until: seconds since 1970, when known.
  case waiting(until: Int64?)
  /// An attempt is open.
  case running
  /// The run is over.
  case finished(reason: String)
  /// The coordinator is stopping; call again in a while.
  case draining
}
