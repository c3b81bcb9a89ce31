public import CryptoPrimitives
internal import DifferentialPrivacy
internal import Foundation
internal import GRDB
internal import PeerIdentity
internal import SecureAggregation
internal import TaskDatabase

/// Everything that a partner must remember, but for keys and ledgers, which are files: one SQLite database, every commit
/// synced.
///
/// Calls are short and may come from any thread, and from more than one process: a command may write while the daemon runs.
public final class PartnerStore: Sendable {
  let database: TaskDatabase
  let home: PartnerHome

  /// Opens the database of a home, made when it is missing.
  public init(_ home: PartnerHome) throws {
    self.home = home
    database = try TaskDatabase.open(path: home.database, kind: .partner, migrator: PartnerSchema.migrator)
  }

  /// Reads every page and every reference.
  public func checkIntegrity() throws { try database.checkIntegrity() }

  func close() throws { try database.close() }

  // MARK: - Enrolment

  /// Who this partner is; `nil` before it has enrolled.
  public func enrolment() throws -> Enrolment? {
    try database.read { database in
      try Row.fetchOne(database, sql: "SELECT * FROM enrolment").map { row in
        guard let identity = VerificationKey(hex: row["identity"]), let key = VerificationKey(hex: row["coordinatorKey"]),
          let authority = Digest(hex: row["authority"])
        else { throw PartnerError(.data, "the enrolment in \(database.description) is damaged; restore a backup of the home") }
        let earlier = try String.fetchAll(database, sql: "SELECT key FROM earlierKey ORDER BY number")
        return Enrolment(
          task: row["task"], participant: row["participant"], name: row["name"], identity: identity, coordinatorKey: key,
          earlierKeys: earlier.compactMap { VerificationKey(hex: $0) }, authority: authority,
          trainingAddress: row["trainingAddress"], enrolledAt: row["enrolledAt"])
      }
    }
  }

  func record(_ enrolment: Enrolment) throws {
    try database.write { database in
      try database.execute(
        sql: "INSERT INTO enrolment VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        arguments: [
          enrolment.task, enrolment.participant, enrolment.name, enrolment.identity.hex, enrolment.coordinatorKey.hex,
          enrolment.authority.hex, enrolment.trainingAddress, enrolment.enrolledAt,
        ])
    }
  }

  /// Takes the number under which the coordinator has enrolled this partner anew, because it had lost its record, with the first
  /// roster that lists it so. What was said and accepted under the former number is over: nobody has it any more. A partner that
  /// rests states that again, or else it would take part without anybody here having said so.
  func renumber(_ enrolment: Enrolment, roster: [UInt8], version: UInt64, key: SigningKey, time: Int) throws {
    try database.write { database in
      try database.execute(sql: "UPDATE enrolment SET participant = ?", arguments: [enrolment.participant])
      try database.execute(
        sql: "INSERT OR IGNORE INTO roster VALUES (?, ?, ?)", arguments: [Int64(clamping: version), Data(roster), time])
      try database.execute(sql: "UPDATE statement SET isSent = 2 WHERE isSent <> 2")
      try database.execute(
        sql: "UPDATE plan SET end = ? WHERE end IS NULL",
        arguments: ["it names this partner by a number that the coordinator has lost; its number is \(enrolment.participant) now"]
      )
      guard try String.fetchOne(database, sql: "SELECT value FROM setting WHERE name = 'paused'") != nil else { return }
      try Self.state(.pause, of: enrolment, key: key, time: time, in: database)
    }
  }

  // MARK: - Settings

  func setting(_ name: Setting) throws -> String? {
    try database.read { try String.fetchOne($0, sql: "SELECT value FROM setting WHERE name = ?", arguments: [name.rawValue]) }
  }

  func set(_ name: Setting, to value: String?) throws {
    try database.write { database in
      guard let value else {
        return try database.execute(sql: "DELETE FROM setting WHERE name = ?", arguments: [name.rawValue])
      }
      try database.execute(sql: "INSERT OR REPLACE INTO setting VALUES (?, ?)", arguments: [name.rawValue, value])
    }
  }

  enum Setting: String {
    /// There while the partner rests.
    case isPaused = "paused"
    /// There after the partner has left the task.
    case hasLeft = "left"
    /// There after keys and shard were erased.
    case isPurged = "purged"
    /// There after the coordinator has said that it revoked this partner, until it answers again.
    case isRevoked = "revoked"
    /// Keys the digests of users whose data were removed.
    case formerUserKey = "former-user-key"
    /// The newest statement that the coordinator has of this partner, where this home knows none as new.
    case newestStatement = "newest-statement"
    /// There after the home held ledgers whose data sets its database had lost: since when, in seconds since 1970.
    case hasLostData = "lost-data"
    /// The ledger and its cap that refused an attempt (`CapRefusal`), until the partner asks to take part again.
    case refusedByCap = "refused-by-cap"
    /// Ledgers that count people of other homes too, one on each line: their links must be there.
    case linkedLedgers = "linked-ledgers"
  }

  /// Whether attempts are not answered at the partner's own wish.
  public var isPaused: Bool { get throws { try setting(.isPaused) != nil } }
  public var hasLeft: Bool { get throws { try setting(.hasLeft) != nil } }
  /// Whether the coordinator has taken the statement by which the partner left, which is its last.
  public var isLeaveTaken: Bool {
    get throws {
      try hasLeft && database.read { try Int.fetchOne($0, sql: "SELECT isSent FROM statement ORDER BY number DESC LIMIT 1") } == 1
    }
  }
  public var isPurged: Bool { get throws { try setting(.isPurged) != nil } }
  /// Whether the coordinator has revoked this partner, by its own last word.
  public var isRevoked: Bool { get throws { try setting(.isRevoked) != nil } }

  func note(isRevoked: Bool) throws {
    if try self.isRevoked != isRevoked { try set(.isRevoked, to: isRevoked ? "1" : nil) }
  }

  // MARK: - Statements

  /// Signs and keeps a statement under the next number, with what it changes here in one transaction.
  ///
  /// - Parameters:
  ///   - dataSet: what takes part, for a consent; whose ledger `cap` is for.
  ///   - cap: set with the statement, or neither.
  /// - Returns: the statement, to be sent by whoever speaks for this home.
  @discardableResult
  func state(
    _ kind: PartnerStatement.Kind, of enrolment: Enrolment, plan: Digest = .zero, roster: Digest = .zero, key: SigningKey,
    time: Int, dataSet: DataSetName? = nil, cap: PrivacyBudget? = nil
  ) throws -> PartnerStatement {
    try database.write { database in
      if let cap, let dataSet { try Self.set(cap: cap, of: dataSet, in: database) }
      return try Self.state(kind, of: enrolment, plan: plan, roster: roster, key: key, time: time, dataSet: dataSet, in: database)
    }
  }

  @discardableResult
  private static func state(
    _ kind: PartnerStatement.Kind, of enrolment: Enrolment, plan: Digest = .zero, roster: Digest = .zero, key: SigningKey,
    time: Int, dataSet: DataSetName? = nil, in database: Database
  ) throws -> PartnerStatement {
    guard let task = Hexadecimal.decode(enrolment.task), task.count == 16 else {
      throw PartnerError(.data, "the task '\(enrolment.task)' of this home is no task; restore a backup of the home")
    }
    let number = try nextStatement(in: database)
    let statement = PartnerStatement(
      kind, task: task, participant: enrolment.participant, number: UInt64(number), plan: plan, roster: roster,
      time: UInt64(max(0, time)), key: key)
    try database.execute(
      sql: "INSERT INTO statement (number, bytes) VALUES (?, ?)", arguments: [number, Data(statement.encoded)])
    switch kind {
    case .consent:
      try database.execute(
        sql: "UPDATE plan SET consent = ?, dataSet = ? WHERE hash = ?",
        arguments: [Data(statement.encoded), dataSet?.text, plan.hex])
    case .pause: try database.execute(sql: "INSERT OR REPLACE INTO setting VALUES ('paused', ?)", arguments: ["\(time)"])
    case .resume: try database.execute(sql: "DELETE FROM setting WHERE name IN ('paused', 'refused-by-cap')")
    case .leave: try database.execute(sql: "INSERT OR REPLACE INTO setting VALUES ('left', ?)", arguments: ["\(time)"])
    }
    return statement
  }

  /// Statements that the coordinator has not confirmed, oldest first.
  package func unsentStatements() throws -> [(number: Int64, bytes: [UInt8])] {
    try database.read { database in
      try Row.fetchAll(database, sql: "SELECT number, bytes FROM statement WHERE isSent = 0 ORDER BY number")
        .map { (number: $0["number"], bytes: Array($0["bytes"] as Data)) }
    }
  }

  /// Notes that the coordinator has a statement (1), or that it will not take it (2), and sending it again changes nothing.
  package func mark(statement number: Int64, isTaken: Bool) throws {
    try database.write {
      try $0.execute(sql: "UPDATE statement SET isSent = ? WHERE number = ?", arguments: [isTaken ? 1 : 2, number])
    }
  }

  /// Statements after this number that the coordinator had taken are to be sent again: it does not have them any more.
  func sendAgain(after number: UInt64) throws {
    let number = Int64(clamping: number)
    func lost(in database: Database) throws -> Int {
      try Int.fetchOne(
        database, sql: "SELECT count(*) FROM statement WHERE number > ? AND isSent = 1", arguments: [number]) ?? 0
    }
    guard try database.read(lost) > 0 else { return }
    try database.write {
      try $0.execute(sql: "UPDATE statement SET isSent = 0 WHERE number > ? AND isSent = 1", arguments: [number])
    }
  }

  // MARK: - Statements that this home has lost

  /// Takes the number of the newest statement that the coordinator has: in a home whose database was lost, numbers would begin at 1
  /// again, and the coordinator takes none that is not above those it has.
  ///
  /// Nobody has signed that number. So it leaves a home most of the numbers that there are, a home that has its statements no
  /// further behind than a copy can be, and holds until the next hello says another.
  func note(newestStatement number: UInt64) throws {
    func told(in database: Database) throws -> String? {
      let own = try Int64.fetchOne(database, sql: "SELECT max(number) FROM statement") ?? 0
      let most = try Self.hasConfirmed(in: database) ? own + Self.copiedMax : Self.lostMax
      guard number <= UInt64(most), Int64(number) > own else { return nil }
      return "\(number)"
    }
    let number = try database.read(told)
    guard try setting(.newestStatement) != number else { return }
    try set(.newestStatement, to: number)
  }

  /// A home whose database was lost goes on after this number at most: of the 10,000 that there are (Protocols/network.md, limits)
  /// some are always left.
  private static let lostMax: Int64 = 9_000
  /// Statements that a home which was restored from a copy may lack.
  private static let copiedMax: Int64 = 100

  /// Whether the coordinator has confirmed a statement that this database holds.
  private static func hasConfirmed(in database: Database) throws -> Bool {
    try Row.fetchOne(database, sql: "SELECT 1 FROM statement WHERE isSent = 1 LIMIT 1") != nil
  }

  private static func nextStatement(in database: Database) throws -> Int64 {
    let own = try Int64.fetchOne(database, sql: "SELECT max(number) FROM statement") ?? 0
    let told = try String.fetchOne(
      database, sql: "SELECT value FROM setting WHERE name = ?", arguments: [Setting.newestStatement.rawValue])
    return max(own, told.flatMap { Int64($0) } ?? 0) + 1
  }

  /// Signs the statements that are not confirmed once more, in their order, under numbers above all that are known: what a person
  /// stated in a home whose database was lost, before it heard how far its statements had come.
  ///
  /// - Returns: `false`, and nothing is changed, when the coordinator has confirmed anything that this database holds. Such a one was
  ///   not lost, it is an older copy, or the coordinator has a later statement of it: what was stated last might not be what stands
  ///   here, and only the person knows. Unless the partner leaves, after which nothing comes: then the leave is signed anew, and nothing
  ///   else of this copy is said.
  func renumberUnsent(key: SigningKey) throws -> Bool {
    try database.write { database in
      var rows = try Row.fetchAll(database, sql: "SELECT number, bytes FROM statement WHERE isSent = 0 ORDER BY number")
      if try Self.hasConfirmed(in: database) {
        let hasLeft = try String.fetchOne(
          database, sql: "SELECT value FROM setting WHERE name = ?", arguments: [Setting.hasLeft.rawValue])
        guard hasLeft != nil, let leave = rows.popLast() else { return false }
        for row in rows {
          try database.execute(sql: "UPDATE statement SET isSent = 2 WHERE number = ?", arguments: [row["number"] as Int64])
        }
        rows = [leave]
      }
      guard !rows.isEmpty else { return false }
      for row in rows {
        let bytes: Data = row["bytes"]
        guard let old = PartnerStatement(decoding: Array(bytes)) else {
          throw PartnerError(.data, "a statement in the partner's database is damaged; restore a backup of the home")
        }
        let number = try Self.nextStatement(in: database)
        let statement = PartnerStatement(
          old.kind, task: old.task, participant: old.participant, number: UInt64(number), plan: old.plan, roster: old.roster,
          time: old.time, key: key)
        try database.execute(
          sql: "UPDATE statement SET number = ?, bytes = ? WHERE number = ?",
          arguments: [number, Data(statement.encoded), row["number"] as Int64])
        try database.execute(
          sql: "UPDATE plan SET consent = ? WHERE consent = ?", arguments: [Data(statement.encoded), bytes])
      }
      return true
    }
  }

  // MARK: - Roster

  /// The newest roster that was pinned, as signed bytes.
  func newestRoster() throws -> [UInt8]? {
    try database.read { try Data.fetchOne($0, sql: "SELECT bytes FROM roster ORDER BY version DESC LIMIT 1").map(Array.init) }
  }

  func record(roster bytes: [UInt8], version: UInt64, time: Int) throws {
    try database.write { database in
      try database.execute(
        sql: "INSERT OR IGNORE INTO roster VALUES (?, ?, ?)", arguments: [Int64(clamping: version), Data(bytes), time])
    }
  }
}

/// Who a partner is in a task, and what it pinned when it enrolled.
public struct Enrolment: Sendable, Equatable {
  /// The task's id: 32 hexadecimal digits.
  public let task: String
  public internal(set) var participant: UInt32
  public let name: String
  /// The partner's own identity, as the roster names it.
  public let identity: VerificationKey
  /// The key that signs plans, rosters, rounds and releases.
  public internal(set) var coordinatorKey: VerificationKey
  /// Keys that signed before it (`KeyTrust`): what they signed stays verifiable in this home, and nothing new of theirs is taken.
  public internal(set) var earlierKeys: [VerificationKey] = []
  /// SHA-256 of the certificate authority's certificate.
  public let authority: Digest
  /// host:port of the training listener.
  public let trainingAddress: String
  /// Seconds since 1970, by the partner's clock.
  public let enrolledAt: Int
}
