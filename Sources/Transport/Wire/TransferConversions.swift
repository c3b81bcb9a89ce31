internal import CryptoPrimitives
internal import SwiftProtobuf

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

extension Tacit_V1_UploadKey {
  init(_ key: UploadKey) {
    self.init()
    session = Data(key.session)
    round = key.round
    attempt = key.attempt
    kind = key.kind
  }

  func contract(_ prefix: String = "") throws(MalformedField) -> UploadKey {
    guard kind >= 1 else { throw MalformedField(field: prefix + "kind") }
    return UploadKey(
      session: try WireField.bytes(session, prefix + "session", count: 16), round: round, attempt: attempt, kind: kind)
  }
}

extension Tacit_V1_UploadHeader {
  init(_ header: UploadHeader) {
    self.init()
    key = Tacit_V1_UploadKey(header.key)
    size = header.size
    sha256 = Data(header.sha256.bytes)
  }

  func contract() throws(MalformedField) -> UploadHeader {
    guard hasKey else { throw MalformedField(field: "header.key") }
    guard size >= 1, size <= UInt64(Int64.max) else { throw MalformedField(field: "header.size") }
    return UploadHeader(
      key: try key.contract("header.key."), size: size, sha256: try WireField.digest(sha256, "header.sha256"))
  }
}

extension Tacit_V1_UploadState {
  init(_ phase: UploadPhase) {
    self.init()
    switch phase {
    case .receiving(let offset): receiving = .with { $0.offset = offset }
    case .accepted: accepted = .init()
    case .refused(let reason): refused = .with { $0.reason = reason }
    case .superseded: superseded = .init()
    }
  }

  func contract() throws(MalformedField) -> UploadPhase {
    switch phase {
    case .receiving(let receiving): .receiving(offset: receiving.offset)
    case .accepted: .accepted
    case .refused(let refused): .refused(reason: try WireField.text(refused.reason, "refused.reason", counts: 0...512))
    case .superseded: .superseded
    case nil: throw MalformedField(field: "phase")
    }
  }
}

extension Tacit_V1_Chunk {
  /// With its checksum.
  init(offset: UInt64, bytes: [UInt8]) {
    self.init()
    self.offset = offset
    data = Data(bytes)
    crc32C = Checksum.crc32c(bytes)
  }

  /// The bytes, when they begin where they must and are what the checksum says.
  func bytes(expectedOffset: UInt64, limit: Int) throws(TransportRefusal) -> [UInt8] {
    guard !data.isEmpty else { throw .malformed(field: "chunk.data") }
    guard data.count <= limit else { throw .tooLarge(limit: UInt64(limit)) }
    guard offset == expectedOffset else { throw .badOffset(expected: expectedOffset) }
    let bytes = [UInt8](data)
    guard Checksum.crc32c(bytes) == crc32C else { throw .badChecksum }
    return bytes
  }
}

extension Tacit_V1_DownloadRequest {
  init(name: String, offset: UInt64, sha256: Digest?) {
    self.init()
    self.name = name
    self.offset = offset
    if let sha256 { self.sha256 = Data(sha256.bytes) }
  }

  /// Name, and what of the document is there already.
  func contract() throws(MalformedField) -> (name: String, offset: UInt64, sha256: Digest?) {
    guard (1...256).contains(name.utf8.count), name.utf8.allSatisfy({ Self.nameBytes.contains($0) }) else {
      throw MalformedField(field: "name")
    }
    guard offset == 0 || !sha256.isEmpty else { throw MalformedField(field: "sha256") }
    return (name, offset, sha256.isEmpty ? nil : try WireField.digest(sha256, "sha256"))
  }

  private static let nameBytes = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-".utf8)
}
