internal import CryptoPrimitives
public import DataImport
public import DifferentialPrivacy
public import FederatedLearning
internal import Foundation
internal import Recommender

/// Brings a partner's own interactions into its home: once, against the plan's catalogue, and never out of it again.
public enum DataImporting {
  /// Which rows of a file are this partner's own.
  public struct Selection: Sendable, Equatable {
    public let column: String
    public let value: String

    public init(column: String, value: String) {
      self.column = column
      self.value = value
    }
  }

  /// What an import did, for the partner's own screen.
  public struct Result: Sendable {
    public let dataSet: DataSetRecord
    public let report: ImportReport
    /// Users with held-out events.
    public let heldOutUsers: Int
    public let usersOfOthers: Int
  }

  /// Reads a file or folder.
  ///
  /// - Parameters:
  ///   - catalogue: the plan's catalogue; items outside of it are refused or ignored as `options` say.
  ///   - only: the partner's own rows, where the file holds rows of others too.
  ///   - holdsOut: whether the last event of each user (or a folder's test items) is kept out of training, to judge models on
  ///     at home (`worth`) and for the plan's evaluation.
  ///   - cap: the most that the users of these data may ever spend, over all plans; may be decided later, with the consent.
  ///     Users that were imported before have a ledger with its cap.
  ///   - told: what a person says of these users; needed after the home's database was lost (`PartnerStore.lostLedgers`).
  /// - Throws: `DataImportError`, `DatasetError`, or `PartnerError` when the file holds rows of others and `only` is not given.
  public static func run(
    path: String, options: ImportOptions, catalogue reference: CatalogueReference, only: Selection?, holdsOut: Bool,
    name: DataSetName, told: ToldUsers = .nothing, cap: PrivacyBudget?, into store: PartnerStore, time: Int
  ) throws -> Result {
    guard try !store.isPurged else {
      throw PartnerError(.usage, "this home was purged: it takes no data any more; enrol a new one")
    }
    let catalogue = try Documents.catalogue(reference, in: store)
    var options = options
    options.catalogue = catalogue
    options.holdsOutLast = holdsOut
    let imported = try DatasetImporter.load(path: path, options: options)
    guard imported.dataset.itemCount == reference.itemCount else {
      throw PartnerError(
        .data,
        "\(path): found \(imported.dataset.itemCount) items, expected the plan's catalogue of \(reference.itemCount); leave out the folder's own list of items"
      )
    }
    let own = try selected(imported.dataset, only, path)
    let dataset = own.dataset
    guard dataset.userCount > 0, dataset.train.count > 0 else {
      throw PartnerError(.data, "\(path): there are no interactions of this partner to train on")
    }
    let data = LocalData(
      userIDs: dataset.userIDs, train: dataset.train,
      heldOut: holdsOut ? dataset.test : [[Int32]](repeating: [], count: dataset.userCount),
      negatives: holdsOut ? dataset.negatives : nil)
    try store.record(data, named: name, told: told, catalogue: reference.hash, cap: cap, time: time)
    guard let record = try store.dataSet(name) else { preconditionFailure("a data set that was recorded is there") }
    var report = imported.report
    if let note = note(on: record) { report.notes.append(note) }
    return Result(
      dataSet: record, report: report, heldOutUsers: data.heldOut.count { !$0.isEmpty }, usersOfOthers: own.others)
  }

  /// What a person should know when older data count these users already.
  private static func note(on record: DataSetRecord) -> String? {
    guard record.ledger.name != record.name else { return nil }
    let cap = record.cap.map { "whose cap is ε = \($0.epsilon) at δ = \($0.delta)" } ?? "which has no cap of your own yet"
    return
      "users of these data are counted already: '\(record.name)' is counted by the ledger '\(record.ledger.name)', \(cap); what that ledger has spent is spent for these data too"
  }

  /// Sets what the users of a data set may spend at most, over all plans: the cap of the ledger that counts them.
  public static func set(cap: PrivacyBudget, of name: DataSetName, in store: PartnerStore) throws {
    guard let record = try store.dataSet(name) else {
      throw PartnerError(.missing, "there is no data set '\(name)'; import it with: tacit-client data import FILE")
    }
    // Whoever was killed after the first charge has not noted under which cap it was.
    let path = store.home.ledger(of: record.ledger.name)
    if let known = record.cap, record.ledger.firstCap == nil, FileManager.default.fileExists(atPath: path),
      LedgerVerifier().verify(try HomeFile.read(path)).state?.firstPlan != nil
    {
      try store.keep(firstCap: known, of: record.ledger.name)
    }
    try store.set(cap: cap, of: name)
  }

  /// Erases the users and events of a data set; its ledger stays, and goes on counting its users if they are imported again.
  ///
  /// - Throws: `PartnerError` when there is none, or when a plan that was accepted and is not over trains on it.
  public static func remove(_ name: DataSetName, from store: PartnerStore, time: Int) throws {
    guard let record = try store.dataSet(name), !record.isRemoved else {
      let known = try store.dataSets().filter { !$0.isRemoved }.map(\.name.text).joined(separator: ", ")
      throw PartnerError(.missing, "there is no data set '\(name)' (there are: \(known.isEmpty ? "none" : known))")
    }
    let hasEnded = try store.hasLeft || store.isRevoked
    if !hasEnded, let plan = try store.acceptedPlans().first(where: { $0.dataSet == name && $0.end == nil }) {
      throw PartnerError(
        .usage,
        "'\(try PlanFile(bytes: plan.bytes).plan.task)' (\(plan.hash.hex.prefix(16))…) trains on '\(name)' and is not over; remove the data after its end, or leave the task: tacit-client leave"
      )
    }
    try store.remove(name, time: time)
  }

  private static func selected(
    _ dataset: Dataset, _ only: Selection?, _ path: String
  ) throws -> (dataset: Dataset, others: Int) {
    guard let only else {
      if let partners = dataset.userAttributes["partner"].map({ Set($0) }), partners.count > 1 {
        throw PartnerError(
          .data,
          "\(path): found rows of \(partners.count) partners (\(partners.sorted().prefix(3).joined(separator: ", "))…); only your own rows belong here: give --only partner=NAME"
        )
      }
      return (dataset, 0)
    }
    guard let values = dataset.userAttributes[only.column] else {
      let known = dataset.userAttributes.keys.sorted()
      throw PartnerError(
        .data,
        "\(path): the users have no column '\(only.column)'\(known.isEmpty ? "" : "; the columns there are: \(known.joined(separator: ", "))")"
      )
    }
    let users = values.indices.filter { values[$0] == only.value }
    guard !users.isEmpty else {
      throw PartnerError(
        .data,
        "\(path): no user has '\(only.value)' in the column '\(only.column)' (such as \(Set(values).sorted().prefix(3).joined(separator: ", ")))"
      )
    }
    return (dataset.selecting(users: users), values.count - users.count)
  }
}
