/// What a reader found in a ledger, in one sentence.
public struct LedgerFinding: Sendable, Equatable, CustomStringConvertible {
  /// A closed list, so that findings can be counted and tested.
  public enum Kind: String, Sendable, CaseIterable {
    // Nothing to read.
    case empty
    case headerMissing = "header-missing"
    // Written by another version of the format; nothing says that it is damaged.
    case otherVersion = "other-version"
    // Damage that a crash can do by itself.
    case tornLastLine = "torn-last-line"
    case missingLineFeed = "missing-line-feed"
    // Damage that a crash cannot do.
    case malformedLine = "malformed-line"
    case chainBroken = "chain-broken"
    case recordMoved = "record-moved"
    case wrongRoot = "wrong-root"
    case wrongSignature = "wrong-signature"
    case forgedKey = "forged-key"
    // Genuine records that contradict each other.
    case malformedPayload = "malformed-payload"
    case outOfOrder = "out-of-order"
    case chargedTwice = "charged-twice"
    case notCharged = "not-charged"
    case epsilonWrong = "epsilon-wrong"
    case notAccountable = "not-accountable"
    // Genuine, but computed otherwise than this program would.
    case epsilonRestated = "epsilon-restated"
    case epsilonUnderstated = "epsilon-understated"
    // Compared with what the reader brought along.
    case otherPlan = "other-plan"
    case behindKnownHead = "behind-known-head"
    case forked = "forked"
    case refundUnproven = "refund-unproven"
  }

  public let kind: Kind
  /// 1-based line (and record) number; `nil` when the finding is about the whole ledger.
  public let line: Int?
  /// What was found and what it means; no personal data.
  public let sentence: String

  init(_ kind: Kind, line: Int? = nil, _ sentence: String) {
    self.kind = kind
    self.line = line
    self.sentence = sentence
  }

  /// Whether the ledger cannot be relied on. The other findings are repaired by reopening it, or only change which ε
  /// counts.
  public var isFault: Bool {
    switch kind {
    case .tornLastLine, .missingLineFeed, .refundUnproven, .epsilonRestated: false
    default: true
    }
  }

  /// Whether the holder must not write on. It may where an earlier accountant of its own said less than this one can prove: what
  /// is recomputed counts from here on, while others go on being told.
  public var stopsHolder: Bool { isFault && kind != .epsilonUnderstated }

  public var description: String { line.map { "line \($0): \(sentence)" } ?? sentence }
}
