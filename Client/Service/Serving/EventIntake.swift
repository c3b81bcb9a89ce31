internal import Foundation
internal import GRDB
public import Recommender
public import Serving
internal import TaskDatabase

/// Events that come while serving: kept as they came, and added to the partner's own data set.
///
/// One transaction holds both, and it is on disk when a call returns: no answer says "stored" of what a crash could lose, and no event
/// is in the log without being in the data set.
extension PartnerStore {
  /// Keeps a batch, all of it or nothing.
  ///
  /// An event of a user who is new to the data set enters it under the data set's ledger, unless another ledger counts that user, or
  /// may: budgets belong to people (decision 0013). It is kept for lists only then. An item that was held out to judge models on is
  /// held out no longer once the user has met it.
  ///
  /// - Parameters:
  ///   - index: place of an item in the data set's catalogue.
  ///   - weights: what each kind of event adds to the pair's weight; an event without a kind adds 1.
  /// - Throws: `PartnerError` when the data set is not there any more; `TaskDatabaseError` when the disk takes nothing.
  public func record(
    _ events: [ServedEvent], in name: DataSetName, index: (String) -> Int32?, weights: EventWeights, time: Int
  ) throws -> IntakeReport {
    try database.write { database in
      let row = try Row.fetchOne(
        database, sql: "SELECT ledger FROM dataSet WHERE name = ? AND removedAt IS NULL", arguments: [name.text])
      let purged = try Row.fetchOne(
        database, sql: "SELECT 1 FROM setting WHERE name = ?", arguments: [Setting.isPurged.rawValue])
      guard let row, purged == nil else {
        throw PartnerError(.missing, "the data set '\(name)' was removed, so that it takes no events any more")
      }
      var batch = Batch(dataSet: name.text, ledger: row["ledger"], weights: weights, time: time)
      let fates = try events.map { try batch.add($0, position: index($0.item), self, database) }
      try batch.write(database)
      return IntakeReport(fates: fates)
    }
  }

  /// Grows whenever events were added to a data set.
  package func revision(of name: DataSetName) throws -> Int {
    try database.read {
      try Int.fetchOne($0, sql: "SELECT revision FROM dataSet WHERE name = ?", arguments: [name.text]) ?? 0
    }
  }

  /// Users of a data set before the first came while serving; they stand before the others.
  func importedUsers(of name: DataSetName) throws -> Int {
    try database.read {
      try Int.fetchOne($0, sql: "SELECT coalesce(importedUsers, users) FROM dataSet WHERE name = ?", arguments: [name.text]) ?? 0
    }
  }

  /// One user's events, imported ones and those that came since; `nil` for a user of whom there are none.
  ///
  /// - Throws: `PartnerError` when an item lies outside of the catalogue of `itemCount` items.
  public func servedHistory(of user: String, in name: DataSetName, itemCount: Int) throws -> ServedHistory? {
    try database.read { try Self.servedHistory(of: user, in: name, itemCount: itemCount, $0) }
  }

  /// Histories of as many users as there is room for, those that came last first.
  ///
  /// Users who are in no data set, because another ledger counts them, are not among them.
  ///
  /// - Parameter numbersMax: room, by `ServedHistory.numbers`.
  /// - Throws: `PartnerError` when an item lies outside of the catalogue of `itemCount` items.
  public func servedHistories(
    in name: DataSetName, itemCount: Int, numbersMax: Int
  ) throws -> [(user: String, history: ServedHistory)] {
    try database.read { database in
      var (found, room): ([(user: String, history: ServedHistory)], Int) = ([], numbersMax)
      let users = try String.fetchCursor(
        database, sql: "SELECT name FROM shardUser WHERE dataSet = ? ORDER BY position DESC", arguments: [name.text])
      while room > 0, let user = try users.next() {
        guard let history = try Self.servedHistory(of: user, in: name, itemCount: itemCount, database) else { continue }
        room -= history.numbers
        if room >= 0 { found.append((user, history)) }
      }
      return found
    }
  }

  private static func servedHistory(
    of user: String, in name: DataSetName, itemCount: Int, _ database: Database
  ) throws -> ServedHistory? {
    let row = try Row.fetchOne(
      try database.cachedStatement(sql: "SELECT items, weights, heldOut FROM shardUser WHERE dataSet = ? AND name = ?"),
      arguments: [name.text, user])
    let (items, weights) = row.map { Self.met($0) } ?? ([], [])
    guard weights.isEmpty || weights.count == items.count, items.allSatisfy({ (0..<Int32(itemCount)).contains($0) }) else {
      throw PartnerError(.data, "the data set '\(name)' does not fit the plan's catalogue of \(itemCount) items")
    }
    var history = ServedHistory(items: items, weights: weights)
    let events = try Row.fetchCursor(
      try database.cachedStatement(
        sql: """
          SELECT position, kind, weight, isTrained FROM servedEvent
          WHERE dataSet = ? AND user = ? AND position IS NOT NULL ORDER BY number
          """), arguments: [name.text, user])
    while let event = try events.next() {
      let position: Int32 = event["position"]
      guard (0..<Int32(itemCount)).contains(position) else { continue }
      let kind = (event["kind"] as String?).flatMap { EventKind(rawValue: $0) }
      if event["isTrained"] as Bool {
        history.recount(position, kind, weight: event["weight"])
      } else {
        history.append(position, kind)
      }
    }
    return row == nil && history.entries.isEmpty ? nil : history
  }
}

/// The users of one batch, each read and written once.
private struct Batch {
  let dataSet: String
  let ledger: String
  let weights: EventWeights
  let time: Int
  /// By the bytes of their ids, as the database tells users apart; with the id itself.
  private var users: [[UInt8]: (name: String, member: Member)] = [:]

  private enum Member {
    case own(ShardRow)
    /// Another ledger counts this user, or may.
    case foreign
  }

  private struct ShardRow {
    var position: Int?
    var items: [Int32] = []
    /// Empty: all 1.
    var weights: [Float] = []
    var heldOut: [Int32] = []
    var negatives: [Int32] = []
    /// Pairs of user and item that are new to the data set.
    var newPairs = 0
    var isChanged = false

    /// The pair moves to the end, and its weight grows.
    mutating func add(_ item: Int32, _ weight: Float) {
      isChanged = true
      var total = weight
      if let place = items.lastIndex(of: item) {
        total += weights.isEmpty ? 1 : weights[place]
        items.remove(at: place)
        if !weights.isEmpty { weights.remove(at: place) }
      } else {
        // What was held out was an event too.
        if heldOut.contains(item) { total += 1 } else { newPairs += 1 }
      }
      if total != 1, weights.isEmpty { weights = [Float](repeating: 1, count: items.count) }
      items.append(item)
      if !weights.isEmpty || total != 1 { weights.append(total) }
      heldOut.removeAll { $0 == item }
      negatives.removeAll { $0 == item }
      if heldOut.isEmpty { negatives = [] }
    }
  }

  init(dataSet: String, ledger: String, weights: EventWeights, time: Int) {
    self.dataSet = dataSet
    self.ledger = ledger
    self.weights = weights
    self.time = time
  }

  mutating func add(
    _ event: ServedEvent, position: Int32?, _ store: PartnerStore, _ database: Database
  ) throws -> IntakeReport.Fate {
    if let name = event.name,
      try Row.fetchOne(
        database, sql: "SELECT 1 FROM servedEvent WHERE dataSet = ? AND name = ?", arguments: [dataSet, name]) != nil
    {
      return .repeated
    }
    let weight = event.kind.map { weights[$0] } ?? 1
    var fate = IntakeReport.Fate.unknownItem
    if let position {
      switch try member(event.user, store, database) {
      case .own(var row):
        row.add(position, weight)
        users[Array(event.user.utf8)] = (event.user, .own(row))
        fate = .trained(position)
      case .foreign: fate = .served(position)
      }
    }
    let isTrained = if case .trained = fate { true } else { false }
    try database.execute(
      sql: """
        INSERT INTO servedEvent (dataSet, user, item, position, kind, weight, happenedAt, receivedAt, name, isTrained)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        dataSet, event.user, event.item, position, event.kind?.rawValue, weight, event.time, time, event.name, isTrained,
      ])
    return fate
  }

  private mutating func member(_ user: String, _ store: PartnerStore, _ database: Database) throws -> Member {
    if let known = users[Array(user.utf8)] { return known.member }
    let row = try Row.fetchOne(
      database, sql: "SELECT * FROM shardUser WHERE dataSet = ? AND name = ?", arguments: [dataSet, user])
    let member: Member
    if let row {
      member = .own(
        ShardRow(
          position: row["position"], items: PartnerStore.values(row["items"]), weights: PartnerStore.values(row["weights"]),
          heldOut: PartnerStore.values(row["heldOut"]), negatives: PartnerStore.values(row["negatives"])))
    } else {
      member = try isCountedElsewhere(user, store, database) ? .foreign : .own(ShardRow())
    }
    users[Array(user.utf8)] = (user, member)
    return member
  }

  /// In a home whose database was lost nobody knows whom its ledgers count.
  private func isCountedElsewhere(_ user: String, _ store: PartnerStore, _ database: Database) throws -> Bool {
    let lost = try Row.fetchOne(
      database, sql: "SELECT 1 FROM setting WHERE name = ?", arguments: [PartnerStore.Setting.hasLostData.rawValue])
    guard lost == nil, try store.lostLedgers(in: database).isEmpty else { return true }
    return try PartnerStore.isCountedElsewhere(user, than: ledger, in: database)
  }

  /// Writes the users that have changed.
  func write(_ database: Database) throws {
    var next =
      try Int.fetchOne(
        database, sql: "SELECT max(position) FROM shardUser WHERE dataSet = ?", arguments: [dataSet]
      ).map { $0 + 1 } ?? 0
    var (newUsers, newPairs, isChanged) = (0, 0, false)
    for (user, member) in users.values.sorted(by: { $0.name < $1.name }) {
      guard case .own(let row) = member, row.isChanged else { continue }
      isChanged = true
      newPairs += row.newPairs
      let position = row.position ?? next
      if row.position == nil {
        next += 1
        newUsers += 1
      }
      try database.execute(
        sql: "INSERT OR REPLACE INTO shardUser VALUES (?, ?, ?, ?, ?, ?, ?)",
        arguments: [
          dataSet, position, user, PartnerStore.bytes(row.items[...]), PartnerStore.bytes(row.weights[...]),
          PartnerStore.bytes(row.heldOut[...]), PartnerStore.bytes(row.negatives[...]),
        ])
    }
    guard isChanged else { return }
    try database.execute(
      sql: """
        UPDATE dataSet SET importedUsers = coalesce(importedUsers, users), users = users + ?, events = events + ?,
        revision = revision + 1 WHERE name = ?
        """, arguments: [newUsers, newPairs, dataSet])
  }
}
