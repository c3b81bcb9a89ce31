/// The document of the interface, made of the same routes and schemas that the server answers by; the repository keeps a copy in
/// Protocols/serving.openapi.json, and a test compares them.
public enum OpenAPIDocument {
  /// OpenAPI 3.1, over several lines.
  public static let text = json.text(isIndented: true)

  static var json: JSON {
    .object([
      ("openapi", .text("3.1.0")),
      (
        "info",
        .object([
          ("title", .text("Tacit: recommendations at a partner")), ("version", .text("1")),
          (
            "description",
            .text(
              "Served by `tacit-client serve` from a partner's own home. Nothing that is asked or answered here leaves the partner; events enter the next round of training as the plan says: clipped, noised, under secure aggregation."
            )
          ), ("license", .object([("name", .text("Apache-2.0")), ("identifier", .text("Apache-2.0"))])),
        ])
      ), ("paths", paths),
      (
        "components",
        .object([
          ("schemas", .object(APISchemas.all.map { ($0.name, $0.schema) })),
          (
            "securitySchemes",
            .object([
              (
                "token",
                .object([
                  ("type", .text("http")), ("scheme", .text("bearer")),
                  ("description", .text("Where a token was set, which any address but loopback needs.")),
                ])
              )
            ])
          ),
        ])
      ),
    ])
  }

  private static var paths: JSON {
    var names: [String] = []
    for route in APIRoute.all where !names.contains(route.path) { names.append(route.path) }
    return .object(
      names.map { path in
        (path, .object(APIRoute.all.filter { $0.path == path }.map { ($0.method.rawValue, operation($0)) }))
      })
  }

  private static func operation(_ route: APIRoute) -> JSON {
    let always: [APIProblem.Status] = (route.isOpen ? [] : [.unauthorized, .unavailable]) + [.misdirected, .internalFault]
    let problems = (route.problems + always).sorted { $0.rawValue < $1.rawValue }
    return .members([
      ("operationId", .text(route.operation.rawValue)), ("summary", .text(route.summary)),
      ("security", .array(route.isOpen ? [.object([])] : [.object([]), .object([("token", .array([]))])])),
      ("parameters", route.parameters.isEmpty ? nil : .array(route.parameters.map(\.json))),
      (
        "requestBody",
        route.body.map { .object([("required", .flag(true)), ("content", content($0))]) }
      ),
      (
        "responses",
        .object(
          [("200", .object([("description", .text(description(of: route))), ("content", content(route.answer))]))]
            + problems.map {
              ("\($0.rawValue)", .object([("description", .text(meaning(of: $0))), ("content", content("Problem"))]))
            })
      ),
    ])
  }

  private static func description(of route: APIRoute) -> String {
    switch route.operation {
    case .recommendations: "One list."
    case .similarItems: "One list."
    case .explanation: "The parts of one score."
    case .events: "All of them are kept."
    case .model: "The model."
    case .health: "It lives."
    case .document: "This document."
    }
  }

  private static func content(_ schema: String) -> JSON {
    .object([
      ("application/json", .object([("schema", .object([("$ref", .text("#/components/schemas/\(schema)"))]))]))
    ])
  }

  private static func meaning(of status: APIProblem.Status) -> String {
    switch status {
    case .badRequest: "A parameter or the body is not as described here."
    case .unauthorized: "The token is missing or another one."
    case .notFound: "There is no such scene, column, item, or user."
    case .methodNotAllowed: "Another method is expected."
    case .contentTooLarge: "The body is too long."
    case .unsupportedMediaType: "The body is not application/json."
    case .misdirected: "The header Host names another machine than this one."
    case .internalFault: "A fault of the server."
    case .unavailable: "There is no model or data set to answer from, or the disk takes nothing."
    }
  }
}
