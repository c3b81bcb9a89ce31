internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import NIOCore
internal import PeerIdentity
internal import Synchronization

/// The client's one connection to a server: opened at the first call, opened anew after `reconnect`, gone after `close`.
final class ClientLine: Sendable {
  typealias Transport = HTTP2ClientTransport.Posix
  typealias Client = GRPCClient<Transport>

  private let target: HostPort
  private let handshake: ClientHandshake
  private let deadlines: ClientDeadlines
  private let state = Mutex<State>(.none)

  private enum State {
    case none
    case open(Client, running: Task<Void, Never>)
    case closed
  }

  init(target: HostPort, handshake: ClientHandshake, deadlines: ClientDeadlines) {
    self.target = target
    self.handshake = handshake
    self.deadlines = deadlines
  }

  /// Why the last connection was not trusted.
  var distrust: String? { handshake.distrust }

  /// The connection for the next call.
  func client() throws(TransportFailure) -> Client {
    let result: Result<Client, TransportFailure> = state.withLock { state in
      switch state {
      case .open(let client, _): return .success(client)
      case .closed: return .failure(.cancelled)
      case .none:
        do {
          let client = GRPCClient(transport: try makeTransport())
          // Ends when the client's graceful shutdown is complete; its errors arrive at the calls as well.
          let running = Task.detached { _ = try? await client.runConnections() }
          state = .open(client, running: running)
          return .success(client)
        } catch {
          return .failure(.local("\(error)"))
        }
      }
    }
    return try result.get()
  }

  /// The next call opens a new connection; calls that run end on the old one.
  ///
  /// - Parameter old: only if this is still the one in use.
  func reconnect(from old: Client? = nil) {
    let outdated: Client? = state.withLock { state in
      guard case .open(let client, _) = state, old == nil || old === client else { return nil }
      state = .none
      return client
    }
    outdated?.beginGracefulShutdown()
  }

  /// Ends the connection and the calls on it.
  func close() async {
    let open: (Client, Task<Void, Never>)? = state.withLock { state in
      defer { state = .closed }
      guard case .open(let client, let running) = state else { return nil }
      return (client, running)
    }
    guard let (client, running) = open else { return }
    client.beginGracefulShutdown()
    running.cancel()
    await running.value
  }

  private func makeTransport() throws -> HTTP2ClientTransport.Posix {
    var config = HTTP2ClientTransport.Posix.Config.defaults
    config.http2.targetWindowSize = deadlines.windowBytes
    config.http2.maxFrameSize = 256 << 10
    config.backoff = .init(
      initial: deadlines.firstPause, max: deadlines.longestPause, multiplier: 1.6, jitter: 0.2)
    config.connection.keepalive = .init(
      time: deadlines.keepaliveTime, timeout: deadlines.keepaliveTimeout, allowWithoutCalls: true)
    config.channelDebuggingCallbacks.onCreateTCPConnection = { [handshake] in handshake.install(on: $0) }
    let address: any ResolvableTarget =
      switch target.host {
      case .ipv4: .ipv4(address: target.host.description, port: Int(target.port))
      case .ipv6: .ipv6(address: target.host.description, port: Int(target.port))
      case .name(let name): .dns(host: name, port: Int(target.port))
      }
    return try HTTP2ClientTransport.Posix(
      target: address, transportSecurity: handshake.isPlaintext ? .plaintext : .customSecure, config: config)
  }
}
