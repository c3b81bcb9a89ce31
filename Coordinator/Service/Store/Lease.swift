public import Foundation
internal import GRDB
internal import Synchronization
internal import TaskDatabase

/// The right to run rounds on one state folder, for a limited time.
///
/// Taking it over counts the fencing token up. The token is compared inside every transaction that belongs to a round, so
/// that not clocks but the database decides who may write: a holder that slept past its time may go on only when nobody
/// came in between.
public struct Lease: Sendable, Equatable {
  public let holder: String
  public let token: Int64

  /// How long a lease is good for without renewal, in seconds; it is renewed at a third of that.
  public static let duration: Double = 15

  func check(in database: Database) throws {
    let row = try Row.fetchOne(database, sql: "SELECT holder, token FROM lease WHERE id = 1")
    guard let row, row["token"] as Int64 == token, row["holder"] as String == holder else { throw StoreError.fencedOff }
  }
}

/// Whether the holder of a lease still renews it, by the watcher's own clock: the clocks of two machines may differ by more than a lease
/// lasts, and one that is behind must not be taken for dead.
public final class LeaseWatch: Sendable {
  private struct Seen {
    let token: Int64
    let expires: Double
    let since: ContinuousClock.Instant
  }
  private let seen = Mutex<Seen?>(nil)
  private let clock: @Sendable () -> ContinuousClock.Instant

  public convenience init() { self.init(clock: { .now }) }

  /// - Parameter clock: tests bring their own.
  package init(clock: @escaping @Sendable () -> ContinuousClock.Instant) { self.clock = clock }

  /// Whether the lease was released, or has not changed for as long as it lasts.
  func isSilent(token: Int64, expires: Double) -> Bool {
    guard expires > 0 else { return true }
    let now = clock()
    return seen.withLock { seen in
      if let known = seen, known.token == token, known.expires == expires {
        return now - known.since >= .seconds(Lease.duration)
      }
      seen = Seen(token: token, expires: expires, since: now)
      return false
    }
  }
}

extension CoordinatorStore {
  /// Takes the lease.
  ///
  /// - Parameters:
  ///   - holder: names the process, for people: host and process number.
  ///   - watch: what the caller has seen of the lease by a clock of its own, which then decides alone; without one the clocks of the two
  ///     machines must agree.
  ///   - isDead: whether a holder is known to be gone, so that its time need not be waited for.
  /// - Throws: `StoreError.leaseHeld` while another's time is not over.
  public func takeLease(
    holder: String, now: Date, watch: LeaseWatch? = nil, isDead: (String) -> Bool = { _ in false }
  ) throws -> Lease {
    try database.write { database in
      let row = try Row.fetchOne(database, sql: "SELECT holder, token, expiresAt FROM lease WHERE id = 1")
      var token: Int64 = 1
      if let row {
        let expires = Date(timeIntervalSince1970: row["expiresAt"])
        // A clock that was set back must not keep the folder locked for longer than a lease lasts.
        let isOver =
          watch?.isSilent(token: row["token"], expires: row["expiresAt"])
          ?? (expires <= now || expires > now.addingTimeInterval(2 * Lease.duration))
        guard isOver || isDead(row["holder"]) else {
          throw StoreError.leaseHeld(by: row["holder"], until: expires)
        }
        token = row["token"] + 1
      }
      try database.execute(
        sql: "INSERT OR REPLACE INTO lease (id, holder, token, expiresAt) VALUES (1, ?, ?, ?)",
        arguments: [holder, token, now.timeIntervalSince1970 + Lease.duration])
      return Lease(holder: holder, token: token)
    }
  }

  /// - Throws: `StoreError.fencedOff` when another process took it.
  public func renew(_ lease: Lease, now: Date) throws {
    try write(lease) { database in
      try database.execute(
        sql: "UPDATE lease SET expiresAt = ? WHERE id = 1", arguments: [now.timeIntervalSince1970 + Lease.duration])
    }
  }

  /// Ends the lease at once, so that the next process need not wait. The token stays, and goes on counting.
  public func release(_ lease: Lease) throws {
    try write(lease) { try $0.execute(sql: "UPDATE lease SET expiresAt = 0 WHERE id = 1") }
  }

  /// Who holds the lease now, if anybody.
  public func leaseState(now: Date) throws -> (holder: String, token: Int64, until: Date)? {
    try database.read { database in
      guard let row = try Row.fetchOne(database, sql: "SELECT holder, token, expiresAt FROM lease WHERE id = 1") else {
        return nil
      }
      let until = Date(timeIntervalSince1970: row["expiresAt"])
      return until > now ? (row["holder"], row["token"], until) : nil
    }
  }
}
