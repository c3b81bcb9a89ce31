import Foundation
import PartnerServing
import PeerIdentity
import Recommender
import Serving
import Testing

/// Who is answered.
@Suite struct AccessTests {
  private let token = "0123456789abcdef0123456789abcdef"

  @Test func `with a token only its holder is answered`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents()), token: token) { ask in
      for header in [
        nil, "Authorization: \(token)", "Authorization: Basic \(token)", "Authorization: Bearer ",
        "Authorization: Bearer \(token)0",
        "Authorization: Bearer \(token.dropLast())", "Authorization: Bearer \(token.uppercased())",
      ] {
        for target in ["/v1/model", "/v1/recommendations?user=u1", "/openapi.json", "/nothing"] {
          let answer = try await ask.get(target, headers: ["Host: shop.example"] + (header.map { [$0] } ?? []))
          #expect(
            answer.status == 401 && answer.head.lowercased().contains("www-authenticate: bearer"), "\(header ?? "-") \(target)")
        }
        let posted = try await ask.post(#"{"events":[{"user":"u1","item":"i1"}]}"#, headers: header.map { [$0] } ?? [])
        #expect(posted.status == 401)
      }
      for word in ["Bearer", "bearer"] {
        #expect(try await ask.get("/v1/model", headers: ["Host: shop.example", "Authorization: \(word) \(token)"]).status == 200)
      }
      #expect(try await ask.get("/healthz", headers: ["Host: shop.example"]).status == 200)
    }
  }

  @Test func `without a token a name that was made to point here reads nothing`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", ""] {
        let answer = try await ask.get("/v1/recommendations?user=u1", headers: ["Host: \(host)"])
        #expect(answer.status == 421 || answer.status == 400, "\(host): \(answer.status)")
        #expect(answer.items.isEmpty)
      }
      for host in ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "LOCALHOST", "[::1]:9", "127.1.2.3"] {
        #expect(try await ask.get("/v1/model", headers: ["Host: \(host)"]).status == 200, "\(host)")
      }
    }
  }

  @Test func `an address that others can reach needs a token`() throws {
    for address in ["0.0.0.0:80", "10.1.2.3:80", "shop.example:80", "localhost:80", "[::]:80"] {
      let address = try HostPort(parsing: address)
      #expect { try AccessRule(listen: address, token: nil) } throws: { "\($0)".contains("--token-file") }
      _ = try AccessRule(listen: address, token: token)
    }
    let loopback = try HostPort(parsing: "[::1]:80")
    _ = try AccessRule(listen: loopback, token: nil)
    for bad in ["", "short", String(repeating: "x", count: 1025), "0123456789 abcdef", "0123456789abcdéf"] {
      #expect { try AccessRule(listen: loopback, token: bad) } throws: { "\($0)".contains("16 to 1024") }
    }
  }

  @Test func `a token's file is its owner's alone`() throws {
    let path = FileManager.default.temporaryDirectory.path + "/tacit-token-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    func write(_ text: String, _ mode: Int) throws {
      try? FileManager.default.removeItem(atPath: path)
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
      try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }
    try write("\(token)\n", 0o600)
    #expect(try TokenFile.read(path) == token)
    for mode in [0o640, 0o604, 0o644] {
      try write(token, mode)
      #expect { try TokenFile.read(path) } throws: { "\($0)".contains("chmod 600") && !"\($0)".contains(token) }
    }
    try write(String(repeating: "x", count: 3000), 0o600)
    #expect(throws: ServingFailure.self) { try TokenFile.read(path) }
    #expect { try TokenFile.read(path + "-none") } throws: { "\($0)".contains("cannot be found") }
    try write(token, 0o600)
    let link = path + "-link"
    defer { try? FileManager.default.removeItem(atPath: link) }
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
    #expect(throws: ServingFailure.self) { try TokenFile.read(link) }
  }

  @Test func `rules are read strictly`() throws {
    let rules = try RulesFile.read(Data(RulesFile.sample.utf8))
    #expect(
      rules.scenes.keys.sorted() == ["ads", "all"] && rules.scenes["ads"]?.lambda == 0.7 && rules.scenes["ads"]?.kind == .ads
        && rules.scenes["all"]?.kind == nil)
    #expect(rules.scenes["ads"]?.eventWeights == EventWeights(browse: 3, favourite: 3, cart: 3, buy: 1))
    #expect(rules.scenes["ads"]?.boost.first?.add == 0.5)
    for (text, words) in [
      ("{", "not JSON"), (#"{"scene":{}}"#, "an unknown member"),
      (#"{"scenes":{"a":{"lamda":1}}}"#, "scenes.a: an unknown member"),
      (#"{"eventWeights":{"buy":0}}"#, "eventWeights: buy is 0.0"),
      (#"{"block":{"column":"kind"}}"#, "block: one of column and values"),
      (#"{"scenes":{"a":{"boost":[{"items":["x"]}]}}}"#, "scenes.a.boost[0]: the member 'add' is missing"),
      (#"{"scenes":{"a":{"lambda":"x"}}}"#, "scenes.a.lambda: found another kind of value, expected a number"),
      (#"{"scenes":{"a":{"kind":"shoes"}}}"#, "scenes.a: kind is 'shoes', expected one of goods, content, ads, promotions"),
      (#"{"scenes":{"":{}}}"#, "a name is empty"),
    ] {
      let error = #expect(throws: ServingRuleError.self) { try RulesFile.read(Data(text.utf8)) }
      #expect(error?.description.contains(words) == true, "\(text): \(String(describing: error))")
    }
    #expect { try RulesFile.read(path: "/nowhere/rules.json") } throws: { "\($0)".contains("cannot be read") }
  }
}
