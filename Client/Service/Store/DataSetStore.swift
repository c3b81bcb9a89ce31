internal import CryptoPrimitives
public import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import GRDB
internal import Recommender
public import SecureAggregation
internal import TaskDatabase

/// One data set of a partner, as the database knows it; the events themselves are read by `localData(of:itemCount:)`.
public struct DataSetRecord: Sendable {
  public let name: DataSetName
  /// The hash of the catalogue that its items are numbered by.
  public let catalogue: String
  /// Private outside of this machine, as is `events`.
  public let users: Int
  public let events: Int
  public let importedAt: Int
  /// Seconds since 1970; `nil` while the data are there.
  public let removedAt: Int?
  /// What counts for its users.
  public let ledger: OwnLedgerRecord

  /// The most that the ledger's users may ever spend.
  public var cap: PrivacyBudget? { ledger.cap }
  /// Whether its users and events were erased; the ledger that counts them stays.
  public var isRemoved: Bool { removedAt != nil }
}

/// What the users of one or more data sets have spent and may spend, as the database knows it; the ledger itself is a file.
public struct OwnLedgerRecord: Sendable {
  /// The data set that it was begun for.
  public let name: DataSetName
  /// The most that its users may ever spend, over all plans; the partner's own decision, `nil` until it is made.
  public let cap: PrivacyBudget?
  /// The cap under which its first charges were made; `nil` while it was not charged under one. All later caps are judged at the
  /// order of this one (`SpendingCap`).
  public let firstCap: PrivacyBudget?
  /// The longest head that this home has written of it.
  public let head: LedgerHead?
}

/// What a person says of the users of a data set that is being imported.
public enum ToldUsers: Sendable, Equatable {
  /// Nothing: the database knows who was counted before.
  case nothing
  /// This ledger of the home counts them.
  case countedBy(DataSetName)
  /// Nobody of them was ever imported into this home.
  case neverImported
}

/// A budget belongs to people, not to files: a data set with a user of an older one is counted by the older one's ledger.
extension PartnerStore {
  /// Keeps an imported data set, all of it or nothing, and finds the ledger of its users: the one that counts any of them
  /// already, or a new one.
  ///
  /// Users are the same when their identifiers are, byte for byte. All data sets of the home are looked at, removed ones too
  /// (`remove`); `eraseShard` forgets them all, and after it the home takes no data and charges nothing.
  ///
  /// - Parameter told: needed, for every data set, once the home has held ledgers whose data sets its database had lost
  ///   (`lostLedgers`): whom they count, removed data sets among them, no database knows any more, and a ledger that has one data set
  ///   again may count others too.
  /// - Throws: `PartnerError` when there is a data set of this name, when two ledgers count its users or another one than `told`, when
  ///   something must be told or is not so, or when the cap is not the one that their ledger has.
  package func record(
    _ data: LocalData, named name: DataSetName, told: ToldUsers = .nothing, catalogue: String, cap: PrivacyBudget?, time: Int
  ) throws {
    try database.write { database in
      guard try Row.fetchOne(database, sql: "SELECT 1 FROM dataSet WHERE name = ?", arguments: [name.text]) == nil else {
        throw PartnerError(
          .usage,
          "there is a data set '\(name)' already; data are imported once: choose another name with --name; users that were imported before stay on the ledger that counts them"
        )
      }
      try database.execute(
        sql: "INSERT INTO dataSet (name, catalogue, users, events, importedAt) VALUES (?, ?, ?, ?, ?)",
        arguments: [
          name.text, catalogue, data.userIDs.count,
          data.train.count + data.heldOut.reduce(0) { $0 + $1.count }, time,
        ])
      let insert = try database.makeStatement(sql: "INSERT INTO shardUser VALUES (?, ?, ?, ?, ?, ?, ?)")
      for user in data.userIDs.indices {
        try insert.execute(arguments: [
          name.text, user, data.userIDs[user], Self.bytes(data.train.history(of: user)),
          Self.bytes(data.train.weights(of: user)), Self.bytes(data.heldOut[user][...]),
          Self.bytes((data.negatives?[user] ?? [])[...]),
        ])
      }
      let lost = try lostLedgers(in: database)
      // For good, once the data set is recorded.
      if !lost.isEmpty {
        try database.execute(
          sql: "INSERT OR REPLACE INTO setting VALUES (?, ?)", arguments: [Setting.hasLostData.rawValue, "\(time)"])
      }
      let ledger = try Self.ledger(of: name, told: told, lost: lost, cap: cap, home: home, in: database)
      try database.execute(sql: "UPDATE dataSet SET ledger = ? WHERE name = ?", arguments: [ledger, name.text])
    }
  }

  /// The ledger that counts users of a data set which was just recorded; made when nobody of them was seen before.
  private static func ledger(
    of name: DataSetName, told: ToldUsers, lost: [DataSetName], cap: PrivacyBudget?, home: PartnerHome, in database: Database
  ) throws -> String {
    let present = try String.fetchAll(
      database,
      sql: """
        SELECT DISTINCT older.ledger FROM dataSet AS older
        JOIN shardUser AS known ON known.dataSet = older.name
        JOIN shardUser AS imported ON imported.name = known.name
        WHERE imported.dataSet = ? AND older.name <> imported.dataSet
        ORDER BY older.ledger
        """, arguments: [name.text])
    var found = Set(present).union(try formerLedgers(ofUsersIn: name, in: database))
    switch told {
    case .nothing: try refuseGuess(of: name, lost: lost, in: database)
    case .countedBy(let ledger): found.insert(try checked(ledger, lost: lost, in: database))
    case .neverImported:
      if let ledger = found.min() {
        throw PartnerError(
          .usage,
          "these data hold users whom the ledger '\(ledger)' counts, so that they are not all new; give --ledger \(ledger) instead of --new-users, or import the new users apart"
        )
      }
    }
    let known = found.sorted()
    guard let ledger = known.first else {
      let others = try String.fetchAll(database, sql: "SELECT name FROM ledger") + lost.map(\.text)
      guard !others.contains(name.text) else {
        throw PartnerError(
          .usage,
          "the ledger '\(name)' of this home counts other users than these data hold; choose another name for them with --name")
      }
      try insert(ledger: name.text, cap: cap, in: database)
      return name.text
    }
    guard known.count == 1 else {
      throw PartnerError(
        .data,
        "these data hold users of the ledgers \(known.map { "'\($0)'" }.joined(separator: " and ")), expected users of one: what is charged here could not be counted for all of them; import the users of each ledger apart"
      )
    }
    if let told = lost.first(where: { $0.text == ledger }) {
      if cap == nil { try refuseLostCap(of: told, in: home) }
      try insert(ledger: ledger, cap: cap, in: database)
      return ledger
    }
    guard let cap else { return ledger }
    let standing = try Row.fetchOne(database, sql: "SELECT * FROM ledger WHERE name = ?", arguments: [ledger]).flatMap {
      try Self.cap($0)
    }
    if let standing, standing != cap {
      throw PartnerError(
        .usage,
        "these data hold users of the ledger '\(ledger)', whose cap is ε = \(standing.epsilon) at δ = \(standing.delta), not ε = \(cap.epsilon) at δ = \(cap.delta): leave --cap out, and change the ledger's cap knowingly with: tacit-client data cap"
      )
    }
    try set(cap: cap, ofLedger: ledger, in: database)
    return ledger
  }

  /// The cap of a ledger was lost with the database: whoever names the ledger says it again, or nothing would bound what comes.
  private static func refuseLostCap(of ledger: DataSetName, in home: PartnerHome) throws {
    let state = (try? HomeFile.read(home.ledger(of: ledger))).flatMap { LedgerVerifier().verify($0).state }
    let isUnprotected = state?.charges.allSatisfy { $0.charge.event == .unprotected } ?? false
    guard !isUnprotected else { return }
    let spent = state.map { " (\(PlanReview.epsilonText($0.recorded.epsilon(delta: 1e-6))) at δ = 1e-06 is spent)" } ?? ""
    throw PartnerError(
      .usage,
      "the ledger '\(ledger)' was charged under a cap that this home has lost with its database\(spent); say the cap again, no larger than it was: --cap EPSILON,DELTA"
    )
  }

  private static func insert(ledger: String, cap: PrivacyBudget?, in database: Database) throws {
    try database.execute(
      sql: "INSERT INTO ledger (name, capEpsilon, capDelta) VALUES (?, ?, ?)", arguments: [ledger, cap?.epsilon, cap?.delta])
  }

  /// A ledger that a person names is one that there is.
  private static func checked(_ told: DataSetName, lost: [DataSetName], in database: Database) throws -> String {
    let known = try String.fetchAll(database, sql: "SELECT name FROM ledger")
    let all = Set(known + lost.map(\.text)).sorted()
    guard all.contains(told.text) else {
      throw PartnerError(
        .usage,
        "there is no ledger '\(told)' in this home (there are: \(all.isEmpty ? "none" : all.joined(separator: ", "))); name the one that counts these users, or give --new-users for users who were never imported"
      )
    }
    return told.text
  }

  /// Whom a lost ledger counts is not known, so that no data set is taken for new without a word.
  private static func refuseGuess(of name: DataSetName, lost: [DataSetName], in database: Database) throws {
    let hasLostData = try String.fetchOne(
      database, sql: "SELECT value FROM setting WHERE name = ?", arguments: [Setting.hasLostData.rawValue])
    guard hasLostData != nil else { return }
    let known = try String.fetchAll(database, sql: "SELECT name FROM ledger")
    let all = Set(known + lost.map(\.text)).sorted().joined(separator: ", ")
    throw PartnerError(
      .usage,
      "this home's database was lost once, and with it whom its ledgers count (\(all)): what they count is spent, and a new ledger would give the same users a second budget. Say which of them counts the users of '\(name)' with --ledger NAME, or --new-users if nobody of them was ever imported into this home"
    )
  }

  /// Ledgers that lie in the home and that its database does not know: it was lost, and with it which users they count.
  public func lostLedgers() throws -> [DataSetName] { try database.read(lostLedgers) }

  func lostLedgers(in database: Database) throws -> [DataSetName] {
    home.ledgers(except: Set(try String.fetchAll(database, sql: "SELECT name FROM ledger")))
  }

  public func dataSets() throws -> [DataSetRecord] {
    try database.read { try Row.fetchAll($0, sql: Self.dataSetQuery + " ORDER BY importedAt, dataSet.name").map(Self.dataSet) }
  }

  public func dataSet(_ name: DataSetName) throws -> DataSetRecord? {
    try database.read { database in
      try Row.fetchOne(database, sql: Self.dataSetQuery + " WHERE dataSet.name = ?", arguments: [name.text]).map(Self.dataSet)
    }
  }

  /// Every ledger with the data sets that it counts, oldest first.
  public func ledgers() throws -> [(ledger: OwnLedgerRecord, dataSets: [DataSetName])] {
    var result: [(ledger: OwnLedgerRecord, dataSets: [DataSetName])] = []
    for record in try dataSets() {
      if let index = result.firstIndex(where: { $0.ledger.name == record.ledger.name }) {
        result[index].dataSets.append(record.name)
      } else {
        result.append((record.ledger, [record.name]))
      }
    }
    return result
  }

  /// Sets what the users of a data set may spend at most: the cap of their ledger, and so of every data set on it.
  func set(cap: PrivacyBudget, of name: DataSetName) throws {
    try database.write { try Self.set(cap: cap, of: name, in: $0) }
  }

  static func set(cap: PrivacyBudget, of name: DataSetName, in database: Database) throws {
    let ledger = try String.fetchOne(database, sql: "SELECT ledger FROM dataSet WHERE name = ?", arguments: [name.text])
    if let ledger { try set(cap: cap, ofLedger: ledger, in: database) }
  }

  private static func set(cap: PrivacyBudget, ofLedger ledger: String, in database: Database) throws {
    try database.execute(
      sql: "UPDATE ledger SET capEpsilon = ?, capDelta = ? WHERE name = ?", arguments: [cap.epsilon, cap.delta, ledger])
  }

  /// Remembers under which cap a ledger was first charged, once and for all: before that no result is known, so that a cap may be any.
  func keep(firstCap cap: PrivacyBudget, of ledger: DataSetName) throws {
    try database.write { database in
      try database.execute(
        sql: "UPDATE ledger SET firstEpsilon = ?, firstDelta = ? WHERE name = ? AND firstEpsilon IS NULL",
        arguments: [cap.epsilon, cap.delta, ledger.text])
    }
  }

  /// Remembers how far a ledger has come; a shorter one is not recorded.
  func record(ledgerHead head: LedgerHead, of ledger: DataSetName) throws {
    try database.write { database in
      try database.execute(
        sql: "UPDATE ledger SET size = ?, head = ? WHERE name = ? AND size < ?",
        arguments: [Int64(clamping: head.size), Data(head.head.bytes), ledger.text, Int64(clamping: head.size)])
    }
  }

  private static let dataSetQuery = """
    SELECT dataSet.*, ledger.name AS ledgerName, capEpsilon, capDelta, firstEpsilon, firstDelta, size, head
    FROM dataSet JOIN ledger ON ledger.name = dataSet.ledger
    """

  private static func dataSet(_ row: Row) throws -> DataSetRecord {
    let head = (row["head"] as Data?).flatMap { LedgerHead(size: row["size"] as Int64, bytes: $0) }
    let present = try cap(row)
    let first = try cap(row, "firstEpsilon", "firstDelta")
    return DataSetRecord(
      name: try DataSetName(row["name"]), catalogue: row["catalogue"], users: row["users"], events: row["events"],
      importedAt: row["importedAt"], removedAt: row["removedAt"],
      ledger: OwnLedgerRecord(name: try DataSetName(row["ledgerName"]), cap: present, firstCap: first, head: head))
  }

  private static func cap(
    _ row: Row, _ epsilon: String = "capEpsilon", _ delta: String = "capDelta"
  ) throws -> PrivacyBudget? {
    guard let epsilon = row[epsilon] as Double?, let delta = row[delta] as Double? else { return nil }
    return try PrivacyBudget(epsilon: epsilon, delta: delta)
  }
}
