internal import Crypto
public import CryptoPrimitives
internal import Foundation
internal import X509

/// The private key of a TLS certificate: EC P-256, made where it is used and never sent.
///
/// The scalar rests in `SecretBytes`; while it signs, swift-crypto holds a copy in memory of its own, which it wipes when
/// it frees it, but does not lock.
public struct TLSKey: Sendable {
  private let scalar: SecretBytes

  /// A fresh key.
  public static func generate() -> TLSKey { TLSKey(P256.Signing.PrivateKey()) }

  /// - Parameter pem: one PKCS #8 `PRIVATE KEY` block, as `pem` gives it.
  /// - Throws: `PeerIdentityError` of kind `certificate`.
  public init(pem: SecretBytes) throws {
    guard let der = KeyPEM.decode(pem),
      let key = der.withUnsafeBytes({ try? P256.Signing.PrivateKey(derRepresentation: $0) })
    else {
      throw PeerIdentityError(.certificate, "the key is no EC P-256 key in PKCS #8 form (a PEM block \"PRIVATE KEY\")")
    }
    self.init(key)
  }

  /// PKCS #8 (RFC 5958) in PEM, for a key file and for the TLS library.
  public var pem: SecretBytes {
    let point = privateKey.publicKey.x963Representation
    return scalar.withUnsafeBytes { scalar in
      var der = Self.pkcs8Prefix
      der.reserveCapacity(Self.pkcs8Prefix.count + 32 + Self.pkcs8Middle.count + 65)
      defer { wipe(&der) }
      der += scalar
      der += Self.pkcs8Middle
      der += point
      return KeyPEM.encode(der)
    }
  }

  /// Whether `certificate` certifies this key.
  public func matches(_ certificate: IssuedCertificate) -> Bool {
    certificate.certificate.publicKey == signer.publicKey
  }

  /// For signing certificates and requests.
  var signer: Certificate.PrivateKey { Certificate.PrivateKey(privateKey) }

  private var privateKey: P256.Signing.PrivateKey {
    scalar.withUnsafeBytes { scalar in
      // Throws only for bytes that are no scalar of the curve; these came out of a key.
      guard let key = try? P256.Signing.PrivateKey(rawRepresentation: scalar) else {
        preconditionFailure("a P-256 key gave bytes that are no P-256 key")
      }
      return key
    }
  }

  private init(_ key: P256.Signing.PrivateKey) {
    var raw = key.rawRepresentation
    scalar = raw.withUnsafeBytes { SecretBytes(copying: $0) }
    raw.resetBytes(in: raw.startIndex..<raw.endIndex)
  }

  /// RFC 5958 and RFC 5915 around a P-256 scalar: version 0, id-ecPublicKey, prime256v1, ECPrivateKey version 1.
  private static let pkcs8Prefix: [UInt8] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
    0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x04, 0x6D, 0x30, 0x6B, 0x02, 0x01, 0x01, 0x04, 0x20,
  ]
  /// [1] publicKey BIT STRING.
  private static let pkcs8Middle: [UInt8] = [0xA1, 0x44, 0x03, 0x42, 0x00]
}

extension Certificate.PublicKey {
  var isP256: Bool { P256.Signing.PublicKey(self) != nil }
}

extension TLSKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  public var description: String { "TLSKey" }
  public var debugDescription: String { "TLSKey" }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}

/// One PEM block (RFC 7468) of a private key, in memory that is wiped.
enum KeyPEM {
  private static let begin = Array("-----BEGIN PRIVATE KEY-----\n".utf8)
  private static let end = Array("-----END PRIVATE KEY-----\n".utf8)

  static func encode(_ der: [UInt8]) -> SecretBytes {
    var digits = Base64.encode(der, .standard)
    var text: [UInt8] = []
    text.reserveCapacity(begin.count + digits.count + digits.count / 64 + 1 + end.count)
    defer {
      wipe(&digits)
      wipe(&text)
    }
    text += begin
    for start in stride(from: 0, to: digits.count, by: 64) {
      text += digits[start..<min(start + 64, digits.count)]
      text.append(UInt8(ascii: "\n"))
    }
    text += end
    return SecretBytes(copying: text)
  }

  /// The DER inside; `nil` unless `text` is exactly one block.
  static func decode(_ text: SecretBytes) -> SecretBytes? {
    text.withUnsafeBytes { bytes in
      var digits: [UInt8] = []
      digits.reserveCapacity(bytes.count)
      defer { wipe(&digits) }
      guard bytes.count > begin.count + end.count, bytes.starts(with: begin), bytes.suffix(end.count).elementsEqual(end)
      else { return nil }
      for byte in bytes[begin.count..<bytes.count - end.count] where byte != UInt8(ascii: "\n") { digits.append(byte) }
      guard var der = Base64.decode(digits, .standard) else { return nil }
      defer { wipe(&der) }
      return SecretBytes(copying: der)
    }
  }
}
