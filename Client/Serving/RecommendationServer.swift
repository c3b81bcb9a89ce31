internal import Foundation
internal import Hummingbird
public import Logging
internal import NIOCore
internal import Operations
public import PeerIdentity
public import ServiceLifecycle
internal import Serving

/// Recommendations over HTTP/1.1 and JSON, as Protocols/serving.openapi.json describes them.
///
/// Nothing of a request is logged: ids of users stand in its path, query and body.
public struct RecommendationServer: Service {
  private let address: HostPort
  private let handlers: APIHandlers
  private let access: AccessRule
  private let logger: Logger
  private let onListening: @Sendable (UInt16) async -> Void
  private let listener: HTTPListener

  /// - Parameters:
  ///   - address: port 0 takes any free one.
  ///   - connectionsMax: from then on each new connection closes the one that has waited longest for its client.
  ///   - onListening: receives the port once it accepts connections.
  public init(
    listen address: HostPort, models: ServedModels, access: AccessRule, logger: Logger, connectionsMax: Int = 240,
    onListening: @escaping @Sendable (UInt16) async -> Void = { _ in }
  ) {
    self.address = address
    handlers = APIHandlers(models: models)
    self.access = access
    self.logger = logger
    self.onListening = onListening
    listener = HTTPListener(address, connectionsMax: connectionsMax, idleSeconds: 60, headerBytesMax: Self.targetBytesMax)
  }

  /// Serves until graceful shutdown or cancellation; requests that have begun are answered first.
  ///
  /// - Throws: `ServingFailure` when it cannot listen there.
  public func run() async throws {
    // Hummingbird writes URIs and bodies at its lower levels.
    var inner = logger
    inner.logLevel = max(logger.logLevel, .warning)
    do {
      try await listener.run(logger: inner) { port in
        logger.info("recommendations are served", metadata: ["address": "\(address.host)", "port": "\(port)"])
        await onListening(port)
      } respond: { request in
        await respond(to: request)
      }
    } catch let failure as HTTPListener.Failure {
      throw ServingFailure(
        "recommendations cannot be served on \(address): \(failure.reason); choose another --listen, or stop what uses this one")
    }
  }

  /// The longest request target that the document allows, every character of every list percent-encoded, is shorter.
  private static let targetBytesMax = 1 << 20

  // MARK: - One request

  private func respond(to request: Request) async -> Response {
    let isHead = request.method == .head
    do {
      let answer = try await answer(request, method: isHead ? "get" : request.method.rawValue.lowercased())
      let response = response(.ok, answer.text())
      return isHead ? response.createHeadResponse() : response
    } catch {
      let problem = translated(error)
      var response = response(HTTPResponse.Status(code: problem.status.rawValue), problem.json.text())
      if problem.status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
      if !problem.allowed.isEmpty { response.headers[.allow] = problem.allowed.joined(separator: ", ") }
      return isHead ? response.createHeadResponse() : response
    }
  }

  private func answer(_ request: Request, method: String) async throws -> JSON {
    let segments = request.uri.path.split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    let matches = APIRoute.all.compactMap { route in route.match(Array(segments)).map { (route, $0) } }
    try access.check(
      authority: request.head.authority, authorization: request.headers[.authorization],
      isOpen: matches.contains { $0.0.isOpen })
    guard !matches.isEmpty else {
      throw APIProblem(.notFound, "there is nothing at this path; see /openapi.json")
    }
    guard let (route, encoded) = matches.first(where: { $0.0.method.rawValue == method }) else {
      let known = matches.flatMap { $0.0.method == .get ? ["GET", "HEAD"] : ["POST"] }
      throw APIProblem(.methodNotAllowed, "expected \(known.joined(separator: " or "))", allowed: known)
    }
    var path: [String: String] = [:]
    for (name, value) in encoded {
      guard let decoded = value.removingPercentEncoding else {
        throw APIProblem(.badRequest, "the path is not percent-encoded UTF-8")
      }
      path[name] = decoded
    }
    let arguments = try APIArguments(route.parameters, path: path, query: request.uri.query)
    guard route.operation == .events else { return try await handlers.answer(route.operation, arguments) }
    return try await handlers.take(try EventBody.read(try await body(of: request)))
  }

  private func body(of request: Request) async throws -> [UInt8] {
    let type = request.headers[.contentType]?.split(separator: ";").first?.trimmingCharacters(in: .whitespaces).lowercased()
    guard type == "application/json" else {
      throw APIProblem(.unsupportedMediaType, "the body is not declared as JSON; send 'Content-Type: application/json'")
    }
    let tooLarge = APIProblem(.contentTooLarge, "the body is longer than \(EventBody.bytesMax) bytes; send fewer events at once")
    if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > EventBody.bytesMax { throw tooLarge }
    var bytes: [UInt8] = []
    do {
      for try await part in request.body {
        guard bytes.count + part.readableBytes <= EventBody.bytesMax else { throw tooLarge }
        bytes += part.readableBytesView
      }
    } catch let problem as APIProblem { throw problem } catch {
      // The caller went away; nobody hears this, and it is no fault of ours that a log should tell.
      throw APIProblem(.badRequest, "the body did not come to its end")
    }
    return bytes
  }

  private func translated(_ error: any Error) -> APIProblem {
    switch error {
    case let problem as APIProblem: return problem
    case let refusal as QueryRefusal: return APIProblem(.notFound, refusal.description)
    case let failure as ServingFailure:
      logger.error("a request could not be answered", metadata: ["reason": "\(failure)"])
      return APIProblem(.unavailable, "the home cannot be read or written just now; see the log, and try again")
    default:
      logger.error("a request could not be answered", metadata: ["reason": "\(type(of: error))"])
      return APIProblem(.internalFault, "a fault of the server; see its log")
    }
  }

  private func response(_ status: HTTPResponse.Status, _ text: String) -> Response {
    Response(
      status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
      body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
  }
}
