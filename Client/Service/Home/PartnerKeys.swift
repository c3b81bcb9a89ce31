internal import CryptoPrimitives
internal import PeerIdentity

/// A partner's two secrets, made at the partner and never sent: its identity and the key of its certificate.
struct PartnerKeys: Sendable {
  let identity: SigningKey
  let transport: TLSKey

  /// Makes both and seals them; keys that an interrupted enrolment left are used again, so that the coordinator sees one
  /// partner and not two.
  static func makeOrRead(_ home: PartnerHome, passphrase: PassphraseSource) throws -> PartnerKeys {
    if HomeFile.exists(home.identityKey), HomeFile.exists(home.transportKey) {
      return try read(home, passphrase: passphrase)
    }
    // One key without the other is what a crash in these few lines leaves; nobody has seen it.
    try HomeFile.erase(home.identityKey)
    try HomeFile.erase(home.transportKey)
    let secret = passphrase == .none ? nil : try passphrase.read()
    var random = SystemRandomSource()
    let keys = PartnerKeys(identity: SigningKey(random: &random), transport: .generate())
    let seed = keys.identity.withUnsafeSeed { SecretBytes(copying: $0) }
    try SealedFile.write(seed, kind: identityKind, to: home.identityKey, passphrase: secret)
    try SealedFile.write(keys.transport.pem, kind: transportKind, to: home.transportKey, passphrase: secret)
    return keys
  }

  /// - Throws: `PeerIdentityError` when a file is missing, unsafe, damaged or does not open with the passphrase.
  static func read(_ home: PartnerHome, passphrase: PassphraseSource) throws -> PartnerKeys {
    // Asked for once, however many files are sealed.
    var known: SecretBytes?
    func ask() throws -> SecretBytes {
      if let known { return known }
      let secret = try passphrase.read()
      known = secret
      return secret
    }
    let seed = try SealedFile.read(kind: identityKind, path: home.identityKey, passphrase: ask)
    guard seed.count == 32 else {
      throw PartnerError(.data, "\(home.identityKey) holds \(seed.count) bytes, expected a seed of 32; restore a backup")
    }
    let pem = try SealedFile.read(kind: transportKind, path: home.transportKey, passphrase: ask)
    return PartnerKeys(identity: SigningKey(seed: seed), transport: try TLSKey(pem: pem))
  }

  private static let identityKind = "identity"
  private static let transportKind = "tls-key"
}
