internal import CoordinatorService
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import PeerIdentity
internal import Recommender
internal import SecureAggregation
internal import Synchronization
internal import Transport

/// Seconds that a test decides.
final class TestClock: Sendable {
  private let time: Mutex<Date>

  init(_ date: Date = Date(timeIntervalSince1970: 1_800_000_000)) { time = Mutex(date) }

  var now: Date { time.withLock { $0 } }

  func advance(_ seconds: Double) { time.withLock { $0 = $0.addingTimeInterval(seconds) } }
}

/// A task with enrolled partners and a signed plan, on disk; hosts come and go.
final class TestTask {
  let path: String
  let clock = TestClock()
  let state: CoordinatorState
  private(set) var partners: [TestPartner] = []
  private(set) var plan: PlanFile
  var lease: Lease
  var host: RoundHost
  var handler: TrainingHandler
  var monitor: RoundMonitor
  var policy: RoundPolicy
  private var restarts = 0
  var quota = UploadSpool.Quota(perParticipant: 1 << 24, total: 1 << 28)

  static let itemCount = 12
  static var logger: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }
  /// What the host and the handler say.
  let log = LogLines()

  /// - Parameters:
  ///   - settings: further lines of the plan's settings, or others in the place of the usual ones.
  ///   - logLevel: of what `log` keeps.
  ///   - users: how many users a partner has, by its number.
  ///   - bigUpdates: a model whose masked inputs go through several chunks.
  init(
    partners count: Int = 4, noise: String = "none", settings: [String] = [], policy: RoundPolicy = RoundPolicy(),
    logLevel: Logger.Level = .notice, users: (Int) -> Int = { _ in 6 }
  ) async throws {
    path = NSTemporaryDirectory() + "tacit-coordinator-" + UUID().uuidString
    let clock = clock
    state = try CoordinatorState.create(
      in: StateFolder(path: path + "/state"),
      task: TaskDescription(
        name: "test", trainingAddress: "127.0.0.1:7443", enrolmentAddress: "127.0.0.1:7444", hosts: ["127.0.0.1"],
        certificateHours: 24), authorityDays: 100, passphrase: nil, now: clock.now)
    let invitations = try Invitations(folder: state.folder)
    let desk = EnrolmentDesk(state: state, logger: Self.logger, clock: { clock.now })
    for number in 1...count {
      let name = try PartnerName("partner-\(number)")
      let token = try invitations.invite(name, expires: clock.now.addingTimeInterval(3600), now: clock.now).token
      partners.append(try await TestPartner(token: token, desk: desk, number: number, clock: clock, users: users(number)))
    }
    let items = (0..<Self.itemCount).map { "item-\($0)\tTitle \($0)" }
    try Data(("item_id\ttitle\n" + items.joined(separator: "\n") + "\n").utf8).write(
      to: URL(fileURLWithPath: path + "/items.tsv"))
    let lines =
      [
        "catalogue: items.tsv", "algorithm: covariance", "noise: \(noise)", "nominal-users: 30", "maximum-users: 100",
        "evaluation-share: 0",
      ].filter { line in !settings.contains { $0.prefix { $0 != ":" } == line.prefix { $0 != ":" } } } + settings
    try Data(lines.joined(separator: "\n").utf8).write(to: URL(fileURLWithPath: path + "/plan.yaml"))
    let maker = PlanMaker(state)
    var random = KeyedRandomSource(insecureSeed: 7)
    let draft = try maker.draft(settingsFile: path + "/plan.yaml", random: &random)
    try maker.activate(draft, now: clock.now)
    plan = draft.file
    self.policy = policy
    lease = try state.store.takeLease(holder: "first", now: clock.now)
    let log = log
    let said = Logger(label: "test") { _ in LineRecorder(lines: log, logLevel: logLevel) }
    (host, handler, monitor) = try state.host(
      lease: lease, policy: policy, quota: quota, logger: said, clock: { clock.now })
    for partner in partners { try await partner.join(plan, through: handler, task: state.authority.taskID) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// A new process on the same folder: what was in memory is gone.
  func restart(quota: UploadSpool.Quota? = nil) async throws {
    await host.drain()
    await host.dropEverything()
    if let quota { self.quota = quota }
    let clock = clock
    restarts += 1
    lease = try state.store.takeLease(holder: "next", now: clock.now.addingTimeInterval(Double(restarts) * 2 * Lease.duration))
    (host, handler, monitor) = try state.host(
      lease: lease, policy: policy, quota: self.quota, logger: Self.logger, clock: { clock.now })
  }

  /// A second host on a copy of everything that is on disk now: what a machine that lost power would find.
  func hostOnCopy() async throws -> (host: RoundHost, handler: TrainingHandler) {
    let copy = path + "/copy-" + UUID().uuidString
    try FileManager.default.copyItem(atPath: state.folder.path, toPath: copy)
    let clock = clock
    let copied = try CoordinatorState.open(StateFolder(path: copy)) { preconditionFailure("the keys are not sealed") }
    let lease = try copied.store.takeLease(holder: "copy", now: clock.now.addingTimeInterval(Lease.duration))
    let hosted = try copied.host(lease: lease, policy: policy, quota: quota, logger: Self.logger, clock: { clock.now })
    try await hosted.host.tick()
    return (hosted.host, hosted.handler)
  }

  /// Lets everybody do what is due, until nothing moves or `isOver` says so.
  ///
  /// - Parameters:
  ///   - active: who takes part; by default all.
  ///   - afterEach: called after every message that was accepted.
  func run(
    _ active: [TestPartner]? = nil, until isOver: () async throws -> Bool = { false },
    afterEach: (TestPartner, UInt32) async throws -> Void = { _, _ in }
  ) async throws {
    var quiet = 0
    while quiet < 3 {
      try await host.tick()
      var moved = false
      for partner in active ?? partners {
        if try await isOver() { return }
        if try await partner.step(through: handler, after: { try await afterEach(partner, $0) }) { moved = true }
      }
      quiet = moved ? 0 : quiet + 1
      if try await isOver() { return }
    }
  }

  var isFinished: Bool {
    get async throws {
      if case .finished = try await partners[0].state(through: handler) { true } else { false }
    }
  }

  func ledgerBytes() throws -> [UInt8] {
    Array(FileManager.default.contents(atPath: state.folder.ledger(of: plan.plan.session)) ?? Data())
  }

  /// Charges in the coordinator's ledger as it stands on disk.
  func charges() throws -> [LedgerState.Standing] {
    LedgerVerifier(key: state.signingKey.verificationKey).verify(try ledgerBytes()).state?.charges ?? []
  }
}
