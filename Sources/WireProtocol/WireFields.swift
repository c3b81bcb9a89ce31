internal import CryptoPrimitives
internal import Foundation
internal import SecureAggregation

/// Reads the fields of one message and says which of them is wrong.
struct WireFields {
  let message: String

  init(_ message: String) { self.message = message }

  func value<T: FixedBytes>(_ data: Data, _ field: String, as type: T.Type = T.self) throws(WireError) -> T {
    guard let value = data.withUnsafeBytes({ T(copying: $0) }) else {
      throw WireError(
        message: message, field: field,
        reason: data.count == T.byteCount
          ? "\(data.count) bytes that are no \(T.self)" : "found \(data.count) bytes, expected \(T.byteCount)")
    }
    return value
  }

  /// A vector. Every bit pattern is one, and nothing else in the protocol would notice a bit that was damaged on its way
  /// into a sum; so its digest travels with it. It protects against accidents; against people, the channel does.
  func packed(_ data: Data, digest: Data) throws(WireError) -> [UInt8] {
    let expected: Digest = try value(digest, "digest")
    let bytes = Array(data)
    guard SHA256.hash(bytes) == expected else {
      throw WireError(message: message, field: "packed", reason: "\(bytes.count) bytes that do not hash to the digest")
    }
    return bytes
  }

  func bounded(_ data: Data, _ field: String, most: Int) throws(WireError) -> [UInt8] {
    guard data.count <= most else {
      throw WireError(message: message, field: field, reason: "found \(data.count) bytes, expected at most \(most)")
    }
    return Array(data)
  }

  func require<T>(_ value: T?, _ field: String, _ reason: String) throws(WireError) -> T {
    guard let value else { throw WireError(message: message, field: field, reason: reason) }
    return value
  }

  func context(_ wire: Tacit_V1_AttemptContext, isPresent: Bool) throws(WireError) -> AttemptContext {
    guard isPresent else { throw WireError(message: message, field: "context", reason: "is missing") }
    return AttemptContext(
      session: try value(wire.session, "context.session"), round: wire.round, attempt: wire.attempt,
      binding: try value(wire.binding, "context.binding"))
  }

  func narrow<T: FixedWidthInteger>(_ value: UInt32, _ field: String, as type: T.Type = T.self) throws(WireError) -> T {
    guard let narrow = T(exactly: value) else {
      throw WireError(message: message, field: field, reason: "found \(value), expected at most \(T.max)")
    }
    return narrow
  }
}

extension Tacit_V1_AttemptContext {
  init(_ context: AttemptContext) {
    self.init()
    session = context.session.data
    round = context.round
    attempt = context.attempt
    binding = context.binding.data
  }
}

extension FixedBytes {
  /// As a field of a message.
  var data: Data { withUnsafeBytes { Data($0) } }
}
