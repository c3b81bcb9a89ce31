public import CryptoPrimitives
public import Foundation
@_spi(FixedExpiryValidationTime) internal import X509

/// The public half of a task's certificate authority: what a partner pins, and what certificates are checked against.
public struct TrustAnchor: Sendable, Hashable {
  public let certificate: IssuedCertificate
  /// The first 16 bytes of the certificate's SHA-256, as 32 lower-case hexadecimal digits.
  public let taskID: String

  /// - Throws: `PeerIdentityError` of kind `certificate` unless this is a self-signed EC P-256 authority that may sign end
  ///   certificates only.
  public init(_ certificate: IssuedCertificate) throws {
    let content = certificate.certificate
    guard content.subject == content.issuer, content.publicKey.isP256,
      try content.extensions.basicConstraints == .isCertificateAuthority(maxPathLength: 0),
      try content.extensions.keyUsage?.keyCertSign == true
    else {
      throw PeerIdentityError(
        .certificate, "the certificate is no authority of a task: expected a self-signed EC P-256 certificate, CA:TRUE, pathlen:0"
      )
    }
    guard content.publicKey.isValidSignature(content.signature, for: content) else {
      throw PeerIdentityError(.signature, "the authority's certificate was changed after it was signed")
    }
    self.certificate = certificate
    taskID = Hexadecimal.encode(certificate.fingerprint.bytes.prefix(16))
  }

  public init(pem: String) throws { try self.init(IssuedCertificate(pem: pem)) }

  public init(der: [UInt8]) throws { try self.init(IssuedCertificate(der: der)) }

  public var pem: String { certificate.pem }
  /// SHA-256 of the certificate's DER, as an `EnrolmentToken` pins it.
  public var fingerprint: Digest { certificate.fingerprint }

  /// Checks everything about a partner's certificate: chain, signature, time, usage and identity.
  ///
  /// - Returns: whom it names.
  public func verifyClient(_ certificate: IssuedCertificate, at now: Date) async throws -> PartnerIdentityURI {
    try await verifyChain(of: certificate, at: now) { RFC5280Policy(fixedExpiryValidationTime: now) }
    return try partner(of: certificate)
  }

  /// Checks everything about the coordinator's certificate: chain, signature, time, usage, and that it is for `host`.
  public func verifyServer(_ certificate: IssuedCertificate, host: HostPort.Host, at now: Date) async throws {
    let name: String?
    let address: String?
    switch host {
    case .name(let text): (name, address) = (text, nil)
    case .ipv4, .ipv6: (name, address) = (nil, host.description)
    }
    try await verifyChain(of: certificate, at: now) {
      RFC5280Policy(fixedExpiryValidationTime: now)
      ServerIdentityPolicy(serverHostname: name, serverIP: address)
    }
    try check(certificate, isFor: .serverAuth, "the coordinator's server")
  }

  /// Whom a certificate names, when TLS has verified its chain already: one subject alternative name, an identity in this
  /// task, and the usage clientAuth.
  ///
  /// - Throws: `PeerIdentityError` of kind `certificate`.
  public func partner(of certificate: IssuedCertificate) throws -> PartnerIdentityURI {
    try check(certificate, isFor: .clientAuth, "a partner")
    guard let names = try? certificate.certificate.extensions.subjectAlternativeNames, names.count == 1,
      case .uniformResourceIdentifier(let text)? = names.first, let identity = try? PartnerIdentityURI(parsing: text)
    else {
      throw PeerIdentityError(
        .certificate, "\(certificate) names no partner: expected one subject alternative name, tacit://\(taskID)/partner/NUMBER")
    }
    guard identity.taskID == taskID else {
      throw PeerIdentityError(.certificate, "\(certificate) names a partner of task \(identity.taskID), expected \(taskID)")
    }
    return identity
  }

  private func check(_ certificate: IssuedCertificate, isFor usage: ExtendedKeyUsage.Usage, _ whom: String) throws {
    guard let usages = try? certificate.certificate.extensions.extendedKeyUsage, Array(usages) == [usage] else {
      throw PeerIdentityError(.certificate, "\(certificate) is not for \(whom): its extended key usage is another one")
    }
  }

  private func verifyChain<Policy: VerifierPolicy>(
    of certificate: IssuedCertificate, at now: Date, @PolicyBuilder policy: () -> Policy
  ) async throws {
    guard certificate.isCurrent(at: now), self.certificate.isCurrent(at: now) else {
      let wrong = certificate.isCurrent(at: now) ? self.certificate : certificate
      throw PeerIdentityError(
        .expired,
        "\(wrong) is valid from \(wrong.notBefore) to \(wrong.notAfter), and now it is \(now); check the clock, or renew it")
    }
    var verifier = Verifier(rootCertificates: CertificateStore([self.certificate.certificate]), policy: policy)
    switch await verifier.validate(leaf: certificate.certificate, intermediates: CertificateStore()) {
    case .validCertificate(let chain) where chain.count == 2: return
    case .validCertificate, .couldNotValidate:
      throw PeerIdentityError(
        .signature, "\(certificate) is not signed by the authority of task \(taskID), or is not for this host")
    }
  }
}
