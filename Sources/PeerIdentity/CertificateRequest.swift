internal import SwiftASN1
internal import X509

/// A PKCS #10 certificate signing request (RFC 2986): "this key is mine".
///
/// The authority takes the public key out of it and nothing else: the names and extensions that a request asks for are
/// never read, so that nobody can ask for another's identity.
public struct CertificateRequest: Sendable, Hashable {
  public let der: [UInt8]
  let publicKey: Certificate.PublicKey

  /// A request for a key, signed with it; the name is written into it for people who look at it.
  public static func create(key: TLSKey, name: PartnerName) throws -> CertificateRequest {
    let request = try CertificateSigningRequest(
      version: .v1, subject: DistinguishedName { CommonName(name.text) }, privateKey: key.signer,
      attributes: CertificateSigningRequest.Attributes(), signatureAlgorithm: .ecdsaWithSHA256)
    var serializer = DER.Serializer()
    try serializer.serialize(request)
    return try CertificateRequest(der: serializer.serializedBytes)
  }

  /// - Throws: `PeerIdentityError` of kind `certificate` unless this is a request of at most 4096 bytes for an EC P-256
  ///   key, and of kind `signature` unless it is signed with that key.
  public init(der: [UInt8]) throws {
    guard der.count <= Self.byteCountMax, let request = try? CertificateSigningRequest(derEncoded: der) else {
      throw PeerIdentityError(
        .certificate, "\(der.count) bytes are no certificate signing request in DER form of at most \(Self.byteCountMax) bytes")
    }
    guard request.publicKey.isP256 else {
      throw PeerIdentityError(.certificate, "the certificate signing request is for a key of another kind, expected EC P-256")
    }
    guard request.publicKey.isValidSignature(request.signature, for: request) else {
      throw PeerIdentityError(.signature, "the certificate signing request is not signed with the key that it is for")
    }
    self.der = der
    publicKey = request.publicKey
  }

  /// The key that is asked for, in the one form that it has: the request's own bytes differ each time it is signed (ECDSA is randomised).
  public var publicKeyBytes: [UInt8] { Array(publicKey.subjectPublicKeyInfoBytes) }

  private static let byteCountMax = 4096
}
