package import CryptoPrimitives

/// Every key and commitment of an attempt. One key, one purpose; both ends of a pair derive the same, so the lower
/// participant always stands first.
package struct KeyDerivation {
  package let suite: KeystreamSuite
  package let context: AttemptContext

  package init(suite: KeystreamSuite, context: AttemptContext) {
    self.suite = suite
    self.context = context
  }

  /// The mask key pair that comes from seed s: whoever reconstructs s has it again.
  package func maskKeyPair(seed: SecretBytes, of participant: ParticipantID) -> X25519.SecretKey {
    var info = encoder(.maskKeyPair)
    info.append(participant.rawValue)
    return X25519.SecretKey(scalar: HKDF.derive(from: seed, info: info.bytes))
  }

  /// The key of the self mask that comes from seed b.
  package func selfMaskKey(seed: SecretBytes, of participant: ParticipantID) -> SecretBytes {
    var info = encoder(.selfMask)
    info.append(participant.rawValue)
    return HKDF.derive(from: seed, info: info.bytes)
  }

  /// The key of the mask between two participants; the lower adds the mask, the higher subtracts it.
  ///
  /// `nil` when a public key is of small order.
  package func pairMaskKey(
    _ own: X25519.SecretKey, of id: ParticipantID, with peer: X25519.PublicKey, of peerID: ParticipantID
  )
    -> SecretBytes?
  {
    guard let shared = own.sharedSecret(with: peer) else { return nil }
    let info = pairInfo(.pairMask, (id, own.publicKey), (peerID, peer))
    return HKDF.derive(from: shared, info: info.bytes)
  }

  /// Both keys of a pair's channel from one agreement: what `id` seals with and what it opens with; `nil` for a key of small
  /// order.
  package func channelKeys(
    _ own: X25519.SecretKey, of id: ParticipantID, with peer: X25519.PublicKey, of peerID: ParticipantID
  ) -> (outgoing: SecretBytes, incoming: SecretBytes)? {
    guard let shared = own.sharedSecret(with: peer) else { return nil }
    func key(from source: ParticipantID) -> SecretBytes {
      var info = pairInfo(.channel, (id, own.publicKey), (peerID, peer))
      info.append(source.rawValue)
      return HKDF.derive(from: shared, info: info.bytes)
    }
    return (key(from: id), key(from: peerID))
  }

  /// The key that seals the one message from `source` to `destination`.
  package func channelKey(
    _ own: X25519.SecretKey, of id: ParticipantID, with peer: X25519.PublicKey, of peerID: ParticipantID,
    source: ParticipantID
  ) -> SecretBytes? {
    guard let shared = own.sharedSecret(with: peer) else { return nil }
    var info = pairInfo(.channel, (id, own.publicKey), (peerID, peer))
    info.append(source.rawValue)
    return HKDF.derive(from: shared, info: info.bytes)
  }

  /// Commitment to a 256-bit seed (`selfMaskCommitment` or `maskSeedCommitment`). A plain hash hides a uniform seed.
  package func seedCommitment(_ kind: SecretKind, seed: SecretBytes, of participant: ParticipantID) -> Digest {
    var fields = encoder(kind == .selfMask ? .selfMaskCommitment : .maskSeedCommitment)
    fields.append(participant.rawValue)
    var hasher = SHA256Hasher()
    return seed.withUnsafeBytes { fields.hash(closingWith: $0, by: &hasher) }
  }

  /// Commitments to shares and the leaves over them.
  package var shareHasher: ShareHasher {
    ShareHasher(commitment: encoder(.shareCommitment), leaf: encoder(.shareLeaf))
  }

  /// The bytes under a dealer's signature in stage 2.
  package func shareRoot(dealer: ParticipantID, advertisements: Digest, leafCount: Int, root: Digest)
    -> [UInt8]
  {
    var fields = encoder(.shareRoot)
    fields.append(dealer.rawValue)
    fields.append(advertisements)
    fields.append(UInt32(leafCount))
    fields.append(root)
    return fields.bytes
  }

  /// Additional data of the sealed shares.
  package func sealedSharesData(source: ParticipantID, destination: ParticipantID, advertisements: Digest)
    -> [UInt8]
  {
    var fields = encoder(.sealedShares)
    fields.append(source.rawValue)
    fields.append(destination.rawValue)
    fields.append(advertisements)
    return fields.bytes
  }

  /// Hash of the parameters and of all signed advertisements, ascending: what stage 1 settled.
  package func advertisementsHash(_ advertisements: [KeyAdvertisement], parameters: AggregationParameters)
    -> Digest
  {
    var fields: FieldEncoder
    switch parameters.graph {
    case .complete: fields = encoder(.advertisementList)
    case .drawn(let holders, let maskDraws):
      fields = encoder(.drawnAdvertisementList)
      fields.append(UInt32(holders))
      fields.append(UInt32(maskDraws))
    }
    fields.append(UInt32(parameters.threshold))
    fields.append(UInt32(parameters.minimumSurvivors))
    fields.append(UInt64(parameters.dimension))
    fields.append(UInt32(parameters.modulusBits))
    fields.append(UInt32(parameters.participants.count))
    for participant in parameters.participants { fields.append(participant.rawValue) }
    fields.append(UInt32(advertisements.count))
    // Ten thousand of them are megabytes.
    fields.reserveCapacity(advertisements.count * KeyAdvertisement.encodedBytes)
    for advertisement in advertisements { advertisement.encodeFields(into: &fields) }
    return fields.hash()
  }

  /// Hash of stage 1 and of every dealer's root, ascending: what stage 2 settled, U2 included.
  package func transcript(advertisements: Digest, roots: [(dealer: ParticipantID, root: Digest)]) -> Digest {
    var fields = encoder(.transcript)
    fields.append(advertisements)
    fields.append(UInt32(roots.count))
    for (dealer, root) in roots {
      fields.append(dealer.rawValue)
      fields.append(root)
    }
    return fields.hash()
  }

  /// The same in a drawn graph, where a client knows the roots of its own dealers only: stage 1 and U2.
  package func transcript(advertisements: Digest, contributors: [ParticipantID]) -> Digest {
    var fields = encoder(.drawnTranscript)
    fields.append(advertisements)
    fields.append(UInt32(contributors.count))
    for contributor in contributors { fields.append(contributor.rawValue) }
    return fields.hash()
  }

  private func encoder(_ purpose: Purpose) -> FieldEncoder {
    FieldEncoder(purpose, suite: suite, context: context)
  }

  private func pairInfo(
    _ purpose: Purpose, _ one: (ParticipantID, X25519.PublicKey), _ other: (ParticipantID, X25519.PublicKey)
  ) -> FieldEncoder {
    let (lower, higher) = one.0 < other.0 ? (one, other) : (other, one)
    var info = encoder(purpose)
    info.append(lower.0.rawValue)
    info.append(lower.1)
    info.append(higher.0.rawValue)
    info.append(higher.1)
    return info
  }
}
