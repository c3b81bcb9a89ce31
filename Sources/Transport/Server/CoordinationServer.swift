public import Logging
public import PeerIdentity

#if canImport(FoundationEssentials)
  package import FoundationEssentials
#else
  package import Foundation
#endif

/// The training listener: receives calls, checks them, asks the handler.
public final class CoordinationServer: Sendable {
  private let gate: CallGate
  private let listener: Listener
  private let limits: TransportLimits

  /// - Parameters:
  ///   - listen: address and port; port 0 takes a free one.
  ///   - onRefusal: called with the machine reason of every refusal (and `tls-…` for failed handshakes), from any thread.
  /// - Throws: `ListenError` when insecure loopback mode is asked for another address.
  public convenience init(
    listen: HostPort, security: ServerSecurity, handler: any CoordinationHandler, limits: TransportLimits = TransportLimits(),
    logger: Logger = Logger(label: "tacit.transport"), onRefusal: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(ListenError) {
    try self.init(
      listen: listen, security: security, handler: handler, limits: limits, logger: logger, now: { Date() }, onRefusal: onRefusal)
  }

  /// - Parameter now: the clock that certificates are judged by, so that tests can let one expire.
  package init(
    listen: HostPort, security: ServerSecurity, handler: any CoordinationHandler, limits: TransportLimits,
    logger: Logger = Logger(label: "tacit.transport"), now: @escaping @Sendable () -> Date,
    onRefusal: @escaping @Sendable (String) -> Void
  ) throws(ListenError) {
    let anchor: TrustAnchor?
    let handshake: ServerHandshake
    switch security {
    case .mutualTLS(let tls):
      anchor = tls.anchor
      handshake = ServerHandshake(
        context: { tls.mutual }, timeLimit: limits.handshake, room: limits.room,
        perPartner: .init(limit: limits.connectionsPerParticipant) { certificate in
          guard let issued = try? IssuedCertificate(der: certificate) else { return nil }
          return try? tls.anchor.partner(of: issued).participant
        }, count: onRefusal)
    case .insecureLoopback:
      anchor = nil
      handshake = ServerHandshake(
        context: nil, timeLimit: limits.handshake, room: limits.room, count: onRefusal)
    }
    self.limits = limits
    gate = CallGate(anchor: anchor, handler: handler, limits: limits, logger: logger, now: now, count: onRefusal)
    listener = try Listener(
      Listener.Settings(
        address: listen, isInsecure: anchor == nil, windowBytes: limits.windowBytes, messageBytes: 2 * limits.chunkBytes,
        streams: limits.streamsPerConnection, keepaliveTime: limits.keepaliveTime, keepaliveTimeout: limits.keepaliveTimeout,
        drain: limits.drain),
      handshake: handshake, service: CoordinationService(gate: gate, handler: handler, pace: handshake.pace), logger: logger,
      count: onRefusal)
  }

  /// Listens until `beginGracefulShutdown` or cancellation.
  ///
  /// - Throws: `ListenError` when the address cannot be bound.
  public func run() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.listener.run { self.gate.stop() } }
      group.addTask {
        while !Task.isCancelled {
          let now = ContinuousClock.now
          for call in self.gate.calls.all { call.endIfLate(now: now) }
          await self.gate.reauthorize()
          try? await Task.sleep(for: self.limits.reauthorization)
        }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  /// Where it listens, once it does.
  public var boundAddress: HostPort { get async throws { try await listener.boundAddress } }

  /// No new calls; running ones may end within `TransportLimits.drain` (polls are answered `draining` at once).
  public func beginGracefulShutdown() {
    gate.drain()
    listener.beginGracefulShutdown()
  }

  /// Authorises every running call again, now: whoever is revoked or superseded is cut off.
  public func reauthorize() async { await gate.reauthorize() }
}
