public import CryptoPrimitives
public import DifferentialPrivacy
public import FederatedLearning
internal import Foundation
public import PeerIdentity
internal import Recommender
internal import SecureAggregation

/// What a partner is about to join, in plain words, with everything that was checked and everything that speaks against it.
///
/// Made from signed documents only: a plan whose signature is not that of the pinned coordinator is not shown at all.
public struct PlanReview: Sendable {
  public let planFile: PlanFile
  public let hash: Digest
  public let signature: Signature
  public let roster: SignedRoster
  public let enrolment: Enrolment
  /// The data sets that could take part, with what they have spent.
  public let dataSets: [Spending]
  /// Why this plan cannot be accepted, one sentence each; empty when nothing speaks against it.
  public let objections: [String]
  /// What a reader must not miss, one sentence each.
  public let warnings: [String]
  /// How the plan ended, in words; `nil` while it may go on, as far as this home knows.
  public let end: String?

  public var plan: TrainingPlan { planFile.plan }

  /// This plan and those that ledgers of this home may hold charges of.
  private let plans: [Digest: TrainingPlan]
  private let linked: [DataSetName: LinkedReading]

  /// One data set's budget before and after this plan.
  public struct Spending: Sendable, Equatable {
    public let dataSet: DataSetName
    /// What counts for its users; other data sets with users of it are counted there too.
    public let ledger: DataSetName
    /// The partner's own cap over all plans, or the one that it would set; `nil` while it has not decided.
    public let cap: PrivacyBudget?
    /// Whether the data set has the cap already.
    public let isCapSet: Bool
    /// ε of all charges so far, at the cap's δ (the plan's while there is no cap).
    public let spent: Double
    /// Ledgers of other homes that count the same people; a cap counts what they have spent too.
    public let linked: [LinkedSpending]
    /// The least ε of a cap under which every release of this plan can be charged once.
    public let spentAfterPlan: Double
    public let fitsCatalogue: Bool
    /// Why nothing of this plan can be charged to the ledger, in a sentence; `nil` where nothing stands against it.
    public let objection: String?

    /// Whether the whole plan stays within the cap; `false` without a finite ε, `true` without a cap.
    public var isWithinCap: Bool { cap.map { PlanReview.fits(spentAfterPlan, $0) } ?? true }
  }

  /// Reads and checks the documents of a plan.
  ///
  /// - Parameters:
  ///   - rosterBytes: the signed roster as it came.
  ///   - end: how the plan ended, when it has.
  ///   - cap: holds for data sets without a cap of their own.
  ///   - earlierPlans: by their hashes, those that the ledgers may hold charges of.
  ///   - linked: what the ledgers are linked with, by their names.
  ///   - dataSets: with the state of each one's ledger; `nil` where nothing was charged yet.
  /// - Throws: `PartnerError` when plan or roster are not signed by the pinned key, or cannot be read.
  public init(
    planBytes: [UInt8], signature: Signature, rosterBytes: [UInt8], enrolment: Enrolment,
    end: String? = nil, proposed cap: PrivacyBudget? = nil,
    earlierPlans: [Digest: TrainingPlan] = [:], linked: [DataSetName: LinkedReading] = [:],
    dataSets: [(record: DataSetRecord, ledger: LedgerState?)] = []
  ) throws {
    planFile = try Documents.checkedPlan(planBytes, signature, enrolment)
    roster = try PinnedRoster.read(rosterBytes, enrolment: enrolment)
    self.signature = signature
    self.enrolment = enrolment
    self.end = end
    hash = SHA256.hash(planBytes)
    let plan = planFile.plan
    let plans = earlierPlans.merging([hash: plan]) { $1 }
    self.plans = plans
    self.linked = linked
    let hash = self.hash
    self.dataSets = dataSets.map { record, ledger in
      let question = Question(
        plan: plan, hash: hash, plans: plans, linked: linked[record.ledger.name], firstCap: record.ledger.firstCap)
      return Self.spending(record, ledger, question, proposed: cap)
    }
    objections = Self.objections(plan, roster, enrolment)
    warnings = Self.warnings(plan, self.dataSets)
  }

  /// The partner's own line in the plan.
  public var ownEntry: FederatedLearning.RosterEntry? { plan.roster.first { $0.participant == enrolment.participant } }

  // MARK: - Judgement

  private static func objections(_ plan: TrainingPlan, _ roster: SignedRoster, _ enrolment: Enrolment) -> [String] {
    var objections: [String] = []
    if VerificationKey(hex: plan.coordinatorKey) != enrolment.coordinatorKey {
      objections.append("The plan names another coordinator's key than the one that this home pinned.")
    }
    if let own = plan.roster.first(where: { $0.participant == enrolment.participant }) {
      if VerificationKey(hex: own.verificationKey) != enrolment.identity {
        objections.append("The plan lists participant \(enrolment.participant) with a key that is not this partner's.")
      }
    } else {
      objections.append("The plan does not list this partner (participant \(enrolment.participant)).")
    }
    for entry in plan.roster {
      guard let known = roster.entry(of: entry.participant) else {
        objections.append("Participant \(entry.participant) ('\(entry.name)') of the plan is not in the signed roster.")
        continue
      }
      if known.verificationKey != VerificationKey(hex: entry.verificationKey) {
        objections.append("The plan gives participant \(entry.participant) ('\(entry.name)') another key than the signed roster.")
      }
      // People read the roster's fingerprint on the phone; what the plan calls somebody must be what that fingerprint covers.
      if known.name.text != entry.name {
        objections.append("The plan calls participant \(entry.participant) '\(entry.name)', the signed roster '\(known.name)'.")
      }
      if known.status == .revoked {
        objections.append("Participant \(entry.participant) ('\(entry.name)') of the plan has been revoked.")
      }
    }
    if !plan.aggregation.isSecure {
      objections.append("The plan asks for this partner's own sums without masks; this program sends masked sums only.")
    }
    do {
      try plan.matches(try plan.makeShapes())
    } catch { objections.append("The plan's algorithm does not fit its releases: \(error).") }
    return objections
  }

  private static func warnings(_ plan: TrainingPlan, _ dataSets: [Spending]) -> [String] {
    var warnings: [String] = []
    if plan.privacy.usesInsecureTestRandomness {
      warnings.append("The plan says that it uses test randomness: nothing about such a run is private.")
    }
    switch plan.privacy.noise {
    case .none: warnings.append("No noise is added: the released models carry no differential privacy, and ε is infinite.")
    case .central: warnings.append("The coordinator draws the noise alone; that it does so cannot be checked by anybody else.")
    case .distributed: break
    }
    if let warning = plan.privacy.largeDeltaWarning { warnings.append(warning) }
    if plan.privacy.noise != .none, plan.privacy.epsilon > 10 {
      warnings.append("ε = \(plan.privacy.epsilon) is a weak guarantee (above 10).")
    }
    for data in dataSets {
      if let objection = data.objection, data.fitsCatalogue {
        warnings.append(objection)
        continue
      }
      guard let cap = data.cap, data.fitsCatalogue, !data.isWithinCap else { continue }
      warnings.append(
        "The whole plan would bring '\(data.dataSet)' to \(epsilonText(data.spentAfterPlan)), above your own cap of \(cap.epsilon): this partner will refuse the releases that do not fit."
      )
    }
    return warnings
  }

  /// What the ledger holds, and what a cap would have to be with every release of the plan, once each.
  private static func spending(
    _ record: DataSetRecord, _ ledger: LedgerState?, _ question: Question, proposed: PrivacyBudget?
  ) -> Spending {
    let cap = record.cap ?? proposed
    let delta = cap?.delta ?? question.plan.cap?.delta ?? 1e-6
    return Spending(
      dataSet: record.name, ledger: record.ledger.name, cap: cap, isCapSet: record.cap != nil,
      spent: ledger?.recorded.epsilon(delta: delta) ?? 0, linked: question.linked?.spending(delta: delta) ?? [],
      spentAfterPlan: question.epsilon(after: ledger, cap: cap),
      fitsCatalogue: record.catalogue == question.plan.catalogue.hash,
      objection: question.obstacle(on: ledger, record.ledger.name))
  }

  /// What every release of the plan that is still to come, charged once, needs of a cap with all that stands; infinite without noise.
  func epsilon(after ledger: LedgerState?, of record: OwnLedgerRecord, cap: PrivacyBudget) -> Double {
    question(of: record).epsilon(after: ledger, cap: cap)
  }

  /// What is spent of a cap before the plan: by the ledger, or with those that it is linked with.
  func spent(_ ledger: LedgerState?, of record: OwnLedgerRecord, cap: PrivacyBudget) -> Double {
    let own = ledger?.recorded.epsilon(delta: cap.delta) ?? 0
    guard let elsewhere = linked[record.name]?.charged, !elsewhere.ledgers.isEmpty else { return own }
    return SpendingCap(cap, first: record.firstCap, plans: plans).knowing(elsewhere.plans).epsilon(
      of: ledger, elsewhere: elsewhere.ledgers)
  }

  /// The same with the cheapest release of the plan only; `nil` for plans without noise.
  func leastEpsilon(after ledger: LedgerState?, of record: OwnLedgerRecord, cap: PrivacyBudget) -> Double? {
    question(of: record).leastEpsilon(after: ledger, cap: cap)
  }

  private func question(of record: OwnLedgerRecord) -> Question {
    Question(plan: plan, hash: hash, plans: plans, linked: linked[record.name], firstCap: record.firstCap)
  }

  /// How a ledger's cap would count this plan: as the engine will when it charges.
  private struct Question {
    let plan: TrainingPlan
    let hash: Digest
    let plans: [Digest: TrainingPlan]
    let linked: LinkedReading?
    let firstCap: PrivacyBudget?

    /// - Parameter cap: `nil` where none is set: the plan's own one is kept then.
    func epsilon(after ledger: LedgerState?, cap: PrivacyBudget?) -> Double {
      let charges = (ledger?.charges ?? []).filter { $0.charge.plan == hash && $0.refund == nil }
      // A release that is out is not charged again, nor is one whose newest attempt is still open; after an attempt that came to nothing
      // there is another.
      let charged = Set(
        charges.filter { standing in
          switch standing.outcome?.result {
          case .released?: true
          case .aborted?: false
          case nil: !charges.contains { $0.charge.release == standing.charge.release && $0.number > standing.number }
          }
        }.map(\.charge.release))
      let events = plan.releases.indices.filter { !charged.contains($0) }.map { plan.releases[$0].event(plan.privacy) }
      guard !events.contains(nil) else { return .infinity }
      return needed(events.compactMap { $0 }, after: ledger, cap: cap)
    }

    /// Nothing to prove where nothing is promised.
    func obstacle(on ledger: LedgerState?, _ name: DataSetName) -> String? {
      if let trouble = linked?.trouble { return trouble }
      guard plan.privacy.noise != .none else { return nil }
      let elsewhere = linked?.charged ?? .nothing
      return CapObstacle(
        charging: hash, on: ledger, elsewhere: elsewhere.ledgers, knowing: plans.merging(elsewhere.plans) { known, _ in known }
      )?.sentence(on: name, isLinked: !elsewhere.ledgers.isEmpty)
    }

    func leastEpsilon(after ledger: LedgerState?, cap: PrivacyBudget) -> Double? {
      Set(plan.releases.compactMap { $0.event(plan.privacy) }).map { needed([$0], after: ledger, cap: cap) }.min()
    }

    private func needed(_ events: [PrivacyEvent], after ledger: LedgerState?, cap: PrivacyBudget?) -> Double {
      guard let budget = cap ?? plan.cap else { return .infinity }
      let elsewhere = linked?.charged ?? .nothing
      return SpendingCap(budget, first: firstCap, plans: plans).knowing(elsewhere.plans)
        .epsilon(of: ledger, and: events.map { (hash, .accounted($0)) }, elsewhere: elsewhere.ledgers)
    }
  }

  /// Whether ε stays within a cap; machines differ in the last bits.
  static func fits(_ epsilon: Double, _ cap: PrivacyBudget) -> Bool { epsilon <= cap.epsilon * (1 + 1e-9) }

  /// ε rounded up, so that no more is promised than holds.
  static func epsilonText(_ value: Double) -> String {
    value.isFinite ? "ε ≤ \(String(format: "%.4g", value + abs(value) * 5e-4))" : "ε = ∞ (no guarantee)"
  }
}

/// The signed roster as this partner holds it.
enum PinnedRoster {
  /// - Parameter known: the roster is in this home already, and may be of an earlier key of the coordinator.
  /// - Throws: `PartnerError` when the roster is not the coordinator's, or of another task.
  static func read(_ bytes: [UInt8], enrolment: Enrolment, known: Bool = false) throws -> SignedRoster {
    let roster: SignedRoster
    do { roster = try SignedRoster(decoding: bytes) } catch {
      throw PartnerError(.untrusted, "the coordinator sent a roster that cannot be read: \(error)")
    }
    guard ([enrolment.coordinatorKey] + (known ? enrolment.earlierKeys : [])).contains(where: { roster.isSigned(by: $0) }) else {
      throw PartnerError(
        .untrusted,
        "the roster is not signed by the coordinator's key that this home has pinned; do not go on, unless its people tell you on the phone that they made a new key: then read its fingerprint together and run: tacit-client trust --fingerprint FINGERPRINT"
      )
    }
    guard roster.taskID == enrolment.task else {
      throw PartnerError(.untrusted, "the roster is of task \(roster.taskID), expected \(enrolment.task)")
    }
    return roster
  }
}
