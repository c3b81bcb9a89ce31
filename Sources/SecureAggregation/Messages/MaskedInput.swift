/// Stage 3, client to server: the input under all its masks, modulo 2^b, packed at b bits an entry.
///
/// On its own it is uniform and says nothing.
public struct MaskedInput: Hashable, Sendable {
  public var context: AttemptContext
  public var participant: ParticipantID
  /// ⌈dimension · b / 8⌉ bytes, see `RingVector.packed()`.
  public var packed: [UInt8]

  public init(context: AttemptContext, participant: ParticipantID, packed: [UInt8]) {
    self.context = context
    self.participant = participant
    self.packed = packed
  }
}
