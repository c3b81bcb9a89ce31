public import CryptoPrimitives

/// A key as people name it: in 24 characters that are read out, or by the SHA-256 of its bytes, as reports do.
public struct SignerFingerprint: Sendable, CustomStringConvertible {
  /// SHA-256, 64 hexadecimal digits.
  public let hex: String
  /// As rosters, invitations and reviews show it.
  public let short: ShortFingerprint

  public init(of key: VerificationKey) {
    let digest = SHA256.hash(key.bytes)
    hex = digest.hex
    short = ShortFingerprint(of: digest)
  }

  public var description: String { "\(short) (SHA-256 \(hex))" }

  /// Whether a person meant this key: the short form, or at least 16 of the first hexadecimal digits, with or without hyphens and spaces.
  public func isMeant(by text: String) -> Bool {
    let digits = text.lowercased().filter { $0 != "-" && $0 != " " }
    if digits.count >= 16, hex.hasPrefix(digits) { return true }
    let values = digits.utf8.compactMap(ShortFingerprint.value)
    return digits.utf8.count == 24 && values.count == 24 && ShortFingerprint(values: values) == short
  }
}
