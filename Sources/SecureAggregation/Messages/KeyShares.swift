public import CryptoPrimitives

/// Which of a dealer's two secrets a share belongs to. For one dealer a client reveals one kind or the other, never both.
public enum SecretKind: UInt8, Sendable, CaseIterable {
  /// b, which opens the self mask of a dealer whose input is in the sum.
  case selfMask = 1
  /// s, which opens the pairwise masks of a dealer whose input is missing.
  case maskSeed = 2
}

/// The two shares for one holder, sealed: 144 bytes of plaintext and a 16-byte tag.
public struct SealedShares: FixedBytes {
  public static var byteCount: Int { 160 }
  public let bytes: [UInt8]

  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }
}

/// Stage 2, client to server: this dealer's shares for every participant that advertised, itself included.
public struct KeyShares: Hashable, Sendable {
  /// What one holder gets, and what the dealer commits to.
  public struct Entry: Hashable, Sendable {
    public let holder: ParticipantID
    /// Commitment to the holder's share of b.
    public let selfMaskCommitment: Digest
    /// Commitment to the holder's share of s.
    public let maskSeedCommitment: Digest
    /// `nil` exactly in the dealer's own entry: its own shares stay at home.
    public let sealed: SealedShares?

    public init(
      holder: ParticipantID, selfMaskCommitment: Digest, maskSeedCommitment: Digest, sealed: SealedShares?
    ) {
      self.holder = holder
      self.selfMaskCommitment = selfMaskCommitment
      self.maskSeedCommitment = maskSeedCommitment
      self.sealed = sealed
    }
  }

  public let context: AttemptContext
  public let dealer: ParticipantID
  /// Merkle root over the entries.
  public let root: Digest
  public let signature: Signature
  /// Ascending by holder.
  public let entries: [Entry]

  public init(
    context: AttemptContext, dealer: ParticipantID, root: Digest, signature: Signature, entries: [Entry]
  ) {
    self.context = context
    self.dealer = dealer
    self.root = root
    self.signature = signature
    self.entries = entries
  }
}

/// Stage 2, server to every participant that shared keys: what each dealer sent to this holder, with the proof that the
/// dealer signed it.
public struct ShareDelivery: Hashable, Sendable {
  /// One dealer's part.
  public struct Entry: Hashable, Sendable {
    public let dealer: ParticipantID
    /// The Merkle root that the dealer signed.
    public let root: Digest
    public let signature: Signature
    public let selfMaskCommitment: Digest
    public let maskSeedCommitment: Digest
    /// `nil` exactly in the holder's own entry.
    public let sealed: SealedShares?
    /// Sibling hashes from the holder's leaf to the root, lowest first.
    public let path: [Digest]

    public init(
      dealer: ParticipantID, root: Digest, signature: Signature, selfMaskCommitment: Digest,
      maskSeedCommitment: Digest, sealed: SealedShares?, path: [Digest]
    ) {
      self.dealer = dealer
      self.root = root
      self.signature = signature
      self.selfMaskCommitment = selfMaskCommitment
      self.maskSeedCommitment = maskSeedCommitment
      self.sealed = sealed
      self.path = path
    }
  }

  public let context: AttemptContext
  /// Ascending by dealer; the dealers are the set U2 that everybody agrees on by the transcript hash.
  public let entries: [Entry]

  public init(context: AttemptContext, entries: [Entry]) {
    self.context = context
    self.entries = entries
  }
}
