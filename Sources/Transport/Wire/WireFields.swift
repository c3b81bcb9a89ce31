internal import CryptoPrimitives

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// A message that follows the wire format but not the protocol: which field.
struct MalformedField: Error {
  let field: String
}

/// Reading of single fields; each throws `MalformedField` naming the field.
enum WireField {
  static func bytes(_ data: Data, _ field: String, counts: ClosedRange<Int>) throws(MalformedField) -> [UInt8] {
    guard counts.contains(data.count) else { throw MalformedField(field: field) }
    return [UInt8](data)
  }

  static func bytes(_ data: Data, _ field: String, count: Int) throws(MalformedField) -> [UInt8] {
    try bytes(data, field, counts: count...count)
  }

  static func digest(_ data: Data, _ field: String) throws(MalformedField) -> Digest {
    guard data.count == Digest.byteCount, let digest = Digest(bytes: [UInt8](data)) else { throw MalformedField(field: field) }
    return digest
  }

  static func text(_ text: String, _ field: String, counts: ClosedRange<Int>) throws(MalformedField) -> String {
    guard counts.contains(text.utf8.count) else { throw MalformedField(field: field) }
    return text
  }

  static func versions(_ oldest: UInt32, _ newest: UInt32) throws(MalformedField) -> VersionRange {
    guard oldest >= 1, oldest <= newest else { throw MalformedField(field: "oldest_version") }
    return VersionRange(oldest, newest)
  }
}
