public import CryptoPrimitives
public import Foundation

/// A one-time invitation: where to enrol, which authority to expect there, and the secret that proves the invitation.
///
/// Text: `tacit1.` and base64url of the canonical bytes and the first 4 bytes of SHA-256("tacit/v1/token" ‖ LF ‖ bytes).
/// Canonical bytes: 1, name, training address, enrolment address (each after one byte of length), SHA-256 of the authority
/// (32), secret (32), end in seconds since 1970 (8, big-endian).
///
/// - Warning: whoever holds the text can enrol in the invited partner's name until it is used or over.
public struct EnrolmentToken: Sendable {
  public let name: PartnerName
  public let trainingAddress: HostPort
  public let enrolmentAddress: HostPort
  /// SHA-256 of the authority's certificate in DER form.
  public let caFingerprint: Digest
  /// 32 bytes.
  public let secret: SecretBytes
  /// Whole seconds.
  public let expires: Date

  /// A fresh invitation.
  ///
  /// - Throws: `PeerIdentityError` of kind `malformed` when an address has port 0.
  public init(
    name: PartnerName, trainingAddress: HostPort, enrolmentAddress: HostPort, caFingerprint: Digest, expires: Date,
    random: inout some RandomSource
  ) throws {
    for address in [trainingAddress, enrolmentAddress] where address.port == 0 {
      throw PeerIdentityError(.malformed, "the address \(address) has port 0, which nobody can dial; expected 1 to 65535")
    }
    self.name = name
    self.trainingAddress = trainingAddress
    self.enrolmentAddress = enrolmentAddress
    self.caFingerprint = caFingerprint
    secret = SecretBytes(count: Self.secretCount, random: &random)
    self.expires = Date(timeIntervalSince1970: expires.timeIntervalSince1970.rounded(.down))
  }

  /// Reads a token; white space anywhere, as mail programs add it, is passed over.
  ///
  /// - Throws: `PeerIdentityError` of kind `token` when it was cut off, mistyped or is something else, of kind `expired`
  ///   when its time is over.
  public init(parsing text: String, now: Date) throws {
    let characters = text.utf8.filter { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
    let prefix = Array(Self.prefix.utf8)
    guard characters.starts(with: prefix) else {
      throw PeerIdentityError(
        .token,
        prefix.starts(with: characters)
          ? Self.truncated : "this is no token of Tacit; expected text that begins with \(Self.prefix)")
    }
    guard var bytes = Base64.decode(characters.dropFirst(prefix.count), .url) else {
      throw PeerIdentityError(.token, Self.damaged)
    }
    defer { wipe(&bytes) }
    self = try bytes.withUnsafeBytes { try Self(decoding: $0) }
    guard now <= expires else {
      throw PeerIdentityError(.expired, "the token for \(name) was valid until \(expires); ask the coordinator for a new one")
    }
  }

  private init(decoding bytes: UnsafeRawBufferPointer) throws {
    var reader = CanonicalReader(bytes)
    guard let version = reader.integer(UInt8.self) else { throw PeerIdentityError(.token, Self.truncated) }
    guard version == 1 else { throw PeerIdentityError(.token, Self.damaged) }
    guard let name = reader.field(), let training = reader.field(), let enrolment = reader.field(),
      let fingerprint = reader.fixed(Digest.self), let secret = reader.raw(Self.secretCount),
      let seconds = reader.integer(UInt64.self), let checksum = reader.raw(Self.checksumCount)
    else { throw PeerIdentityError(.token, Self.truncated) }
    let signed = UnsafeRawBufferPointer(rebasing: bytes.dropLast(Self.checksumCount))
    guard reader.isAtEnd, checksum.elementsEqual(Self.checksum(of: signed)),
      let name = try? PartnerName(String(decoding: name, as: UTF8.self)), let trainingAddress = Self.address(training),
      let enrolmentAddress = Self.address(enrolment), seconds <= Self.secondsMax
    else { throw PeerIdentityError(.token, Self.damaged) }
    self.name = name
    self.trainingAddress = trainingAddress
    self.enrolmentAddress = enrolmentAddress
    caFingerprint = fingerprint
    self.secret = SecretBytes(copying: secret)
    expires = Date(timeIntervalSince1970: Double(seconds))
  }

  /// What is given to the partner. A string cannot be wiped: print it once and let it go.
  public var text: String {
    var writer = CanonicalWriter(capacity: 1024)
    defer { writer.wipeAll() }
    writer.integer(UInt8(1))
    writer.text(name.text)
    writer.text(trainingAddress.description)
    writer.text(enrolmentAddress.description)
    writer.raw(caFingerprint.bytes)
    writer.secret(secret)
    writer.integer(UInt64(max(0, expires.timeIntervalSince1970)))
    writer.raw(writer.bytes.withUnsafeBytes { Self.checksum(of: $0) })
    var digits = Base64.encode(writer.bytes, .url)
    defer { wipe(&digits) }
    return Self.prefix + String(decoding: digits, as: UTF8.self)
  }

  /// What the coordinator keeps of the secret: SHA-256("tacit/v1/enrolment-secret" ‖ LF ‖ secret). The secret has 256 random
  /// bits, so that its hash need be neither salted nor slow.
  public static func secretHash(_ secret: SecretBytes) -> Digest {
    var hasher = SHA256Hasher()
    hasher.update(Array("tacit/v1/enrolment-secret\n".utf8))
    hasher.update(secret)
    return hasher.finalize()
  }

  /// Length of the secret in bytes.
  public static let secretCount = 32

  private static let prefix = "tacit1."
  private static let checksumCount = 4
  /// The end of the year 9999.
  private static let secondsMax: UInt64 = 253_402_300_799
  private static let truncated = "the token is cut off; copy all of it, from \(prefix) to its last character"
  private static let damaged = "the token has a wrong character or is of another version; copy it again, or ask for a new one"

  private static func checksum(of bytes: UnsafeRawBufferPointer) -> ArraySlice<UInt8> {
    var hasher = SHA256Hasher()
    hasher.update(Array("tacit/v1/token\n".utf8))
    hasher.update(bytes)
    return hasher.finalize().bytes.prefix(checksumCount)
  }

  /// An address in its one spelling that can be dialled.
  private static func address(_ bytes: UnsafeRawBufferPointer) -> HostPort? {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let address = try? HostPort(parsing: text), address.description == text, address.port != 0 else { return nil }
    return address
  }
}

extension EnrolmentToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  /// Without the secret.
  public var description: String { "EnrolmentToken for \(name) until \(expires)" }
  public var debugDescription: String { description }
  public var customMirror: Mirror { Mirror(self, children: [:]) }
}
