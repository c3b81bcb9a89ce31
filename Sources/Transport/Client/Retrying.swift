internal import GRPCCore
internal import Synchronization

/// Tries a call until it is answered or its time is over. Every call of this protocol may be repeated.
struct Retrying: Sendable {
  let line: ClientLine
  let deadlines: ClientDeadlines

  /// - Parameters:
  ///   - limit: all tries together.
  ///   - eachTry: one try; a try that hangs may hang because its connection is dead without knowing it, so the next one takes a new one.
  ///   - body: one try.
  func run<Result: Sendable>(
    limit: Duration, eachTry: Duration, _ body: @Sendable (ClientLine.Client, CallOptions) async throws -> Result
  ) async throws(TransportFailure) -> Result {
    let end = ContinuousClock.now + limit
    var pause = deadlines.firstPause
    // What was heard last; that the time is over says less.
    var heard: TransportFailure?
    while true {
      let client = try line.client()
      let failure: TransportFailure
      do {
        var options = CallOptions.defaults
        options.waitForReady = false
        options.maxResponseMessageBytes = 4 << 20
        options.timeout = min(eachTry, ContinuousClock.now.duration(to: end))
        return try await body(client, options)
      } catch {
        failure = classify(error)
      }
      guard isRetried(failure) else { throw failure }
      if failure == .deadlineExceeded { line.reconnect(from: client) } else { heard = failure }
      let wait = pause * Double.random(in: 0.5...1)
      guard ContinuousClock.now + wait < end else { throw heard ?? failure }
      do { try await Task.sleep(for: wait) } catch { throw .cancelled }
      pause = min(pause * 2, deadlines.longestPause)
    }
  }

  private func isRetried(_ failure: TransportFailure) -> Bool {
    switch failure {
    case .unreachable, .deadlineExceeded, .refused(.unavailable), .refused(.stalled): true
    default: false
    }
  }

  /// What went wrong, in this protocol's words.
  private func classify(_ error: any Error) -> TransportFailure {
    if Task.isCancelled { return .cancelled }
    switch error {
    case let failure as TransportFailure: return failure
    case let malformed as MalformedField: return .badAnswer("field \(malformed.field)")
    case let error as RPCError:
      if let refusal = TransportRefusal(error) { return .refused(refusal) }
      switch error.code {
      case .unavailable, .cancelled:
        if let distrust = line.distrust { return .notTrusted(distrust) }
        return .unreachable(Self.sentence(error))
      case .deadlineExceeded: return .deadlineExceeded
      default: return .badAnswer("\(error.code): \(error.message)")
      }
    case is CancellationError: return .unreachable("the connection broke")
    default: return .unreachable("\(error)")
    }
  }

  /// The innermost cause that says something.
  private static func sentence(_ error: RPCError) -> String {
    var cause: any Error = error
    while let inner = (cause as? RPCError)?.cause { cause = inner }
    let text = (cause as? RPCError)?.message ?? "\(cause)"
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }
}

/// Ends a try of a transfer when nothing moves.
final class StallWatch: Sendable {
  private let last: Mutex<ContinuousClock.Instant?>

  /// - Parameter isWaiting: the first `progress` starts the clock: until then the server may let this side wait.
  init(isWaiting: Bool) { last = Mutex(isWaiting ? nil : .now) }

  func progress() { last.withLock { $0 = .now } }

  /// Runs `body`; cancels it when `progress` is not called for `limit`.
  ///
  /// - Throws: `TransportFailure.deadlineExceeded`.
  func run<Result: Sendable>(
    limit: Duration, _ body: @escaping @Sendable () async throws -> Result
  ) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await body() }
      group.addTask {
        while true {
          let end = (self.last.withLock { $0 } ?? .now) + limit
          guard end > .now else { return nil }
          try await Task.sleep(until: end)
        }
      }
      defer { group.cancelAll() }
      guard let result = try await group.next() ?? nil else { throw TransportFailure.deadlineExceeded }
      return result
    }
  }
}
