public import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import GRDB
internal import PeerIdentity
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

  /// The number of the statement that accepted it: later consents have larger ones.
  var consentNumber: UInt64 { consent.flatMap { PartnerStatement(decoding: $0) }?.number ?? 0 }
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

  /// The plans that this partner has accepted, the newest consent first.
  public func acceptedPlans() throws -> [StoredPlan] {
    try plans().filter(\.isAccepted).sorted { $0.consentNumber > $1.consentNumber }
  }

  /// The plans that the charges of this home's ledgers may be of, by the hash of their bytes: those that came, and those that lie
  /// beside the ledgers. One that this version cannot read is as one that is not there.
  func trainingPlans(of home: PartnerHome) throws -> [Digest: TrainingPlan] {
    try plans().reduce(into: try home.keptPlans()) { known, stored in
      let hash = SHA256.hash(stored.bytes)
      if known[hash] == nil { known[hash] = try? PlanFile(bytes: stored.bytes).plan }
    }
  }

  /// The plan that was accepted last.
  public func newestAcceptedPlan() throws -> StoredPlan? { try acceptedPlans().first }

  /// The plan whose hash begins with `prefix`, at least 8 hexadecimal digits.
  ///
  /// - Throws: `PartnerError` when there is none, or more than one.
  public func plan(beginningWith prefix: String) throws -> StoredPlan {
    let plans = try plans()
    let matches = plans.filter { $0.hash.hex.hasPrefix(prefix.lowercased()) }
    guard prefix.count >= 8, matches.count == 1 else {
      let known = plans.map { "\($0.hash.hex.prefix(16))\($0.isAccepted ? "" : " (not accepted)")" }.joined(separator: ", ")
      throw PartnerError(
        .usage,
        "no single plan of this home begins with '\(prefix)' (give at least 8 digits); the home has \(known.isEmpty ? "none" : known)"
      )
    }
    return matches[0]
  }

  /// Keeps how a plan ended; the first word counts.
  ///
  /// - Returns: whether that is new; `false` for a plan that this home has not seen.
  @discardableResult
  func noteEnd(of plan: Digest, _ sentence: String) throws -> Bool {
    guard let known = try self.plan(plan), known.end == nil else { return false }
    try database.write { try $0.execute(sql: "UPDATE plan SET end = ? WHERE hash = ?", arguments: [sentence, plan.hex]) }
    return true
  }

  /// Notes that the coordinator works on this plan: a task has one plan at a time, so that all others are over, whether this home
  /// heard of their end or was away. A plan that comes back (a coordinator restored from a backup) goes on, unless its data are gone.
  func noteCurrent(_ plan: Digest) throws {
    let others = "hash <> ? AND end IS NULL"
    let itself = """
      hash = ? AND isReplaced = 1
      AND NOT EXISTS (SELECT 1 FROM dataSet WHERE dataSet.name = plan.dataSet AND removedAt IS NOT NULL)
      """
    func isNews(in database: Database) throws -> Bool {
      try Row.fetchOne(
        database, sql: "SELECT 1 FROM plan WHERE (\(others)) OR (\(itself))", arguments: [plan.hex, plan.hex]) != nil
    }
    // Asked at every poll that brings no plan under way: read first.
    guard try database.read(isNews) else { return }
    try database.write { database in
      try database.execute(
        sql: "UPDATE plan SET end = ?, isReplaced = 1 WHERE \(others)",
        arguments: ["replaced by plan \(plan.hex.prefix(16))…", plan.hex])
      try database.execute(sql: "UPDATE plan SET end = NULL, isReplaced = 0 WHERE \(itself)", arguments: [plan.hex])
    }
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

  package func record(catalogue bytes: [UInt8], hash: String) throws {
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
