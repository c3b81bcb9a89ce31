import Foundation
import PeerIdentity

/// A TCP connection that says nothing, from an address of its own.
final class Stranger: Sendable {
  private let socket: Int32

  /// - Parameter host: connects from 127.0.0.HOST.
  init(from host: UInt32, to address: HostPort) throws {
    socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    let bound = Self.with(Self.name(127 << 24 | host, port: 0)) { bind(socket, $0, $1) }
    let connected = Self.with(Self.name(127 << 24 | 1, port: address.port)) { connect(socket, $0, $1) }
    guard socket >= 0, bound == 0, connected == 0 else { throw POSIXError(.ECONNREFUSED) }
  }

  /// Whether the other side has closed it; waits a little for that.
  func isHungUpOn() -> Bool {
    var event = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    guard poll(&event, 1, 300) == 1 else { return false }
    var byte: UInt8 = 0
    return recv(socket, &byte, 1, Int32(MSG_PEEK)) <= 0
  }

  func hangUp() { close(socket) }

  private static func name(_ host: UInt32, port: UInt16) -> sockaddr_in {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_addr.s_addr = host.bigEndian
    name.sin_port = port.bigEndian
    return name
  }

  private static func with(_ name: sockaddr_in, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    withUnsafePointer(to: name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
  }
}
