/// One thing that can be asked: the server and the document are made of the same list.
struct APIRoute: Sendable {
  enum Method: String, Sendable { case get, post }

  /// Which handler answers.
  enum Operation: String, Sendable, CaseIterable {
    case recommendations, similarItems, explanation, events, model, health, document
  }

  let operation: Operation
  let method: Method
  /// Segments in braces are parameters.
  let path: String
  let summary: String
  var parameters: [APIParameter] = []
  /// The name of the schema of the body, where there is one.
  var body: String?
  /// The name of the schema of the answer.
  let answer: String
  /// What else is answered, beside 200.
  var problems: [APIProblem.Status] = []
  /// Whether nobody needs a token.
  var isOpen = false

  /// The values of the path's parameters, still percent-encoded; `nil` for another path.
  func match(_ segments: [Substring]) -> [String: Substring]? {
    let own = path.split(separator: "/")
    guard own.count == segments.count else { return nil }
    var values: [String: Substring] = [:]
    for (pattern, segment) in zip(own, segments) {
      if pattern.hasPrefix("{") {
        values[String(pattern.dropFirst().dropLast())] = segment
      } else if pattern != segment {
        return nil
      }
    }
    return values
  }

  static let countMax = 200
  static let countStandard = 10

  private static let user = APIParameter(
    name: "user", shape: .name,
    meaning:
      "A user's id, as in the imported data or in events. Without it, and for one of whom nothing is known, the scene's popular items."
  )
  private static let scene = APIParameter(
    name: "scene", shape: .name, meaning: "One of the scenes of the rules; `all` when left out.")
  private static let count = APIParameter(
    name: "count", shape: .integer(1...countMax), meaning: "Length of the list; it is shorter when fewer items are left.",
    standard: .integer(countStandard))

  static let all: [APIRoute] = [
    APIRoute(
      operation: .recommendations, method: .get, path: "/v1/recommendations",
      summary: "The best items for a user, by the newest model and the user's newest events.",
      parameters: [
        user, scene, count,
        APIParameter(
          name: "seen", shape: .choice(["exclude", "include"]), meaning: "Whether items that the user has met may be listed.",
          standard: .text("exclude")),
        APIParameter(
          name: "exclude", shape: .names(max: 100), meaning: "Items that must not be listed; unknown ones are passed over."),
        APIParameter(name: "allow", shape: .names(max: 100), meaning: "The only items that may be listed."),
        APIParameter(
          name: "with", shape: .conditions(max: 20),
          meaning:
            "Only items with this value in this column (`column:value`); several of one column: any of them, of several columns: all."
        ),
        APIParameter(name: "without", shape: .conditions(max: 20), meaning: "No item with this value in this column."),
        APIParameter(
          name: "cap", shape: .cap, meaning: "`column:number`: at most so many items of the list share a value of this column."),
        APIParameter(
          name: "lambda", shape: .number(0...1),
          meaning: "1: by score alone; less: the list is held apart by maximal marginal relevance. The scene's own when left out."
        ),
        APIParameter(
          name: "explain", shape: .flag,
          meaning: "Whether to name the events that carried each item, where the model says so exactly.",
          standard: .flag(false)),
      ], answer: "Recommendations", problems: [.badRequest, .notFound]),
    APIRoute(
      operation: .similarItems, method: .get, path: "/v1/items/{id}/similar",
      summary: "Items that are like one of the catalogue.",
      parameters: [
        APIParameter(name: "id", place: .path, shape: .name, meaning: "An item of the catalogue."), scene, count,
      ], answer: "SimilarItems", problems: [.badRequest, .notFound]),
    APIRoute(
      operation: .explanation, method: .get, path: "/v1/explanations",
      summary: "Which of the user's own events carried the score of an item.",
      parameters: [
        APIParameter(name: "user", shape: .name, meaning: "A user's id.", isRequired: true),
        APIParameter(name: "item", shape: .name, meaning: "An item of the catalogue.", isRequired: true), scene,
      ], answer: "Explanation", problems: [.badRequest, .notFound]),
    APIRoute(
      operation: .events, method: .post, path: "/v1/events",
      summary: "Takes in what users did. On 200 it is on disk, changes the next list at once, and enters the next round.",
      body: "Events", answer: "Intake", problems: [.badRequest, .contentTooLarge, .unsupportedMediaType]),
    APIRoute(
      operation: .model, method: .get, path: "/v1/model", summary: "Which model answers, and what can be asked of it.",
      answer: "Model", problems: [.badRequest]),
    APIRoute(
      operation: .health, method: .get, path: "/healthz", summary: "Whether the process lives.", answer: "Health",
      problems: [.badRequest], isOpen: true),
    APIRoute(
      operation: .document, method: .get, path: "/openapi.json", summary: "This document.", answer: "Document",
      problems: [.badRequest]),
  ]
}
