internal import Dispatch

/// Runs what waits for the disk on a thread of its own: the threads of calls are few, and whoever lets them all wait stops every poll.
enum Commits {
  private static let queue = DispatchQueue(label: "tacit.commits")

  static func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async -> Result<T, any Error> {
    await withCheckedContinuation { continuation in
      queue.async { continuation.resume(returning: Result { try body() }) }
    }
  }
}
