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
  /// The partner's own cap over all plans.
  public let cap: PrivacyBudget?
  /// How the plan ended, in words; `nil` while it may go on.
  public let end: String?

  /// - Throws: `PartnerError` when no plan was accepted, or nothing was charged yet.
  public init(home: PartnerHome, store: PartnerStore) throws {
    let enrolment = try Joining.enrolment(of: store, home)
    guard let stored = try store.newestAcceptedPlan(), let name = stored.dataSet, let record = try store.dataSet(name) else {
      throw PartnerError(.missing, "no plan was accepted yet; look at it with: tacit-client review")
    }
    guard let state = try OwnLedger.read(home.ledger(of: record.ledger.name), key: enrolment.identity) else {
      throw PartnerError(.missing, "the data set '\(name)' has no ledger yet: nothing was ever charged")
    }
    plan = try Documents.checkedPlan(stored.bytes, stored.signature, enrolment, known: true).plan
    planHash = stored.hash
    dataSet = name
    self.state = state
    cap = record.cap
    end = stored.end
  }
}
