internal import CryptoPrimitives
public import FederatedLearning
internal import Foundation
internal import GRDB
public import SecureAggregation
internal import TaskDatabase

/// One release that became public.
public struct ReleaseRecord: Sendable, Equatable {
  public let statement: ModelRelease
  public let name: String
  /// `ModelBytes`; kept of the newest version only.
  public let model: [UInt8]?
  /// The noised sums of an evaluation release, in grid units; empty for training.
  public let evaluation: [Int64]
  /// ε charged up to here; `nil` without noise.
  public let epsilon: Double?
  /// How many partners are in the sum.
  public let partners: Int
  /// The survivors' signatures under the coordinator's head, as one canonical JSON object; `nil` without secure aggregation.
  public let witness: String?

  /// What partners download; `nil` for all but the newest release.
  public var document: [UInt8]? { model.map { ReleaseDocument.encode(statement: statement.encoded(), model: $0) } }
}

extension CoordinatorStore {
  /// All releases of a run, in order, without their models.
  public func releases(of session: SessionID) throws -> [ReleaseRecord] {
    try database.read { database in
      try Row.fetchAll(
        database,
        sql:
          "SELECT statement, name, NULL AS model, evaluation, epsilon, partners, witness FROM releases WHERE session = ? ORDER BY round",
        arguments: [session.data]
      ).map(Self.release)
    }
  }

  /// One release of a run, without its model.
  func release(of session: SessionID, round: UInt32) throws -> ReleaseRecord? {
    try database.read { database in
      try Row.fetchOne(
        database,
        sql:
          "SELECT statement, name, NULL AS model, evaluation, epsilon, partners, witness FROM releases WHERE session = ? AND round = ?",
        arguments: [session.data, Int64(round)]
      ).map(Self.release)
    }
  }

  /// The newest release of a run with its model.
  public func newestRelease(of session: SessionID) throws -> ReleaseRecord? {
    try database.read { database in
      try Row.fetchOne(
        database, sql: "SELECT * FROM releases WHERE session = ? ORDER BY round DESC LIMIT 1", arguments: [session.data]
      ).map(Self.release)
    }
  }

  static func insert(_ release: ReleaseRecord, session: SessionID, time: Int64, in database: Database) throws {
    try database.execute(sql: "UPDATE releases SET model = NULL WHERE session = ?", arguments: [session.data])
    let statement = release.statement
    try database.execute(
      sql: """
        INSERT INTO releases (session, round, version, attempt, statement, model, name, evaluation, epsilon, partners, releasedAt, witness)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        session.data, Int64(statement.round), Int64(statement.version), Int64(statement.attempt), Data(statement.encoded()),
        release.model.map { Data($0) }, release.name,
        release.evaluation.isEmpty ? nil : release.evaluation.map { "\($0)" }.joined(separator: " "), release.epsilon,
        release.partners, time, release.witness,
      ])
  }

  private static func release(_ row: Row) throws -> ReleaseRecord {
    ReleaseRecord(
      statement: try ModelRelease(decoding: Array(row["statement"] as Data)), name: row["name"],
      model: (row["model"] as Data?).map { Array($0) },
      evaluation: (row["evaluation"] as String? ?? "").split(separator: " ").compactMap { Int64($0) }, epsilon: row["epsilon"],
      partners: row["partners"], witness: row["witness"])
  }
}

/// The release journal of one process: writes only while it holds the lease.
package final class StoredReleaseJournal: ReleaseJournal {
  private let store: CoordinatorStore
  private let lease: Lease

  package init(store: CoordinatorStore, lease: Lease) {
    self.store = store
    self.lease = lease
  }

  package func noisedSum(of attempt: LedgerAttempt) throws -> [Int64]? {
    let entries = try store.database.read {
      try Data.fetchOne(
        $0, sql: "SELECT entries FROM noisedSums WHERE session = ? AND round = ? AND attempt = ?",
        arguments: Self.arguments(attempt))
    }
    guard let entries else { return nil }
    guard entries.count.isMultiple(of: 8) else { throw StoreError.corrupt("a noised sum has \(entries.count) bytes") }
    return entries.withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map { Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)) }
    }
  }

  package func record(noisedSum: [Int64], of attempt: LedgerAttempt) throws {
    let entries = noisedSum.map(\.littleEndian).withUnsafeBytes { Data($0) }
    try store.write(lease) { database in
      let standing = try Data.fetchOne(
        database, sql: "SELECT entries FROM noisedSums WHERE session = ? AND round = ? AND attempt = ?",
        arguments: Self.arguments(attempt))
      guard standing == nil || standing == entries else { throw StoreError.secondNoisedSum }
      guard standing == nil else { return }
      try database.execute(
        sql: "INSERT INTO noisedSums (session, round, attempt, entries) VALUES (?, ?, ?, ?)",
        arguments: Self.arguments(attempt) + [entries])
    }
  }

  private static func arguments(_ attempt: LedgerAttempt) -> StatementArguments {
    [attempt.session.data, Int64(attempt.round), Int64(attempt.attempt)]
  }
}
