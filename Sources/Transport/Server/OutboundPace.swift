package import NIOCore
internal import Synchronization

/// Lets a call that sends much wait until its connection has sent what it was given.
///
/// gRPC's writer takes whatever fits before the connection's event loop runs again: while fifty partners fetch a model at once, all
/// of it would stand in memory fifty times. A call that asks here after each chunk has no more than that one chunk on its way.
package final class OutboundPace: Sendable {
  /// By the peer's address as gRPC names it.
  private let lines = Mutex<[String: Line]>([:])

  package init() {}

  /// Called on the connection's event loop.
  package func install(on channel: any Channel) throws {
    guard let name = Self.name(of: channel.remoteAddress) else { return }
    let line = Line(channel.eventLoop)
    try channel.pipeline.syncOperations.addHandler(Watch(line), position: .last)
    lines.withLock { $0[name] = line }
    channel.closeFuture.whenComplete { _ in
      self.lines.withLock { if $0[name] === line { $0[name] = nil } }
    }
  }

  /// Returns when the connection has little left to send, is closed, or the call is cancelled.
  package func room(on remotePeer: String) async {
    guard let line = lines.withLock({ $0[remotePeer] }) else { return }
    await line.room()
  }

  /// "ipv4:192.0.2.1:443", "ipv6:[2001:db8::1]:443"
  private static func name(of address: SocketAddress?) -> String? {
    guard let address, let host = address.ipAddress, let port = address.port else { return nil }
    return address.protocol == .inet6 ? "ipv6:[\(host)]:\(port)" : "ipv4:\(host):\(port)"
  }

  /// One connection's waiting calls; everything happens on its event loop.
  fileprivate final class Line: Sendable {
    let loop: any EventLoop
    private let state: NIOLoopBound<State>

    fileprivate final class State {
      var channel: (any Channel)?
      var waiting: [ObjectIdentifier: Waiter] = [:]
    }

    fileprivate final class Waiter: Sendable {
      private let continuation = Mutex<(isOver: Bool, continuation: CheckedContinuation<Void, Never>?)>((false, nil))

      func wait() async {
        await withCheckedContinuation { new in
          let isOver = continuation.withLock { state in
            if !state.isOver { state.continuation = new }
            return state.isOver
          }
          if isOver { new.resume() }
        }
      }

      func end() {
        let waiting = continuation.withLock { state in
          state.isOver = true
          defer { state.continuation = nil }
          return state.continuation
        }
        waiting?.resume()
      }
    }

    init(_ loop: any EventLoop) {
      self.loop = loop
      state = NIOLoopBound(State(), eventLoop: loop)
    }

    func room() async {
      let waiter = Waiter()
      // Behind everything that was handed to the loop before.
      loop.execute {
        let state = self.state.value
        guard let channel = state.channel, !channel.isWritable else { return waiter.end() }
        state.waiting[ObjectIdentifier(waiter)] = waiter
      }
      await withTaskCancellationHandler {
        await waiter.wait()
      } onCancel: {
        waiter.end()
      }
      loop.execute { self.state.value.waiting[ObjectIdentifier(waiter)] = nil }
    }

    /// - Parameter channel: `nil` when it is closed.
    func changed(_ channel: (any Channel)?) {
      let state = state.value
      state.channel = channel
      guard channel?.isWritable ?? true else { return }
      let waiting = state.waiting
      state.waiting = [:]
      for waiter in waiting.values { waiter.end() }
    }
  }

  /// Tells a line when its connection takes more.
  private final class Watch: ChannelInboundHandler {
    typealias InboundIn = NIOAny
    private let line: Line

    init(_ line: Line) { self.line = line }

    func handlerAdded(context: ChannelHandlerContext) { line.changed(context.channel) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
      line.changed(context.channel)
      context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
      line.changed(nil)
      context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { line.changed(nil) }
  }
}
