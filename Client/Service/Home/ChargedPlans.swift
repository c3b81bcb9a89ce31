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
    guard mkdir(chargedPlans, 0o700) == 0 || errno == EEXIST else {
      throw PartnerError(.io, "the folder \(chargedPlans) cannot be made: \(String(cString: strerror(errno)))")
    }
    try PrivateFile.synchronize(self.path + "/ledgers")
    try HomeFile.write(bytes, to: path)
  }

  /// Those that lie there; a file that is no plan of this version is as one that is not there.
  ///
  /// - Throws: `PartnerError` when the folder or a file in it is there and cannot be read: for want of a plan, nothing of another one would
  ///   be charged, and nobody would know why.
  func keptPlans() throws -> [Digest: TrainingPlan] {
    guard HomeFile.exists(chargedPlans) else { return [:] }
    let files: [String]
    do { files = try FileManager.default.contentsOfDirectory(atPath: chargedPlans) } catch {
      throw unreadable(chargedPlans)
    }
    return try files.filter { $0.hasSuffix(".json") }.reduce(into: [:]) { plans, file in
      guard let bytes = HomeFile.content("\(chargedPlans)/\(file)") else { throw unreadable("\(chargedPlans)/\(file)") }
      plans[SHA256.hash(bytes)] = try? PlanFile(bytes: bytes).plan
    }
  }

  private func unreadable(_ path: String) -> PartnerError {
    PartnerError(
      .io,
      "\(path), where the plans lie that ledgers were charged under, cannot be read; look at the disk, at its kind and at its permissions: without them no cap over several plans is proven"
    )
  }
}

extension CapObstacle {
  /// What stands against another charge, for a person.
  ///
  /// - Parameter isLinked: whether it may stand on a linked ledger.
  func sentence(on name: DataSetName, isLinked: Bool = false) -> String {
    let ledger = "The ledger '\(name)'\(isLinked ? ", or one that is linked with it," : "")"
    return switch self {
    case .unknownPlan(let plan):
      "\(ledger) was charged under the plan \(plan.hex.prefix(16))…, which this home has lost or cannot read; no cap over two plans is proven without it, so that it is charged for no other. Copy that plan into the folder ledgers/plans of this home: every partner that took part has it there, and it is the plan.json of what the coordinator writes with `tacit-coordinator export --plan NUMBER` (its hash is checked; any name ending with .json will do)."
    case .otherUnit(let plan, let partners):
      "\(ledger) was charged under the plan \(plan.hex.prefix(16))…, which promises something to users at up to \(partners) partner\(partners == 1 ? "" : "s"), and this plan to users at another number: the two cannot be added up, so that nothing of this plan is charged to it. Ask for a plan with max-partners-per-user \(partners)."
    case .twoLedgers(let plan):
      "The ledger '\(name)' and one that is linked with it would both be charged under the plan \(plan.hex.prefix(16))…: the same people would be in one sum twice, which is more than the plan states for them. One of the two homes takes part in it, not both."
    }
  }
}
