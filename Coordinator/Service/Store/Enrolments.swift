public import CryptoPrimitives
public import Foundation
internal import GRDB
internal import TaskDatabase

/// What became of an application to enrol.
public enum EnrolmentVerdict: Sendable, Equatable {
  case enrolled(participant: UInt32, certificatePEM: String, roster: [UInt8])
  case invitationUnknown
  case invitationExpired
  case invitationUsed
  /// The identity or the name belongs to a partner that is enrolled already.
  case identityKnown
}

extension CoordinatorStore {
  /// Keeps an invitation; of the secret only its hash.
  ///
  /// - Returns: `false` when a partner of this name is enrolled already.
  public func invite(name: String, secretHash: Digest, expires: Date, now: Date) throws -> Bool {
    try database.write { database in
      guard try Int.fetchOne(database, sql: "SELECT count(*) FROM participants WHERE name = ?", arguments: [name]) == 0 else {
        return false
      }
      // A new invitation for a name takes the place of those before: a token that got lost opens nothing any more.
      try database.execute(
        sql: "UPDATE invitations SET withdrawnAt = ? WHERE name = ? AND participant IS NULL AND withdrawnAt IS NULL",
        arguments: [Int64(now.timeIntervalSince1970), name])
      try database.execute(
        sql: "INSERT INTO invitations (secretHash, name, createdAt, expiresAt) VALUES (?, ?, ?, ?)",
        arguments: [secretHash.data, name, Int64(now.timeIntervalSince1970), Int64(expires.timeIntervalSince1970)])
      return true
    }
  }

  /// Whether an invitation of this hash stands: neither withdrawn nor over. One that was used still stands until it is over, because
  /// the answer to it may have been lost.
  public func isInvitation(_ secretHash: Digest, now: Date) throws -> Bool {
    try database.read {
      try Int.fetchOne(
        $0, sql: "SELECT count(*) FROM invitations WHERE secretHash = ? AND withdrawnAt IS NULL AND expiresAt > ?",
        arguments: [secretHash.data, Int64(now.timeIntervalSince1970)]) == 1
    }
  }

  public func invitations() throws -> [InvitationRecord] {
    try database.read {
      try Row.fetchAll($0, sql: "SELECT * FROM invitations ORDER BY createdAt, name").map(InvitationRecord.init)
    }
  }

  /// Redeems an invitation once, in one transaction: partner, certificate, roster and "used" are there together or not at all.
  ///
  /// The very same application again (its answer may have been lost) gets the same answer; another one with the same secret is
  /// refused. The secret is looked up by its hash, which says nothing to whoever measures how long that takes.
  /// - Parameters:
  ///   - application: hash over everything that the applicant sent.
  ///   - issue: makes the certificate for the participant's number and name.
  ///   - sign: makes the next roster.
  public func redeem(
    secretHash: Digest, verificationKey: VerificationKey, application: Digest, now: Date,
    issue: (UInt32, String) throws -> (pem: String, fingerprint: Digest, serial: String, notAfter: Date),
    sign: (UInt64, [PartnerRecord]) throws -> [UInt8]
  ) throws -> EnrolmentVerdict {
    try database.write { database in
      guard
        let row = try Row.fetchOne(
          database, sql: "SELECT * FROM invitations WHERE secretHash = ?", arguments: [secretHash.data])
      else { return .invitationUnknown }
      let time = Int64(now.timeIntervalSince1970)
      if let participant = row["participant"] as UInt32? {
        guard row["application"] as Data? == application.data, let pem = row["certificate"] as String?,
          time < row["expiresAt"] as Int64, let roster = try Self.newestRoster(in: database)
        else { return .invitationUsed }
        return .enrolled(participant: participant, certificatePEM: pem, roster: roster.bytes)
      }
      guard row["withdrawnAt"] as Int64? == nil else { return .invitationUnknown }
      guard time < row["expiresAt"] as Int64 else { return .invitationExpired }
      let name: String = row["name"]
      let known = try Int.fetchOne(
        database, sql: "SELECT count(*) FROM participants WHERE name = ? OR verificationKey = ?",
        arguments: [name, verificationKey.data])
      guard known == 0 else { return .identityKnown }
      // Numbers are never given twice, not even those of partners that left.
      let participant = (try UInt32.fetchOne(database, sql: "SELECT max(participant) FROM participants") ?? 0) + 1
      try database.execute(
        sql: "INSERT INTO participants (participant, name, verificationKey, enrolledAt) VALUES (?, ?, ?, ?)",
        arguments: [participant, name, verificationKey.data, time])
      let issued = try issue(participant, name)
      try add(
        certificate: issued.fingerprint, serial: issued.serial, participant: participant, notAfter: issued.notAfter, in: database)
      try database.execute(
        sql: "UPDATE invitations SET participant = ?, application = ?, certificate = ? WHERE secretHash = ?",
        arguments: [participant, application.data, issued.pem, secretHash.data])
      let roster = try Self.issueRoster(now: now, in: database, sign: sign)
      return .enrolled(participant: participant, certificatePEM: issued.pem, roster: roster)
    }
  }

  /// Keeps a renewed certificate of a partner that is active in this transaction.
  ///
  /// A partner keeps the certificate with which it asks and its newest 16: whoever asks again and again does not fill the disk.
  ///
  /// - Parameter used: the fingerprint of the certificate with which it asks.
  /// - Returns: `false` when it is not.
  public func renew(
    participant: UInt32, used: Digest, certificate: Digest, serial: String, notAfter: Date
  ) throws -> Bool {
    try database.write { database in
      let active = try Int.fetchOne(
        database, sql: "SELECT count(*) FROM participants WHERE participant = ? AND revokedAt IS NULL", arguments: [participant])
      guard active == 1 else { return false }
      try add(certificate: certificate, serial: serial, participant: participant, notAfter: notAfter, in: database)
      try database.execute(
        sql: """
          DELETE FROM certificates WHERE participant = ? AND fingerprint <> ? AND fingerprint NOT IN (
            SELECT fingerprint FROM certificates WHERE participant = ? ORDER BY notAfter DESC, rowid DESC LIMIT 16)
          """, arguments: [participant, used.data, participant])
      return true
    }
  }
}
