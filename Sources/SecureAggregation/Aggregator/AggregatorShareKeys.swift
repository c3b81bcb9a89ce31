internal import CryptoPrimitives

/// Stage 2: collects every dealer's sealed shares and commitments.
struct AggregatorShareKeys: Sendable {
  /// U1's advertisements, ascending.
  let advertisements: [KeyAdvertisement]
  /// Their hash.
  let hash: Digest
  var deals: [ParticipantID: KeyShares] = [:]

  init(advertisements: [KeyAdvertisement], hash: Digest) {
    self.advertisements = advertisements
    self.hash = hash
  }

  var advertisers: [ParticipantID] { advertisements.map(\.participant) }

  func messages(except gone: Set<ParticipantID>) -> [OutgoingMessage] {
    let message = ServerMessage.advertisementList(AdvertisementList(advertisements: advertisements))
    return advertisers.filter { !gone.contains($0) }.map { OutgoingMessage(recipient: $0, message: message) }
  }

  mutating func take(_ message: KeyShares, _ setting: AggregatorSetting) -> AggregatorRefusal? {
    guard message.entries.map(\.holder) == advertisers,
      message.entries.allSatisfy({ ($0.sealed == nil) == ($0.holder == message.dealer) })
    else { return .wrongHolders }
    guard MerkleTree.root(leaves(of: message, setting)) == message.root else { return .wrongRoot }
    let signed = setting.keys.shareRoot(
      dealer: message.dealer, advertisements: hash, leafCount: message.entries.count, root: message.root)
    guard setting.verifies(message.signature, of: signed, by: message.dealer) else { return .badSignature }
    deals[message.dealer] = message
    return nil
  }

  func close(_ setting: AggregatorSetting) -> AggregatorMaskedInput {
    let dealers = deals.keys.sorted()
    let advertisers = advertisers
    var commitments: [ParticipantID: [ParticipantID: ShareCommitments]] = [:]
    for (dealer, deal) in deals {
      commitments[dealer] = Dictionary(
        uniqueKeysWithValues: zip(
          advertisers,
          deal.entries.map {
            ShareCommitments(selfMask: $0.selfMaskCommitment, maskSeed: $0.maskSeedCommitment)
          }))
    }
    let contributors = Dictionary(
      uniqueKeysWithValues: advertisements.filter { deals[$0.participant] != nil }.map {
        ($0.participant, $0)
      })
    return AggregatorMaskedInput(
      contributors: dealers, advertisements: contributors, commitments: commitments,
      transcript: setting.keys.transcript(
        advertisements: hash, roots: dealers.compactMap { dealer in deals[dealer].map { (dealer, $0.root) } }),
      sum: RingVector(count: setting.parameters.dimension, modulusBits: setting.parameters.modulusBits))
  }

  /// What every dealer sent to each holder, with the path to the dealer's signed root.
  func deliveries(_ setting: AggregatorSetting, except gone: Set<ParticipantID>) -> [OutgoingMessage] {
    let dealers = deals.values.sorted { $0.dealer < $1.dealer }
    let paths = dealers.map { MerkleTree.paths(leaves(of: $0, setting)) }
    return advertisers.indices.compactMap { position in
      let holder = advertisers[position]
      guard deals[holder] != nil, !gone.contains(holder) else { return nil }
      let entries = dealers.indices.map { index in
        let deal = dealers[index]
        let entry = deal.entries[position]
        return ShareDelivery.Entry(
          dealer: deal.dealer, root: deal.root, signature: deal.signature,
          selfMaskCommitment: entry.selfMaskCommitment, maskSeedCommitment: entry.maskSeedCommitment,
          sealed: entry.sealed, path: paths[index][position])
      }
      return OutgoingMessage(
        recipient: holder, message: .shareDelivery(ShareDelivery(context: setting.context, entries: entries)))
    }
  }

  private func leaves(of message: KeyShares, _ setting: AggregatorSetting) -> [Digest] {
    message.entries.map {
      MerkleTree.leafHash(
        setting.keys.shareLeaf(
          dealer: message.dealer, holder: $0.holder, point: setting.point(of: $0.holder),
          selfMaskCommitment: $0.selfMaskCommitment, maskSeedCommitment: $0.maskSeedCommitment,
          sealed: $0.sealed))
    }
  }
}

/// A dealer's commitments to the two shares of one holder.
struct ShareCommitments: Sendable {
  let selfMask: Digest
  let maskSeed: Digest

  func of(_ kind: SecretKind) -> Digest { kind == .selfMask ? selfMask : maskSeed }
}
