import Foundation
import Logging
import PartnerServing
import Recommender
import ServiceLifecycle
import Serving
import Synchronization
import Testing

/// Requests, one by one.
@Suite struct ServerTests {
  @Test func `a list is the engine's own, with titles and reasons`() async throws {
    let engine = try ServedShop.engine()
    try await Served.serve(ServedModels(engine: engine, store: MemoryEvents())) { ask in
      let history = ServedHistory(items: Array(ServedShop.interactions.history(of: 7)))
      var query = RecommendationQuery()
      query.count = 4
      let expected = try engine.recommend(query, history: history).entries
      let answer = try await ask.get("/v1/recommendations?user=u7&count=4&explain=true")
      #expect(answer.status == 200 && answer.items == expected.map { "i\($0.item)" })
      let rows = try #require(answer.object["items"] as? [[String: Any]])
      #expect(rows.map { $0["title"] as? String } == expected.map { "Item \($0.item)" })
      #expect(rows.map { $0["rank"] as? Int } == [1, 2, 3, 4])
      #expect(zip(rows, expected).allSatisfy { ($0["score"] as? Double).map { Float($0) } == $1.score })
      #expect((rows[0]["because"] as? [Any])?.isEmpty == false)
      // Asked again it comes from what was solved; the same all the same.
      #expect(try await ask.get("/v1/recommendations?user=u7&count=4&explain=true").body == answer.body)
      let cold = try await ask.get("/v1/recommendations?count=4")
      #expect(cold.object["basis"] as? String == "popularity")
      #expect(try await ask.get("/v1/recommendations?user=nobody&count=4").body == cold.body)
    }
  }

  @Test func `an explanation's parts add up to its score with what popularity adds`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      let answer = try await ask.get("/v1/explanations?user=u11&item=i2")
      let parts = try #require(answer.object["contributions"] as? [[String: Any]])
      let score = try #require(answer.object["score"] as? Double)
      let rest = try #require(answer.object["rest"] as? Double)
      #expect(rest != 0 && abs(parts.reduce(rest) { $0 + ($1["contribution"] as? Double ?? 0) } - score) < 1e-5)
      #expect(answer.object["basis"] as? String == "exact" && parts.count == answer.object["events"] as? Int)
      #expect(try await ask.get("/v1/explanations?user=nobody&item=i2").status == 404)
      let unknown = try await ask.get("/v1/explanations?user=u11&item=gone")
      #expect(unknown.status == 404 && unknown.error.contains("no item 'gone'"))
      #expect(try await ask.get("/v1/items/gone/similar").status == 404)
      #expect(try await ask.get("/v1/recommendations?scene=gone").error.contains("the scenes there are: all"))
      #expect(try await ask.get("/v1/recommendations?with=size:big").error.contains("kind, title"))
    }
    try await Served.serve(ServedModels(engine: ServedShop.engine("gru"), store: MemoryEvents())) { ask in
      let answer = try await ask.get("/v1/explanations?user=u11&item=i2")
      #expect(answer.object["basis"] as? String == "leave-one-out")
      let list = try await ask.get("/v1/recommendations?user=u11&explain=true")
      #expect((list.object["items"] as? [[String: Any]])?.allSatisfy { $0["because"] == nil } == true)
    }
  }

  @Test func `paths, methods and encodings that are none are answered with a sentence`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents())) { ask in
      for (method, target, status) in [
        ("GET", "/", 404), ("GET", "/v1", 404), ("GET", "/v1/recommendations/", 404), ("GET", "/v1/items/i1", 404),
        ("GET", "/v1/items/i1/similar/x", 404), ("GET", "/v1/../healthz", 404), ("POST", "/v1/model", 405),
        ("DELETE", "/v1/events", 405), ("GET", "/v1/events", 405), ("OPTIONS", "/v1/model", 405), ("TRACE", "/healthz", 405),
        ("GET", "/v1/recommendations?user=%ff", 400), ("GET", "/v1/recommendations?user=%zz", 400),
        ("GET", "/v1/recommendations?user=a&user=b", 400), ("GET", "/v1/recommendations?%", 400), ("GET", "/healthz?x=1", 400),
        ("GET", "/v1/items/%ff/similar", 400),
      ] {
        let answer = try await ask(method, target)
        #expect(answer.status == status && !answer.error.isEmpty, "\(method) \(target): \(answer.status) \(answer.body)")
        #expect(answer.head.contains("application/json"))
      }
      let head = try await ask("HEAD", "/v1/model")
      #expect(head.status == 200 && head.body.isEmpty)
      #expect(try await ask("HEAD", "/v1/nothing").status == 404)
      // A colon with an accent after it is one character to Swift, and a colon all the same.
      #expect(try await ask.get("/v1/recommendations?with=kind:%CC%81x").status == 200)
      // A plus is a space in a query, and nothing but itself in a path.
      let spaced = try await ask.post(#"{"events":[{"user":"a b+c","item":"i1"}]}"#)
      #expect(spaced.status == 200)
      #expect(try await ask.get("/v1/recommendations?user=a+b%2Bc").object["basis"] as? String == "history")
    }
  }

  @Test func `no id of a user stands in any line of the log, at any level`() async throws {
    let lines = Mutex<[String]>([])
    struct Capture: LogHandler {
      let write: @Sendable (String) -> Void
      var logLevel = Logger.Level.trace
      var metadata: Logger.Metadata = [:]
      subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
      }
      func log(event: LogEvent) {
        write("\(event.message) \(metadata) \(event.metadata ?? [:]) \(String(describing: event.error))")
      }
    }
    let write: @Sendable (String) -> Void = { line in lines.withLock { $0.append(line) } }
    let events = MemoryEvents()
    try await Served.serve(
      ServedModels(engine: ServedShop.engine(), store: events), logger: Logger(label: "all") { _ in Capture(write: write) }
    ) { ask, _ in
      for _ in 0..<2 {
        _ = try await ask.get("/v1/recommendations?user=somebody-77")
        _ = try await ask.get("/v1/recommendations?user=somebody-77&count=x")
        _ = try await ask.get("/v1/explanations?user=somebody-77&item=i3")
        _ = try await ask.get("/somebody-77")
        _ = try await ask.post(#"{"events":[{"user":"somebody-77","item":"i1"}]}"#)
        _ = try await ask.post(#"{"events":[{"user":"somebody-77"}]}"#)
        _ = try await ask("GET", "/somebody-77 HTTP/1.1\r\nbroken")
        events.setFailing(true)
      }
    }
    let all = lines.withLock { $0 }
    #expect(all.contains { $0.contains("recommendations are served") } && all.contains { $0.contains("the disk is") })
    #expect(all.filter { $0.contains("somebody") } == [])
  }

  @Test func `a request that has begun is answered when the server is asked to end`() async throws {
    let gate = DispatchSemaphore(value: 0)
    let entered = DispatchSemaphore(value: 0)
    let events = MemoryEvents(onRead: {
      entered.signal()
      gate.wait()
    })
    let answer = try await Served.serve(
      ServedModels(engine: ServedShop.engine(), store: events),
      { ask, group in
        async let waiting = ask.get("/v1/recommendations?user=u3")
        await withCheckedContinuation { continuation in
          Thread.detachNewThread {
            entered.wait()
            continuation.resume()
          }
        }
        await group.triggerGracefulShutdown()
        gate.signal()
        return try await waiting
      })
    #expect(answer.status == 200 && answer.items.count == 10)
  }

  @Test(
    arguments: [
      "", "GET /v1/model HTTP/1.1\r\nHost: 127",
      "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    ])
  func `whoever opens connections and ends no request keeps nobody out`(said: String) async throws {
    let held = HeldReads()
    try await Served.serve(
      ServedModels(engine: ServedShop.engine(), store: MemoryEvents(onRead: held.read)), connectionsMax: 20
    ) { ask, _ in
      defer { held.release() }
      async let begun = ask.get("/v1/recommendations?user=u3")
      await held.entered(1)
      let lines = try (0..<60).map { _ in try #require(Line(ask.port)) }
      for line in lines { line.say(said) }
      #expect(try await ask.get("/v1/model").status == 200)
      // Those who waited longest made room; what was being answered is.
      #expect(lines[0].isClosed && !lines[59].isClosed)
      held.release()
      #expect(try await begun.status == 200)
    }
  }

  @Test func `whoever is refused before the request is whole waits again, and makes room`() async throws {
    try await Served.serve(
      ServedModels(engine: ServedShop.engine(), store: MemoryEvents()), connectionsMax: 8
    ) { ask, _ in
      var lines: [Line] = []
      for _ in 0..<24 {
        let line = try #require(Line(ask.port))
        // Refused at once; the byte that ends the request comes after the answer.
        line.say("POST /v1/events HTTP/1.1\r\nHost: elsewhere\r\nContent-Length: 1\r\n\r\n")
        #expect(await Asking.onThread { line.answer() }?.status == 421)
        line.say("x")
        try await Task.sleep(for: .milliseconds(30))
        lines.append(line)
      }
      #expect(try await ask.get("/v1/model").status == 200)
      #expect(lines.count { $0.isClosed } >= 16)
    }
  }

  @Test func `a house that filled up with requests has room again when they are answered`() async throws {
    let held = HeldReads()
    try await Served.serve(
      ServedModels(engine: ServedShop.engine(), store: MemoryEvents(onRead: held.read)), connectionsMax: 1
    ) { ask, _ in
      defer { held.release() }
      // Whoever has asked need not make room: all 17 are let in, and would stay when they have their answers.
      var lines: [Line] = []
      for _ in 0..<17 {
        let line = try #require(Line(ask.port))
        line.say("GET /v1/recommendations?user=u3 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        lines.append(line)
        try await Task.sleep(for: .milliseconds(30))
      }
      held.release()
      #expect(try await ask.get("/v1/model").status == 200)
    }
  }

  @Test func `refusals do not make a connection younger`() async throws {
    try await Served.serve(ServedModels(engine: ServedShop.engine(), store: MemoryEvents()), connectionsMax: 3) { ask, _ in
      let (asking, served) = (try #require(Line(ask.port)), try #require(Line(ask.port)))
      let answer = { (line: Line, target: String) async -> Int? in await Asking.onThread { line.ask("GET", target)?.status } }
      #expect(await answer(asking, "/nothing") == 404)
      #expect(await answer(served, "/v1/model") == 200)
      #expect(await answer(asking, "/nothing") == 404)
      let third = try #require(Line(ask.port))
      #expect(await answer(third, "/v1/model") == 200)
      // A fourth connection: it is the one that was refused last which goes.
      #expect(try await ask.get("/v1/model").status == 200)
      #expect(asking.isClosed && !served.isClosed && !third.isClosed)
    }
  }

  @Test func `a closed home answers 503 with the reason, and lives`() async throws {
    let models = ServedModels(engine: try ServedShop.engine(), store: MemoryEvents())
    try await Served.serve(models) { ask in
      models.close("the data set 'data' was removed")
      for target in ["/v1/recommendations?user=u1", "/v1/model", "/v1/items/i1/similar", "/v1/explanations?user=u1&item=i1"] {
        let answer = try await ask.get(target)
        #expect(answer.status == 503 && answer.error == "the data set 'data' was removed")
      }
      #expect(try await ask.post(#"{"events":[{"user":"u1","item":"i1"}]}"#).status == 503)
      #expect(try await ask.get("/healthz").status == 200)
      models.swap(to: try ServedShop.engine(), store: MemoryEvents(name: "other"))
      #expect(try await ask.get("/v1/model").object["dataSet"] as? String == "other")
    }
  }
}
