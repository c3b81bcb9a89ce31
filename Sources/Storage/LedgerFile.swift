public import FederatedLearning
internal import Glibc
internal import Synchronization

/// A ledger on disk: lines are appended, synced, and never changed.
///
/// One writer at a time holds the file by `flock`. A line that could not be written whole is cut off again before the
/// error is thrown; when even that fails, or when a sync fails and nobody knows what the disk holds, the file takes no
/// further line until it is opened anew.
///
/// What a crash may leave is a beginning of the last line. Opening cuts it off and says so in `recovery`: the write had
/// not returned, so that nothing had left on the strength of it.
public final class LedgerFile: LedgerJournal, Sendable {
  /// What opening found at the end of the file, in one sentence; `nil` when the file was whole.
  public let recovery: String?
  /// What stood in the file when it was opened, after recovery.
  public let content: [UInt8]

  private let file: FileDescriptor
  private let disk: Disk
  private let end: Mutex<End>

  /// Makes a ledger whose first line is `header`: either the whole file is there afterwards, or no file.
  ///
  /// - Throws: `StorageError` when the file exists or cannot be written; it then names the path and says what to do.
  public static func create(at path: String, header line: [UInt8]) throws -> LedgerFile {
    try create(at: path, header: line, disk: .system)
  }

  /// Opens a ledger to append to it.
  ///
  /// The caller reads `content` (by `PrivacyLedger`), which refuses a ledger with a fault; here only the end is mended.
  /// - Throws: `StorageError` when the file is missing, or another process has it open.
  public static func open(at path: String) throws -> LedgerFile { try open(at: path, disk: .system) }

  /// Opens a ledger for whoever may write by a fence of its own: each append must happen inside a transaction that compares a
  /// fencing token, and that no other process can be in.
  ///
  /// A process that was suspended keeps its lock for ever; here it stops nobody, because the fence stops that process when it wakes.
  /// - Throws: `StorageError` when the file is missing.
  public static func openFenced(at path: String) throws -> LedgerFile { try open(at: path, disk: .system, isFenced: true) }

  /// Appends one line and syncs it.
  ///
  /// - Throws: `StorageError`; the file then ends where it ended before.
  public func append(_ line: [UInt8]) throws {
    precondition(line.last == UInt8(ascii: "\n"), "a ledger's line ends with a line feed")
    try end.withLock { end in
      guard !end.isBroken else {
        throw StorageError(
          .broken,
          "\(file.path) takes no further entry since an earlier error left its end unknown; open it anew")
      }
      do {
        try disk.write(file, line)
      } catch {
        try cutBack(to: &end, because: error)
      }
      do {
        try disk.synchronize(file)
      } catch {
        // After a failed sync the kernel may have dropped the pages: no later sync can be believed.
        try? disk.truncate(file, end.byteCount)
        end.isBroken = true
        throw error
      }
      end.byteCount += line.count
    }
  }

  /// Removes what a failed write left, then throws its error.
  private func cutBack(to end: inout End, because error: any Error) throws -> Never {
    do {
      try disk.truncate(file, end.byteCount)
      try disk.synchronize(file)
    } catch {
      end.isBroken = true
    }
    throw error
  }

  private struct End {
    /// Length of the file up to the last whole line.
    var byteCount: Int
    var isBroken = false
  }

  private init(file: consuming FileDescriptor, disk: Disk, content: [UInt8], recovery: String?) {
    self.file = file
    self.disk = disk
    self.content = content
    self.recovery = recovery
    end = Mutex(End(byteCount: content.count))
  }
}

extension LedgerFile {
  /// The three calls that can fail half-way, replaceable so that tests can play a full or failing disk.
  package struct Disk: Sendable {
    package var write: @Sendable (borrowing FileDescriptor, [UInt8]) throws -> Void
    package var synchronize: @Sendable (borrowing FileDescriptor) throws -> Void
    package var truncate: @Sendable (borrowing FileDescriptor, Int) throws -> Void

    package static let system = Disk(
      write: { try $0.write($1) }, synchronize: { try $0.synchronize() },
      truncate: { try $0.truncate(to: $1) })
  }

  package static func create(at path: String, header line: [UInt8], disk: Disk) throws -> LedgerFile {
    guard !Directory.exists(path) else {
      throw StorageError(.exists, "the ledger \(path) exists; a ledger is continued, never started again")
    }
    // The header is written under another name and linked when it is whole, so that no reader meets half a header.
    let draft = "\(path).\(getpid()).new"
    unlink(draft)
    let file = try FileDescriptor(draft, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
    defer { unlink(draft) }
    try lock(file, named: path)
    try disk.write(file, line)
    try disk.synchronize(file)
    guard link(draft, path) == 0 else { throw StorageError.system("making the ledger", path) }
    try Directory.synchronize(Directory.parent(of: path))
    return LedgerFile(file: file, disk: disk, content: line, recovery: nil)
  }

  package static func open(at path: String, disk: Disk, isFenced: Bool = false) throws -> LedgerFile {
    let file = try FileDescriptor(path, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK)
    do { try lock(file, named: path) } catch let error as StorageError where isFenced && error.kind == .locked {}
    var content = try file.readAll(bytesMax: PlainFile.ledgerBytesMax)
    var recovery: String?
    let reading = LedgerReader(content)
    switch reading.findings.first?.kind {
    case .tornLastLine where !reading.records.isEmpty:
      recovery = reading.findings[0].description
      try disk.truncate(file, reading.goodByteCount)
      try disk.synchronize(file)
      content.removeLast(content.count - reading.goodByteCount)
    case .missingLineFeed:
      recovery = reading.findings[0].description
      try disk.write(file, [UInt8(ascii: "\n")])
      try disk.synchronize(file)
      content.append(UInt8(ascii: "\n"))
    default: break
    }
    return LedgerFile(file: file, disk: disk, content: content, recovery: recovery)
  }

  private static func lock(_ file: borrowing FileDescriptor, named path: String) throws {
    // A process that was just ended, or a child of this one that is not yet the program that it is to become, holds a lock for moments.
    for _ in 0..<100 {
      guard flock(file.raw, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK else { break }
      usleep(10_000)
    }
    guard flock(file.raw, LOCK_EX | LOCK_NB) == 0 else {
      guard errno == EWOULDBLOCK else { throw StorageError.system("locking", path) }
      throw StorageError(.locked, "another process writes to the ledger \(path); end it first")
    }
  }
}
