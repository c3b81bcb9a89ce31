internal import CryptoPrimitives
internal import GRPCCore
public import Logging
public import PeerIdentity
internal import SwiftProtobuf

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// A partner's end of the training connection. It dials out, keeps one connection, and tries again inside each call's deadline when the
/// coordinator cannot be reached.
public final class CoordinationClient: Sendable {
  /// The random number of this process, which every call carries.
  public let instance: InstanceID
  private let line: ClientLine
  private let retrying: Retrying
  private let deadlines: ClientDeadlines
  private let metadata: Metadata
  private let logger: Logger

  /// - Parameter instance: drawn once by the process.
  /// - Throws: `TransportFailure.local` when insecure loopback mode is asked for another address.
  public init(
    target: HostPort, security: ClientSecurity, instance: InstanceID = .random(), deadlines: ClientDeadlines = ClientDeadlines(),
    logger: Logger = Logger(label: "tacit.transport")
  ) throws(TransportFailure) {
    var metadata: Metadata = [:]
    metadata.addString(String(VersionRange.ours.newest), forKey: MetadataName.protocolVersion)
    metadata.addBinary(instance.bytes, forKey: MetadataName.instance)
    let handshake: ClientHandshake
    switch security {
    case .mutualTLS(let tls): handshake = .mutual(tls, host: target.host)
    case .insecureLoopback(let participant):
      guard target.isLoopback else {
        throw .local("insecure loopback mode connects to 127.0.0.0/8 or ::1 only, not to \(target)")
      }
      handshake = .plaintext()
      metadata.addString(String(participant), forKey: MetadataName.participant)
    }
    self.instance = instance
    self.deadlines = deadlines
    self.metadata = metadata
    self.logger = logger
    line = ClientLine(target: target, handshake: handshake, deadlines: deadlines)
    retrying = Retrying(line: line, deadlines: deadlines)
  }

  public func hello(_ hello: ClientHello) async throws(TransportFailure) -> ServerHello {
    let request = request(Tacit_V1_HelloRequest(hello))
    return try await unary { client, options in
      let answer = try await client.hello(request: request, options: options) { try $0.message.contract() }
      guard (hello.versions.oldest...hello.versions.newest).contains(answer.version) else {
        throw MalformedField(field: "version")
      }
      return answer
    }
  }

  /// The messages after a cursor. Envelopes may name documents; `message(_:)` brings the bytes of both kinds. One poll at a time: a second one
  /// ends the first.
  public func poll(_ query: PollQuery) async throws(TransportFailure) -> PollAnswer {
    let request = request(Tacit_V1_PollRequest(query))
    let limit = query.wait + deadlines.pollMargin
    return try await retrying.run(limit: limit, eachTry: limit) { client, options in
      try await Tacit_V1_Coordination.Client(wrapping: client).poll(request: request, options: options) {
        try $0.message.contract(after: query.after)
      }
    }
  }

  /// The bytes of a message, verified against the envelope.
  /// - Parameter limit: bytes; a larger message is a `badAnswer`.
  public func message(_ envelope: MessageEnvelope, limit: UInt64) async throws(TransportFailure) -> [UInt8] {
    guard envelope.size <= limit else { throw .badAnswer("a message of \(envelope.size) bytes, at most \(limit) are expected") }
    let bytes: [UInt8] =
      switch envelope.content {
      case .inline(let bytes): bytes
      case .document(let name): try await download(name, limit: envelope.size)
      }
    guard UInt64(bytes.count) == envelope.size, SHA256.hash(bytes) == envelope.sha256 else {
      throw .badAnswer("a message with another digest than its envelope's")
    }
    return bytes
  }

  /// A document in memory; goes on where a broken try stopped.
  /// - Parameter limit: bytes; a larger document is a `badAnswer`.
  public func download(_ name: String, limit: UInt64) async throws(TransportFailure) -> [UInt8] {
    let target = MemoryTarget()
    _ = try await download(name, limit: limit, into: target)
    return target.bytes
  }

  /// A document into a file: written beside it as `PATH.part`, resumed there (also by a later process), verified, synced, renamed.
  /// - Parameter limit: bytes; a larger document is a `badAnswer`.
  public func download(_ name: String, limit: UInt64, toFile path: String) async throws(TransportFailure) -> DownloadedDocument {
    let target = try FileTarget(path: path)
    return try await download(name, limit: limit, into: target)
  }

  public func uploadState(_ key: UploadKey) async throws(TransportFailure) -> UploadPhase {
    let request = request(Tacit_V1_UploadKey(key))
    return try await unary { client, options in
      try await client.uploadStatus(request: request, options: options) { try $0.message.contract() }
    }
  }

  /// Sends what the server does not have yet, and returns its verdict; never `receiving`.
  public func upload(_ key: UploadKey, payload: any UploadPayload) async throws(TransportFailure) -> UploadPhase {
    precondition(payload.size >= 1, "an upload has at least one byte")
    let header = UploadHeader(key: key, size: payload.size, sha256: payload.sha256)
    return try await retrying.run(limit: deadlines.transfer, eachTry: deadlines.transfer) { client, options in
      try await UploadTry(header: header, payload: payload, metadata: metadata, stall: deadlines.stall)
        .run(Tacit_V1_Coordination.Client(wrapping: client), options)
    }
  }

  /// - Parameter request: certificate request, DER. `ClientTLS.reload` and `reconnect` make use of the answer.
  public func renewCertificate(_ request: [UInt8]) async throws(TransportFailure) -> RenewedCertificate {
    let request = self.request(Tacit_V1_RenewRequest.with { $0.certificateRequest = Data(request) })
    return try await unary { client, options in
      try await client.renewCertificate(request: request, options: options) {
        let message = try $0.message
        return RenewedCertificate(
          certificatePEM: try WireField.text(message.certificatePem, "certificate_pem", counts: 1...16_384),
          authorityPEM: try WireField.text(message.authorityPem, "authority_pem", counts: 1...16_384))
      }
    }
  }

  /// - Parameter statement: signed by this partner.
  public func report(_ statement: [UInt8]) async throws(TransportFailure) -> [UInt8] {
    let request = request(Tacit_V1_ReportRequest.with { $0.statement = Data(statement) })
    return try await unary { client, options in
      try await client.report(request: request, options: options) {
        try WireField.bytes($0.message.answer, "answer", counts: 0...16_384)
      }
    }
  }

  /// The next call opens a new connection (after `ClientTLS.reload`); running calls end on the old one.
  public func reconnect() { line.reconnect() }

  /// Ends running calls (`cancelled`) and the connection.
  public func close() async { await line.close() }

  private func request<Message: Sendable>(_ message: Message) -> ClientRequest<Message> {
    ClientRequest(message: message, metadata: metadata)
  }

  private func unary<Result: Sendable>(
    _ body: @Sendable (Tacit_V1_Coordination.Client<ClientLine.Transport>, CallOptions) async throws -> Result
  ) async throws(TransportFailure) -> Result {
    // A third each: a call that hangs on a dead connection is tried again on a new one.
    try await retrying.run(limit: deadlines.unaryCall, eachTry: deadlines.unaryCall / 3) { client, options in
      try await body(Tacit_V1_Coordination.Client(wrapping: client), options)
    }
  }

  private func download(
    _ name: String, limit: UInt64, into target: any DownloadTarget
  ) async throws(TransportFailure) -> DownloadedDocument {
    try await retrying.run(limit: deadlines.transfer, eachTry: deadlines.transfer) { client, options in
      try await DownloadTry(name: name, limit: limit, target: target, metadata: metadata, stall: deadlines.stall)
        .run(Tacit_V1_Coordination.Client(wrapping: client), options)
    }
  }
}
