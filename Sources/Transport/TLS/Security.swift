public import CryptoPrimitives
internal import Synchronization

/// The coordinator's side of TLS 1.3: its certificate, which may be replaced while the server runs, and the CA of the task.
public final class ServerTLS: Sendable {
  /// - Parameters:
  ///   - certificatePEM: the server's certificate, issued by the CA.
  ///   - privateKeyPEM: its key.
  ///   - authorityPEM: the task's CA; sent along, and required of clients.
  /// - Throws: `TLSMaterialError`.
  public init(certificatePEM: String, privateKeyPEM: SecretBytes, authorityPEM: String) throws { fatalError("in work") }

  /// Connections from now on see the new certificate; running ones go on.
  public func reload(certificatePEM: String, privateKeyPEM: SecretBytes) throws { fatalError("in work") }
}

/// The partner's side of TLS 1.3.
public final class ClientTLS: Sendable {
  /// - Throws: `TLSMaterialError`.
  public init(certificatePEM: String, privateKeyPEM: SecretBytes, authorityPEM: String) throws { fatalError("in work") }

  /// Connections from now on use the new certificate (`CoordinationClient.reconnect` makes one).
  public func reload(certificatePEM: String, privateKeyPEM: SecretBytes) throws { fatalError("in work") }
}

/// How a server meets its clients.
public enum ServerSecurity: Sendable {
  /// Mutual TLS 1.3; clients name themselves by the URI `tacit://TASK/partner/ID` in their certificate.
  /// - Parameter task: hexadecimal task id.
  case mutualTLS(ServerTLS, task: String)
  /// Plaintext, for trying out on one machine: anything but 127.0.0.0/8 and ::1 is refused, and clients say who they are.
  case insecureLoopback
}

/// How a client meets its server.
public enum ClientSecurity: Sendable {
  case mutualTLS(ClientTLS)
  /// Plaintext; anything but 127.0.0.0/8 and ::1 is refused.
  case insecureLoopback(participant: UInt32)
}

/// Why certificates and keys cannot be used.
public struct TLSMaterialError: Error, Sendable, CustomStringConvertible {
  public let description: String
}
