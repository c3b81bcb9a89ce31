public import CryptoPrimitives
public import FederatedLearning

/// A holder's ledger on disk, verified and locked.
extension PrivacyLedger {
  /// Starts a ledger in a new file.
  ///
  /// - Parameters:
  ///   - created: seconds since 1970-01-01 00:00 UTC.
  /// - Throws: `StorageError` when the file exists or cannot be written.
  public static func create(
    at path: String, kind: LedgerHeader.Kind, holder: String, dataset: String, created: Int, key: SigningKey
  ) throws -> PrivacyLedger {
    let header = try headerLine(kind: kind, holder: holder, dataset: dataset, created: created, key: key)
    let file = try LedgerFile.create(at: path, header: header)
    return try PrivacyLedger(content: file.content, journal: file, key: key)
  }

  /// Continues a ledger in a file that is there already.
  ///
  /// - Returns: the ledger, and what had to be mended at its end, in one sentence.
  /// - Throws: `StorageError` when the file is missing or another process writes to it; `LedgerError` when the ledger is
  ///   damaged or another holder's. The file is not changed then, apart from a torn end that is cut off.
  public static func open(at path: String, key: SigningKey) throws -> (
    ledger: PrivacyLedger, recovery: String?
  ) {
    let file = try LedgerFile.open(at: path)
    return (try PrivacyLedger(content: file.content, journal: file, key: key), file.recovery)
  }
}
