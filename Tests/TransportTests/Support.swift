import CryptoPrimitives
import Foundation
import PeerIdentity
import Synchronization
import Testing
import Transport

/// A task with its CA, as `tacit-coordinator init` would make it.
struct TestTask {
  let authority: CertificateAuthority

  init() throws { authority = try CertificateAuthority.create(task: "test", validDays: 400, now: Date() - 30 * 86_400) }

  func serverTLS(hosts: [String] = ["127.0.0.1"], issued: Date = Date(), days: Int64 = 1) throws -> ServerTLS {
    let (certificate, key) = try serverCertificate(hosts: hosts, issued: issued, days: days)
    return try ServerTLS(certificatePEM: certificate.pem, privateKeyPEM: key.pem, authorityPEM: authority.certificatePEM)
  }

  func serverCertificate(
    hosts: [String] = ["127.0.0.1"], issued: Date = Date(), days: Int64 = 1
  ) throws -> (IssuedCertificate, TLSKey) {
    let key = TLSKey.generate()
    let certificate = try authority.issueServer(
      hosts: hosts, request: .create(key: key, name: PartnerName("server")), lifetime: .seconds(days * 86_400), now: issued)
    return (certificate, key)
  }

  func clientCertificate(
    _ participant: UInt32, issued: Date = Date(), days: Int64 = 1
  ) throws -> (IssuedCertificate, TLSKey) {
    let key = TLSKey.generate()
    let name = try PartnerName("partner-\(participant)")
    let certificate = try authority.issueClient(
      request: .create(key: key, name: name), participant: participant, name: name, lifetime: .seconds(days * 86_400), now: issued
    )
    return (certificate, key)
  }

  /// - Parameter trusting: the CA that the client expects of the server; its own unless stated.
  func clientTLS(
    _ participant: UInt32, issued: Date = Date(), days: Int64 = 1, trusting: CertificateAuthority? = nil
  ) throws -> ClientTLS {
    let (certificate, key) = try clientCertificate(participant, issued: issued, days: days)
    return try ClientTLS(
      certificatePEM: certificate.pem, privateKeyPEM: key.pem, authorityPEM: (trusting ?? authority).certificatePEM)
  }
}

/// Reasons that a server counted.
final class Counter: Sendable {
  private let reasons = Mutex<[String: Int]>([:])
  func add(_ reason: String) { reasons.withLock { $0[reason, default: 0] += 1 } }
  subscript(_ reason: String) -> Int { reasons.withLock { $0[reason, default: 0] } }
  var all: [String: Int] { reasons.withLock { $0 } }
}

/// A server that runs for the time of a test.
struct TestServer {
  let task: TestTask
  let handler: FakeHandler
  let refusals: Counter
  let server: CoordinationServer
  let address: HostPort

  func client(
    _ participant: UInt32, via address: HostPort? = nil, instance: InstanceID = .random(), deadlines: ClientDeadlines = .brisk
  ) throws -> CoordinationClient {
    try CoordinationClient(
      target: address ?? self.address, security: .mutualTLS(try task.clientTLS(participant)), instance: instance,
      deadlines: deadlines)
  }

  static func run(
    task: TestTask? = nil, tls: ServerTLS? = nil, handler: FakeHandler = FakeHandler(), limits: TransportLimits = .brisk,
    now: @escaping @Sendable () -> Date = { Date() }, _ body: (TestServer) async throws -> Void
  ) async throws {
    let task = try task ?? TestTask()
    let refusals = Counter()
    let server = try CoordinationServer(
      listen: HostPort(parsing: "127.0.0.1:0"), security: .mutualTLS(try tls ?? task.serverTLS()), handler: handler,
      limits: limits, now: now, onRefusal: { refusals.add($0) })
    let running = Task { try await server.run() }
    let test = TestServer(
      task: task, handler: handler, refusals: refusals, server: server, address: try await server.boundAddress)
    do {
      try await body(test)
    } catch {
      running.cancel()
      _ = try? await running.value
      throw error
    }
    running.cancel()
    try await running.value
  }
}

extension TransportLimits {
  /// The usual limits with short waits.
  static var brisk: TransportLimits {
    var limits = TransportLimits()
    limits.reauthorization = .milliseconds(50)
    limits.callsPerSecond = 1e5
    limits.callBurst = 1e5
    limits.writesPerSecond = 1e5
    limits.writeBurst = 1e5
    return limits
  }
}

extension ClientDeadlines {
  static var brisk: ClientDeadlines {
    var deadlines = ClientDeadlines()
    deadlines.firstPause = .milliseconds(20)
    deadlines.longestPause = .milliseconds(200)
    return deadlines
  }
}

/// Waits until something is so.
func eventually(_ what: String, within limit: Duration = .seconds(300), _ condition: () async throws -> Bool) async throws {
  let end = ContinuousClock.now + limit
  while try await !condition() {
    guard .now < end else {
      Issue.record("never came true: \(what)")
      throw CancellationError()
    }
    try await Task.sleep(for: .milliseconds(5))
  }
}

/// The failure of a call that must fail.
func failure<Result: Sendable>(
  _ body: () async throws(TransportFailure) -> Result
) async -> TransportFailure? {
  do throws(TransportFailure) {
    _ = try await body()
    return nil
  } catch {
    return error
  }
}

/// Bytes that look random and are the same every time.
func pattern(_ count: Int, seed: UInt32 = 1) -> [UInt8] {
  var state = seed
  return (0..<count).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return UInt8(state >> 24)
  }
}

func key(_ round: UInt32 = 0, kind: UInt32 = 3) -> UploadKey {
  UploadKey(session: [UInt8](repeating: 9, count: 16), round: round, attempt: 0, kind: kind)
}
