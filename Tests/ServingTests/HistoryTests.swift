import Recommender
import Serving
import Testing

/// What is remembered of users.
@Suite struct HistoryTests {
  @Test func `an item that comes again moves to the end, and each kind weighs what the scene says`() {
    var history = ServedHistory(items: [4, 9, 2], weights: [1, 10, 3])
    history.append(9, .cart)
    history.append(7, .browse)
    history.append(7, nil)
    history.append(4, .buy)
    let user = history.history()
    #expect(Array(user.items) == [2, 9, 7, 4] && Array(user.weights) == [3, 15, 2, 11])
    let other = history.history(EventWeights(browse: 2, favourite: 3, cart: 50, buy: 4))
    #expect(Array(other.weights) == [3, 60, 3, 5])
  }

  @Test func `an import without weights stays without as long as every pair weighs 1`() {
    var history = ServedHistory(items: [1, 2])
    #expect(history.history().weights.isEmpty)
    history.append(3, .browse)
    #expect(history.history().weights.isEmpty)
    history.append(1, .browse)
    #expect(Array(history.history().weights) == [1, 1, 2])
  }

  @Test func `an event that the data set counts already is known by its kind, and weighs no more`() {
    var history = ServedHistory(items: [1, 2], weights: [1, 12])
    history.recount(2, .buy, weight: 10)
    #expect(Array(history.history().weights) == [1, 12])
    #expect(Array(history.history(EventWeights(browse: 1, favourite: 1, cart: 1, buy: 3)).weights) == [1, 5])
  }

  @Test func `what was solved is good for one engine, one profile and one number of events`() throws {
    let cache = HistoryCache()
    #expect(cache.history(of: "u") == nil)
    let first = try #require(cache.insert(ServedHistory(items: [1]), of: "u", readSince: cache.beginReading()))
    cache.insert(solved: [5], of: "u", profile: 0, revision: first, generation: 3)
    #expect(cache.solved("u", profile: 0, revision: first, generation: 3) == [5])
    #expect(cache.solved("u", profile: 1, revision: first, generation: 3) == nil)
    #expect(cache.solved("u", profile: 0, revision: first, generation: 4) == nil)
    cache.update("u") { $0.append(2, nil) }
    let (history, second) = try #require(cache.history(of: "u"))
    #expect(second != first && history.entries.map(\.item) == [1, 2])
    #expect(cache.solved("u", profile: 0, revision: second, generation: 3) == nil)
    // Solved from what was there before the event.
    cache.insert(solved: [6], of: "u", profile: 0, revision: first, generation: 3)
    #expect(cache.solved("u", profile: 0, revision: first, generation: 3) == nil)
    #expect(cache.solved("u", profile: 0, revision: second, generation: 3) == nil)
    // A request that began with an older engine does not put its answer in the place of the newer one's.
    cache.insert(solved: [7], of: "u", profile: 0, revision: second, generation: 4)
    cache.insert(solved: [8], of: "u", profile: 0, revision: second, generation: 3)
    #expect(cache.solved("u", profile: 0, revision: second, generation: 4) == [7])
  }

  @Test func `no revision comes twice, so that what was solved of one reading is never taken for another`() throws {
    let cache = HistoryCache(numbersMax: 1)
    let first = try #require(cache.insert(ServedHistory(items: [1]), of: "u", readSince: cache.beginReading()))
    // There is room for one only.
    _ = cache.insert(ServedHistory(items: [1]), of: "v", readSince: cache.beginReading())
    #expect(cache.history(of: "u") == nil)
    let second = try #require(cache.insert(ServedHistory(items: [1, 2]), of: "u", readSince: cache.beginReading()))
    #expect(second != first)
    cache.insert(solved: [6], of: "u", profile: 0, revision: first, generation: 3)
    #expect(cache.solved("u", profile: 0, revision: second, generation: 3) == nil)
  }

  @Test func `a history that is read while its events are written is not kept: it would get them twice`() {
    let cache = HistoryCache()
    cache.beginChange(of: ["u"])
    let mark = cache.beginReading()
    // Others are.
    #expect(cache.insert(ServedHistory(items: [1]), of: "v", readSince: mark) != nil)
    #expect(cache.insert(ServedHistory(items: [1, 2]), of: "u", readSince: mark) == nil)
    cache.update("u") { $0.append(2, nil) }
    cache.endChange(of: ["u"])
    #expect(cache.history(of: "u") == nil)
    #expect(cache.insert(ServedHistory(items: [1, 2]), of: "u", readSince: cache.beginReading()) != nil)
  }

  @Test func `a history that was read before an event is not kept after it`() {
    let cache = HistoryCache()
    let mark = cache.beginReading()
    cache.update("u") { $0.append(2, nil) }
    #expect(cache.insert(ServedHistory(items: [1]), of: "u", readSince: mark) == nil && cache.history(of: "u") == nil)
    #expect(cache.insert(ServedHistory(items: [1, 2]), of: "u", readSince: cache.beginReading()) != nil)
  }

  @Test func `ids of other bytes are other users, even where Swift calls the texts equal`() {
    let cache = HistoryCache()
    _ = cache.insert(ServedHistory(items: [1]), of: "\u{E9}", readSince: cache.beginReading())
    #expect("\u{E9}" == "e\u{301}" && cache.history(of: "e\u{301}") == nil)
  }

  @Test func `the cache keeps to its room, and to those who ask`() {
    let cache = HistoryCache(numbersMax: 10_000)
    for user in 0..<1000 {
      _ = cache.insert(ServedHistory(items: Array(0..<10)), of: "u\(user)", readSince: cache.beginReading())
      _ = cache.history(of: "u0")
    }
    #expect((10...60).contains(cache.statistics.users) && cache.history(of: "u0") != nil && cache.history(of: "u1") == nil)
  }
}
