public import CryptoPrimitives
public import SecureAggregation

/// The coordinator's signed word on one release: which model the task has from here on, and how long its ledger is.
///
/// A partner keeps the newest one that it has seen and refuses a model that contradicts it, and a ledger that is shorter:
/// whoever restores an old coordinator cannot go back behind it. Bytes: Protocols/training-round.md, "Signed releases".
public struct ModelRelease: Sendable, Equatable {
  public let session: SessionID
  /// The model's version; evaluation releases leave it as it was.
  public let version: UInt32
  /// Index of the release in the plan, and the attempt that gave it.
  public let round: UInt32
  public let attempt: UInt32
  /// SHA-256 of the plan's bytes.
  public let planHash: Digest
  /// SHA-256 of the `ModelBytes` of the model after this release.
  public let modelHash: Digest
  /// Records in the coordinator's ledger, the outcome of this release included, and the hash of the last.
  public let ledgerSize: UInt64
  public let ledgerHead: Digest
  /// By the coordinator's key of the plan, over `signedBytes`.
  public let signature: Signature

  public init(
    session: SessionID, version: UInt32, round: UInt32, attempt: UInt32, planHash: Digest, modelHash: Digest,
    ledgerSize: UInt64, ledgerHead: Digest, signature: Signature
  ) {
    self.session = session
    self.version = version
    self.round = round
    self.attempt = attempt
    self.planHash = planHash
    self.modelHash = modelHash
    self.ledgerSize = ledgerSize
    self.ledgerHead = ledgerHead
    self.signature = signature
  }

  /// The signed bytes: label, plan hash, model hash, session (16), version, round, attempt (u32 each), ledger size (u64),
  /// ledger head; integers little-endian.
  public static func signedBytes(
    session: SessionID, version: UInt32, round: UInt32, attempt: UInt32, planHash: Digest, modelHash: Digest,
    ledgerSize: UInt64, ledgerHead: Digest
  ) -> [UInt8] {
    var bytes = label
    bytes += planHash.bytes
    bytes += modelHash.bytes
    bytes += session.bytes
    for value in [version, round, attempt] { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
    withUnsafeBytes(of: ledgerSize.littleEndian) { bytes += $0 }
    bytes += ledgerHead.bytes
    return bytes
  }

  /// The head of the coordinator's ledger when it signed.
  public var head: LedgerHead { LedgerHead(size: ledgerSize, head: ledgerHead) }

  /// Whether `key` signed exactly this statement.
  public func isSigned(by key: VerificationKey) -> Bool { key.verifies(signature, of: signedBytes) }

  /// The one form for files and rows: the signed bytes, then the signature.
  public func encoded() -> [UInt8] { signedBytes + signature.bytes }

  /// Of `encoded`.
  public static let byteCount = 219

  /// - Throws: `StoredBytesError` for anything that `encoded` would not write. The signature is not checked here.
  public init(decoding bytes: [UInt8]) throws(StoredBytesError) {
    var reader = StoredBytes(bytes, "a signed model release")
    try reader.expect(Self.label)
    planHash = try reader.fixed("plan hash")
    modelHash = try reader.fixed("model hash")
    session = try reader.fixed("session")
    version = try reader.integer("version")
    round = try reader.integer("round")
    attempt = try reader.integer("attempt")
    ledgerSize = try reader.integer("ledger size")
    ledgerHead = try reader.fixed("ledger head")
    signature = try reader.fixed("signature")
    try reader.finish()
  }

  private static let label = Array("tacit/v1/model-release\n".utf8)

  private var signedBytes: [UInt8] {
    Self.signedBytes(
      session: session, version: version, round: round, attempt: attempt, planHash: planHash, modelHash: modelHash,
      ledgerSize: ledgerSize, ledgerHead: ledgerHead)
  }
}
