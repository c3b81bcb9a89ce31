internal import CryptoPrimitives
internal import GRPCCore
internal import Synchronization

/// Receives uploads: one call per key, a limited number in all, chunk by chunk into the handler's sink.
///
/// While an upload waits for its turn the partner has sent nothing but the header, so that waiting costs no memory; while it runs, HTTP/2's
/// window stops a partner that is faster than the sink.
final class UploadDesk: Sendable {
  private struct Name: Hashable {
    let participant: UInt32
    let key: UploadKey
  }
  private let handler: any CoordinationHandler
  private let limits: TransportLimits
  private let slots: UploadSlots
  private let current = Mutex<[Name: (call: RunningCall, end: CompletionFlag)]>([:])

  init(handler: any CoordinationHandler, limits: TransportLimits) {
    self.handler = handler
    self.limits = limits
    slots = UploadSlots(count: limits.concurrentUploads)
  }

  /// - Parameter answer: sends a state to the partner.
  func receive(
    _ parts: RPCAsyncSequence<Tacit_V1_UploadPart, any Error>, from peer: Peer, call: RunningCall,
    answer: (UploadPhase) async throws -> Void
  ) async throws {
    var parts = parts.makeAsyncIterator()
    guard case .header(let message)? = try await parts.next()?.part else {
      throw TransportRefusal.malformed(field: "header")
    }
    let header = try message.contract()
    call.announce(header.key)
    call.pause()
    try await alone(Name(participant: peer.participant, key: header.key), call) {
      try await slots.withSlot {
        switch try await handler.openUpload(header, from: peer) {
        case .settled(let phase): try await answer(phase)
        case .receive(let sink):
          do {
            try await answer(try await fill(sink, header, &parts, call, answer))
          } catch {
            await sink.suspend()
            throw error
          }
        }
      }
    }
  }

  /// Takes chunks until all bytes are there.
  private func fill(
    _ sink: any UploadSink, _ header: UploadHeader, _ parts: inout RPCAsyncSequence<Tacit_V1_UploadPart, any Error>.AsyncIterator,
    _ call: RunningCall, _ answer: (UploadPhase) async throws -> Void
  ) async throws -> UploadPhase {
    var position = await sink.offset
    guard position <= header.size else { throw TransportRefusal.fault }
    var hasher = SHA256Hasher()
    var hashed: UInt64 = 0
    while hashed < position {
      let count = Int(min(UInt64(limits.chunkBytes), position - hashed))
      hasher.update(try await sink.read(at: hashed, count: count))
      hashed += UInt64(count)
    }
    try await answer(.receiving(offset: position))
    while position < header.size {
      call.awaitPart()
      guard let part = try await parts.next() else { throw TransportRefusal.malformed(field: "size") }
      guard case .chunk(let chunk)? = part.part else { throw TransportRefusal.malformed(field: "chunk") }
      call.received(chunk.data.count)
      let bytes = try chunk.bytes(expectedOffset: position, limit: limits.chunkBytes)
      guard UInt64(bytes.count) <= header.size - position else { throw TransportRefusal.tooLarge(limit: header.size) }
      hasher.update(bytes)
      try await sink.write(bytes, at: position)
      position += UInt64(bytes.count)
    }
    guard hasher.finalize() == header.sha256 else {
      await sink.discard()
      throw TransportRefusal.badChecksum
    }
    return try await sink.finish()
  }

  /// Runs `body` as the only call of its key. An older call of the same key is one whose connection broke: it ends first.
  private func alone(_ name: Name, _ call: RunningCall, _ body: () async throws -> Void) async throws {
    let end = CompletionFlag()
    let (older, others) = current.withLock { current in
      let older = current[name]
      let others = current.filter { $0.key.participant == name.participant && $0.key != name }.map(\.value.call)
      current[name] = (call, end)
      return (older, others.sorted { $0.started < $1.started }.dropLast(limits.uploadsPerParticipant - 1))
    }
    // One partner must not hold the turns of all: whatever else it sends at the same time ends.
    for other in others { other.end(.refused(.tooManyCalls(limit: limits.uploadsPerParticipant))) }
    defer {
      current.withLock { current in
        if current[name]?.call === call { current[name] = nil }
      }
      end.complete()
    }
    if let older {
      older.call.end(.refused(.superseded))
      await older.end.wait()
    }
    try Task.checkCancellation()
    try await body()
  }
}

/// Something that happens once, and whoever waits for it.
final class CompletionFlag: Sendable {
  private let state = Mutex<(isComplete: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))

  func complete() {
    let waiting = state.withLock { state in
      state.isComplete = true
      let waiting = state.waiting
      state.waiting = []
      return waiting
    }
    for continuation in waiting { continuation.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isComplete = state.withLock { state in
        if !state.isComplete { state.waiting.append(continuation) }
        return state.isComplete
      }
      if isComplete { continuation.resume() }
    }
  }
}
