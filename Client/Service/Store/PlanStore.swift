public import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import GRDB
internal import SecureAggregation
internal import TaskDatabase

/// A plan as it came, with what this partner made of it.
public struct StoredPlan: Sendable {
  public let hash: Digest
  public let bytes: [UInt8]
  public let signature: Signature
  /// The data set that takes part; set with the consent.
  public let dataSet: DataSetName?
  /// The signed consent; `nil` while the plan is not accepted.
  public let consent: [UInt8]?
  /// How the plan ended, in words; `nil` while it may go on.
  public let end: String?

  public var isAccepted: Bool { consent != nil }
}

extension PartnerStore {
  /// Keeps a plan that was signed by the pinned key; one that is there already stays as it is.
  func record(plan file: PlanFile, signature: Signature, time: Int) throws {
    try database.write { database in
      try database.execute(
        sql: """
          INSERT INTO plan (hash, session, bytes, signature, receivedAt) VALUES (?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING
          """,
        arguments: [
          SHA256.hash(file.bytes).hex, file.plan.session, Data(file.bytes), Data(signature.bytes), time,
        ])
    }
  }

  public func plan(_ hash: Digest) throws -> StoredPlan? {
    try database.read { try Row.fetchOne($0, sql: "SELECT * FROM plan WHERE hash = ?", arguments: [hash.hex]).map(Self.plan) }
  }

  /// All plans, the newest first.
  public func plans() throws -> [StoredPlan] {
    try database.read { try Row.fetchAll($0, sql: "SELECT * FROM plan ORDER BY receivedAt DESC, hash").map(Self.plan) }
  }

  /// The plan that was accepted last.
  public func newestAcceptedPlan() throws -> StoredPlan? { try plans().first(where: \.isAccepted) }

  func recordEnd(of plan: Digest, _ sentence: String) throws {
    try database.write { try $0.execute(sql: "UPDATE plan SET end = ? WHERE hash = ?", arguments: [sentence, plan.hex]) }
  }

  private static func plan(_ row: Row) throws -> StoredPlan {
    guard let hash = Digest(hex: row["hash"]), let signature = Signature(bytes: Array(row["signature"] as Data)) else {
      throw PartnerError(.data, "a plan in the partner's database is damaged; restore a backup of the home")
    }
    return StoredPlan(
      hash: hash, bytes: Array(row["bytes"] as Data), signature: signature,
      dataSet: try (row["dataSet"] as String?).map { try DataSetName($0) },
      consent: (row["consent"] as Data?).map(Array.init), end: row["end"])
  }

  // MARK: - Catalogues

  func record(catalogue bytes: [UInt8], hash: String) throws {
    try database.write { try $0.execute(sql: "INSERT OR REPLACE INTO catalogue VALUES (?, ?)", arguments: [hash, Data(bytes)]) }
  }

  /// The document of a catalogue, by the hash that plans name.
  func catalogue(_ hash: String) throws -> [UInt8]? {
    try database.read { database in
      try Data.fetchOne(database, sql: "SELECT bytes FROM catalogue WHERE hash = ?", arguments: [hash]).map(Array.init)
    }
  }

  // MARK: - Attempts, for people

  /// What became of an attempt; the newest word counts.
  func note(_ event: String, session: String, round: UInt32, attempt: UInt32, time: Int) throws {
    try database.write { database in
      try database.execute(
        sql: "INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?, ?)", arguments: [session, round, attempt, event, time])
    }
  }

  /// One attempt that this partner met.
  public struct AttemptNote: Sendable, Equatable {
    public let round: Int
    public let attempt: Int
    public let event: String
    public let time: Int
  }

  /// The newest attempts of a plan's session, newest first.
  public func attempts(session: String, limit: Int) throws -> [AttemptNote] {
    try database.read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM attempt WHERE session = ? ORDER BY round DESC, attempt DESC LIMIT ?",
        arguments: [session, limit]
      ).map { AttemptNote(round: $0["round"], attempt: $0["attempt"], event: $0["event"], time: $0["time"]) }
    }
  }
}
