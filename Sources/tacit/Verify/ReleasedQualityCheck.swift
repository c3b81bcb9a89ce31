internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Reporting

/// What a report says of evaluation releases: it must follow from integers whose hashes the coordinator's ledger holds.
struct ReleasedQualityCheck {
  private let stated: [ReleasedQuality]
  private let plan: TrainingPlan
  private let isWhole: Bool
  /// Released sums of the ledger, by index of the release.
  private let outcomes: [Int: (digest: Digest?, survivors: Int)]

  /// - Parameter isWhole: whether the folder is that of a whole run, which leaves nothing out.
  init(_ stated: [ReleasedQuality], plan: TrainingPlan, ledger: LedgerState, isWhole: Bool) {
    (self.stated, self.plan, self.isWhole) = (stated, plan, isWhole)
    var outcomes: [Int: (digest: Digest?, survivors: Int)] = [:]
    for standing in ledger.charges {
      guard case .released(let digest)? = standing.outcome?.result else { continue }
      outcomes[standing.charge.release] = (digest, standing.outcome?.survivors ?? 0)
    }
    self.outcomes = outcomes
  }

  /// One sentence for each statement that is not so.
  var objections: [String] {
    var objections = stated.compactMap(objection)
    if plan.privacy.noise == .none, !stated.isEmpty {
      objections.append("states sums of evaluation releases of a plan without noise: they are exact numbers of users")
    }
    let numbers = stated.map(\.release)
    if zip(numbers, numbers.dropFirst()).contains(where: >=) {
      objections.append("states an evaluation release twice, or out of order")
    }
    return isWhole ? objections + missing : objections
  }

  /// Evaluation releases that the ledger knows and the report does not; an export that is not whole may have lost them.
  var missing: [String] { missing(besides: []) }

  /// - Parameter known: releases, counted from 1, that whoever reports says it does not hold.
  func missing(besides known: [Int]) -> [String] {
    guard plan.privacy.noise != .none else { return [] }
    return plan.releases.indices.filter { round in
      plan.releases[round].purpose == .evaluation && outcomes[round] != nil && !stated.contains { $0.release == round + 1 }
        && !known.contains(round + 1)
    }.map { "does not say what evaluation release \($0 + 1) said of the model" }
  }

  private func objection(to quality: ReleasedQuality) -> String? {
    let what = "states as sums of evaluation release \(quality.release)"
    let entries = quality.entries.map { Int64($0) }
    guard (1...plan.releases.count).contains(quality.release), let outcome = outcomes[quality.release - 1],
      outcome.digest == LedgerOutcome.digest(of: entries)
    else { return "\(what) integers whose hash is not in the coordinator's ledger" }
    let round = quality.release - 1
    let read = NoisedEvaluation(entries, of: plan.releases[round], survivors: outcome.survivors)
    guard read.map({ ReleasedQuality($0, round: round) }) == quality else {
      return "\(what) those of the ledger, and other figures than follow from them"
    }
    return nil
  }
}
