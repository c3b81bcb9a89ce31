public import CryptoPrimitives
public import SecureAggregation

/// A head as two people compare it on the phone (Protocols/ledger.md §4).
extension LedgerHead {
  /// Of the chain hash alone, which commits to every record before it.
  public var fingerprint: ShortFingerprint { ShortFingerprint(of: head) }

  /// The same words at every holder: equal words are equal ledgers up to this record.
  public var spoken: String { "\(size) records, \(fingerprint)" }
}
