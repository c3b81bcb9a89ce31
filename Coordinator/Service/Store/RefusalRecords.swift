public import FederatedLearning
internal import Foundation
internal import GRDB
public import SecureAggregation
internal import TaskDatabase

/// The last attempt of a plan that a partner refused by its own word.
public struct RefusalRecord: Sendable, Equatable {
  public let participant: UInt32
  public let round: UInt32
  public let attempt: UInt32
  /// `nil` for a reason of a later version.
  public let reason: PartnerRefusal?
  /// Whether the partner would refuse the next attempt for the same reason: until it states something or its process starts
  /// anew, nobody waits for it and no attempt is spent on it.
  public let stands: Bool

  public var sentence: String { reason.map { "\($0)" } ?? "a reason that this version does not know" }
}

extension PartnerRefusal {
  /// Whether the same partner would refuse the next attempt too: its cap and its data do not change by waiting.
  var comesAgain: Bool {
    switch self {
    case .budgetExhausted, .tooManyUsers, .sumOutOfRange: true
    default: false
    }
  }
}

extension CoordinatorStore {
  /// The last refusal of every partner that refused an attempt of this plan and has not taken part since.
  public func refusals(session: SessionID) throws -> [UInt32: RefusalRecord] {
    let records = try database.read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM refusals WHERE session = ?", arguments: [session.data]).map { row in
        RefusalRecord(
          participant: row["participant"], round: row["round"], attempt: row["attempt"],
          reason: UInt8(exactly: row["reason"] as Int).flatMap { PartnerRefusal(rawValue: $0) }, stands: row["stands"] as Int != 0
        )
      }
    }
    return Dictionary(uniqueKeysWithValues: records.map { ($0.participant, $0) })
  }

  /// What a message says about its sender's standing: a refusal is kept, and forgotten by its next first message of an attempt.
  enum RefusalChange: Sendable {
    case refused(participant: UInt32, PartnerRefusal)
    case takesPart(participant: UInt32)
  }

  static func keep(_ changes: [RefusalChange], in key: AttemptKey, time: Int64, in database: Database) throws {
    for change in changes {
      switch change {
      case .refused(let participant, let reason):
        try database.execute(
          sql: """
            INSERT OR REPLACE INTO refusals (session, participant, round, attempt, reason, refusedAt, stands)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: [
            key.session.data, participant, Int64(key.round), Int64(key.attempt), Int(reason.rawValue), time,
            reason.comesAgain ? 1 : 0,
          ])
      case .takesPart(let participant):
        try database.execute(
          sql: "DELETE FROM refusals WHERE session = ? AND participant = ?", arguments: [key.session.data, participant])
      }
    }
  }

  /// A partner that has said something new, or whose process has started anew, is asked again.
  static func askAgain(_ participant: UInt32, in database: Database) throws {
    try database.execute(sql: "UPDATE refusals SET stands = 0 WHERE participant = ?", arguments: [participant])
  }
}
