import CryptoPrimitives
import Foundation
import PeerIdentity
import SwiftASN1
import Testing
import X509

import enum Crypto.P384

@Suite struct CertificateTests {
  let authority = Sample.authority
  let now = Sample.now

  @Test func `a partner's certificate verifies and names the partner in this task`() async throws {
    let certificate = try Sample.client()
    let identity = try await authority.anchor.verifyClient(certificate, at: now)
    #expect(identity == PartnerIdentityURI(taskID: authority.taskID, participant: 3))
    #expect(try authority.anchor.partner(of: certificate) == identity)
    #expect(Sample.key.matches(certificate))
    #expect(!TLSKey.generate().matches(certificate))
    #expect(authority.taskID == String(authority.fingerprint.hex.prefix(32)))
  }

  @Test func `a server's certificate verifies for each of its names and for no other`() async throws {
    let certificate = try Sample.server()
    for host in ["coordinator.example.org", "127.0.0.1", "::1"] {
      try await authority.anchor.verifyServer(certificate, host: HostPort.Host(parsing: host), at: now)
    }
    for host in ["example.org", "other.example.org", "127.0.0.2", "::2"] {
      let host = try HostPort.Host(parsing: host)
      #expect(await kind { try await authority.anchor.verifyServer(certificate, host: host, at: now) } == .signature, "\(host)")
    }
  }

  @Test func `certificates of another authority with the same name are refused`() async throws {
    let stranger = Sample.stranger
    #expect(stranger.taskID != authority.taskID)
    let client = try Sample.client(of: stranger)
    #expect(await kind { _ = try await authority.anchor.verifyClient(client, at: now) } == .signature)
    #expect(kind { _ = try authority.anchor.partner(of: client) } == .certificate)
    let server = try Sample.server(of: stranger)
    let host = try HostPort.Host(parsing: "127.0.0.1")
    #expect(await kind { try await authority.anchor.verifyServer(server, host: host, at: now) } == .signature)
  }

  @Test func `a certificate holds from five minutes before it was issued to the end of its lifetime`() async throws {
    let certificate = try Sample.client(lifetime: .seconds(10))
    #expect(certificate.notBefore == now.addingTimeInterval(-300))
    #expect(certificate.notAfter == now.addingTimeInterval(10))
    for offset in [-300.0, 0, 10] {
      _ = try await authority.anchor.verifyClient(certificate, at: now.addingTimeInterval(offset))
    }
    for offset in [-301.0, 11, 1e6] {
      let date = now.addingTimeInterval(offset)
      #expect(await kind { _ = try await authority.anchor.verifyClient(certificate, at: date) } == .expired, "\(offset)")
      #expect(!certificate.isCurrent(at: date))
    }
    #expect(certificate.renewAt > now.addingTimeInterval(5) && certificate.renewAt < now.addingTimeInterval(8))
  }

  @Test func `parts of a second are rounded in the holder's favour`() throws {
    let certificate = try Sample.client(lifetime: .milliseconds(1500), now: now.addingTimeInterval(0.7))
    #expect(certificate.notBefore == now.addingTimeInterval(-300))
    #expect(certificate.notAfter == now.addingTimeInterval(3))
  }

  @Test func `nothing outlives the authority, and an expired one signs nothing`() async throws {
    let short = try CertificateAuthority.create(task: "short", validDays: 1, now: now)
    let end = short.anchor.certificate.notAfter
    #expect(try Sample.client(of: short, lifetime: .seconds(864_000)).notAfter == end)
    let late = end.addingTimeInterval(1)
    #expect(kind { _ = try Sample.client(of: short, now: late) } == .expired)
    #expect(kind { _ = try Sample.client(of: short, now: now.addingTimeInterval(-301)) } == .expired)
    #expect(kind { _ = try Sample.client(of: short, lifetime: .milliseconds(999)) } == .malformed)
  }

  @Test func `a certificate for one end of the line does not serve at the other`() async throws {
    let client = try Sample.client()
    let server = try Sample.server()
    #expect(await kind { _ = try await authority.anchor.verifyClient(server, at: now) } == .certificate)
    #expect(kind { _ = try authority.anchor.partner(of: server) } == .certificate)
    // A partner whose certificate named a host would still be no server.
    let hostile = try hostileLeaf(usages: [.clientAuth], names: [.dnsName("coordinator.example.org")])
    let host = try HostPort.Host(parsing: "coordinator.example.org")
    #expect(await kind { try await authority.anchor.verifyServer(hostile, host: host, at: now) } == .certificate)
    #expect(await kind { try await authority.anchor.verifyServer(client, host: host, at: now) } == .signature)
  }

  @Test func `a certificate with more than one identity, another task's or none names nobody`() throws {
    let mine = "tacit://\(authority.taskID)/partner/1"
    let others: [[GeneralName]] = [
      [], [.uniformResourceIdentifier(mine), .uniformResourceIdentifier("tacit://\(authority.taskID)/partner/2")],
      [.uniformResourceIdentifier(mine), .dnsName("example.org")], [.dnsName(mine)], [.uniformResourceIdentifier("")],
      [.uniformResourceIdentifier("tacit://\(Sample.stranger.taskID)/partner/1")],
    ]
    for names in others {
      let certificate = try hostileLeaf(usages: [.clientAuth], names: names)
      #expect(kind { _ = try authority.anchor.partner(of: certificate) } == .certificate, "\(names)")
    }
    let both = try hostileLeaf(usages: [.clientAuth, .serverAuth], names: [.uniformResourceIdentifier(mine)])
    #expect(kind { _ = try authority.anchor.partner(of: both) } == .certificate)
    let good = try hostileLeaf(usages: [.clientAuth], names: [.uniformResourceIdentifier(mine)])
    #expect(try authority.anchor.partner(of: good).participant == 1)
  }

  @Test func `a partner cannot sign certificates with its own`() async throws {
    let partner = try Sample.client(participant: 3)
    let key = try signer(Sample.key)
    let issuer = try Certificate(pemEncoded: partner.pem)
    let forged = try IssuedCertificate(
      leaf(
        issuer: issuer.subject, signer: key, usages: [.clientAuth],
        names: [.uniformResourceIdentifier("tacit://\(authority.taskID)/partner/4")]))
    #expect(await kind { _ = try await authority.anchor.verifyClient(forged, at: now) } == .signature)
    #expect(kind { _ = try TrustAnchor(pem: partner.pem) } == .certificate)
  }

  @Test func `a changed byte anywhere in a certificate is noticed`() async throws {
    let certificate = try Sample.client()
    let content = try Certificate(derEncoded: certificate.der).tbsCertificateBytes
    for position in certificate.der.indices {
      var bytes = certificate.der
      bytes[position] ^= 1
      guard let changed = try? IssuedCertificate(der: bytes),
        (try? await authority.anchor.verifyClient(changed, at: now)) != nil
      else { continue }
      // A signature can be spelt in more than one way; what it signs cannot.
      #expect(try Certificate(derEncoded: bytes).tbsCertificateBytes == content, "byte \(position)")
    }
    for count in certificate.der.indices {
      #expect(throws: PeerIdentityError.self) { try IssuedCertificate(der: Array(certificate.der.prefix(count))) }
    }
    #expect(throws: PeerIdentityError.self) { try IssuedCertificate(der: certificate.der + [0]) }
  }

  @Test func `an authority is read back from its two files, which must belong together`() throws {
    let again = try CertificateAuthority(certificatePEM: authority.certificatePEM, keyPEM: authority.keyPEM)
    #expect(again.fingerprint == authority.fingerprint)
    #expect(again.keyPEM.isEqual(to: authority.keyPEM))
    #expect(
      kind { _ = try CertificateAuthority(certificatePEM: authority.certificatePEM, keyPEM: Sample.stranger.keyPEM) }
        == .certificate)
    #expect(kind { _ = try CertificateAuthority(certificatePEM: "", keyPEM: authority.keyPEM) } == .certificate)
    #expect(
      kind { _ = try CertificateAuthority(certificatePEM: try Sample.server().pem, keyPEM: Sample.key.pem) } == .certificate)
    for damaged in [
      "", "-----BEGIN PRIVATE KEY-----\n", Sample.text(authority.keyPEM) + "x",
      String(Sample.text(authority.keyPEM).dropLast(40)),
    ] {
      #expect(kind { _ = try TLSKey(pem: Sample.secret(damaged)) } == .certificate)
    }
    for task in ["", "two words", String(repeating: "x", count: 54)] { #expect(kind { _ = try Sample.make(task) } == .malformed) }
  }

  @Test func `serial numbers are as long as each other and never repeat`() throws {
    let serials = try (0..<64).map { _ in try Sample.client().serial }
    #expect(Set(serials).count == 64)
    #expect(serials.allSatisfy { $0.count == 32 })
  }

  @Test func `a certificate is the same through PEM, DER and the TLS library's type`() throws {
    let certificate = try Sample.client()
    #expect(try IssuedCertificate(pem: certificate.pem) == certificate)
    #expect(try IssuedCertificate(der: certificate.der) == certificate)
    #expect(try IssuedCertificate(Certificate(derEncoded: certificate.der)) == certificate)
    #expect(certificate.fingerprint == SHA256.hash(certificate.der))
    #expect(kind { _ = try IssuedCertificate(pem: Sample.text(Sample.key.pem)) } == .certificate)
  }

  private func signer(_ key: TLSKey) throws -> Certificate.PrivateKey {
    try Certificate.PrivateKey(pemEncoded: Sample.text(key.pem))
  }

  /// What an authority with less care would sign, signed with the authority's own key.
  private func hostileLeaf(usages: [ExtendedKeyUsage.Usage], names: [GeneralName]) throws -> IssuedCertificate {
    let issuer = try Certificate(pemEncoded: authority.certificatePEM)
    let key = try Certificate.PrivateKey(pemEncoded: Sample.text(authority.keyPEM))
    return try IssuedCertificate(leaf(issuer: issuer.subject, signer: key, usages: usages, names: names))
  }

  private func leaf(
    issuer: DistinguishedName, signer: Certificate.PrivateKey, usages: [ExtendedKeyUsage.Usage], names: [GeneralName]
  ) throws -> Certificate {
    try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: try self.signer(Sample.key).publicKey,
      notValidBefore: now, notValidAfter: now.addingTimeInterval(60), issuer: issuer,
      subject: DistinguishedName { CommonName("hostile") }, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        try ExtendedKeyUsage(usages)
        SubjectAlternativeNames(names)
      }, issuerPrivateKey: signer)
  }
}

@Suite struct CertificateRequestTests {
  @Test func `a request for another's identity gets its own, and only its own`() async throws {
    let key = try Certificate.PrivateKey(pemEncoded: Sample.text(Sample.key.pem))
    let authority = Sample.authority
    let attributes = CertificateSigningRequest.Attributes([
      try CertificateSigningRequest.Attribute(
        ExtensionRequest(
          extensions: Certificate.Extensions {
            Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
            try ExtendedKeyUsage([.serverAuth, .clientAuth])
            SubjectAlternativeNames([
              .uniformResourceIdentifier("tacit://\(authority.taskID)/partner/1"), .dnsName("coordinator.example.org"),
            ])
          }))
    ])
    let hostile = try CertificateSigningRequest(
      version: .v1, subject: DistinguishedName { CommonName("victim") }, privateKey: key, attributes: attributes,
      signatureAlgorithm: .ecdsaWithSHA256)
    let issued = try authority.issueClient(
      request: CertificateRequest(der: try der(hostile)), participant: 9, name: PartnerName("attacker"),
      lifetime: .seconds(60), now: Sample.now)
    #expect(try await authority.anchor.verifyClient(issued, at: Sample.now).participant == 9)
    let content = try Certificate(pemEncoded: issued.pem)
    #expect(content.subject.description.contains("attacker") && !content.subject.description.contains("victim"))
    #expect(try content.extensions.basicConstraints == .notCertificateAuthority)
    #expect(try content.extensions.subjectAlternativeNames?.count == 1)
    #expect(try Array(content.extensions.extendedKeyUsage ?? ExtendedKeyUsage()) == [.clientAuth])
  }

  @Test func `a request that is not signed with its key is refused`() throws {
    let request = try CertificateRequest.create(key: Sample.key, name: Sample.name())
    let content = try CertificateSigningRequest(derEncoded: request.der)
    var refusals: Set<PeerIdentityError.Kind> = []
    for position in request.der.indices {
      for bit in [1, 0x80] as [UInt8] {
        var bytes = request.der
        bytes[position] ^= bit
        do {
          // A signature can be spelt in more than one way; what it signs cannot.
          let other = try CertificateSigningRequest(derEncoded: CertificateRequest(der: bytes).der)
          #expect(other.publicKey == content.publicKey && other.subject == content.subject, "byte \(position)")
        } catch let error as PeerIdentityError { refusals.insert(error.kind) }
      }
    }
    #expect(refusals == [.certificate, .signature])
  }

  @Test func `requests for other kinds of keys, cut off ones and too long ones are refused`() throws {
    let request = try CertificateRequest.create(key: Sample.key, name: Sample.name())
    #expect(try CertificateRequest(der: request.der) == request)
    for count in request.der.indices {
      #expect(kind { _ = try CertificateRequest(der: Array(request.der.prefix(count))) } == .certificate)
    }
    #expect(kind { _ = try CertificateRequest(der: request.der + [0]) } == .certificate)
    #expect(kind { _ = try CertificateRequest(der: request.der + [UInt8](repeating: 0, count: 5000)) } == .certificate)
    let other = Certificate.PrivateKey(P384.Signing.PrivateKey())
    let foreign = try CertificateSigningRequest(
      version: .v1, subject: DistinguishedName { CommonName("x") }, privateKey: other,
      attributes: CertificateSigningRequest.Attributes(), signatureAlgorithm: .ecdsaWithSHA384)
    #expect(kind { _ = try CertificateRequest(der: try der(foreign)) } == .certificate)
  }

  private func der(_ request: CertificateSigningRequest) throws -> [UInt8] {
    var serializer = DER.Serializer()
    try serializer.serialize(request)
    return serializer.serializedBytes
  }
}
