public import CryptoPrimitives

/// Stage 1, client to server: one-attempt public keys and commitments, signed by the enrolled identity.
public struct KeyAdvertisement: Hashable, Sendable {
  /// Version of the protocol, `currentVersion`.
  public var version: UInt16
  /// Raw value of the mask suite.
  public var suite: UInt8
  public var context: AttemptContext
  public var participant: ParticipantID
  /// Agrees on the keys that shares are sealed with.
  public var channelPublicKey: X25519.PublicKey
  /// Agrees on the pairwise masks.
  public var maskPublicKey: X25519.PublicKey
  /// Commitment to the self-mask seed b.
  public var selfMaskCommitment: Digest
  /// Commitment to the seed s that the mask key pair comes from.
  public var maskSeedCommitment: Digest
  /// The participant's own privacy ledger.
  public var ledger: LedgerHead
  public var signature: Signature

  /// The only version so far.
  public static let currentVersion: UInt16 = 1

  public init(
    version: UInt16, suite: UInt8, context: AttemptContext, participant: ParticipantID,
    channelPublicKey: X25519.PublicKey, maskPublicKey: X25519.PublicKey, selfMaskCommitment: Digest,
    maskSeedCommitment: Digest, ledger: LedgerHead, signature: Signature
  ) {
    self.version = version
    self.suite = suite
    self.context = context
    self.participant = participant
    self.channelPublicKey = channelPublicKey
    self.maskPublicKey = maskPublicKey
    self.selfMaskCommitment = selfMaskCommitment
    self.maskSeedCommitment = maskSeedCommitment
    self.ledger = ledger
    self.signature = signature
  }

  /// The bytes under the signature.
  package var signedBytes: [UInt8] {
    var encoder = FieldEncoder(.keyAdvertisement, version: version, suite: suite, context: context)
    encodeFields(into: &encoder)
    return encoder.bytes
  }

  /// What `encodeFields` appends: seven fields, each with its length before it.
  static let encodedBytes = 7 * 4 + 4 + 2 * X25519.PublicKey.byteCount + 3 * Digest.byteCount + 8

  /// Every field but context, version, suite and signature, in the order of the specification.
  func encodeFields(into encoder: inout FieldEncoder) {
    Self.encode(
      participant, channelPublicKey, maskPublicKey, selfMaskCommitment, maskSeedCommitment, ledger,
      into: &encoder)
  }

  static func encode(
    _ participant: ParticipantID, _ channelPublicKey: X25519.PublicKey, _ maskPublicKey: X25519.PublicKey,
    _ selfMaskCommitment: Digest, _ maskSeedCommitment: Digest, _ ledger: LedgerHead,
    into encoder: inout FieldEncoder
  ) {
    encoder.append(participant.rawValue)
    encoder.append(channelPublicKey)
    encoder.append(maskPublicKey)
    encoder.append(selfMaskCommitment)
    encoder.append(maskSeedCommitment)
    encoder.append(ledger.size)
    encoder.append(ledger.head)
  }
}

/// Stage 1, server to every participant that advertised: all advertisements, ascending by participant.
public struct AdvertisementList: Hashable, Sendable {
  public var advertisements: [KeyAdvertisement]
  public init(advertisements: [KeyAdvertisement]) { self.advertisements = advertisements }
}
