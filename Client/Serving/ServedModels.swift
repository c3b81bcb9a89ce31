internal import Dispatch
public import Recommender
public import Serving
internal import Synchronization

/// Where users' events are.
public protocol EventStore: Sendable {
  /// What the events belong to; another name is another store.
  var name: String { get }
  /// One user's events; `nil` when there are none. May be called from many threads.
  ///
  /// - Throws: `ServingFailure`.
  func history(of user: String) throws -> ServedHistory?
  /// Histories to remember from the start, each as `history(of:)` gives it; none by default.
  ///
  /// - Parameter numbersMax: the most that they may take together, by `ServedHistory.numbers`.
  /// - Throws: `ServingFailure`.
  func firstHistories(numbersMax: Int) throws -> [(user: String, history: ServedHistory)]
  /// Keeps events, all or none; they are durable when it returns. Called for one batch at a time.
  ///
  /// - Parameter index: place of an item in the catalogue.
  /// - Throws: `ServingFailure`.
  func record(_ events: [ServedEvent], index: (String) -> Int32?, weights: EventWeights) throws -> IntakeReport
}

extension EventStore {
  public func firstHistories(numbersMax: Int) throws -> [(user: String, history: ServedHistory)] { [] }
}

/// The model that answers, with what is remembered of users; another one takes its place in one step.
///
/// A request takes what is current once, and keeps it to its end: none fails or mixes two models because of a swap, and an old model is
/// freed with the last request that uses it.
public final class ServedModels: Sendable {
  /// What one request works with.
  struct Current: Sendable {
    let engine: RecommendationEngine
    let store: any EventStore
    let cache: HistoryCache
    /// Grows with every swap.
    let generation: Int
  }

  private enum State {
    case serving(Current)
    /// Nothing to answer from, and why.
    case closed(String)
  }

  private let state: Mutex<State>
  private let intake = DispatchQueue(label: "tacit.serving.intake")
  private let cacheNumbersMax: Int

  /// - Parameter cacheNumbersMax: room for histories and what was solved of them, in numbers of four bytes.
  public init(engine: RecommendationEngine, store: any EventStore, cacheNumbersMax: Int = 64 << 20) {
    self.cacheNumbersMax = cacheNumbersMax
    state = Mutex(
      .serving(
        Current(engine: engine, store: store, cache: Self.cache(of: store, numbersMax: cacheNumbersMax), generation: 0)))
  }

  /// Reading a user's events on the first request is most of what that request costs, and a server that has just begun would do so for
  /// everybody. So half of the room is filled before; the other half is for what will be solved.
  private static func cache(of store: any EventStore, numbersMax: Int) -> HistoryCache {
    let cache = HistoryCache(numbersMax: numbersMax)
    let mark = cache.beginReading()
    // A store that cannot be read says so when it is asked for one user.
    for (user, history) in (try? store.firstHistories(numbersMax: numbersMax / 2)) ?? [] {
      _ = cache.insert(history, of: user, readSince: mark)
    }
    return cache
  }

  /// Requests that begin from now on are answered by this engine.
  ///
  /// - Precondition: with a store of the same name, the engine has the catalogue of the one before.
  public func swap(to engine: RecommendationEngine, store: any EventStore) {
    // Read before the others have to wait.
    let fresh = (try? current())?.store.name == store.name ? nil : Self.cache(of: store, numbersMax: cacheNumbersMax)
    state.withLock { state in
      switch state {
      case .serving(let old) where old.store.name == store.name:
        state = .serving(Current(engine: engine, store: store, cache: old.cache, generation: old.generation + 1))
      case .serving(let old):
        state = .serving(
          Current(engine: engine, store: store, cache: fresh ?? emptyCache(), generation: old.generation + 1))
      case .closed: state = .serving(Current(engine: engine, store: store, cache: fresh ?? emptyCache(), generation: 0))
      }
    }
  }

  private func emptyCache() -> HistoryCache { HistoryCache(numbersMax: cacheNumbersMax) }

  /// Forgets model and users: requests are answered with 503 and this sentence.
  public func close(_ reason: String) { state.withLock { $0 = .closed(reason) } }

  func current() throws(APIProblem) -> Current {
    let state = state.withLock { $0 }
    switch state {
    case .serving(let current): return current
    case .closed(let reason): throw APIProblem(.unavailable, reason)
    }
  }

  /// How often a solved history was there when it was asked for, and how often not.
  public var cacheStatistics: (users: Int, hits: Int, misses: Int) {
    (try? current())?.cache.statistics ?? (0, 0, 0)
  }

  /// Keeps events, then lets the next list know of them: never the other way round.
  func take(_ events: [ServedEvent]) async throws -> IntakeReport {
    let current = try current()
    return try await withCheckedThrowingContinuation { continuation in
      intake.async {
        continuation.resume(
          with: Result {
            // Whoever reads one of these users meanwhile may see the events or not: that reading is not kept.
            let users = Set(events.map(\.user))
            current.cache.beginChange(of: users)
            defer { current.cache.endChange(of: users) }
            let report = try current.store.record(
              events, index: { current.engine.eventItem($0) }, weights: current.engine.eventWeights)
            for (event, fate) in zip(events, report.fates) {
              switch fate {
              case .trained(let item), .served(let item): current.cache.update(event.user) { $0.append(item, event.kind) }
              case .unknownItem, .repeated: break
              }
            }
            return report
          })
      }
    }
  }
}

extension ServedModels.Current {
  /// A user's history, with what was solved of it.
  struct Known {
    var history = ServedHistory()
    var solved: [Float]?
    /// Whether there is anything of this user here.
    var isKnown = false
  }

  /// - Parameter isSolved: whether the solved history is wanted as well.
  func known(_ user: String?, scene: String?, isSolved: Bool) async throws -> Known {
    guard let user else { return Known() }
    let profile = try engine.profile(ofScene: scene)
    var known = Known()
    var revision: Int?
    if let (history, kept) = cache.history(of: user) {
      (known.history, revision, known.isKnown) = (history, kept, true)
    } else {
      let mark = cache.beginReading()
      // One of whom nothing is known takes no room.
      guard let history = try await read(user) else { return known }
      (known.history, known.isKnown) = (history, true)
      revision = cache.insert(history, of: user, readSince: mark)
    }
    // Solving is arithmetic, and short: it stays where the request is.
    guard isSolved, !known.history.entries.isEmpty else { return known }
    if let revision, let solved = cache.solved(user, profile: profile, revision: revision, generation: generation) {
      known.solved = solved
      return known
    }
    let solved = try engine.solve(known.history, scene: scene)
    known.solved = solved
    if let revision {
      cache.insert(solved: solved, of: user, profile: profile, revision: revision, generation: generation)
    }
    return known
  }

  /// Waits for the disk on a thread that nobody else needs: one user's cold page must not hold up the others.
  private func read(_ user: String) async throws -> ServedHistory? {
    try await withCheckedThrowingContinuation { continuation in
      Self.readers.async { continuation.resume(with: Result { try store.history(of: user) }) }
    }
  }

  private static let readers = DispatchQueue(label: "tacit.serving.readers", attributes: .concurrent)
}
