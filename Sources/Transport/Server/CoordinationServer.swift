public import Logging
public import PeerIdentity
internal import GRPCCore

/// The training listener: receives calls, checks them, asks the handler.
public final class CoordinationServer: Sendable {
  /// - Parameters:
  ///   - listen: address and port; port 0 takes a free one.
  ///   - onRefusal: called with the machine reason of every refusal (and `tls-…` for failed handshakes), from any thread.
  /// - Throws: `ListenError` when insecure loopback mode is asked for another address.
  public init(
    listen: HostPort, security: ServerSecurity, handler: any CoordinationHandler, limits: TransportLimits = TransportLimits(),
    logger: Logger, onRefusal: @escaping @Sendable (String) -> Void = { _ in }
  ) throws { fatalError("in work") }

  /// Listens until `beginGracefulShutdown` or cancellation. Throws `ListenError` when the address cannot be bound.
  public func run() async throws { fatalError("in work") }

  /// Where it listens, once it does.
  public var boundAddress: HostPort { get async throws { fatalError("in work") } }

  /// No new calls; running ones may end within `TransportLimits.drain` (polls are answered `draining` at once).
  public func beginGracefulShutdown() { fatalError("in work") }

  /// Authorises every running call again, now: whoever is revoked or superseded is cut off before this returns.
  public func reauthorize() async { fatalError("in work") }
}

/// Why a server cannot listen.
public struct ListenError: Error, Sendable, CustomStringConvertible {
  public let description: String
}
