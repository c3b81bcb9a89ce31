internal import Synchronization

/// Users' histories and what was solved of them, for as long as there is room: the least recently asked for goes first.
///
/// A solved history is good for one engine (told by a generation, a number that never comes again), one profile of weights and one
/// number of events; anything else is a miss.
public final class HistoryCache: Sendable {
  private struct Entry {
    var history: ServedHistory
    /// Another number after every event, and for every reading; none comes twice.
    var revision: Int
    /// By profile.
    var solved: [Int: (generation: Int, vector: [Float])]
    /// When it was asked for last, in requests.
    var touched: UInt64

    var cost: Int { history.numbers + solved.values.reduce(0) { $0 + $1.vector.count } }
  }

  private struct State {
    /// By the bytes of the user's id: two spellings that Swift calls equal (é in two ways) are two users to the home.
    var entries: [[UInt8]: Entry] = [:]
    var cost = 0
    var clock: UInt64 = 0
    /// Changes of users whose history was not kept: one that was being read meanwhile may lack them.
    var missedChanges = 0
    /// Users whose events are being written, and how many batches: a history that is read meanwhile may have the event or not.
    var changing: [[UInt8]: Int] = [:]
    var hits = 0
    var misses = 0
  }

  private let state = Mutex(State())
  private let costMax: Int

  /// - Parameter numbersMax: room, in numbers of four bytes.
  public init(numbersMax: Int = 64 << 20) { costMax = numbersMax }

  /// A user's history with its revision; `nil` when it must be read.
  public func history(of user: String) -> (history: ServedHistory, revision: Int)? {
    let key = Array(user.utf8)
    return state.withLock { state in
      guard let entry = state.entries[key] else { return nil }
      state.clock += 1
      state.entries[key]?.touched = state.clock
      return (entry.history, entry.revision)
    }
  }

  /// What was solved of a history for this engine; `nil` when it must be solved.
  public func solved(_ user: String, profile: Int, revision: Int, generation: Int) -> [Float]? {
    let key = Array(user.utf8)
    return state.withLock { state in
      guard let entry = state.entries[key], entry.revision == revision, let solved = entry.solved[profile],
        solved.generation == generation
      else {
        state.misses += 1
        return nil
      }
      state.hits += 1
      return solved.vector
    }
  }

  /// Says that a history is about to be read, for `insert`.
  public func beginReading() -> Int { state.withLock { $0.missedChanges } }

  /// Keeps a history that was read, unless it may lack an event that came in between.
  ///
  /// - Parameter mark: what `beginReading` gave before the history was read.
  /// - Returns: its revision; `nil` when it is not kept.
  public func insert(_ history: ServedHistory, of user: String, readSince mark: Int) -> Int? {
    let key = Array(user.utf8)
    return state.withLock { state in
      guard state.entries[key] == nil, state.changing[key] == nil, state.missedChanges == mark else { return nil }
      state.clock += 1
      let revision = Int(state.clock)
      let entry = Entry(history: history, revision: revision, solved: [:], touched: state.clock)
      state.cost += entry.cost
      state.entries[key] = entry
      makeRoom(&state)
      return revision
    }
  }

  /// Says whose events are about to be written; `endChange` with the same users says that `update` has been called for each.
  public func beginChange(of users: Set<String>) {
    state.withLock { state in
      for user in users { state.changing[Array(user.utf8), default: 0] += 1 }
    }
  }

  public func endChange(of users: Set<String>) {
    state.withLock { state in
      for user in users {
        let key = Array(user.utf8)
        let count = (state.changing[key] ?? 0) - 1
        state.changing[key] = count > 0 ? count : nil
      }
    }
  }

  /// Keeps what was solved, unless the history has grown meanwhile.
  public func insert(solved vector: [Float], of user: String, profile: Int, revision: Int, generation: Int) {
    let key = Array(user.utf8)
    state.withLock { state in
      guard var entry = state.entries[key], entry.revision == revision else { return }
      state.cost -= entry.cost
      // What an older engine solved is of no use any more.
      entry.solved = entry.solved.filter { $0.value.generation >= generation }
      if entry.solved[profile] == nil { entry.solved[profile] = (generation, vector) }
      state.cost += entry.cost
      state.entries[key] = entry
      makeRoom(&state)
    }
  }

  /// Changes a history that is kept; one that is not will be read with the change.
  public func update(_ user: String, _ change: (inout ServedHistory) -> Void) {
    let key = Array(user.utf8)
    state.withLock { state in
      guard var entry = state.entries[key] else {
        state.missedChanges += 1
        return
      }
      state.cost -= entry.cost
      change(&entry.history)
      state.clock += 1
      entry.revision = Int(state.clock)
      entry.solved = [:]
      state.cost += entry.cost
      state.entries[key] = entry
    }
  }

  /// Histories kept now, and how often a solved one was there when it was asked for.
  public var statistics: (users: Int, hits: Int, misses: Int) {
    state.withLock { ($0.entries.count, $0.hits, $0.misses) }
  }

  /// Drops the eighth that was asked for longest ago: sorting all of them now and then costs less than a list in order.
  private func makeRoom(_ state: inout State) {
    while state.cost > costMax, state.entries.count > 1 {
      // What is being read now may be older than what goes.
      state.missedChanges += 1
      let oldest = state.entries.map { ($0.value.touched, $0.key) }.sorted { $0.0 < $1.0 }
      for (_, key) in oldest.prefix(max(1, min(oldest.count / 8, oldest.count - 1))) {
        guard let entry = state.entries.removeValue(forKey: key) else { continue }
        state.cost -= entry.cost
      }
    }
  }
}
