internal import CryptoPrimitives
public import FederatedLearning
internal import Foundation
internal import GRDB
public import SecureAggregation
internal import TaskDatabase

/// The engine's memory in the partner's database: every line is on disk when a call returns.
extension PartnerStore: PartnerJournal {
  public func highWaterMark(session: SessionID) throws -> AttemptMark? {
    try database.read { database in
      try Row.fetchOne(database, sql: "SELECT * FROM mark WHERE session = ?", arguments: [session.hex])
        .map { AttemptMark(round: $0["round"], attempt: $0["attempt"], stage: $0["stage"]) }
    }
  }

  public func advance(to mark: AttemptMark, session: SessionID) throws {
    if let known = try highWaterMark(session: session), mark <= known {
      if mark == known { return }
      throw PartnerError(.rolledBack, "the mark of session \(session) cannot go back from \(known) to \(mark)")
    }
    try database.write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO mark VALUES (?, ?, ?, ?)",
        arguments: [session.hex, mark.round, mark.attempt, mark.stage])
    }
  }

  public func coordinatorHead(session: SessionID) throws -> LedgerHead? {
    try database.read { database in
      try Row.fetchOne(database, sql: "SELECT * FROM coordinatorHead WHERE session = ?", arguments: [session.hex])
        .flatMap { LedgerHead(size: $0["size"] as Int64, bytes: $0["head"] as Data) }
    }
  }

  public func record(coordinatorHead head: LedgerHead, session: SessionID) throws {
    try database.write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO coordinatorHead VALUES (?, ?, ?)",
        arguments: [session.hex, Int64(clamping: head.size), Data(head.head.bytes)])
    }
  }

  public func shownHead(session: SessionID) throws -> LedgerHead? {
    try database.read { database in
      try Row.fetchOne(database, sql: "SELECT * FROM shownHead WHERE session = ?", arguments: [session.hex])
        .flatMap { LedgerHead(size: $0["size"] as Int64, bytes: $0["head"] as Data) }
    }
  }

  public func record(shownHead head: LedgerHead, session: SessionID) throws {
    try database.write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO shownHead VALUES (?, ?, ?)",
        arguments: [session.hex, Int64(clamping: head.size), Data(head.head.bytes)])
    }
  }

  public func newestWitness(session: SessionID) throws -> LedgerWitness? {
    try database.read { database in
      try String.fetchOne(database, sql: "SELECT document FROM witness WHERE session = ?", arguments: [session.hex])
    }.map { try LedgerWitness(json: CanonicalJSON(canonical: Array($0.utf8))) }
  }

  public func record(witness: LedgerWitness, session: SessionID) throws {
    try database.write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO witness VALUES (?, ?)", arguments: [session.hex, witness.json.text])
    }
  }

  public func peerHeads(session: SessionID) throws -> [ParticipantID: LedgerHead] {
    try database.read { database in
      var heads: [ParticipantID: LedgerHead] = [:]
      for row in try Row.fetchAll(database, sql: "SELECT * FROM peerHead WHERE session = ?", arguments: [session.hex]) {
        heads[ParticipantID(row["participant"] as UInt32)] = LedgerHead(size: row["size"] as Int64, bytes: row["head"] as Data)
      }
      return heads
    }
  }

  public func record(peerHeads heads: [ParticipantID: LedgerHead], session: SessionID) throws {
    try database.write { database in
      for (participant, head) in heads {
        try database.execute(
          sql: "INSERT OR REPLACE INTO peerHead VALUES (?, ?, ?, ?)",
          arguments: [session.hex, participant.rawValue, Int64(clamping: head.size), Data(head.head.bytes)])
      }
    }
  }

  public func newestRelease(session: SessionID) throws -> ModelRelease? {
    try database.read { database in
      try Data.fetchOne(
        database, sql: "SELECT bytes FROM release WHERE session = ? ORDER BY round DESC LIMIT 1", arguments: [session.hex])
    }.map { try ModelRelease(decoding: Array($0)) }
  }

  public func record(release: ModelRelease, session: SessionID) throws {
    try database.write { database in
      try database.execute(
        sql: """
          INSERT INTO release (session, round, version, bytes) VALUES (?, ?, ?, ?)
          ON CONFLICT (session, round) DO UPDATE SET bytes = excluded.bytes
          """,
        arguments: [session.hex, release.round, release.version, Data(release.encoded())])
    }
  }

  public func evaluations(session: SessionID) throws -> [EvaluationDocument] {
    try database.read { database in
      try Data.fetchAll(
        database, sql: "SELECT document FROM evaluation WHERE session = ? ORDER BY round", arguments: [session.hex])
    }.map { try EvaluationDocument(decoding: Array($0)) }
  }

  public func record(evaluation: EvaluationDocument, session: SessionID) throws {
    try database.write { database in
      try database.execute(
        sql: "INSERT OR IGNORE INTO evaluation VALUES (?, ?, ?)",
        arguments: [session.hex, evaluation.statement.round, Data(evaluation.encoded())])
    }
  }

  // MARK: - Models

  /// Keeps the model of a release that was verified; models of earlier releases are dropped.
  func record(model: [UInt8], of release: ModelRelease) throws {
    try database.write { database in
      try database.execute(
        sql: "UPDATE release SET model = ? WHERE session = ? AND round = ?",
        arguments: [Data(model), release.session.hex, release.round])
      try database.execute(
        sql: "UPDATE release SET model = NULL WHERE session = ? AND round < ?",
        arguments: [release.session.hex, release.round])
    }
  }

  /// The newest release of a session whose model is here.
  func newestModel(session: SessionID) throws -> (release: ModelRelease, model: [UInt8])? {
    try database.read { database in
      try Row.fetchOne(
        database,
        sql: "SELECT bytes, model FROM release WHERE session = ? AND model IS NOT NULL ORDER BY round DESC LIMIT 1",
        arguments: [session.hex])
    }.map { (try ModelRelease(decoding: Array($0["bytes"] as Data)), Array($0["model"] as Data)) }
  }

  /// All releases of a session, oldest first.
  func releases(session: SessionID) throws -> [ModelRelease] {
    try database.read { database in
      try Data.fetchAll(database, sql: "SELECT bytes FROM release WHERE session = ? ORDER BY round", arguments: [session.hex])
    }.map { try ModelRelease(decoding: Array($0)) }
  }
}

extension LedgerHead {
  /// A head from a row; `nil` when the digest has not 32 bytes.
  init?(size: Int64, bytes: Data) {
    guard let digest = Digest(bytes: Array(bytes)) else { return nil }
    self.init(size: UInt64(clamping: size), head: digest)
  }
}
