import CryptoPrimitives
import SecureAggregation
import Testing

/// An enrolled participant that deals as it likes and signs it properly: it has all keys that an honest one has.
struct DishonestDealer {
  let rehearsal: AggregationRehearsal
  let id: ParticipantID
  private let channelKey: X25519.SecretKey
  private let selfMaskSeed: SecretBytes
  private let maskSeed: SecretBytes

  /// What to change; the default deals honestly.
  struct Lies {
    /// Another seed than the one committed to in stage 1.
    var selfMaskSeed: SecretBytes?
    var maskSeed: SecretBytes?
    /// Changes the 144 bytes for a holder before they are committed to.
    var beforeCommitting: (ParticipantID, inout [UInt8]) -> Void = { _, _ in }
    /// Changes them after they were committed to and before they are sealed.
    var beforeSealing: (ParticipantID, inout [UInt8]) -> Void = { _, _ in }
    /// Changes the ciphertext before it is signed.
    var afterSealing: (ParticipantID, inout [UInt8]) -> Void = { _, _ in }
  }

  init(_ rehearsal: AggregationRehearsal, _ id: ParticipantID) {
    self.rehearsal = rehearsal
    self.id = id
    // The order in which a client draws: channel key, b, s.
    var random = rehearsal.randomSource(of: id)
    channelKey = X25519.SecretKey(scalar: SecretBytes(count: 32, random: &random))
    selfMaskSeed = SecretBytes(count: 32, random: &random)
    maskSeed = SecretBytes(count: 32, random: &random)
  }

  func keyShares(for list: [KeyAdvertisement], _ lies: Lies) throws -> KeyShares {
    let parameters = rehearsal.parameters
    let keys = KeyDerivation(suite: parameters.suite, context: rehearsal.context)
    let hash = keys.advertisementsHash(list, parameters: parameters)
    let holders = list.map(\.participant)
    let points = holders.compactMap { parameters.sharePoint(of: $0) }
    var random: any RandomSource = KeyedRandomSource(insecureSeed: 99)
    let dealt = [lies.selfMaskSeed ?? selfMaskSeed, lies.maskSeed ?? maskSeed].map {
      SecretSharing.deal(seed: $0, threshold: parameters.threshold, points: points, random: &random)
    }
    var entries: [KeyShares.Entry] = []
    var leaves: [Digest] = []
    var hasher = keys.shareHasher
    for (index, holder) in holders.enumerated() {
      var pair: [UInt8] = []
      for shares in dealt {
        pair += shares.withUnsafeBytes { Array($0[40 * index..<40 * index + 40]) } + random.bytes(32)
      }
      lies.beforeCommitting(holder, &pair)
      let commitments = pair.withUnsafeBytes { pair in
        [(SecretKind.selfMask, 0), (.maskSeed, 72)].map { kind, start in
          hasher.commitment(
            dealer: id, holder: holder, point: points[index], kind: kind,
            shareAndSalt: UnsafeRawBufferPointer(rebasing: pair[start..<start + 72]))
        }
      }
      lies.beforeSealing(holder, &pair)
      var sealed: SealedShares?
      if holder != id {
        let channel = try #require(
          keys.channelKey(channelKey, of: id, with: list[index].channelPublicKey, of: holder, source: id))
        var ciphertext = XChaCha20Poly1305.seal(
          SecretBytes(copying: pair), key: channel, nonce: [UInt8](repeating: 0, count: 24),
          additionalData: keys.sealedSharesData(source: id, destination: holder, advertisements: hash))
        lies.afterSealing(holder, &ciphertext)
        sealed = SealedShares(bytes: ciphertext)
      }
      entries.append(
        KeyShares.Entry(
          holder: holder, selfMaskCommitment: commitments[0], maskSeedCommitment: commitments[1],
          sealed: sealed))
      leaves.append(
        hasher.leaf(
          dealer: id, holder: holder, point: points[index], selfMaskCommitment: commitments[0],
          maskSeedCommitment: commitments[1], sealed: sealed))
    }
    let root = MerkleTree.root(leaves)
    let signature = try #require(rehearsal.identities[id]).sign(
      keys.shareRoot(dealer: id, advertisements: hash, leafCount: leaves.count, root: root))
    return KeyShares(
      context: rehearsal.context, dealer: id, root: root, signature: signature, entries: entries)
  }

  /// Plays an attempt in which this participant deals so.
  func play(_ lies: Lies, silentFrom: [ParticipantID: AggregationStage] = [:]) throws -> Witness {
    let advertisements = try advertisements(silentFrom: silentFrom)
    let deal = try keyShares(for: advertisements, lies)
    let id = id
    var honestRoot: Digest?
    return try SecureAggregationTests.play(
      rehearsal, silentFrom: silentFrom,
      server: { message, recipient in
        // The session that plays the liar dealt honestly and would notice: it is shown what it sent. Its signature in
        // stage 4 is then not the others', so that the liar is in the sum and among nobody's witnesses.
        if case .shareDelivery(var delivery) = message, recipient == id, let honestRoot {
          for index in delivery.entries.indices where delivery.entries[index].dealer == id {
            delivery.entries[index].root = honestRoot
          }
          return [.shareDelivery(delivery)]
        }
        return [message]
      },
      clients: { message, sender in
        if case .keyShares(let honest) = message, sender == id {
          honestRoot = honest.root
          return [.keyShares(deal)]
        }
        return [message]
      })
  }

  private func advertisements(silentFrom: [ParticipantID: AggregationStage]) throws -> [KeyAdvertisement] {
    var list: [KeyAdvertisement] = []
    _ = try SecureAggregationTests.play(
      rehearsal, silentFrom: silentFrom,
      server: { message, _ in
        if case .advertisementList(let found) = message { list = found.advertisements }
        return []
      })
    return list
  }
}
