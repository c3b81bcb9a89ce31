/// Either side ends its part in the attempt and says why; never carries a secret.
public struct Abort: Hashable, Sendable {
  public var context: AttemptContext
  public var reason: AbortReason
  /// Whom the sender holds responsible, ascending; an accusation, not a proof.
  public var suspects: [ParticipantID]

  public init(context: AttemptContext, reason: AbortReason, suspects: [ParticipantID] = []) {
    self.context = context
    self.reason = reason
    self.suspects = suspects
  }
}

/// Why an attempt ended without a sum. Raw values are on the wire.
public enum AbortReason: UInt8, Sendable, CaseIterable {
  /// Fewer participants than threshold and n_min demand are left.
  case tooFewParticipants = 1
  /// A client refused a message of the server.
  case refusedByClient = 2
  /// The secret that a dealer's verified shares open is not the one that it committed to.
  case dealerLied = 3
  /// The host ended the attempt (shutdown, operator, a journal that cannot be written).
  case stopped = 4
}
