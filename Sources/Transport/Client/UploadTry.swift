internal import GRPCCore
internal import SwiftProtobuf
internal import Synchronization

/// One try of an upload: announce, learn the offset, send the rest, hear the verdict.
struct UploadTry: Sendable {
  let header: UploadHeader
  let payload: any UploadPayload
  let metadata: Metadata
  let stall: Duration

  /// Small enough that a slow line delivers some of them before the server takes the turn back: only whole chunks are kept.
  private static let chunkBytes: UInt64 = 256 << 10

  func run(
    _ client: Tacit_V1_Coordination.Client<ClientLine.Transport>, _ options: CallOptions
  ) async throws -> UploadPhase {
    let watch = StallWatch(isWaiting: true)
    // What the server answers to the header; finished without a value when it wants nothing.
    let (offsets, announce) = AsyncStream.makeStream(of: UInt64.self)
    let localFault = Shared<String?>(nil)
    let request = StreamingClientRequest(of: Tacit_V1_UploadPart.self, metadata: metadata) { writer in
      try await writer.write(.with { $0.header = Tacit_V1_UploadHeader(header) })
      guard let start = await offsets.first(where: { _ in true }) else { return }
      var position = start
      while position < header.size {
        let count = Int(min(Self.chunkBytes, header.size - position))
        let bytes: [UInt8]
        do {
          bytes = try await payload.read(at: position, count: count)
        } catch {
          localFault.set("\(error)")
          throw error
        }
        try await writer.write(.with { $0.chunk = Tacit_V1_Chunk(offset: position, bytes: bytes) })
        position += UInt64(count)
        watch.progress()
      }
    }
    do {
      return try await watch.run(limit: stall) {
        try await client.upload(request: request, options: options) { response in
          defer { announce.finish() }
          for try await state in response.messages {
            watch.progress()
            let phase = try state.contract()
            guard case .receiving(let offset) = phase else { return phase }
            guard offset <= header.size else { throw MalformedField(field: "receiving.offset") }
            announce.yield(offset)
            announce.finish()
          }
          throw RPCError(code: .unavailable, message: "The upload ended without a verdict.")
        }
      }
    } catch {
      if let fault = localFault.get() { throw TransportFailure.local(fault) }
      throw error
    }
  }
}
