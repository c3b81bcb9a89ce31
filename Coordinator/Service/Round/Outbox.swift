internal import CryptoPrimitives
internal import Foundation
internal import SecureAggregation
internal import Synchronization
internal import Transport

/// What the coordinator has for its partners: the messages of the attempt under way, and the last word of the one before.
///
/// It lives in memory and is rebuilt from the journal, so that the same message has the same bytes, place and digest in every
/// process. Equal messages share their bytes: a model that goes to fifty partners is held once.
final class Outbox: Sendable {
  /// One message to one partner.
  struct Message: Sendable, Equatable {
    let bytes: [UInt8]
    let digest: Digest
  }

  /// What all polls are told beside their messages.
  struct Announcement: Sendable, Equatable {
    var session: [UInt8] = []
    var planHash: Digest?
    var newestRelease: UInt32?
    var state: TaskState = .idle
  }

  private struct State {
    var announcement = Announcement()
    var open: AttemptKey?
    /// Whether the attempt in `open` is over: its messages stay until the next one is opened.
    var isOver = false
    var messages: [UInt32: [Message]] = [:]
    /// The end of the attempt before, by its place.
    var farewell: (key: AttemptKey, message: Message, ordinals: [UInt32: UInt32])?
    /// Counts changes, so that no wait misses one.
    var version: UInt64 = 0
    var waiting: [UInt64: Waiter] = [:]
    var nextWaiter: UInt64 = 0
    var lastSeen: [UInt32: Double] = [:]
    var told: [UInt32: TaskState] = [:]
  }

  private struct Waiter {
    let participant: UInt32
    let continuation: CheckedContinuation<Void, Never>
    let timer: Task<Void, Never>
  }

  private let state = Mutex(State())

  /// The longest message that travels inside an answer, and the most bytes of messages in one answer.
  static let inlineBytesMax = MessageEnvelope.inlineBytesMax
  static let answerBytesMax = 1 << 20

  // MARK: - The round's side

  var announcement: Announcement { state.withLock { $0.announcement } }

  func announce(_ change: (inout Announcement) -> Void) {
    wake(nil) { change(&$0.announcement) }
  }

  /// Opens an attempt: what was there of the one before is gone, but for its end.
  func open(_ key: AttemptKey) {
    wake(nil) { state in
      state.open = key
      state.isOver = false
      state.messages = [:]
    }
  }

  /// The attempt under way is over.
  func close() { state.withLock { $0.isOver = true } }

  /// Whether messages of this attempt are wanted.
  func isOpen(_ key: AttemptKey) -> Bool { state.withLock { $0.open == key && !$0.isOver } }

  /// The place that the next message to this participant gets.
  func nextOrdinal(of participant: UInt32) -> UInt32 {
    state.withLock { UInt32($0.messages[participant]?.count ?? 0) + 1 }
  }

  func send(_ messages: [(participant: UInt32, message: Message)]) {
    wake(Set(messages.map(\.participant))) { state in
      for (participant, message) in messages { state.messages[participant, default: []].append(message) }
    }
  }

  /// The end of an attempt that is over, for whoever has not heard of it.
  func setFarewell(_ key: AttemptKey, _ message: Message, ordinals: [UInt32: UInt32]) {
    wake(nil) { $0.farewell = (key, message, ordinals) }
  }

  /// Everything that was sent in the attempt under way, by participant.
  func sent() -> [UInt32: [Message]] { state.withLock { $0.messages } }

  // MARK: - The partners' side

  /// What there is for a participant after its cursor.
  func answer(_ participant: UInt32, session: [UInt8], after cursor: MessageCursor?) -> PollAnswer {
    state.withLock { state in
      let announcement = state.announcement
      // A cursor of another session says nothing about this one.
      let cursor = session == announcement.session ? cursor : nil
      var envelopes: [MessageEnvelope] = []
      if let farewell = state.farewell, farewell.key != state.open, let ordinal = farewell.ordinals[participant], let cursor {
        let place = MessageCursor(round: farewell.key.round, attempt: farewell.key.attempt, ordinal: ordinal)
        // Only for those who were in that attempt: to others its end means nothing.
        if cursor < place, cursor.round == place.round, cursor.attempt == place.attempt {
          envelopes.append(Self.envelope(place, farewell.message))
        }
      }
      var total = 0
      if let key = state.open {
        for (index, message) in (state.messages[participant] ?? []).enumerated() {
          let place = MessageCursor(round: key.round, attempt: key.attempt, ordinal: UInt32(index) + 1)
          if let cursor, place <= cursor { continue }
          if message.bytes.count <= Self.inlineBytesMax { total += message.bytes.count }
          if total > Self.answerBytesMax { break }
          envelopes.append(Self.envelope(place, message))
        }
      }
      return PollAnswer(
        session: announcement.session, envelopes: envelopes, planHash: announcement.planHash,
        newestRelease: announcement.newestRelease, state: announcement.state)
    }
  }

  /// One message to this participant.
  func message(_ cursor: MessageCursor, to participant: UInt32) -> Message? {
    state.withLock { state in
      if let key = state.open, key.round == cursor.round, key.attempt == cursor.attempt {
        let messages = state.messages[participant] ?? []
        guard cursor.ordinal >= 1, Int(cursor.ordinal) <= messages.count else { return nil }
        return messages[Int(cursor.ordinal) - 1]
      }
      guard let farewell = state.farewell, farewell.key.round == cursor.round, farewell.key.attempt == cursor.attempt,
        farewell.ordinals[participant] == cursor.ordinal
      else { return nil }
      return farewell.message
    }
  }

  static func name(_ cursor: MessageCursor) -> String { "message/\(cursor.round)/\(cursor.attempt)/\(cursor.ordinal)" }

  private static func envelope(_ cursor: MessageCursor, _ message: Message) -> MessageEnvelope {
    MessageEnvelope(
      cursor: cursor, size: UInt64(message.bytes.count), sha256: message.digest,
      content: message.bytes.count <= inlineBytesMax ? .inline(message.bytes) : .document(name(cursor)))
  }

  /// The state of the task that the last answer to this participant named.
  func stateTold(to participant: UInt32) -> TaskState? { state.withLock { $0.told[participant] } }

  func noteState(_ told: TaskState, toldTo participant: UInt32) { state.withLock { $0.told[participant] = told } }

  // MARK: - Waiting

  /// Changes so far; a wait that begins with it misses nothing.
  var version: UInt64 { state.withLock { $0.version } }

  /// Returns when something changed for this participant since `version`, after `limit`, or on cancellation.
  func wait(_ participant: UInt32, since version: UInt64, limit: Duration) async {
    let id = state.withLock { state in
      state.nextWaiter += 1
      return state.nextWaiter
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          guard state.version == version, !Task.isCancelled else { return true }
          // Made under the lock: it cannot ring before the waiter stands in the list.
          let timer = Task { [self] in
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            resume(id)
          }
          state.waiting[id] = Waiter(participant: participant, continuation: continuation, timer: timer)
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      resume(id)
    }
  }

  private func resume(_ id: UInt64) {
    let waiter = state.withLock { $0.waiting.removeValue(forKey: id) }
    waiter?.timer.cancel()
    waiter?.continuation.resume()
  }

  private func wake(_ participants: Set<UInt32>?, _ change: (inout State) -> Void) {
    let woken = state.withLock { state in
      change(&state)
      state.version += 1
      let ids = state.waiting.filter { participants?.contains($0.value.participant) ?? true }.map(\.key)
      return ids.compactMap { state.waiting.removeValue(forKey: $0) }
    }
    for waiter in woken {
      waiter.timer.cancel()
      waiter.continuation.resume()
    }
  }

  // MARK: - Presence

  /// How long a participant counts as present after its last call, in seconds.
  static let presence = 45.0

  func see(_ participant: UInt32, at now: Date) { state.withLock { $0.lastSeen[participant] = now.timeIntervalSince1970 } }

  /// The clock was set: whoever called a moment ago still did.
  func clockMoved(by step: Double, now: Date) {
    // Calls since then may have been noted by the new time already.
    state.withLock { state in state.lastSeen = state.lastSeen.mapValues { min($0 + step, now.timeIntervalSince1970) } }
  }

  /// Whoever holds a poll open, or called a moment ago.
  func present(at now: Date) -> Set<UInt32> {
    state.withLock { state in
      let recent = state.lastSeen.filter { now.timeIntervalSince1970 - $0.value < Self.presence }.map(\.key)
      return Set(recent).union(state.waiting.values.map(\.participant))
    }
  }

  /// When every participant that ever called this process was last there.
  func lastSeen(at now: Date) -> [UInt32: Date] {
    state.withLock { state in
      var seen = state.lastSeen.mapValues { Date(timeIntervalSince1970: $0) }
      for waiter in state.waiting.values { seen[waiter.participant] = now }
      return seen
    }
  }

  var pollCount: Int { state.withLock { $0.waiting.count } }
}
