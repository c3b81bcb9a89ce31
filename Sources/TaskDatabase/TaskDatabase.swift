internal import Foundation
public import GRDB

/// The SQLite file of one process: WAL, every commit synced, private to its owner, checked when it is opened.
///
/// What a service must not forget (journal of the round, marks, consents) is written here by short transactions: when
/// `write` returns, the rows survive a crash of the machine.
public final class TaskDatabase: Sendable {
  /// Whose file it is; written into the file, so that no program opens another's.
  public enum Kind: Int32, Sendable {
    /// "TacC"
    case coordinator = 0x5461_6343
    /// "TacP"
    case partner = 0x5461_6350
  }

  public let path: String
  private let pool: DatabasePool

  /// Opens the database at `path`, made when it is missing, and brings its schema up to date.
  ///
  /// The file and its companions (`-wal`, `-shm`) can be read by their owner only.
  /// - Throws: `TaskDatabaseError`: another program's file, a damaged one, one of a newer version, one that others can read.
  public static func open(path: String, kind: Kind, migrator: DatabaseMigrator) throws -> TaskDatabase {
    try translatingErrors(at: path) {
      try makePrivateFile(at: path)
      let pool = try DatabasePool(path: path, configuration: configuration())
      try check(pool, is: kind, at: path)
      // GRDB sets NORMAL on the writer after `prepareDatabase` has run, so that FULL must be set here, outside of any
      // transaction. SQLite takes the setting back silently when it is set inside of one: hence the question after it.
      let level = try pool.writeWithoutTransaction { database in
        try database.execute(sql: "PRAGMA synchronous = FULL")
        return try Int.fetchOne(database, sql: "PRAGMA synchronous")
      }
      precondition(level == 2, "the writer's synchronous level is FULL (2)")
      guard try !pool.read(migrator.hasBeenSuperseded) else {
        throw TaskDatabaseError(
          .newerVersion, "\(path) was written by a newer version of this program; install that version to open it")
      }
      try migrator.migrate(pool)
      return TaskDatabase(path: path, pool: pool)
    }
  }

  private init(path: String, pool: DatabasePool) {
    self.path = path
    self.pool = pool
  }

  /// Runs one immediate transaction; on return its rows are on disk.
  ///
  /// - Throws: what `body` throws, after a rollback; `TaskDatabaseError` when SQLite cannot read or write.
  public func write<T>(_ body: (Database) throws -> T) throws -> T {
    try Self.translatingErrors(at: path) { try pool.write(body) }
  }

  /// Reads one consistent state.
  public func read<T>(_ body: (Database) throws -> T) throws -> T {
    try Self.translatingErrors(at: path) { try pool.read(body) }
  }

  /// The level at which commits are synced: 2, FULL.
  public func synchronousLevel() throws -> Int? {
    try pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") }
  }

  /// Copies the whole database, as it is at one moment, into a new file; writers may go on meanwhile.
  ///
  /// - Parameter prune: takes out of the copy what must not leave with it; the freed pages are overwritten.
  /// - Throws: `TaskDatabaseError` when `destination` exists or cannot be written; nothing is left behind then.
  public func backup(to destination: String, prune: (Database) throws -> Void = { _ in }) throws {
    try backup(to: destination, prune: prune, synchronize: FileSync.path)
  }

  /// - Parameter synchronize: makes a file or folder durable; tests bring one that fails, or that remembers.
  package func backup(to destination: String, prune: (Database) throws -> Void, synchronize: (String) throws -> Void) throws {
    let manager = FileManager.default
    guard !manager.fileExists(atPath: destination) else {
      throw TaskDatabaseError(.exists, "\(destination) exists; choose another name for the copy")
    }
    let draft = destination + ".partial"
    try? manager.removeItem(atPath: draft)
    do {
      try Self.translatingErrors(at: draft) {
        try Self.makePrivateFile(at: draft)
        var configuration = Self.configuration()
        configuration.journalMode = .default
        let copy = try DatabaseQueue(path: draft, configuration: configuration)
        try pool.backup(to: copy)
        // A copy is one file: its rows must not hide in a write-ahead log that stays behind.
        try copy.writeWithoutTransaction { database in
          try database.execute(sql: "PRAGMA journal_mode = DELETE")
          try database.execute(sql: "PRAGMA synchronous = FULL")
          try database.inTransaction {
            try prune(database)
            return .commit
          }
          try database.execute(sql: "VACUUM")
        }
        try copy.close()
      }
      try synchronize(draft)
      guard rename(draft, destination) == 0 else { throw TaskDatabaseError.system("writing", destination) }
      let folder = (destination as NSString).deletingLastPathComponent
      try synchronize(folder.isEmpty ? "." : folder)
    } catch {
      for suffix in ["", "-journal", "-wal", "-shm"] { try? manager.removeItem(atPath: draft + suffix) }
      throw error
    }
  }

  /// Reads every page and every reference.
  ///
  /// - Throws: `TaskDatabaseError` of kind `corrupt` with SQLite's first findings.
  public func checkIntegrity() throws {
    let findings = try read { database in
      let pages = try String.fetchAll(database, sql: "PRAGMA integrity_check(5)").filter { $0 != "ok" }
      let references = try Row.fetchAll(database, sql: "PRAGMA foreign_key_check")
      return pages + references.prefix(5).map { "a row of \($0[0] as String? ?? "?") refers to nothing" }
    }
    guard findings.isEmpty else {
      throw TaskDatabaseError(
        .corrupt, "\(path) is damaged (\(findings.joined(separator: "; "))); restore a backup into a new folder")
    }
  }

  /// Moves everything from the write-ahead log into the file and empties the log, so that erased rows are gone from both.
  public func emptyLog() throws {
    try Self.translatingErrors(at: path) { _ = try pool.writeWithoutTransaction { try $0.checkpoint(.truncate) } }
  }

  /// Closes all connections; nothing can be read or written afterwards.
  public func close() throws { try Self.translatingErrors(at: path) { try pool.close() } }

  /// Leaves room for no more than this number of pages: lets tests play a full disk.
  package func limit(pages: Int) throws {
    _ = try pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA max_page_count = \(pages)") }
  }

  /// Lets every write fail from here on, or no longer: lets tests play a disk that takes nothing.
  package func set(isReadOnly: Bool) throws {
    try pool.writeWithoutTransaction { try $0.execute(sql: "PRAGMA query_only = \(isReadOnly ? "ON" : "OFF")") }
  }

  /// Pages in use.
  package func pageCount() throws -> Int { try read { try Int.fetchOne($0, sql: "PRAGMA page_count") ?? 0 } }

  // MARK: - Opening

  private static func configuration() -> Configuration {
    var configuration = Configuration()
    configuration.foreignKeysEnabled = true
    configuration.busyMode = .timeout(5)
    configuration.prepareDatabase { database in
      // Erased rows are overwritten: a journal that could yield an un-noised sum must not outlive its attempt.
      try database.execute(sql: "PRAGMA secure_delete = ON")
    }
    return configuration
  }

  /// Makes the file, or looks at the one that is there without opening it: closing any descriptor of a file takes all of this
  /// process's locks on it away (POSIX advisory locks), also those by which SQLite says that the database is in use. Another process
  /// that closes it would then believe itself the last, and delete the write-ahead log in which this one goes on writing.
  private static func makePrivateFile(at path: String) throws {
    let file = Foundation.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    if file >= 0 {
      Foundation.close(file)
      return
    }
    var status = stat()
    guard errno == EEXIST, lstat(path, &status) == 0 else { throw TaskDatabaseError.system("opening", path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw TaskDatabaseError(.io, "\(path) is no file; expected a database or nothing")
    }
    guard status.st_uid == geteuid(), status.st_mode & 0o077 == 0 else {
      throw TaskDatabaseError(
        .unsafePermissions, "\(path) can be read by others or belongs to someone else; run: chmod 600 \(path)")
    }
  }

  private static func check(_ pool: DatabasePool, is kind: Kind, at path: String) throws {
    try pool.write { database in
      let found = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
      if found == kind.rawValue { return }
      let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
      guard found == 0, tables == 0 else {
        throw TaskDatabaseError(
          .foreign, "\(path) is no database of a \(kind == .coordinator ? "coordinator" : "partner"); check the folder")
      }
      try database.execute(sql: "PRAGMA application_id = \(kind.rawValue)")
    }
  }

  private static func translatingErrors<T>(at path: String, _ body: () throws -> T) throws -> T {
    do { return try body() } catch let error as DatabaseError { throw TaskDatabaseError(error, path: path) }
  }
}

/// Syncs by name.
enum FileSync {
  static func path(_ path: String) throws {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw TaskDatabaseError.system("opening", path) }
    defer { close(file) }
    guard fsync(file) == 0 else { throw TaskDatabaseError.system("syncing", path) }
  }
}
