public import Logging
public import PeerIdentity
internal import GRPCCore

/// A partner's end of the training connection. It dials out, keeps one connection, and tries again inside each call's deadline when the
/// coordinator cannot be reached.
public final class CoordinationClient: Sendable {
  /// - Parameter instance: drawn once by the process.
  /// - Throws: `TransportFailure.local` when insecure loopback mode is asked for another address.
  public init(
    target: HostPort, security: ClientSecurity, instance: InstanceID = .random(), deadlines: ClientDeadlines = ClientDeadlines(),
    logger: Logger
  ) throws(TransportFailure) { fatalError("in work") }

  public func hello(_ hello: ClientHello) async throws(TransportFailure) -> ServerHello { fatalError("in work") }

  /// The messages after a cursor. Envelopes may name documents; `message(_:)` brings the bytes of both kinds.
  public func poll(_ query: PollQuery) async throws(TransportFailure) -> PollAnswer { fatalError("in work") }

  /// The bytes of a message, verified against the envelope.
  /// - Parameter limit: bytes; a larger message is a `badAnswer`.
  public func message(_ envelope: MessageEnvelope, limit: UInt64) async throws(TransportFailure) -> [UInt8] { fatalError("in work") }

  /// A document in memory; goes on where a broken try stopped.
  /// - Parameter limit: bytes; a larger document is a `badAnswer`.
  public func download(_ name: String, limit: UInt64) async throws(TransportFailure) -> [UInt8] { fatalError("in work") }

  /// A document into a file: written beside it as `PATH.part`, resumed there (also by a later process), verified, synced, renamed.
  public func download(_ name: String, limit: UInt64, toFile path: String) async throws(TransportFailure) -> DownloadedDocument {
    fatalError("in work")
  }

  public func uploadState(_ key: UploadKey) async throws(TransportFailure) -> UploadPhase { fatalError("in work") }

  /// Sends what the server does not have yet, and returns its verdict; never `receiving`.
  public func upload(_ key: UploadKey, payload: any UploadPayload) async throws(TransportFailure) -> UploadPhase {
    fatalError("in work")
  }

  /// - Parameter request: certificate request, DER. `ClientTLS.reload` and `reconnect` make use of the answer.
  public func renewCertificate(_ request: [UInt8]) async throws(TransportFailure) -> RenewedCertificate { fatalError("in work") }

  /// - Parameter statement: signed by this partner.
  public func report(_ statement: [UInt8]) async throws(TransportFailure) -> [UInt8] { fatalError("in work") }

  /// The next call opens a new connection (after `ClientTLS.reload`); running calls end on the old one.
  public func reconnect() { fatalError("in work") }

  /// Ends running calls (`cancelled`) and the connection.
  public func close() async { fatalError("in work") }
}
