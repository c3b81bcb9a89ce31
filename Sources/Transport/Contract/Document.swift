public import CryptoPrimitives

/// Bytes that partners download by name. They must not change while a call reads them.
public protocol DocumentSource: Sendable {
  var size: UInt64 { get }
  /// Of all bytes; a download is resumed only in the very same document.
  var sha256: Digest { get }
  /// Exactly `count` bytes; the server asks only inside `size`.
  func read(at offset: UInt64, count: Int) async throws(TransportRefusal) -> [UInt8]
}

/// A document in memory.
public struct BytesDocument: DocumentSource {
  private let bytes: [UInt8]
  public let sha256: Digest
  public var size: UInt64 { UInt64(bytes.count) }

  public init(_ bytes: [UInt8]) {
    self.bytes = bytes
    sha256 = SHA256.hash(bytes)
  }

  public func read(at offset: UInt64, count: Int) -> [UInt8] { Array(bytes[Int(offset)..<Int(offset) + count]) }
}

/// What was downloaded: the digest was verified.
public struct DownloadedDocument: Sendable, Hashable {
  public var size: UInt64
  public var sha256: Digest

  public init(size: UInt64, sha256: Digest) {
    self.size = size
    self.sha256 = sha256
  }
}
