package import CryptoPrimitives

/// Before the attempt: nothing drawn, nothing sent.
struct ClientReady: ~Copyable {
  let setting: ClientSetting
  let ledger: LedgerHead
  var random: any RandomSource

  /// Draws, in this order, the channel key (32 bytes), the self-mask seed b (32) and the mask seed s (32).
  consuming func advertise() -> ClientStep<ClientAwaitingAdvertisements> {
    let setting = setting
    var random = random
    let channelKey = X25519.SecretKey(scalar: random.secret(32))
    let selfMaskSeed = random.secret(32)
    let maskSeed = random.secret(32)
    let maskKey = setting.keys.maskKeyPair(seed: maskSeed, of: setting.participant)
    let advertisement = KeyAdvertisement(
      signedBy: setting.signingKey, suite: setting.parameters.suite, context: setting.context,
      participant: setting.participant, channelPublicKey: channelKey.publicKey,
      maskPublicKey: maskKey.publicKey,
      selfMaskCommitment: setting.keys.seedCommitment(.selfMask, seed: selfMaskSeed, of: setting.participant),
      maskSeedCommitment: setting.keys.seedCommitment(.maskSeed, seed: maskSeed, of: setting.participant),
      ledger: ledger)
    return ClientStep(
      next: ClientAwaitingAdvertisements(
        setting: setting, random: random, channelKey: channelKey, maskKey: maskKey,
        selfMaskSeed: selfMaskSeed,
        maskSeed: maskSeed, advertisement: advertisement),
      action: .send(.keyAdvertisement(advertisement)))
  }
}

extension KeyAdvertisement {
  /// The advertisement of this protocol version under its owner's signature.
  package init(
    signedBy signingKey: SigningKey, suite: KeystreamSuite, context: AttemptContext,
    participant: ParticipantID,
    channelPublicKey: X25519.PublicKey, maskPublicKey: X25519.PublicKey, selfMaskCommitment: Digest,
    maskSeedCommitment: Digest, ledger: LedgerHead
  ) {
    var fields = FieldEncoder(.keyAdvertisement, suite: suite, context: context)
    Self.encode(
      participant, channelPublicKey, maskPublicKey, selfMaskCommitment, maskSeedCommitment, ledger,
      into: &fields)
    self.init(
      version: Self.currentVersion, suite: suite.rawValue, context: context, participant: participant,
      channelPublicKey: channelPublicKey, maskPublicKey: maskPublicKey,
      selfMaskCommitment: selfMaskCommitment,
      maskSeedCommitment: maskSeedCommitment, ledger: ledger, signature: signingKey.sign(fields.bytes))
  }
}

extension RandomSource {
  /// Fresh secret bytes; usable through an existential.
  mutating func secret(_ count: Int) -> SecretBytes { SecretBytes(count: count, random: &self) }
}
