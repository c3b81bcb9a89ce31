import CryptoPrimitives
import Foundation
import GRDB

/// Reads a coordinator's journal while it runs, as an operator with `sqlite3` could: read-only, one short transaction at a time.
struct JournalReader {
  /// One accepted event of the open attempt.
  struct Event: Hashable, Sendable {
    let round: Int
    let attempt: Int
    /// `nil` for a deadline.
    let participant: UInt32?
    /// Field number in `PartnerMessage`; 0 for a deadline.
    let kind: Int
  }

  /// An attempt, open or over.
  struct Attempt: Hashable, Sendable {
    let round: Int
    let attempt: Int
    let isOpen: Bool
    let outcome: String?
  }

  let path: String

  func events() throws -> [Event] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT round, attempt, participant, kind FROM events ORDER BY sequence").map {
        Event(round: $0["round"], attempt: $0["attempt"], participant: $0["participant"], kind: $0["kind"] ?? 0)
      }
    } ?? []
  }

  func attempts() throws -> [Attempt] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT round, attempt, endedAt, outcome FROM attempts ORDER BY round, attempt").map {
        Attempt(round: $0["round"], attempt: $0["attempt"], isOpen: ($0["endedAt"] as Int64?) == nil, outcome: $0["outcome"])
      }
    } ?? []
  }

  /// Why the newest plan is over; `nil` while it is not.
  func end() throws -> String? {
    try read { try String.fetchOne($0, sql: "SELECT end FROM plans ORDER BY number DESC LIMIT 1") } ?? nil
  }

  /// A noised sum that is not public yet.
  struct NoisedSum: Hashable, Sendable {
    let round: Int
    let attempt: Int
    /// SHA-256 of its bytes, as the ledger names it when it is released.
    let digest: Digest
  }

  func noisedSums() throws -> [NoisedSum] {
    let rows = try read { database in
      try Row.fetchAll(database, sql: "SELECT round, attempt, entries FROM noisedSums").map { row in
        (row["round"] as Int, row["attempt"] as Int, Array(row["entries"] as Data))
      }
    }
    return (rows ?? []).map { NoisedSum(round: $0.0, attempt: $0.1, digest: SHA256.hash($0.2)) }
  }

  /// Whether a noised sum stands that is not public yet: cheaper than to read it.
  func hasNoisedSum() throws -> Bool {
    try read { try Bool.fetchOne($0, sql: "SELECT EXISTS (SELECT 1 FROM noisedSums)") ?? false } ?? false
  }

  /// Released model bytes by version.
  func models() throws -> [Int: [UInt8]] {
    let rows = try read { database in
      try Row.fetchAll(database, sql: "SELECT version, model FROM releases WHERE model IS NOT NULL").map { row in
        (row["version"] as Int, Array(row["model"] as Data))
      }
    }
    return Dictionary(rows ?? []) { $1 }
  }

  func plan() throws -> [UInt8] {
    guard let bytes = try read({ try Data.fetchOne($0, sql: "SELECT bytes FROM plans ORDER BY number DESC LIMIT 1") }) ?? nil
    else {
      throw SuiteError("\(path) holds no plan")
    }
    return Array(bytes)
  }

  /// - Returns: `nil` when the database was busy or is not there yet: whoever watches looks again.
  private func read<T>(_ body: (Database) throws -> T) throws -> T? {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(2)
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      defer { try? queue.close() }
      return try queue.read(body)
    } catch let error as DatabaseError
      where [.SQLITE_BUSY, .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_LOCKED].contains(error.resultCode)
    {
      return nil
    }
  }
}
