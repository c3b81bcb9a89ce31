internal import CommandSupport
internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import ModelExport
internal import Recommender
internal import Reporting
internal import SecureAggregation
internal import Storage

/// Everything that can be said about a run folder from its own bytes, one verdict after the other.
struct RunVerification {
  enum Verdict: String, Encodable {
    case ok, note, failed

    var label: String { self == .failed ? "FAIL" : rawValue.padding(toLength: 4, withPad: " ", startingAt: 0) }
  }

  struct Check: Encodable, Equatable {
    let verdict: Verdict
    /// The file or figure that was checked, relative to the run folder.
    let subject: String
    let sentence: String
  }

  private(set) var checks: [Check] = []
  /// What no reader of a run folder can know.
  private(set) var limits: [String] = []
  /// What was not held against this folder, and why: whoever names it so can leave these things out.
  private(set) var relaxations: [String] = []
  /// The key that the plan names as the coordinator's; nothing in the folder shows whose it is.
  private(set) var coordinatorKey: VerificationKey?

  private let folder: RunFolder
  private var coordinator: LedgerState?
  private var partners: [String: LedgerState] = [:]

  init(folder: RunFolder) {
    self.folder = folder
    guard let planFile = checkPlan() else { return }
    let plan = planFile.plan
    let hash = SHA256.hash(planFile.bytes)
    coordinatorKey = VerificationKey(hex: plan.coordinatorKey)
    relax()
    checkSignature(planFile)
    checkRings(plan)
    checkLedgers(plan, hash)
    checkCharges(plan, hash)
    checkWitnesses(plan, hash)
    checkBudget(plan)
    checkCatalogue(plan)
    checkReport(plan, hash)
    describeLimits(plan, hash)
  }

  private mutating func relax() {
    if !folder.isFinished {
      relaxations.append(
        "it is called \((folder.currentPath as NSString).lastPathComponent): of an interrupted run, a missing report, torn ends of ledgers, charges that the coordinator lacks and missing countersignatures are not held against it"
      )
    }
    if folder.isExport {
      relaxations.append(
        "it holds the file \((folder.exportNote as NSString).lastPathComponent): of a coordinator's export, missing ledgers of partners, sums that no ledger here is charged for and a missing report are not held against it"
      )
    }
  }

  private mutating func say(_ verdict: Verdict, _ subject: String, _ sentence: String) {
    checks.append(Check(verdict: verdict, subject: subject, sentence: sentence))
  }

  // MARK: - Plan

  private mutating func checkPlan() -> PlanFile? {
    let subject = "plan.json"
    do {
      let planFile = try PlanFile(bytes: try folder.read(folder.plan))
      let plan = planFile.plan
      say(
        .ok, subject,
        "holds together: \(plan.algorithm.name), \(plan.roster.count) partners, \(plan.releases.count) releases, noise \(plan.privacy.noise.rawValue)"
      )
      return planFile
    } catch {
      say(.failed, subject, "\(error)")
      limits.append("Without a sound plan, ledgers and report have nothing to be compared with; they were not read.")
      return nil
    }
  }

  private mutating func checkSignature(_ file: PlanFile) {
    let subject = "plan.sig"
    guard let bytes = try? folder.read(folder.currentPath + "/plan.sig") else {
      return say(.failed, subject, "is missing, expected the coordinator's signature of plan.json")
    }
    let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    guard let signature = Signature(hex: text) else {
      return say(.failed, subject, "is no signature, expected 128 hexadecimal digits")
    }
    guard let key = VerificationKey(hex: file.plan.coordinatorKey),
      key.verifies(signature, of: PlanSignature.message(file.bytes))
    else {
      return say(
        .failed, subject,
        "is not the coordinator's signature of these bytes: the plan was changed after it was signed, or signed by another key")
    }
    say(.ok, subject, "is the signature of the coordinator's key \(file.plan.coordinatorKey.prefix(16))…")
  }

  private mutating func checkRings(_ plan: TrainingPlan) {
    // The plan's validation has refused every ring that could wrap; here is by how much.
    let worst = plan.releases.compactMap { plan.wrapProbabilityLog2(of: $0) }.max()
    let bits = Set(plan.releases.map(\.modulusBits)).sorted().map(String.init).joined(separator: ", ")
    say(
      .ok, "rings",
      worst.map { "no sum can wrap in \(bits) bits, but with a probability below 2^\(Int($0.rounded(.up))) over the whole task" }
        ?? "no sum can wrap in \(bits) bits")
  }

  // MARK: - Ledgers

  private mutating func checkLedgers(_ plan: TrainingPlan, _ hash: Digest) {
    let roster = Dictionary(
      uniqueKeysWithValues: plan.roster.compactMap { entry in
        VerificationKey(hex: entry.verificationKey).map { (ParticipantID(entry.participant), $0) }
      })
    let threshold = plan.aggregation.signaturesForProof(partners: plan.roster.count)
    let rules = [EvidenceRules(plan: hash, roster: roster, threshold: threshold)]
    coordinator = checkLedger(
      folder.coordinatorLedger, kind: .coordinator, holder: "coordinator", key: plan.coordinatorKey, hash, rules)
    for entry in plan.roster {
      partners[entry.name] = checkLedger(
        folder.partnerLedger(entry.name), kind: .partner, holder: entry.name, key: entry.verificationKey, hash, rules)
    }
    let expected = Set(([folder.coordinatorLedger] + plan.roster.map { folder.partnerLedger($0.name) }).map(name))
    for file in (try? FileManager.default.contentsOfDirectory(atPath: folder.ledgers))?.sorted() ?? []
    where file.hasSuffix(".ledger") && !expected.contains("ledgers/\(file)") {
      say(.failed, "ledgers/\(file)", "belongs to nobody in the plan's roster: it is of another run")
    }
  }

  private mutating func checkLedger(
    _ path: String, kind: LedgerHeader.Kind, holder: String, key: String, _ hash: Digest, _ rules: [EvidenceRules]
  ) -> LedgerState? {
    let subject = name(path)
    guard FileManager.default.fileExists(atPath: path) else {
      if folder.isExport, kind == .partner {
        say(.note, subject, "is at the partner, who checks it there with tacit-client verify")
      } else {
        say(.failed, subject, "is missing: what was charged there cannot be known")
      }
      return nil
    }
    let bytes: [UInt8]
    do { bytes = try folder.read(path) } catch {
      say(.failed, subject, "\(error)")
      return nil
    }
    let verification = LedgerVerifier(key: VerificationKey(hex: key), plan: hash, rules: rules).verify(bytes)
    for limit in verification.limits where !limits.contains(limit) { limits.append(limit) }
    for finding in verification.findings {
      // A crash may tear the last line of a run that goes on; a run that looks whole has ended with whole ledgers.
      let isFault = finding.isFault || (folder.isFinished && [.tornLastLine, .missingLineFeed].contains(finding.kind))
      say(isFault ? .failed : .note, finding.line.map { "\(subject), line \($0)" } ?? subject, finding.sentence)
    }
    guard let state = verification.state else { return nil }
    guard state.header.kind == kind, state.header.holder == holder else {
      say(
        .failed, "\(subject), line 1",
        "is the \(state.header.kind.rawValue) ledger of '\(state.header.holder)', expected that of '\(holder)'")
      return nil
    }
    if verification.isSound {
      say(
        .ok, subject,
        "\(state.size) records, \(state.charges.count) charges; chain, signatures and order agree, and so does every ε")
    }
    return state
  }

  private func name(_ path: String) -> String { String(path.dropFirst(folder.currentPath.count + 1)) }

  // MARK: - Charges

  private mutating func checkCharges(_ plan: TrainingPlan, _ hash: Digest) {
    checkEvents(plan, hash)
    guard let coordinator else { return }
    // Partners of the network keep their own ledgers.
    let elsewhere = folder.isExport ? plan.roster.count - partners.count : 0
    var released = 0
    var objections = Objections()
    for standing in coordinator.charges {
      guard case .released? = standing.outcome?.result else { continue }
      released += 1
      let charge = standing.charge
      let place = "round \(charge.attempt.round + 1), attempt \(charge.attempt.attempt + 1)"
      guard let survivors = standing.outcome?.survivors else {
        objections.add(.uncounted, "\(place): the coordinator released a sum without saying of how many partners")
        continue
      }
      if survivors < plan.aggregation.minimumSurvivors {
        objections.add(
          .tooFew,
          "\(place): a sum of \(survivors) partners was released, the plan asks for at least \(plan.aggregation.minimumSurvivors)"
        )
      }
      let standings = partners.values.compactMap { $0.charge(charge.attempt, release: charge.release) }
      let charged = standings.filter { $0.refund != .proven }.count
      if charged + elsewhere < survivors {
        objections.add(
          .notCharged,
          "\(place): \(survivors) partners are in the released sum, but only \(charged) of their ledgers are charged for it")
      }
      if standings.contains(where: { $0.charge.binding != charge.binding }) {
        objections.add(
          .otherBinding, "\(place): a partner was shown another plan, model or ledger than the coordinator charged for")
      }
    }
    // A killed coordinator may lack the charge of its last attempt; a run that looks whole has charged all of them.
    for (name, state) in partners.sorted(by: { $0.key < $1.key }) where folder.isFinished {
      for standing in state.charges where standing.charge.plan == hash {
        let charge = standing.charge
        guard coordinator.charge(charge.attempt, release: charge.release) == nil else { continue }
        objections.add(
          .unknown,
          "round \(charge.attempt.round + 1), attempt \(charge.attempt.attempt + 1) "
            + "is charged by \(name) and missing in the coordinator's ledger, from which the report's ε comes"
        )
      }
    }
    for sentence in objections.sentences { say(.failed, "releases", sentence) }
    guard objections.sentences.isEmpty else { return }
    guard elsewhere == 0 else {
      return say(.ok, "releases", "each of \(released) released sums is charged by the coordinator and is of enough partners")
    }
    say(
      .ok, "releases",
      "each of \(released) released sums is charged by as many partners as are in it, for the same plan and model")
  }

  private mutating func checkWitnesses(_ plan: TrainingPlan, _ hash: Digest) {
    guard let coordinator, plan.aggregation.isSecure else { return }
    let witnesses = RunWitnesses(folder: folder, subject: name(folder.witnesses), plan: plan, planHash: hash, ledger: coordinator)
    let found = witnesses.found()
    checks += found.checks
    limits += found.limits
  }

  /// Objections of one kind, told once with their number.
  private struct Objections {
    enum Kind { case uncounted, tooFew, notCharged, otherBinding, unknown }

    private var found: [(kind: Kind, first: String, others: Int)] = []

    mutating func add(_ kind: Kind, _ sentence: String) {
      if let index = found.firstIndex(where: { $0.kind == kind }) {
        found[index].others += 1
      } else {
        found.append((kind, sentence, 0))
      }
    }

    var sentences: [String] {
      found.map { $0.others == 0 ? $0.first : "\($0.first); the same goes for \($0.others) more" }
    }
  }

  /// Every charge must be what the plan says that the release costs.
  private mutating func checkEvents(_ plan: TrainingPlan, _ hash: Digest) {
    var ledgers = partners.map { (name(folder.partnerLedger($0.key)), $0.value) }.sorted { $0.0 < $1.0 }
    if let coordinator { ledgers.insert((name(folder.coordinatorLedger), coordinator), at: 0) }
    ledgers: for (subject, state) in ledgers {
      for standing in state.charges where standing.charge.plan == hash {
        if let objection = plan.objection(to: standing.charge) {
          say(.failed, "\(subject), line \(standing.number)", "the charge \(objection)")
          continue ledgers
        }
      }
    }
  }

  private mutating func checkBudget(_ plan: TrainingPlan) {
    guard let cap = plan.cap else {
      say(.note, "ε", "the plan has no noise: nothing is claimed, and every release counts as unprotected")
      return
    }
    let ledgers =
      (coordinator.map { [("coordinator", $0)] } ?? []) + partners.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    var isWithin = true
    var worst = 0.0
    for (holder, state) in ledgers {
      let spent = state.proven.epsilon(delta: cap.delta)
      worst = max(worst, spent)
      if spent > cap.epsilon * (1 + Self.tolerance) {
        isWithin = false
        say(
          .failed, "ε",
          "\(holder) has charged ε = \(Text.significant(spent)) at δ = \(cap.delta), above the plan's cap of \(cap.epsilon)")
      }
    }
    guard isWithin, coordinator != nil else { return }
    say(
      .ok, "ε",
      "\(ReportNumber.upperBound(worst)) at δ = \(cap.delta) recomputed from the charges, the most of any ledger, within the plan's cap of \(cap.epsilon)"
    )
  }

  /// Relative; machines differ in the last bits of exp and log.
  private static let tolerance = 1e-6

  // MARK: - Results

  private mutating func checkCatalogue(_ plan: TrainingPlan) {
    let path = "\(folder.currentPath)/\(ModelBundle.idsName)"
    guard FileManager.default.fileExists(atPath: path) else {
      if folder.isFinished { say(.failed, ModelBundle.idsName, "is missing from a run that looks whole") }
      return
    }
    guard PlainFile.isPlain(path, bytesMax: PlainFile.documentBytesMax),
      PlainFile.isPlain("\(folder.currentPath)/\(ModelBundle.tensorsName)", bytesMax: PlainFile.modelBytesMax),
      let (_, ids) = try? ModelBundle.read(folder: folder.currentPath), Set(ids).count == ids.count,
      SHA256.hash(Catalogue(itemIDs: ids).canonicalBytes).hex == plan.catalogue.hash
    else { return say(.failed, ModelBundle.idsName, "model and item ids cannot be read, or are not over the plan's catalogue") }
    say(.ok, ModelBundle.idsName, "\(ids.count) items, with the hash that the plan names")
  }

  private mutating func checkReport(_ plan: TrainingPlan, _ hash: Digest) {
    let subject = "report.json"
    guard FileManager.default.fileExists(atPath: folder.reportJSON) else {
      if folder.isExport { return say(.note, subject, "is not there: the coordinator exported the run without one") }
      return folder.isFinished
        ? say(.failed, subject, "is missing from a run that looks whole")
        : say(.note, subject, "is not there: the run was interrupted; its ledgers count all the same")
    }
    let report: RunReport
    let bytes: [UInt8]
    do {
      bytes = try folder.read(folder.reportJSON)
      report = try RunReport(json: Data(bytes))
    } catch {
      return say(.failed, subject, "\(error)")
    }
    let seals = [folder.reportJSON, folder.reportHTML, folder.reportText].compactMap { checkSeal($0, plan) }
    if Set(seals.map(\.line)).count > 1 {
      say(.failed, "report", "the seals of its forms are not one: each may be genuine, but they are of different reports")
    }
    let comparison = ReportComparison(
      report: report, plan: plan, planHash: hash, ledger: coordinator,
      partners: plan.roster.compactMap { entry in partners[entry.name].map { (entry.name, $0) } })
    let objections = comparison.objections
    for objection in objections { say(.failed, subject, objection) }
    if objections.isEmpty {
      say(.ok, subject, "plan, signer, ledger head and the whole of its privacy part are those that plan and ledgers give")
    }
    if !comparison.isOfThisVersion {
      say(
        .note, subject,
        "was made by \(report.identity.codeVersion ?? "another version"): its figures were compared, its sentences were not, nor its page and text; print report.json with tacit report"
      )
    }
    if report.privacy.audit != nil {
      limits.append("What the audit in the report measured is the coordinator's word; tacit audit repeats it.")
    }
    for (path, body) in [(folder.reportHTML, report.renderHTML()), (folder.reportText, report.renderText(.page))]
    where comparison.isOfThisVersion {
      guard let sealed = try? folder.read(path), let form = try? ReportForm.unseal(sealed).body else { continue }
      guard form == Array(body.utf8) else {
        say(.failed, name(path), "does not say what report.json says; print that with tacit report")
        continue
      }
      say(.ok, name(path), "says what report.json says")
    }
  }

  /// Every byte of the report is what the plan's coordinator signed.
  private mutating func checkSeal(_ path: String, _ plan: TrainingPlan) -> ReportSeal? {
    let subject = name(path)
    guard FileManager.default.fileExists(atPath: path) else {
      say(folder.isFinished ? .failed : .note, subject, "is missing")
      return nil
    }
    do {
      let report = try VerifiedReport(try folder.read(path))
      guard report.seal.key == plan.coordinatorKey else {
        say(
          .failed, subject,
          "is signed by the key \(report.seal.key.prefix(16))…, expected the coordinator's of plan.json: \(plan.coordinatorKey.prefix(16))…"
        )
        return nil
      }
      say(.ok, subject, "every byte is what the coordinator's key \(plan.coordinatorKey.prefix(16))… signed")
      return report.seal
    } catch {
      say(.failed, subject, "\(error)")
      return nil
    }
  }

  private mutating func describeLimits(_ plan: TrainingPlan, _ hash: Digest) {
    if let coordinatorKey {
      limits.insert(
        "Who made this folder: all keys were taken from its plan.json, and somebody who made up a whole run has made up the keys. The coordinator's key is \(SignerFingerprint(of: coordinatorKey)); the plan, and with it the roster of \(plan.roster.count) partners' keys, has the fingerprint \(ShortFingerprint(of: hash)): compare both with what the coordinator and the partners say.",
        at: 0)
    }
    if plan.privacy.noise == .none { limits.removeAll { $0.hasPrefix("That noise was drawn") } }
    if plan.privacy.noise == .distributed {
      limits.removeAll { $0.hasPrefix("That noise was drawn") }
      limits.append("That every partner drew its share of the noise rests on the partners' own programs.")
    }
    limits.append(
      folder.isExport
        ? "What the partners charged stands in their own ledgers, which are not here."
        : "A simulation's parties share one process: their keys and ledgers do not prove that they were really separate.")
    limits.append(
      "That the model's numbers are the sum of the releases rests on the coordinator; ledgers hold only digests of them.")
    limits.append("Figures of quality are not recomputed here; tacit evaluate does that.")
    if plan.privacy.usesInsecureTestRandomness {
      limits.append("Keys, masks and noise came from a seed (a test run): whatever verifies here, nothing about it is private.")
    }
  }
}
