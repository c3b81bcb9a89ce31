/// What is wrong with a name, an address, a certificate, a token, a roster or a key file: one sentence that says what was
/// found, what was expected and what to do. No secret stands in it.
public struct PeerIdentityError: Error, Equatable, CustomStringConvertible {
  /// Kinds that callers tell apart.
  public enum Kind: String, Sendable, CaseIterable {
    /// Text that is no name, address or identity.
    case malformed
    /// A certificate, request or key that is not what it must be.
    case certificate
    /// A certificate or token whose time is over, or has not come.
    case expired
    /// Signed by somebody else, or changed after it was signed.
    case signature
    /// A token that was cut off or mistyped.
    case token
    /// A file that is not there.
    case missing
    /// A file that is there already and must not be overwritten.
    case exists
    /// Permissions that would let others read a secret, or an owner who is someone else.
    case unsafePermissions
    /// A file whose content is not what it should be.
    case corrupt
    /// The passphrase does not open the file.
    case wrongPassphrase
    /// The file needs a passphrase and none was given.
    case passphraseNeeded
    /// The system refused: disk full, no memory, no permission.
    case system
  }

  public let kind: Kind
  public let sentence: String

  public var description: String { sentence }

  package init(_ kind: Kind, _ sentence: String) {
    self.kind = kind
    self.sentence = sentence
  }

  /// At most 60 characters of text that came from outside, in quotes, with what a terminal would obey replaced.
  static func quoted(_ text: String) -> String {
    let shown = text.unicodeScalars.prefix(60)
      .map { (0x20..<0x7F).contains($0.value) && $0 != "\"" ? Character($0) : "?" }
    return "\"" + String(shown) + (text.unicodeScalars.count > 60 ? "…" : "") + "\""
  }
}
