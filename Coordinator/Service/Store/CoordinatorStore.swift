internal import CryptoPrimitives
public import Foundation
internal import GRDB
internal import Synchronization
internal import TaskDatabase

/// What a coordinator must not forget, in SQLite; every transaction is synced before its method returns.
///
/// Two kinds of writers share it: the one process that holds the lease and runs rounds, and the operator's commands (invite,
/// revoke), which may run beside it. What belongs to rounds is written with a `Lease` only, whose fencing token is compared
/// inside the transaction: a process that was taken for dead and wakes up again can write nothing.
public final class CoordinatorStore: Sendable {
  let database: TaskDatabase
  /// How partners stand to the plan that was asked for last, and the newest statement that went into it; rows are never taken away.
  let standings = Mutex<(plan: Digest, newest: Int64, standings: [UInt32: PartnerStanding])?>(nil)
  /// Whether the database's log may hold the journal of an attempt that is over: of a process before this one as well.
  let isErasureDue = Mutex(true)

  /// - Throws: `TaskDatabaseError`.
  public init(path: String) throws {
    database = try TaskDatabase.open(path: path, kind: .coordinator, migrator: CoordinatorSchema.migrator)
  }

  /// Copies everything but what could reveal an un-noised sum: the journal of an open attempt stays here.
  public func backup(to path: String, now: Date) throws {
    // What is older than a backup lacks its stamp.
    try database.write { database in
      let stamp = max(Int64(now.timeIntervalSince1970), (try Self.counter(.newestBackup, in: database) ?? 0) + 1)
      try Self.set(.newestBackup, to: stamp, in: database)
    }
    try database.backup(to: path) { copy in
      try copy.execute(sql: "DELETE FROM events")
      try copy.execute(sql: "UPDATE lease SET expiresAt = 0")
      // Which processes said hello last is of no use there: honest ones that said it since must not be taken for clones.
      try copy.execute(sql: "UPDATE participants SET instance = NULL")
      try Self.set(.backedUpAt, to: Int64(now.timeIntervalSince1970), in: copy)
      // An attempt that was open is over in the copy: whoever restores it must not go on with it.
      try copy.execute(
        sql:
          "UPDATE attempts SET endedAt = openedAt, outcome = 'not continued: it was open when the backup was made', start = NULL WHERE endedAt IS NULL"
      )
    }
  }

  public func checkIntegrity() throws { try database.checkIntegrity() }

  public func close() throws { try database.close() }

  /// Closes a database that is to be moved: everything is in its one file.
  func closeWhole() throws {
    try database.emptyLog()
    try database.close()
  }

  /// Lets every write fail from here on, or no longer: lets tests play a disk that takes nothing.
  package func set(isReadOnly: Bool) throws { try database.set(isReadOnly: isReadOnly) }

  /// One transaction of rounds.
  ///
  /// - Throws: `StoreError.fencedOff` when another process took the lease; nothing is written then.
  func write<T>(_ lease: Lease, _ body: (Database) throws -> T) throws -> T {
    try database.write { database in
      try lease.check(in: database)
      return try body(database)
    }
  }
}

/// Why the store refused, apart from SQLite's own errors.
public enum StoreError: Error, Equatable, CustomStringConvertible {
  /// Another process holds the lease now.
  case fencedOff
  /// Another process holds the lease, and its time is not over.
  case leaseHeld(by: String, until: Date)
  /// An attempt has a noised result already; a second one would halve the noise.
  case secondNoisedSum
  /// A row that this program cannot have written.
  case corrupt(String)

  public var description: String {
    switch self {
    case .fencedOff: "another coordinator has taken over this state folder; this one stops and writes nothing more"
    case .leaseHeld(let holder, let until):
      "another coordinator (\(holder)) runs on this state folder until \(until.formatted(.iso8601)) at least; end it first, or start with --standby to wait for it"
    case .secondNoisedSum: "the attempt has a noised result already; a second one is never kept"
    case .corrupt(let what): "the coordinator's database is damaged: \(what); restore a backup into a new folder"
    }
  }
}

extension FixedBytes {
  /// The value of a column of raw bytes.
  init(column: Data?, _ name: String) throws {
    guard let column, let value = column.withUnsafeBytes({ Self(copying: $0) }) else {
      throw StoreError.corrupt("'\(name)' has \(column?.count ?? 0) bytes, expected \(Self.byteCount)")
    }
    self = value
  }

  var data: Data { withUnsafeBytes { Data($0) } }
}
