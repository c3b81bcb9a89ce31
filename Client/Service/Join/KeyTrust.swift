package import CryptoPrimitives
internal import Foundation
internal import GRDB
internal import PeerIdentity
internal import TaskDatabase

/// How a home comes to trust a new signing key of its coordinator: by successions that begin at the pinned key, and by a person
/// who was told the new key's fingerprint on another channel.
///
/// Neither is enough alone. Whoever stole the old key can write a succession; whoever can talk to the person cannot.
package enum KeyTrust {
  /// The document of all successions, bytes at most.
  static let documentBytesMax: UInt64 = 1 << 20

  /// Fetches the successions and the roster that the new key signed, and pins the new key.
  ///
  /// - Throws: `PartnerError` of kind `untrusted` when the fingerprint is another key's or a document does not hold; nothing is
  ///   changed then. `TransportFailure`.
  static func fetch(
    _ fingerprint: ShortFingerprint, from connection: any CoordinatorConnection, into store: PartnerStore, enrolment: Enrolment,
    time: Int
  ) async throws -> Enrolment {
    if ShortFingerprint(of: SHA256.hash(enrolment.coordinatorKey.bytes)) == fingerprint { return enrolment }
    let successions = try await connection.download("key-succession", limit: documentBytesMax)
    let roster = try await connection.download("roster", limit: Documents.rosterBytesMax)
    return try accept(successions, roster: roster, fingerprint: fingerprint, into: store, enrolment: enrolment, time: time)
  }

  /// Pins the key at the end of `successions`.
  package static func accept(
    _ document: [UInt8], roster bytes: [UInt8], fingerprint: ShortFingerprint, into store: PartnerStore, enrolment: Enrolment,
    time: Int
  ) throws -> Enrolment {
    let chain: [KeySuccession]
    do { chain = Array(try KeySuccession.all(decoding: document).drop { $0.old != enrolment.coordinatorKey }) } catch {
      throw PartnerError(.untrusted, "the coordinator's successions of its key cannot be read: \(error)")
    }
    guard let last = chain.last else {
      throw PartnerError(
        .untrusted, "the coordinator shows no succession of the key that this home has pinned; nothing was changed")
    }
    for (position, link) in chain.enumerated() {
      guard link.taskID == enrolment.task, link.isSigned, position == 0 || link.old == chain[position - 1].new else {
        throw PartnerError(
          .untrusted,
          "the succession of the coordinator's key does not hold (link \(position + 1) of \(chain.count)): nothing was changed; ask its people on another channel"
        )
      }
    }
    // The found fingerprint is not shown: it must come from the coordinator's people, and not from this line.
    guard ShortFingerprint(of: SHA256.hash(last.new.bytes)) == fingerprint else {
      throw PartnerError(
        .untrusted,
        "the key that the coordinator shows is not the one whose fingerprint you gave: nothing was changed; read it again with its people on the phone, and if it still differs, somebody stands between you"
      )
    }
    var renewed = enrolment
    renewed.earlierKeys += chain.map(\.old)
    renewed.coordinatorKey = last.new
    let roster = try PinnedRoster.read(bytes, enrolment: renewed)
    if let known = try store.newestRoster() {
      let pinned = try PinnedRoster.read(known, enrolment: renewed, known: true)
      guard roster.version > pinned.version else {
        throw PartnerError(
          .untrusted,
          "the new key signs version \(roster.version) of the roster, but this home has seen version \(pinned.version): nothing was changed"
        )
      }
    }
    try store.pin(chain, roster: bytes, version: roster.version, time: time)
    return renewed
  }
}

extension PartnerStore {
  /// Pins the last key of a chain, with the first roster that it signed; earlier keys stay known for what is in the home.
  fileprivate func pin(_ chain: [KeySuccession], roster: [UInt8], version: UInt64, time: Int) throws {
    guard let last = chain.last else { return }
    try database.write { database in
      for link in chain {
        try database.execute(
          sql: "INSERT INTO earlierKey (key, succession, trustedAt) VALUES (?, ?, ?)",
          arguments: [link.old.hex, Data(link.encoded), time])
      }
      try database.execute(sql: "UPDATE enrolment SET coordinatorKey = ?", arguments: [last.new.hex])
      try database.execute(
        sql: "INSERT OR IGNORE INTO roster VALUES (?, ?, ?)", arguments: [Int64(clamping: version), Data(roster), time])
    }
  }
}

extension Enrolment {
  /// Whether a key is the coordinator's, now or before.
  func knows(_ key: VerificationKey) -> Bool { key == coordinatorKey || earlierKeys.contains(key) }
}
