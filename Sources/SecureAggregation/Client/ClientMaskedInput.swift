internal import CryptoPrimitives

/// Stage 2 is done at this end; the shares of this client's dealers are to come.
struct ClientAwaitingShares: ~Copyable {
  let setting: ClientSetting
  let peers: [ParticipantID: PeerKeys]
  let advertisements: Digest
  /// Who advertised keys (U1).
  let list: AdvertisementList
  let holders: Holders
  let channelKey: X25519.SecretKey
  let maskKey: X25519.SecretKey
  let selfMaskSeed: SecretBytes
  let ownRoot: Digest
  /// Complete graph: this client's shares of its own secrets.
  let ownShares: SecretBytes?

  /// Opens and checks every delivered share; one that does not fit ends the attempt for this client, for a peer
  /// skipped here could not be unmasked later.
  consuming func receive(_ delivery: ShareDelivery) throws(ClientRefusal) -> ClientStep<ClientAwaitingInput> {
    let setting = setting
    try setting.checkContext(delivery.context)
    try setting.checkAscending(delivery.entries.lazy.map(\.dealer))
    let opened: OpenedDelivery
    let transcript: Digest
    let contributors: [ParticipantID]
    let ownHolders: Set<ParticipantID>?
    if let masked = holders.masked {
      opened = try openDrawn(delivery, masked: masked)
      contributors = delivery.contributors
      transcript = setting.keys.transcript(advertisements: advertisements, contributors: contributors)
      ownHolders = Set(holders.ids)
    } else {
      opened = try openComplete(delivery)
      contributors = delivery.entries.map(\.dealer)
      transcript = setting.keys.transcript(
        advertisements: advertisements, roots: delivery.entries.map { ($0.dealer, $0.root) })
      ownHolders = nil
    }
    let selfMask = Mask(key: setting.keys.selfMaskKey(seed: selfMaskSeed, of: setting.participant), sign: .plus)
    return ClientStep(
      next: ClientAwaitingInput(
        setting: setting, contributors: contributors, transcript: transcript, masks: opened.masks + [selfMask],
        dealers: delivery.entries.map(\.dealer), shares: opened.shares, ownHolders: ownHolders),
      action: .awaitInput(InputRequest(contributors: contributors, transcript: transcript)))
  }

  private func openComplete(_ delivery: ShareDelivery) throws(ClientRefusal) -> OpenedDelivery {
    guard delivery.entries.count >= setting.parameters.fewestContributors else {
      throw ClientRefusal(.tooFewParticipants)
    }
    guard let position = holders.ids.firstIndex(of: setting.participant) else {
      preconditionFailure("a client's own advertisement was in the list")
    }
    let check = DeliveryCheck(setting: setting, advertisements: advertisements)
    var opened = OpenedDelivery()
    for entry in delivery.entries {
      if entry.dealer == setting.participant {
        guard entry.root == ownRoot else { throw ClientRefusal(.ownSharesChanged) }
        opened.shares[entry.dealer] = ownShares
      } else {
        guard let peer = peers[entry.dealer] else {
          throw ClientRefusal(.unknownDealer, suspects: [entry.dealer])
        }
        opened.shares[entry.dealer] = try check.open(
          entry, key: peer.incoming, leafIndex: position, leafCount: holders.ids.count)
        opened.share(peer.pairMask, with: entry.dealer, setting)
      }
    }
    guard opened.shares[setting.participant] != nil else { throw ClientRefusal(.ownSharesChanged) }
    return opened
  }

  /// In a drawn graph the server says who is in U2, and hands over the shares of those in it that drew this client. It could
  /// leave one out; then the two do not agree on a mask, and the sum is noise: nothing is learnt that way.
  private func openDrawn(
    _ delivery: ShareDelivery, masked: Set<ParticipantID>
  ) throws(ClientRefusal) -> OpenedDelivery {
    let contributors = delivery.contributors
    try setting.checkAscending(contributors)
    guard contributors.count >= setting.parameters.fewestContributors else {
      throw ClientRefusal(.tooFewParticipants)
    }
    let present = Set(contributors)
    if let stranger = list.firstStranger(among: contributors) {
      throw ClientRefusal(.unknownDealer, suspects: [stranger])
    }
    guard present.contains(setting.participant) else { throw ClientRefusal(.ownSharesChanged) }
    guard holders.ids.count(where: present.contains) >= setting.parameters.threshold else {
      throw ClientRefusal(.tooFewHolders)
    }
    let check = DeliveryCheck(setting: setting, advertisements: advertisements)
    var opened = OpenedDelivery()
    var sharing: Set<ParticipantID> = []
    for entry in delivery.entries {
      let dealer = entry.dealer
      guard present.contains(dealer), dealer != setting.participant, let advertisement = list.advertisement(of: dealer)
      else { throw ClientRefusal(.unknownDealer, suspects: [dealer]) }
      let sharesMask = entry.sharesMask || masked.contains(dealer)
      let peer: PeerKeys
      if let known = peers[dealer], known.pairMask != nil || !sharesMask {
        peer = known
      } else {
        // Its own signature on the advertisement need not be checked: its root, checked below, is signed over the hash of the
        // list that this advertisement stands in.
        peer = try PeerKeys(
          with: advertisement, channelKey: channelKey, maskKey: sharesMask ? maskKey : nil, setting: setting)
      }
      opened.shares[dealer] = try check.open(
        entry, key: peer.incoming, leafIndex: Int(entry.leafIndex), leafCount: Int(entry.leafCount))
      if sharesMask {
        sharing.insert(dealer)
        opened.share(peer.pairMask, with: dealer, setting)
      }
    }
    for holder in holders.ids where masked.contains(holder) && present.contains(holder) && !sharing.contains(holder) {
      opened.share(peers[holder]?.pairMask, with: holder, setting)
    }
    return opened
  }
}

/// What a delivery gave: shares of others' secrets, and the masks of this client.
struct OpenedDelivery {
  var shares: [ParticipantID: SecretBytes] = [:]
  var masks: [Mask] = []

  mutating func share(_ key: SecretBytes?, with peer: ParticipantID, _ setting: ClientSetting) {
    guard let key else { preconditionFailure("keys were agreed on with everybody with whom a mask is shared") }
    masks.append(Mask(key: key, sign: setting.participant < peer ? .plus : .minus))
  }
}

/// Checks that what a client got is what the dealer signed.
struct DeliveryCheck {
  let setting: ClientSetting
  let advertisements: Digest

  /// The opened 144 bytes of one dealer.
  ///
  /// - Parameters:
  ///   - leafIndex: where this client's leaf is among the dealer's; the path proves it.
  ///   - leafCount: how many the dealer has; its signature covers it.
  func open(
    _ entry: ShareDelivery.Entry, key: SecretBytes, leafIndex: Int, leafCount: Int
  ) throws(ClientRefusal) -> SecretBytes {
    let keys = setting.keys
    let dealer = entry.dealer
    let holder = setting.participant
    let signed = keys.shareRoot(
      dealer: dealer, advertisements: advertisements, leafCount: leafCount, root: entry.root)
    guard try setting.identity(of: dealer).verifies(entry.signature, of: signed) else {
      throw ClientRefusal(.badShareSignature, suspects: [dealer])
    }
    var hasher = keys.shareHasher
    let leaf = hasher.leaf(
      dealer: dealer, holder: holder, point: setting.point, selfMaskCommitment: entry.selfMaskCommitment,
      maskSeedCommitment: entry.maskSeedCommitment, sealed: entry.sealed,
      sharesMask: setting.parameters.graph == .complete ? nil : entry.sharesMask)
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
        hasher.commitment(
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
  /// Whose shares this client holds, ascending.
  let dealers: [ParticipantID]
  let shares: [ParticipantID: SecretBytes]
  /// Drawn graph: who holds shares of this client's secrets.
  let ownHolders: Set<ParticipantID>?

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
        setting: setting, contributors: contributors, transcript: transcript, dealers: dealers, shares: shares,
        ownHolders: ownHolders),
      action: .send(.maskedInput(message)))
  }
}
