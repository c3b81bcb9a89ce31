internal import CryptoPrimitives
internal import GRPCCore
internal import SwiftProtobuf

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The seven calls of the training connection, between protobuf and the handler.
struct CoordinationService: Tacit_V1_Coordination.StreamingServiceProtocol {
  let gate: CallGate
  let handler: any CoordinationHandler
  private let uploads: UploadDesk
  private let pace: OutboundPace

  init(gate: CallGate, handler: any CoordinationHandler, pace: OutboundPace) {
    self.gate = gate
    self.pace = pace
    self.handler = handler
    uploads = UploadDesk(handler: handler, limits: gate.limits)
  }

  func hello(
    request: StreamingServerRequest<Tacit_V1_HelloRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Tacit_V1_HelloResponse> {
    try await answer(request, context, writes: .hello) { message, peer in
      let hello = try message.contract()
      guard let version = VersionRange.ours.newestCommon(with: hello.versions) else {
        throw TransportRefusal.unsupportedVersion(found: hello.versions, supported: .ours)
      }
      var answer = try await handler.hello(hello, from: peer)
      answer.version = version
      return Tacit_V1_HelloResponse(answer)
    }
  }

  func poll(
    request: StreamingServerRequest<Tacit_V1_PollRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Tacit_V1_PollResponse> {
    try await answer(request, context, kind: .poll) { message, peer in
      let query = try message.contract(longestWait: gate.limits.longestPoll)
      do {
        return Tacit_V1_PollResponse(try await handler.poll(query, from: peer))
      } catch {
        guard gate.isDraining else { throw error }
        return Tacit_V1_PollResponse(
          PollAnswer(session: query.session, envelopes: [], planHash: nil, newestRelease: nil, state: .draining))
      }
    }
  }

  func download(
    request: StreamingServerRequest<Tacit_V1_DownloadRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Tacit_V1_DownloadPart> {
    StreamingServerResponse { writer in
      try await gate.answer(.download, metadata: request.metadata, context: context) { peer, call in
        let (name, offset, sha256) = try await single(request).contract()
        let document = try await handler.document(name, for: peer)
        var position = document.sha256 == sha256 && offset <= document.size ? offset : 0
        try await writer.write(
          .with {
            $0.header = .with {
              $0.size = document.size
              $0.sha256 = Data(document.sha256.bytes)
              $0.offset = position
            }
          })
        while position < document.size {
          // Whoever reads slowly has one chunk waiting for it, not the document.
          await pace.room(on: context.remotePeer)
          try Task.checkCancellation()
          let count = Int(min(UInt64(min(gate.limits.downloadChunkBytes, gate.limits.chunkBytes)), document.size - position))
          let bytes = try await document.read(at: position, count: count)
          try await writer.write(.with { $0.chunk = Tacit_V1_Chunk(offset: position, bytes: bytes) })
          position += UInt64(count)
          call.progress()
        }
        return [:]
      }
    }
  }

  func uploadStatus(
    request: StreamingServerRequest<Tacit_V1_UploadKey>, context: ServerContext
  ) async throws -> StreamingServerResponse<Tacit_V1_UploadState> {
    try await answer(request, context) { message, peer in
      Tacit_V1_UploadState(try await handler.uploadState(try message.contract(), from: peer))
    }
  }

  func upload(
    request: StreamingServerRequest<Tacit_V1_UploadPart>, context: ServerContext
  ) async throws -> StreamingServerResponse<Tacit_V1_UploadState> {
    StreamingServerResponse { writer in
      do {
        return try await gate.answer(.upload, metadata: request.metadata, context: context) { peer, call in
          try await uploads.receive(request.messages, from: peer, call: call) { phase in
            if phase == .superseded { gate.countClosed() }
            try await writer.write(Tacit_V1_UploadState(phase))
          }
          return [:]
        }
      } catch let settled as SettledUpload {
        gate.countClosed()
        try await writer.write(Tacit_V1_UploadState(settled.phase))
        return [:]
      }
    }
  }

  func renewCertificate(
    request: StreamingServerRequest<Tacit_V1_RenewRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Tacit_V1_RenewResponse> {
    try await answer(request, context, writes: .renewal) { message, peer in
      let csr = try WireField.bytes(message.certificateRequest, "certificate_request", counts: 1...8192)
      let renewed = try await handler.renewCertificate(csr, from: peer)
      return .with {
        $0.certificatePem = renewed.certificatePEM
        $0.authorityPem = renewed.authorityPEM
      }
    }
  }

  func report(
    request: StreamingServerRequest<Tacit_V1_ReportRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Tacit_V1_ReportResponse> {
    try await answer(request, context, writes: .report) { message, peer in
      let statement = try WireField.bytes(message.statement, "statement", counts: 1...16_384)
      let answer = try await handler.report(statement, from: peer)
      return .with { $0.answer = Data(answer) }
    }
  }

  /// A call with one message in and one out.
  private func answer<Request: Sendable, Answer: Sendable>(
    _ request: StreamingServerRequest<Request>, _ context: ServerContext, kind: CallKind = .unary, writes: WritingCall? = nil,
    _ body: @escaping @Sendable (Request, Peer) async throws -> Answer
  ) async throws -> StreamingServerResponse<Answer> {
    let message = try await gate.answer(kind, writes: writes, metadata: request.metadata, context: context) { peer, _ in
      try await body(try await single(request), peer)
    }
    return StreamingServerResponse(single: ServerResponse(message: message))
  }
}

/// The only message of a call.
///
/// - Throws: `malformed` when there is none or more than one.
func single<Message: Sendable>(_ request: StreamingServerRequest<Message>) async throws -> Message {
  var iterator = request.messages.makeAsyncIterator()
  guard let message = try await iterator.next(), try await iterator.next() == nil else {
    throw TransportRefusal.malformed(field: "message")
  }
  return message
}
