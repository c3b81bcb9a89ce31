internal import GRPCCore

/// The machine names of `TransportRefusal`, once and for all: what is sent, read, counted and labelled.
public enum RefusalReason: String, Sendable, CaseIterable {
  case unsupportedVersion = "unsupported-version"
  case unidentified = "unidentified"
  case certificateExpired = "certificate-expired"
  case wrongTask = "wrong-task"
  case notEnrolled = "not-enrolled"
  case revoked = "revoked"
  case superseded = "superseded"
  case helloNeeded = "hello-needed"
  case ledgerRolledBack = "ledger-rolled-back"
  case rateLimited = "rate-limited"
  case tooManyCalls = "too-many-calls"
  case tooLarge = "too-large"
  case badChecksum = "bad-checksum"
  case badOffset = "bad-offset"
  case conflict = "conflict"
  case stageClosed = "stage-closed"
  case unknownDocument = "unknown-document"
  case badSignature = "bad-signature"
  case malformed = "malformed"
  case unknownMethod = "unknown-method"
  case stalled = "stalled"
  case deadlineExceeded = "deadline-exceeded"
  case invitationUnknown = "invitation-unknown"
  case invitationExpired = "invitation-expired"
  case invitationUsed = "invitation-used"
  case unavailable = "unavailable"
  case fault = "fault"

  /// What an upload counts as that was answered `superseded`: its attempt is over, or never was. No refusal of the call.
  public static let attemptOver = "attempt-over"
}

extension TransportRefusal {
  /// Machine name: stable, counted, sent as `tacit-reason`.
  public var reason: String { kind.rawValue }

  public var kind: RefusalReason {
    switch self {
    case .unsupportedVersion: .unsupportedVersion
    case .unidentified: .unidentified
    case .certificateExpired: .certificateExpired
    case .wrongTask: .wrongTask
    case .notEnrolled: .notEnrolled
    case .revoked: .revoked
    case .superseded: .superseded
    case .helloNeeded: .helloNeeded
    case .ledgerRolledBack: .ledgerRolledBack
    case .rateLimited: .rateLimited
    case .tooManyCalls: .tooManyCalls
    case .tooLarge: .tooLarge
    case .badChecksum: .badChecksum
    case .badOffset: .badOffset
    case .conflict: .conflict
    case .stageClosed: .stageClosed
    case .unknownDocument: .unknownDocument
    case .badSignature: .badSignature
    case .malformed: .malformed
    case .unknownMethod: .unknownMethod
    case .stalled: .stalled
    case .deadlineExceeded: .deadlineExceeded
    case .invitationUnknown: .invitationUnknown
    case .invitationExpired: .invitationExpired
    case .invitationUsed: .invitationUsed
    case .unavailable: .unavailable
    case .fault: .fault
    }
  }

  /// Whether the same call can succeed later without anybody doing anything.
  public var isTemporary: Bool {
    switch self {
    case .unavailable, .rateLimited, .tooManyCalls, .stalled, .deadlineExceeded: true
    default: false
    }
  }

  var code: RPCError.Code {
    switch self {
    case .unidentified, .certificateExpired: .unauthenticated
    case .wrongTask, .notEnrolled, .revoked, .invitationUnknown, .invitationExpired, .invitationUsed: .permissionDenied
    case .unsupportedVersion, .helloNeeded, .ledgerRolledBack, .stageClosed: .failedPrecondition
    case .superseded, .stalled: .aborted
    case .rateLimited, .tooManyCalls, .tooLarge: .resourceExhausted
    case .badChecksum: .dataLoss
    case .badOffset: .outOfRange
    case .conflict: .alreadyExists
    case .unknownDocument: .notFound
    case .badSignature, .malformed: .invalidArgument
    case .unknownMethod: .unimplemented
    case .deadlineExceeded: .deadlineExceeded
    case .unavailable: .unavailable
    case .fault: .internalError
    }
  }

  /// What `tacit-detail` says, before percent-encoding.
  var detail: String? {
    switch self {
    case .unsupportedVersion(let found, let supported):
      "\(found.oldest) \(found.newest) \(supported.oldest) \(supported.newest)"
    case .ledgerRolledBack(let dataset): dataset
    case .rateLimited(let retryAfter): String(retryAfter.wholeSeconds)
    case .tooManyCalls(let limit): String(limit)
    case .tooLarge(let limit): String(limit)
    case .badOffset(let expected): String(expected)
    case .stageClosed(let text), .unavailable(let text): text
    case .unknownDocument(let name): name
    case .badSignature(let field), .malformed(let field): field
    default: nil
    }
  }

  /// Reads what a server sent; `nil` for a reason or detail that this version does not know.
  init?(reason: String, detail: String) {
    let numbers = detail.split(separator: " ").compactMap { UInt64($0) }
    switch RefusalReason(rawValue: reason) {
    case .unsupportedVersion:
      let bounds = numbers.compactMap { UInt32(exactly: $0) }
      guard bounds.count == 4, 1 <= bounds[0], bounds[0] <= bounds[1], 1 <= bounds[2], bounds[2] <= bounds[3] else { return nil }
      self = .unsupportedVersion(found: VersionRange(bounds[0], bounds[1]), supported: VersionRange(bounds[2], bounds[3]))
    case .rateLimited:
      guard let seconds = numbers.first else { return nil }
      self = .rateLimited(retryAfter: .seconds(Int64(clamping: min(seconds, 86_400))))
    case .tooManyCalls:
      guard let limit = numbers.first.flatMap({ Int(exactly: $0) }) else { return nil }
      self = .tooManyCalls(limit: limit)
    case .tooLarge:
      guard let limit = numbers.first else { return nil }
      self = .tooLarge(limit: limit)
    case .badOffset:
      guard let expected = numbers.first else { return nil }
      self = .badOffset(expected: expected)
    case .ledgerRolledBack: self = .ledgerRolledBack(dataset: detail)
    case .stageClosed: self = .stageClosed(reason: detail)
    case .unavailable: self = .unavailable(reason: detail)
    case .unknownDocument: self = .unknownDocument(name: detail)
    case .badSignature: self = .badSignature(field: detail)
    case .malformed: self = .malformed(field: detail)
    case .unidentified: self = .unidentified
    case .certificateExpired: self = .certificateExpired
    case .wrongTask: self = .wrongTask
    case .notEnrolled: self = .notEnrolled
    case .revoked: self = .revoked
    case .superseded: self = .superseded
    case .helloNeeded: self = .helloNeeded
    case .badChecksum: self = .badChecksum
    case .conflict: self = .conflict
    case .unknownMethod: self = .unknownMethod
    case .stalled: self = .stalled
    case .deadlineExceeded: self = .deadlineExceeded
    case .invitationUnknown: self = .invitationUnknown
    case .invitationExpired: self = .invitationExpired
    case .invitationUsed: self = .invitationUsed
    case .fault: self = .fault
    case nil: return nil
    }
  }
}

extension TransportRefusal: CustomStringConvertible {
  /// One sentence, or two: what was found, what was expected, what to do.
  public var description: String {
    switch self {
    case .unsupportedVersion(let found, let supported):
      "The partner's program speaks protocol version \(found), the coordinator's \(supported); update the older of the two."
    case .unidentified: "The connection does not say which participant calls; a certificate of this task is needed."
    case .certificateExpired: "The certificate has expired; connect again with a renewed one, or enrol again."
    case .wrongTask: "The certificate belongs to another task."
    case .notEnrolled: "This participant or certificate is not in the task's roster; enrol with a new token."
    case .revoked: "This participant's access was revoked; ask whoever runs the coordinator."
    case .superseded: "Another, newer process is at work under this partner's identity."
    case .helloNeeded: "This process has not said hello to the coordinator as it is now; say hello, then go on."
    case .ledgerRolledBack(let dataset):
      "The ledger of data set \(Self.quoted(dataset)) is not a continuation of the one shown before; was this home restored from a backup?"
    case .rateLimited(let retryAfter): "Too many calls; try again in \(retryAfter.wholeSeconds) s."
    case .tooManyCalls(let limit): "More than \(limit) calls are open at one time."
    case .tooLarge(let limit): "At most \(limit) bytes are allowed."
    case .badChecksum: "The bytes are not those whose checksum was announced; send them again."
    case .badOffset(let expected): "The next byte must be at offset \(expected)."
    case .conflict: "Other bytes were sent before under the same session, round, attempt and kind."
    case .stageClosed(let reason): "The message comes at the wrong time: \(reason)."
    case .unknownDocument(let name): "There is no document \(Self.quoted(name))."
    case .badSignature(let field): "The signature in \(field) does not verify."
    case .malformed(let field): "The field \(field) has a value that the protocol does not allow."
    case .unknownMethod: "The method is unknown; is this a newer partner, or another program?"
    case .stalled: "Nothing, or too little, moved for too long; connect again and go on."
    case .deadlineExceeded: "The call took longer than the coordinator allows."
    case .invitationUnknown: "The token belongs to no invitation of this task; ask for a new one."
    case .invitationExpired: "The token has expired; ask for a new one."
    case .invitationUsed: "The token was used already; ask for a new one, and ask who used it."
    case .unavailable(let reason): "The coordinator cannot answer now: \(reason)."
    case .fault: "The coordinator failed; its log says more."
    }
  }

  private static func quoted(_ text: String) -> String {
    "\"" + String(text.unicodeScalars.prefix(100).map { $0.value < 0x20 || $0.value == 0x7F ? "?" : Character($0) }) + "\""
  }
}

extension Duration {
  /// Rounded up, and at least one: whoever waits so long is not too early.
  fileprivate var wholeSeconds: Int64 { max(1, components.seconds + (components.attoseconds > 0 ? 1 : 0)) }
}
