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
  private let storage: InlineArray<20, UInt64>

  /// 160 zero bytes, which open to nothing.
  static let zero = SealedShares { _ in }
}

/// Stage 2, client to server: this dealer's shares for every participant that advertised, itself included; in a drawn graph,
/// for every holder that it drew and that advertised.
public struct KeyShares: Hashable, Sendable {
  /// What one holder gets, and what the dealer commits to.
  public struct Entry: Hashable, Sendable {
    public var holder: ParticipantID
    /// Commitment to the holder's share of b.
    public var selfMaskCommitment: Digest
    /// Commitment to the holder's share of s.
    public var maskSeedCommitment: Digest
    /// `nil` exactly in the dealer's own entry: its own shares stay at home.
    public var sealed: SealedShares?
    /// Whether the dealer shares a mask with this holder; said in a drawn graph only, `false` in the complete one.
    public var sharesMask: Bool

    public init(
      holder: ParticipantID, selfMaskCommitment: Digest, maskSeedCommitment: Digest, sealed: SealedShares?,
      sharesMask: Bool = false
    ) {
      self.holder = holder
      self.selfMaskCommitment = selfMaskCommitment
      self.maskSeedCommitment = maskSeedCommitment
      self.sealed = sealed
      self.sharesMask = sharesMask
    }
  }

  public var context: AttemptContext
  public var dealer: ParticipantID
  /// Merkle root over the entries.
  public var root: Digest
  public var signature: Signature
  /// Ascending by holder.
  public var entries: [Entry]

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
    public var dealer: ParticipantID
    /// The Merkle root that the dealer signed.
    public var root: Digest
    public var signature: Signature
    public var selfMaskCommitment: Digest
    public var maskSeedCommitment: Digest
    /// `nil` exactly in the holder's own entry.
    public var sealed: SealedShares?
    /// Sibling hashes from the holder's leaf to the root, lowest first.
    public var path: [Digest]
    /// Whether the dealer shares a mask with this holder; in a drawn graph only.
    public var sharesMask: Bool
    /// The holder's leaf among the dealer's, from 0, and their number; said in a drawn graph only, 0 in the complete one,
    /// where both follow from U1.
    public var leafIndex: UInt32
    public var leafCount: UInt32

    public init(
      dealer: ParticipantID, root: Digest, signature: Signature, selfMaskCommitment: Digest,
      maskSeedCommitment: Digest, sealed: SealedShares?, path: [Digest], sharesMask: Bool = false, leafIndex: UInt32 = 0,
      leafCount: UInt32 = 0
    ) {
      self.dealer = dealer
      self.root = root
      self.signature = signature
      self.selfMaskCommitment = selfMaskCommitment
      self.maskSeedCommitment = maskSeedCommitment
      self.sealed = sealed
      self.path = path
      self.sharesMask = sharesMask
      self.leafIndex = leafIndex
      self.leafCount = leafCount
    }
  }

  public var context: AttemptContext
  /// U2, ascending, which everybody agrees on by the transcript hash; said in a drawn graph only. In the complete one the
  /// dealers of the entries are U2.
  public var contributors: [ParticipantID]
  /// Ascending by dealer.
  public var entries: [Entry]

  public init(context: AttemptContext, contributors: [ParticipantID] = [], entries: [Entry]) {
    self.context = context
    self.contributors = contributors
    self.entries = entries
  }
}
