internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import SecureAggregation
internal import Storage

/// The ledgers of a run folder, each by itself: chain, signatures, order, ε, and whose it is.
struct RunLedgers {
  /// As far as it could be read.
  private(set) var coordinator: LedgerState?
  private(set) var findings = RunFindings()
  private var byName: [String: LedgerState] = [:]
  private let run: RunUnderCheck

  init(of run: RunUnderCheck) {
    self.run = run
    let plan = run.plan
    coordinator = read(
      run.folder.coordinatorLedger, kind: .coordinator, holder: "coordinator", key: plan.coordinatorKey)
    for entry in plan.roster {
      byName[entry.name] = read(
        run.folder.partnerLedger(entry.name), kind: .partner, holder: entry.name, key: entry.verificationKey)
    }
    checkNames()
  }

  /// The partners' ledgers that are at hand, in the order of the roster.
  var partners: [(name: String, state: LedgerState)] {
    run.plan.roster.compactMap { entry in byName[entry.name].map { (entry.name, $0) } }
  }

  /// The ledger of a partner by its number in the roster, if it is at hand.
  func partner(_ participant: ParticipantID) -> (name: String, state: LedgerState)? {
    guard let name = run.plan.roster.first(where: { $0.participant == participant.rawValue })?.name else { return nil }
    return byName[name].map { (name, $0) }
  }

  /// All that are at hand, the coordinator's first.
  var all: [(holder: String, path: String, state: LedgerState)] {
    (coordinator.map { [("coordinator", run.folder.coordinatorLedger, $0)] } ?? [])
      + partners.map { ($0.name, run.folder.partnerLedger($0.name), $0.state) }
  }

  private mutating func checkNames() {
    let folder = run.folder
    let expected = Set(([folder.coordinatorLedger] + run.plan.roster.map { folder.partnerLedger($0.name) }).map(run.name))
    for file in (try? FileManager.default.contentsOfDirectory(atPath: folder.ledgers))?.sorted() ?? []
    where file.hasSuffix(".ledger") && !expected.contains("ledgers/\(file)") {
      findings.say(.failed, "ledgers/\(file)", "belongs to nobody in the plan's roster: it is of another run")
    }
  }

  private mutating func read(
    _ path: String, kind: LedgerHeader.Kind, holder: String, key: String
  ) -> LedgerState? {
    let subject = run.name(path)
    guard run.holds(path) else {
      if run.folder.isExport, kind == .partner {
        findings.say(.note, subject, "is at the partner, who checks it there with tacit-client verify")
      } else {
        findings.say(.failed, subject, "is missing: what was charged there cannot be known")
      }
      return nil
    }
    let bytes: [UInt8]
    do { bytes = try run.folder.read(path) } catch {
      findings.say(.failed, subject, "\(error)")
      return nil
    }
    let verification = LedgerVerifier(key: VerificationKey(hex: key), plan: run.planHash, rules: [run.evidenceRules]).verify(
      bytes)
    let isKept = verification.state.map { SpendReading.isKept($0) } ?? false
    for limit in verification.limits { findings.limit(limit) }
    for finding in verification.findings {
      // A crash may tear the last line of a run that goes on; a run that looks whole has ended with whole ledgers.
      // A ledger that outlives its runs may be that of a partner who was in none of this plan's sums; whoever is in one is charged for it.
      let isFault =
        (finding.isFault && !(finding.kind == .otherPlan && kind == .partner && isKept))
        || (run.folder.isFinished && [.tornLastLine, .missingLineFeed].contains(finding.kind))
      findings.say(isFault ? .failed : .note, finding.line.map { "\(subject), line \($0)" } ?? subject, finding.sentence)
    }
    guard let state = verification.state else { return nil }
    guard state.header.kind == kind, state.header.holder == holder else {
      findings.say(
        .failed, "\(subject), line 1",
        "is the \(state.header.kind.rawValue) ledger of '\(state.header.holder)', expected that of '\(holder)'")
      return nil
    }
    if verification.isSound {
      findings.say(
        .ok, subject,
        "\(state.size) records, \(state.charges.count) charges; chain, signatures and order agree, and so does every ε")
    }
    return state
  }
}
