/// Why the server does not do what a call asks. The list is closed: each reason has a gRPC code, a machine name that travels in the
/// trailing metadata (`tacit-reason`), at most one detail (`tacit-detail`), and a sentence (the status message).
/// Protocols/network.md §Refusals has the same table.
public enum TransportRefusal: Error, Sendable, Hashable {
  /// No version is spoken by both.
  case unsupportedVersion(found: VersionRange, supported: VersionRange)
  /// The connection names no participant: no certificate, none of this protocol, or no name in insecure loopback mode.
  case unidentified
  /// The certificate's validity ended while the connection stood.
  case certificateExpired
  /// The certificate is of another task.
  case wrongTask
  /// The task does not know this participant or this certificate.
  case notEnrolled
  /// The participant's access was withdrawn.
  case revoked
  /// A newer process of the same participant said hello.
  case superseded
  /// No process of the participant has said hello to this coordinator: it was restored from a backup, or the participant is new.
  case helloNeeded
  /// The partner's ledger is shorter than, or different from, one that it showed before.
  case ledgerRolledBack(dataset: String)
  /// - Parameter retryAfter: at least one second.
  case rateLimited(retryAfter: Duration)
  /// The participant has this many calls open already.
  case tooManyCalls(limit: Int)
  /// - Parameter limit: bytes.
  case tooLarge(limit: UInt64)
  /// A chunk's CRC-32C or the whole SHA-256 is not what was announced.
  case badChecksum
  /// - Parameter expected: where the next chunk must begin.
  case badOffset(expected: UInt64)
  /// The same upload key was used before with other bytes.
  case conflict
  /// The message comes too late, or not yet.
  case stageClosed(reason: String)
  case unknownDocument(name: String)
  /// A signature does not verify.
  case badSignature(field: String)
  /// A field has a value outside of what the protocol allows.
  case malformed(field: String)
  /// The method is not known.
  case unknownMethod
  /// Nothing moved for too long.
  case stalled
  /// The call took longer than the server allows.
  case deadlineExceeded
  /// The token is of no invitation.
  case invitationUnknown
  case invitationExpired
  /// An invitation is for one enrolment.
  case invitationUsed
  /// Try again later: the coordinator is starting, stopping or out of a resource.
  case unavailable(reason: String)
  /// A fault of the coordinator itself; its log says more.
  case fault
}
