internal import Synchronization

/// Where the lines of a ledger are kept: a file (`Storage.LedgerFile`), or memory in tests.
///
/// A journal is an identity and no value: a copy that could be continued on its own would be a fork.
public protocol LedgerJournal: AnyObject, Sendable {
  /// Appends one line, its line feed included.
  ///
  /// When the call returns, the line survives a crash of the machine. When it throws, nothing of the line is kept.
  func append(_ line: [UInt8]) throws
}

/// A journal without a disk, for tests and for runs that keep no files.
public final class LedgerMemory: LedgerJournal {
  private let content: Mutex<[UInt8]>

  public init(_ content: [UInt8] = []) { self.content = Mutex(content) }

  /// The whole ledger, as it would stand in a file.
  public var bytes: [UInt8] { content.withLock { $0 } }

  public func append(_ line: [UInt8]) { content.withLock { $0 += line } }
}
