internal import GRPCCore

/// Names of the metadata that Protocols/network.md defines.
enum MetadataName {
  static let protocolVersion = "tacit-protocol"
  static let instance = "tacit-instance-bin"
  static let participant = "tacit-participant"
  static let reason = "tacit-reason"
  static let detail = "tacit-detail"
}

extension TransportRefusal {
  /// The gRPC error that says it.
  var rpcError: RPCError {
    RPCError(code: code, message: description, metadata: metadata)
  }

  var status: Status { Status(code: Status.Code(code), message: description) }

  var metadata: Metadata {
    var metadata: Metadata = [:]
    metadata.addString(reason, forKey: MetadataName.reason)
    if let detail { metadata.addString(PercentEncoding.encode(detail, limit: 512), forKey: MetadataName.detail) }
    return metadata
  }

  /// `nil` when the error carries no reason of this protocol, or one that this version does not know.
  init?(_ error: RPCError) {
    guard let reason = error.metadata[stringValues: MetadataName.reason].first(where: { _ in true }) else { return nil }
    let detail = error.metadata[stringValues: MetadataName.detail].first { _ in true } ?? ""
    self.init(reason: reason, detail: PercentEncoding.decode(detail))
  }
}

/// The encoding of `grpc-message` (gRPC over HTTP/2): bytes outside 0x20...0x7E and the percent sign become %XX.
enum PercentEncoding {
  /// - Parameter limit: bytes of the text that are kept, cut between characters.
  static func encode(_ text: String, limit: Int) -> String {
    var kept = text
    while kept.utf8.count > limit { kept.removeLast() }
    var result: [UInt8] = []
    for byte in kept.utf8 {
      if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "%") {
        result.append(byte)
      } else {
        result += [UInt8(ascii: "%"), digit(byte >> 4), digit(byte & 15)]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// Leaves what is no valid encoding as it is.
  static func decode(_ text: String) -> String {
    let bytes = Array(text.utf8)
    var result: [UInt8] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let value = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
      {
        result.append(value)
        index += 3
      } else {
        result.append(bytes[index])
        index += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 55 + value }
}
