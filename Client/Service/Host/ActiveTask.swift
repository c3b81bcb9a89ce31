internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation
internal import Transport

/// An accepted plan at work: the engine with its ledger, and where this partner stands in the coordinator's messages.
///
/// Lives inside the host's actor and nowhere else.
final class ActiveTask {
  let planFile: PlanFile
  let hash: Digest
  let session: SessionID
  let dataSet: DataSetName
  /// Which ledger counts its users; other data sets may be on it.
  let ledgerName: DataSetName
  let ledger: PrivacyLedger
  /// Ledgers of other homes that count the same people.
  let group: LedgerGroup
  /// The partner's own, as the engine has it.
  private(set) var cap: PrivacyBudget?
  /// Under which the ledger was first charged; `nil` while it was not.
  var firstCap: PrivacyBudget?
  let algorithm: any FederatedAlgorithm
  var engine: PartnerEngine
  /// The last message that was handled.
  var cursor: MessageCursor
  /// What the engine wants sent and the coordinator has not settled, oldest first.
  var pending: [PendingMessage] = []
  /// Rounds whose evaluation this process has asked for.
  var soughtEvaluations: Set<UInt32> = []
  /// Which state of the data set the engine has, or will take with the next round.
  private var shardRevision: Int
  /// What the ledger's end looked like when it was opened, in words; `nil` when it was whole.
  let recovery: String?

  /// - Throws: `PartnerError`, `PlanError`, `LedgerError` or `StorageError` when plan, data, keys and ledger do not fit together.
  init(
    _ stored: StoredPlan, home: PartnerHome, store: PartnerStore, enrolment: Enrolment, keys: PartnerKeys, workers: Int, time: Int
  )
    throws
  {
    let file = try Documents.checkedPlan(stored.bytes, stored.signature, enrolment)
    let plan = file.plan
    guard let session = SessionID(hex: plan.session), let name = stored.dataSet, let record = try store.dataSet(name) else {
      throw PartnerError(
        .data, "the accepted plan \(stored.hash.hex.prefix(16))… names no data set of this home; accept it again")
    }
    shardRevision = try store.revision(of: name)
    let shard = try Self.shard(of: name, store, plan, enrolment.participant)
    let algorithm = try plan.makeAlgorithm(features: try Documents.features(plan.catalogue, in: store))
    let opened = try OwnLedger.open(record.ledger, home: home, holder: enrolment.name, key: keys.identity, time: time)
    let plans = try store.trainingPlans(of: home)
    group = LedgerGroup(record.ledger.name, home: home, store: store, ledger: opened.ledger)
    if plan.cap != nil, stored.end == nil,
      let obstacle = group.obstacle(charging: stored.hash, on: opened.ledger.state, knowing: plans)
    {
      throw PartnerError(.missing, obstacle)
    }
    for accepted in try store.acceptedPlans() { try home.keep(plan: accepted.bytes) }
    if stored.end == nil { try opened.ledger.noteSearch(of: plan, hash: stored.hash, time: time) }
    engine = try PartnerEngine(
      planFile: file, participant: ParticipantID(enrolment.participant), signingKey: keys.identity, shard: shard,
      algorithm: algorithm, ledger: opened.ledger, cap: record.cap, firstCap: record.ledger.firstCap,
      earlierPlans: plans, journal: store, linked: group, workers: workers)
    planFile = file
    hash = stored.hash
    self.session = session
    dataSet = name
    ledgerName = record.ledger.name
    ledger = opened.ledger
    cap = record.cap
    firstCap = record.ledger.firstCap
    recovery = opened.recovery
    self.algorithm = algorithm
    // A fresh process stands before the attempt of its mark: it is shown how that one opened, and refuses it.
    let mark = try store.highWaterMark(session: session)
    cursor = MessageCursor(round: mark?.round ?? 0, attempt: mark?.attempt ?? 0, ordinal: 0)
  }

  var plan: TrainingPlan { planFile.plan }

  /// Reads the data again where events were added since (`serve`): the next round trains on them.
  func takeNewEvents(from store: PartnerStore) throws {
    let revision = try store.revision(of: dataSet)
    guard revision != shardRevision else { return }
    engine.setShard(try Self.shard(of: dataSet, store, plan, engine.participant.rawValue))
    shardRevision = revision
  }

  /// What a plan trains on: the data set, without users who came while serving and would be more than a plan without noise lets this
  /// partner bring. It is refused with more; imported users are what a person brought, and count as they are.
  private static func shard(
    of name: DataSetName, _ store: PartnerStore, _ plan: TrainingPlan, _ participant: UInt32
  ) throws -> PartnerShard {
    let data = try store.localData(of: name, itemCount: plan.catalogue.itemCount)
    let isEvaluated = plan.releases.contains { $0.purpose == .evaluation }
    let heldOut = isEvaluated ? data.heldOut.map { $0.first ?? -1 } : []
    let most = plan.roster.first { $0.participant == participant }?.maximumUsers ?? 0
    guard plan.privacy.noise == .none, data.train.userCount > most else {
      return PartnerShard(interactions: data.train, heldOut: heldOut)
    }
    let kept = Array(0..<min(data.train.userCount, max(most, try store.importedUsers(of: name))))
    return PartnerShard(interactions: data.train.selecting(users: kept), heldOut: isEvaluated ? kept.map { heldOut[$0] } : [])
  }

  /// A person may have changed it since the last attempt.
  func setCap(of ledger: OwnLedgerRecord?) {
    cap = ledger?.cap
    firstCap = ledger?.firstCap
    engine.setCap(cap, first: firstCap)
  }
}

extension PartnerMessage {
  /// Field number in `PartnerMessage`'s oneof (Protocols/tacit/v1/training.proto).
  var kind: UInt32 {
    switch self {
    case .refusal: 1
    case .plainSum: 2
    case .aggregation(.keyAdvertisement): 3
    case .aggregation(.keyShares): 4
    case .aggregation(.maskedInput): 5
    case .aggregation(.consistencySignature): 6
    case .aggregation(.unmaskResponse): 7
    case .aggregation(.abort): 8
    }
  }
}
