internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import PeerIdentity

/// The plans that the ledgers of a home may hold charges of, kept beside the ledgers and as lasting as they are.
///
/// A cap over several plans is proven from the plan that was charged first (`SpendingCap`). A ledger names it by its hash, so that
/// nobody has to be believed who brings it back.
extension PartnerHome {
  /// Where they lie; files of any name in it are read, and count by the hash of what they hold.
  var chargedPlans: String { path + "/ledgers/plans" }

  /// Keeps a plan before its first charge; one that is there stays.
  ///
  /// - Throws: `PartnerError`, `PeerIdentityError` when it cannot be written.
  func keep(plan bytes: [UInt8]) throws {
    let path = "\(chargedPlans)/\(SHA256.hash(bytes).hex).json"
    guard HomeFile.content(path) != bytes else { return }
    if mkdir(chargedPlans, 0o700) == 0 {
      try PrivateFile.synchronize(self.path + "/ledgers")
    } else if errno != EEXIST {
      throw PartnerError(.io, "the folder \(chargedPlans) cannot be made: \(String(cString: strerror(errno)))")
    }
    try HomeFile.write(bytes, to: path)
  }

  /// Those that lie there; a file that is no plan of this version is as one that is not there.
  func keptPlans() -> [Digest: TrainingPlan] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: chargedPlans)) ?? []
    return files.filter { $0.hasSuffix(".json") }.reduce(into: [:]) { plans, file in
      guard let bytes = HomeFile.content("\(chargedPlans)/\(file)") else { return }
      plans[SHA256.hash(bytes)] = try? PlanFile(bytes: bytes).plan
    }
  }
}

/// A ledger whose first plan this home has lost: no cap over two plans is proven without it.
struct LostFirstPlan {
  let ledger: DataSetName
  let first: Digest

  /// - Parameters:
  ///   - plan: the one that is to be charged; no other is needed for the first one itself.
  ///   - plans: all that the home knows.
  /// - Returns: `nil` where nothing is lost.
  init?(_ ledger: DataSetName, _ state: LedgerState?, charging plan: Digest, knowing plans: [Digest: TrainingPlan]) {
    guard let first = state?.firstPlan, first != plan, plans[first] == nil else { return nil }
    self.ledger = ledger
    self.first = first
  }

  var sentence: String {
    "The ledger '\(ledger)' was first charged under the plan \(first.hex.prefix(16))…, which this home has lost or cannot read; no cap over two plans is proven without it, so that it is charged for no other. Copy that plan into the folder ledgers/plans of this home: it is the plan.json of what the coordinator writes with `tacit-coordinator export --plan NUMBER` (its hash is checked; any name ending with .json will do)."
  }
}
