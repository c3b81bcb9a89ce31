internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
public import Foundation
internal import SecureAggregation

/// How a task stands, read from its folder without a private key and beside a running server.
public struct StatusView: Encodable, Sendable {
  public struct Partner: Encodable, Sendable {
    public let name: String
    public let participant: UInt32
    public let isRevoked: Bool
    public let hasConsented: Bool
    public let isPaused: Bool
    public let hasLeft: Bool
  }

  public let task: String
  /// Who serves the folder now; `nil` when nobody does.
  public let servedBy: String?
  /// `nil` when no plan was ever made.
  public let plan: String?
  public let planHash: String?
  public let session: String?
  public let releasesPlanned: Int?
  public let releasesDone: Int
  public let attemptsAborted: Int
  /// The attempt that is open: release and attempt, counted from 1.
  public let openAttempt: String?
  public let end: String?
  /// ε charged in the coordinator's ledger and ε that the plan allows, at the plan's δ.
  public let epsilonSpent: Double?
  public let epsilonCap: Double?
  public let delta: Double?
  public let partners: [Partner]

  /// - Throws: `StateFolderError`, `TaskDatabaseError`.
  public init(folder: StateFolder, now: Date) throws {
    task = try CoordinatorState.description(of: folder).name
    let store = try CoordinatorStore(path: folder.database)
    servedBy = try store.leaseState(now: now)?.holder
    attemptsAborted = try store.counters()["attempts.aborted"] ?? 0
    let record = try store.newestPlan()
    let content = try record?.planFile().plan
    plan = content?.task
    planHash = record?.hash.hex
    session = record?.session.hex
    releasesPlanned = content?.releases.count
    end = record?.end
    let releases = try record.map { try store.releases(of: $0.session) } ?? []
    releasesDone = releases.count
    let attempt = try record.flatMap { try store.newestAttempt(of: $0.session) }
    openAttempt = attempt.flatMap { $0.outcome == nil ? "release \($0.key.round + 1), attempt \($0.key.attempt + 1)" : nil }
    epsilonCap = content?.cap?.epsilon
    delta = content?.cap?.delta
    if let record, let content, let delta = content.cap?.delta,
      let bytes = FileManager.default.contents(atPath: folder.ledger(of: record.session.hex))
    {
      let key = VerificationKey(hex: content.coordinatorKey)
      epsilonSpent = LedgerVerifier(key: key).verify(Array(bytes)).state?.recorded.epsilon(delta: delta)
    } else {
      epsilonSpent = nil
    }
    let standings = try record.map { try store.standings(plan: $0.hash) } ?? [:]
    partners = try store.partners().map { partner in
      let standing = standings[partner.participant] ?? PartnerStanding()
      return Partner(
        name: partner.name, participant: partner.participant, isRevoked: !partner.isActive, hasConsented: standing.hasConsented,
        isPaused: standing.isPaused, hasLeft: standing.hasLeft)
    }
  }
}
