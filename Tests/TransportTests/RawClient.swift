import CryptoPrimitives
import GRPCCore
import GRPCNIOTransportHTTP2Posix
import PeerIdentity
import Transport

/// A client that knows Protocols/ and nothing of ours: it writes protobuf by hand, and sends whatever a test wants to send.
struct RawClient {
  let client: GRPCClient<HTTP2ClientTransport.Posix>

  /// What came back: messages, then a status.
  struct Answer: Sendable {
    var messages: [[UInt8]]
    var error: RPCError?
    var reason: String? { error?.metadata[stringValues: "tacit-reason"].first { _ in true } }
    var detail: String? { error?.metadata[stringValues: "tacit-detail"].first { _ in true } }
  }

  /// Plaintext, to a server in insecure loopback mode.
  static func with<Result: Sendable>(_ address: HostPort, _ body: @Sendable @escaping (RawClient) async throws -> Result)
    async throws -> Result
  {
    try await withGRPCClient(
      transport: .http2NIOPosix(
        target: .ipv4(address: address.host.description, port: Int(address.port)), transportSecurity: .plaintext)
    ) { try await body(RawClient(client: $0)) }
  }

  static func metadata(
    participant: String? = "1", version: String? = "1", instance: [UInt8]? = [UInt8](repeating: 5, count: 16)
  ) -> Metadata {
    var metadata: Metadata = [:]
    if let participant { metadata.addString(participant, forKey: "tacit-participant") }
    if let version { metadata.addString(version, forKey: "tacit-protocol") }
    if let instance { metadata.addBinary(instance, forKey: "tacit-instance-bin") }
    return metadata
  }

  /// Sends messages to a method and collects what comes back.
  func call(
    _ method: String, service: String = "tacit.v1.Coordination", metadata: Metadata = RawClient.metadata(), _ messages: [[UInt8]]
  ) async -> Answer {
    await call(method, service: service, metadata: metadata) { writer, _ in
      for message in messages { try await writer.write(message) }
    }
  }

  /// - Parameter produce: writes; it may wait for the first answer.
  func call(
    _ method: String, service: String = "tacit.v1.Coordination", metadata: Metadata = RawClient.metadata(),
    produce: @escaping @Sendable (RPCWriter<[UInt8]>, AsyncStream<[UInt8]>) async throws -> Void
  ) async -> Answer {
    let (answers, feed) = AsyncStream.makeStream(of: [UInt8].self)
    let request = StreamingClientRequest<[UInt8]>(metadata: metadata) { try await produce($0, answers) }
    do {
      return try await client.bidirectionalStreaming(
        request: request, descriptor: MethodDescriptor(fullyQualifiedService: service, method: method), serializer: Plain(),
        deserializer: Plain(), options: .defaults
      ) { response in
        defer { feed.finish() }
        var answer = Answer(messages: [], error: nil)
        do {
          for try await message in response.messages {
            answer.messages.append(message)
            feed.yield(message)
          }
        } catch let error as RPCError {
          answer.error = error
        }
        return answer
      }
    } catch let error as RPCError {
      return Answer(messages: [], error: error)
    } catch {
      return Answer(messages: [], error: RPCError(code: .unknown, message: "\(error)"))
    }
  }

  private struct Plain: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: [UInt8]) -> Bytes { Bytes(message) }
    func deserialize<Bytes: GRPCContiguousBytes>(_ bytes: Bytes) -> [UInt8] { bytes.withUnsafeBytes { [UInt8]($0) } }
  }
}

/// The wire format of protobuf, as far as the tests write it.
enum Proto {
  static func varint(_ field: UInt64, _ value: UInt64) -> [UInt8] { number(field << 3) + number(value) }
  static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] { number(field << 3 | 2) + number(UInt64(value.count)) + value }
  static func fixed32(_ field: UInt64, _ value: UInt32) -> [UInt8] {
    number(field << 3 | 5) + (0..<4).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  private static func number(_ value: UInt64) -> [UInt8] {
    var value = value
    var result: [UInt8] = []
    while value >= 128 {
      result.append(UInt8(value & 127) | 128)
      value >>= 7
    }
    return result + [UInt8(value)]
  }

  static func uploadKey(session: Int = 16, round: UInt64 = 0, kind: UInt64 = 3) -> [UInt8] {
    bytes(1, [UInt8](repeating: 9, count: session)) + varint(2, round) + varint(4, kind)
  }

  static func uploadHeader(_ key: [UInt8] = uploadKey(), size: UInt64, sha256: [UInt8]) -> [UInt8] {
    bytes(1, bytes(1, key) + varint(2, size) + bytes(3, sha256))
  }

  static func chunk(_ offset: UInt64, _ data: [UInt8], checksum: UInt32? = nil) -> [UInt8] {
    bytes(2, varint(1, offset) + bytes(2, data) + fixed32(3, checksum ?? crc32c(data)))
  }

  /// RFC 3720 §12.1, one bit at a time.
  static func crc32c(_ data: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in data {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0x82F6_3B78 : crc >> 1 }
    }
    return ~crc
  }
}

/// A server in insecure loopback mode, for the raw client.
func withPlainServer(
  handler: FakeHandler = FakeHandler(), limits: TransportLimits = .brisk,
  _ body: @escaping @Sendable (RawClient, FakeHandler, Counter, CoordinationServer) async throws -> Void
) async throws {
  let refusals = Counter()
  let server = try CoordinationServer(
    listen: HostPort(parsing: "127.0.0.1:0"), security: .insecureLoopback, handler: handler, limits: limits,
    onRefusal: { refusals.add($0) })
  let running = Task { try await server.run() }
  let address = try await server.boundAddress
  let outcome: Result<Void, any Error>
  do {
    try await RawClient.with(address) { try await body($0, handler, refusals, server) }
    outcome = .success(())
  } catch {
    outcome = .failure(error)
  }
  running.cancel()
  try await running.value
  try outcome.get()
}
