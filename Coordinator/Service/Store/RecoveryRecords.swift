internal import CryptoPrimitives
internal import Foundation
internal import GRDB
internal import PeerIdentity
internal import TaskDatabase

/// What a database that is about to be replaced by a backup still says.
struct KnownState: Sendable {
  let partners: [PartnerRecord]
  let rosterVersion: UInt64
  let nextParticipant: UInt32
  /// Keys that signed before the present one.
  let earlierKeys: [VerificationKey]
  /// Since when enrolments may be unknown to it, in seconds since 1970.
  let enrolmentsLostSince: Int64?
  /// The stamp of the newest backup that was made of it.
  let newestBackup: Int64?
}

/// What became of partners when a backup was restored.
struct RecoveredPartners: Sendable, Equatable {
  /// After what time enrolments and revocations may be unknown, here and to the replaced database; `nil` when all are known.
  var lostSince: Date?
  /// Whose revocation only the replaced database knew.
  var revoked: [String] = []
  /// Who enrolled after the backup, as only the replaced database knew.
  var added: [String] = []
  /// Whose open invitations were withdrawn: whether they were used after the backup, nobody knows.
  var withdrawn: [String] = []
}

extension CoordinatorStore {
  /// Numbers that are there once, by name.
  enum Counter: String {
    /// The least number that the next partner may have.
    case nextParticipant = "participants.next"
    /// Until when certificates of the task's authority are taken that this database does not know, in seconds since 1970.
    case certificatesLostUntil = "certificates.lost-until"
    /// After what time enrolments may be unknown to this database, in seconds since 1970; there until a person says that all are back.
    case enrolmentsLostSince = "enrolments.lost-since"
    /// In a backup only: when it was made, in seconds since 1970.
    case backedUpAt = "backup.time"
    /// Of the newest backup, in it and in what it is a copy of: larger than all before it, and a time where clocks are right.
    case newestBackup = "backup.newest"
  }

  static func counter(_ name: Counter, in database: Database) throws -> Int64? {
    try Int64.fetchOne(database, sql: "SELECT value FROM counters WHERE name = ?", arguments: [name.rawValue])
  }

  static func set(_ name: Counter, to value: Int64, in database: Database) throws {
    try database.execute(sql: "INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)", arguments: [name.rawValue, value])
  }

  static func remove(_ name: Counter, in database: Database) throws {
    try database.execute(sql: "DELETE FROM counters WHERE name = ?", arguments: [name.rawValue])
  }

  // MARK: - Restoring

  func knownState() throws -> KnownState {
    let earlierKeys = try successions().map(\.old)
    return try database.read { database in
      KnownState(
        partners: try Row.fetchAll(database, sql: "SELECT * FROM participants ORDER BY participant").map(PartnerRecord.init),
        rosterVersion: try Self.newestRoster(in: database)?.version ?? 0,
        nextParticipant: try Self.nextParticipant(in: database), earlierKeys: earlierKeys,
        enrolmentsLostSince: try Self.counter(.enrolmentsLostSince, in: database),
        newestBackup: try Self.counter(.newestBackup, in: database))
    }
  }

  /// Makes a copy from a backup fit to be served: what happened after the backup is unknown to it, and must neither come back nor
  /// happen a second time.
  ///
  /// Numbers of partners and versions of the roster jump ahead of all that can have been given since the backup, by its age in
  /// seconds too, so that the same backup restored twice does not give one number twice.
  ///
  /// - Parameters:
  ///   - known: what the replaced database said, when it could be read. One that is older than the backup does not say who enrolled
  ///     after it, and one that had replaced another knows no more than its own backup did.
  ///   - certificateSeconds: how long certificates last.
  ///   - sign: makes the next roster.
  func recover(
    _ known: KnownState?, certificateSeconds: Int, now: Date, sign: (UInt64, [PartnerRecord]) throws -> [UInt8]
  ) throws -> RecoveredPartners {
    try database.write { database in
      let time = Int64(now.timeIntervalSince1970)
      var outcome = RecoveredPartners()
      let backedUpAt = try Self.counter(.backedUpAt, in: database)
      for partner in known?.partners ?? [] { try Self.carryOver(partner, &outcome, in: database) }
      outcome.withdrawn = try String.fetchAll(
        database,
        sql: "SELECT name FROM invitations WHERE participant IS NULL AND withdrawnAt IS NULL AND expiresAt > ? ORDER BY name",
        arguments: [time])
      try database.execute(
        sql: "UPDATE invitations SET withdrawnAt = ? WHERE participant IS NULL AND withdrawnAt IS NULL", arguments: [time])
      let age = min(max(0, time - (backedUpAt ?? time)), 100_000_000)
      let next = max(try Self.nextParticipant(in: database), known?.nextParticipant ?? 0)
      try Self.set(.nextParticipant, to: Int64(next) + 1000 + age, in: database)
      try Self.set(.certificatesLostUntil, to: time + Int64(certificateSeconds), in: database)
      let rosterVersion = try Self.newestRoster(in: database)?.version ?? 0
      let stamp = try Self.counter(.newestBackup, in: database) ?? 0
      let isNewer = known.map { $0.rosterVersion >= rosterVersion && $0.newestBackup ?? 0 >= stamp } ?? false
      // Of a newer database the last word counts: there a person may have said since that all are back.
      let lostSince =
        isNewer
        ? known?.enrolmentsLostSince
        : [backedUpAt ?? 0, known?.enrolmentsLostSince, try Self.counter(.enrolmentsLostSince, in: database)].compactMap { $0 }
          .min()
      try Self.remove(.enrolmentsLostSince, in: database)
      if let lostSince { try Self.set(.enrolmentsLostSince, to: lostSince, in: database) }
      outcome.lostSince = lostSince.map { Date(timeIntervalSince1970: Double($0)) }
      let version = max(rosterVersion, known?.rosterVersion ?? 0)
      _ = try Self.issueRoster(version: version + 1_000_000 + UInt64(age), now: now, in: database, sign: sign)
      return outcome
    }
  }

  /// Since when enrolments may be unknown here, because a backup was restored and what it replaced could not be read.
  func enrolmentsLostSince() throws -> Date? {
    try database.read { try Self.counter(.enrolmentsLostSince, in: $0) }.map { Date(timeIntervalSince1970: Double($0)) }
  }

  /// Takes over from the replaced database that a partner was revoked, or that there is one.
  private static func carryOver(_ partner: PartnerRecord, _ outcome: inout RecoveredPartners, in database: Database) throws {
    let revokedAt = partner.revokedAt.map { Int64($0.timeIntervalSince1970) }
    let found = try Row.fetchAll(
      database, sql: "SELECT * FROM participants WHERE participant = ? OR name = ? OR verificationKey = ?",
      arguments: [partner.participant, partner.name, partner.verificationKey.data]
    ).map(PartnerRecord.init)
    if found.isEmpty {
      try database.execute(
        sql: "INSERT INTO participants (participant, name, verificationKey, enrolledAt, revokedAt) VALUES (?, ?, ?, ?, ?)",
        arguments: [
          partner.participant, partner.name, partner.verificationKey.data, Int64(partner.enrolledAt.timeIntervalSince1970),
          revokedAt,
        ])
      outcome.added.append(partner.name)
    } else if let revokedAt, let same = found.first(where: { $0.verificationKey == partner.verificationKey }), same.isActive {
      try database.execute(
        sql: "UPDATE participants SET revokedAt = ? WHERE participant = ?", arguments: [revokedAt, same.participant])
      outcome.revoked.append(partner.name)
    }
  }

  // MARK: - Certificates that a backup does not know

  /// Keeps a certificate that TLS has verified and that names an active partner, while certificates may be missing because this
  /// database was restored from a backup. Who was revoked stays out.
  ///
  /// - Returns: whether it is kept now.
  func adopt(certificate: Digest, serial: String, participant: UInt32, notAfter: Int64, now: Date) throws -> Bool {
    let time = Int64(now.timeIntervalSince1970)
    func mayBeLost(in database: Database) throws -> Bool {
      guard time < notAfter, let until = try Self.counter(.certificatesLostUntil, in: database), time < until else {
        return false
      }
      return try Int.fetchOne(
        database, sql: "SELECT count(*) FROM participants WHERE participant = ? AND revokedAt IS NULL", arguments: [participant])
        == 1
    }
    // Read first: whoever is refused costs no write.
    guard try database.read(mayBeLost) else { return false }
    return try database.write { database in
      guard try mayBeLost(in: database) else { return false }
      try database.execute(
        sql: "INSERT OR IGNORE INTO certificates (fingerprint, serial, participant, notAfter) VALUES (?, ?, ?, ?)",
        arguments: [certificate.data, serial, participant, notAfter])
      return true
    }
  }
}
