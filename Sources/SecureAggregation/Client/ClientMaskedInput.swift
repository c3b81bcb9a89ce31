internal import CryptoPrimitives

/// Stage 2 is done at this end; everybody's shares are to come.
struct ClientAwaitingShares: ~Copyable {
  let setting: ClientSetting
  let peers: [ParticipantID: PeerKeys]
  let advertisements: Digest
  /// Who advertised keys (U1), ascending.
  let holders: [ParticipantID]
  let selfMaskSeed: SecretBytes
  let ownRoot: Digest
  let ownShares: SecretBytes

  /// Opens and checks every delivered share; one that does not fit ends the attempt for this client, for a peer
  /// skipped here could not be unmasked later.
  consuming func receive(_ delivery: ShareDelivery) throws(ClientRefusal) -> ClientStep<ClientAwaitingInput> {
    let setting = setting
    try setting.checkContext(delivery.context)
    try setting.checkAscending(delivery.entries.lazy.map(\.dealer))
    guard delivery.entries.count >= setting.parameters.fewestContributors else {
      throw ClientRefusal(.tooFewParticipants)
    }
    guard let position = holders.firstIndex(of: setting.participant) else {
      preconditionFailure("a client's own advertisement was in the list")
    }
    let check = DeliveryCheck(
      setting: setting, advertisements: advertisements, leafIndex: position, leafCount: holders.count)
    var shares: [ParticipantID: SecretBytes] = [:]
    var masks: [Mask] = []
    for entry in delivery.entries {
      if entry.dealer == setting.participant {
        guard entry.root == ownRoot else { throw ClientRefusal(.ownSharesChanged) }
        shares[entry.dealer] = ownShares
      } else {
        guard let peer = peers[entry.dealer] else {
          throw ClientRefusal(.unknownDealer, suspects: [entry.dealer])
        }
        shares[entry.dealer] = try check.open(entry, key: peer.incoming)
        masks.append(Mask(key: peer.pairMask, sign: setting.participant < entry.dealer ? .plus : .minus))
      }
    }
    guard shares[setting.participant] != nil else { throw ClientRefusal(.ownSharesChanged) }
    masks.append(
      Mask(key: setting.keys.selfMaskKey(seed: selfMaskSeed, of: setting.participant), sign: .plus))
    let contributors = delivery.entries.map(\.dealer)
    let transcript = setting.keys.transcript(
      advertisements: advertisements, roots: delivery.entries.map { ($0.dealer, $0.root) })
    return ClientStep(
      next: ClientAwaitingInput(
        setting: setting, contributors: contributors, transcript: transcript, masks: masks, shares: shares),
      action: .awaitInput(InputRequest(contributors: contributors, transcript: transcript)))
  }
}

/// Checks that what a client got is what the dealer signed.
struct DeliveryCheck {
  let setting: ClientSetting
  let advertisements: Digest
  let leafIndex: Int
  let leafCount: Int

  /// The opened 144 bytes of one dealer.
  func open(_ entry: ShareDelivery.Entry, key: SecretBytes) throws(ClientRefusal) -> SecretBytes {
    let keys = setting.keys
    let dealer = entry.dealer
    let holder = setting.participant
    let signed = keys.shareRoot(
      dealer: dealer, advertisements: advertisements, leafCount: leafCount, root: entry.root)
    guard try setting.identity(of: dealer).verifies(entry.signature, of: signed) else {
      throw ClientRefusal(.badShareSignature, suspects: [dealer])
    }
    let leaf = MerkleTree.leafHash(
      keys.shareLeaf(
        dealer: dealer, holder: holder, point: setting.point, selfMaskCommitment: entry.selfMaskCommitment,
        maskSeedCommitment: entry.maskSeedCommitment, sealed: entry.sealed))
    guard MerkleTree.root(leaf: leaf, index: leafIndex, leafCount: leafCount, path: entry.path) == entry.root
    else {
      throw ClientRefusal(.shareNotUnderRoot)
    }
    // From here on the dealer signed what is wrong.
    guard let sealed = entry.sealed,
      let pair = XChaCha20Poly1305.open(
        sealed.bytes, key: key, nonce: [UInt8](repeating: 0, count: XChaCha20Poly1305.nonceBytes),
        additionalData: keys.sealedSharesData(
          source: dealer, destination: holder, advertisements: advertisements))
    else { throw ClientRefusal(.sharesDoNotOpen, suspects: [dealer]) }
    guard SharePair.isCanonical(pair) else { throw ClientRefusal(.sharesNotCanonical, suspects: [dealer]) }
    for kind in SecretKind.allCases {
      let commitment = pair.withUnsafeBytes {
        keys.shareCommitment(
          dealer: dealer, holder: holder, point: setting.point, kind: kind,
          shareAndSalt: SharePair.half(kind, of: $0))
      }
      guard commitment == (kind == .selfMask ? entry.selfMaskCommitment : entry.maskSeedCommitment) else {
        throw ClientRefusal(.shareCommitmentMismatch, suspects: [dealer])
      }
    }
    return pair
  }
}

/// All shares are in place; the host's input is to come.
struct ClientAwaitingInput: ~Copyable {
  let setting: ClientSetting
  /// U2, ascending.
  let contributors: [ParticipantID]
  let transcript: Digest
  let masks: [Mask]
  let shares: [ParticipantID: SecretBytes]

  /// input + self mask + Σ masks with higher peers − Σ masks with lower peers.
  consuming func submit(_ input: consuming RingVector, threads: Int) -> ClientStep<ClientAwaitingSurvivors> {
    let parameters = setting.parameters
    precondition(
      input.count == parameters.dimension && input.modulusBits == parameters.modulusBits,
      """
      an input has \(parameters.dimension) entries of \(parameters.modulusBits) bits, \
      found \(input.count) of \(input.modulusBits)
      """)
    var masked = input
    MaskExpansion.apply(masks, to: &masked, suite: parameters.suite, threads: threads)
    let message = MaskedInput(
      context: setting.context, participant: setting.participant, packed: masked.packed())
    return ClientStep(
      next: ClientAwaitingSurvivors(
        setting: setting, contributors: contributors, transcript: transcript, shares: shares),
      action: .send(.maskedInput(message)))
  }
}
