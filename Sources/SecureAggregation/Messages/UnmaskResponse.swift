public import CryptoPrimitives

/// The random value that makes a share's commitment hiding.
public struct ShareSalt: FixedBytes {
  public static var byteCount: Int { 32 }
  public let bytes: [UInt8]

  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }
}

/// One holder's share of one secret: five elements of the field of 2^61 − 1, 8 bytes each, least significant byte first.
public struct ShareValue: FixedBytes {
  public static var byteCount: Int { 40 }
  public let bytes: [UInt8]

  /// `nil` unless there are 40 bytes and every element is below 2^61 − 1.
  public init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
    guard elements.allSatisfy({ $0 < PrimeField.modulus }) else { return nil }
  }

  /// The five elements, least significant limb first.
  package var elements: [UInt64] {
    (0..<5).map { limb in
      (0..<8).reduce(0) { $0 | UInt64(bytes[8 * limb + $1]) << (8 * UInt64($1)) }
    }
  }
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
