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

  /// Checks the list, agrees on keys with every holder, and deals shares of b and s: to all who advertised, or in a drawn
  /// graph to those whom this client draws now, after it has seen the list.
  consuming func receive(_ list: AdvertisementList) throws(ClientRefusal) -> ClientStep<ClientAwaitingShares> {
    let setting = setting
    var random = random
    try Self.check(list, own: advertisement, setting: setting)
    let holders = try Holders(of: setting, among: list, random: &random)
    if setting.parameters.graph != .complete {
      for holder in holders.advertisements { try setting.checkSignature(of: holder) }
    }
    let peers = try Self.agree(with: holders, channelKey: channelKey, maskKey: maskKey, setting: setting)
    let advertisements = setting.keys.advertisementsHash(list.advertisements, parameters: setting.parameters)
    let deal = ShareDeal(
      setting: setting, selfMaskSeed: selfMaskSeed, maskSeed: maskSeed, holders: holders.ids, random: &random)
    let message = deal.message(setting: setting, holders: holders, peers: peers, advertisements: advertisements)
    return ClientStep(
      next: ClientAwaitingShares(
        setting: setting, peers: peers, advertisements: advertisements, list: list, holders: holders,
        channelKey: channelKey, maskKey: maskKey, selfMaskSeed: selfMaskSeed, ownRoot: message.root,
        ownShares: deal.shares(of: setting.participant)),
      action: .send(.keyShares(message)))
  }

  /// Everything that holds of the whole list. Signatures are checked of those whom this client has to do with: in the complete
  /// graph that is everybody. Of the others the hash of the list binds what was shown.
  private static func check(
    _ list: AdvertisementList, own: KeyAdvertisement, setting: ClientSetting
  ) throws(ClientRefusal) {
    try setting.checkAscending(list.advertisements.lazy.map(\.participant))
    let checksSignatures = setting.parameters.graph == .complete
    for advertisement in list.advertisements {
      let sender = advertisement.participant
      guard advertisement.version == KeyAdvertisement.currentVersion else {
        throw ClientRefusal(.wrongVersion, suspects: [sender])
      }
      guard advertisement.suite == setting.parameters.suite.rawValue else {
        throw ClientRefusal(.wrongSuite, suspects: [sender])
      }
      try setting.checkContext(advertisement.context)
      _ = try setting.identity(of: sender)
      if checksSignatures { try setting.checkSignature(of: advertisement) }
    }
    guard list.advertisement(of: own.participant) == own else { throw ClientRefusal(.ownAdvertisementChanged) }
    guard list.advertisements.count >= setting.parameters.fewestContributors else {
      throw ClientRefusal(.tooFewParticipants)
    }
  }

  private static func agree(
    with holders: Holders, channelKey: X25519.SecretKey, maskKey: X25519.SecretKey, setting: ClientSetting
  ) throws(ClientRefusal) -> [ParticipantID: PeerKeys] {
    var peers: [ParticipantID: PeerKeys] = [:]
    for peer in holders.advertisements where peer.participant != setting.participant {
      peers[peer.participant] = try PeerKeys(
        with: peer, channelKey: channelKey, maskKey: holders.sharesMask(with: peer.participant) ? maskKey : nil,
        setting: setting)
    }
    return peers
  }
}

/// Who gets shares of a client's secrets.
struct Holders {
  /// Ascending; in the complete graph everybody that advertised, the client included.
  let ids: [ParticipantID]
  /// Their advertisements, in the same order.
  let advertisements: [KeyAdvertisement]
  /// Drawn graph: with whom of them the client shares a mask. `nil` in the complete graph, where everybody does.
  let masked: Set<ParticipantID>?

  /// - Throws: `ClientRefusal` when fewer than t of those that the client drew have advertised.
  init(
    of setting: ClientSetting, among list: AdvertisementList, random: inout any RandomSource
  ) throws(ClientRefusal) {
    guard case .drawn(let count, let maskDraws) = setting.parameters.graph else {
      ids = list.advertisements.map(\.participant)
      advertisements = list.advertisements
      masked = nil
      return
    }
    let draw = HolderDraw(count, for: setting.participant, of: setting.parameters.participants, random: &random)
    advertisements = draw.order.sorted().compactMap { list.advertisement(of: $0) }
    ids = advertisements.map(\.participant)
    masked = Set(draw.order.prefix(maskDraws)).intersection(ids)
    guard ids.count >= setting.parameters.threshold else { throw ClientRefusal(.tooFewHolders) }
  }

  func sharesMask(with participant: ParticipantID) -> Bool { masked?.contains(participant) ?? true }

  /// What the leaf says about the mask; nothing in the complete graph.
  func maskFlag(_ participant: ParticipantID) -> Bool? { masked.map { $0.contains(participant) } }
}

extension AdvertisementList {
  /// The advertisement of a participant; the list is ascending.
  func advertisement(of participant: ParticipantID) -> KeyAdvertisement? {
    var low = 0
    var high = advertisements.count
    while low < high {
      let middle = (low + high) / 2
      if advertisements[middle].participant < participant { low = middle + 1 } else { high = middle }
    }
    guard low < advertisements.count, advertisements[low].participant == participant else { return nil }
    return advertisements[low]
  }

  /// The first of ascending participants that has not advertised.
  func firstStranger(among participants: [ParticipantID]) -> ParticipantID? {
    var index = 0
    for participant in participants {
      while index < advertisements.count, advertisements[index].participant < participant { index += 1 }
      guard index < advertisements.count, advertisements[index].participant == participant else { return participant }
    }
    return nil
  }
}

/// The keys that a client has in common with one peer.
struct PeerKeys {
  /// Seals this client's shares to the peer.
  let outgoing: SecretBytes
  /// Opens the peer's shares to this client.
  let incoming: SecretBytes
  /// `nil` when they share no mask, or none that this client asked for.
  let pairMask: SecretBytes?

  /// - Parameter maskKey: `nil` to agree on no mask.
  /// - Throws: `ClientRefusal` for a public key of small order.
  init(
    with peer: KeyAdvertisement, channelKey: X25519.SecretKey, maskKey: X25519.SecretKey?, setting: ClientSetting
  ) throws(ClientRefusal) {
    let keys = setting.keys
    let (own, id) = (setting.participant, peer.participant)
    guard let channel = keys.channelKeys(channelKey, of: own, with: peer.channelPublicKey, of: id) else {
      throw ClientRefusal(.weakPublicKey, suspects: [id])
    }
    (outgoing, incoming) = channel
    guard let maskKey else {
      pairMask = nil
      return
    }
    guard let pairMask = keys.pairMaskKey(maskKey, of: own, with: peer.maskPublicKey, of: id) else {
      throw ClientRefusal(.weakPublicKey, suspects: [id])
    }
    self.pairMask = pairMask
  }
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
      guard let share = ShareValue(copying: UnsafeRawBufferPointer(rebasing: half[..<SecretSharing.shareBytes])),
        let salt = ShareSalt(copying: UnsafeRawBufferPointer(rebasing: half[SecretSharing.shareBytes...]))
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

  /// `nil` when the holder gets none: in a drawn graph the dealer itself.
  func shares(of holder: ParticipantID) -> SecretBytes? { holders.firstIndex(of: holder).map { pairs[$0] } }

  /// Commits to every share, seals all but the dealer's own, and signs the Merkle root.
  func message(
    setting: ClientSetting, holders graph: Holders, peers: [ParticipantID: PeerKeys], advertisements: Digest
  ) -> KeyShares {
    let keys = setting.keys
    let dealer = setting.participant
    var hasher = keys.shareHasher
    var entries: [KeyShares.Entry] = []
    var leaves: [Digest] = []
    for (holder, pair) in zip(holders, pairs) {
      guard let point = setting.parameters.sharePoint(of: holder) else {
        preconditionFailure("shares are dealt to participants of the plan only")
      }
      let commitments = SecretKind.allCases.map { kind in
        pair.withUnsafeBytes {
          hasher.commitment(
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
        holder: holder, selfMaskCommitment: commitments[0], maskSeedCommitment: commitments[1], sealed: sealed,
        sharesMask: graph.maskFlag(holder) ?? false)
      entries.append(entry)
      leaves.append(
        hasher.leaf(
          dealer: dealer, holder: holder, point: point, selfMaskCommitment: entry.selfMaskCommitment,
          maskSeedCommitment: entry.maskSeedCommitment, sealed: sealed, sharesMask: graph.maskFlag(holder)))
    }
    let root = MerkleTree.root(leaves)
    let signature = setting.signingKey.sign(
      keys.shareRoot(dealer: dealer, advertisements: advertisements, leafCount: leaves.count, root: root))
    return KeyShares(
      context: setting.context, dealer: dealer, root: root, signature: signature, entries: entries)
  }
}
