import Foundation
import PeerIdentity
import Synchronization

/// A TCP relay on loopback that can cut its connections after a number of bytes, freeze them, or let them go.
final class Proxy: Sendable {
  private struct State {
    var budget: Int?
    var pairs: [Pair] = []
    var accepted = 0
    var relayed = 0
  }
  private let state = Mutex(State())
  private let listener: Int32
  private let target: UInt16
  private let origin: UInt32?
  let address: HostPort

  /// - Parameters:
  ///   - target: on 127.0.0.1.
  ///   - origin: connects to it from 127.0.0.ORIGIN.
  init(target: HostPort, from origin: UInt32? = nil) throws {
    self.target = target.port
    self.origin = origin
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var name = Self.loopback(port: 0)
    let bound = withUnsafePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    guard listener >= 0, bound == 0, listen(listener, 64) == 0 else { throw POSIXError(.EADDRINUSE) }
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    _ = withUnsafeMutablePointer(to: &name) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(listener, $0, &size) }
    }
    self.listener = listener
    address = try HostPort(parsing: "127.0.0.1:\(UInt16(bigEndian: name.sin_port))")
    Thread.detachNewThread { [self] in acceptAll() }
  }

  /// Connections so far.
  var accepted: Int { state.withLock { $0.accepted } }
  /// Bytes from clients to the server so far.
  var relayed: Int { state.withLock { $0.relayed } }

  /// Resets all connections once so many further bytes went from clients to the server.
  func cut(after bytes: Int) { state.withLock { $0.budget = bytes } }

  /// Connections that stand stay open and carry nothing any more; new ones work.
  func freeze() { for pair in state.withLock({ $0.pairs }) { pair.frozen.store(true, ordering: .relaxed) } }

  /// Resets all connections at once.
  func cutNow() { for pair in state.withLock({ $0.pairs }) { pair.shutDown() } }

  func stop() {
    for pair in state.withLock({ $0.pairs }) { pair.shutDown() }
    _ = shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
  }

  private func acceptAll() {
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0 else { return }
      let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      if let origin {
        var name = Self.loopback(port: 0)
        name.sin_addr.s_addr = UInt32(127 << 24 | origin).bigEndian
        _ = withUnsafePointer(to: &name) {
          $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
      }
      var name = Self.loopback(port: target)
      let connected = withUnsafePointer(to: &name) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
      }
      guard connected == 0 else {
        close(client)
        close(server)
        continue
      }
      let pair = Pair(client: client, server: server)
      state.withLock { state in
        state.accepted += 1
        state.pairs.append(pair)
      }
      Thread.detachNewThread { [self] in relay(pair, upwards: true) }
      Thread.detachNewThread { [self] in relay(pair, upwards: false) }
    }
  }

  private final class Pair: Sendable {
    let client: Int32
    let server: Int32
    /// Set when `freeze` found this connection standing.
    let frozen = Atomic<Bool>(false)
    private let ended = Atomic<Int>(0)

    init(client: Int32, server: Int32) {
      self.client = client
      self.server = server
    }

    func shutDown() {
      _ = shutdown(client, Int32(SHUT_RDWR))
      _ = shutdown(server, Int32(SHUT_RDWR))
    }

    func isOver() -> Bool { ended.add(1, ordering: .acquiringAndReleasing).newValue == 2 }
  }

  private func relay(_ pair: Pair, upwards: Bool) {
    let (from, to) = upwards ? (pair.client, pair.server) : (pair.server, pair.client)
    var buffer = [UInt8](repeating: 0, count: 64 << 10)
    relaying: while true {
      let count = recv(from, &buffer, buffer.count, 0)
      guard count > 0 else { break }
      let (allowed, isCut): (Int, Bool) = state.withLock { state in
        guard upwards else { return (count, false) }
        let allowed = min(count, state.budget ?? count)
        state.relayed += allowed
        if let budget = state.budget {
          state.budget = budget - allowed
          if budget <= count {
            state.budget = nil
            return (allowed, true)
          }
        }
        return (allowed, false)
      }
      if pair.frozen.load(ordering: .relaxed) { continue }
      var sent = 0
      while sent < allowed {
        let written = buffer.withUnsafeBytes { send(to, $0.baseAddress.map { $0 + sent }, allowed - sent, Int32(MSG_NOSIGNAL)) }
        guard written > 0 else { break relaying }
        sent += written
      }
      if isCut { break }
    }
    pair.shutDown()
    if pair.isOver() {
      state.withLock { $0.pairs.removeAll { $0 === pair } }
      close(pair.client)
      close(pair.server)
    }
  }

  private static func loopback(port: UInt16) -> sockaddr_in {
    var name = sockaddr_in()
    name.sin_family = sa_family_t(AF_INET)
    name.sin_port = port.bigEndian
    name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return name
  }
}
