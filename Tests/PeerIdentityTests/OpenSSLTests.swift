import CryptoPrimitives
import Foundation
import PeerIdentity
import Testing

/// A second opinion on everything that the authority writes: the `openssl` program.
@Suite struct OpenSSLTests {
  let folder = TemporaryFolder()

  @Test func `openssl verifies the chains for their purpose and their time, and for nothing else`() throws {
    guard isInstalled else { return }
    try folder.write(Sample.authority.certificatePEM.utf8, "ca.pem")
    try folder.write(Sample.stranger.certificatePEM.utf8, "stranger.pem")
    try folder.write(Sample.client().pem.utf8, "client.pem")
    try folder.write(Sample.server().pem.utf8, "server.pem")
    let time = Int(Sample.now.timeIntervalSince1970)
    func verify(_ leaf: String, _ purpose: String, at time: Int, ca: String = "ca.pem", extra: [String] = []) -> Bool {
      openssl(
        ["verify", "-x509_strict", "-CAfile", folder.file(ca), "-purpose", purpose, "-attime", "\(time)"] + extra
          + [folder.file(leaf)]
      ).status == 0
    }
    #expect(verify("client.pem", "sslclient", at: time))
    #expect(verify("server.pem", "sslserver", at: time))
    #expect(verify("server.pem", "sslserver", at: time, extra: ["-verify_hostname", "coordinator.example.org"]))
    #expect(verify("server.pem", "sslserver", at: time, extra: ["-verify_ip", "::1"]))
    #expect(!verify("server.pem", "sslserver", at: time, extra: ["-verify_hostname", "example.org"]))
    #expect(!verify("client.pem", "sslserver", at: time))
    #expect(!verify("server.pem", "sslclient", at: time))
    #expect(!verify("client.pem", "sslclient", at: time, ca: "stranger.pem"))
    #expect(verify("client.pem", "sslclient", at: time - 300) && !verify("client.pem", "sslclient", at: time - 301))
    #expect(verify("client.pem", "sslclient", at: time + 3599) && !verify("client.pem", "sslclient", at: time + 3601))
  }

  @Test func `openssl reads the same fields that we wrote`() throws {
    guard isInstalled else { return }
    let client = try Sample.client()
    try folder.write(client.pem.utf8, "client.pem")
    let text = openssl(["x509", "-in", folder.file("client.pem"), "-noout", "-text", "-serial", "-fingerprint", "-sha256"]).output
    for part in [
      "CN = north", "Issuer: CN = Tacit task shops", "URI:tacit://\(Sample.authority.taskID)/partner/3", "CA:FALSE",
      "TLS Web Client Authentication", "Digital Signature", "prime256v1", "ecdsa-with-SHA256",
      "serial=\(client.serial.uppercased())",
    ] { #expect(text.contains(part), "\(part) is not in \(text)") }
    #expect(text.replacingOccurrences(of: ":", with: "").lowercased().contains("fingerprint=\(client.fingerprint.hex)"))
    try folder.write(Sample.authority.certificatePEM.utf8, "ca.pem")
    let authority = openssl(["x509", "-in", folder.file("ca.pem"), "-noout", "-text"]).output
    for part in ["CA:TRUE, pathlen:0", "Certificate Sign"] { #expect(authority.contains(part), "\(authority)") }
  }

  @Test func `openssl reads our keys and requests`() throws {
    guard isInstalled else { return }
    try folder.write(Sample.text(Sample.key.pem).utf8, "tls.key")
    #expect(openssl(["pkey", "-in", folder.file("tls.key"), "-check", "-noout"]).status == 0)
    let request = try CertificateRequest.create(key: Sample.key, name: Sample.name())
    try folder.write(request.der, "request.der")
    let verified = openssl(["req", "-inform", "DER", "-in", folder.file("request.der"), "-verify", "-noout"])
    #expect(verified.status == 0 && verified.output.contains("verify OK"))
  }

  @Test func `a key and a request that openssl made are taken`() throws {
    guard isInstalled else { return }
    #expect(
      openssl([
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=openssl", "-addext",
        "subjectAltName=DNS:evil", "-keyout", folder.file("o.key"), "-outform", "DER", "-out", folder.file("o.der"),
      ]).status == 0)
    let key = try TLSKey(pem: SecretBytes(copying: folder.read("o.key")))
    let request = try CertificateRequest(der: folder.read("o.der"))
    let issued = try Sample.authority.issueClient(
      request: request, participant: 1, name: Sample.name(), lifetime: .seconds(5), now: Sample.now)
    #expect(key.matches(issued))
    #expect(try Sample.authority.anchor.partner(of: issued).participant == 1)
  }

  private var isInstalled: Bool {
    let found = openssl(["version"]).status == 0
    if !found { print("SKIPPED: the openssl program is not installed, so that nobody gives a second opinion on certificates") }
    return found
  }

  private func openssl(_ arguments: [String]) -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return (-1, "") }
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }
}
