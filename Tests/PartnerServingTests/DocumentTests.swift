import Foundation
import PartnerServing
import Serving
import Testing

/// The document of the interface says what the server does.
@Suite struct DocumentTests {
  let document: [String: Any]

  init() throws {
    let url = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Protocols/serving.openapi.json")
    committed = String(decoding: try Data(contentsOf: url), as: UTF8.self)
    document = try #require(try JSONSerialization.jsonObject(with: Data(committed.utf8)) as? [String: Any])
  }

  private let committed: String

  @Test func `the committed document is the one that is served`() async throws {
    #expect(
      committed == OpenAPIDocument.text,
      "write it again: tacit-client serve --openapi > Protocols/serving.openapi.json")
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      let answer = try await ask.get("/openapi.json")
      #expect(answer.status == 200 && NSDictionary(dictionary: answer.object) == NSDictionary(dictionary: document))
    }
  }

  @Test func `every operation of the document answers, in the form that the document says, whatever the model`() async throws {
    let operations = try self.operations()
    #expect(operations.count == 7)
    for algorithm in ["als", "popularity", "gru"] {
      try await Served.serve(ServedModels(engine: ServedShop.engine(algorithm), store: MemoryEvents())) { ask in
        for (path, method, operation) in operations {
          let schema = try #require(self.schema(operation, "200"))
          for target in self.targets(path) {
            let answer =
              method == "post"
              ? try await ask.post(
                #"{"events":[{"user":"u3","item":"i4","kind":"buy","time":5,"id":"a"},{"user":"u","item":"x"}]}"#)
              : try await ask.get(target)
            #expect(answer.status == 200, "\(target): \(answer.body)")
            #expect(try self.faults(answer.json as Any, schema, at: target) == [])
          }
          // Another method is answered as HTTP says.
          let other = try await ask(method == "post" ? "PUT" : "PATCH", self.targets(path)[0])
          #expect(other.status == 405 && other.head.contains("Allow: \(method == "post" ? "POST" : "GET, HEAD")"))
          #expect(try self.faults(other.json as Any, ["$ref": "#/components/schemas/Problem"], at: path) == [])
        }
      }
    }
  }

  @Test func `a value that the document does not allow is refused, for every parameter`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      var count = 0
      for (path, method, operation) in try operations() where method == "get" {
        let parameters = operation["parameters"] as? [[String: Any]] ?? []
        for parameter in parameters {
          let name = try #require(parameter["name"] as? String)
          for bad in badValues(try #require(parameter["schema"] as? [String: Any])) {
            let others = parameters.filter { $0["required"] as? Bool == true && $0["name"] as? String != name }
              .compactMap { $0["name"] as? String }
            let target: String
            if parameter["in"] as? String == "path" {
              target = path.replacingOccurrences(of: "{\(name)}", with: bad)
            } else {
              let query = others.filter { $0 != "id" }.map { "\($0)=i1&" }.joined() + "\(name)=\(bad)"
              target = path.replacingOccurrences(of: "{id}", with: "i1") + "?" + query
            }
            let answer = try await ask.get(target)
            #expect(answer.status == 400 && answer.error.contains("'\(name)'"), "\(target): \(answer.status) \(answer.body)")
            count += 1
          }
          if parameter["required"] as? Bool == true, parameter["in"] as? String == "query" {
            #expect(try await ask.get(path).status == 400)
          }
        }
        let unknown = try await ask.get(path.replacingOccurrences(of: "{id}", with: "i1") + "?user=u1&item=i1&nonsense=1")
        #expect(unknown.status == 400, "\(path): \(unknown.body)")
      }
      #expect(count > 60, "only \(count) bad values were tried")
    }
  }

  // MARK: - The document

  private func operations() throws -> [(path: String, method: String, operation: [String: Any])] {
    let paths = try #require(document["paths"] as? [String: [String: [String: Any]]])
    return paths.sorted { $0.key < $1.key }.flatMap { path, methods in methods.map { (path, $0.key, $0.value) } }
  }

  private func schema(_ operation: [String: Any], _ status: String) -> [String: Any]? {
    let answer = (operation["responses"] as? [String: [String: Any]])?[status]
    return (answer?["content"] as? [String: [String: Any]])?["application/json"]?["schema"] as? [String: Any]
  }

  private func targets(_ path: String) -> [String] {
    switch path {
    case "/v1/recommendations":
      [
        path, path + "?user=u1&explain=true&count=30", path + "?user=nobody&lambda=0.5",
        path + "?user=u2&with=kind:k1&cap=kind:2&seen=include&exclude=i1&allow=i4&allow=i7",
      ]
    case "/v1/items/{id}/similar": ["/v1/items/i7/similar?count=3"]
    case "/v1/explanations": [path + "?user=u1&item=i9"]
    default: [path]
    }
  }

  private func badValues(_ schema: [String: Any]) -> [String] {
    let control = ["%00", "a%0Ab", "%7F"]
    switch schema["type"] as? String {
    case "integer":
      let (low, high) = (schema["minimum"] as? Int ?? 0, schema["maximum"] as? Int ?? 0)
      return ["", "x", "1.5", "%2B3", "0x3", "\(low - 1)", "\(high + 1)", "99999999999999999999"]
    case "number": return ["", "x", "nan", "inf", "0x1", "-0.1", "1.1", "1e99"]
    case "boolean": return ["", "yes", "TRUE", "1"]
    case "array":
      let isCondition = (schema["items"] as? [String: Any])?["minLength"] as? Int == 3
      return ["", String(repeating: "x", count: 257)] + control + (isCondition ? ["nocolon", ":b", "a:"] : [])
    default:
      if schema["enum"] != nil { return ["", "maybe", "EXCLUDE"] }
      if schema["minLength"] == nil { return ["", "kind", "kind:", ":2", "kind:0", "kind:1000", "kind:x", "a:b:2"] + control }
      return ["", String(repeating: "x", count: 257)] + control
    }
  }

  // MARK: - A small reader of JSON Schema

  private func faults(_ value: Any, _ schema: [String: Any], at place: String) throws -> [String] {
    if let reference = schema["$ref"] as? String {
      let name = String(reference.split(separator: "/").last ?? "")
      let schemas = (document["components"] as? [String: Any])?["schemas"] as? [String: [String: Any]]
      return try faults(value, try #require(schemas?[name], "\(name)"), at: place)
    }
    var found: [String] = []
    let types = schema["type"] as? [String] ?? (schema["type"] as? String).map { [$0] } ?? []
    if !types.isEmpty, !types.contains(where: { Self.isA(value, $0) }) { found.append("\(place) is no \(types)") }
    if let words = schema["enum"] as? [String], !words.contains(value as? String ?? "") { found.append("\(place): \(value)") }
    if let constant = schema["const"] as? Bool, value as? Bool != constant { found.append("\(place): \(value)") }
    if let minimum = schema["minimum"] as? Double, let number = value as? Double, number < minimum {
      found.append("\(place): \(number)")
    }
    if let object = value as? [String: Any] {
      let known = schema["properties"] as? [String: [String: Any]] ?? [:]
      for name in schema["required"] as? [String] ?? [] where object[name] == nil { found.append("\(place).\(name) is missing") }
      for (name, member) in object {
        if let schema = known[name] {
          found += try faults(member, schema, at: "\(place).\(name)")
        } else if schema["additionalProperties"] as? Bool == false {
          found.append("\(place).\(name) is unknown")
        }
      }
    }
    if let values = value as? [Any], let items = schema["items"] as? [String: Any] {
      for (index, value) in values.enumerated() { found += try faults(value, items, at: "\(place)[\(index)]") }
    }
    return found
  }

  private static func isA(_ value: Any, _ type: String) -> Bool {
    switch type {
    case "object": value is [String: Any]
    case "array": value is [Any]
    case "string": value is String
    case "number", "integer": (value as? NSNumber).map { type == "number" || $0.doubleValue == $0.doubleValue.rounded() } ?? false
    case "null": value is NSNull
    default: value is Bool
    }
  }
}
