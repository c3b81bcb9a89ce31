public import CryptoPrimitives
internal import FederatedLearning
public import Foundation
internal import GRDB
internal import SecureAggregation
internal import TaskDatabase

/// A partner that has enrolled.
public struct PartnerRecord: Sendable, Equatable {
  public let participant: UInt32
  public let name: String
  /// Its Ed25519 identity, made at the partner.
  public let verificationKey: VerificationKey
  public let enrolledAt: Date
  /// When its access was withdrawn, if it was.
  public let revokedAt: Date?

  public var isActive: Bool { revokedAt == nil }

  init(_ row: Row) throws {
    participant = row["participant"]
    name = row["name"]
    verificationKey = try VerificationKey(column: row["verificationKey"], "verificationKey")
    enrolledAt = Date(timeIntervalSince1970: row["enrolledAt"])
    revokedAt = (row["revokedAt"] as Int64?).map { Date(timeIntervalSince1970: Double($0)) }
  }
}

/// An invitation that is open, used, over or withdrawn. The secret itself is not kept, only its hash.
public struct InvitationRecord: Sendable, Equatable {
  public let name: String
  public let createdAt: Date
  public let expiresAt: Date
  public let withdrawnAt: Date?
  /// Whom it enrolled.
  public let participant: UInt32?

  init(_ row: Row) {
    name = row["name"]
    createdAt = Date(timeIntervalSince1970: row["createdAt"])
    expiresAt = Date(timeIntervalSince1970: row["expiresAt"])
    withdrawnAt = (row["withdrawnAt"] as Int64?).map { Date(timeIntervalSince1970: Double($0)) }
    participant = row["participant"]
  }
}

/// What an access by certificate comes to.
public enum AccessVerdict: Sendable, Equatable {
  case granted
  /// The task does not know this participant or this certificate.
  case unknown
  case revoked
  case expired
}

extension CoordinatorStore {
  /// Every partner that ever enrolled, by number.
  public func partners() throws -> [PartnerRecord] {
    try database.read { try Row.fetchAll($0, sql: "SELECT * FROM participants ORDER BY participant").map(PartnerRecord.init) }
  }

  public func partner(_ participant: UInt32) throws -> PartnerRecord? {
    try database.read {
      try Row.fetchOne($0, sql: "SELECT * FROM participants WHERE participant = ?", arguments: [participant]).map(
        PartnerRecord.init)
    }
  }

  /// Whether a certificate opens the door now, and which of the participant's processes said hello last; asked anew at every
  /// call, so that `revoke` by another process counts at once.
  ///
  /// - Parameter certificate: `nil` on a loopback without certificates.
  public func access(participant: UInt32, certificate: Digest?, now: Date) throws -> (verdict: AccessVerdict, instance: [UInt8]?)
  {
    try database.read { database in
      guard
        let row = try Row.fetchOne(
          database,
          sql: """
            SELECT p.revokedAt, p.instance, c.notAfter FROM participants p
            LEFT JOIN certificates c ON c.participant = p.participant AND c.fingerprint = ?
            WHERE p.participant = ?
            """, arguments: [certificate?.data, participant])
      else { return (.unknown, nil) }
      let instance = (row["instance"] as Data?).map { Array($0) }
      guard row["revokedAt"] as Int64? == nil else { return (.revoked, instance) }
      guard certificate != nil else { return (.granted, instance) }
      guard let notAfter = row["notAfter"] as Int64? else { return (.unknown, instance) }
      return (Double(notAfter) >= now.timeIntervalSince1970 ? .granted : .expired, instance)
    }
  }

  /// The process of this participant that said hello last; those before it are refused from here on.
  public func set(instance: [UInt8], of participant: UInt32) throws {
    try database.write { database in
      let known = try Data.fetchOne(
        database, sql: "SELECT instance FROM participants WHERE participant = ?", arguments: [participant])
      if known != Data(instance) { try Self.askAgain(participant, in: database) }
      try database.execute(
        sql: "UPDATE participants SET instance = ? WHERE participant = ?", arguments: [Data(instance), participant])
    }
  }

  /// Keeps a certificate that was issued, so that it opens the door.
  func add(certificate: Digest, serial: String, participant: UInt32, notAfter: Date, in database: Database) throws {
    try database.execute(
      sql: "INSERT INTO certificates (fingerprint, serial, participant, notAfter) VALUES (?, ?, ?, ?)",
      arguments: [certificate.data, serial, participant, Int64(notAfter.timeIntervalSince1970)])
    // Certificates are short-lived; what ended a month ago opens no door and need not be kept.
    try database.execute(
      sql: "DELETE FROM certificates WHERE notAfter < ?", arguments: [Int64(notAfter.timeIntervalSince1970) - 120 * 86_400])
  }

  /// Withdraws a partner's access, and its open invitations.
  ///
  /// - Returns: the partner as it is now; `nil` when no partner has this name.
  public func revoke(name: String, now: Date) throws -> PartnerRecord? {
    try database.write { database in
      let time = Int64(now.timeIntervalSince1970)
      try database.execute(
        sql: "UPDATE participants SET revokedAt = ? WHERE name = ? AND revokedAt IS NULL", arguments: [time, name])
      try database.execute(
        sql: "UPDATE invitations SET withdrawnAt = ? WHERE name = ? AND participant IS NULL AND withdrawnAt IS NULL",
        arguments: [time, name])
      return try Row.fetchOne(database, sql: "SELECT * FROM participants WHERE name = ?", arguments: [name]).map(
        PartnerRecord.init)
    }
  }

  // MARK: - Rosters

  /// The newest signed roster.
  public func newestRoster() throws -> (version: UInt64, bytes: [UInt8])? {
    try database.read { try Self.newestRoster(in: $0) }
  }

  static func newestRoster(in database: Database) throws -> (version: UInt64, bytes: [UInt8])? {
    try Row.fetchOne(database, sql: "SELECT version, bytes FROM rosters ORDER BY version DESC LIMIT 1").map {
      (UInt64($0["version"] as Int64), Array($0["bytes"] as Data))
    }
  }

  /// Makes the next version of the roster from the partners as they are in this transaction.
  ///
  /// - Parameter sign: from version, partners and time to the signed bytes.
  @discardableResult
  public func issueRoster(now: Date, sign: (UInt64, [PartnerRecord]) throws -> [UInt8]) throws -> [UInt8] {
    try database.write { try Self.issueRoster(now: now, in: $0, sign: sign) }
  }

  static func issueRoster(now: Date, in database: Database, sign: (UInt64, [PartnerRecord]) throws -> [UInt8]) throws -> [UInt8] {
    try issueRoster(version: (try newestRoster(in: database)?.version ?? 0) + 1, now: now, in: database, sign: sign)
  }

  static func issueRoster(
    version: UInt64, now: Date, in database: Database, sign: (UInt64, [PartnerRecord]) throws -> [UInt8]
  ) throws -> [UInt8] {
    let partners = try Row.fetchAll(database, sql: "SELECT * FROM participants ORDER BY participant").map(PartnerRecord.init)
    let bytes = try sign(version, partners)
    try database.execute(
      sql: "INSERT INTO rosters (version, bytes, issuedAt) VALUES (?, ?, ?)",
      arguments: [Int64(version), Data(bytes), Int64(now.timeIntervalSince1970)])
    return bytes
  }

  // MARK: - Ledger heads that partners showed

  /// What a participant's ledgers looked like when it last showed them: data set, records, chain hash.
  public func partnerLedgers(_ participant: UInt32) throws -> [(dataset: String, size: UInt64, head: Digest)] {
    try database.read { database in
      try Row.fetchAll(
        database, sql: "SELECT dataset, size, head FROM partnerLedgers WHERE participant = ? ORDER BY dataset",
        arguments: [participant]
      ).map { ($0["dataset"], UInt64(bitPattern: $0["size"] as Int64), try Digest(column: $0["head"], "head")) }
    }
  }

  /// Keeps the longest ledgers that a participant has shown. A head of zero stands for one that is not known: the participant has
  /// charged since (`LedgerHead.afterCharge`).
  ///
  /// - Returns: `nil`, or the data set whose ledger is shorter than one shown before, or as long and another; nothing of
  ///   this call is kept then.
  public func record(ledgers: [(dataset: String, size: UInt64, head: Digest)], of participant: UInt32) throws -> String? {
    struct RolledBack: Error { let dataset: String }
    do {
      try database.write { database in
        for ledger in ledgers {
          guard try Self.record(ledger, of: participant, in: database) else { throw RolledBack(dataset: ledger.dataset) }
        }
      }
      return nil
    } catch let error as RolledBack { return error.dataset }
  }

  static func record(
    _ ledger: (dataset: String, size: UInt64, head: Digest), of participant: UInt32, in database: Database
  ) throws -> Bool {
    let row = try Row.fetchOne(
      database, sql: "SELECT size, head FROM partnerLedgers WHERE participant = ? AND dataset = ?",
      arguments: [participant, ledger.dataset])
    if let row {
      let known = LedgerHead(size: UInt64(bitPattern: row["size"] as Int64), head: try Digest(column: row["head"], "head"))
      let shown = LedgerHead(size: ledger.size, head: ledger.head)
      guard shown.goesOn(from: known) else { return false }
      if shown == known { return true }
    }
    try database.execute(
      sql: "INSERT OR REPLACE INTO partnerLedgers (participant, dataset, size, head) VALUES (?, ?, ?, ?)",
      arguments: [participant, ledger.dataset, Int64(bitPattern: ledger.size), ledger.head.data])
    return true
  }
}
