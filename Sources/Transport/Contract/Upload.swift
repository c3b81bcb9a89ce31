public import CryptoPrimitives

/// What an upload is for. With the participant of the certificate it names one answer of one partner, so that the same bytes sent
/// twice are one upload.
public struct UploadKey: Sendable, Hashable {
  /// 16 bytes.
  public var session: [UInt8]
  /// 0-based.
  public var round: UInt32
  /// 0-based.
  public var attempt: UInt32
  /// Field number of the message in `PartnerMessage`'s oneof (training.proto).
  public var kind: UInt32

  /// - Parameter session: 16 bytes.
  public init(session: [UInt8], round: UInt32, attempt: UInt32, kind: UInt32) {
    precondition(session.count == 16, "a session has 16 bytes, found \(session.count)")
    self.session = session
    self.round = round
    self.attempt = attempt
    self.kind = kind
  }
}

/// What a partner announces before the bytes.
public struct UploadHeader: Sendable, Hashable {
  public var key: UploadKey
  /// Bytes in all.
  public var size: UInt64
  /// Of all bytes.
  public var sha256: Digest

  public init(key: UploadKey, size: UInt64, sha256: Digest) {
    self.key = key
    self.size = size
    self.sha256 = sha256
  }
}

/// Where an upload stands (`UploadState` on the wire).
public enum UploadPhase: Sendable, Hashable {
  /// The first `offset` bytes are kept; go on there.
  case receiving(offset: UInt64)
  /// The engine took the message; nothing is left to do.
  case accepted
  /// The engine refused the message; sending it again changes nothing.
  case refused(reason: String)
  /// The attempt is over, or a newer one is open.
  case superseded
}

/// The server's answer to a header.
public enum UploadOpening: Sendable {
  case receive(any UploadSink)
  /// The upload is finished already, or its stage is over: no byte is wanted.
  case settled(UploadPhase)
}

/// Where the server's host keeps the bytes of one upload. The server calls it from one task at a time.
public protocol UploadSink: Sendable {
  /// Bytes kept from earlier calls.
  var offset: UInt64 { get async }
  /// Bytes that are kept already: a resumed upload is hashed from its beginning.
  func read(at offset: UInt64, count: Int) async throws(TransportRefusal) -> [UInt8]
  /// Keeps bytes; `offset` is where the last write ended. The checksum of the chunk was verified.
  func write(_ bytes: [UInt8], at offset: UInt64) async throws(TransportRefusal)
  /// All bytes are there and their SHA-256 is the header's: hand them to the engine.
  func finish() async throws(TransportRefusal) -> UploadPhase
  /// All bytes are there and their SHA-256 is not the header's: throw them away (the partner begins again at 0).
  func discard() async
  /// The call ended before the last byte; what was written stays for the next call.
  func suspend() async
}

/// Bytes to send: of memory or a file. They must not change while the upload runs.
public protocol UploadPayload: Sendable {
  var size: UInt64 { get }
  var sha256: Digest { get }
  /// Exactly `count` bytes.
  func read(at offset: UInt64, count: Int) async throws -> [UInt8]
}

/// A payload in memory.
public struct BytesPayload: UploadPayload {
  private let bytes: [UInt8]
  public let sha256: Digest
  public var size: UInt64 { UInt64(bytes.count) }

  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
    sha256 = SHA256.hash(bytes)
  }

  public func read(at offset: UInt64, count: Int) -> [UInt8] { Array(bytes[Int(offset)..<Int(offset) + count]) }
}
