internal import CryptoPrimitives
internal import GRPCCore
public import Logging
public import PeerIdentity
internal import Synchronization

/// The enrolment listener: server-authenticated TLS 1.3, one call, strangers allowed, few at a time.
public final class EnrolmentServer: Sendable {
  private let listener: Listener
  private let calls = CancelledTogether()

  /// - Parameters:
  ///   - tls: `nil`: insecure loopback mode.
  ///   - onRefusal: called with the machine reason of every refusal, from any thread.
  /// - Throws: `ListenError` when insecure loopback mode is asked for another address.
  public init(
    listen: HostPort, tls: ServerTLS?, handler: any EnrolmentHandler, limits: EnrolmentLimits = EnrolmentLimits(),
    logger: Logger = Logger(label: "tacit.transport"),
    onRefusal: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(ListenError) {
    let handshake =
      if let tls {
        ServerHandshake(
          context: { tls.serverOnly }, timeLimit: limits.handshake, room: limits.room, count: onRefusal)
      } else {
        ServerHandshake(context: nil, timeLimit: limits.handshake, room: limits.room, count: onRefusal)
      }
    listener = try Listener(
      Listener.Settings(
        address: listen, isInsecure: tls == nil, windowBytes: (1 << 16) - 1, messageBytes: 64 << 10, streams: 4,
        keepaliveTime: .seconds(15), keepaliveTimeout: .seconds(10), drain: limits.drain),
      handshake: handshake,
      service: EnrolmentService(handler: handler, limits: limits, logger: logger, calls: calls, count: onRefusal),
      logger: logger, count: onRefusal)
  }

  /// Listens until `beginGracefulShutdown` or cancellation.
  ///
  /// - Throws: `ListenError` when the address cannot be bound.
  public func run() async throws { try await listener.run { self.calls.cancel() } }

  /// Where it listens, once it does.
  public var boundAddress: HostPort { get async throws { try await listener.boundAddress } }

  public func beginGracefulShutdown() { listener.beginGracefulShutdown() }
}

/// The one call.
struct EnrolmentService: Tacit_V1_Enrolment.StreamingServiceProtocol {
  private let handler: any EnrolmentHandler
  private let limits: EnrolmentLimits
  private let logger: Logger
  private let calls: CancelledTogether
  private let count: @Sendable (String) -> Void
  private let all: TokenBuckets<Bool>
  private let perAddress: TokenBuckets<String>
  private let perInvitation: TokenBuckets<Digest>

  init(
    handler: any EnrolmentHandler, limits: EnrolmentLimits, logger: Logger, calls: CancelledTogether,
    count: @escaping @Sendable (String) -> Void
  ) {
    self.handler = handler
    self.limits = limits
    self.logger = logger
    self.calls = calls
    self.count = count
    all = TokenBuckets(burst: limits.burst, perSecond: limits.perSecond, capacity: 1)
    perAddress = TokenBuckets(burst: limits.burstPerAddress, perSecond: limits.perSecondPerAddress, capacity: 8192)
    // Strangers cannot fill it: only what the handler knows gets here.
    perInvitation = TokenBuckets(
      burst: limits.burstPerInvitation, perSecond: limits.perSecondPerInvitation, capacity: 1 << 16)
  }

  func enrol(
    request: StreamingServerRequest<Tacit_V1_EnrolRequest>, context: ServerContext
  ) async throws -> StreamingServerResponse<Tacit_V1_EnrolResponse> {
    do {
      let grant = try await calls.run {
        try await withTimeLimit(limits.call) {
          let application = try await single(request).contract()
          try await admit(application, from: CallerOrigin.of(context.remotePeer))
          guard VersionRange.ours.newestCommon(with: application.versions) != nil else {
            throw TransportRefusal.unsupportedVersion(found: application.versions, supported: .ours)
          }
          return try await handler.enrol(application, address: context.remotePeer)
        }
      }
      return StreamingServerResponse(single: ServerResponse(message: Tacit_V1_EnrolResponse(grant)))
    } catch {
      let refusal = outcome(of: error)
      if let refusal { count(refusal.reason) }
      throw refusal?.rpcError ?? RPCError(code: .cancelled, message: "The caller went away.")
    }
  }

  /// Limits how often is tried. Whoever shows an invitation that stands draws on that invitation alone: no number of strangers, not even
  /// behind its own address, can use up its tries.
  private func admit(_ application: EnrolmentApplication, from origin: String) async throws(TransportRefusal) {
    let hash = EnrolmentToken.secretHash(application.secret)
    if try await handler.isInvited(hash) { return try perInvitation.take(hash) }
    // Own address first: a stranger who tries too often must not use up what the others have.
    try perAddress.take(origin)
    try all.take(true)
  }

  private func outcome(of error: any Error) -> TransportRefusal? {
    switch error {
    case let refusal as TransportRefusal: return refusal
    case let malformed as MalformedField: return .malformed(field: malformed.field)
    case let error as RPCError: return CallGate.unreadable(error)
    case is CancellationError: return nil
    default:
      logger.warning("an enrolment failed", metadata: ["error": "\(error)"])
      return .fault
    }
  }
}

/// Tasks that one call cancels, and every one that comes after it.
final class CancelledTogether: Sendable {
  private let state = Mutex(State())

  private struct State {
    var isOver = false
    var running: [UInt64: @Sendable () -> Void] = [:]
    var begun: UInt64 = 0
  }

  func run<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
    let task = Task { try await body() }
    let (number, isOver) = state.withLock { state in
      state.begun += 1
      state.running[state.begun] = { task.cancel() }
      return (state.begun, state.isOver)
    }
    defer { state.withLock { $0.running[number] = nil } }
    if isOver { task.cancel() }
    return try await withTaskCancellationHandler {
      try await task.value
    } onCancel: {
      task.cancel()
    }
  }

  func cancel() {
    let running = state.withLock { state in
      state.isOver = true
      return Array(state.running.values)
    }
    for cancel in running { cancel() }
  }
}

/// What callers are counted under.
package enum CallerOrigin {
  /// What an address is counted under: an IPv4 address, or the /64 of an IPv6 address, which is one customer's.
  package static func of(_ remotePeer: String) -> String {
    // "ipv4:192.0.2.1:443", "ipv6:[2001:db8::1]:443"
    guard remotePeer.hasPrefix("ipv6:["), let end = remotePeer.lastIndex(of: "]") else {
      return remotePeer.lastIndex(of: ":").map { String(remotePeer[..<$0]) } ?? remotePeer
    }
    let text = String(remotePeer[..<end].dropFirst("ipv6:[".count))
    return of(address: text)
  }

  /// The same for an address without a port.
  package static func of(address text: String) -> String {
    guard case .ipv6(let bytes)? = try? HostPort.Host(parsing: text) else { return text }
    return "\(bytes.prefix(8))"
  }
}

/// Runs `body`, cancels it when it takes too long.
///
/// - Throws: `deadlineExceeded`.
func withTimeLimit<Result: Sendable>(
  _ limit: Duration, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
  try await withThrowingTaskGroup(of: Result?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await Task.sleep(for: limit)
      return nil
    }
    defer { group.cancelAll() }
    guard let result = try await group.next() ?? nil else { throw TransportRefusal.deadlineExceeded }
    return result
  }
}
