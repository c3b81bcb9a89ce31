import Foundation
import Glibc
import Synchronization
import Testing

/// One answer over HTTP.
struct Answer: Sendable {
  let status: Int
  let head: String
  let body: String

  var json: Any? { try? JSONSerialization.jsonObject(with: Data(body.utf8), options: .fragmentsAllowed) }
  var object: [String: Any] { json as? [String: Any] ?? [:] }
  var error: String { object["error"] as? String ?? "" }
  /// The ids of a list.
  var items: [String] { (object["items"] as? [[String: Any]] ?? []).compactMap { $0["item"] as? String } }
}

/// A connection that is kept open, read by blocking calls: tests ask from threads of their own.
/// One thread at a time.
final class Line: @unchecked Sendable {
  private let file: Int32
  private var rest: [UInt8] = []

  /// - Returns: `nil` when nobody listens there.
  init?(_ port: UInt16) {
    file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
    // Shorter than a server leaves a connection that says nothing.
    var limit = timeval(tv_sec: 40, tv_usec: 0)
    setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let status = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(file, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard status == 0 else { return nil }
  }

  deinit { close(file) }

  func ask(
    _ method: String, _ target: String, headers: [String] = ["Host: 127.0.0.1"], body: [UInt8]? = nil
  ) -> Answer? {
    var bytes = Array("\(method) \(target) HTTP/1.1\r\n".utf8)
    for header in headers { bytes += Array("\(header)\r\n".utf8) }
    if let body { bytes += Array("Content-Length: \(body.count)\r\n".utf8) }
    bytes += Array("\r\n".utf8) + (body ?? [])
    var sent = 0
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes { send(file, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      // A server that has refused may have closed; its answer is still there.
      if count <= 0 { break }
      sent += count
    }
    return read(hasBody: method != "HEAD")
  }

  /// Sends a part of a request, or nothing.
  func say(_ text: String) {
    let bytes = Array(text.utf8)
    _ = bytes.withUnsafeBytes { send(file, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// Waits for an answer to what was said.
  func answer() -> Answer? { read(hasBody: true) }

  /// Whether the other side has closed; does not wait.
  var isClosed: Bool {
    var byte: UInt8 = 0
    let count = recv(file, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
    return count == 0 || count < 0 && errno != EAGAIN
  }

  private func read(hasBody: Bool) -> Answer? {
    let end = Array("\r\n\r\n".utf8)
    while true {
      if let place = rest.indices.first(where: { rest[$0...].starts(with: end) }) {
        let head = String(decoding: rest[..<place], as: UTF8.self)
        let length =
          head.split(separator: "\r\n").first { $0.lowercased().hasPrefix("content-length:") }
          .flatMap { Int($0.split(separator: ":")[1].trimmingCharacters(in: .whitespaces)) } ?? 0
        let whole = place + 4 + (hasBody ? length : 0)
        while rest.count < whole { guard more() else { return nil } }
        let body = String(decoding: rest[(place + 4)..<whole], as: UTF8.self)
        rest.removeFirst(whole)
        guard let status = head.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
        return Answer(status: status, head: head, body: body)
      }
      guard more() else { return nil }
    }
  }

  private func more() -> Bool {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(file, &buffer, buffer.count, 0)
    guard count > 0 else { return false }
    rest += buffer[..<count]
    return true
  }
}

/// Asks a server on this machine, each time on a new connection.
struct Asking: Sendable {
  let port: UInt16

  func callAsFunction(
    _ method: String, _ target: String, headers: [String] = ["Host: 127.0.0.1"], body: [UInt8]? = nil
  ) async throws -> Answer {
    let answer = await Self.onThread { [port] in Line(port)?.ask(method, target, headers: headers, body: body) }
    return try #require(answer, "\(method) \(target)")
  }

  /// Blocking calls stay off the threads that the server needs.
  static func onThread<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: body()) }
    }
  }

  func get(_ target: String, headers: [String] = ["Host: 127.0.0.1"]) async throws -> Answer {
    try await self("GET", target, headers: headers)
  }

  func post(_ text: String, type: String? = "application/json", headers: [String] = []) async throws -> Answer {
    try await self(
      "POST", "/v1/events", headers: ["Host: 127.0.0.1"] + (type.map { ["Content-Type: \($0)"] } ?? []) + headers,
      body: Array(text.utf8))
  }
}

/// Reads of histories that wait until they are released.
final class HeldReads: Sendable {
  private let state = Mutex<(entered: Int, isReleased: Bool)>((0, false))

  @Sendable func read() {
    state.withLock { $0.entered += 1 }
    while state.withLock({ !$0.isReleased }) { usleep(2000) }
  }

  func release() { state.withLock { $0.isReleased = true } }

  /// Waits, half a minute at most, until so many have begun.
  func entered(_ count: Int) async {
    for _ in 0..<15_000 where state.withLock({ $0.entered < count }) { try? await Task.sleep(for: .milliseconds(2)) }
  }
}
