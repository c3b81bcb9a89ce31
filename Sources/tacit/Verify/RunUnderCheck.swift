internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Storage

/// The folder that is verified, with its plan, which holds together.
struct RunUnderCheck {
  let folder: RunFolder
  let plan: TrainingPlan
  /// SHA-256 of the plan's bytes.
  let planHash: Digest

  /// How many partners' signatures under one statement convince somebody who took no part.
  var signaturesForProof: Int { plan.aggregation.signaturesForProof(partners: plan.roster.count) }

  /// By which refunds in a partner's ledger are judged.
  var evidenceRules: EvidenceRules {
    EvidenceRules(plan: planHash, roster: plan.verificationKeys, threshold: signaturesForProof)
  }

  /// A file of the folder as people name it.
  func name(_ path: String) -> String { String(path.dropFirst(folder.currentPath.count + 1)) }

  func holds(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}

extension LedgerAttempt {
  /// The attempt as people count.
  var place: String { "round \(round + 1), attempt \(attempt + 1)" }
}

extension LedgerState.Standing {
  var isReleased: Bool { if case .released? = outcome?.result { true } else { false } }
}
