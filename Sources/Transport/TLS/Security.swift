public import CryptoPrimitives
internal import NIOSSL
public import PeerIdentity
internal import Synchronization

/// The coordinator's side of TLS 1.3: its certificate, which may be replaced while the server runs, and the CA of the task.
public final class ServerTLS: Sendable {
  /// The task's CA: the only one that clients' certificates may come from.
  public let anchor: TrustAnchor
  private let material: Mutex<TLSMaterial>
  private let contexts: Mutex<(mutual: NIOSSLContext, serverOnly: NIOSSLContext)>

  /// - Parameters:
  ///   - certificatePEM: the server's certificate, issued by the CA.
  ///   - privateKeyPEM: its key.
  ///   - authorityPEM: the task's CA; sent along, and required of clients.
  /// - Throws: `TLSMaterialError`.
  public init(certificatePEM: String, privateKeyPEM: SecretBytes, authorityPEM: String) throws(TLSMaterialError) {
    let material = try TLSMaterial(certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM, authorityPEM: authorityPEM)
    anchor = material.anchor
    contexts = Mutex(try Self.contexts(material))
    self.material = Mutex(material)
  }

  /// Connections from now on see the new certificate; running ones go on.
  ///
  /// - Throws: `TLSMaterialError`; the old one then stays.
  public func reload(certificatePEM: String, privateKeyPEM: SecretBytes) throws(TLSMaterialError) {
    let material = try TLSMaterial(certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM, authorityPEM: anchor.pem)
    let contexts = try Self.contexts(material)
    self.contexts.withLock { $0 = contexts }
    self.material.withLock { $0 = material }
  }

  /// For the next connection.
  var mutual: NIOSSLContext { contexts.withLock { $0.mutual } }
  /// For the next connection of a stranger.
  var serverOnly: NIOSSLContext { contexts.withLock { $0.serverOnly } }

  private static func contexts(
    _ material: TLSMaterial
  ) throws(TLSMaterialError) -> (mutual: NIOSSLContext, serverOnly: NIOSSLContext) {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: [.certificate(material.certificate), .certificate(material.authority)],
      privateKey: .privateKey(material.key))
    configuration.minimumTLSVersion = .tlsv13
    configuration.applicationProtocols = ["h2"]
    let serverOnly = try material.context(configuration)
    configuration.certificateVerification = .noHostnameVerification
    configuration.trustRoots = .certificates([material.authority])
    return (try material.context(configuration), serverOnly)
  }
}

/// The partner's side of TLS 1.3.
public final class ClientTLS: Sendable {
  private let authorityPEM: String
  private let current: Mutex<NIOSSLContext>

  /// - Throws: `TLSMaterialError`.
  public init(certificatePEM: String, privateKeyPEM: SecretBytes, authorityPEM: String) throws(TLSMaterialError) {
    self.authorityPEM = authorityPEM
    current = Mutex(
      try Self.context(certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM, authorityPEM: authorityPEM))
  }

  /// Connections from now on use the new certificate (`CoordinationClient.reconnect` makes one).
  ///
  /// - Throws: `TLSMaterialError`; the old one then stays.
  public func reload(certificatePEM: String, privateKeyPEM: SecretBytes) throws(TLSMaterialError) {
    let context = try Self.context(
      certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM, authorityPEM: authorityPEM)
    current.withLock { $0 = context }
  }

  /// For the next connection.
  var context: NIOSSLContext { current.withLock { $0 } }

  private static func context(
    certificatePEM: String, privateKeyPEM: SecretBytes, authorityPEM: String
  ) throws(TLSMaterialError) -> NIOSSLContext {
    let material = try TLSMaterial(certificatePEM: certificatePEM, privateKeyPEM: privateKeyPEM, authorityPEM: authorityPEM)
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv13
    configuration.applicationProtocols = ["h2"]
    configuration.certificateVerification = .fullVerification
    configuration.trustRoots = .certificates([material.authority])
    configuration.certificateChain = [.certificate(material.certificate)]
    configuration.privateKey = .privateKey(material.key)
    return try material.context(configuration)
  }
}

/// How a server meets its clients.
public enum ServerSecurity: Sendable {
  /// Mutual TLS 1.3; clients name themselves by the URI `tacit://TASK/partner/ID` in their certificate.
  case mutualTLS(ServerTLS)
  /// Plaintext, for trying out on one machine: anything but 127.0.0.0/8 and ::1 is refused, and clients say who they are.
  case insecureLoopback
}

/// How a client meets its server.
public enum ClientSecurity: Sendable {
  case mutualTLS(ClientTLS)
  /// Plaintext; anything but 127.0.0.0/8 and ::1 is refused.
  case insecureLoopback(participant: UInt32)
}

/// Why certificates and keys cannot be used: one sentence.
public struct TLSMaterialError: Error, Sendable, CustomStringConvertible {
  public let description: String
}

/// Certificate, key and CA, read and fitting each other.
struct TLSMaterial: Sendable {
  let anchor: TrustAnchor
  let certificate: NIOSSLCertificate
  let authority: NIOSSLCertificate
  let key: NIOSSLPrivateKey

  init(certificatePEM: String, privateKeyPEM: SecretBytes, authorityPEM: String) throws(TLSMaterialError) {
    do {
      anchor = try TrustAnchor(pem: authorityPEM)
      let issued = try IssuedCertificate(pem: certificatePEM)
      guard try TLSKey(pem: privateKeyPEM).matches(issued) else {
        throw TLSMaterialError(description: "The private key does not belong to the certificate.")
      }
      certificate = try NIOSSLCertificate(bytes: issued.der, format: .der)
      authority = try NIOSSLCertificate(bytes: anchor.certificate.der, format: .der)
      var copy = privateKeyPEM.withUnsafeBytes { [UInt8]($0) }
      defer { wipe(&copy) }
      key = try NIOSSLPrivateKey(bytes: copy, format: .pem)
    } catch let error as TLSMaterialError {
      throw error
    } catch {
      throw TLSMaterialError(description: "The certificates for TLS cannot be used: \(error)")
    }
  }

  func context(_ configuration: TLSConfiguration) throws(TLSMaterialError) -> NIOSSLContext {
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw TLSMaterialError(description: "The TLS library does not accept the certificates: \(error)")
    }
  }
}
