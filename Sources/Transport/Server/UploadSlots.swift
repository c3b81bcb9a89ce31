internal import Synchronization

/// So many uploads at one time, in order of arrival: this bounds the memory that partners can fill.
final class UploadSlots: Sendable {
  private struct State {
    var free: Int
    var nextTicket: UInt64 = 0
    var waiting: [(ticket: UInt64, turn: CheckedContinuation<Bool, Never>)] = []
  }
  private let state: Mutex<State>

  init(count: Int) { state = Mutex(State(free: count)) }

  /// Runs `body` when it is this call's turn.
  func withSlot<Result>(_ body: () async throws -> Result) async throws -> Result {
    try await acquire()
    defer { release() }
    return try await body()
  }

  private func acquire() async throws {
    let ticket = state.withLock { state in
      state.nextTicket += 1
      return state.nextTicket
    }
    let isGranted = await withTaskCancellationHandler {
      await withCheckedContinuation { turn in
        let answer: Bool? = state.withLock { state in
          if Task.isCancelled { return false }
          if state.free > 0 {
            state.free -= 1
            return true
          }
          state.waiting.append((ticket, turn))
          return nil
        }
        if let answer { turn.resume(returning: answer) }
      }
    } onCancel: {
      let turn = state.withLock { state in
        state.waiting.firstIndex { $0.ticket == ticket }.map { state.waiting.remove(at: $0).turn }
      }
      turn?.resume(returning: false)
    }
    guard isGranted else { throw CancellationError() }
  }

  private func release() {
    let next = state.withLock { state in
      guard state.waiting.isEmpty else { return state.waiting.removeFirst().turn as CheckedContinuation<Bool, Never>? }
      state.free += 1
      return nil
    }
    next?.resume(returning: true)
  }
}
