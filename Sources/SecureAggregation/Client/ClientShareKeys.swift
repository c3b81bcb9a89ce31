internal import CryptoPrimitives

/// Stage 1 is done at this end; the list of everybody's advertisements is to come.
struct ClientAwaitingAdvertisements: ~Copyable {
  let setting: ClientSetting
  var random: any RandomSource
  let channelKey: X25519.SecretKey
  let maskKey: X25519.SecretKey
  let selfMaskSeed: SecretBytes
  let maskSeed: SecretBytes
  let advertisement: KeyAdvertisement

  /// Checks the list, agrees on keys with every peer, and deals shares of b and s to all who advertised.
  consuming func receive(_ list: AdvertisementList) throws(ClientRefusal) -> ClientStep<ClientAwaitingShares> {
    let setting = setting
    try Self.check(list, own: advertisement, setting: setting)
    let peers = try Self.agree(with: list, channelKey: channelKey, maskKey: maskKey, setting: setting)
    let advertisements = setting.keys.advertisementsHash(list.advertisements, parameters: setting.parameters)
    var random = random
    let deal = ShareDeal(
      setting: setting, selfMaskSeed: selfMaskSeed, maskSeed: maskSeed,
      holders: list.advertisements.map(\.participant), random: &random)
    let message = deal.message(setting: setting, peers: peers, advertisements: advertisements)
    return ClientStep(
      next: ClientAwaitingShares(
        setting: setting, peers: peers, advertisements: advertisements,
        holders: list.advertisements.map(\.participant), selfMaskSeed: selfMaskSeed, ownRoot: message.root,
        ownShares: deal.shares(of: setting.participant)),
      action: .send(.keyShares(message)))
  }

  private static func check(
    _ list: AdvertisementList, own: KeyAdvertisement, setting: ClientSetting
  ) throws(ClientRefusal) {
    try setting.checkAscending(list.advertisements.lazy.map(\.participant))
    for advertisement in list.advertisements {
      let sender = advertisement.participant
      guard advertisement.version == KeyAdvertisement.currentVersion else {
        throw ClientRefusal(.wrongVersion, suspects: [sender])
      }
      guard advertisement.suite == setting.parameters.suite.rawValue else {
        throw ClientRefusal(.wrongSuite, suspects: [sender])
      }
      try setting.checkContext(advertisement.context)
      let identity = try setting.identity(of: sender)
      guard identity.verifies(advertisement.signature, of: advertisement.signedBytes) else {
        throw ClientRefusal(.badAdvertisementSignature, suspects: [sender])
      }
    }
    guard list.advertisements.contains(own) else { throw ClientRefusal(.ownAdvertisementChanged) }
    guard list.advertisements.count >= setting.parameters.fewestContributors else {
      throw ClientRefusal(.tooFewParticipants)
    }
  }

  private static func agree(
    with list: AdvertisementList, channelKey: X25519.SecretKey, maskKey: X25519.SecretKey,
    setting: ClientSetting
  ) throws(ClientRefusal) -> [ParticipantID: PeerKeys] {
    var peers: [ParticipantID: PeerKeys] = [:]
    let own = setting.participant
    for peer in list.advertisements where peer.participant != own {
      let id = peer.participant
      guard
        let outgoing = setting.keys.channelKey(
          channelKey, of: own, with: peer.channelPublicKey, of: id, source: own),
        let incoming = setting.keys.channelKey(
          channelKey, of: own, with: peer.channelPublicKey, of: id, source: id),
        let pairMask = setting.keys.pairMaskKey(maskKey, of: own, with: peer.maskPublicKey, of: id)
      else { throw ClientRefusal(.weakPublicKey, suspects: [id]) }
      peers[id] = PeerKeys(outgoing: outgoing, incoming: incoming, pairMask: pairMask)
    }
    return peers
  }
}

/// The keys that a client has in common with one peer.
struct PeerKeys {
  /// Seals this client's shares to the peer.
  let outgoing: SecretBytes
  /// Opens the peer's shares to this client.
  let incoming: SecretBytes
  let pairMask: SecretBytes
}

/// The layout of one holder's two shares with their salts: share of b (40), salt (32), share of s (40), salt (32).
enum SharePair {
  static let byteCount = 144
  static let saltBytes = 32
  static let halfBytes = SecretSharing.shareBytes + saltBytes

  /// Share and salt of one kind: the 72 bytes that its commitment closes with.
  static func half(_ kind: SecretKind, of pair: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    let start = kind == .selfMask ? 0 : halfBytes
    return UnsafeRawBufferPointer(rebasing: pair[start..<start + halfBytes])
  }

  /// Whether every element of both shares is below the prime; makes no copy of a share.
  static func isCanonical(_ pair: SecretBytes) -> Bool {
    pair.withUnsafeBytes { pair in
      SecretKind.allCases.allSatisfy { kind in
        let share = half(kind, of: pair)
        return (0..<SecretSharing.limbCount).allSatisfy { limb in
          let element = share.loadUnaligned(fromByteOffset: 8 * limb, as: UInt64.self)
          return UInt64(littleEndian: element) < PrimeField.modulus
        }
      }
    }
  }

  /// Share and salt as values that may leave the client; `nil` when an element is not below the prime.
  static func reveal(_ kind: SecretKind, of pair: SecretBytes) -> (share: ShareValue, salt: ShareSalt)? {
    pair.withUnsafeBytes { pair in
      let half = half(kind, of: pair)
      guard let share = ShareValue(bytes: Array(half[..<SecretSharing.shareBytes])),
        let salt = ShareSalt(bytes: Array(half[SecretSharing.shareBytes...]))
      else { return nil }
      return (share, salt)
    }
  }
}

/// A dealer's shares for all holders.
struct ShareDeal {
  let holders: [ParticipantID]
  private let pairs: [SecretBytes]

  /// Draws the coefficients for b, then those for s, then for each holder the salt of b's share and of s's.
  init(
    setting: ClientSetting, selfMaskSeed: SecretBytes, maskSeed: SecretBytes, holders: [ParticipantID],
    random: inout any RandomSource
  ) {
    let points = holders.compactMap { setting.parameters.sharePoint(of: $0) }
    precondition(points.count == holders.count, "shares are dealt to participants of the plan only")
    let threshold = setting.parameters.threshold
    let selfMaskShares = SecretSharing.deal(
      seed: selfMaskSeed, threshold: threshold, points: points, random: &random)
    let maskSeedShares = SecretSharing.deal(
      seed: maskSeed, threshold: threshold, points: points, random: &random)
    var pairs: [SecretBytes] = []
    for index in holders.indices {
      pairs.append(
        SecretBytes(count: SharePair.byteCount) { pair in
          for (start, shares) in [(0, selfMaskShares), (SharePair.halfBytes, maskSeedShares)] {
            shares.withUnsafeBytes { shares in
              let first = index * SecretSharing.shareBytes
              UnsafeMutableRawBufferPointer(rebasing: pair[start...])
                .copyMemory(
                  from: UnsafeRawBufferPointer(rebasing: shares[first..<first + SecretSharing.shareBytes]))
            }
            let salt = start + SecretSharing.shareBytes
            random.fill(UnsafeMutableRawBufferPointer(rebasing: pair[salt..<salt + SharePair.saltBytes]))
          }
        })
    }
    self.holders = holders
    self.pairs = pairs
  }

  func shares(of holder: ParticipantID) -> SecretBytes {
    guard let index = holders.firstIndex(of: holder) else {
      preconditionFailure("every dealer holds shares of its own secrets")
    }
    return pairs[index]
  }

  /// Commits to every share, seals all but the dealer's own, and signs the Merkle root.
  func message(setting: ClientSetting, peers: [ParticipantID: PeerKeys], advertisements: Digest) -> KeyShares {
    let keys = setting.keys
    let dealer = setting.participant
    var entries: [KeyShares.Entry] = []
    var leaves: [Digest] = []
    for (holder, pair) in zip(holders, pairs) {
      guard let point = setting.parameters.sharePoint(of: holder) else {
        preconditionFailure("shares are dealt to participants of the plan only")
      }
      let commitments = SecretKind.allCases.map { kind in
        pair.withUnsafeBytes {
          keys.shareCommitment(
            dealer: dealer, holder: holder, point: point, kind: kind,
            shareAndSalt: SharePair.half(kind, of: $0))
        }
      }
      // The key seals this one message, so that the nonce may be zero.
      let sealed = peers[holder].flatMap { peer in
        SealedShares(
          bytes: XChaCha20Poly1305.seal(
            pair, key: peer.outgoing, nonce: [UInt8](repeating: 0, count: XChaCha20Poly1305.nonceBytes),
            additionalData: keys.sealedSharesData(
              source: dealer, destination: holder, advertisements: advertisements)))
      }
      let entry = KeyShares.Entry(
        holder: holder, selfMaskCommitment: commitments[0], maskSeedCommitment: commitments[1], sealed: sealed
      )
      entries.append(entry)
      leaves.append(
        MerkleTree.leafHash(
          keys.shareLeaf(
            dealer: dealer, holder: holder, point: point, selfMaskCommitment: entry.selfMaskCommitment,
            maskSeedCommitment: entry.maskSeedCommitment, sealed: sealed)))
    }
    let root = MerkleTree.root(leaves)
    let signature = setting.signingKey.sign(
      keys.shareRoot(dealer: dealer, advertisements: advertisements, leafCount: leaves.count, root: root))
    return KeyShares(
      context: setting.context, dealer: dealer, root: root, signature: signature, entries: entries)
  }
}
