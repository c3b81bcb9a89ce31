internal import Glibc
package import Hummingbird
internal import HummingbirdCore
package import Logging
internal import NIOCore
package import PeerIdentity

/// A plain HTTP/1.1 listener with bounds on what a client may send and hold: headers, idle time, connections.
package struct HTTPListener: Sendable {
  /// Nobody could listen there, and why, in the system's words.
  package struct Failure: Error {
    package let reason: String
  }

  private let address: HostPort
  private let connections: WaitingConnections
  private let idleSeconds: Int
  private let headerBytesMax: Int

  /// - Parameters:
  ///   - address: port 0 takes any free one.
  ///   - connectionsMax: from then on each new connection closes the one that has waited longest for its client.
  ///   - idleSeconds: how long a connection may say nothing, or leave its answers lying.
  ///   - headerBytesMax: length of a request's target, or of one header; all of them together may have twice that, 64 headers at most.
  package init(_ address: HostPort, connectionsMax: Int, idleSeconds: Int, headerBytesMax: Int) {
    (self.address, self.idleSeconds, self.headerBytesMax) = (address, idleSeconds, headerBytesMax)
    connections = WaitingConnections(most: connectionsMax)
  }

  /// Answers requests until graceful shutdown or cancellation; those that have begun are answered first.
  ///
  /// - Parameters:
  ///   - logger: also the HTTP server's own, which writes targets and bodies below `info`.
  ///   - onListening: receives the port once it accepts connections.
  /// - Throws: `Failure` when it cannot listen there.
  package func run(
    logger: Logger, onListening: @escaping @Sendable (UInt16) async -> Void,
    respond: @escaping @Sendable (Request) async -> Response
  ) async throws {
    let application = Application(
      responder: CallbackResponder<BasicRequestContext> { request, _ in await respond(request) },
      server: .http1(
        configuration: HTTP1Channel.Configuration(
          additionalChannelHandlers: [ConnectionWatch(connections, patience: .seconds(Int64(idleSeconds)))],
          idleTimeout: .seconds(Int64(idleSeconds)),
          httpDecoderConfiguration: HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: headerBytesMax, maxHeaderListSize: 2 * headerBytesMax, maxHeaderFieldCount: 64))),
      configuration: ApplicationConfiguration(
        address: .hostname(address.host.description, port: Int(address.port)),
        // Beyond the room there are requests that are being answered only.
        availableConnectionsDelegate: MaximumAvailableConnections(connections.most + 16)),
      onServerRunning: { channel in
        await onListening(channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? address.port)
      }, logger: logger)
    do { try await application.run() } catch let error as IOError {
      throw Failure(reason: String(cString: strerror(error.errnoCode)))
    }
  }
}
