internal import CryptoPrimitives

/// An evaluation release by itself, as partners keep it and ask for it: the coordinator's signed word, and what it leads to.
///
/// Bytes: "tacit/v1/evaluation-release\n", the signed release (`ModelRelease.encoded`, 219 bytes), the chain hash before the record (32),
/// the outcome and the integers (8 bytes each), both behind their length in bytes (u64); integers little-endian.
public struct EvaluationDocument: Sendable, Equatable {
  public let statement: ModelRelease
  public let evaluation: ReleasedEvaluation

  public init(_ evaluation: ReleasedEvaluation, under statement: ModelRelease) {
    self.evaluation = evaluation
    self.statement = statement
  }

  /// Of one document; nine integers need no more than 800.
  public static let bytesMax = 1 << 13

  public func encoded() -> [UInt8] {
    var bytes = Self.label + statement.encoded() + evaluation.previousHead.bytes
    let entries = evaluation.entries.map(\.littleEndian).withUnsafeBytes { Array($0) }
    for block in [evaluation.outcome, entries] {
      withUnsafeBytes(of: UInt64(block.count).littleEndian) { bytes += $0 }
      bytes += block
    }
    return bytes
  }

  /// - Throws: `StoredBytesError` for anything that `encoded` would not write. Nothing of what it says is checked here.
  public init(decoding bytes: [UInt8]) throws(StoredBytesError) {
    var reader = StoredBytes(bytes, "an evaluation release")
    try reader.expect(Self.label)
    statement = try ModelRelease(decoding: Array(try reader.take(ModelRelease.byteCount, "signed release")))
    let previousHead: Digest = try reader.fixed("previous head")
    let outcome = try reader.block("outcome")
    let entries = try reader.block("integers")
    guard entries.count.isMultiple(of: 8) else { throw reader.error("integers", "are \(entries.count) bytes, not 8 each") }
    try reader.finish()
    evaluation = ReleasedEvaluation(
      entries: entries.withUnsafeBytes { bytes in
        (0..<bytes.count / 8).map { Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
      }, previousHead: previousHead, outcome: outcome)
  }

  private static let label = Array("tacit/v1/evaluation-release\n".utf8)
}
