internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import GRDB
package import SecureAggregation
internal import Synchronization
internal import TaskDatabase

/// Which attempt of which run.
package struct AttemptKey: Sendable, Hashable {
  let session: SessionID
  let round: UInt32
  let attempt: UInt32

  package init(session: SessionID, round: UInt32, attempt: UInt32) {
    self.session = session
    self.round = round
    self.attempt = attempt
  }

  init(_ start: RoundStart) { self.init(session: start.session, round: start.round, attempt: start.attempt) }

  var arguments: StatementArguments { [session.data, Int64(round), Int64(attempt)] }
}

/// One event that the engine accepted, as the journal keeps it: enough to tell the engine the same thing again.
struct JournalEvent: Sendable, Equatable {
  enum Content: Sendable, Equatable {
    /// A stage had its time, or was closed early.
    case deadline(generation: Int)
    /// A message in the journal itself.
    case message(participant: UInt32, kind: UInt32, bytes: [UInt8])
    /// A message that stays a file of the spool, by name and SHA-256.
    case file(participant: UInt32, kind: UInt32, name: String, digest: Digest)
  }

  let content: Content
  /// Seconds since 1970, as the engine was told.
  let time: Int
}

/// An attempt as the journal knows it.
struct AttemptRecord: Sendable {
  let key: AttemptKey
  let openedAt: Date
  /// The encoded `CoordinatorMessage` that opened it; `nil` once it is over.
  let start: [UInt8]?
  /// How it ended; `nil` while it is open.
  let outcome: String?
  /// The encoded message that told the partners of the end, and its place among the messages to each of them.
  let farewell: [UInt8]?
  let ordinals: [UInt32: UInt32]
}

extension CoordinatorStore {
  /// The state between attempts that was written last; `nil` before the first attempt of a plan is over.
  func checkpoint(of session: SessionID) throws -> CoordinatorCheckpoint? {
    let bytes = try database.read {
      try Data.fetchOne($0, sql: "SELECT bytes FROM checkpoints WHERE session = ?", arguments: [session.data])
    }
    return try bytes.map { try CoordinatorCheckpoint(decoding: Array($0)) }
  }

  /// The newest attempt of a run: open, or the last that was.
  func newestAttempt(of session: SessionID) throws -> AttemptRecord? {
    try database.read { database in
      let row = try Row.fetchOne(
        database, sql: "SELECT * FROM attempts WHERE session = ? ORDER BY round DESC, attempt DESC LIMIT 1",
        arguments: [session.data])
      return row.map { row in
        AttemptRecord(
          key: AttemptKey(session: session, round: row["round"], attempt: row["attempt"]),
          openedAt: Date(timeIntervalSince1970: row["openedAt"]), start: (row["start"] as Data?).map { Array($0) },
          outcome: row["outcome"], farewell: (row["farewell"] as Data?).map { Array($0) },
          ordinals: Self.ordinals(row["ordinals"]))
      }
    }
  }

  /// Whether the newest attempt of a run is not over.
  package func hasOpenAttempt(_ session: SessionID) throws -> Bool {
    try newestAttempt(of: session).map { $0.outcome == nil } ?? false
  }

  /// Round and attempt of the newest attempt of a run.
  package func newestPlace(_ session: SessionID) throws -> (round: UInt32, attempt: UInt32)? {
    try newestAttempt(of: session).map { ($0.key.round, $0.key.attempt) }
  }

  /// When the first attempt at a round was opened; schedules count from there.
  func opening(of round: Int, session: SessionID) throws -> Date? {
    try database.read {
      try Int64.fetchOne(
        $0, sql: "SELECT min(openedAt) FROM attempts WHERE session = ? AND round = ?", arguments: [session.data, round]
      ).map { Date(timeIntervalSince1970: Double($0)) }
    }
  }

  /// Keeps the opening of an attempt; from here on no other bytes can open it.
  func open(_ key: AttemptKey, start: [UInt8], now: Date, _ lease: Lease) throws {
    try write(lease) { database in
      try database.execute(
        sql: "INSERT INTO attempts (session, round, attempt, openedAt, start) VALUES (?, ?, ?, ?, ?)",
        arguments: key.arguments + [Int64(now.timeIntervalSince1970), Data(start)])
    }
  }

  /// Keeps what the engine accepted, in order, together with the ledger heads that partners showed in it.
  func append(
    _ events: [JournalEvent], ledgers: [(participant: UInt32, head: LedgerHead)], refusals: [RefusalChange] = [],
    to key: AttemptKey, _ lease: Lease
  ) throws {
    try write(lease) { database in
      try Self.keep(refusals, in: key, time: Int64(events.last?.time ?? 0), in: database)
      for event in events {
        var (generation, participant, kind): (Int?, UInt32?, UInt32?) = (nil, nil, nil)
        var (payload, file, digest): (Data?, String?, Data?) = (nil, nil, nil)
        switch event.content {
        case .deadline(let expired): generation = expired
        case .message(let sender, let field, let bytes): (participant, kind, payload) = (sender, field, Data(bytes))
        case .file(let sender, let field, let name, let hash):
          (participant, kind, file, digest) = (sender, field, name, hash.data)
        }
        try database.execute(
          sql: """
            INSERT INTO events (session, round, attempt, time, generation, participant, kind, payload, file, digest)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: key.arguments + [Int64(event.time), generation, participant, kind, payload, file, digest])
      }
      for ledger in ledgers {
        _ = try Self.record(
          (dataset: Self.advertisedLedger, size: ledger.head.size, head: ledger.head.head), of: ledger.participant, in: database)
      }
    }
  }

  /// Key advertisements do not say which data set their ledger counts for; they are kept under this name.
  static let advertisedLedger = ""

  /// Everything that the engine accepted in an attempt, in order.
  func events(of key: AttemptKey) throws -> [JournalEvent] {
    try database.read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM events WHERE session = ? AND round = ? AND attempt = ? ORDER BY sequence",
        arguments: key.arguments
      ).map { row in
        let time = Int(row["time"] as Int64)
        if let generation = row["generation"] as Int? {
          return JournalEvent(content: .deadline(generation: generation), time: time)
        }
        guard let participant = row["participant"] as UInt32?, let kind = row["kind"] as UInt32? else {
          throw StoreError.corrupt("an event of the journal is neither a message nor a deadline")
        }
        if let file = row["file"] as String? {
          let digest = try Digest(column: row["digest"], "digest")
          return JournalEvent(content: .file(participant: participant, kind: kind, name: file, digest: digest), time: time)
        }
        guard let payload = row["payload"] as Data? else { throw StoreError.corrupt("a message of the journal has no bytes") }
        return JournalEvent(content: .message(participant: participant, kind: kind, bytes: Array(payload)), time: time)
      }
    }
  }

  /// What the end of an attempt leaves behind, kept in one transaction; its journal is erased with it.
  struct AttemptEnd: Sendable {
    var outcome: String
    var checkpoint: CoordinatorCheckpoint
    var release: ReleaseRecord?
    /// Why the whole run is over, when it is.
    var end: String?
    var farewell: [UInt8]?
    var ordinals: [UInt32: UInt32] = [:]
  }

  /// - Parameter key: `nil` when the run ended between attempts.
  func close(_ key: AttemptKey?, of session: SessionID, _ end: AttemptEnd, now: Date, _ lease: Lease) throws {
    let time = Int64(now.timeIntervalSince1970)
    try write(lease) { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO checkpoints (session, bytes) VALUES (?, ?)",
        arguments: [session.data, Data(end.checkpoint.encoded())])
      if let key {
        try database.execute(
          sql: """
            UPDATE attempts SET endedAt = ?, outcome = ?, farewell = ?, ordinals = ?, start = NULL
            WHERE session = ? AND round = ? AND attempt = ?
            """,
          arguments: [time, end.outcome, end.farewell.map { Data($0) }, Self.bytes(end.ordinals)] + key.arguments)
        try database.execute(sql: "DELETE FROM events WHERE session = ? AND round = ? AND attempt = ?", arguments: key.arguments)
        // The sum is public from here on, or will never be.
        try database.execute(
          sql: "DELETE FROM noisedSums WHERE session = ? AND round = ? AND attempt = ?", arguments: key.arguments)
        try Self.count(end.release == nil ? "attempts.aborted" : "attempts.released", in: database)
      }
      if let release = end.release { try Self.insert(release, session: session, time: time, in: database) }
      if let reason = end.end {
        try database.execute(
          sql: "UPDATE plans SET endedAt = coalesce(endedAt, ?), end = coalesce(end, ?) WHERE session = ?",
          arguments: [time, reason, session.data])
      }
    }
    // The journal of a sum with central noise could yield the sum without: its rows are overwritten, and its log emptied.
    // When that fails now, it is tried again: `erase`.
    if key != nil {
      isErasureDue.withLock { $0 = true }
      try? erase()
    }
  }

  /// Empties the log after an attempt, if that has not been done.
  func erase() throws {
    guard isErasureDue.withLock({ $0 }) else { return }
    try database.emptyLog()
    isErasureDue.withLock { $0 = false }
  }

  /// Attempts of this plan that came to nothing, and how the last of them ended.
  package func failedAttempts(of session: SessionID) throws -> (
    count: Int, last: (round: UInt32, attempt: UInt32, outcome: String)?
  ) {
    try database.read { database in
      let rows = try Row.fetchAll(
        database,
        sql: """
          SELECT a.round, a.attempt, a.outcome FROM attempts a
          LEFT JOIN releases r ON r.session = a.session AND r.round = a.round AND r.attempt = a.attempt
          WHERE a.session = ? AND a.endedAt IS NOT NULL AND r.session IS NULL ORDER BY a.round, a.attempt
          """, arguments: [session.data])
      return (rows.count, rows.last.map { ($0["round"], $0["attempt"], $0["outcome"] ?? "") })
    }
  }

  /// Counts since the state folder was made, by name.
  func counters() throws -> [String: Int] {
    try database.read { database in
      let rows = try Row.fetchAll(database, sql: "SELECT name, value FROM counters")
      return Dictionary(uniqueKeysWithValues: rows.map { ($0["name"] as String, $0["value"] as Int) })
    }
  }

  private static func count(_ name: String, in database: Database) throws {
    try database.execute(
      sql: "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1",
      arguments: [name])
  }

  /// 4 bytes participant and 4 bytes ordinal each, little-endian.
  private static func bytes(_ ordinals: [UInt32: UInt32]) -> Data {
    var data = Data()
    for (participant, ordinal) in ordinals.sorted(by: { $0.key < $1.key }) {
      for value in [participant, ordinal] { withUnsafeBytes(of: value.littleEndian) { data.append(contentsOf: $0) } }
    }
    return data
  }

  private static func ordinals(_ data: Data?) -> [UInt32: UInt32] {
    let bytes = Array(data ?? Data())
    func value(_ offset: Int) -> UInt32 { bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) } }
    var ordinals: [UInt32: UInt32] = [:]
    for offset in stride(from: 0, to: bytes.count / 8 * 8, by: 8) { ordinals[value(offset)] = value(offset + 4) }
    return ordinals
  }
}
