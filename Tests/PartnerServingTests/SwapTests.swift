import Foundation
import Logging
import PartnerServing
import Recommender
import ServiceLifecycle
import Serving
import Synchronization
import Testing

/// A newer model takes the place of the one that answers.
@Suite struct SwapTests {
  /// What one asker saw.
  private struct Seen: Sendable {
    var answers = 0
    var failures: [String] = []
    var versions: Set<Int> = []
  }

  @Test func `no request fails or mixes two models while they are swapped under load, and old ones are freed`() async throws {
    // The right list of each user under each version, by an engine of its own.
    let versions = 1...12
    let users = ["u1", "u8", "u20", "nobody"]
    var right: [String: [String]] = [:]
    for version in versions {
      let engine = try ServedShop.engine(version: version)
      for user in users {
        let history = Int(user.dropFirst()).map { ServedHistory(items: Array(ServedShop.interactions.history(of: $0))) }
        right["\(user)@\(version)"] =
          try engine.recommend(RecommendationQuery(), history: history ?? ServedHistory()).entries.map { "i\($0.item)" }
      }
    }
    let lists = right
    weak var first: RecommendationEngine?
    let models: ServedModels
    do {
      let engine = try ServedShop.engine(version: 1)
      first = engine
      models = ServedModels(engine: engine, store: MemoryEvents())
    }
    #expect(first != nil)
    try await Served.serve(models) { ask in
      let seen = Mutex<[Seen]>([])
      let done = DispatchSemaphore(value: 0)
      let askers = 4
      let over = Flag()
      for asker in 0..<askers {
        let line = try #require(Line(ask.port))
        let box = Box(line)
        Thread.detachNewThread {
          var own = Seen()
          while !over.isSet {
            let user = users[(own.answers + asker) % users.count]
            guard let answer = box.line.ask("GET", "/v1/recommendations?user=\(user)"), answer.status == 200,
              let model = answer.object["model"] as? [String: Any], let version = model["version"] as? Int
            else {
              own.failures.append("no answer for \(user)")
              break
            }
            if answer.items != lists["\(user)@\(version)"] { own.failures.append("\(user) under \(version): \(answer.items)") }
            own.versions.insert(version)
            own.answers += 1
          }
          let result = own
          seen.withLock { $0.append(result) }
          done.signal()
        }
      }
      for version in versions.dropFirst() {
        models.swap(to: try ServedShop.engine(version: version), store: MemoryEvents())
        // Some requests between two swaps.
        _ = try await ask.get("/v1/recommendations?user=u1")
        try await Task.sleep(for: .milliseconds(15))
      }
      over.set()
      await withCheckedContinuation { continuation in
        Thread.detachNewThread {
          for _ in 0..<askers { done.wait() }
          continuation.resume()
        }
      }
      let all = seen.withLock { $0 }
      #expect(all.flatMap(\.failures) == [] && all.count == askers)
      #expect(all.allSatisfy { $0.answers > 10 } && all.reduce(into: Set<Int>()) { $0.formUnion($1.versions) }.count >= 6)
      let newest = try await ask.get("/v1/model")
      #expect(newest.object["version"] as? Int == 12 && newest.object["swaps"] as? Int == 11)
      #expect(first == nil, "the first model is still in memory")
    }
  }

  @Test func `a model of other data forgets the users of the data before`() async throws {
    let models = ServedModels(engine: try ServedShop.engine(), store: MemoryEvents())
    try await Served.serve(models) { ask in
      _ = try await ask.post(#"{"events":[{"user":"fresh","item":"i1"}]}"#)
      #expect(try await ask.get("/v1/recommendations?user=fresh").object["basis"] as? String == "history")
      models.swap(to: try ServedShop.engine(version: 2), store: MemoryEvents(name: "other"))
      #expect(try await ask.get("/v1/recommendations?user=fresh").object["basis"] as? String == "popularity")
    }
  }

  @Test func `a history is read once, and solved once for each model`() async throws {
    let events = MemoryEvents()
    let models = ServedModels(engine: try ServedShop.engine(), store: events)
    try await Served.serve(models) { ask in
      for _ in 0..<5 { _ = try await ask.get("/v1/recommendations?user=u9") }
      #expect(events.reads == 1 && models.cacheStatistics.hits == 4 && models.cacheStatistics.misses == 1)
      models.swap(to: try ServedShop.engine(version: 2), store: events)
      for _ in 0..<5 { _ = try await ask.get("/v1/recommendations?user=u9") }
      #expect(events.reads == 1 && models.cacheStatistics.hits == 8 && models.cacheStatistics.misses == 2)
      _ = try await ask.post(#"{"events":[{"user":"u9","item":"i29"}]}"#)
      _ = try await ask.get("/v1/recommendations?user=u9")
      #expect(events.reads == 1 && models.cacheStatistics.misses == 3)
    }
  }

  @Test func `users who are read before the first request are not read again, and hear of events all the same`() async throws {
    struct Preloading: EventStore {
      let inner: MemoryEvents
      var name: String { inner.name }
      func history(of user: String) throws -> ServedHistory? { try inner.history(of: user) }
      func record(_ events: [ServedEvent], index: (String) -> Int32?, weights: EventWeights) throws -> IntakeReport {
        try inner.record(events, index: index, weights: weights)
      }
      func firstHistories(numbersMax: Int) throws -> [(user: String, history: ServedHistory)] {
        try ["u9", "u10"].compactMap { user in try inner.history(of: user).map { (user, $0) } }
      }
    }
    let (events, plain) = (MemoryEvents(), MemoryEvents())
    let models = ServedModels(engine: try ServedShop.engine(), store: Preloading(inner: events))
    let reference = ServedModels(engine: try ServedShop.engine(), store: plain)
    #expect(events.reads == 2)
    for event in [nil, #"{"events":[{"user":"u9","item":"i29"}]}"#] {
      var answers: [[String]] = []
      for models in [models, reference] {
        try await Served.serve(models) { ask in
          if let event { _ = try await ask.post(event) }
          let list = try await ask.get("/v1/recommendations?user=u9&count=30")
          let items = try #require(list.object["items"] as? [[String: Any]])
          answers.append(items.map { "\($0["item"] ?? "") \($0["score"] ?? "")" })
        }
      }
      #expect(answers[0] == answers[1] && events.reads == 2)
      #expect(answers[0].contains { $0.hasPrefix("i29 ") } == (event == nil))
    }
    // Another store is read before it answers; one that cannot be read says so when it is asked.
    events.setFailing(true)
    models.swap(to: try ServedShop.engine(version: 2), store: Preloading(inner: MemoryEvents(name: "other")))
    let answered = try await Served.serve(models) { ask in try await ask.get("/v1/recommendations?user=u10").status }
    #expect(answered == 200)
    let failing = MemoryEvents(name: "third")
    failing.setFailing(true)
    models.swap(to: try ServedShop.engine(version: 2), store: Preloading(inner: failing))
    let refused = try await Served.serve(models) { ask in try await ask.get("/v1/recommendations?user=u10").status }
    #expect(refused == 503)
  }

  @Test func `the watch goes on after a failure, and says it once`() async throws {
    let looks = Mutex(0)
    let lines = Mutex<[String]>([])
    struct Capture: LogHandler {
      let write: @Sendable (String) -> Void
      var logLevel = Logger.Level.info
      var metadata: Logger.Metadata = [:]
      subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
      }
      func log(event: LogEvent) { write("\(event.message)") }
    }
    let write: @Sendable (String) -> Void = { line in lines.withLock { $0.append(line) } }
    let watch = ModelWatch(every: .milliseconds(1), logger: Logger(label: "w") { _ in Capture(write: write) }) {
      let count = looks.withLock { count in
        count += 1
        return count
      }
      if count < 3 { throw ServingFailure("the model is damaged") }
    }
    let group = ServiceGroup(services: [watch], logger: Logger(label: "g") { _ in SwiftLogNoOpLogHandler() })
    let running = Task { try await group.run() }
    let deadline = ContinuousClock.now + .seconds(300)
    while looks.withLock({ $0 }) < 5, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(2)) }
    await group.triggerGracefulShutdown()
    try await running.value
    #expect(looks.withLock { $0 } >= 5)
    #expect(lines.withLock { $0 }.count { $0.contains("the newest model cannot be served") } == 1)
  }
}

/// Set once, by another thread.
private final class Flag: Sendable {
  private let value = Mutex(false)
  var isSet: Bool { value.withLock { $0 } }
  func set() { value.withLock { $0 = true } }
}

/// A connection that one thread has for itself.
private final class Box: @unchecked Sendable {
  let line: Line
  init(_ line: Line) { self.line = line }
}
