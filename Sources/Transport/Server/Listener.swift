internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import Glibc
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import PeerIdentity
internal import Synchronization

/// Why a server cannot listen: one sentence.
public struct ListenError: Error, Sendable, CustomStringConvertible {
  public let description: String
}

/// What both listeners have in common: an address, gRPC over it, and a graceful end.
final class Listener: Sendable {
  private let address: HostPort
  private let transport: CountingTransport
  private let server: GRPCServer<CountingTransport>
  private let handshake: ServerHandshake
  private let drain: Duration
  private let logger: Logger
  private let shutdown = Mutex<(begun: Bool, wake: CheckedContinuation<Void, Never>?)>((false, nil))

  struct Settings {
    var address: HostPort
    var isInsecure: Bool
    var windowBytes: Int
    var messageBytes: Int
    var streams: Int
    var keepaliveTime: Duration
    var keepaliveTimeout: Duration
    var drain: Duration
  }

  /// - Throws: `ListenError`.
  init(
    _ settings: Settings, handshake: ServerHandshake, service: any RegistrableRPCService, logger: Logger,
    count: @escaping @Sendable (String) -> Void
  ) throws(ListenError) {
    if settings.isInsecure, !settings.address.isLoopback {
      throw ListenError(
        description:
          "Insecure loopback mode listens on 127.0.0.0/8 or ::1 only, not on \(settings.address); give such an address, or use TLS."
      )
    }
    var config = HTTP2ServerTransport.Posix.Config.defaults
    config.http2.targetWindowSize = settings.windowBytes
    config.http2.maxFrameSize = 256 << 10
    config.http2.maxConcurrentStreams = settings.streams
    config.rpc.maxRequestPayloadSize = settings.messageBytes
    config.connection.keepalive = .init(
      time: settings.keepaliveTime, timeout: settings.keepaliveTimeout,
      clientBehavior: .init(minPingIntervalWithoutCalls: .seconds(5), allowWithoutCalls: true))
    config.connection.maxIdleTime = .seconds(300)
    config.channelDebuggingCallbacks.onAcceptTCPConnection = { handshake.install(on: $0) }
    config.channelDebuggingCallbacks.onAcceptHTTP2Stream = { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandler(FramingErrors(count: count), position: .last)
      }
    }
    config.channelDebuggingCallbacks.onBindTCPListener = { channel in
      channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.addHandlers([
          AcceptBackoffHandler(shouldForwardIOErrorCaught: false), AcceptErrors(logger: logger),
        ])
      }
    }
    address = settings.address
    drain = settings.drain
    self.handshake = handshake
    self.logger = logger
    transport = CountingTransport(
      base: HTTP2ServerTransport.Posix(
        address: try Self.socketAddress(settings.address), transportSecurity: .plaintext, config: config),
      count: count)
    server = GRPCServer(transport: transport, services: [service])
  }

  /// Serves until the shutdown is complete or the task is cancelled.
  ///
  /// - Parameter cutOff: ends the calls that still run when the drain time is over or the task is cancelled.
  func run(cutOff: @escaping @Sendable () -> Void) async throws {
    // Not a child task, for it must not be cancelled with this one: a stream that gRPC has not yet taken when its task is cancelled ends
    // the process (swift-nio #3481: "Deinited NIOAsyncWriter without calling finish()"). It ends by itself when no connection is left.
    let serving = Task { try await server.serve() }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { _ = await serving.result }
      group.addTask {
        await self.shutdownBegun()
        guard !Task.isCancelled else { return }
        try? await Task.sleep(for: self.drain)
        cutOff()
        // Calls that were just ended send their refusal first.
        try? await Task.sleep(for: .milliseconds(200))
      }
      // Whatever ends first: the server, or the time that it has for ending.
      await group.next()
      // Not the server's own: it would not listen any more where it does not yet, and nobody would hear where it is bound.
      transport.beginGracefulShutdown()
      handshake.closeAll()
      cutOff()
      group.cancelAll()
    }
    do {
      try await serving.value
    } catch {
      if Task.isCancelled || shutdown.withLock({ $0.begun }) { return }
      throw ListenError(description: "Cannot listen on \(address): \(Self.cause(of: error)).")
    }
  }

  var boundAddress: HostPort {
    get async throws {
      let bound = try await transport.base.listeningAddress
      if let address = bound.ipv4 { return try HostPort(parsing: "\(address.host):\(address.port)") }
      if let address = bound.ipv6 { return try HostPort(parsing: "[\(address.host)]:\(address.port)") }
      throw ListenError(description: "The listener has no internet address.")
    }
  }

  func beginGracefulShutdown() {
    let wake = shutdown.withLock { shutdown in
      shutdown.begun = true
      let wake = shutdown.wake
      shutdown.wake = nil
      return wake
    }
    server.beginGracefulShutdown()
    wake?.resume()
  }

  private func shutdownBegun() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { wake in
        let isOver = shutdown.withLock { shutdown in
          if shutdown.begun || Task.isCancelled { return true }
          shutdown.wake = wake
          return false
        }
        if isOver { wake.resume() }
      }
    } onCancel: {
      let wake = shutdown.withLock { shutdown in
        let wake = shutdown.wake
        shutdown.wake = nil
        return wake
      }
      wake?.resume()
    }
  }

  private static func socketAddress(_ address: HostPort) throws(ListenError) -> GRPCNIOTransportCore.SocketAddress {
    switch address.host {
    case .ipv4: return .ipv4(host: address.host.description, port: Int(address.port))
    case .ipv6: return .ipv6(host: address.host.description, port: Int(address.port))
    case .name(let name):
      do {
        let resolved = try NIOCore.SocketAddress.makeAddressResolvingHost(name, port: Int(address.port))
        guard let text = resolved.ipAddress else { throw ListenError(description: "no address") }
        return resolved.protocol == .inet6
          ? .ipv6(host: text, port: Int(address.port)) : .ipv4(host: text, port: Int(address.port))
      } catch {
        throw ListenError(description: "Cannot listen on \(address): the name has no address here.")
      }
    }
  }

  /// The innermost reason.
  private static func cause(of error: any Error) -> String {
    if let error = error as? RuntimeError, let cause = error.cause { return self.cause(of: cause) }
    if let error = error as? IOError { return String(cString: strerror(error.errnoCode)) }
    return "\(error)"
  }
}

/// gRPC's transport, which counts calls of methods that nobody knows before anything else looks at them.
struct CountingTransport: ServerTransport {
  typealias Bytes = HTTP2ServerTransport.Posix.Bytes
  let base: HTTP2ServerTransport.Posix
  let count: @Sendable (String) -> Void
  private let known = Shared<Set<String>>([])

  init(base: HTTP2ServerTransport.Posix, count: @escaping @Sendable (String) -> Void) {
    self.base = base
    self.count = count
  }

  func configure(context: GRPCServerContext) {
    known.set(Set(context.methods.map(\.fullyQualifiedMethod)))
    base.configure(context: context)
  }

  func listen(
    streamHandler: @escaping @Sendable (RPCStream<Inbound, Outbound>, ServerContext) async -> Void
  ) async throws {
    let known = known.get()
    try await base.listen { stream, context in
      guard known.contains(stream.descriptor.fullyQualifiedMethod) else {
        let refusal = TransportRefusal.unknownMethod
        count(refusal.reason)
        // When the stream is closed already, nobody is left to tell.
        try? await stream.outbound.write(.status(refusal.status, refusal.metadata))
        await stream.outbound.finish()
        return
      }
      await streamHandler(stream, context)
    }
  }

  func beginGracefulShutdown() { base.beginGracefulShutdown() }
}

/// Counts streams that gRPC ends because of a message that it cannot read: cut short, or larger than allowed. Whoever answers the call
/// sees no more of it than a caller who went away.
private final class FramingErrors: ChannelInboundHandler {
  typealias InboundIn = NIOAny
  private let count: @Sendable (String) -> Void

  init(count: @escaping @Sendable (String) -> Void) { self.count = count }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if (error as? RPCError)?.code == .internalError { count(TransportRefusal.malformed(field: "message").reason) }
    context.fireErrorCaught(error)
  }
}

/// An error while accepting one connection must not end the listener.
private final class AcceptErrors: ChannelInboundHandler {
  typealias InboundIn = any Channel
  typealias InboundOut = any Channel
  private let logger: Logger

  init(logger: Logger) { self.logger = logger }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    logger.warning("a connection could not be accepted", metadata: ["error": "\(error)"])
  }
}
