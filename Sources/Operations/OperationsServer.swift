internal import Hummingbird
public import Logging
internal import NIOCore
public import PeerIdentity
public import ServiceLifecycle

/// Whether a service can do its work now.
public enum Readiness: Sendable, Equatable {
  case ready
  /// Why not, in a few words without personal data.
  case notReady(String)
}

/// Where nobody could listen, and why, in one sentence.
public struct OperationsListenError: Error, CustomStringConvertible {
  public let description: String
}

/// HTTP for those who operate a service: `/metrics` (Prometheus), `/healthz` (the process lives: 200), `/readyz` (200, or 503
/// and why not).
///
/// Plain HTTP without authentication: listen on a loopback address, which is the default of both services, unless the network
/// in between is trusted. GET and HEAD only; nothing that is sent to it is read.
public struct OperationsServer: Service {
  private let address: HostPort
  private let metrics: MetricsRegistry
  private let readiness: @Sendable () async -> Readiness
  private let logger: Logger
  private let listener: HTTPListener
  private let onListening: @Sendable (UInt16) async -> Void

  /// - Parameters:
  ///   - address: port 0 takes any free one.
  ///   - connectionsMax: from then on each new connection closes the one that has waited longest for its client.
  ///   - onListening: receives the port once it accepts connections.
  public init(
    listen address: HostPort, metrics: MetricsRegistry, logger: Logger,
    connectionsMax: Int = 48, readiness: @escaping @Sendable () async -> Readiness,
    onListening: @escaping @Sendable (UInt16) async -> Void = { _ in }
  ) {
    self.address = address
    self.metrics = metrics
    self.logger = logger
    listener = HTTPListener(address, connectionsMax: connectionsMax, idleSeconds: 30, headerBytesMax: 8192)
    self.readiness = readiness
    self.onListening = onListening
  }

  /// Serves until graceful shutdown or cancellation.
  ///
  /// - Throws: `OperationsListenError` when it cannot listen there.
  public func run() async throws {
    if !address.isLoopback {
      logger.warning("metrics and health can be read by others on the network", [.address: LogValue(address)])
    }
    do {
      try await listener.run(logger: logger) { port in
        logger.info("metrics and health are served", [.address: LogValue(address.host), .port: LogValue(port)])
        await onListening(port)
      } respond: { request in
        await respond(to: request)
      }
    } catch let failure as HTTPListener.Failure {
      throw OperationsListenError(
        description:
          "metrics and health cannot be served on \(address): \(failure.reason); choose another metrics-listen, or stop what uses this one"
      )
    }
  }

  private func respond(to request: Request) async -> Response {
    let isHead = request.method == .head
    guard request.method == .get || isHead else {
      var response = plain(.methodNotAllowed, "only GET and HEAD\n")
      response.headers[.allow] = "GET, HEAD"
      return response
    }
    let response: Response
    switch request.uri.path {
    case "/metrics": response = plain(.ok, metrics.text(), type: MetricsRegistry.contentType)
    case "/healthz": response = plain(.ok, "ok\n")
    case "/readyz":
      switch await readiness() {
      case .ready: response = plain(.ok, "ready\n")
      case .notReady(let reason): response = plain(.serviceUnavailable, "not ready: \(reason)\n")
      }
    default: response = plain(.notFound, "there is /metrics, /healthz and /readyz\n")
    }
    return isHead ? response.createHeadResponse() : response
  }

  private func plain(_ status: HTTPResponse.Status, _ text: String, type: String = "text/plain; charset=utf-8") -> Response {
    Response(
      status: status, headers: [.contentType: type, .cacheControl: "no-store"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }
}
