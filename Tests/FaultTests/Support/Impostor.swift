import CryptoPrimitives
import Foundation
import Logging
import PeerIdentity
import Transport

/// A peer that no honest program is: it speaks the protocol with whatever certificate it could lay its hands on.
struct Impostor: Sendable {
  let client: CoordinationClient

  /// - Parameters:
  ///   - port: of the coordinator, on 127.0.0.1.
  ///   - authority: PEM of the CA that the server's certificate is checked against.
  init(port: UInt16, certificate: String, key: SecretBytes, authority: String) throws {
    var deadlines = ClientDeadlines()
    deadlines.unaryCall = .seconds(6)
    let tls = try ClientTLS(certificatePEM: certificate, privateKeyPEM: key, authorityPEM: authority)
    client = try CoordinationClient(
      target: try HostPort(parsing: "127.0.0.1:\(port)"), security: .mutualTLS(tls), deadlines: deadlines,
      logger: Logger(label: "impostor") { _ in SwiftLogNoOpLogHandler() })
  }

  /// With the keys of a partner's own home.
  init(home: String, port: UInt16) throws {
    let key = try SealedFile.read(kind: "tls-key", path: home + "/tls.key") { SecretBytes(copying: []) }
    try self.init(
      port: port, certificate: try Self.text(home + "/certificate.pem"), key: key, authority: try Self.text(home + "/ca.pem"))
  }

  static func text(_ path: String) throws -> String {
    guard let data = FileManager.default.contents(atPath: path) else { throw SuiteError("\(path) is missing") }
    return String(decoding: data, as: UTF8.self)
  }

  @discardableResult
  func hello(ledgers: [LedgerNote] = []) async throws(TransportFailure) -> ServerHello {
    try await client.hello(ClientHello(software: "impostor", ledgers: ledgers))
  }

  /// What came of a hello, in words; the connection is closed.
  func greeting() async -> String {
    let outcome: String
    do throws(TransportFailure) {
      try await hello()
      outcome = "welcome"
    } catch {
      switch error {
      case .refused(let refusal): outcome = refusal.reason
      case .notTrusted: outcome = "not trusted"
      case .unreachable(let reason): outcome = "unreachable: \(reason)"
      default: outcome = "\(error)"
      }
    }
    await client.close()
    return outcome
  }
}

/// The task's CA in the hands of an attacker, or another task's.
struct Forger {
  let authority: CertificateAuthority

  /// The CA of a state folder.
  init(state: String) throws {
    let key = try SealedFile.read(kind: "authority", path: state + "/ca.key") { SecretBytes(copying: []) }
    authority = try CertificateAuthority(certificatePEM: try Impostor.text(state + "/ca.pem"), keyPEM: key)
  }

  /// A CA of another task with the same name.
  init(anotherTask name: String) throws {
    authority = try CertificateAuthority.create(task: name, validDays: 30, now: Date())
  }

  /// - Parameter issued: when; with `lifetime` it may be over.
  func client(_ participant: UInt32, issued: Date = Date(), lifetime: Duration = .seconds(3600)) throws -> (String, SecretBytes) {
    let key = TLSKey.generate()
    let request = try CertificateRequest.create(key: key, name: try PartnerName("forged"))
    let certificate = try authority.issueClient(
      request: request, participant: participant, name: try PartnerName("forged"), lifetime: lifetime, now: issued)
    return (certificate.pem, key.pem)
  }

  /// A certificate for servers, shown by a client.
  func server() throws -> (String, SecretBytes) {
    let key = TLSKey.generate()
    let request = try CertificateRequest.create(key: key, name: try PartnerName("forged"))
    return (try authority.issueServer(hosts: ["127.0.0.1"], request: request, lifetime: .seconds(3600), now: Date()).pem, key.pem)
  }
}
