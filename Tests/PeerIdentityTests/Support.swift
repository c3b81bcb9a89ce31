import CryptoPrimitives
import Foundation
import PeerIdentity
import Testing

/// One authority for the suite, and what is often needed of it.
enum Sample {
  static let now = Date(timeIntervalSince1970: 1_800_000_000)
  static let authority = try! make("shops")  // a test that has no authority cannot begin
  static let stranger = try! make("shops")
  static let key = TLSKey.generate()

  static func make(_ task: String) throws -> CertificateAuthority {
    try CertificateAuthority.create(task: task, validDays: 365, now: now)
  }

  static func name(_ text: String = "north") throws -> PartnerName { try PartnerName(text) }

  static func client(
    of authority: CertificateAuthority = authority, participant: UInt32 = 3, lifetime: Duration = .seconds(3600),
    now: Date = now
  ) throws -> IssuedCertificate {
    try authority.issueClient(
      request: CertificateRequest.create(key: key, name: name()), participant: participant, name: name(),
      lifetime: lifetime, now: now)
  }

  static func server(
    of authority: CertificateAuthority = authority, hosts: [String] = ["coordinator.example.org", "127.0.0.1", "::1"]
  ) throws -> IssuedCertificate {
    try authority.issueServer(
      hosts: hosts, request: CertificateRequest.create(key: key, name: name("server")), lifetime: .seconds(3600), now: now)
  }

  static func secret(_ text: String) -> SecretBytes { SecretBytes(copying: text.utf8) }

  static func text(_ secret: SecretBytes) -> String { secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

/// A folder that goes away with the value.
final class TemporaryFolder {
  let path: String

  init() {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("tacit-\(UUID().uuidString)").path
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  func write(_ bytes: some Sequence<UInt8>, _ name: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    chmod(file(name), 0o600)
  }

  func read(_ name: String) throws -> [UInt8] { try Array(Data(contentsOf: URL(fileURLWithPath: file(name)))) }
}

/// Runs the body and gives the kind of the error that it must throw.
func kind(of body: () throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) -> PeerIdentityError.Kind? {
  #expect(throws: PeerIdentityError.self, sourceLocation: sourceLocation) { try body() }?.kind
}

func kind(of body: () async throws -> Void, sourceLocation: SourceLocation = #_sourceLocation) async
  -> PeerIdentityError.Kind?
{
  await #expect(throws: PeerIdentityError.self, sourceLocation: sourceLocation) { try await body() }?.kind
}
