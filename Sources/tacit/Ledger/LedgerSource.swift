internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Storage

/// A ledger file that was read and verified.
struct LedgerSource {
  let path: String
  let records: [LedgerRecord]
  let state: LedgerState
  let verification: LedgerVerification

  /// - Throws: `CommandFailure` when the file cannot be read, or does not verify.
  init(sound path: String, key: String?) throws {
    let key = try Self.key(key)
    let bytes = try Self.read(path)
    let verification = LedgerVerifier(key: key).verify(bytes)
    guard verification.isSound, let state = verification.state else {
      throw CommandFailure(
        .notVerified, "\(path) does not verify: \(verification.findings.first?.description ?? "it holds no ledger")")
    }
    self.init(path: path, bytes: bytes, key: key, verification: verification, state: state)
  }

  init(path: String, bytes: [UInt8], key: VerificationKey?, verification: LedgerVerification, state: LedgerState) {
    self.path = path
    self.state = state
    self.verification = verification
    records = LedgerReader(bytes, expectedKey: key).records
  }

  /// - Throws: `CommandFailure` when there is no such file.
  static func read(_ path: String) throws -> [UInt8] {
    do { return try PlainFile.read(path, bytesMax: PlainFile.ledgerBytesMax, followsLinks: true) } catch {
      throw CommandFailure(.noInput, "\(path) cannot be read (\(error)); expected a file")
    }
  }

  /// Whose ledger it is, in words.
  static func describe(_ header: LedgerHeader) -> String {
    "\(header.kind.rawValue) ledger of '\(header.holder)', \(header.kind == .partner ? "data set" : "task") '\(header.dataset)', key \(SignerFingerprint(of: header.key).short)"
  }

  /// Says on standard error what was not checked, so that nothing mixes with the output.
  func sayLimits() {
    if verification.isKeyUnchecked {
      Failures.complain(
        "note: the key was taken from \(path) itself: whoever rewrote it whole goes unnoticed; name the holder's with --key (it is \(SignerFingerprint(of: state.header.key).short))"
      )
    }
  }

  static func key(_ text: String?) throws -> VerificationKey? {
    guard let text else { return nil }
    guard let key = VerificationKey(hex: text) else {
      throw CommandFailure(.usage, "--key is no public key; expected 64 hexadecimal digits")
    }
    return key
  }

  /// A number of records that the ledger has; the last when `nil`.
  func checked(_ value: Int?, _ option: String, upTo limit: Int? = nil) throws -> Int {
    let limit = limit ?? state.size
    let value = value ?? limit
    guard (1...limit).contains(value) else {
      throw CommandFailure(.usage, "\(option) is \(value), expected 1 to \(limit) (records of \(path))")
    }
    return value
  }
}
