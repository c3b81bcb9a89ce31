public import CryptoPrimitives

/// Stage 4, server to every survivor: whose inputs are in the sum (U3), ascending.
public struct SurvivorSet: Hashable, Sendable {
  public var context: AttemptContext
  public var survivors: [ParticipantID]

  public init(context: AttemptContext, survivors: [ParticipantID]) {
    self.context = context
    self.survivors = survivors
  }

  /// The bytes that survivors sign: the set and everything that led to it (Protocols/secure-aggregation.md §8.4).
  ///
  /// With t signatures they prove who was left out, which is what a ledger needs to take a charge back.
  public func signedBytes(suite: KeystreamSuite, transcript: Digest) -> [UInt8] {
    var encoder = FieldEncoder(.survivorSet, suite: suite, context: context)
    encoder.append(transcript)
    encoder.append(UInt32(survivors.count))
    for survivor in survivors { encoder.append(survivor.rawValue) }
    return encoder.bytes
  }
}

/// Stage 4, client to server: this survivor's signature on the survivor set.
public struct ConsistencySignature: Hashable, Sendable {
  public var context: AttemptContext
  public var participant: ParticipantID
  public var signature: Signature

  public init(context: AttemptContext, participant: ParticipantID, signature: Signature) {
    self.context = context
    self.participant = participant
    self.signature = signature
  }
}

/// Stage 4, server to everybody that signed: the signatures, ascending by participant.
public struct ConsistencySignatures: Hashable, Sendable {
  public struct Entry: Hashable, Sendable {
    public var participant: ParticipantID
    public var signature: Signature

    public init(participant: ParticipantID, signature: Signature) {
      self.participant = participant
      self.signature = signature
    }
  }

  public var context: AttemptContext
  public var entries: [Entry]

  public init(context: AttemptContext, entries: [Entry]) {
    self.context = context
    self.entries = entries
  }
}
