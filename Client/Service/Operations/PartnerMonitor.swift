internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
public import Operations
internal import PeerIdentity
internal import SecureAggregation
internal import Synchronization
internal import Transport

/// What those who operate a partner can see: calls, bytes, times. Nothing of users, of items or of counts of either.
public final class PartnerMonitor: Sendable {
  public let registry: MetricsRegistry
  private let calls: Counter
  private let bytesUp: Counter
  private let lastAnswer: Gauge
  /// What the newest call came to; `nil` before the first.
  private let newest = Mutex<CallResult?>(nil)

  public init(home: PartnerHome, store: PartnerStore) {
    let registry = MetricsRegistry()
    self.registry = registry
    ProcessMetrics.register(in: registry)
    calls = registry.counter(
      "tacit_calls_total", help: "Calls to the coordinator, and what they came to.",
      labels: [MetricLabel("rpc", of: Call.self), MetricLabel("result", of: CallResult.self)])
    bytesUp = registry.counter("tacit_upload_bytes_total", help: "Bytes of messages that the coordinator has taken.")
    lastAnswer = registry.gauge(
      "tacit_last_answer_time_seconds", help: "When the coordinator answered last, in seconds since 1970; 0 before.")
    registry.observed(
      "tacit_certificate_expiry_time_seconds", help: "When this partner's certificate runs out, in seconds since 1970."
    ) {
      (try? home.readCertificate())?.notAfter.timeIntervalSince1970
    }
    registry.observed("tacit_releases", help: "Releases of the accepted plan that have reached this partner.") {
      guard let plan = try? store.newestAcceptedPlan(),
        let session = (try? PlanFile(bytes: plan.bytes)).flatMap({ SessionID(hex: $0.plan.session) })
      else { return nil }
      return (try? store.releases(session: session)).map { Double($0.count) }
    }
    registry.observed("tacit_paused", help: "1 while attempts are not answered at the partner's own wish.") {
      (try? store.isPaused).map { $0 ? 1 : 0 }
    }
  }

  /// Ready means that the newest call was answered; during training, which makes no calls, the last word stands.
  public var readiness: Readiness {
    switch newest.withLock({ $0 }) {
    case nil: .notReady("the coordinator has not been asked yet")
    case .ok, .refused: .ready
    case .some(let other): .notReady("the newest call to the coordinator came to: \(other.rawValue)")
    }
  }

  enum Call: String, CaseIterable { case hello, poll, message, download, upload, renew, report }

  enum CallResult: String, CaseIterable {
    case ok, refused, unreachable, late
    case notTrusted = "not-trusted"
    case badAnswer = "bad-answer"
    case local, cancelled

    init(_ failure: TransportFailure) {
      self =
        switch failure {
        case .refused: .refused
        case .unreachable: .unreachable
        case .notTrusted: .notTrusted
        case .deadlineExceeded: .late
        case .badAnswer: .badAnswer
        case .local: .local
        case .cancelled: .cancelled
        }
    }
  }

  func note(_ call: Call, _ result: CallResult, bytesUp count: UInt64 = 0) {
    calls.increment(call.rawValue, result.rawValue)
    if count > 0 { bytesUp.add(Double(count)) }
    // Closing the line says nothing about the coordinator.
    guard result != .cancelled else { return }
    newest.withLock { $0 = result }
    if result == .ok || result == .refused { lastAnswer.set(Date().timeIntervalSince1970.rounded()) }
  }
}

extension CoordinatorLine {
  /// The same line, with every call counted.
  public func observed(by monitor: PartnerMonitor) -> CoordinatorLine {
    CoordinatorLine(ObservedConnection(connection: connection, monitor: monitor), reload: reload)
  }
}

/// Counts calls on their way.
struct ObservedConnection: CoordinatorConnection {
  let connection: any CoordinatorConnection
  let monitor: PartnerMonitor

  func hello(_ hello: ClientHello) async throws(TransportFailure) -> ServerHello {
    try await counted(.hello) { () async throws(TransportFailure) in try await connection.hello(hello) }
  }

  func poll(_ query: PollQuery) async throws(TransportFailure) -> PollAnswer {
    try await counted(.poll) { () async throws(TransportFailure) in try await connection.poll(query) }
  }

  func message(_ envelope: MessageEnvelope, limit: UInt64) async throws(TransportFailure) -> [UInt8] {
    try await counted(.message) { () async throws(TransportFailure) in try await connection.message(envelope, limit: limit) }
  }

  func download(_ name: String, limit: UInt64) async throws(TransportFailure) -> [UInt8] {
    try await counted(.download) { () async throws(TransportFailure) in try await connection.download(name, limit: limit) }
  }

  func upload(_ key: UploadKey, payload: any UploadPayload) async throws(TransportFailure) -> UploadPhase {
    try await counted(.upload, bytesUp: payload.size) { () async throws(TransportFailure) in
      try await connection.upload(key, payload: payload)
    }
  }

  func renewCertificate(_ request: [UInt8]) async throws(TransportFailure) -> RenewedCertificate {
    try await counted(.renew) { () async throws(TransportFailure) in try await connection.renewCertificate(request) }
  }

  func report(_ statement: [UInt8]) async throws(TransportFailure) -> [UInt8] {
    try await counted(.report) { () async throws(TransportFailure) in try await connection.report(statement) }
  }

  func reconnect() { connection.reconnect() }
  func close() async { await connection.close() }

  private func counted<Answer>(
    _ call: PartnerMonitor.Call, bytesUp: UInt64 = 0, _ body: () async throws(TransportFailure) -> Answer
  ) async throws(TransportFailure) -> Answer {
    do {
      let answer = try await body()
      monitor.note(call, .ok, bytesUp: bytesUp)
      return answer
    } catch {
      monitor.note(call, PartnerMonitor.CallResult(error))
      throw error
    }
  }
}
