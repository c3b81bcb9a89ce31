import Foundation
import Glibc
import Synchronization

/// What a line does to the bytes of one connection, counted in one direction.
enum LineFault: Sendable, Equatable, CustomStringConvertible {
  /// Every piece of at most 16 KiB waits so long.
  case delay(milliseconds: UInt32)
  /// The connection is reset, in both directions.
  case reset(after: Int)
  /// What follows never comes, and the stream ends as if that were all.
  case truncate(after: Int)
  /// Nothing is forwarded any more and nothing is closed: neither side is told.
  case halfOpen(after: Int)
  /// `count` bytes are left out; what follows goes on.
  case omit(after: Int, count: Int)
  /// The last `count` bytes come again; what follows goes on.
  case double(after: Int, count: Int)
  /// One bit is turned.
  case flip(after: Int)

  var description: String {
    switch self {
    case .delay(let milliseconds): "delay of \(milliseconds) ms"
    case .reset(let after): "reset after \(after) bytes"
    case .truncate(let after): "truncated after \(after) bytes"
    case .halfOpen(let after): "half-open after \(after) bytes"
    case .omit(let after, let count): "\(count) bytes left out after \(after)"
    case .double(let after, let count): "\(count) bytes repeated after \(after)"
    case .flip(let after): "a bit turned after \(after) bytes"
    }
  }
}

/// A TCP forwarder between a client and its server that breaks what it is told to break.
///
/// Connections get the faults of the script in turn; when it is used up they are forwarded as they are.
final class FaultyProxy: Sendable {
  enum Direction: Sendable { case up, down }

  struct Script: Sendable {
    /// One entry per connection to come.
    var next: [(Direction, LineFault)] = []
    /// For connections without an entry.
    var standing: LineFault?
    /// Nothing passes, in any direction, and nobody is told; it goes on when the cable is back.
    var isUnplugged = false
    /// New connections are closed at once, as if nobody listened.
    var isClosed = false
  }

  /// From which addresses the server is dialled.
  enum Sources: Sendable {
    case one
    /// Every connection from another address of 127.0.0.0/8.
    case many
  }

  let port: UInt16
  private let sources: Sources
  private let listener: Int32
  private let target: UInt16
  private let script = Mutex(Script())
  private let state = Mutex(State())

  private struct State {
    var sockets: Set<Int32> = []
    var connections = 0
    var bytesUp = 0
    var bytesDown = 0
    var faultsDone = 0
    var isOver = false
  }

  /// Listens on a free port of 127.0.0.1.
  ///
  /// - Parameter target: port on 127.0.0.1 that connections are forwarded to.
  init(target: UInt16, sources: Sources = .one) throws {
    self.target = target
    self.sources = sources
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard listener >= 0 else { throw SuiteError("no socket: \(String(cString: strerror(errno)))") }
    guard let port = Loopback.bind(listener, port: 0), listen(listener, 64) == 0 else {
      close(listener)
      throw SuiteError("no free port on 127.0.0.1: \(String(cString: strerror(errno)))")
    }
    self.port = port
    let listener = listener
    Thread.detachNewThread { [weak self] in
      while true {
        let client = accept(listener, nil, nil)
        guard client >= 0 else {
          if errno == EINTR || errno == ECONNABORTED { continue }
          return
        }
        _ = fcntl(client, F_SETFD, FD_CLOEXEC)
        guard let self else {
          close(client)
          return
        }
        self.take(client)
      }
    }
  }

  deinit { stop() }

  func stop() {
    let wasOver = state.withLock { state in
      defer { state.isOver = true }
      return state.isOver
    }
    guard !wasOver else { return }
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
    cutAll()
  }

  func change(_ body: @Sendable (inout Script) -> Void) { script.withLock { body(&$0) } }

  /// Resets every connection that stands.
  func cutAll() {
    state.withLock { state in
      for descriptor in state.sockets { Loopback.reset(descriptor) }
    }
  }

  var connections: Int { state.withLock { $0.connections } }
  var bytesUp: Int { state.withLock { $0.bytesUp } }
  var bytesDown: Int { state.withLock { $0.bytesDown } }
  /// How many faults of the script have happened.
  var faultsDone: Int { state.withLock { $0.faultsDone } }

  // MARK: - One connection

  private func take(_ client: Int32) {
    let planned: (direction: Direction, fault: LineFault)?
    let isClosed: Bool
    (planned, isClosed) = script.withLock { script in
      if script.isClosed { return (nil, true) }
      if !script.next.isEmpty { return (script.next.removeFirst(), false) }
      return (script.standing.map { (.up, $0) }, false)
    }
    let number = UInt32(connections)
    let source: UInt32 = sources == .one ? 0x7F00_0001 : 0x7F01_0001 + number % 60_000
    let server = isClosed ? -1 : Loopback.connect(to: target, from: source)
    guard server >= 0 else {
      Loopback.reset(client)
      close(client)
      return
    }
    let pair = Pair(client: client, server: server)
    let isOver = state.withLock { state in
      state.connections += 1
      state.sockets.formUnion([client, server])
      return state.isOver
    }
    for direction in [Direction.up, .down] {
      let delayed: LineFault? = if case .delay = planned?.fault { planned?.fault } else { nil }
      let fault = planned?.direction == direction ? planned?.fault : delayed
      Thread.detachNewThread { [weak self] in
        Pump(
          pair: pair, direction: direction, fault: fault,
          isUnplugged: { [weak self] in self?.script.withLock { $0.isUnplugged } ?? false }
        ) { bytes, isFault in
          self?.state.withLock { state in
            if direction == .up { state.bytesUp += bytes } else { state.bytesDown += bytes }
            if isFault { state.faultsDone += 1 }
          }
        }.run()
        if pair.isLastToLeave {
          self?.state.withLock { $0.sockets.subtract([client, server]) }
          close(client)
          close(server)
        }
      }
    }
    if isOver { cutAll() }
  }

  /// Two sockets that are closed when both directions are done.
  private final class Pair: Sendable {
    let client: Int32
    let server: Int32
    private let open = Mutex(2)

    init(client: Int32, server: Int32) {
      self.client = client
      self.server = server
    }

    var isLastToLeave: Bool {
      open.withLock { open in
        open -= 1
        return open == 0
      }
    }
  }

  /// One direction of a connection.
  private struct Pump {
    let pair: Pair
    let direction: Direction
    let fault: LineFault?
    let isUnplugged: () -> Bool
    /// Bytes that were forwarded, and whether the fault happened with them.
    let report: (Int, Bool) -> Void

    private enum Verdict { case goOn, end, swallow, cut }

    func run() {
      let (source, sink) = direction == .up ? (pair.client, pair.server) : (pair.server, pair.client)
      var buffer = [UInt8](repeating: 0, count: 16 << 10)
      var position = 0
      var isDone = false
      var isSwallowing = false
      while true {
        // Waiting is done in `poll`: a thread that sits in `read` would keep another one from resetting the socket.
        var wanted = pollfd(fd: source, events: Int16(POLLIN), revents: 0)
        _ = poll(&wanted, 1, -1)
        while isUnplugged() { usleep(5000) }
        let count = recv(source, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        if count < 0, errno == EINTR || errno == EAGAIN { continue }
        guard count > 0 else { break }
        if isSwallowing { continue }
        var piece = Array(buffer[..<count])
        var verdict = Verdict.goOn
        if !isDone || isDelay { (verdict, isDone) = apply(to: &piece, at: position, isDone) }
        position += count
        if verdict == .end {
          report(0, true)
          for descriptor in [source, sink] { Loopback.reset(descriptor) }
          return
        }
        guard Loopback.writeAll(piece, to: sink) else { break }
        if verdict == .cut {
          report(piece.count, true)
          // Both sides see a proper end; what still comes is swallowed, so that no reset overtakes it.
          for descriptor in [source, sink] { shutdown(descriptor, Int32(SHUT_WR)) }
          isSwallowing = true
          continue
        }
        report(piece.count, verdict == .swallow)
        if verdict == .swallow { isSwallowing = true }
      }
      // The peer's end of stream goes on; a half-open line keeps even that to itself.
      if !isSwallowing { shutdown(sink, Int32(SHUT_WR)) }
    }

    private var isDelay: Bool { if case .delay = fault { true } else { false } }

    /// Changes a piece that begins at `position` of the stream.
    private func apply(to piece: inout [UInt8], at position: Int, _ wasDone: Bool) -> (Verdict, isDone: Bool) {
      /// Offset in the piece of a fault that is due, or `nil`.
      func due(_ after: Int) -> Int? { after < position + piece.count ? max(0, after - position) : nil }
      switch fault {
      case nil: return (.goOn, true)
      case .delay(let milliseconds):
        usleep(milliseconds * 1000)
        return (.goOn, true)
      case .reset(let after): return due(after) == nil ? (.goOn, false) : (.end, true)
      case .truncate(let after):
        guard let offset = due(after) else { return (.goOn, false) }
        piece.removeSubrange(offset...)
        return (.cut, true)
      case .halfOpen(let after):
        guard let offset = due(after) else { return (.goOn, false) }
        piece.removeSubrange(offset...)
        return (.swallow, true)
      case .omit(let after, let count):
        guard let offset = due(after) else { return (.goOn, false) }
        piece.removeSubrange(offset..<min(offset + count, piece.count))
        report(0, true)
        return (.goOn, true)
      case .double(let after, let count):
        guard let offset = due(after), offset > 0 else { return (.goOn, false) }
        piece.insert(contentsOf: piece[max(0, offset - count)..<offset], at: offset)
        report(0, true)
        return (.goOn, true)
      case .flip(let after):
        guard let offset = due(after) else { return (.goOn, false) }
        piece[offset] ^= 0x10
        report(0, true)
        return (.goOn, true)
      }
    }
  }
}

/// Sockets of 127.0.0.1.
enum Loopback {
  /// Binds to a port (0: any free one), and says which.
  static func bind(_ descriptor: Int32, port: UInt16, address host: UInt32 = 0x7F00_0001) -> UInt16? {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = host.bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
        guard Glibc.bind(descriptor, raw, length) == 0, getsockname(descriptor, raw, &length) == 0 else { return nil }
        return UInt16(bigEndian: pointer.pointee.sin_port)
      }
    }
  }

  /// A connected socket, or a negative number.
  ///
  /// - Parameter source: address of 127.0.0.0/8 that the connection comes from.
  static func connect(to port: UInt16, from source: UInt32 = 0x7F00_0001) -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return -1 }
    if source != 0x7F00_0001 { _ = bind(descriptor, port: 0, address: source) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let code = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0 else {
      close(descriptor)
      return -1
    }
    return descriptor
  }

  private static let given = Mutex<Set<UInt16>>([])

  /// A port that is free now and was given to nobody else of this process, and that the kernel gives to no outgoing connection while
  /// the coordinator is away.
  static func freePort() throws -> UInt16 {
    for _ in 0..<1000 {
      let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
      defer { close(descriptor) }
      if let port = bind(descriptor, port: UInt16.random(in: 10_000..<32_000)), given.withLock({ $0.insert(port).inserted }) {
        return port
      }
    }
    throw SuiteError("no free port on 127.0.0.1")
  }

  /// Resets a connection at once. Closing would need every thread to have let go of the descriptor first, and
  /// `shutdown` would say goodbye properly; to connect to nothing takes a TCP connection down with a reset.
  static func reset(_ descriptor: Int32) {
    var nothing = sockaddr()
    nothing.sa_family = sa_family_t(AF_UNSPEC)
    _ = Glibc.connect(descriptor, &nothing, socklen_t(MemoryLayout<sockaddr>.size))
  }

  static func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var position = 0
    while position < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        send(descriptor, buffer.baseAddress.map { $0 + position }, bytes.count - position, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      position += count
    }
    return true
  }
}
