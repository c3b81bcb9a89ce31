internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
public import Foundation
internal import PeerIdentity
internal import SecureAggregation

/// How a task stands, read from its folder without a private key and beside a running server.
public struct StatusView: Encodable, Sendable {
  public struct Partner: Encodable, Sendable {
    public let name: String
    public let participant: UInt32
    /// Whether the newest plan names it.
    public let isInPlan: Bool
    public let isRevoked: Bool
    public let hasConsented: Bool
    public let isPaused: Bool
    public let hasLeft: Bool
    /// Why it refused the last attempt that it was in, in words.
    public let refusal: String?
    /// Whether it would refuse the next one too.
    public let refusesStill: Bool
    /// `nil` when nobody serves the task.
    public let isConnected: Bool?
    /// When it last called the process that serves the task now, as ISO 8601.
    public let lastSeen: String?
  }

  public let task: String
  /// Who serves the folder now; `nil` when nobody does.
  public let servedBy: String?
  /// `nil` when no plan was ever made.
  public let plan: String?
  public let planNumber: Int?
  public let planHash: String?
  /// The short form of the plan's hash that partners see in `review`.
  public let planFingerprint: String?
  public let rosterVersion: UInt64?
  public let rosterFingerprint: String?
  /// Of the roster that the newest plan was made from.
  public let planRosterVersion: UInt64?
  public let planRosterFingerprint: String?
  public let session: String?
  public let releasesPlanned: Int?
  public let releasesDone: Int
  /// Attempts of the newest plan that came to nothing; of all plans together.
  public let attemptsAborted: Int
  public let attemptsAbortedInAll: Int
  /// How the last of them ended.
  public let lastFailure: String?
  /// The attempt that is open: release and attempt, counted from 1.
  public let openAttempt: String?
  public let end: String?
  /// What happens now, or is waited for; `nil` when there is no plan.
  public let progress: RunProgress?
  /// Partners without whom no attempt can come to something.
  public let neededPartners: Int?
  /// ε charged in the coordinator's ledger and ε that the plan allows, at the plan's δ.
  public let epsilonSpent: Double?
  public let epsilonCap: Double?
  public let delta: Double?
  /// Records of the newest plan's ledger, and its head's fingerprint, to compare on the phone; `nil` before the first round.
  public let ledgerRecords: UInt64?
  public let ledgerFingerprint: String?
  /// ε charged over all plans of this folder, at the newest plan's δ; `nil` where it cannot be said.
  public let epsilonSpentInAll: Double?
  public let plans: Int
  public let partners: [Partner]

  /// - Throws: `StateFolderError`, `TaskDatabaseError`.
  public init(folder: StateFolder, now: Date) throws {
    task = try CoordinatorState.description(of: folder).name
    let store = try CoordinatorStore(path: folder.database)
    servedBy = try store.leaseState(now: now)?.holder
    let live = servedBy == nil ? nil : LiveView.read(from: folder, now: now)
    let record = try store.newestPlan()
    let content = try record?.planFile().plan
    plan = content?.task
    planNumber = record?.number
    planHash = record?.hash.hex
    planFingerprint = record.map { ShortFingerprint(of: $0.hash).text }
    let roster = try store.newestRoster().map { try SignedRoster(decoding: $0.bytes) }
    rosterVersion = roster?.version
    rosterFingerprint = roster?.fingerprint.text
    let planRoster = try record.map { try SignedRoster(decoding: $0.roster) }
    planRosterVersion = planRoster?.version
    planRosterFingerprint = planRoster?.fingerprint.text
    session = record?.session.hex
    releasesPlanned = content?.releases.count
    end = record?.end
    releasesDone = try record.map { try store.releases(of: $0.session) }?.count ?? 0
    let failed = try record.map { try store.failedAttempts(of: $0.session) }
    attemptsAborted = failed?.count ?? 0
    attemptsAbortedInAll = try store.counters()["attempts.aborted"] ?? 0
    lastFailure = failed?.last.map { "release \($0.round + 1), attempt \($0.attempt + 1): \($0.outcome)" }
    let attempt = try record.flatMap { try store.newestAttempt(of: $0.session) }
    openAttempt = attempt.flatMap { $0.outcome == nil ? "release \($0.key.round + 1), attempt \($0.key.attempt + 1)" : nil }
    neededPartners = content?.neededPartners
    progress = try record.flatMap { record in
      try content.map {
        try Self.progress(record, $0, store: store, live: live, openAttempt: attempt?.outcome == nil ? attempt : nil)
      }
    }
    epsilonCap = content?.cap?.epsilon
    delta = content?.cap?.delta
    let records = try store.plans()
    plans = records.count
    let newestLedger = record.flatMap { Self.ledger(of: $0, folder: folder) }
    ledgerRecords = newestLedger?.head.head.size
    ledgerFingerprint = newestLedger?.head.head.fingerprint.text
    let spendings = content?.cap == nil ? [] : records.map { Self.ledger(of: $0, folder: folder)?.recorded }
    epsilonSpent = content?.cap.flatMap { cap in (spendings.last ?? nil)?.epsilon(delta: cap.delta) }
    epsilonSpentInAll = content?.cap.flatMap { Self.epsilon(of: spendings, delta: $0.delta) }
    let standings = try store.standings(plan: record?.hash ?? .zero)
    let refusals = try record.map { try store.refusals(session: $0.session) } ?? [:]
    partners = try store.partners().map { partner in
      let standing = standings[partner.participant] ?? PartnerStanding()
      let refusal = refusals[partner.participant]
      let seen = live?.seen.first { $0.participant == partner.participant }
      return Partner(
        name: partner.name, participant: partner.participant,
        isInPlan: content?.roster.contains { $0.participant == partner.participant } ?? false, isRevoked: !partner.isActive,
        hasConsented: standing.hasConsented, isPaused: standing.isPaused, hasLeft: standing.hasLeft,
        refusal: refusal.map { "release \($0.round + 1), attempt \($0.attempt + 1): \($0.sentence)" },
        refusesStill: refusal?.stands ?? false, isConnected: live == nil ? nil : seen?.isConnected ?? false,
        lastSeen: seen.map { $0.lastSeen.formatted(.iso8601) })
    }
  }

  private static func progress(
    _ record: PlanRecord, _ plan: TrainingPlan, store: CoordinatorStore, live: LiveView?, openAttempt: AttemptRecord?
  ) throws -> RunProgress {
    if let end = record.end { return RunProgress(.over, "over: \(end); next: make a new plan") }
    if let live { return live.progress }
    let readiness = try RoundReadiness(plan, planHash: record.hash, session: record.session, store: store, present: nil)
    guard readiness.canGoOn else { return readiness.progress }
    let place =
      openAttempt.map { "; release \($0.key.round + 1), attempt \($0.key.attempt + 1) is open and will be resumed" } ?? ""
    return RunProgress(
      .waiting, "nobody serves the plan: start tacit-coordinator serve\(place)", missing: readiness.missing)
  }

  /// `nil` when the plan has no ledger yet, or one that does not verify.
  private static func ledger(of plan: PlanRecord, folder: StateFolder) -> LedgerState? {
    guard let bytes = FileManager.default.contents(atPath: folder.ledger(of: plan.session.hex)),
      let key = (try? plan.planFile()).map({ VerificationKey(hex: $0.plan.coordinatorKey) })
    else { return nil }
    return LedgerVerifier(key: key).verify(Array(bytes)).state
  }

  /// All that several ledgers charged, composed; a plan without a ledger has charged nothing.
  private static func epsilon(of spendings: [LedgerSpending?], delta: Double) -> Double? {
    var events: [PrivacyEvent] = []
    for spending in spendings.compactMap({ $0 }) {
      // Without noise nothing can be added up.
      guard spending.epsilon(delta: delta).isFinite else { return nil }
      events += spending.events.map { .repeated(event: $0.event, count: $0.count) }
    }
    guard !events.isEmpty else { return 0 }
    guard let summary = try? PrivacyLossSummary(events) else { return nil }
    return Accounting.epsilon(for: summary, delta: delta)
  }
}
