internal import CryptoPrimitives
internal import GRPCCore
internal import GRPCNIOTransportHTTP2Posix
internal import Logging
internal import PeerIdentity
internal import Synchronization
internal import X509

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The door that every call of the training listener goes through: who calls, in which version, how often, and whether still welcome.
final class CallGate: Sendable {
  let limits: TransportLimits
  let calls: RunningCalls
  private let anchor: TrustAnchor?
  private let handler: any CoordinationHandler
  private let logger: Logger
  private let count: @Sendable (String) -> Void
  private let buckets: TokenBuckets<UInt32>
  /// Of their own for each kind, so that a partner that greets anew does not use up what its statements need.
  private let writes: TokenBuckets<Write>
  private let draining = Atomic<Bool>(false)
  private let now: @Sendable () -> Date

  /// - Parameter anchor: the task's CA; `nil` in insecure loopback mode.
  init(
    anchor: TrustAnchor?, handler: any CoordinationHandler, limits: TransportLimits, logger: Logger,
    now: @escaping @Sendable () -> Date,
    count: @escaping @Sendable (String) -> Void
  ) {
    self.anchor = anchor
    self.handler = handler
    self.limits = limits
    self.logger = logger
    self.now = now
    self.count = count
    calls = RunningCalls(limits: limits)
    buckets = TokenBuckets(burst: limits.callBurst, perSecond: limits.callsPerSecond, capacity: 1 << 16)
    writes = TokenBuckets(burst: limits.writeBurst, perSecond: limits.writesPerSecond, capacity: 1 << 16)
  }

  private struct Write: Hashable {
    let participant: UInt32
    let kind: WritingCall
  }

  var isDraining: Bool { draining.load(ordering: .acquiring) }

  /// Answers a call, or refuses it with a counted reason.
  ///
  /// - Parameters:
  ///   - writes: what the call lets the handler write, if anything.
  ///   - body: cancelled when the call is cut off; what it throws then does not matter.
  func answer<Result: Sendable>(
    _ kind: CallKind, writes: WritingCall? = nil, metadata: Metadata, context: ServerContext,
    _ body: @escaping @Sendable (Peer, RunningCall) async throws -> Result
  ) async throws -> Result {
    do {
      return try await admit(kind, writes: writes, metadata: metadata, context: context, body)
    } catch let refusal as TransportRefusal {
      count(refusal.reason)
      throw refusal.rpcError
    }
  }

  /// No new calls from now on. Those that run may end, but polls end at once.
  func drain() {
    draining.store(true, ordering: .releasing)
    for call in calls.all where call.kind == .poll { call.end(.abandoned) }
  }

  /// Cuts off all calls, and every one that was about to begin.
  func stop() { calls.stop(.unavailable(reason: "it is stopping")) }

  /// An upload was answered `superseded`.
  func countClosed() { count(RefusalReason.attemptOver) }

  /// Asks the handler about all callers again, and whether what they send is still wanted.
  func reauthorize() async {
    for call in calls.all {
      if let key = call.upload, let phase = handler.settled(key) { call.end(.settled(phase)) }
    }
    let moment = now()
    await calls.reauthorize { peer in
      if Int64(moment.timeIntervalSince1970) > peer.notAfter { return .certificateExpired }
      do throws(TransportRefusal) {
        try await self.handler.authorize(peer, isHello: false)
        return nil
      } catch {
        return error
      }
    }
  }

  private func admit<Result: Sendable>(
    _ kind: CallKind, writes call: WritingCall?, metadata: Metadata, context: ServerContext,
    _ body: @escaping @Sendable (Peer, RunningCall) async throws -> Result
  ) async throws -> Result {
    let isHello = call == .hello
    let peer = try identify(metadata, context, isHello: isHello)
    try buckets.take(peer.participant)
    if let call { try writes.take(Write(participant: peer.participant, kind: call)) }
    guard !isDraining else { throw TransportRefusal.unavailable(reason: "it is stopping") }
    try await handler.authorize(peer, isHello: isHello)
    let call = try calls.begin(peer, kind: kind)
    defer { calls.finish(call) }
    do {
      return try await withRPCCancellationHandler {
        try await call.run { try await body(peer, call) }
      } onCancelRPC: {
        // gRPC cancels all calls when a shutdown begins; those that move bytes may end.
        if !self.isDraining || kind == .poll { call.end(.abandoned) }
      }
    } catch {
      throw outcome(of: call, error: error)
    }
  }

  /// The refusal of a message that protobuf could not read; `nil` for other errors. What gRPC itself could not read (`FramingErrors`)
  /// has ended the stream already.
  static func unreadable(_ error: RPCError) -> TransportRefusal? {
    error.code == .invalidArgument ? .malformed(field: "message") : nil
  }

  /// What the caller is told when the body threw.
  private func outcome(of call: RunningCall, error: any Error) -> any Error {
    if let error = error as? RPCError, let refusal = Self.unreadable(error) { return refusal }
    switch call.ending {
    case .refused(let refusal): return refusal
    case .abandoned: return RPCError(code: .cancelled, message: "The caller went away.")
    case .settled(let phase): return SettledUpload(phase: phase)
    case nil: break
    }
    switch error {
    case let refusal as TransportRefusal: return refusal
    case let malformed as MalformedField: return TransportRefusal.malformed(field: malformed.field)
    case is RPCError, is CancellationError: return RPCError(code: .cancelled, message: "The caller went away.")
    // A stream that ended under the call, whichever of NIO's modules says so; nobody hears the answer.
    case _ where String(reflecting: type(of: error)).hasPrefix("NIO"):
      return RPCError(code: .cancelled, message: "The connection broke.")
    default:
      logger.warning("a call failed", metadata: ["participant": "\(call.peer.participant)", "error": "\(error)"])
      return TransportRefusal.fault
    }
  }
}

/// The calls that end in a write to the coordinator's disk at the caller's wish; uploads have turns instead.
enum WritingCall {
  case hello
  case report
  case renewal
}

/// An upload ended before its last byte, with an answer all the same.
struct SettledUpload: Error {
  let phase: UploadPhase
}

extension CallGate {
  private func identify(_ metadata: Metadata, _ context: ServerContext, isHello: Bool) throws(TransportRefusal) -> Peer {
    if !isHello { try checkVersion(metadata) }
    guard let bytes = metadata[binaryValues: MetadataName.instance].first(where: { _ in true }),
      let instance = InstanceID(bytes: bytes)
    else { throw .malformed(field: MetadataName.instance) }
    guard let anchor else {
      guard let text = metadata[stringValues: MetadataName.participant].first(where: { _ in true }), let number = UInt32(text)
      else {
        throw .unidentified
      }
      return Peer(
        participant: number, certificateFingerprint: .zero, serial: "", notAfter: .max, address: context.remotePeer,
        instance: instance)
    }
    guard let transport = context.transportSpecific as? HTTP2ServerTransport.Posix.Context, let shown = transport.peerCertificate,
      let certificate = try? IssuedCertificate(shown)
    else { throw .unidentified }
    guard let identity = try? anchor.partner(of: certificate) else {
      throw Self.namesAnotherTask(shown, than: anchor.taskID) ? .wrongTask : .unidentified
    }
    let notAfter = Int64(certificate.notAfter.timeIntervalSince1970)
    // TLS has checked it when the connection began, which may be long ago.
    guard Int64(now().timeIntervalSince1970) <= notAfter else { throw .certificateExpired }
    return Peer(
      participant: identity.participant, certificateFingerprint: certificate.fingerprint, serial: certificate.serial,
      notAfter: notAfter,
      address: context.remotePeer, instance: instance)
  }

  private func checkVersion(_ metadata: Metadata) throws(TransportRefusal) {
    guard let text = metadata[stringValues: MetadataName.protocolVersion].first(where: { _ in true }), let version = UInt32(text),
      version >= 1
    else { throw .malformed(field: MetadataName.protocolVersion) }
    let found = VersionRange(version, version)
    guard VersionRange.ours.newestCommon(with: found) != nil else {
      throw .unsupportedVersion(found: found, supported: .ours)
    }
  }

  private static func namesAnotherTask(_ certificate: Certificate, than task: String) -> Bool {
    guard let names = try? certificate.extensions.subjectAlternativeNames else { return false }
    return names.contains { name in
      guard case .uniformResourceIdentifier(let text) = name, let identity = try? PartnerIdentityURI(parsing: text) else {
        return false
      }
      return identity.taskID != task
    }
  }
}
