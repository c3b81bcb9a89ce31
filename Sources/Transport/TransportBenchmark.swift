internal import CryptoPrimitives
internal import Logging
internal import PeerIdentity
internal import Synchronization

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// Uploads over mutual TLS on loopback, server and clients in this process.
public enum TransportBenchmark {
  public struct Figures: Sendable {
    /// Bytes uploaded and verified, of all connections together.
    public var bytes: UInt64
    /// From the first call to the last verdict, handshakes included.
    public var seconds: Double
    /// 10^6 bytes per second.
    public var megabytesPerSecond: Double
    /// What one core hashes with SHA-256, 10^6 bytes per second: the server hashes every byte once.
    public var sha256MegabytesPerSecond: Double
    /// What one core checks with CRC-32C, 10^6 bytes per second: both sides do so with every byte.
    public var crc32cMegabytesPerSecond: Double
  }

  /// Uploads of at most 64 MB each, one after another on each connection; the server checks CRC-32C and SHA-256 and throws the bytes away.
  ///
  /// - Parameters:
  ///   - megabytes: 10^6 bytes, of all connections together; at least 1.
  ///   - connections: at least 1.
  public static func run(megabytes: Int, connections: Int) async throws -> Figures {
    precondition(megabytes >= 1 && connections >= 1, "a benchmark needs at least one megabyte and one connection")
    let authority = try CertificateAuthority.create(task: "benchmark", validDays: 1, now: Date())
    let server = try CoordinationServer(
      listen: HostPort(parsing: "127.0.0.1:0"), security: .mutualTLS(try serverTLS(authority)), handler: DiscardingHandler(),
      limits: unhurried, logger: Logger(label: "tacit.transport.benchmark"))
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.run() }
      let address = try await server.boundAddress
      let share = max(1, megabytes * 1_000_000 / connections)
      let payload = BytesPayload(pattern(count: min(share, 64_000_000)))
      let start = ContinuousClock.now
      try await withThrowingTaskGroup(of: Void.self) { uploads in
        for number in 0..<connections {
          let tls = try clientTLS(authority, participant: UInt32(number))
          uploads.addTask { try await upload(share, payload, to: address, tls) }
        }
        try await uploads.waitForAll()
      }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      server.beginGracefulShutdown()
      group.cancelAll()
      let whole = max(1, share / Int(payload.size))
      let bytes = UInt64(connections) * UInt64(whole) * payload.size
      return Figures(
        bytes: bytes, seconds: seconds, megabytesPerSecond: Double(bytes) / seconds / 1e6,
        sha256MegabytesPerSecond: rate { _ = SHA256.hash($0) }, crc32cMegabytesPerSecond: rate { _ = Checksum.crc32c($0) })
    }
  }

  private static func upload(_ count: Int, _ payload: BytesPayload, to address: HostPort, _ tls: ClientTLS) async throws {
    let client = try CoordinationClient(
      target: address, security: .mutualTLS(tls), logger: Logger(label: "tacit.transport.benchmark"))
    for number in 0..<max(1, count / Int(payload.size)) {
      let key = UploadKey(session: [UInt8](repeating: 7, count: 16), round: UInt32(number), attempt: 0, kind: 1)
      let phase = try await client.upload(key, payload: payload)
      guard phase == .accepted else { throw TransportFailure.badAnswer("\(phase)") }
    }
    await client.close()
  }

  /// 10^6 bytes per second of something done with 32 MB.
  private static func rate(_ body: ([UInt8]) -> Void) -> Double {
    let bytes = pattern(count: 32_000_000)
    let start = ContinuousClock.now
    body(bytes)
    return Double(bytes.count) / ((ContinuousClock.now - start) / .seconds(1)) / 1e6
  }

  private static func pattern(count: Int) -> [UInt8] {
    var state: UInt32 = 1
    return (0..<count).map { _ in
      state = state &* 1_664_525 &+ 1_013_904_223
      return UInt8(state >> 24)
    }
  }

  private static var unhurried: TransportLimits {
    var limits = TransportLimits()
    limits.callsPerSecond = 1e6
    limits.callBurst = 1e6
    return limits
  }

  private static func serverTLS(_ authority: CertificateAuthority) throws -> ServerTLS {
    let key = TLSKey.generate()
    let certificate = try authority.issueServer(
      hosts: ["127.0.0.1"], request: .create(key: key, name: PartnerName("server")), lifetime: .seconds(3600), now: Date())
    return try ServerTLS(certificatePEM: certificate.pem, privateKeyPEM: key.pem, authorityPEM: authority.certificatePEM)
  }

  private static func clientTLS(_ authority: CertificateAuthority, participant: UInt32) throws -> ClientTLS {
    let key = TLSKey.generate()
    let name = try PartnerName("partner-\(participant)")
    let certificate = try authority.issueClient(
      request: .create(key: key, name: name), participant: participant, name: name, lifetime: .seconds(3600), now: Date())
    return try ClientTLS(certificatePEM: certificate.pem, privateKeyPEM: key.pem, authorityPEM: authority.certificatePEM)
  }
}

/// Takes uploads and keeps nothing.
private struct DiscardingHandler: CoordinationHandler {
  func settled(_ key: UploadKey) -> UploadPhase? { nil }
  func authorize(_ peer: Peer, isHello: Bool) {}
  func hello(_ hello: ClientHello, from peer: Peer) throws(TransportRefusal) -> ServerHello {
    throw .unavailable(reason: "this is a benchmark")
  }
  func poll(_ query: PollQuery, from peer: Peer) throws(TransportRefusal) -> PollAnswer {
    throw .unavailable(reason: "this is a benchmark")
  }
  func document(_ name: String, for peer: Peer) throws(TransportRefusal) -> any DocumentSource {
    throw .unknownDocument(name: name)
  }
  func uploadState(_ key: UploadKey, from peer: Peer) -> UploadPhase { .receiving(offset: 0) }
  func openUpload(_ header: UploadHeader, from peer: Peer) -> UploadOpening { .receive(Sink()) }
  func renewCertificate(_ request: [UInt8], from peer: Peer) throws(TransportRefusal) -> RenewedCertificate {
    throw .unavailable(reason: "this is a benchmark")
  }
  func report(_ statement: [UInt8], from peer: Peer) -> [UInt8] { [] }

  private struct Sink: UploadSink {
    var offset: UInt64 { 0 }
    func read(at offset: UInt64, count: Int) throws(TransportRefusal) -> [UInt8] { throw .fault }
    func write(_ bytes: [UInt8], at offset: UInt64) {}
    func finish() -> UploadPhase { .accepted }
    func discard() {}
    func suspend() {}
  }
}
