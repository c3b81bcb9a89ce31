internal import CryptoPrimitives
internal import Foundation
internal import GRDB
internal import TaskDatabase

/// Erasing one data set while the home goes on.
///
/// Its users are still counted by their ledger when they are imported again, so that removing data is no way to a new budget. For
/// that a digest of each identifier stays, keyed with a value of this home: nobody else can compare it, but whoever can read the
/// home can try identifiers that they know.
extension PartnerStore {
  /// Erases the users and events of a data set, and what is left of them in the write-ahead log.
  func remove(_ name: DataSetName, time: Int) throws {
    try database.write { database in
      let key = try Self.formerUserKey(in: database)
      let ledger = try String.fetchOne(database, sql: "SELECT ledger FROM dataSet WHERE name = ?", arguments: [name.text])
      let insert = try database.makeStatement(sql: "INSERT OR IGNORE INTO formerUser VALUES (?, ?)")
      for user in try String.fetchAll(database, sql: "SELECT name FROM shardUser WHERE dataSet = ?", arguments: [name.text]) {
        try insert.execute(arguments: [ledger, Self.digest(of: user, key: key)])
      }
      try database.execute(sql: "DELETE FROM shardUser WHERE dataSet = ?", arguments: [name.text])
      try database.execute(sql: "DELETE FROM servedEvent WHERE dataSet = ?", arguments: [name.text])
      try database.execute(
        sql: "UPDATE dataSet SET users = 0, events = 0, removedAt = ? WHERE name = ?", arguments: [time, name.text])
    }
    try database.emptyLog()
  }

  /// Ledgers that count users of a data set which was just recorded, from data sets that were removed.
  static func formerLedgers(ofUsersIn name: DataSetName, in database: Database) throws -> Set<String> {
    guard try Row.fetchOne(database, sql: "SELECT 1 FROM formerUser LIMIT 1") != nil else { return [] }
    let key = try formerUserKey(in: database)
    var ledgers: Set<String> = []
    for ledger in try String.fetchAll(database, sql: "SELECT name FROM ledger") {
      let isOn = try database.makeStatement(sql: "SELECT 1 FROM formerUser WHERE ledger = ? AND digest = ?")
      let users = try String.fetchCursor(database, sql: "SELECT name FROM shardUser WHERE dataSet = ?", arguments: [name.text])
      while let user = try users.next() {
        if try Int.fetchOne(isOn, arguments: [ledger, digest(of: user, key: key)]) != nil {
          ledgers.insert(ledger)
          break
        }
      }
    }
    return ledgers
  }

  /// Whether a user who is new to a data set is, or may be, counted by another ledger than the data set's: then its events must not
  /// be trained on under this one.
  static func isCountedElsewhere(_ user: String, than ledger: String, in database: Database) throws -> Bool {
    let present = try Row.fetchOne(
      database,
      sql: """
        SELECT 1 FROM dataSet JOIN shardUser ON shardUser.dataSet = dataSet.name AND shardUser.name = ?
        WHERE dataSet.ledger <> ?
        """, arguments: [user, ledger])
    if present != nil { return true }
    guard try Row.fetchOne(database, sql: "SELECT 1 FROM formerUser LIMIT 1") != nil else { return false }
    return try Row.fetchOne(
      database, sql: "SELECT 1 FROM formerUser WHERE ledger <> ? AND digest = ?",
      arguments: [ledger, digest(of: user, key: try formerUserKey(in: database))]) != nil
  }

  private static func digest(of user: String, key: [UInt8]) -> Data { Data(BLAKE2b.hash(Array(user.utf8), key: key).bytes) }

  /// 32 random bytes of this home, made at the first removal.
  private static func formerUserKey(in database: Database) throws -> [UInt8] {
    let name = Setting.formerUserKey.rawValue
    let known = try String.fetchOne(database, sql: "SELECT value FROM setting WHERE name = ?", arguments: [name])
    if let bytes = known.flatMap({ Hexadecimal.decode($0) }), bytes.count == 32 { return bytes }
    var random = SystemRandomSource()
    let bytes = random.bytes(32)
    try database.execute(
      sql: "INSERT OR REPLACE INTO setting VALUES (?, ?)", arguments: [name, Hexadecimal.encode(bytes)])
    return bytes
  }
}
