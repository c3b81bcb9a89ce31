internal import CryptoPrimitives
internal import GRPCCore
internal import Synchronization

/// One try of a download: ask for what is missing, check every chunk, check the whole.
struct DownloadTry: Sendable {
  let name: String
  let limit: UInt64
  let target: any DownloadTarget
  let metadata: Metadata
  let stall: Duration

  func run(
    _ client: Tacit_V1_Coordination.Client<ClientLine.Transport>, _ options: CallOptions
  ) async throws -> DownloadedDocument {
    let held = try local { try target.held() }
    let request = ClientRequest(
      message: Tacit_V1_DownloadRequest(name: name, offset: held?.count ?? 0, sha256: held?.sha256), metadata: metadata)
    let watch = StallWatch(isWaiting: false)
    return try await watch.run(limit: stall) {
      try await client.download(request: request, options: options) { response in
        var parts = response.messages.makeAsyncIterator()
        guard case .header(let header)? = try await parts.next()?.part else { throw MalformedField(field: "header") }
        let document = DownloadedDocument(size: header.size, sha256: try WireField.digest(header.sha256, "header.sha256"))
        guard document.size <= limit else {
          throw TransportFailure.badAnswer("\(name) has \(document.size) bytes, at most \(limit) are expected")
        }
        guard header.offset == 0 || (header.offset == held?.count && document.sha256 == held?.sha256) else {
          throw MalformedField(field: "header.offset")
        }
        try local { try target.begin(document, keeping: header.offset) }
        var position = header.offset
        while position < document.size {
          guard let part = try await parts.next() else {
            throw RPCError(code: .unavailable, message: "The download ended before the last byte.")
          }
          guard case .chunk(let chunk)? = part.part else { throw MalformedField(field: "chunk") }
          let bytes: [UInt8]
          do throws(TransportRefusal) {
            bytes = try chunk.bytes(expectedOffset: position, limit: 1 << 20)
          } catch {
            throw TransportFailure.badAnswer("a chunk of \(name): \(error)")
          }
          guard UInt64(bytes.count) <= document.size - position else { throw MalformedField(field: "chunk.data") }
          try local { try target.write(bytes, at: position) }
          position += UInt64(bytes.count)
          watch.progress()
        }
        guard try local({ try target.finish(document) }) else {
          guard header.offset == 0 else {
            // What was there before the call was not what its digest said; begin again.
            throw RPCError(code: .unavailable, message: "The bytes that were kept are damaged.")
          }
          throw TransportFailure.badAnswer("\(name) has another digest than announced")
        }
        return document
      }
    }
  }

  /// A failure of the own disk is not the coordinator's.
  private func local<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch { throw TransportFailure.local("\(error)") }
  }
}

/// Where a download goes.
protocol DownloadTarget: Sendable {
  /// Bytes that are kept, and the digest of the whole document that they belong to.
  func held() throws -> (count: UInt64, sha256: Digest)?
  /// Keeps the first `offset` bytes and makes room for the rest.
  func begin(_ document: DownloadedDocument, keeping offset: UInt64) throws
  func write(_ bytes: [UInt8], at offset: UInt64) throws
  /// Whether all bytes together have the document's digest; if not, they are gone.
  func finish(_ document: DownloadedDocument) throws -> Bool
}

/// In memory.
final class MemoryTarget: DownloadTarget {
  private let state = Mutex<(bytes: [UInt8], sha256: Digest?)>(([], nil))

  var bytes: [UInt8] { state.withLock { $0.bytes } }

  func held() -> (count: UInt64, sha256: Digest)? {
    state.withLock { state in state.sha256.map { (UInt64(state.bytes.count), $0) } }
  }

  func begin(_ document: DownloadedDocument, keeping offset: UInt64) {
    state.withLock { state in
      state.bytes.removeLast(state.bytes.count - Int(offset))
      state.bytes.reserveCapacity(Int(document.size))
      state.sha256 = document.sha256
    }
  }

  func write(_ bytes: [UInt8], at offset: UInt64) { state.withLock { $0.bytes += bytes } }

  func finish(_ document: DownloadedDocument) -> Bool {
    state.withLock { state in
      if SHA256.hash(state.bytes) == document.sha256 { return true }
      state = ([], nil)
      return false
    }
  }
}
