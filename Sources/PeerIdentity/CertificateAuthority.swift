public import CryptoPrimitives
public import Foundation
internal import SwiftASN1
internal import X509

/// The certificate authority of one task: an EC P-256 key that signs short-lived certificates of the coordinator's server
/// and of its partners, and nothing else.
///
/// Certificates begin 5 minutes before they are issued (`clockSkew`), so that a peer whose clock is a little behind accepts
/// them at once; they end when their lifetime says, seconds rounded up, and never after the authority's own.
public struct CertificateAuthority: Sendable {
  /// How long before "now" certificates begin, in seconds.
  public static let clockSkew: Double = 300

  /// The public half, which everybody may have.
  public let anchor: TrustAnchor
  private let key: TLSKey

  /// A fresh authority.
  ///
  /// - Parameters:
  ///   - task: as a `PartnerName`, at most 53 characters; it stands in every certificate as the issuer, "Tacit task NAME".
  ///   - validDays: 1 to 36,500.
  public static func create(task: String, validDays: Int, now: Date) throws -> CertificateAuthority {
    let task = try PartnerName(task)
    guard task.text.count <= 53 else {
      throw PeerIdentityError(.malformed, "the task's name has \(task.text.count) characters, expected at most 53")
    }
    guard (1...36_500).contains(validDays) else {
      throw PeerIdentityError(.malformed, "an authority cannot be valid for \(validDays) days, expected 1 to 36500")
    }
    let key = TLSKey.generate()
    let name = try DistinguishedName { CommonName("Tacit task \(task)") }
    let publicKey = key.signer.publicKey
    let times = Times(now: now, seconds: Double(validDays) * 86_400)
    let certificate = try Certificate(
      version: .v3, serialNumber: freshSerial(), publicKey: publicKey, notValidBefore: times.start, notValidAfter: times.end,
      issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(keyCertSign: true))
        SubjectKeyIdentifier(hash: publicKey)
      }, issuerPrivateKey: key.signer)
    return CertificateAuthority(anchor: try TrustAnchor(IssuedCertificate(certificate)), key: key)
  }

  /// An authority from its two files.
  ///
  /// - Throws: `PeerIdentityError` of kind `certificate` when one of them is not what it should be or they do not belong
  ///   together.
  public init(certificatePEM: String, keyPEM: SecretBytes) throws {
    let anchor = try TrustAnchor(pem: certificatePEM)
    let key = try TLSKey(pem: keyPEM)
    guard key.matches(anchor.certificate) else {
      throw PeerIdentityError(
        .certificate, "the authority's key does not belong to its certificate; restore both from one backup")
    }
    self.init(anchor: anchor, key: key)
  }

  public var certificatePEM: String { anchor.pem }
  public var keyPEM: SecretBytes { key.pem }
  /// SHA-256 of the certificate's DER.
  public var fingerprint: Digest { anchor.fingerprint }
  public var taskID: String { anchor.taskID }

  /// A certificate for the coordinator's listeners (extended key usage serverAuth).
  ///
  /// - Parameters:
  ///   - hosts: DNS names and IP addresses at which partners dial it, at least one.
  ///   - lifetime: at least one second.
  public func issueServer(hosts: [String], request: CertificateRequest, lifetime: Duration, now: Date) throws
    -> IssuedCertificate
  {
    guard !hosts.isEmpty else {
      throw PeerIdentityError(.malformed, "a server certificate needs at least one host name or address")
    }
    let hosts = try hosts.map { try HostPort.Host(parsing: $0) }
    let names = hosts.map { host in
      switch host {
      case .name(let name): GeneralName.dnsName(name)
      case .ipv4(let bytes), .ipv6(let bytes): GeneralName.ipAddress(ASN1OctetString(contentBytes: bytes[...]))
      }
    }
    return try issue(
      subject: "Tacit coordinator", names: names, usage: .serverAuth, request: request, lifetime: lifetime, now: now)
  }

  /// A certificate for a partner (extended key usage clientAuth). Its only subject alternative name is the
  /// `PartnerIdentityURI` of `participant` in this task; what the request asks for is not read.
  public func issueClient(
    request: CertificateRequest, participant: UInt32, name: PartnerName, lifetime: Duration, now: Date
  ) throws -> IssuedCertificate {
    let identity = PartnerIdentityURI(taskID: taskID, participant: participant)
    return try issue(
      subject: name.text, names: [.uniformResourceIdentifier(identity.text)], usage: .clientAuth, request: request,
      lifetime: lifetime, now: now)
  }

  private func issue(
    subject: String, names: [GeneralName], usage: ExtendedKeyUsage.Usage, request: CertificateRequest, lifetime: Duration,
    now: Date
  ) throws -> IssuedCertificate {
    guard lifetime >= .seconds(1) else {
      throw PeerIdentityError(.malformed, "a certificate cannot be valid for \(lifetime), expected at least one second")
    }
    let authority = anchor.certificate
    guard authority.isCurrent(at: now) else {
      throw PeerIdentityError(
        .expired, "the authority is valid from \(authority.notBefore) to \(authority.notAfter) and cannot sign at \(now)")
    }
    let times = Times(now: now, seconds: lifetime / .seconds(1))
    return try IssuedCertificate(
      Certificate(
        version: .v3, serialNumber: Self.freshSerial(), publicKey: request.publicKey,
        notValidBefore: max(times.start, authority.notBefore), notValidAfter: min(times.end, authority.notAfter),
        issuer: authority.certificate.subject, subject: DistinguishedName { CommonName(subject) },
        signatureAlgorithm: .ecdsaWithSHA256,
        extensions: Certificate.Extensions {
          Critical(BasicConstraints.notCertificateAuthority)
          Critical(KeyUsage(digitalSignature: true))
          try ExtendedKeyUsage([usage])
          SubjectAlternativeNames(names)
          SubjectKeyIdentifier(hash: request.publicKey)
          AuthorityKeyIdentifier(keyIdentifier: try authority.certificate.extensions.subjectKeyIdentifier?.keyIdentifier)
        }, issuerPrivateKey: key.signer))
  }

  private init(anchor: TrustAnchor, key: TLSKey) {
    self.anchor = anchor
    self.key = key
  }

  /// 126 random bits in 16 bytes (RFC 5280 §4.1.2.2 allows 20): positive, and as long as every other.
  private static func freshSerial() -> Certificate.SerialNumber {
    var random = SystemRandomSource()
    var bytes = random.bytes(16)
    bytes[0] = bytes[0] & 0x3F | 0x40
    return Certificate.SerialNumber(bytes: bytes)
  }

  /// Whole seconds, as certificates write them.
  private struct Times {
    let start: Date
    let end: Date

    init(now: Date, seconds: Double) {
      let now = now.timeIntervalSince1970
      start = Date(timeIntervalSince1970: (now - CertificateAuthority.clockSkew).rounded(.down))
      end = Date(timeIntervalSince1970: (now + seconds).rounded(.up))
    }
  }
}

extension CertificateAuthority: CustomStringConvertible, CustomReflectable {
  public var description: String { "CertificateAuthority \(taskID)" }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}
