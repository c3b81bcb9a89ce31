internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Storage

/// Everything that can be said about a run folder from its own bytes: the plan by itself, then each part against it.
struct RunVerification {
  private(set) var findings = RunFindings()
  /// What no reader of a run folder can know, the most important first.
  private(set) var limits: [String] = []
  /// What was not held against this folder, and why: whoever names it so can leave these things out.
  private(set) var relaxations: [String] = []
  /// The key that the plan names as the coordinator's; nothing in the folder shows whose it is.
  private(set) var coordinatorKey: VerificationKey?

  private let folder: RunFolder

  init(folder: RunFolder) {
    self.folder = folder
    guard let planFile = checkPlan() else {
      limits = findings.limits
      return
    }
    let run = RunUnderCheck(folder: folder, plan: planFile.plan, planHash: SHA256.hash(planFile.bytes))
    coordinatorKey = VerificationKey(hex: run.plan.coordinatorKey)
    relax()
    checkSignature(planFile)
    checkRings(run.plan)
    let ledgers = RunLedgers(of: run)
    findings.append(ledgers.findings)
    findings.append(RunCharges(run: run, ledgers: ledgers).found())
    let witnesses = RunWitnesses(run: run, ledgers: ledgers).found()
    findings.append(witnesses.findings)
    findings.append(RunModel(run: run, ledgers: ledgers, witnessed: witnesses.last).found())
    findings.append(RunReportForms(run: run, ledgers: ledgers).found())
    describeLimits(run)
    limits = whoMade(run) + findings.limits
  }

  private mutating func relax() {
    if !folder.isFinished {
      relaxations.append(
        "it is called \((folder.currentPath as NSString).lastPathComponent): of an interrupted run, a missing report, torn ends of ledgers, charges that the coordinator lacks, a missing file of countersignatures, and in an export those of the last released sums with their models are not held against it"
      )
    }
    if folder.isExport {
      relaxations.append(
        "it holds the file \((folder.exportNote as NSString).lastPathComponent): of a coordinator's export, missing ledgers of partners, sums that no ledger here is charged for and a missing report are not held against it"
      )
    }
  }

  private mutating func checkPlan() -> PlanFile? {
    let subject = "plan.json"
    do {
      let planFile = try PlanFile(bytes: try folder.read(folder.plan))
      let plan = planFile.plan
      findings.say(
        .ok, subject,
        "holds together: \(plan.algorithm.name), \(plan.roster.count) partners, \(plan.releases.count) releases, noise \(plan.privacy.noise.rawValue)"
      )
      return planFile
    } catch {
      findings.say(.failed, subject, "\(error)")
      findings.limit("Without a sound plan, ledgers and report have nothing to be compared with; they were not read.")
      return nil
    }
  }

  private mutating func checkSignature(_ file: PlanFile) {
    let subject = "plan.sig"
    guard let bytes = try? folder.read(folder.currentPath + "/plan.sig") else {
      return findings.say(.failed, subject, "is missing, expected the coordinator's signature of plan.json")
    }
    let text = String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    guard let signature = Signature(hex: text) else {
      return findings.say(.failed, subject, "is no signature, expected 128 hexadecimal digits")
    }
    guard let key = VerificationKey(hex: file.plan.coordinatorKey),
      key.verifies(signature, of: PlanSignature.message(file.bytes))
    else {
      return findings.say(
        .failed, subject,
        "is not the coordinator's signature of these bytes: the plan was changed after it was signed, or signed by another key")
    }
    findings.say(.ok, subject, "is the signature of the coordinator's key \(file.plan.coordinatorKey.prefix(16))…")
  }

  private mutating func checkRings(_ plan: TrainingPlan) {
    // The plan's validation has refused every ring that could wrap; here is by how much.
    let worst = plan.releases.compactMap { plan.wrapProbabilityLog2(of: $0) }.max()
    let bits = Set(plan.releases.map(\.modulusBits)).sorted().map(String.init).joined(separator: ", ")
    findings.say(
      .ok, "rings",
      worst.map { "no sum can wrap in \(bits) bits, but with a probability below 2^\(Int($0.rounded(.up))) over the whole task" }
        ?? "no sum can wrap in \(bits) bits")
  }

  private mutating func describeLimits(_ run: RunUnderCheck) {
    let plan = run.plan
    if plan.privacy.noise != .central { findings.removeLimits(beginning: "That noise was drawn") }
    if plan.privacy.noise == .distributed {
      findings.limit("That every partner drew its share of the noise rests on the partners' own programs.")
    }
    findings.limit(
      folder.isExport
        ? "What the partners charged stands in their own ledgers, which are not here."
        : "A simulation's parties share one process: their keys and ledgers do not prove that they were really separate.")
    findings.limit(
      "That the model's numbers are the sum of the releases rests on the coordinator; ledgers hold only digests of them.")
    findings.limit(
      "Whether a sum that the coordinator's ledger calls aborted was opened in silence: it is charged all the same, and partners were told of no result."
    )
    findings.limit(
      (folder.isExport
        ? "Why the run ended, when the report was made and where its commands say that it lies are the coordinator's word."
        : "Figures of quality and cost, a simulation's data and seed, why the run ended, when the report was made and where its commands say that it lies are the coordinator's word: tacit evaluate recomputes the quality.")
        + " So are metrics.jsonl, settings.json, recommendations.tsv and audit.json, which were not read."
    )
    if plan.releases.contains(where: { $0.purpose == .evaluation }) {
      findings.limit(
        "What evaluation releases said of the model rests on the coordinator, and which of their attempts counted: partners see these sums only with the noise in them, and no model follows from them."
      )
    }
    if plan.privacy.usesInsecureTestRandomness {
      findings.limit("Keys, masks and noise came from a seed (a test run): whatever verifies here, nothing about it is private.")
    }
  }

  private func whoMade(_ run: RunUnderCheck) -> [String] {
    guard let coordinatorKey else { return [] }
    return [
      "Who made this folder: all keys were taken from its plan.json, and somebody who made up a whole run has made up the keys. The coordinator's key is \(SignerFingerprint(of: coordinatorKey)); the plan, and with it the roster of \(run.plan.roster.count) partners' keys, has the fingerprint \(ShortFingerprint(of: run.planHash)): compare both with what the coordinator and the partners say."
    ]
  }
}
