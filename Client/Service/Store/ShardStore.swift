internal import Foundation
internal import GRDB
public import Recommender
internal import TaskDatabase

/// A partner's own data, ready for training and for judging at home.
public struct LocalData: Sendable {
  public let userIDs: [String]
  public let train: Interactions
  /// Held-out items per user; empty lists for users without.
  public let heldOut: [[Int32]]
  /// Listed candidates per user for the first held-out item; `nil` when none are listed.
  public let negatives: [[Int32]]?

  package init(userIDs: [String], train: Interactions, heldOut: [[Int32]], negatives: [[Int32]]?) {
    self.userIDs = userIDs
    self.train = train
    self.heldOut = heldOut
    self.negatives = negatives
  }
}

extension PartnerStore {
  /// The users' histories and what was held out of them.
  ///
  /// - Throws: `PartnerError` when a row does not fit the catalogue of `itemCount` items.
  package func localData(of name: DataSetName, itemCount: Int) throws -> LocalData {
    let rows = try database.read { database in
      try Row.fetchAll(database, sql: "SELECT * FROM shardUser WHERE dataSet = ? ORDER BY position", arguments: [name.text])
    }
    guard !rows.isEmpty else {
      throw PartnerError(
        .missing,
        "the data set '\(name)' holds no users: it was removed; import it again under a new name: tacit-client data import FILE")
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

  /// One user's history with what is held out, for lists; `nil` when the data set does not know the user.
  func history(of user: String, in name: DataSetName) throws -> (items: [Int32], weights: [Float], position: Int)? {
    try database.read { database in
      try Row.fetchOne(
        database, sql: "SELECT items, weights, heldOut, position FROM shardUser WHERE dataSet = ? AND name = ?",
        arguments: [name.text, user]
      ).map { row in
        let (items, weights) = Self.met(row)
        return (items, weights, row["position"])
      }
    }
  }

  /// Everything that a user has met, oldest first, and its weights (empty: all 1).
  ///
  /// What is held out to judge models on is the newest of an import. A model has not learnt from it, but a list must know of it.
  static func met(_ row: Row) -> (items: [Int32], weights: [Float]) {
    let (items, weights, heldOut): ([Int32], [Float], [Int32]) = (
      values(row["items"]), values(row["weights"]), values(row["heldOut"])
    )
    return (items + heldOut, weights.isEmpty ? [] : weights + heldOut.map { _ in 1 })
  }

  /// Erases every user and model, and what is left of them in the write-ahead log; plans, consents and marks stay.
  func eraseShard() throws {
    try database.write { database in
      // Rows are overwritten (`secure_delete`); names, caps and heads stay beside the ledgers.
      try database.execute(sql: "DELETE FROM shardUser")
      try database.execute(sql: "DELETE FROM servedEvent")
      try database.execute(sql: "DELETE FROM formerUser")
      try database.execute(sql: "UPDATE release SET model = NULL")
      try database.execute(sql: "UPDATE dataSet SET users = 0, events = 0")
      try database.execute(sql: "INSERT OR REPLACE INTO setting VALUES ('purged', '1')")
    }
    try database.emptyLog()
  }

  /// Little-endian values of four bytes each.
  static func bytes<Value: BitwiseCopyable>(_ values: ArraySlice<Value>) -> Data {
    values.withUnsafeBytes { Data($0) }
  }

  static func values<Value: BitwiseCopyable>(_ data: Data) -> [Value] {
    let count = data.count / MemoryLayout<Value>.stride
    return [Value](unsafeUninitializedCapacity: count) { buffer, used in
      used = data.copyBytes(to: buffer) / MemoryLayout<Value>.stride
    }
  }
}
