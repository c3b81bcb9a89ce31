public import CryptoPrimitives
public import Logging
public import PeerIdentity

/// One call to the enrolment listener. The task's CA is known only by its fingerprint, from the token.
public enum EnrolmentClient {
  /// - Parameters:
  ///   - authority: SHA-256 of the CA certificate's DER. The server must show a chain [its certificate, the CA] in which the CA has this
  ///     digest and has signed a certificate that is valid now, for TLS servers, and for the target's host. `nil`: insecure loopback mode.
  ///   - deadline: all tries together.
  public static func enrol(
    target: HostPort, authority: Digest?, application: EnrolmentApplication, deadline: Duration = .seconds(30), logger: Logger
  ) async throws(TransportFailure) -> EnrolmentGrant { fatalError("in work") }
}
