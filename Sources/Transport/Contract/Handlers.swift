public import CryptoPrimitives

/// What a coordinator answers. The server has verified certificate, version and limits, and calls `authorize` before anything else
/// and again every `TransportLimits.reauthorization` while a call runs.
///
/// A call that ends early (the partner went away, was revoked, or the server's deadline passed) is cancelled: `poll` must return or
/// throw soon after its task was cancelled.
public protocol CoordinationHandler: Sendable {
  /// Throws `notEnrolled`, `revoked`, `superseded` (an older process of this participant) or `wrongTask`.
  /// `Hello` alone makes an instance the newest, so it is authorised before the handler sees the hello.
  /// - Parameter isHello: the instance may be new.
  func authorize(_ peer: Peer, isHello: Bool) async throws(TransportRefusal)
  func hello(_ hello: ClientHello, from peer: Peer) async throws(TransportRefusal) -> ServerHello
  /// Returns when there is something after the cursor, when the state changed, or after `query.wait`.
  func poll(_ query: PollQuery, from peer: Peer) async throws(TransportRefusal) -> PollAnswer
  /// Throws `unknownDocument`.
  func document(_ name: String, for peer: Peer) async throws(TransportRefusal) -> any DocumentSource
  func uploadState(_ key: UploadKey, from peer: Peer) async throws(TransportRefusal) -> UploadPhase
  /// The same key and digest as before gives the same answer; another digest throws `conflict`; too many bytes throw `tooLarge`.
  /// The server keeps at most one call per participant and key, and at most `TransportLimits.concurrentUploads` in all.
  func openUpload(_ header: UploadHeader, from peer: Peer) async throws(TransportRefusal) -> UploadOpening
  /// The answer to an upload that is being received and is of no use any more; `nil` while it is wanted. Asked every
  /// `TransportLimits.reauthorization`, and must not wait for anything: the upload then gives its turn back at once.
  func settled(_ key: UploadKey) -> UploadPhase?
  /// - Parameter request: certificate request, DER.
  func renewCertificate(_ request: [UInt8], from peer: Peer) async throws(TransportRefusal) -> RenewedCertificate
  /// - Parameter statement: signed by the partner; consent, pause, resume or leave. The answer's bytes are the handler's own.
  func report(_ statement: [UInt8], from peer: Peer) async throws(TransportRefusal) -> [UInt8]
}

/// What the enrolment listener answers.
public protocol EnrolmentHandler: Sendable {
  /// Whether the secret of an application is one of an invitation that stands: one look-up, for every caller and before any limit on
  /// tries, so that strangers cannot use up what is meant for the invited.
  func isInvited(_ secretHash: Digest) async throws(TransportRefusal) -> Bool
  /// - Parameter address: where the call came from, for the log. Calls arrive at most as fast as `EnrolmentLimits` allows.
  func enrol(_ application: EnrolmentApplication, address: String) async throws(TransportRefusal) -> EnrolmentGrant
}
