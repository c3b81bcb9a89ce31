internal import CryptoPrimitives
public import FederatedLearning
internal import Foundation
public import SecureAggregation

/// One plan of this folder with its ledger, read without a private key and beside a running server.
public struct PlanLedger: Sendable {
  public let number: Int
  public let plan: PlanFile
  public let path: String
  /// Everything that the ledger says; it verifies under the plan's key.
  public let state: LedgerState
  /// What its evaluation releases said, by round, as far as the database holds them.
  public let evaluations: [Int: NoisedEvaluation]
  /// Why the plan is over, in words; `nil` while it is not.
  public let end: String?

  /// - Parameter number: which plan, counted from 1; by default the newest.
  /// - Throws: `StateFolderError` when there is no such plan, or its ledger is missing or does not verify.
  public init(folder: StateFolder, plan number: Int? = nil) throws {
    _ = try CoordinatorState.description(of: folder)
    let store = try CoordinatorStore(path: folder.database)
    let record = try Self.find(number, in: store)
    // A server writes its ledger first: whatever is in the database by now is in the ledger that is read after it.
    let releases = try store.releases(of: record.session)
    let path = folder.ledger(of: record.session.hex)
    try self.init(record, bytes: try Self.read(path), path: path, releases: releases)
  }

  init(_ record: PlanRecord, bytes: [UInt8], path: String, releases: [ReleaseRecord]) throws {
    number = record.number
    plan = try record.planFile()
    self.path = path
    end = record.end
    state = try Self.state(bytes, plan, path)
    evaluations = Self.evaluations(in: releases, of: plan.plan)
  }

  private static func evaluations(in releases: [ReleaseRecord], of plan: TrainingPlan) -> [Int: NoisedEvaluation] {
    var evaluations: [Int: NoisedEvaluation] = [:]
    for release in releases {
      let round = Int(release.statement.round)
      guard plan.releases.indices.contains(round) else { continue }
      evaluations[round] = NoisedEvaluation(release.evaluation, of: plan.releases[round], survivors: release.partners)
    }
    return evaluations
  }

  /// - Throws: `StateFolderError` when there is no such file.
  static func read(_ path: String) throws -> [UInt8] {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw StateFolderError(.missing, "there is no ledger \(path): no round was ever opened")
    }
    return Array(bytes)
  }

  static func find(_ number: Int?, in store: CoordinatorStore) throws -> PlanRecord {
    let plans = try store.plans()
    guard let newest = plans.last else { throw StateFolderError(.missing, "no plan was ever made here") }
    guard let plan = number.map({ number in plans.first { $0.number == number } }) ?? newest else {
      throw StateFolderError(.missing, "there is no plan \(number ?? 0) here; expected 1 to \(newest.number)")
    }
    return plan
  }

  /// - Throws: `StateFolderError` of kind `damaged`. A last line that is being written, or was torn, is not counted.
  private static func state(_ bytes: [UInt8], _ plan: PlanFile, _ path: String) throws -> LedgerState {
    let verification = LedgerVerifier(
      key: VerificationKey(hex: plan.plan.coordinatorKey), plan: SHA256.hash(plan.bytes)
    ).verify(bytes)
    if let finding = verification.findings.first(where: \.isFault) {
      throw StateFolderError(.damaged, "the ledger \(path) does not verify: \(finding)")
    }
    guard let state = verification.state else { throw StateFolderError(.damaged, "the ledger \(path) has no whole record") }
    return state
  }

  /// The head after record `size`; by default the last one.
  ///
  /// - Throws: `StateFolderError` when the ledger is shorter.
  public func head(size: UInt64? = nil) throws -> LedgerHead {
    guard let size else { return state.head.head }
    guard size >= 1, size <= UInt64(state.size) else {
      throw StateFolderError(
        .missing,
        "the ledger of plan \(number) has \(state.size) records; expected a number from 1 to that. A partner that was shown more was shown another ledger, or this one was set back"
      )
    }
    return state.signedHead(size: Int(size)).head
  }
}
