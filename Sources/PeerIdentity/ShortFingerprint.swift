public import CryptoPrimitives

extension ShortFingerprint {
  /// Reads what somebody read out or typed.
  ///
  /// - Throws: `PeerIdentityError` of kind `malformed`.
  public init(parsing text: String) throws {
    var values: [UInt8] = []
    for character in text.utf8 where character != UInt8(ascii: "-") && character != UInt8(ascii: " ") {
      guard let value = Self.value(of: character) else {
        throw PeerIdentityError(
          .malformed,
          "the fingerprint has the character \(PeerIdentityError.quoted(String(decoding: [character], as: UTF8.self))), expected letters but for U, and digits"
        )
      }
      values.append(value)
    }
    guard values.count == 24 else {
      throw PeerIdentityError(.malformed, "the fingerprint has \(values.count) characters, expected 24 in groups of 4")
    }
    self.init(values: values)
  }
}
