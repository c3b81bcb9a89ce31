internal import CryptoPrimitives
public import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import GRDB
public import Recommender
public import SecureAggregation
internal import TaskDatabase

/// One data set of a partner, as the database knows it; the events themselves are read by `shard(of:)`.
public struct DataSetRecord: Sendable {
  public let name: DataSetName
  /// The hash of the catalogue that its items are numbered by.
  public let catalogue: String
  /// Private outside of this machine, as is `events`.
  public let users: Int
  public let events: Int
  public let importedAt: Int
  /// The most that the data set may ever spend, over all plans; the partner's own decision, `nil` until it is made.
  public let cap: PrivacyBudget?
  /// The longest head that this home has written of the data set's ledger.
  public let ledgerHead: LedgerHead?
}

/// A partner's own data, ready for training and for judging at home.
public struct LocalData: Sendable {
  public let userIDs: [String]
  public let train: Interactions
  /// Held-out items per user; empty lists for users without.
  public let heldOut: [[Int32]]
  /// Listed candidates per user for the first held-out item; `nil` when none are listed.
  public let negatives: [[Int32]]?
}

extension PartnerStore {
  /// Keeps an imported data set, all of it or nothing.
  ///
  /// - Throws: `PartnerError` when there is one of this name: a data set is imported once, since its ledger counts it.
  func record(_ data: LocalData, named name: DataSetName, catalogue: String, cap: PrivacyBudget?, time: Int) throws {
    try database.write { database in
      guard try Row.fetchOne(database, sql: "SELECT 1 FROM dataSet WHERE name = ?", arguments: [name.text]) == nil else {
        throw PartnerError(
          .usage,
          "there is a data set '\(name)' already; data are imported once: choose another name with --name, and know that it gets a budget of its own"
        )
      }
      try database.execute(
        sql:
          "INSERT INTO dataSet (name, catalogue, users, events, importedAt, capEpsilon, capDelta) VALUES (?, ?, ?, ?, ?, ?, ?)",
        arguments: [
          name.text, catalogue, data.userIDs.count,
          data.train.count + data.heldOut.reduce(0) { $0 + $1.count }, time, cap?.epsilon, cap?.delta,
        ])
      let insert = try database.makeStatement(sql: "INSERT INTO shardUser VALUES (?, ?, ?, ?, ?, ?, ?)")
      for user in data.userIDs.indices {
        try insert.execute(arguments: [
          name.text, user, data.userIDs[user], Self.bytes(data.train.history(of: user)),
          Self.bytes(data.train.weights(of: user)), Self.bytes(data.heldOut[user][...]),
          Self.bytes((data.negatives?[user] ?? [])[...]),
        ])
      }
    }
  }

  public func dataSets() throws -> [DataSetRecord] {
    try database.read { try Row.fetchAll($0, sql: "SELECT * FROM dataSet ORDER BY importedAt, name").map(Self.dataSet) }
  }

  public func dataSet(_ name: DataSetName) throws -> DataSetRecord? {
    try database.read { database in
      try Row.fetchOne(database, sql: "SELECT * FROM dataSet WHERE name = ?", arguments: [name.text]).map(Self.dataSet)
    }
  }

  /// Sets what the data set may spend at most.
  func set(cap: PrivacyBudget, of name: DataSetName) throws {
    try database.write { database in
      try database.execute(
        sql: "UPDATE dataSet SET capEpsilon = ?, capDelta = ? WHERE name = ?",
        arguments: [cap.epsilon, cap.delta, name.text])
    }
  }

  /// Remembers how far the data set's ledger has come; a shorter one is not recorded.
  func record(ledgerHead head: LedgerHead, of name: DataSetName) throws {
    try database.write { database in
      try database.execute(
        sql: "UPDATE dataSet SET ledgerSize = ?, ledgerHead = ? WHERE name = ? AND ledgerSize < ?",
        arguments: [Int64(clamping: head.size), Data(head.head.bytes), name.text, Int64(clamping: head.size)])
    }
  }

  /// The users' histories and what was held out of them.
  ///
  /// - Throws: `PartnerError` when a row does not fit the catalogue of `itemCount` items.
  func localData(of name: DataSetName, itemCount: Int) throws -> LocalData {
    let rows = try database.read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM shardUser WHERE dataSet = ? ORDER BY position", arguments: [name.text])
    }
    guard !rows.isEmpty else {
      throw PartnerError(.missing, "the data set '\(name)' holds no users; import it again: tacit-client data import FILE")
    }
    var ids: [String] = []
    var histories: [[Int32]] = []
    var weights: [[Float]] = []
    var heldOut: [[Int32]] = []
    var negatives: [[Int32]] = []
    for row in rows {
      let items: [Int32] = Self.values(row["items"])
      let held: [Int32] = Self.values(row["heldOut"])
      let listed: [Int32] = Self.values(row["negatives"])
      let weight: [Float] = Self.values(row["weights"])
      guard (items + held + listed).allSatisfy({ $0 >= 0 && Int($0) < itemCount }), weight.isEmpty || weight.count == items.count
      else {
        throw PartnerError(
          .data, "the data set '\(name)' does not fit the plan's catalogue of \(itemCount) items; import it again")
      }
      ids.append(row["name"])
      histories.append(items)
      weights.append(weight)
      heldOut.append(held)
      negatives.append(listed)
    }
    let isWeighted = weights.contains { !$0.isEmpty }
    return LocalData(
      userIDs: ids,
      train: Interactions(
        itemCount: itemCount, histories: histories,
        weights: isWeighted ? zip(weights, histories).map { $0.isEmpty ? $1.map { _ in 1 } : $0 } : []),
      heldOut: heldOut, negatives: negatives.contains { !$0.isEmpty } ? negatives : nil)
  }

  /// One user's history; `nil` when the data set does not know the user.
  func history(of user: String, in name: DataSetName) throws -> (items: [Int32], weights: [Float], position: Int)? {
    try database.read { database in
      try Row.fetchOne(
        database, sql: "SELECT items, weights, position FROM shardUser WHERE dataSet = ? AND name = ?",
        arguments: [name.text, user]
      ).map { (Self.values($0["items"]), Self.values($0["weights"]), $0["position"]) }
    }
  }

  /// The first few users' names, for a message on the partner's own screen.
  func someUsers(of name: DataSetName, limit: Int = 3) throws -> [String] {
    try database.read { database in
      try String.fetchAll(
        database, sql: "SELECT name FROM shardUser WHERE dataSet = ? ORDER BY position LIMIT ?", arguments: [name.text, limit])
    }
  }

  /// Erases every user and model, and what is left of them in the write-ahead log; plans, consents and marks stay.
  func eraseShard() throws {
    try database.write { database in
      // Rows are overwritten (`secure_delete`); the data set's name, cap and ledger head stay beside the ledger.
      try database.execute(sql: "DELETE FROM shardUser")
      try database.execute(sql: "UPDATE release SET model = NULL")
      try database.execute(sql: "UPDATE dataSet SET users = 0, events = 0")
      try database.execute(sql: "INSERT OR REPLACE INTO setting VALUES ('purged', '1')")
    }
    try database.emptyLog()
  }

  private static func dataSet(_ row: Row) throws -> DataSetRecord {
    let cap: PrivacyBudget? =
      if let epsilon = row["capEpsilon"] as Double?, let delta = row["capDelta"] as Double? {
        try PrivacyBudget(epsilon: epsilon, delta: delta)
      } else {
        nil
      }
    let head = (row["ledgerHead"] as Data?).flatMap { LedgerHead(size: row["ledgerSize"] as Int64, bytes: $0) }
    return DataSetRecord(
      name: try DataSetName(row["name"]), catalogue: row["catalogue"], users: row["users"], events: row["events"],
      importedAt: row["importedAt"], cap: cap, ledgerHead: head)
  }

  /// Little-endian values of four bytes each.
  private static func bytes<Value: BitwiseCopyable>(_ values: ArraySlice<Value>) -> Data {
    values.withUnsafeBytes { Data($0) }
  }

  private static func values<Value: BitwiseCopyable>(_ data: Data) -> [Value] {
    let count = data.count / MemoryLayout<Value>.stride
    return [Value](unsafeUninitializedCapacity: count) { buffer, used in
      used = data.copyBytes(to: buffer) / MemoryLayout<Value>.stride
    }
  }
}
