internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Storage

/// Writes what a plan has come to as a run folder that `tacit verify`, `evaluate` and `recommend` read.
public struct RunExport {
  private let folder: StateFolder
  private let store: CoordinatorStore
  private let plan: PlanRecord
  /// Read before the ledger: each of them has its outcome there.
  private let releases: [ReleaseRecord]
  /// The last of them with its model.
  private let newest: ReleaseRecord?
  private let ledgerBytes: [UInt8]

  /// - Parameter number: which plan, counted from 1; by default the newest.
  /// - Throws: `StateFolderError` when there is no such plan, or it has no ledger.
  public init(folder: StateFolder, plan number: Int? = nil) throws {
    _ = try CoordinatorState.description(of: folder)
    self.folder = folder
    store = try CoordinatorStore(path: folder.database)
    plan = try PlanLedger.find(number, in: store)
    newest = try store.newestRelease(of: plan.session)
    releases = try store.releases(of: plan.session)
    ledgerBytes = try PlanLedger.read(folder.ledger(of: plan.session.hex))
  }

  /// Plan and ledger as they will be written, for a report on them.
  ///
  /// - Throws: `StateFolderError` when the ledger does not verify.
  public func ledger() throws -> PlanLedger {
    try PlanLedger(plan, bytes: ledgerBytes, path: folder.ledger(of: plan.session.hex))
  }

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
      if !release.evaluation.isEmpty { line["noised"] = release.evaluation.map { Double($0) } }
      lines.append(String(decoding: try JSONSerialization.data(withJSONObject: line, options: [.sortedKeys]), as: UTF8.self))
    }
    try run.write(Array((lines.joined(separator: "\n") + "\n").utf8), to: run.metrics)
    if let newest, let model = newest.model {
      try run.write(newest.statement.encoded(), to: run.modelRelease)
      let catalogue = try CatalogueDocument.decode(plan.catalogue).catalogue
      try ModelBundle.write(try ModelBytes.decode(model), catalogue: catalogue, to: run.currentPath)
    }
    guard plan.endedAt != nil else {
      try run.interrupt(reason: "the plan is not over; this is what was released so far")
      return Outcome(path: run.currentPath, plan: plan.number, releases: releases.count, isPlanOver: false)
    }
    try run.finish()
    return Outcome(path: run.currentPath, plan: plan.number, releases: releases.count, isPlanOver: true)
  }
}
