public import CryptoPrimitives

/// What was charged to the other ledgers that count users of a partner's own one: those of its homes in other tasks.
public struct ChargedElsewhere: Sendable {
  public let ledgers: [LedgerState]
  /// By their hashes, the plans that those ledgers may hold charges of.
  public let plans: [Digest: TrainingPlan]

  public init(ledgers: [LedgerState], plans: [Digest: TrainingPlan]) {
    self.ledgers = ledgers
    self.plans = plans
  }

  public static let nothing = ChargedElsewhere(ledgers: [], plans: [:])
}

/// The other ledgers of the same people, as the host reads them.
///
/// Two tasks know nothing of each other, so that two engines may want the last of one budget at once. Therefore what stands elsewhere is
/// not told in advance: it is read while nobody else can charge, and that lasts until the own charge is on disk.
public protocol LinkedLedgers: AnyObject, Sendable {
  /// Calls `body` once, while none of the ledgers is charged by anybody else; locks are given back when it returns.
  ///
  /// - Returns: what `body` does.
  /// - Throws: when a ledger cannot be read, is not the one that was seen before, or is not given free in time; nothing is
  ///   charged then.
  func holding(_ body: (ChargedElsewhere) -> PartnerRefusal?) throws -> PartnerRefusal?
}
