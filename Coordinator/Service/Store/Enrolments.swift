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
  /// A partner that had enrolled before has a new certificate; participant and roster are as they were.
  case renewed(participant: UInt32, certificatePEM: String, roster: [UInt8])
  /// The identity or the name belongs to a partner that is enrolled already, or was revoked.
  case identityKnown
}

/// For whom an invitation is.
public enum InvitationKind: Sendable, Equatable {
  /// For somebody who will be a new partner.
  case enrolment
  /// For a partner that has enrolled and lost its access, because its certificate ran out: good for a new certificate of the same
  /// identity, and for nothing else.
  case renewal
}

extension CoordinatorStore {
  /// Keeps an invitation; of the secret only its hash.
  ///
  /// - Returns: `nil` when a partner of this name was revoked.
  public func invite(name: String, secretHash: Digest, expires: Date, now: Date) throws -> InvitationKind? {
    try database.write { database in
      let known = try Row.fetchOne(database, sql: "SELECT revokedAt FROM participants WHERE name = ?", arguments: [name])
      if let known, known["revokedAt"] as Int64? != nil { return nil }
      // A new invitation for a name takes the place of those before: a token that got lost opens nothing any more.
      try database.execute(
        sql: "UPDATE invitations SET withdrawnAt = ? WHERE name = ? AND participant IS NULL AND withdrawnAt IS NULL",
        arguments: [Int64(now.timeIntervalSince1970), name])
      try database.execute(
        sql: "INSERT INTO invitations (secretHash, name, createdAt, expiresAt) VALUES (?, ?, ?, ?)",
        arguments: [secretHash.data, name, Int64(now.timeIntervalSince1970), Int64(expires.timeIntervalSince1970)])
      return known == nil ? .enrolment : .renewal
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
  /// The same application again (its answer may have been lost) gets the same answer; another one with the same secret is
  /// refused. The secret is looked up by its hash, which says nothing to whoever measures how long that takes.
  ///
  /// An invitation for the name of an active partner is good for a new certificate of that partner, when the same identity asks.
  /// - Parameters:
  ///   - application: hash over the applicant's two public keys.
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
      let known = try Row.fetchAll(
        database, sql: "SELECT * FROM participants WHERE name = ? OR verificationKey = ?",
        arguments: [name, verificationKey.data]
      ).map(PartnerRecord.init)
      if let known = known.first {
        guard known.name == name, known.verificationKey == verificationKey, known.isActive else { return .identityKnown }
      }
      let participant = try known.first?.participant ?? Self.nextParticipant(in: database)
      if known.isEmpty {
        try database.execute(
          sql: "INSERT INTO participants (participant, name, verificationKey, enrolledAt) VALUES (?, ?, ?, ?)",
          arguments: [participant, name, verificationKey.data, time])
      }
      let issued = try issue(participant, name)
      try add(
        certificate: issued.fingerprint, serial: issued.serial, participant: participant, notAfter: issued.notAfter, in: database)
      try database.execute(
        sql: "UPDATE invitations SET participant = ?, application = ?, certificate = ? WHERE secretHash = ?",
        arguments: [participant, application.data, issued.pem, secretHash.data])
      if !known.isEmpty {
        guard let roster = try Self.newestRoster(in: database) else { throw StoreError.corrupt("there is no roster") }
        return .renewed(participant: participant, certificatePEM: issued.pem, roster: roster.bytes)
      }
      let roster = try Self.issueRoster(now: now, in: database, sign: sign)
      return .enrolled(participant: participant, certificatePEM: issued.pem, roster: roster)
    }
  }

  /// The number of the next partner. Numbers are never given twice, not even those of partners that left, or that enrolled after
  /// the backup from which this database was restored.
  static func nextParticipant(in database: Database) throws -> UInt32 {
    let newest = try UInt32.fetchOne(database, sql: "SELECT max(participant) FROM participants") ?? 0
    return max(UInt32(clamping: UInt64(newest) + 1), UInt32(clamping: try counter(.nextParticipant, in: database) ?? 0))
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
