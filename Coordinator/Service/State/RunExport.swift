internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Storage

/// Writes what a plan has come to as a run folder that `tacit verify`, `evaluate` and `recommend` read.
public struct RunExport {
  private let folder: StateFolder
  private let plan: PlanRecord
  private let releases: [ReleaseRecord]
  /// The last of them with its model.
  private let newest: ReleaseRecord?
  private let ledgerBytes: [UInt8]
  /// Released sums of the ledger of which the database holds nothing: a server was killed before it wrote them there and has not run
  /// since, or the database is a restored one that is older.
  private let lostReleases: Int

  /// A server beside this may release meanwhile: it writes its ledger first, then the database.
  ///
  /// - Parameters:
  ///   - number: which plan, counted from 1; by default the newest.
  ///   - patience: how long to wait for a database that is behind its ledger.
  /// - Throws: `StateFolderError` when there is no such plan, or it has no ledger.
  public init(folder: StateFolder, plan number: Int? = nil, patience: Duration = .seconds(3)) throws {
    _ = try CoordinatorState.description(of: folder)
    self.folder = folder
    let store = try CoordinatorStore(path: folder.database)
    let deadline = ContinuousClock.now + patience
    while true {
      // Whatever was in the database by now is in the ledger that is read after it.
      let plan = try PlanLedger.find(number, in: store)
      let newest = try store.newestRelease(of: plan.session)
      let releases = try store.releases(of: plan.session)
      let path = folder.ledger(of: plan.session.hex)
      let bytes = try PlanLedger.read(path)
      let rounds = LedgerReleases.rounds(in: bytes, key: try plan.planFile().plan.coordinatorKey)
      let lost = rounds.subtracting(releases.map { Int($0.statement.round) }).count
      let isConsistent = newest?.statement == releases.last?.statement
      if isConsistent, lost == 0 || ContinuousClock.now >= deadline {
        (self.plan, self.newest, self.releases, ledgerBytes, lostReleases) = (plan, newest, releases, bytes, lost)
        return
      }
      guard ContinuousClock.now < deadline else {
        throw StateFolderError(.busy, "sums are released faster than they can be read; export again after the plan's end")
      }
      Thread.sleep(forTimeInterval: 0.02)
    }
  }

  /// Plan and ledger as they will be written, for a report on them.
  ///
  /// - Throws: `StateFolderError` when the ledger does not verify.
  public func ledger() throws -> PlanLedger {
    try PlanLedger(plan, bytes: ledgerBytes, path: folder.ledger(of: plan.session.hex), releases: releases)
  }

  /// Whether the folder will have the name of a whole run: the plan is over, and all that was released is here.
  public var isWhole: Bool { plan.endedAt != nil && lostReleases == 0 }

  /// A report in its three forms, each with the same seal.
  public struct Report: Sendable {
    let json: String
    let page: String
    let text: String

    public init(json: String, page: String, text: String) {
      self.json = json
      self.page = page
      self.text = text
    }
  }

  /// What was written, and where.
  public struct Outcome: Sendable, Equatable {
    public let path: String
    public let plan: Int
    public let releases: Int
    /// Released sums of which only the ledger knows.
    public let lostReleases: Int
    public let isPlanOver: Bool
  }

  /// What `settings.json` of a run says, for commands that look for the data.
  private struct RunSettings: Encodable {
    let data: String
    let partners: String
    let seed: UInt64
    let validation = false
    let command = "tacit-coordinator export"
  }

  /// - Parameters:
  ///   - data: where `tacit evaluate` finds data to judge by, if anybody has some.
  ///   - partners: how those data are divided.
  ///   - report: the coordinator's, on `ledger()`; a folder without one holds what it would be made of.
  /// - Throws: `StorageError`, `StateFolderError`.
  public func write(to path: String, data: String, partners: String, report: Report? = nil) throws -> Outcome {
    let planFile = try plan.planFile()
    var run = try RunFolder.create(at: path)
    try run.write(planFile.bytes, to: run.plan)
    try run.write(Array((plan.signature.hex + "\n").utf8), to: run.currentPath + "/plan.sig")
    try run.write(ledgerBytes, to: run.coordinatorLedger)
    let witnesses = releases.compactMap(\.witness)
    if !witnesses.isEmpty { try run.write(Array((witnesses.joined(separator: "\n") + "\n").utf8), to: run.witnesses) }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    let settings = RunSettings(data: data, partners: partners, seed: planFile.plan.modelSeed)
    try run.write(Array(try encoder.encode(settings)) + [0x0A], to: run.currentPath + "/settings.json")
    try run.write(
      Array("written by the coordinator of session \(plan.session.hex); the partners keep their own ledgers\n".utf8),
      to: run.exportNote)
    if let report {
      try run.write(Array(report.json.utf8), to: run.reportJSON)
      try run.write(Array(report.page.utf8), to: run.reportHTML)
      try run.write(Array(report.text.utf8), to: run.reportText)
    }
    var lines: [String] = []
    for release in releases {
      var line: [String: Any] = [
        "event": "released", "round": Int(release.statement.round), "attempt": Int(release.statement.attempt),
        "name": release.name, "partners": release.partners,
      ]
      if let epsilon = release.epsilon { line["epsilon"] = epsilon }
      if !release.evaluation.isEmpty { line["noised"] = release.evaluation }
      lines.append(String(decoding: try JSONSerialization.data(withJSONObject: line, options: [.sortedKeys]), as: UTF8.self))
    }
    try run.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: run.metrics)
    if let newest, let model = newest.model {
      try run.write(newest.statement.encoded(), to: run.modelRelease)
      let catalogue = try CatalogueDocument.decode(plan.catalogue).catalogue
      if let features = try CatalogueDocument.features(of: plan.catalogue) {
        try ItemFeatureFile.write(features, to: run.currentPath)
      }
      try ModelBundle.write(try ModelBytes.decode(model), catalogue: catalogue, to: run.currentPath)
    }
    let isPlanOver = plan.endedAt != nil
    if !isPlanOver {
      try run.interrupt(reason: "the plan is not over; this is what was released so far")
    } else if lostReleases > 0 {
      try run.interrupt(
        reason: "the ledger released \(lostReleases) more sums, of which this coordinator's database holds nothing")
    } else {
      try run.finish()
    }
    return Outcome(
      path: run.currentPath, plan: plan.number, releases: releases.count, lostReleases: lostReleases, isPlanOver: isPlanOver)
  }
}
