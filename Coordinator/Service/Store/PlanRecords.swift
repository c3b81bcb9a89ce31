public import CryptoPrimitives
public import FederatedLearning
public import Foundation
internal import GRDB
public import SecureAggregation
internal import Synchronization
internal import TaskDatabase

/// A signed plan with what partners download beside it.
public struct PlanRecord: Sendable {
  public let session: SessionID
  /// Counts the plans of this task from 1.
  public let number: Int
  public let hash: Digest
  /// The exact bytes that were signed.
  public let bytes: [UInt8]
  public let signature: Signature
  /// The signed roster that the plan was made from.
  public let roster: [UInt8]
  /// `CatalogueDocument`.
  public let catalogue: [UInt8]
  public let createdAt: Date
  public let endedAt: Date?
  /// Why the run is over, in words.
  public let end: String?

  init(_ row: Row) throws {
    session = try SessionID(column: row["session"], "session")
    number = row["number"]
    hash = try Digest(column: row["hash"], "hash")
    bytes = Array(row["bytes"] as Data)
    signature = try Signature(column: row["signature"], "signature")
    roster = Array(row["roster"] as Data)
    catalogue = Array(row["catalogue"] as Data)
    createdAt = Date(timeIntervalSince1970: row["createdAt"])
    endedAt = (row["endedAt"] as Int64?).map { Date(timeIntervalSince1970: Double($0)) }
    end = row["end"]
  }

  /// - Throws: `PlanError` when the bytes are no plan of this version.
  public func planFile() throws -> PlanFile { try PlanFile(bytes: bytes) }
}

/// What a partner has said about its part, by the newest of its statements.
public struct PartnerStanding: Sendable, Equatable {
  public var hasConsented = false
  public var isPaused = false
  public var hasLeft = false
}

extension CoordinatorStore {
  /// Keeps a new plan; it becomes the active one.
  ///
  /// - Returns: `false` when the plan before it is not over.
  public func add(
    plan: PlanFile, session: SessionID, signature: Signature, roster: [UInt8], catalogue: [UInt8], now: Date
  ) throws -> Bool {
    try database.write { database in
      guard try Int.fetchOne(database, sql: "SELECT count(*) FROM plans WHERE endedAt IS NULL") == 0 else { return false }
      let number = (try Int.fetchOne(database, sql: "SELECT max(number) FROM plans") ?? 0) + 1
      try database.execute(
        sql: """
          INSERT INTO plans (session, number, hash, bytes, signature, roster, catalogue, createdAt)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          session.data, number, SHA256.hash(plan.bytes).data, Data(plan.bytes), signature.data, Data(roster), Data(catalogue),
          Int64(now.timeIntervalSince1970),
        ])
      return true
    }
  }

  /// The newest plan: active, or the last that was.
  public func newestPlan() throws -> PlanRecord? {
    try database.read { try Row.fetchOne($0, sql: "SELECT * FROM plans ORDER BY number DESC LIMIT 1").map(PlanRecord.init) }
  }

  /// Why the plan of this session is over; `nil` while it is not.
  public func end(of session: SessionID) throws -> String? {
    try database.read {
      try String.fetchOne($0, sql: "SELECT end FROM plans WHERE session = ? AND endedAt IS NOT NULL", arguments: [session.data])
    }
  }

  public func plans() throws -> [PlanRecord] {
    try database.read { try Row.fetchAll($0, sql: "SELECT * FROM plans ORDER BY number").map(PlanRecord.init) }
  }

  /// Ends a plan by the operator's decision. A process that serves it sees that within a second, and stops what is open.
  ///
  /// - Returns: `false` when the session is none that could be ended.
  public func end(session: SessionID, because reason: String, now: Date) throws -> Bool {
    try database.write { database in
      try database.execute(
        sql: "UPDATE plans SET endedAt = ?, end = ? WHERE session = ? AND endedAt IS NULL",
        arguments: [Int64(now.timeIntervalSince1970), reason, session.data])
      return database.changesCount == 1
    }
  }

  // MARK: - Statements of partners

  /// Keeps a statement that was verified.
  ///
  /// - Returns: `false` when its number is not above those that are kept; the same bytes again are kept already and fine.
  public func add(
    statement bytes: [UInt8], number: UInt64, kind: UInt8, plan: Digest, of participant: UInt32, now: Date
  ) throws -> Bool {
    try database.write { database in
      let known = try Row.fetchOne(
        database, sql: "SELECT number, bytes FROM statements WHERE participant = ? ORDER BY number DESC LIMIT 1",
        arguments: [participant])
      if let known, Int64(bitPattern: number) <= known["number"] as Int64 {
        return Int64(bitPattern: number) == known["number"] as Int64 && known["bytes"] as Data == Data(bytes)
      }
      try database.execute(
        sql: "INSERT INTO statements (participant, number, kind, plan, bytes, receivedAt) VALUES (?, ?, ?, ?, ?, ?)",
        arguments: [
          participant, Int64(bitPattern: number), Int(kind), plan.data, Data(bytes), Int64(now.timeIntervalSince1970),
        ])
      try Self.askAgain(participant, in: database)
      return true
    }
  }

  /// Number of the newest statement of a partner; 0 when it has made none.
  public func newestStatement(of participant: UInt32) throws -> UInt64 {
    try database.read {
      let number = try Int64.fetchOne(
        $0, sql: "SELECT max(number) FROM statements WHERE participant = ?", arguments: [participant])
      return UInt64(bitPattern: number ?? 0)
    }
  }

  /// How every partner stands to a plan, from its statements: 1 consent, 2 pause, 3 resume, 4 leave (`PartnerStatement.Kind`).
  ///
  /// Asked several times a second: one look at the newest row, unless there is a new one.
  public func standings(plan: Digest) throws -> [UInt32: PartnerStanding] {
    try database.read { database in
      let newest = try Int64.fetchOne(database, sql: "SELECT max(rowid) FROM statements") ?? 0
      if let known = standings.withLock({ $0 }), known.plan == plan, known.newest == newest { return known.standings }
      let rows = try Row.fetchAll(
        database,
        sql: """
          SELECT participant, max(kind = 1 AND plan = ?) AS hasConsented,
            max(iif(kind = 2, number, 0)) > max(iif(kind = 3, number, 0)) AS isPaused,
            max(iif(kind = 4, number, 0)) > max(iif(kind = 1, number, 0)) AS hasLeft
          FROM statements GROUP BY participant
          """, arguments: [plan.data])
      let found = Dictionary(
        uniqueKeysWithValues: rows.map { row in
          (
            row["participant"] as UInt32,
            PartnerStanding(hasConsented: row["hasConsented"], isPaused: row["isPaused"], hasLeft: row["hasLeft"])
          )
        })
      standings.withLock { $0 = (plan, newest, found) }
      return found
    }
  }
}
