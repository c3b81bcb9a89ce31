public import CryptoPrimitives
internal import SecureAggregation

/// The integers of an evaluation release on their way to partners, with the record of the coordinator's ledger that holds their hash.
///
/// The coordinator's signed word on the release (`ModelRelease`) names the head of its ledger, and that is the chain hash of exactly this
/// record behind `previousHead`: nobody needs more of the ledger to see that these integers are the released ones.
/// Protocols/training-round.md §8.
public struct ReleasedEvaluation: Sendable, Equatable {
  /// Users, hits and gains of each activity group in grid units, noise included.
  public let entries: [Int64]
  /// Chain hash of the ledger before the record.
  public let previousHead: Digest
  /// The record's payload: the outcome of the release, as canonical JSON.
  public let outcome: [UInt8]

  public init(entries: [Int64], previousHead: Digest, outcome: [UInt8]) {
    self.entries = entries
    self.previousHead = previousHead
    self.outcome = outcome
  }

  /// An outcome has some 350 bytes.
  public static let outcomeBytesMax = 4096

  /// What the coordinator shows of a release that it signed.
  ///
  /// - Returns: `nil` when its ledger is not the one that was signed, or a partner's, which is shown to nobody.
  public init?(_ entries: [Int64], under statement: ModelRelease, in ledger: LedgerState) {
    guard (2...UInt64(ledger.size)).contains(statement.ledgerSize) else { return nil }
    let size = Int(statement.ledgerSize)
    guard ledger.signedHead(size: size).head.head == statement.ledgerHead,
      let outcome = ledger.continuation(after: statement.ledgerSize - 1, upTo: statement.ledgerSize)?.payloads.first
    else { return nil }
    self.init(entries: entries, previousHead: ledger.signedHead(size: size - 1).head.head, outcome: outcome)
  }

  /// What the integers say, when they are those of the release that `statement` speaks of.
  ///
  /// Asked is: as many as the plan has, each in its ring; their hash in an outcome of this release and attempt; and that outcome
  /// as the last record under the signed head. The statement's signature is checked by `ModelRelease.isSigned`.
  /// - Returns: `nil` when anything of that is not so, or the plan publishes no such integers.
  public func read(under statement: ModelRelease, of plan: TrainingPlan) -> NoisedEvaluation? {
    guard plan.releases.indices.contains(Int(statement.round)) else { return nil }
    let release = plan.releases[Int(statement.round)]
    let half = Int64(1) << Int64(release.modulusBits - 1)
    guard plan.publishes(evaluation: release), entries.count == release.dimension,
      entries.allSatisfy({ (-half..<half).contains($0) }), let outcome = outcome(under: statement),
      outcome.result == .released(LedgerOutcome.digest(of: entries)), let survivors = outcome.survivors,
      (plan.aggregation.minimumSurvivors...plan.roster.count).contains(survivors)
    else { return nil }
    return NoisedEvaluation(entries, of: release, survivors: survivors)
  }

  /// The outcome of the release, when its record is the last under the signed head.
  private func outcome(under statement: ModelRelease) -> LedgerOutcome? {
    guard outcome.count <= Self.outcomeBytesMax, let number = Int(exactly: statement.ledgerSize),
      LedgerChain.link(previous: previousHead, payload: outcome) == statement.ledgerHead,
      let entry = try? LedgerEntry(payload: CanonicalJSON(canonical: outcome)), case .outcome(let found) = entry,
      // Also under this number: a payload says which record it is.
      entry.payload(number: number).bytes == outcome,
      found.attempt == LedgerAttempt(session: statement.session, round: Int(statement.round), attempt: Int(statement.attempt)),
      found.release == Int(statement.round)
    else { return nil }
    return found
  }
}

extension TrainingPlan {
  /// Whether the integers of a release are shown to partners: those of evaluations, which noise has made fit to be seen.
  func publishes(evaluation release: PlannedRelease) -> Bool { release.purpose == .evaluation && privacy.noise != .none }

  /// Rounds whose evaluation is public for all that a partner knows: there is a release of it or after it, or a later round began.
  ///
  /// - Parameters:
  ///   - newest: the newest signed release that the partner believes.
  ///   - mark: how far the partner has come.
  public func publishedEvaluations(newest: ModelRelease?, mark: AttemptMark?) -> [UInt32] {
    let end = max(newest.map { Int($0.round) + 1 } ?? 0, mark.map { Int($0.round) } ?? 0)
    return releases.prefix(end).indices.filter { publishes(evaluation: releases[$0]) }.map { UInt32($0) }
  }
}
