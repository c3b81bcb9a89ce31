internal import Foundation
internal import Recommender
internal import Serving

/// The body of `POST /v1/events`.
enum EventBody {
  static let bytesMax = 1 << 20
  static let countMax = 1000
  /// The year 9999.
  static let timeMax = 253_402_300_799
  static let kinds = EventKind.allCases.map(\.rawValue)

  /// - Throws: `APIProblem` that says what does not fit, and where; ids are not repeated in it.
  static func read(_ bytes: [UInt8]) throws(APIProblem) -> [ServedEvent] {
    guard String(validating: bytes, as: UTF8.self) != nil else {
      throw APIProblem(.badRequest, "the body is not JSON in UTF-8")
    }
    let document: Document
    do { document = try JSONDecoder().decode(Document.self, from: Data(bytes)) } catch {
      throw APIProblem(.badRequest, StrictProblem.sentence(error, of: "the body"))
    }
    guard (1...countMax).contains(document.events.count) else {
      throw APIProblem(.badRequest, "the body holds \(document.events.count) events, expected 1 to \(countMax)")
    }
    return document.events.map(\.event)
  }

  private struct Document: Decodable {
    let events: [Row]

    init(from decoder: any Decoder) throws {
      let container = try decoder.members(["events"])
      events = try container.decode([Row].self, forKey: StrictKey("events"))
    }
  }

  private struct Row: Decodable {
    let event: ServedEvent

    init(from decoder: any Decoder) throws {
      let container = try decoder.members(["user", "item", "kind", "time", "id"])
      func name(_ key: String) throws -> String {
        let text = try container.decode(String.self, forKey: StrictKey(key))
        guard APIParameter.isName(text) else { throw problem(key, "1 to 256 characters without control characters") }
        return text
      }
      func problem(_ key: String, _ expected: String) -> StrictProblem {
        StrictProblem(sentence: "\(decoder.place)\(key) is not \(expected)")
      }
      var kind: EventKind?
      if container.contains(StrictKey("kind")) {
        kind = EventKind(rawValue: try container.decode(String.self, forKey: StrictKey("kind")))
        guard kind != nil else { throw problem("kind", "one of \(kinds.joined(separator: ", "))") }
      }
      var time: Int?
      if container.contains(StrictKey("time")) {
        // As JSON Schema counts: 5.0 is a whole number.
        time = Int(exactly: try container.decode(Double.self, forKey: StrictKey("time")))
        guard let time, (0...timeMax).contains(time) else {
          throw problem("time", "a whole number of seconds from 0 to \(timeMax)")
        }
      }
      event = ServedEvent(
        user: try name("user"), item: try name("item"), kind: kind, time: time,
        name: container.contains(StrictKey("id")) ? try name("id") : nil)
    }
  }
}
