public import CryptoPrimitives

/// Protocol versions that one side speaks, both ends included.
public struct VersionRange: Sendable, Hashable, CustomStringConvertible {
  public let oldest: UInt32
  public let newest: UInt32

  /// - Parameter oldest: at least 1, at most `newest`.
  public init(_ oldest: UInt32, _ newest: UInt32) {
    precondition(oldest >= 1 && oldest <= newest, "a version range is \(oldest)...\(newest)")
    self.oldest = oldest
    self.newest = newest
  }

  /// What this program speaks.
  public static let ours = VersionRange(1, 1)

  /// The newest version of both ranges, or none.
  public func newestCommon(with other: VersionRange) -> UInt32? {
    let newest = min(newest, other.newest)
    return newest >= max(oldest, other.oldest) ? newest : nil
  }

  public var description: String { oldest == newest ? "\(oldest)" : "\(oldest) to \(newest)" }
}

/// Length and last hash of an append-only ledger.
public struct LedgerNote: Sendable, Hashable {
  /// Name of the data set that the ledger counts for, 1 to 128 bytes of UTF-8; empty for the coordinator's own.
  public var dataset: String
  /// Records in the ledger.
  public var size: UInt64
  /// Hash of the last record; 32 zero bytes when there is none.
  public var head: Digest

  public init(dataset: String, size: UInt64, head: Digest) {
    self.dataset = dataset
    self.size = size
    self.head = head
  }
}

/// The first call of a partner's process: who I am and what I remember.
public struct ClientHello: Sendable, Hashable {
  public var versions: VersionRange
  /// Name and version of the program, at most 128 bytes; for the log only.
  public var software: String
  /// The partner's own ledgers, at most 64.
  public var ledgers: [LedgerNote]

  public init(versions: VersionRange = .ours, software: String, ledgers: [LedgerNote]) {
    self.versions = versions
    self.software = software
    self.ledgers = ledgers
  }
}

/// The coordinator's answer.
public struct ServerHello: Sendable, Hashable {
  /// The version that both speak; the server chooses the newest.
  public var version: UInt32
  public var software: String
  /// The task that this coordinator serves, hexadecimal (PeerIdentity: first 16 bytes of the CA certificate's SHA-256).
  public var task: String
  /// What this participant's own ledgers looked like when it last showed them: they must contain these heads. One without a
  /// name was shown in a key advertisement, which names no data set: some ledger must contain it.
  public var recordedLedgers: [LedgerNote]
  /// The coordinator's own ledger, when a plan is active.
  public var coordinatorLedger: LedgerNote?
  /// Number of the participant's newest statement that the coordinator holds; 0 when it holds none. Those after it were lost, with
  /// a database that had to be restored from a backup, or never arrived.
  public var newestStatement: UInt64
  /// The coordinator's clock, milliseconds since 1970; a hint about skew, never trusted.
  public var clock: Int64

  public init(
    version: UInt32, software: String, task: String, recordedLedgers: [LedgerNote], coordinatorLedger: LedgerNote?,
    newestStatement: UInt64, clock: Int64
  ) {
    self.version = version
    self.software = software
    self.task = task
    self.recordedLedgers = recordedLedgers
    self.coordinatorLedger = coordinatorLedger
    self.newestStatement = newestStatement
    self.clock = clock
  }
}
