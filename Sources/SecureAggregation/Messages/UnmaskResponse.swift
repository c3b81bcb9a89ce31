public import CryptoPrimitives

/// The random value that makes a share's commitment hiding.
public struct ShareSalt: FixedBytes {
  private let storage: InlineArray<4, UInt64>
}

/// One holder's share of one secret: five elements of the field of 2^61 − 1, 8 bytes each, least significant byte first.
public struct ShareValue: FixedBytes {
  /// As they lie in memory: least significant byte first on any machine.
  private let storage: InlineArray<5, UInt64>

  /// `nil` unless there are 40 bytes and every element is below 2^61 − 1.
  public init?(copying bytes: UnsafeRawBufferPointer) {
    guard bytes.count == Self.byteCount else { return nil }
    self = bytes.loadUnaligned(as: Self.self)
    guard storage.indices.allSatisfy({ element($0) < PrimeField.modulus }) else { return nil }
  }

  /// One of the five, least significant limb first.
  package func element(_ limb: Int) -> UInt64 { UInt64(littleEndian: storage[limb]) }
}

/// Stage 5, client to server: for every dealer of U2 one share, of b when its input is in the sum and of s when not.
public struct UnmaskResponse: Hashable, Sendable {
  public struct Entry: Hashable, Sendable {
    public var dealer: ParticipantID
    public var kind: SecretKind
    public var share: ShareValue
    public var salt: ShareSalt

    public init(dealer: ParticipantID, kind: SecretKind, share: ShareValue, salt: ShareSalt) {
      self.dealer = dealer
      self.kind = kind
      self.share = share
      self.salt = salt
    }
  }

  public var context: AttemptContext
  public var participant: ParticipantID
  /// Ascending by dealer.
  public var entries: [Entry]

  public init(context: AttemptContext, participant: ParticipantID, entries: [Entry]) {
    self.context = context
    self.participant = participant
    self.entries = entries
  }
}
