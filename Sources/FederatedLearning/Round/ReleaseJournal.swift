internal import Synchronization

/// Where the one noised result of an attempt is kept before anybody sees it.
///
/// Noise is drawn once for each attempt: two noised results of one sum, side by side, are one result with half the noise.
/// So the engine writes the result down before it uses it, and after a crash takes what stands.
public protocol ReleaseJournal: AnyObject, Sendable {
  /// The released integers of this attempt, if they were recorded.
  func noisedSum(of attempt: LedgerAttempt) throws -> [Int64]?
  /// Keeps the released integers of this attempt; on return they survive a crash of the machine.
  ///
  /// - Throws: when they cannot be kept, or others stand there already.
  func record(noisedSum: [Int64], of attempt: LedgerAttempt) throws
}

/// A release journal without a disk, for tests.
public final class ReleaseMemory: ReleaseJournal {
  private let sums = Mutex<[LedgerAttempt: [Int64]]>([:])

  public init() {}

  /// Every attempt with its noised result.
  public var recorded: [LedgerAttempt: [Int64]] { sums.withLock { $0 } }

  public func noisedSum(of attempt: LedgerAttempt) -> [Int64]? { sums.withLock { $0[attempt] } }

  public func record(noisedSum: [Int64], of attempt: LedgerAttempt) throws {
    try sums.withLock { sums in
      guard sums[attempt] == nil || sums[attempt] == noisedSum else {
        throw LedgerError("\(attempt) has a noised result already; a second one is never kept")
      }
      sums[attempt] = noisedSum
    }
  }
}
