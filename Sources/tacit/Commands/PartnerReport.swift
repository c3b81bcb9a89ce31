internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Reporting
internal import Storage

/// The report of one partner of a run: from the plan and that partner's ledger alone.
struct PartnerReport {
  let folder: RunFolder
  let partner: String
  /// The run as the user named it, for the commands.
  let path: String

  /// - Throws: `CommandFailure` when plan or ledger cannot be relied on.
  func report() throws -> RunReport {
    let file: PlanFile
    do { file = try PlanFile(bytes: try RunFiles.read(folder.plan, of: folder)) } catch let error as PlanError {
      throw CommandFailure(.data, "\(folder.plan): \(error)")
    }
    let (plan, hash) = (file.plan, SHA256.hash(file.bytes))
    guard let entry = plan.roster.first(where: { $0.name == partner }) else {
      let names = plan.roster.map(\.name)
      let hint =
        NearestName.match(partner, among: names).map { "did you mean '\($0)'?" }
        ?? "expected one of \(names.prefix(12).joined(separator: ", "))"
      throw CommandFailure(.usage, "'\(partner)' is not in the plan's roster; \(hint)")
    }
    let state = try ledger(of: entry, plan, hash)
    let charges = state.charges.filter { $0.charge.plan == hash && $0.refund != .proven }
    if let (line, objection) = charges.lazy.compactMap({ standing in
      plan.objection(to: standing.charge).map { (standing.number, $0) }
    })
    .first {
      throw CommandFailure(
        .notVerified, "\(folder.partnerLedger(partner)), line \(line): the charge \(objection); no report is made from it")
    }
    // What the plan's evaluations said is public; the run's report, whose seal holds, says it.
    let sealed = FileManager.default.fileExists(atPath: folder.reportJSON) ? try SealedRunReport(of: folder).report : nil
    let evaluations = plan.privacy.noise == .none ? nil : sealed?.utility?.released
    let figures = PlanPrivacyReport(plan: plan, state: state, charges: charges, ledgerHead: state.lastHash.hex)
    var privacy = try figures.report()
    privacy.covered = [
      "Every release that \(partner)'s masked input may have entered, and every attempt that came to nothing after it."
    ]
    privacy.notCovered = [
      "Rounds in which \(partner) took no part.", "Traffic: sizes and times of messages.",
      "The catalogue, which is taken to be public.", "What other partners spend of a user whose data they hold too.",
    ]
    let released = charges.count { if case .released? = $0.outcome?.result { true } else { false } }
    privacy.rounds = RoundCounts(
      planned: plan.releases.count, completed: released, abortedButCharged: charges.count - released,
      endedBecause: "see the report of the run")
    privacy.spending = SpendReading.rows(plan, partners: [(partner, state)], charges: charges)
    privacy.total = plan.privacy.noise == .none ? nil : SpendReading.total(of: [state], delta: plan.privacy.delta)
    privacy.tuning = TuningDisclosure(
      notCovered: ["Any search on private data that this ledger does not name."],
      use: plan.privacy.noise == .none
        ? nil
        : SpendReading.use(
          of: state, delta: plan.privacy.delta, isOfThisRun: !folder.isExport && !SpendReading.isKept(state)))
    // An audit is of the mechanism, which is the same for all partners.
    privacy.audit = sealed?.privacy.audit
    return RunReport(
      identity: RunIdentity(
        runID: plan.session, algorithm: plan.algorithm.name, dataSet: state.header.dataset, planHash: hash.hex,
        catalogueHash: plan.catalogue.hash, codeVersion: ProgramVersion.tacit, accountantName: figures.accountant,
        // Nobody signs what is recomputed here; that the ledger is this partner's was verified.
        signerKeyFingerprint: nil),
      privacy: privacy, utility: evaluations.flatMap { $0.isEmpty ? nil : UtilityReport(released: $0) },
      hazards: (privacy.audit?.hazard.map { [$0] } ?? [])
        + (folder.isExport
          ? []
          : [
            Hazard(
              kind: .simulation,
              text: "One process played all parties: it shows cost and quality, and protects nobody from its own operator.")
          ]) + [
          Hazard(
            kind: .other,
            text:
              "Nobody signed this report: it was computed here from the plan and \(partner)'s ledger, whose signatures hold. A partner signs its own with tacit-client report --sign."
          )
        ] + PlanPrivacyReport.hazards(plan),
      commands: [
        ReportCommand(
          purpose: "Check plan and ledgers, and recompute ε from their events alone", command: "tacit verify \(path)"),
        ReportCommand(purpose: "Show this report again", command: "tacit report \(path) --partner \(partner)"),
      ])
  }

  private func ledger(of entry: RosterEntry, _ plan: TrainingPlan, _ hash: Digest) throws -> LedgerState {
    let path = folder.partnerLedger(partner)
    guard FileManager.default.fileExists(atPath: path) else {
      throw CommandFailure(
        .noInput,
        folder.isExport
          ? "the ledger of '\(partner)' is at the partner, who reports from it with: tacit-client report"
          : "\(path) is missing: what was charged there cannot be known")
    }
    let verification = LedgerVerifier(
      key: VerificationKey(hex: entry.verificationKey), plan: hash,
      rules: [RunUnderCheck(folder: folder, plan: plan, planHash: hash).evidenceRules]
    ).verify(try RunFiles.read(path, of: folder))
    // A crash may tear the last line of a run that goes on; a run that looks whole has ended with whole ledgers.
    let fault = verification.findings.first { finding in
      // A ledger that outlives its runs may hold no charge of this plan.
      (finding.isFault && !(finding.kind == .otherPlan && verification.state.map { SpendReading.isKept($0) } == true))
        || (folder.isFinished && [.tornLastLine, .missingLineFeed].contains(finding.kind))
    }
    guard fault == nil, let state = verification.state else {
      let first = fault?.description ?? "it cannot be read"
      throw CommandFailure(.notVerified, "\(path): \(first); no report is made from a ledger that does not verify")
    }
    guard state.header.holder == partner else {
      throw CommandFailure(.notVerified, "\(path): is the ledger of '\(state.header.holder)', expected that of '\(partner)'")
    }
    // The run's report counted the charges when the ledger was whole.
    if FileManager.default.fileExists(atPath: folder.reportJSON) {
      let report = try SealedRunReport(of: folder).report
      // Without noise nothing is spent that a report would count.
      guard plan.privacy.noise != .none else { return state }
      guard let row = report.privacy.spending?.first(where: { $0.kind == .partner && $0.name == partner }) else {
        throw CommandFailure(.notVerified, "\(folder.reportJSON) does not count the charges of '\(partner)'")
      }
      let found = state.charges.count { $0.refund != .proven && $0.charge.plan == hash }
      guard found == row.charges else {
        throw CommandFailure(
          .notVerified,
          "\(path): found \(found) charges, but the run's report counts \(row.charges): the ledger lost records or was changed; no report is made from it"
        )
      }
    }
    return state
  }
}
