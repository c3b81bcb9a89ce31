internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Reporting
internal import SecureAggregation

/// What a report says that plan and ledgers do not.
///
/// The privacy part is made anew from plan and ledgers and compared as a whole, so that no figure can be stated, left out or
/// added unseen. What is left: the words why the run ended, and what an audit measured.
struct ReportComparison {
  let report: RunReport
  let plan: TrainingPlan
  let planHash: Digest
  /// The coordinator's, as far as it could be read.
  let ledger: LedgerState?
  /// The partners' ledgers that are at hand, by name, in the order of the roster.
  var partners: [(name: String, state: LedgerState)] = []

  /// Whether this program words sentences as the one did that made the report.
  var isOfThisVersion: Bool { report.identity.codeVersion == TacitVersion.text }

  /// One sentence for each figure that differs.
  var objections: [String] {
    var objections: [String] = []
    func compare(_ what: String, _ stated: String?, _ found: String) {
      guard stated != found else { return }
      objections.append("states \(what) \(stated.map { shortened($0) } ?? "nowhere"), found \(shortened(found))")
    }
    compare("the run as", report.identity.runID, plan.session)
    compare("the plan's hash as", report.identity.planHash, planHash.hex)
    compare("the catalogue's hash as", report.identity.catalogueHash, plan.catalogue.hash)
    compare("the algorithm as", report.identity.algorithm, plan.algorithm.name)
    if let key = VerificationKey(hex: plan.coordinatorKey) {
      compare("the signer as", report.identity.signerKeyFingerprint, SHA256.hash(key.bytes).hex)
    }
    for hazard in PlanPrivacyReport.hazards(plan)
    where !report.hazards.contains(where: { $0.kind == hazard.kind && ($0.text == hazard.text || !isOfThisVersion) }) {
      objections.append("does not say: \(hazard.text)")
    }
    guard let ledger else { return objections + ["its figures could not be compared: the coordinator's ledger cannot be read"] }
    compare("the accountant as", report.identity.accountantName, RunPrivacy(plan: plan, state: ledger, partners: partners).accountant)
    return objections + privacyObjections(ledger)
  }

  private func privacyObjections(_ ledger: LedgerState) -> [String] {
    var stated = report.privacy
    do {
      var found = try RunPrivacy(plan: plan, state: ledger, partners: partners).report(
        areUsersFromData: stated.notCovered.contains(RunPrivacy.usersFromData), end: stated.rounds?.endedBecause)
      found.audit = stated.audit
      // A partner's ledger may not be at hand; that is said elsewhere.
      stated.spending?.removeAll { row in
        row.kind == .partner && !partners.contains { $0.name == row.name } && isOnRoster(row.name)
      }
      let tree = ReportTree(skipped: isOfThisVersion ? [] : ReportTree.sentences)
      let differences = try tree.differences(stated: stated, found: found, at: "privacy")
      return differences.count <= Self.countMax
        ? differences : differences.prefix(Self.countMax) + ["differs in \(differences.count - Self.countMax) more figures"]
    } catch { return ["its figures cannot be compared with the ledger's: \(error)"] }
  }

  private func isOnRoster(_ name: String) -> Bool { plan.roster.contains { $0.name == name } }

  private static let countMax = 8

  private func shortened(_ text: String) -> String { text.count > 24 ? "\(text.prefix(16))…" : text }
}
