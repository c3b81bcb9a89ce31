internal import CryptoPrimitives
internal import FederatedLearning
internal import Storage

/// A ledger's file that takes lines only while this process holds the lease.
///
/// The kernel's lock on the file ends at the machine, and a suspended process keeps it; the lease does neither. Each line is written inside a transaction that
/// compares the fencing token, so that nobody can take the lease between the comparison and the sync of the line.
final class FencedLedger: LedgerJournal {
  private let file: LedgerFile
  private let store: CoordinatorStore
  private let lease: Lease

  private init(file: LedgerFile, store: CoordinatorStore, lease: Lease) {
    self.file = file
    self.store = store
    self.lease = lease
  }

  /// - Throws: `StoreError.fencedOff`, `StorageError`, `LedgerError`.
  static func open(at path: String, key: SigningKey, store: CoordinatorStore, lease: Lease) throws -> PrivacyLedger {
    // Opening may cut off a torn end, which belongs to the holder of the lease as well.
    let file = try store.write(lease) { _ in try LedgerFile.openFenced(at: path) }
    return try PrivacyLedger(
      content: file.content, journal: FencedLedger(file: file, store: store, lease: lease), key: key)
  }

  func append(_ line: [UInt8]) throws { try store.write(lease) { _ in try file.append(line) } }
}
