public import CryptoPrimitives
internal import GRPCCore
public import Logging
public import PeerIdentity

/// One call to the enrolment listener. The task's CA is known only by its fingerprint, from the token.
public enum EnrolmentClient {
  /// - Parameters:
  ///   - authority: SHA-256 of the CA certificate's DER. The server must show a chain [its certificate, the CA] in which the CA has this
  ///     digest and has signed a certificate that is valid now, for TLS servers, and for the target's host. `nil`: insecure loopback mode.
  ///   - deadline: all tries together.
  public static func enrol(
    target: HostPort, authority: Digest?, application: EnrolmentApplication, deadline: Duration = .seconds(30),
    logger: Logger = Logger(label: "tacit.transport")
  ) async throws(TransportFailure) -> EnrolmentGrant {
    let handshake: ClientHandshake
    if let authority {
      handshake = .pinned(authority, host: target.host)
    } else {
      guard target.isLoopback else {
        throw .local("insecure loopback mode connects to 127.0.0.0/8 or ::1 only, not to \(target)")
      }
      handshake = .plaintext()
    }
    var deadlines = ClientDeadlines()
    deadlines.windowBytes = (1 << 16) - 1
    let line = ClientLine(target: target, handshake: handshake, deadlines: deadlines)
    let request = ClientRequest(message: Tacit_V1_EnrolRequest(application))
    let outcome: Result<EnrolmentGrant, TransportFailure>
    do throws(TransportFailure) {
      outcome = .success(
        try await Retrying(line: line, deadlines: deadlines).run(limit: deadline, eachTry: deadline / 2) { client, options in
          try await Tacit_V1_Enrolment.Client(wrapping: client).enrol(request: request, options: options) {
            try $0.message.contract()
          }
        })
    } catch {
      outcome = .failure(error)
    }
    await line.close()
    return try outcome.get()
  }
}
