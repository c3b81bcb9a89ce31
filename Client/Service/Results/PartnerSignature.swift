public import CryptoPrimitives
public import PeerIdentity

/// The partner's own hand under a report of its ledger.
public enum PartnerSignature {
  /// Opens the identity that signs ledgers, for one report.
  ///
  /// - Throws: `PeerIdentityError` when the key file is missing, unsafe or does not open; `PartnerError` when it is another's.
  public static func key(home: PartnerHome, enrolment: Enrolment, passphrase: PassphraseSource) throws -> SigningKey {
    let key = try PartnerKeys.read(home, passphrase: passphrase).identity
    guard key.verificationKey == enrolment.identity else {
      throw PartnerError(.data, "\(home.identityKey) is not the identity that this home enrolled with; put the right file back")
    }
    return key
  }
}
