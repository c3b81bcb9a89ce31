public import CryptoPrimitives
public import Foundation
internal import SwiftASN1
public import X509

/// A certificate as bytes and what must be known of it: to send it, to pin it, to renew it in time, to count it.
///
/// It says nothing about who signed it: `TrustAnchor` checks that.
public struct IssuedCertificate: Sendable, Hashable {
  /// DER (X.690) of the whole certificate.
  public let der: [UInt8]
  /// SHA-256 of `der`. Good for a list of what is allowed, not of what is forbidden: an ECDSA signature can be spelt anew by
  /// anybody, so that the same certificate gets another fingerprint. Revoke by participant or serial number.
  public let fingerprint: Digest
  let certificate: Certificate

  /// A certificate that the TLS library has at hand, for example a peer's.
  ///
  /// - Throws: `PeerIdentityError` of kind `certificate` when it cannot be written as DER.
  public init(_ certificate: Certificate) throws {
    var serializer = DER.Serializer()
    do { try serializer.serialize(certificate) } catch {
      throw PeerIdentityError(.certificate, "the certificate cannot be written as DER: \(error)")
    }
    self.certificate = certificate
    der = serializer.serializedBytes
    fingerprint = SHA256.hash(der)
  }

  /// - Throws: `PeerIdentityError` of kind `certificate`.
  public init(der: [UInt8]) throws {
    guard der.count <= Self.byteCountMax, let certificate = try? Certificate(derEncoded: der) else {
      throw PeerIdentityError(.certificate, "\(der.count) bytes are no X.509 certificate in DER form")
    }
    try self.init(certificate)
    guard self.der == der else {
      throw PeerIdentityError(.certificate, "the certificate is not in DER form: it can be written in another way")
    }
  }

  /// - Parameter pem: one `CERTIFICATE` block.
  /// - Throws: `PeerIdentityError` of kind `certificate`.
  public init(pem: String) throws {
    guard pem.utf8.count <= 2 * Self.byteCountMax, let document = try? PEMDocument(pemString: pem),
      document.discriminator == Certificate.defaultPEMDiscriminator
    else {
      throw PeerIdentityError(.certificate, "the text is no certificate in PEM form (a block \"CERTIFICATE\")")
    }
    try self.init(der: document.derBytes)
  }

  /// One PEM block (RFC 7468), ending with a line feed.
  public var pem: String { PEMDocument(type: Certificate.defaultPEMDiscriminator, derBytes: der).pemString + "\n" }

  /// Lower-case hexadecimal digits, without leading zero bytes.
  public var serial: String { Hexadecimal.encode(certificate.serialNumber.bytes.drop { $0 == 0 }) }

  public var notBefore: Date { certificate.notValidBefore }
  public var notAfter: Date { certificate.notValidAfter }

  /// When a holder should ask for the next one: after two thirds of the time for which it was issued.
  public var renewAt: Date {
    let issued = notBefore.addingTimeInterval(CertificateAuthority.clockSkew)
    return issued.addingTimeInterval(max(0, notAfter.timeIntervalSince(issued)) * 2 / 3)
  }

  /// Whether `date` lies in its time.
  public func isCurrent(at date: Date) -> Bool { notBefore <= date && date <= notAfter }

  private static let byteCountMax = 16 << 10
}

extension IssuedCertificate: CustomStringConvertible {
  public var description: String { "certificate \(serial)" }
}
