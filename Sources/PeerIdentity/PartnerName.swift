/// What a partner is called in invitations, rosters and reports.
///
/// 1 to 64 of the ASCII letters, digits, `.`, `_` and `-`, beginning with a letter or a digit, so that a name can be a word
/// of a command line, a file name and a common name of a certificate without quoting. Upper and lower case differ.
public struct PartnerName: Hashable, Sendable, CustomStringConvertible {
  public let text: String

  /// - Throws: `PeerIdentityError` of kind `malformed`.
  public init(_ text: String) throws {
    guard Self.isValid(text) else {
      throw PeerIdentityError(
        .malformed,
        "the name \(PeerIdentityError.quoted(text)) cannot be used; expected 1 to 64 of A-Z a-z 0-9 . _ -, beginning with a letter or digit"
      )
    }
    self.text = text
  }

  public var description: String { text }

  private static func isValid(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard (1...64).contains(bytes.count), isAlphanumeric(bytes[0]) else { return false }
    return bytes.allSatisfy { isAlphanumeric($0) || [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")].contains($0) }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: false
    }
  }
}
