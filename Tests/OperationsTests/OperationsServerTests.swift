import Foundation
import Logging
import Operations
import PeerIdentity
import ServiceLifecycle
import Synchronization
import Testing

@Suite struct OperationsServerTests {
  @Test func `metrics, health and readiness are answered, and nothing else`() async throws {
    let metrics = MetricsRegistry()
    metrics.counter("tacit_rounds_total", help: "Rounds.").increment()
    let readiness = Mutex<Readiness>(.notReady("waiting for the lease"))
    let isReady: @Sendable () async -> Readiness = { readiness.withLock { $0 } }
    try await serving(metrics, isReady) { port in
      let answer = try await ask(port, "GET /metrics HTTP/1.1")
      #expect(answer.status == 200)
      #expect(answer.head.lowercased().contains("content-type: text/plain; version=0.0.4; charset=utf-8"))
      #expect(try PrometheusReader.samples(in: answer.body)["tacit_rounds_total"]?.first?.value == 1)
      #expect(try await ask(port, "GET /healthz HTTP/1.1") == (200, "ok\n"))
      #expect(try await ask(port, "GET /readyz HTTP/1.1") == (503, "not ready: waiting for the lease\n"))
      readiness.withLock { $0 = .ready }
      #expect(try await ask(port, "GET /readyz HTTP/1.1") == (200, "ready\n"))
      #expect(try await ask(port, "HEAD /healthz HTTP/1.1") == (200, ""))
      for (request, status) in [
        ("POST /metrics HTTP/1.1", 405), ("DELETE /healthz HTTP/1.1", 405), ("GET / HTTP/1.1", 404),
        ("GET /metrics/../etc HTTP/1.1", 404),
        ("GET /metricsx HTTP/1.1", 404), ("nonsense", 400),
      ] { #expect(try await ask(port, request).status == status, "\(request)") }
    }
  }

  @Test func `whoever opens connections and says nothing keeps nobody from seeing whether the service lives`() async throws {
    // More room than connections that are accepted and not yet known: the last to come is never the one that has waited longest.
    try await serving(MetricsRegistry(), connectionsMax: 24) { port in
      let silent = (0..<64).compactMap { _ in Self.connection("127.0.0.1", port) }
      defer { for file in silent { close(file) } }
      #expect(silent.count == 64)
      let health = try await ask(port, "GET /healthz HTTP/1.1")
      #expect(health == (200, "ok\n"))
      // The one that had waited longest made room, the last to come did not have to.
      let first = silent[0]
      let closed: String? = await Self.onThread { Self.read(first) }
      #expect(closed == "")
      var byte: UInt8 = 0
      #expect(recv(silent[63], &byte, 1, Int32(MSG_DONTWAIT)) == -1 && errno == EAGAIN)
    }
  }

  @Test func `it listens where it was told, and not on the machine's other addresses`() async throws {
    try await serving(MetricsRegistry()) { port in
      #expect(connects(to: "127.0.0.1", port))
      // Another address of the same interface: a listener on 0.0.0.0 would answer here.
      #expect(!connects(to: "127.0.0.2", port))
    }
  }

  @Test func `a port that is taken is an error, not a service without eyes`() async throws {
    try await serving(MetricsRegistry()) { port in
      let second = OperationsServer(
        listen: try HostPort(parsing: "127.0.0.1:\(port)"), metrics: MetricsRegistry(), logger: quiet, readiness: { .ready })
      let error = await #expect(throws: OperationsListenError.self) { try await second.run() }
      #expect(error?.description.contains("127.0.0.1:\(port)") == true && error?.description.contains("in use") == true)
    }
  }

  private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func serving(
    _ metrics: MetricsRegistry, _ readiness: @escaping @Sendable () async -> Readiness = { .ready }, connectionsMax: Int = 48,
    _ body: (UInt16) async throws -> Void
  ) async throws {
    let (ports, continuation) = AsyncStream.makeStream(of: UInt16.self)
    let server = OperationsServer(
      listen: try HostPort(parsing: "127.0.0.1:0"), metrics: metrics, logger: quiet, connectionsMax: connectionsMax,
      readiness: readiness
    ) { continuation.yield($0) }
    let group = ServiceGroup(services: [server], logger: quiet)
    let running = Task { try await group.run() }
    let port = try #require(await ports.first { _ in true })
    try await body(port)
    await group.triggerGracefulShutdown()
    try await running.value
  }

  private struct Answer {
    let status: Int
    let head: String
    let body: String

    static func == (left: Answer, right: (Int, String)) -> Bool { left.status == right.0 && left.body == right.1 }
  }

  /// One request on a socket of its own, read to the end.
  private func ask(_ port: UInt16, _ request: String) async throws -> Answer {
    let text = request + "\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    let read: String? = await Self.onThread { Self.exchange("127.0.0.1", port, Array(text.utf8)) }
    let answer = try #require(read)
    let parts = answer.components(separatedBy: "\r\n\r\n")
    let status = try #require(parts[0].split(separator: " ").dropFirst().first.flatMap { Int($0) }, "\(answer)")
    return Answer(status: status, head: parts[0], body: parts.dropFirst().joined(separator: "\r\n\r\n"))
  }

  /// Blocking calls stay off the threads on which the server answers.
  private static func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: body()) }
    }
  }

  private func connects(to host: String, _ port: UInt16) -> Bool { Self.exchange(host, port, []) != nil }

  /// `nil` when nobody listens there.
  private static func connection(_ host: String, _ port: UInt16) -> Int32? {
    let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    inet_pton(AF_INET, host, &address.sin_addr)
    // Shorter than the server leaves a connection that says nothing (30 s).
    var limit = timeval(tv_sec: 15, tv_usec: 0)
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard status == 0 else {
      close(file)
      return nil
    }
    return file
  }

  /// What comes until the other side closes; `nil` when it does not.
  private static func read(_ file: Int32) -> String? {
    var answer: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = recv(file, &buffer, buffer.count, 0)
      if count < 0 { return nil }
      if count == 0 { return String(decoding: answer, as: UTF8.self) }
      answer += buffer[..<count]
    }
  }

  /// `nil` when nobody listens there, or it does not answer.
  private static func exchange(_ host: String, _ port: UInt16, _ bytes: [UInt8]) -> String? {
    guard let file = connection(host, port) else { return nil }
    defer { close(file) }
    guard !bytes.isEmpty else { return "" }
    guard send(file, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return nil }
    return read(file)
  }
}
