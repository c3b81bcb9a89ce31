internal import CryptoPrimitives
internal import NIOCore
internal import NIOSSL
internal import NIOTLS
internal import PeerIdentity

/// TLS 1.3 on a connection that the client opened, and the memory of why the last one was not trusted.
final class ClientHandshake: Sendable {
  private let makeHandler: (@Sendable () throws -> NIOSSLClientHandler)?
  private let problem: Shared<String?>

  /// - Parameter makeHandler: TLS for the next connection; `nil` for plaintext.
  private init(problem: Shared<String?> = Shared(nil), makeHandler: (@Sendable () throws -> NIOSSLClientHandler)?) {
    self.problem = problem
    self.makeHandler = makeHandler
  }

  static func plaintext() -> ClientHandshake { ClientHandshake(makeHandler: nil) }

  /// Mutual TLS; the server's certificate must be of the task's CA and for `host`.
  static func mutual(_ tls: ClientTLS, host: HostPort.Host) -> ClientHandshake {
    ClientHandshake { try NIOSSLClientHandler(context: tls.context, serverHostname: host.serverName) }
  }

  /// TLS without a certificate of our own; the server is known by its CA's fingerprint.
  static func pinned(_ fingerprint: Digest, host: HostPort.Host) -> ClientHandshake {
    let problem = Shared<String?>(nil)
    let pin = PinnedAuthority(fingerprint: fingerprint, host: host) { problem.set($0) }
    return ClientHandshake(problem: problem) {
      var configuration = TLSConfiguration.makeClientConfiguration()
      configuration.minimumTLSVersion = .tlsv13
      configuration.applicationProtocols = ["h2"]
      configuration.trustRoots = .certificates([])
      return try NIOSSLClientHandler(
        context: try NIOSSLContext(configuration: configuration), serverHostname: host.serverName,
        customVerificationCallback: { chain, promise in pin.verify(chain, promise) })
    }
  }

  var isPlaintext: Bool { makeHandler == nil }

  /// Why the last connection was not trusted; `nil` when it was, or when there was none.
  var distrust: String? { problem.get() }

  /// Called on the connection's event loop, before it is connected.
  func install(on channel: any Channel) -> EventLoopFuture<Void> {
    guard let makeHandler else { return channel.eventLoop.makeSucceededVoidFuture() }
    // What was wrong with the connection before says nothing about this one, which may merely find nobody.
    problem.set(nil)
    return channel.eventLoop.makeCompletedFuture {
      let tls = try makeHandler()
      try channel.pipeline.syncOperations.addHandler(tls, position: .first)
      try channel.pipeline.syncOperations.addHandler(Watch(self), position: .after(tls))
    }
  }

  private final class Watch: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    private let owner: ClientHandshake

    init(_ owner: ClientHandshake) { self.owner = owner }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case .handshakeCompleted(let negotiated)? = event as? TLSUserEvent {
        if negotiated == "h2" {
          owner.problem.set(nil)
        } else {
          owner.problem.set("the other side does not speak HTTP/2")
          context.close(promise: nil)
        }
      }
      context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      // The pin has said it more exactly already.
      if owner.problem.get() == nil, let distrust = TLSProblem.distrust(of: error) { owner.problem.set(distrust) }
      context.fireErrorCaught(error)
    }
  }
}

extension HostPort.Host {
  /// Name for SNI and for the certificate's check; an address is compared with the connection's own.
  var serverName: String? {
    if case .name(let name) = self { return name }
    return nil
  }
}
