import Foundation
import Glibc
import Synchronization
import Testing

/// The proxy itself: a fault that does not happen proves nothing about those who survive it.
@Suite struct FaultyProxyTests {
  /// Sends bytes through the proxy and says what arrived, and whether the stream ended properly.
  private static func pass(_ bytes: [UInt8], _ fault: LineFault?) throws -> (arrived: [UInt8], ended: Ended, proxy: FaultyProxy) {
    let server = try EchoEnd()
    let proxy = try FaultyProxy(target: server.port)
    if let fault { proxy.change { $0.next = [(.up, fault)] } }
    let line = Loopback.connect(to: proxy.port)
    try #require(line >= 0)
    defer { close(line) }
    _ = Loopback.writeAll(bytes, to: line)
    shutdown(line, Int32(SHUT_WR))
    let (arrived, ended) = server.receive(expecting: fault.map { if case .halfOpen = $0 { true } else { false } } ?? false)
    return (arrived, ended, proxy)
  }

  enum Ended { case properly, reset, notAtAll }

  private static let bytes = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }

  @Test("Without a fault, bytes pass as they are and are counted")
  func plain() throws {
    let (arrived, ended, proxy) = try Self.pass(Self.bytes, nil)
    #expect(arrived == Self.bytes && ended == .properly)
    #expect(proxy.bytesUp == Self.bytes.count && proxy.connections == 1 && proxy.faultsDone == 0)
  }

  @Test("A delay changes nothing but time")
  func delay() throws {
    let (arrived, ended, _) = try Self.pass(Self.bytes, .delay(milliseconds: 5))
    #expect(arrived == Self.bytes && ended == .properly)
  }

  @Test("Bytes are left out, repeated and changed where the script says")
  func damage() throws {
    let bytes = Self.bytes
    let omitted = try Self.pass(bytes, .omit(after: 20_000, count: 10))
    #expect(omitted.arrived == Array(bytes[..<20_000] + bytes[20_010...]) && omitted.proxy.faultsDone == 1)
    let doubled = try Self.pass(bytes, .double(after: 20_000, count: 10))
    #expect(
      doubled.arrived == Array(bytes[..<20_000] + bytes[19_990..<20_000] + bytes[20_000...]) && doubled.proxy.faultsDone == 1)
    let flipped = try Self.pass(bytes, .flip(after: 100))
    #expect(zip(flipped.arrived, bytes).enumerated().filter { $1.0 != $1.1 }.map(\.offset) == [100])
  }

  @Test("A reset is a reset and no end of stream")
  func reset() throws {
    let (arrived, ended, proxy) = try Self.pass(Self.bytes, .reset(after: 30_000))
    #expect(arrived.count <= 30_000 && ended == .reset && proxy.faultsDone == 1)
  }

  @Test("A truncated stream ends properly and too early")
  func truncation() throws {
    let (arrived, ended, proxy) = try Self.pass(Self.bytes, .truncate(after: 20_000))
    #expect(arrived == Array(Self.bytes[..<20_000]) && ended == .properly && proxy.faultsDone == 1)
  }

  @Test("A line that is unplugged passes nothing, and everything when it is plugged in again")
  func unplugged() throws {
    let server = try EchoEnd()
    let proxy = try FaultyProxy(target: server.port)
    proxy.change { $0.isUnplugged = true }
    let line = Loopback.connect(to: proxy.port)
    try #require(line >= 0)
    defer { close(line) }
    _ = Loopback.writeAll(Self.bytes, to: line)
    shutdown(line, Int32(SHUT_WR))
    usleep(200_000)
    #expect(proxy.bytesUp == 0)
    proxy.change { $0.isUnplugged = false }
    #expect(server.receive(expecting: false).arrived == Self.bytes)
  }

  @Test("A half-open line says nothing more, to nobody")
  func halfOpen() throws {
    let (arrived, ended, _) = try Self.pass(Self.bytes, .halfOpen(after: 1000))
    #expect(arrived == Array(Self.bytes[..<1000]) && ended == .notAtAll)
  }

  /// The server's end: takes one connection.
  private final class EchoEnd: Sendable {
    let port: UInt16
    private let listener: Int32

    init() throws {
      listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      guard let port = Loopback.bind(listener, port: 0), listen(listener, 1) == 0 else { throw SuiteError("no free port") }
      self.port = port
    }

    deinit { close(listener) }

    /// - Parameter expecting: whether silence is expected, so that a second without bytes is the end of the test.
    func receive(expecting silence: Bool) -> (arrived: [UInt8], ended: Ended) {
      let line = accept(listener, nil, nil)
      defer { close(line) }
      var arrived: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 1 << 16)
      while true {
        var wanted = pollfd(fd: line, events: Int16(POLLIN), revents: 0)
        if poll(&wanted, 1, silence ? 1000 : 30_000) == 0 { return (arrived, .notAtAll) }
        let count = read(line, &buffer, buffer.count)
        if count == 0 { return (arrived, .properly) }
        guard count > 0 else { return (arrived, errno == ECONNRESET ? .reset : .notAtAll) }
        arrived += buffer[..<count]
      }
    }
  }
}
