import CryptoPrimitives
import Foundation
import PeerIdentity
import Synchronization
import Testing
import Transport

/// Who may connect to whom. Each test plays somebody who must not.
@Suite struct TLSTests {
  /// The failure of a first call.
  private func attempt(_ tls: ClientTLS, _ target: HostPort) async throws -> TransportFailure? {
    let client = try CoordinationClient(target: target, security: .mutualTLS(tls), deadlines: .brisk)
    let failure = await failure { () async throws(TransportFailure) in try await client.report([1]) }
    await client.close()
    return failure
  }

  private func isDistrust(_ failure: TransportFailure?) -> Bool {
    if case .notTrusted? = failure { return true }
    return false
  }

  @Test func `a certificate of another task's authority is not accepted`() async throws {
    let other = try TestTask()
    try await TestServer.run { test in
      let found = try await attempt(try other.clientTLS(1, trusting: test.task.authority), test.address)
      #expect(isDistrust(found), "\(String(describing: found))")
      try await eventually("it is counted") { test.refusals["tls-untrusted"] >= 1 }
      #expect(test.handler.state.withLock { $0.peers.isEmpty })
    }
  }

  @Test func `a coordinator of another task is not talked to`() async throws {
    let other = try TestTask()
    try await TestServer.run { test in
      let found = try await attempt(try test.task.clientTLS(1, trusting: other.authority), test.address)
      #expect(isDistrust(found), "\(String(describing: found))")
      #expect(test.handler.state.withLock { $0.peers.isEmpty })
    }
  }

  @Test func `a client without a certificate is not accepted`() async throws {
    try await TestServer.run { test in
      let application = EnrolmentApplication(
        software: "", secret: SecretBytes(copying: [UInt8](repeating: 1, count: 32)), certificateRequest: [1],
        verificationKey: [],
        proof: [])
      let found = await failure { () async throws(TransportFailure) in
        try await EnrolmentClient.enrol(
          target: test.address, authority: test.task.authority.fingerprint, application: application, deadline: .seconds(20))
      }
      #expect(found == .notTrusted("the coordinator asks for a certificate"))
      try await eventually("it is counted") { test.refusals["tls-no-certificate"] >= 1 }
    }
  }

  @Test func `an expired certificate is not accepted`() async throws {
    try await TestServer.run { test in
      let found = try await attempt(try test.task.clientTLS(1, issued: Date() - 10 * 86_400, days: 2), test.address)
      #expect(isDistrust(found), "\(String(describing: found))")
      try await eventually("it is counted") { test.refusals["tls-untrusted"] >= 1 }
    }
  }

  @Test func `a coordinator with an expired certificate is not talked to`() async throws {
    let task = try TestTask()
    try await TestServer.run(task: task, tls: try task.serverTLS(issued: Date() - 10 * 86_400, days: 2)) { test in
      let distrusted = try await attempt(try task.clientTLS(1), test.address)
      #expect(isDistrust(distrusted), "\(String(describing: distrusted))")
    }
  }

  @Test func `a coordinator with a certificate for another host is not talked to`() async throws {
    let task = try TestTask()
    try await TestServer.run(task: task, tls: try task.serverTLS(hosts: ["192.0.2.1", "coordinator.example"])) { test in
      let found = try await attempt(try task.clientTLS(1), test.address)
      #expect(isDistrust(found), "\(String(describing: found))")
    }
  }

  @Test func `a partner's certificate does not make a coordinator`() async throws {
    let task = try TestTask()
    let (certificate, key) = try task.clientCertificate(1)
    let posing = try ServerTLS(
      certificatePEM: certificate.pem, privateKeyPEM: key.pem, authorityPEM: task.authority.certificatePEM)
    try await TestServer.run(task: task, tls: posing) { test in
      let found = try await attempt(try task.clientTLS(2), test.address)
      #expect(isDistrust(found), "\(String(describing: found))")
    }
  }

  @Test func `the coordinator's certificate does not make a partner`() async throws {
    try await TestServer.run { test in
      let (certificate, key) = try test.task.serverCertificate()
      let posing = try ClientTLS(
        certificatePEM: certificate.pem, privateKeyPEM: key.pem, authorityPEM: test.task.authority.certificatePEM)
      let found = try await attempt(posing, test.address)
      #expect(isDistrust(found) || found == .refused(.unidentified), "\(String(describing: found))")
      #expect(test.handler.state.withLock { $0.peers.isEmpty })
    }
  }

  @Test func `a certificate that expires while the connection stands is refused at the next call`() async throws {
    let clock = Mutex(Date())
    let now: @Sendable () -> Date = { clock.withLock { $0 } }
    try await TestServer.run(now: now) { test in
      let client = try test.client(1)
      _ = try await client.report([1])
      async let poll = failure { () async throws(TransportFailure) in
        try await client.poll(PollQuery(session: [], after: nil, wait: .seconds(50)))
      }
      try await eventually("the poll is held") { test.handler.heldPolls == 1 }
      clock.withLock { $0 = Date() + 2 * 86_400 }
      #expect(
        await failure { () async throws(TransportFailure) in try await client.report([1]) } == .refused(.certificateExpired))
      #expect(await poll == .refused(.certificateExpired))
      await client.close()
    }
  }

  @Test func `both sides take new certificates without a restart`() async throws {
    let task = try TestTask()
    let server = try task.serverTLS()
    try await TestServer.run(task: task, tls: server) { test in
      let tls = try task.clientTLS(1)
      let client = try CoordinationClient(target: test.address, security: .mutualTLS(tls), deadlines: .brisk)
      _ = try await client.report([1])
      // The server's new certificate is for another host: who connects now must notice, who is connected goes on.
      let (elsewhere, elsewhereKey) = try task.serverCertificate(hosts: ["192.0.2.1"])
      try server.reload(certificatePEM: elsewhere.pem, privateKeyPEM: elsewhereKey.pem)
      _ = try await client.report([1])
      let distrusted = try await attempt(try task.clientTLS(2), test.address)
      #expect(isDistrust(distrusted), "\(String(describing: distrusted))")
      let (right, rightKey) = try task.serverCertificate()
      try server.reload(certificatePEM: right.pem, privateKeyPEM: rightKey.pem)
      let (renewed, renewedKey) = try task.clientCertificate(1)
      try tls.reload(certificatePEM: renewed.pem, privateKeyPEM: renewedKey.pem)
      client.reconnect()
      _ = try await client.report([1])
      #expect(test.handler.state.withLock { $0.peers.last?.certificateFingerprint } == renewed.fingerprint)
      await client.close()
    }
  }

  @Test func `a key that does not belong to its certificate is noticed before anything connects`() throws {
    let task = try TestTask()
    let (certificate, _) = try task.clientCertificate(1)
    let (server, serverKey) = try task.serverCertificate()
    let found = #expect(throws: TLSMaterialError.self) {
      try ClientTLS(
        certificatePEM: certificate.pem, privateKeyPEM: TLSKey.generate().pem, authorityPEM: task.authority.certificatePEM)
    }
    #expect(found?.description == "The private key does not belong to the certificate.")
    let tls = try ServerTLS(certificatePEM: server.pem, privateKeyPEM: serverKey.pem, authorityPEM: task.authority.certificatePEM)
    #expect(throws: TLSMaterialError.self) { try tls.reload(certificatePEM: server.pem, privateKeyPEM: TLSKey.generate().pem) }
  }

  @Test func `TLS 1.2, no HTTP/2, plaintext and silence are not accepted`() async throws {
    var limits = TransportLimits.brisk
    limits.handshake = .seconds(2)
    try await TestServer.run(limits: limits) { test in
      // A connection that says nothing.
      let silent = try Stranger(from: 1, to: test.address)
      defer { silent.hangUp() }
      try await eventually("silence is counted") { test.refusals["tls-timeout"] == 1 }
      try await eventually("silence is closed") { silent.isHungUpOn() }
      try OpenSSL.sendPlaintext(test.address)
      try await eventually("plaintext is counted") { test.refusals["tls-not-tls"] == 1 }
      guard let openssl = OpenSSL() else {
        print("SKIPPED: openssl is not installed; TLS 1.2 and ALPN were not tried")
        return
      }
      let (certificate, key) = try test.task.clientCertificate(1)
      let old = try openssl.handshake(test.address, certificate, key, ["-tls1_2", "-alpn", "h2"])
      #expect(old.contains("protocol version") || old.contains("wrong version"), "\(old)")
      try await eventually("TLS 1.2 is counted") { test.refusals["tls-version"] == 1 }
      _ = try openssl.handshake(test.address, certificate, key, ["-tls1_3"])
      try await eventually("no ALPN is counted") { test.refusals["tls-alpn"] == 1 }
      let good = try openssl.handshake(test.address, certificate, key, ["-tls1_3", "-alpn", "h2"])
      #expect(good.contains("ALPN protocol: h2"), "\(good)")
      #expect(good.contains("TLSv1.3"))
      let client = try test.client(1)
      _ = try await client.report([1])
      await client.close()
    }
  }

  @Test func `a participant that opens connection after connection loses its oldest, others none`() async throws {
    var limits = TransportLimits.brisk
    limits.connectionsPerParticipant = 2
    try await TestServer.run(limits: limits) { test in
      let other = try test.client(8)
      _ = try await other.report([1])
      // One certificate each, as after renewals: they count together.
      let clients = try (0..<4).map { _ in try test.client(7, deadlines: .brisk) }
      for client in clients { _ = try await client.report([1]) }
      try await eventually("two were closed") { test.refusals["connection-limit"] == 2 }
      _ = try await other.report([1])
      for client in clients + [other] { await client.close() }
    }
  }

  @Test func `one address does not take all connections`() async throws {
    var limits = TransportLimits.brisk
    limits.connectionsPerAddress = 2
    try await TestServer.run(limits: limits) { test in
      let clients = try (0..<2).map { try test.client($0) }
      for client in clients { _ = try await client.report([1]) }
      #expect(try await attempt(try test.task.clientTLS(9), test.address) != nil)
      #expect(test.refusals["connection-limit"] >= 1)
      await clients[0].close()
      let next = try test.client(9)
      _ = try await next.report([1])
      await next.close()
      await clients[1].close()
    }
  }

  @Test func `connections above the limit are closed`() async throws {
    var limits = TransportLimits.brisk
    limits.connections = 2
    try await TestServer.run(limits: limits) { test in
      let clients = try (0..<2).map { try test.client($0) }
      for client in clients { _ = try await client.report([1]) }
      let refused = try await attempt(try test.task.clientTLS(9), test.address)
      #expect(refused != nil)
      #expect(test.refusals["connection-limit"] >= 1)
      // Nobody pushes out partners that have shown their certificate.
      for client in clients { _ = try await client.report([1]) }
      await clients[0].close()
      let next = try test.client(9)
      _ = try await next.report([1])
      await next.close()
      await clients[1].close()
    }
  }
}

/// The `openssl` command, where it is installed.
struct OpenSSL {
  private let path: String

  init?() {
    guard
      let path = ["/usr/bin/openssl", "/usr/local/bin/openssl"].first(where: { FileManager.default.isExecutableFile(atPath: $0) })
    else { return nil }
    self.path = path
  }

  /// What `s_client` prints.
  func handshake(_ address: HostPort, _ certificate: IssuedCertificate, _ key: TLSKey, _ options: [String]) throws -> String {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let certificateFile = folder.appendingPathComponent("certificate.pem")
    let keyFile = folder.appendingPathComponent("key.pem")
    try certificate.pem.write(to: certificateFile, atomically: true, encoding: .utf8)
    try key.pem.withUnsafeBytes { Data($0) }.write(to: keyFile)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments =
      ["s_client", "-connect", address.description, "-cert", certificateFile.path, "-key", keyFile.path] + options
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return String(decoding: text, as: UTF8.self)
  }

  static func connectSilently(_ address: HostPort) throws -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = address.port.bigEndian
    name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let status = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard status == 0 else { throw POSIXError(.ECONNREFUSED) }
    return descriptor
  }

  static func sendPlaintext(_ address: HostPort) throws {
    let descriptor = try connectSilently(address)
    let text = Array("GET / HTTP/1.1\r\n\r\n".utf8)
    _ = send(descriptor, text, text.count, Int32(MSG_NOSIGNAL))
    var answer = [UInt8](repeating: 0, count: 256)
    _ = recv(descriptor, &answer, answer.count, 0)
    close(descriptor)
  }
}
