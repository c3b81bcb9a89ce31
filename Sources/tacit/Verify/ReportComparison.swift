internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Reporting
internal import Storage

/// What a report says that plan and ledgers do not.
///
/// The privacy part is made anew from plan and ledgers and compared as a whole, figures and sentences, so that nothing can be stated,
/// left out or added unseen. What is left: why the run ended, what an audit measured, and of a simulation data, seed, quality and cost.
struct ReportComparison {
  let report: RunReport
  let run: RunUnderCheck
  let ledgers: RunLedgers

  private var plan: TrainingPlan { run.plan }

  /// Who makes such a folder. A simulation is not asked for sentences of a service, nor a service for those of a simulation.
  private var origin: RunPrivacy.Origin {
    run.folder.isExport
      ? .service : .simulation(areUsersFromData: RunPrivacy.areUsersFromData(report.privacy))
  }

  /// One sentence for each figure or sentence that differs.
  var objections: [String] {
    var objections: [String] = []
    func compare(_ what: String, _ stated: String?, _ found: String) {
      guard stated != found else { return }
      objections.append("states \(what) \(stated.map { shortened($0) } ?? "nowhere"), found \(shortened(found))")
    }
    if report.identity.codeVersion != origin.program {
      objections.append(
        "was made by \(report.identity.codeVersion ?? "a program without a name"), and this is \(ProgramVersion.tacit), which compares with what \(origin.program) writes: its sentences, page and text cannot be; verify it with the version that made it"
      )
    }
    compare("the run as", report.identity.runID, plan.session)
    compare("the plan's hash as", report.identity.planHash, run.planHash.hex)
    compare("the catalogue's hash as", report.identity.catalogueHash, plan.catalogue.hash)
    compare("the algorithm as", report.identity.algorithm, plan.algorithm.name)
    if let key = VerificationKey(hex: plan.coordinatorKey) {
      compare("the signer as", report.identity.signerKeyFingerprint, SHA256.hash(key.bytes).hex)
    }
    if origin == .service { compare("the data set as", report.identity.dataSet, plan.task) }
    if report.identity.accountantVersion != nil || (origin == .service && report.identity.seed != nil) {
      objections.append("states a version of the accountant or a seed, which \(origin.program) does not")
    }
    if !RunCommands.areOurs(report.commands, origin: origin) {
      objections.append("ends with other commands than those that \(origin.program) writes")
    }
    let released = report.utility?.released ?? []
    if origin == .service, report.cost != nil || report.utility != (released.isEmpty ? nil : UtilityReport(released: released)) {
      objections.append("states figures of quality or cost, which a coordinator without data has no means to measure")
    }
    guard let ledger = ledgers.coordinator else {
      return objections + ["its figures could not be compared: the coordinator's ledger cannot be read"]
    }
    let privacy = RunPrivacy(plan: plan, state: ledger, partners: ledgers.partners, origin: origin)
    let hazards = privacy.hazards + (report.privacy.audit?.hazard.map { [$0] } ?? [])
    for hazard in hazards where !report.hazards.contains(hazard) { objections.append("does not say: \(hazard.text)") }
    for hazard in report.hazards where !hazards.contains(hazard) {
      objections.append("says what plan and origin do not: \(hazard.text)")
    }
    compare("the ledger's head as", report.privacy.ledger?.head, ledger.lastHash.hex)
    compare("the accountant as", report.identity.accountantName, privacy.accountant)
    if let audit = report.privacy.audit { objections += self.objections(to: audit) }
    return objections + ReleasedQualityCheck(released, plan: plan, ledger: ledger, isWhole: run.folder.isFinished).objections
      + privacyObjections(privacy)
  }

  /// What an audit measured cannot be seen here; what it was held against follows from the plan.
  private func objections(to audit: EmpiricalAudit) -> [String] {
    let attacks = audit.attacks ?? []
    guard !attacks.isEmpty else { return ["states an audit without an attack"] }
    var objections: [String] = []
    let events = plan.releases.compactMap { $0.event(plan.privacy, against: .outsiders) }
    guard let summary = try? PrivacyLossSummary(events), let bound = try? Accounting.best(for: summary, delta: plan.privacy.delta)
    else { return ["states an audit of a plan without a bound"] }
    if audit.delta != bound.delta || abs((audit.epsilonProven ?? 0) - bound.epsilon) > bound.epsilon * 1e-6 {
      objections.append(
        "states that ε = \(audit.epsilonProven ?? 0) at δ = \(audit.delta ?? 0) was audited, found \(bound.epsilon) at \(bound.delta)"
      )
    }
    let lower = attacks.compactMap(\.epsilonLower).max() ?? 0
    if audit.epsilonLower != lower {
      objections.append(
        "states that the audit shows ε ≥ \(audit.epsilonLower), and the most that one of its attacks shows is \(lower)")
    }
    return objections
  }

  private func privacyObjections(_ privacy: RunPrivacy) -> [String] {
    var stated = report.privacy
    do {
      var found = try privacy.report(end: stated.rounds?.endedBecause)
      found.audit = stated.audit
      // A simulated partner's ledger may not be at hand; that is said elsewhere. A service states none of them.
      if origin != .service {
        let names = Set(plan.roster.map(\.name)).subtracting(ledgers.partners.map(\.name))
        stated.spending?.removeAll { $0.kind == .partner && names.contains($0.name) }
      }
      let differences = try ReportTree.differences(stated: stated, found: found, at: "privacy")
      return differences.count <= Self.countMax
        ? differences : differences.prefix(Self.countMax) + ["differs in \(differences.count - Self.countMax) more figures"]
    } catch { return ["its figures cannot be compared with the ledger's: \(error)"] }
  }

  private static let countMax = 8

  private func shortened(_ text: String) -> String { text.count > 24 ? "\(text.prefix(16))…" : text }
}
