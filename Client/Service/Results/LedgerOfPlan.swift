public import CryptoPrimitives
public import DifferentialPrivacy
public import FederatedLearning

/// The accepted plan with the ledger of the data set that takes part in it: what a report is made of.
public struct LedgerOfPlan: Sendable {
  public let plan: TrainingPlan
  public let planHash: Digest
  public let dataSet: DataSetName
  /// All charges of the ledger that counts the data set's users: of other plans and data sets too.
  public let state: LedgerState
  /// Ledgers of other homes that count the same people, at the cap's δ (the plan's where there is none).
  public let linked: [LinkedSpending]
  /// The partner's own cap over all plans.
  public let cap: PrivacyBudget?
  /// How the plan ended, in words; `nil` while it may go on.
  public let end: String?
  /// What the plan's evaluation releases said, by round, as this home checked it when it was released and does again now.
  public let evaluations: [Int: NoisedEvaluation]
  /// Rounds whose evaluation is public and not in this home: it was absent, and the coordinator has not shown it since.
  public let absentEvaluations: [Int]
  /// Names of all plans of this home, by hash.
  public let planNames: [Digest: String]

  /// Charges under this plan.
  public var charges: [LedgerState.Standing] { state.charges.filter { $0.charge.plan == planHash } }

  /// Reads a plan and its ledger.
  ///
  /// - Parameter hash: which; by default the plan that was accepted last among those with charges, so that a new plan does not
  ///   hide what was spent.
  /// - Throws: `PartnerError` when no plan was accepted, or nothing was charged yet.
  public init(home: PartnerHome, store: PartnerStore, plan hash: Digest? = nil) throws {
    let enrolment = try Joining.enrolment(of: store, home)
    var newest: (stored: StoredPlan, name: DataSetName, record: DataSetRecord, state: LedgerState)?
    var withoutLedger: DataSetName?
    for stored in try store.acceptedPlans() where hash == nil || stored.hash == hash {
      guard let name = stored.dataSet, let record = try store.dataSet(name) else { continue }
      guard let state = try OwnLedger.read(home.ledger(of: record.ledger.name), key: enrolment.identity) else {
        withoutLedger = name
        continue
      }
      let isCharged = state.charges.contains { $0.charge.plan == stored.hash }
      if newest == nil || isCharged { newest = (stored, name, record, state) }
      if isCharged { break }
    }
    guard let (stored, name, record, state) = newest else {
      if let withoutLedger {
        throw PartnerError(.missing, "the data set '\(withoutLedger)' has no ledger yet: nothing was ever charged")
      }
      throw PartnerError(
        .missing, hash == nil ? "no plan was accepted yet; look at it with: tacit-client review" : "this plan was not accepted")
    }
    planNames = try store.plans().reduce(into: [:]) { $0[$1.hash] = try PlanFile(bytes: $1.bytes).plan.task }
    plan = try Documents.checkedPlan(stored.bytes, stored.signature, enrolment, known: true).plan
    planHash = stored.hash
    dataSet = name
    self.state = state
    cap = record.cap
    linked = LinkedReading(record.ledger.name, home: home, store: store)
      .spending(delta: record.cap?.delta ?? plan.cap?.delta ?? 1e-6)
    end = stored.end
    let held = HeldEvaluations(plan, hash: stored.hash, store: store)
    evaluations = try held.read()
    absentEvaluations = try held.absent()
  }
}
