public import Logging
public import PeerIdentity

/// The enrolment listener: server-authenticated TLS 1.3, one call, strangers allowed, few at a time.
public final class EnrolmentServer: Sendable {
  /// - Parameters:
  ///   - tls: `nil`: insecure loopback mode.
  ///   - onRefusal: called with the machine reason of every refusal, from any thread.
  /// - Throws: `ListenError` when insecure loopback mode is asked for another address.
  public init(
    listen: HostPort, tls: ServerTLS?, handler: any EnrolmentHandler, limits: EnrolmentLimits = EnrolmentLimits(), logger: Logger,
    onRefusal: @escaping @Sendable (String) -> Void = { _ in }
  ) throws { fatalError("in work") }

  public func run() async throws { fatalError("in work") }
  public var boundAddress: HostPort { get async throws { fatalError("in work") } }
  public func beginGracefulShutdown() { fatalError("in work") }
}
