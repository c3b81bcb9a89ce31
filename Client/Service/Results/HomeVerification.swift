internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import PeerIdentity
internal import Recommender
internal import SecureAggregation

/// Everything that can be said about a home from its own bytes and the keys that it pinned, one verdict after the other.
public struct HomeVerification {
  public enum Verdict: String, Encodable, Sendable { case ok, note, failed }

  public struct Check: Encodable, Equatable, Sendable {
    public let verdict: Verdict
    /// The file, plan or figure that was checked.
    public let subject: String
    public let sentence: String
  }

  public private(set) var checks: [Check] = []
  /// What no reader of a home can know.
  public private(set) var limits: [String] = []

  private let enrolment: Enrolment
  private let store: PartnerStore
  private var ledgers: [DataSetName: LedgerState] = [:]

  /// - Throws: `PartnerError` when the home has not enrolled; what is wrong beyond that is a verdict.
  public init(home: PartnerHome, store: PartnerStore) throws {
    enrolment = try Joining.enrolment(of: store, home)
    self.store = store
    checkAuthority(home)
    try checkRoster()
    let plans = try store.plans().filter(\.isAccepted)
    let files = plans.compactMap { checkPlan($0) }
    for (record, dataSets) in try store.ledgers() { checkLedger(record, dataSets, home, files) }
    for file in files {
      checkCharges(file)
      try checkReleases(file)
    }
    if files.isEmpty { say(.note, "plans", "no plan was accepted yet") }
    limits.append(
      "That the model's numbers are the sum of the releases rests on the coordinator; ledgers hold only digests of them.")
    limits.append("What the other partners' ledgers say is known here only as far as they showed their heads.")
  }

  private mutating func say(_ verdict: Verdict, _ subject: String, _ sentence: String) {
    checks.append(Check(verdict: verdict, subject: subject, sentence: sentence))
  }

  private mutating func checkAuthority(_ home: PartnerHome) {
    let subject = "ca.pem"
    do { _ = try home.readAuthority(of: enrolment) } catch { return say(.failed, subject, "\(error)") }
    say(.ok, subject, "is the pinned authority of task \(enrolment.task)")
  }

  private mutating func checkRoster() throws {
    guard let bytes = try store.newestRoster() else { return say(.failed, "roster", "is missing") }
    do {
      let roster = try PinnedRoster.read(bytes, enrolment: enrolment, known: true)
      say(.ok, "roster", "version \(roster.version), signed by the pinned coordinator; fingerprint \(roster.fingerprint.text)")
    } catch { say(.failed, "roster", "\(error)") }
  }

  /// The plan with its signature, its catalogue, and the consent to it.
  private mutating func checkPlan(_ stored: StoredPlan) -> PlanFile? {
    let subject = "plan \(stored.hash.hex.prefix(16))…"
    let file: PlanFile
    do { file = try Documents.checkedPlan(stored.bytes, stored.signature, enrolment, known: true) } catch {
      say(.failed, subject, "\(error)")
      return nil
    }
    guard SHA256.hash(stored.bytes) == stored.hash else {
      say(.failed, subject, "its bytes have another hash")
      return nil
    }
    guard let statement = stored.consent.flatMap({ PartnerStatement(decoding: $0) }), statement.kind == .consent,
      statement.plan == stored.hash, statement.isSigned(by: enrolment.identity)
    else {
      say(.failed, subject, "the consent to it is not signed with this partner's identity")
      return file
    }
    say(.ok, subject, "'\(file.plan.task)' is signed by the pinned coordinator, and this partner's consent to it stands")
    let catalogue = (try? store.catalogue(file.plan.catalogue.hash)).flatMap { $0 }.flatMap { try? CatalogueDocument.decode($0) }
    if catalogue.map({ SHA256.hash($0.canonicalBytes).hex }) == file.plan.catalogue.hash {
      say(.ok, subject, "its catalogue of \(file.plan.catalogue.itemCount) items has the hash that it names")
    } else {
      say(.failed, subject, "the catalogue in this home is missing or another one")
    }
    if let hash = file.plan.catalogue.features {
      let bytes = (try? store.catalogue(hash)).flatMap { $0 }
      if bytes.map({ SHA256.hash($0).hex }) == hash {
        say(.ok, subject, "its features of the items have the hash that it names")
      } else {
        say(.failed, subject, "the item features in this home are missing or others")
      }
    }
    return file
  }

  private mutating func checkLedger(
    _ record: OwnLedgerRecord, _ dataSets: [DataSetName], _ home: PartnerHome, _ plans: [PlanFile]
  ) {
    let subject = "ledger of \(dataSets.map { "'\($0)'" }.joined(separator: ", "))"
    let path = home.ledger(of: record.name)
    guard HomeFile.exists(path) else {
      return record.head == nil
        ? say(.note, subject, "there is none: nothing was ever charged")
        : say(.failed, subject, "is missing, though this home has charged it")
    }
    guard let bytes = try? HomeFile.read(path) else { return say(.failed, subject, "cannot be read") }
    let rules = plans.map { file in
      EvidenceRules(
        plan: SHA256.hash(file.bytes), roster: file.plan.verificationKeys,
        threshold: file.plan.aggregation.signaturesForProof(partners: file.plan.roster.count))
    }
    let verification = LedgerVerifier(key: enrolment.identity, knownHead: record.head, rules: rules).verify(bytes)
    for finding in verification.findings { say(finding.isFault ? .failed : .note, subject, finding.description) }
    for limit in verification.limits where !limits.contains(limit) && !limit.hasPrefix("Charges were not") {
      limits.append(limit)
    }
    guard verification.isSound, let state = verification.state else { return }
    guard state.header.kind == .partner, state.header.dataset == record.name.text else {
      return say(.failed, subject, "is the ledger of '\(state.header.dataset)'")
    }
    ledgers[record.name] = state
    say(
      .ok, subject,
      "\(state.size) records, \(state.charges.count) charges; chain, signatures and order agree, and so does every ε")
    guard let cap = record.cap else { return say(.note, subject, "has no cap of your own") }
    let spent = state.proven.epsilon(delta: cap.delta)
    let isWithin = spent <= cap.epsilon * (1 + Self.tolerance)
    say(
      isWithin ? .ok : .failed, subject,
      "\(PlanReview.epsilonText(spent)) at δ = \(cap.delta), \(isWithin ? "within" : "above") your own cap of \(cap.epsilon)")
  }

  /// Relative; machines differ in the last bits of exp and log.
  private static let tolerance = 1e-6

  /// Every charge under a plan must be what the plan says that the release costs.
  private mutating func checkCharges(_ file: PlanFile) {
    let (plan, hash) = (file.plan, SHA256.hash(file.bytes))
    let subject = "charges under plan \(hash.hex.prefix(16))…"
    var count = 0
    for state in ledgers.values {
      for standing in state.charges where standing.charge.plan == hash {
        count += 1
        if let objection = plan.objection(to: standing.charge) {
          return say(.failed, subject, "line \(standing.number): the charge \(objection)")
        }
      }
    }
    say(.ok, subject, "\(count) charges, each as the plan says")
  }

  /// The newest signatures of partners under the coordinator's head, and that head beside the one that this home follows.
  private mutating func checkWitness(_ plan: TrainingPlan, _ hash: Digest, _ session: SessionID) throws {
    let subject = "coordinator's ledger of plan \(hash.hex.prefix(16))…"
    guard let shown = try store.shownHead(session: session) else { return }
    guard let witness = try store.newestWitness(session: session) else {
      return say(.note, subject, "was shown as \(shown.spoken); no round was completed under it yet")
    }
    let signers = witness.signers(in: plan.verificationKeys).count
    // What convinced this partner, and all that it was shown: of a drawn graph its holders' signatures, not every survivor's.
    let needed = plan.aggregation.signaturesForPartner
    guard witness.plan == hash, signers >= needed, witness.attempt.session == session else {
      return say(.failed, subject, "the partners' signatures under its head do not hold: \(signers) of at least \(needed)")
    }
    guard shown.goesOn(from: witness.head) else {
      return say(
        .failed, subject,
        "\(signers) partners signed that they were shown \(witness.head.spoken), and this home notes \(shown.spoken)")
    }
    say(
      .ok, subject,
      "\(signers) partners signed that they were shown \(witness.head.spoken); the newest start showed \(shown.spoken), and every record between two starts was here"
    )
  }

  /// Releases ascend, are signed, and name ledgers that only grow; the model here is the newest one's.
  private mutating func checkReleases(_ file: PlanFile) throws {
    let (plan, hash) = (file.plan, SHA256.hash(file.bytes))
    let subject = "releases of plan \(hash.hex.prefix(16))…"
    guard let session = SessionID(hex: plan.session) else { return }
    let releases = try store.releases(session: session)
    for release in releases {
      guard let key = VerificationKey(hex: plan.coordinatorKey), enrolment.knows(key), release.isSigned(by: key),
        release.planHash == hash, release.session == session
      else {
        return say(
          .failed, subject, "the release of round \(release.round + 1) is not signed by the pinned coordinator for this plan")
      }
    }
    for (earlier, later) in zip(releases, releases.dropFirst())
    where later.version < earlier.version || later.ledgerSize <= earlier.ledgerSize {
      return say(
        .failed, subject, "the release of round \(later.round + 1) does not follow the one of round \(earlier.round + 1)")
    }
    let head = try store.coordinatorHead(session: session)
    if let newest = releases.last, let head, head.size < newest.ledgerSize {
      return say(.failed, subject, "the coordinator's ledger noted here ends before the newest release")
    }
    if let (release, model) = try store.newestModel(session: session), SHA256.hash(model) != release.modelHash {
      return say(.failed, subject, "the model in this home is not the one that was signed")
    }
    let peers = try store.peerHeads(session: session).count
    say(
      .ok, subject,
      "\(releases.count) signed releases, one after the other; the coordinator's ledger was shown up to record \(head?.size ?? 0), those of \(peers) partners too"
    )
    try checkWitness(plan, hash, session)
    try checkEvaluations(plan, hash, releases)
  }

  /// Integers of evaluations follow from a signed release each, and it is the one that this home noted of the round.
  private mutating func checkEvaluations(_ plan: TrainingPlan, _ hash: Digest, _ releases: [ModelRelease]) throws {
    guard let session = SessionID(hex: plan.session) else { return }
    let subject = "evaluations of plan \(hash.hex.prefix(16))…"
    let held = HeldEvaluations(plan, hash: hash, store: store)
    let absent: [Int]
    let found: [Int: NoisedEvaluation]
    do { (found, absent) = (try held.read(), try held.absent()) } catch let error as PartnerError {
      return say(.failed, subject, error.description)
    }
    for statement in try store.evaluations(session: session).map(\.statement)
    where releases.contains(where: { $0.round == statement.round && $0 != statement }) {
      return say(
        .failed, subject,
        "the coordinator signed two releases of round \(statement.round + 1): one of them is here, and integers of the other")
    }
    for round in absent {
      say(.note, subject, "what release \(round + 1) said is not held here: this partner was absent in that round")
    }
    guard !found.isEmpty else { return }
    say(
      .ok, subject,
      "the integers of \(found.count == 1 ? "one evaluation" : "\(found.count) evaluations") have the hash in the record that the coordinator's signed release leads to"
    )
  }
}
