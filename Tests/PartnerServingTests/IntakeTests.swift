import Foundation
import PartnerServing
import Recommender
import Serving
import Testing

/// Events in, and what they change.
@Suite struct IntakeTests {
  @Test func `an event changes the next list at once, for old users and new ones`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      for user in ["u5", "newcomer"] {
        let target = "/v1/recommendations?user=\(user)&count=30"
        let before = try await ask.get(target)
        let liked = try #require(before.items.first)
        let report = try await ask.post(#"{"events":[{"user":"\#(user)","item":"\#(liked)","kind":"buy"}]}"#)
        #expect(report.status == 200 && report.object["stored"] as? Int == 1 && report.object["trained"] as? Int == 1)
        let after = try await ask.get(target)
        #expect(!after.items.contains(liked) && after.object["basis"] as? String == "history" && after.items != before.items)
        let explained = try await ask.get("/v1/explanations?user=\(user)&item=\(after.items[0])")
        #expect((explained.object["contributions"] as? [[String: Any]])?.contains { $0["item"] as? String == liked } == true)
      }
    }
  }

  @Test func `a batch says what became of it`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      let batch = #"""
        {"events":[{"user":"u1","item":"i1","kind":"browse","time":0,"id":"a"},{"user":"u1","item":"gone"},
        {"user":"u1","item":"i2","id":"b"},{"user":"u1","item":"i2","id":"b"},{"user":"foreign","item":"i3"},{"user":"u1","item":"gone"}]}
        """#
      let report = try await ask.post(batch)
      #expect(report.object["stored"] as? Int == 5 && report.object["repeated"] as? Int == 1)
      #expect(report.object["trained"] as? Int == 2 && report.object["notTrained"] as? Int == 1)
      #expect(report.object["unknownItems"] as? [String] == ["gone"])
      #expect(try await ask.get("/v1/recommendations?user=foreign").object["basis"] as? String == "history")
    }
  }

  @Test func `what cannot be stored is not answered with 200, and changes nothing`() async throws {
    let events = MemoryEvents()
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: events)) { ask in
      let target = "/v1/recommendations?user=u5"
      let before = try await ask.get(target)
      events.setFailing(true)
      let report = try await ask.post(#"{"events":[{"user":"u5","item":"\#(before.items[0])"}]}"#)
      #expect(report.status == 503 && report.error.contains("try again"))
      // Kept histories are still answered from.
      #expect(try await ask.get(target).body == before.body)
      #expect(try await ask.get("/v1/recommendations?user=u6").status == 503)
      events.setFailing(false)
      #expect(try await ask.get("/v1/recommendations?user=u6").status == 200)
    }
  }

  @Test(
    "Bodies that do not fit are refused with the place, and without the ids in them",
    arguments: [
      ("", "not JSON"), ("{", "not JSON"), ("[]", "expected an object"), ("{}", "'events' is missing"),
      (#"{"events":[]}"#, "0 events"), (#"{"events":{}}"#, "events: found another kind of value, expected a list"),
      (#"{"events":[{}]}"#, "'user' is missing"), (#"{"events":[{"user":"secret"}]}"#, "events[0]: the member 'item' is missing"),
      (#"{"events":[{"user":"secret","item":""}]}"#, "events[0]: item is not 1 to 256"),
      (#"{"events":[{"user":"secret\u0000","item":"i1"}]}"#, "user is not 1 to 256"),
      (#"{"events":[{"user":7,"item":"i1"}]}"#, "events[0].user: found another kind of value, expected a text"),
      (#"{"events":[{"user":"secret","item":"i1","kind":"stare"}]}"#, "kind is not one of browse, favourite, cart, buy"),
      (#"{"events":[{"user":"secret","item":"i1","kind":null}]}"#, "expected a text"),
      (#"{"events":[{"user":"secret","item":"i1","time":-1}]}"#, "time is not a whole number of seconds"),
      (#"{"events":[{"user":"secret","item":"i1","time":1.5}]}"#, "time is not a whole number"),
      (#"{"events":[{"user":"secret","item":"i1","time":1e400}]}"#, ""),
      (#"{"events":[{"user":"secret","item":"i1","tyme":1}]}"#, "an unknown member stands here"),
      (#"{"events":[{"user":"secret","item":"i1"}],"more":1}"#, "an unknown member stands here"),
      (#"{"events":["secret"]}"#, "events[0]: found another kind of value"), ("\"secret\"", "expected an object"),
    ])
  func badBodies(_ body: String, _ words: String) async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      let answer = try await ask.post(body)
      #expect(
        answer.status == 400 && (words.isEmpty || answer.error.contains(words)) && !answer.body.contains("secret"),
        "\(body): \(answer.body)")
    }
  }

  @Test func `sizes are limited, and bodies say what they are`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      let event = #"{"user":"u1","item":"i1"}"#
      func batch(_ count: Int) -> String { #"{"events":[\#(Array(repeating: event, count: count).joined(separator: ","))]}"# }
      #expect(try await ask.post(batch(1000)).object["stored"] as? Int == 1000)
      #expect(try await ask.post(batch(1001)).error.contains("1001 events, expected 1 to 1000"))
      let long = #"{"events":[{"user":"\#(String(repeating: "x", count: 1 << 20))","item":"i1"}]}"#
      #expect(try await ask.post(long).status == 413)
      let chunked = try await ask(
        "POST", "/v1/events",
        headers: ["Host: 127.0.0.1", "Content-Type: application/json", "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"eve\r\n0"])
      #expect(chunked.status == 400)
      for type in [nil, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        #expect(try await ask.post(batch(1), type: type).status == 415)
      }
      #expect(try await ask.post(batch(1), type: "Application/JSON; charset=utf-8").status == 200)
      var broken = Array(batch(1).utf8)
      broken[14] = 0xFF
      let answer = try await ask(
        "POST", "/v1/events", headers: ["Host: 127.0.0.1", "Content-Type: application/json"], body: broken)
      #expect(answer.status == 400)
    }
  }
}
