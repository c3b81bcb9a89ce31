internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Storage

/// A ledger of this partner: read by anybody at this partner, written by one process.
enum OwnLedger {
  /// What a ledger says, read without locking it.
  ///
  /// - Returns: `nil` when there is no file.
  /// - Throws: `PartnerError` when the ledger is damaged.
  static func read(_ path: String, key: VerificationKey) throws -> LedgerState? {
    guard HomeFile.exists(path) else { return nil }
    let verification = LedgerVerifier(key: key).verify(try HomeFile.read(path))
    if let finding = verification.findings.first(where: \.stopsHolder) {
      throw PartnerError(.data, "the ledger \(path) does not verify: \(finding)")
    }
    return verification.state
  }

  /// Opens a ledger for writing, and starts it when there is none.
  ///
  /// - Throws: `PartnerError` of kind `rolledBack` when the file is shorter than, or no extension of, what this home has
  ///   written; `StorageError`, `LedgerError`.
  static func open(
    _ record: OwnLedgerRecord, home: PartnerHome, holder: String, key: SigningKey, time: Int
  ) throws -> (ledger: PrivacyLedger, recovery: String?) {
    let path = home.ledger(of: record.name)
    guard HomeFile.exists(path) else {
      guard record.head == nil else {
        throw PartnerError(
          .rolledBack,
          "the ledger \(path) is missing, though this home has charged it: a ledger is never started again; put the file back"
        )
      }
      let ledger = try PrivacyLedger.create(
        at: path, kind: .partner, holder: holder, dataset: record.name.text, created: time, key: key)
      return (ledger, nil)
    }
    let opened = try PrivacyLedger.open(at: path, key: key)
    if let head = record.head, !opened.ledger.state.isExtension(of: head) {
      throw PartnerError(
        .rolledBack,
        "the ledger \(path) is not the one that this home has written up to record \(head.size): the file was replaced by an older or another one; put the newest back"
      )
    }
    return opened
  }
}
