package import CryptoPrimitives

/// Hashes shares: commitments to them, and the leaves of the tree over a dealer's. An attempt of ten thousand has millions, so that the
/// heads of the encodings and the hash's context are made once for the many of one message.
package struct ShareHasher: ~Copyable {
  private var commitment: FieldEncoder
  private var leaf: FieldEncoder
  private var hasher = SHA256Hasher()

  /// - Parameters:
  ///   - commitment: the first eight fields of a share commitment.
  ///   - leaf: the first eight fields of a share leaf.
  init(commitment: FieldEncoder, leaf: FieldEncoder) {
    self.commitment = commitment
    self.leaf = leaf
  }

  /// Commitment to one share; the last field is the share's 40 bytes and the salt's 32.
  package mutating func commitment(
    dealer: ParticipantID, holder: ParticipantID, point: UInt64, kind: SecretKind, shareAndSalt: UnsafeRawBufferPointer
  ) -> Digest {
    commitment.restart()
    commitment.append(dealer.rawValue)
    commitment.append(holder.rawValue)
    commitment.append(kind.rawValue)
    commitment.append(point)
    return commitment.hash(closingWith: shareAndSalt, by: &hasher)
  }

  /// The Merkle leaf of one holder. An absent ciphertext counts as empty.
  ///
  /// - Parameter sharesMask: what the dealer of a drawn graph says; `nil` in the complete graph.
  package mutating func leaf(
    dealer: ParticipantID, holder: ParticipantID, point: UInt64, selfMaskCommitment: Digest, maskSeedCommitment: Digest,
    sealed: SealedShares?, sharesMask: Bool? = nil
  ) -> Digest {
    sealed?.withUnsafeBytes { hasher.update($0) }
    let ciphertext = hasher.next()
    leaf.restart()
    leaf.append(dealer.rawValue)
    leaf.append(holder.rawValue)
    leaf.append(point)
    leaf.append(selfMaskCommitment)
    leaf.append(maskSeedCommitment)
    leaf.append(ciphertext)
    if let sharesMask { leaf.append(UInt8(sharesMask ? 1 : 0)) }
    return MerkleTree.leafHash(leaf.bytes, by: &hasher)
  }
}
