import Foundation
import GRDB
import Glibc
import TaskDatabase
import Testing

/// A folder that goes away with the test.
final class Folder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "tacit-database-" + UUID().uuidString
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }
}

private func migrator(_ names: [String] = ["notes"]) -> DatabaseMigrator {
  var migrator = DatabaseMigrator()
  for name in names {
    migrator.registerMigration(name) { database in
      try database.create(table: name) { table in
        table.primaryKey("id", .integer)
        table.column("text", .text).notNull()
      }
    }
  }
  return migrator
}

private func open(_ path: String, _ kind: TaskDatabase.Kind = .coordinator, _ names: [String] = ["notes"]) throws
  -> TaskDatabase
{
  try TaskDatabase.open(path: path, kind: kind, migrator: migrator(names))
}

private func note(_ text: String, in database: TaskDatabase) throws {
  try database.write { try $0.execute(sql: "INSERT INTO notes (text) VALUES (?)", arguments: [text]) }
}

private func notes(_ database: TaskDatabase) throws -> [String] {
  try database.read { try String.fetchAll($0, sql: "SELECT text FROM notes ORDER BY id") }
}

private func kind(_ body: () throws -> Void) -> TaskDatabaseError.Kind? {
  do {
    try body()
    return nil
  } catch { return (error as? TaskDatabaseError)?.kind }
}

@Suite struct TaskDatabaseTests {
  private let folder = try! Folder()  // a test without its folder cannot say anything

  @Test func `a database that is opened twice in one process stays locked for the others`() throws {
    let folder = try Folder()
    let path = folder.file("twice.sqlite")
    let first = try open(path)
    try note("one", in: first)
    let second = try open(path)
    // Who closes the database in another process looks for this lock; where there is none it takes itself for the last one, and
    // deletes the write-ahead log under the feet of this process. A lock of an open file description (36: F_OFD_GETLK) conflicts
    // with those of the process that asks, too.
    let file = Glibc.open(path, O_RDWR)
    var lock = flock(l_type: Int16(F_WRLCK), l_whence: Int16(SEEK_SET), l_start: 0x4000_0002, l_len: 510, l_pid: 0)
    #expect(fcntl(file, 36, &lock) == 0)
    #expect(lock.l_type == Int16(F_RDLCK), "nobody seems to use the database")
    close(file)
    try second.close()
    try first.close()
  }

  @Test func `the writer syncs fully: after opening, after migrations, after transactions, after another opening`() throws {
    let database = try open(folder.file("a.sqlite"))
    #expect(try database.synchronousLevel() == 2)
    try note("one", in: database)
    _ = try notes(database)
    try database.emptyLog()
    #expect(try database.synchronousLevel() == 2)
    try database.close()
    let again = try open(folder.file("a.sqlite"), .coordinator, ["notes", "more"])
    #expect(try again.synchronousLevel() == 2)
    #expect(try notes(again) == ["one"])
  }

  @Test func `the trap is there: FULL that is set while preparing is taken back by the pool`() throws {
    var configuration = Configuration()
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    let pool = try DatabasePool(path: folder.file("trap.sqlite"), configuration: configuration)
    #expect(try pool.writeWithoutTransaction { try Int.fetchOne($0, sql: "PRAGMA synchronous") } == 1)
  }

  @Test func `a committed row is in the files when write returns, with no help from closing`() throws {
    let database = try open(folder.file("a.sqlite"))
    try note("kept", in: database)
    // What a machine that lost power now would find.
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: folder.file("a.sqlite") + suffix, toPath: folder.file("b.sqlite") + suffix)
    }
    #expect(try notes(try open(folder.file("b.sqlite"))) == ["kept"])
  }

  @Test func `a transaction that throws leaves nothing`() throws {
    struct Change: Error {}
    let database = try open(folder.file("a.sqlite"))
    #expect(throws: Change.self) {
      try database.write { writer in
        try writer.execute(sql: "INSERT INTO notes (text) VALUES ('gone')")
        throw Change()
      }
    }
    #expect(try notes(database).isEmpty)
  }

  @Test func `database and log can be read by their owner only, and a file that others can read is refused`() throws {
    let path = folder.file("a.sqlite")
    let database = try open(path)
    try note("private", in: database)
    for suffix in ["", "-wal", "-shm"] {
      let attributes = try FileManager.default.attributesOfItem(atPath: path + suffix)
      #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600, "\(suffix)")
    }
    try database.close()
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
    #expect(kind { _ = try open(path) } == .unsafePermissions)
  }

  @Test func `another program's database, a newer one and a damaged one are refused by name`() throws {
    let path = folder.file("a.sqlite")
    try open(path, .partner, ["notes", "later"]).close()
    #expect(kind { _ = try open(path, .coordinator) } == .foreign)
    #expect(kind { _ = try open(path, .partner, ["notes"]) } == .newerVersion)
    let text = folder.file("text.sqlite")
    try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: text))
    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: text)
    #expect(kind { _ = try open(text) } == .corrupt)
  }

  @Test func `a full disk is said so, rolls back, and the database goes on when there is room again`() throws {
    let database = try open(folder.file("a.sqlite"))
    try database.limit(pages: try database.pageCount())
    #expect(kind { try note(String(repeating: "x", count: 100_000), in: database) } == .full)
    #expect(try notes(database).isEmpty)
    try database.limit(pages: 1 << 20)
    try note("room", in: database)
    #expect(try notes(database) == ["room"])
  }

  @Test func `a copy is on disk before it has its name, and its name before it is said to be there`() throws {
    let folder = NSTemporaryDirectory() + "tacit-copy-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let database = try TaskDatabase.open(path: folder + "/a.sqlite", kind: .coordinator, migrator: DatabaseMigrator())
    let copy = folder + "/copy.sqlite"
    var seen: [String] = []
    try database.backup(
      to: copy, prune: { _ in },
      synchronize: { path in
        seen.append("\((path as NSString).lastPathComponent) \(FileManager.default.fileExists(atPath: copy))")
      })
    #expect(seen == ["copy.sqlite.partial false", "\((folder as NSString).lastPathComponent) true"])
    struct Fault: Error {}
    #expect(throws: Fault.self) { try database.backup(to: copy + "2", prune: { _ in }, synchronize: { _ in throw Fault() }) }
    #expect(!FileManager.default.fileExists(atPath: copy + "2"))
  }

  @Test func `a backup holds one moment in one private file, without what is pruned`() throws {
    let database = try open(folder.file("a.sqlite"))
    try note("public", in: database)
    try note("secret-of-the-round", in: database)
    let copy = folder.file("copy.sqlite")
    try database.backup(to: copy) { try $0.execute(sql: "DELETE FROM notes WHERE text LIKE 'secret%'") }
    try note("later", in: database)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: copy))
    #expect(bytes.range(of: Data("secret-of-the-round".utf8)) == nil)
    #expect(!FileManager.default.fileExists(atPath: copy + "-wal"))
    let attributes = try FileManager.default.attributesOfItem(atPath: copy)
    #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
    #expect(try notes(try open(copy)) == ["public"])
    #expect(kind { try database.backup(to: copy) } == .exists)
    #expect(try notes(database).count == 3)
  }

  @Test func `an erased row is gone from database and log`() throws {
    let path = folder.file("a.sqlite")
    let database = try open(path)
    try note("unmask-response-7f3a", in: database)
    try database.write { try $0.execute(sql: "DELETE FROM notes") }
    try database.emptyLog()
    for suffix in ["", "-wal"] {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path + suffix))
      #expect(bytes.range(of: Data("unmask-response-7f3a".utf8)) == nil, "\(suffix)")
    }
  }

  @Test func `the integrity check finds an overwritten page`() throws {
    let path = folder.file("a.sqlite")
    let database = try open(path)
    for number in 0..<400 { try note("\(number) " + String(repeating: "y", count: 500), in: database) }
    try database.checkIntegrity()
    try database.emptyLog()
    try database.close()
    let handle = try FileHandle(forUpdating: URL(fileURLWithPath: path))
    try handle.seek(toOffset: 20 * 4096)
    try handle.write(contentsOf: Data(repeating: 0xAA, count: 4096))
    try handle.close()
    #expect(kind { try open(path).checkIntegrity() } == .corrupt)
  }
}
