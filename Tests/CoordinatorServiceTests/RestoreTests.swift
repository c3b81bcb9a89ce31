import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import Logging
import PeerIdentity
import SecureAggregation
import Synchronization
import Testing
import Transport

/// What a backup does not know must neither come back nor lock anybody out; and who was away must find the way back.
@Suite struct RestoreTests {
  private func refusal(_ body: () async throws -> Void) async -> TransportRefusal? {
    do {
      try await body()
      return nil
    } catch { return error as? TransportRefusal }
  }

  private func desk(_ state: CoordinatorState, _ clock: TestClock) -> EnrolmentDesk {
    EnrolmentDesk(state: state, logger: TestTask.logger, clock: { clock.now })
  }

  private func invite(_ name: String, _ state: CoordinatorState, _ clock: TestClock) throws -> EnrolmentToken {
    let invitation = try Invitations(folder: state.folder).invite(
      try PartnerName(name), expires: clock.now.addingTimeInterval(3600), now: clock.now)
    return try EnrolmentToken(parsing: invitation.token, now: clock.now)
  }

  private func identity(_ seed: UInt8) -> SigningKey {
    SigningKey(seed: SecretBytes(copying: [UInt8](repeating: seed, count: 32)))
  }

  private func apply(
    _ token: EnrolmentToken, _ desk: EnrolmentDesk, identity key: SigningKey, transport: TLSKey = .generate()
  ) async throws -> EnrolmentGrant {
    let request = try CertificateRequest.create(key: transport, name: token.name)
    return try await desk.enrol(
      EnrolmentApplication(
        software: "test", secret: token.secret, certificateRequest: request.der, verificationKey: key.verificationKey.bytes,
        proof: EnrolmentProof.sign(secret: token.secret, request: request.der, key: key).bytes), address: "test")
  }

  private func peer(_ grant: EnrolmentGrant) throws -> Peer {
    try peer(grant.participant, IssuedCertificate(pem: grant.certificatePEM))
  }

  private func peer(_ participant: UInt32, _ certificate: IssuedCertificate) -> Peer {
    Peer(
      participant: participant, certificateFingerprint: certificate.fingerprint, serial: certificate.serial,
      notAfter: Int64(certificate.notAfter.timeIntervalSince1970), address: "test", instance: .random())
  }

  /// A process that serves a restored folder.
  private func serve(_ folder: StateFolder, _ task: TestTask, logger: Logger = TestTask.logger) throws -> (
    state: CoordinatorState, host: RoundHost, handler: TrainingHandler
  ) {
    let state = try CoordinatorState.open(folder) { preconditionFailure("not sealed") }
    let clock = task.clock
    let lease = try state.store.takeLease(holder: "restored", now: clock.now)
    let hosted = try state.host(lease: lease, policy: task.policy, quota: task.quota, logger: logger, clock: { clock.now })
    return (state, hosted.host, hosted.handler)
  }

  private func restored(_ backup: String, _ task: TestTask, as name: String = "fresh") throws -> StateFolder {
    let folder = StateFolder(path: "\(task.path)/\(name)")
    _ = try StateBackup.restore(from: backup, into: folder, now: task.clock.now)
    return folder
  }

  // MARK: - Enrolling again

  @Test func `whoever crashed after the coordinator enrolled it applies again with the same keys, and is the same partner`()
    async throws
  {
    let task = try await TestTask()
    let desk = desk(task.state, task.clock)
    let token = try invite("late", task.state, task.clock)
    let (key, transport) = (identity(77), TLSKey.generate())
    let grant = try await apply(token, desk, identity: key, transport: transport)
    // The request is signed anew, with other random numbers.
    #expect(try await apply(token, desk, identity: key, transport: transport) == grant)
    #expect(await refusal { _ = try await apply(token, desk, identity: key) } == .invitationUsed)
    #expect(await refusal { _ = try await apply(token, desk, identity: identity(78), transport: transport) } == .invitationUsed)
    #expect(try task.state.store.partners().count == 5)
  }

  @Test func `a partner whose certificate ran out gets a new one when it is invited again, and nobody else does`() async throws {
    let task = try await TestTask()
    let desk = desk(task.state, task.clock)
    let (before, roster) = (try task.state.store.partners(), try task.state.newestRoster()?.version)
    task.clock.advance(25 * 3600)
    #expect(await refusal { try await task.handler.authorize(task.partners[0].peer, isHello: true) } == .certificateExpired)
    let token = try invite("partner-1", task.state, task.clock)
    // A stranger who has the token, and another partner: neither gets in, nor uses it up.
    for stranger in [identity(90), task.partners[1].key] {
      #expect(await refusal { _ = try await apply(token, desk, identity: stranger) } == .conflict)
    }
    let transport = TLSKey.generate()
    let grant = try await apply(token, desk, identity: task.partners[0].key, transport: transport)
    #expect(grant.participant == task.partners[0].participant)
    #expect(try await apply(token, desk, identity: task.partners[0].key, transport: transport) == grant)
    try await task.handler.authorize(try peer(grant), isHello: true)
    #expect(try task.state.store.partners() == before && task.state.newestRoster()?.version == roster)
  }

  @Test func `who was revoked is not invited again, and an open invitation of its name is good for nothing`() async throws {
    let task = try await TestTask()
    let token = try invite("partner-1", task.state, task.clock)
    _ = try task.state.store.revoke(name: "partner-1", now: task.clock.now)
    let desk = desk(task.state, task.clock)
    #expect(await refusal { _ = try await apply(token, desk, identity: task.partners[0].key) } == .invitationUnknown)
    #expect(throws: StateFolderError.self) { try invite("partner-1", task.state, task.clock) }
  }

  // MARK: - After a backup

  @Test func `certificates that were renewed after the backup open the door of the restored coordinator, until they are over`()
    async throws
  {
    let task = try await TestTask()
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    task.clock.advance(20 * 3600)
    func renewed(_ index: Int) async throws -> Peer {
      let partner = task.partners[index]
      let request = try CertificateRequest.create(key: .generate(), name: try PartnerName("partner-\(index + 1)"))
      let answer = try await task.handler.renewCertificate(request.der, from: partner.peer)
      return peer(partner.participant, try IssuedCertificate(pem: answer.certificatePEM))
    }
    let peers = [try await renewed(0), try await renewed(1), try await renewed(2)]
    let stranger = try peer(
      try await apply(try invite("late", task.state, task.clock), desk(task.state, task.clock), identity: identity(77)))
    task.clock.advance(3600)
    let fresh = try serve(try restored(backup, task), task)
    try await fresh.handler.authorize(peers[0], isHello: true)
    // Who is revoked here stays out, and so does who enrolled after the backup: its number means nobody.
    _ = try fresh.state.store.revoke(name: "partner-2", now: task.clock.now)
    #expect(await refusal { try await fresh.handler.authorize(peers[1], isHello: true) } == .revoked)
    #expect(await refusal { try await fresh.handler.authorize(stranger, isHello: true) } == .notEnrolled)
    task.clock.advance(22 * 3600)
    try await fresh.handler.authorize(peers[0], isHello: true)
    task.clock.advance(2 * 3600)
    #expect(await refusal { try await fresh.handler.authorize(peers[0], isHello: true) } == .certificateExpired)
    // By now every certificate that the backup could have missed is over.
    var forged = peers[2]
    forged.notAfter = Int64(task.clock.now.timeIntervalSince1970) + 3600
    #expect(await refusal { try await fresh.handler.authorize(forged, isHello: true) } == .notEnrolled)
  }

  @Test func `a number that was given after the backup is never given again, however often the backup is restored`() async throws
  {
    let task = try await TestTask()
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    let lost = try await apply(try invite("lost", task.state, task.clock), desk(task.state, task.clock), identity: identity(70))
    var numbers = [lost.participant]
    var versions = [try SignedRoster(decoding: lost.roster).version]
    for round in UInt8(1)...2 {
      task.clock.advance(600)
      let folder = try restored(backup, task, as: "fresh-\(round)")
      let state = try CoordinatorState.open(folder) { preconditionFailure("not sealed") }
      versions.append(try #require(try state.newestRoster()?.version))
      for other in UInt8(1)...3 {
        let token = try invite("new-\(other)", state, task.clock)
        let grant = try await apply(token, desk(state, task.clock), identity: identity(70 + 10 * round + other))
        numbers.append(grant.participant)
        versions.append(try SignedRoster(decoding: grant.roster).version)
      }
    }
    #expect(Set(numbers).count == 7)
    #expect(versions == versions.sorted() && Set(versions).count == 9)
    #expect(numbers.dropFirst().allSatisfy { $0 > 1000 })
  }

  @Test func `who enrolled after the backup is enrolled anew by an invitation, as the same identity with another number`()
    async throws
  {
    let task = try await TestTask()
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    let transport = TLSKey.generate()
    let lost = try await apply(
      try invite("late", task.state, task.clock), desk(task.state, task.clock), identity: identity(77), transport: transport)
    let fresh = try serve(try restored(backup, task), task)
    #expect(await refusal { try await fresh.handler.authorize(try peer(lost), isHello: true) } == .notEnrolled)
    let found = try await apply(
      try invite("late", fresh.state, task.clock), desk(fresh.state, task.clock), identity: identity(77), transport: transport)
    let roster = try SignedRoster(decoding: found.roster)
    #expect(found.participant > 1000 && roster.entry(of: found.participant)?.verificationKey == identity(77).verificationKey)
    #expect(try roster.version > SignedRoster(decoding: lost.roster).version && roster.entry(of: lost.participant) == nil)
    try await fresh.handler.authorize(try peer(found), isHello: true)
    #expect(await refusal { try await fresh.handler.authorize(try peer(lost), isHello: true) } == .notEnrolled)
  }

  @Test func `a restoration undoes no revocation and no enrolment that the old database still knows`() async throws {
    let task = try await TestTask()
    let used = try invite("late", task.state, task.clock)
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    let late = try await apply(used, desk(task.state, task.clock), identity: identity(77))
    _ = try task.state.store.revoke(name: "partner-2", now: task.clock.now)
    let version = try task.state.issueRoster(now: task.clock.now).version
    await task.host.dropEverything()
    try task.state.store.release(task.lease)
    // Interrupted before its database was in place: nothing is forgotten.
    struct Fault: Error {}
    #expect(throws: (any Error).self) {
      try StateBackup.restore(from: backup, into: task.state.folder, now: task.clock.now) { path in
        if path.hasSuffix(".restoring") { throw Fault() }
      }
    }
    let outcome = try StateBackup.restore(from: backup, into: task.state.folder, now: task.clock.now)
    #expect(outcome.lostSince == nil)
    #expect(outcome.revocationsKept == ["partner-2"] && outcome.enrolmentsKept == ["late"])
    let fresh = try serve(task.state.folder, task)
    let roster = try #require(try fresh.state.newestRoster())
    #expect(roster.version >= version + 1_000_000 && roster.isSigned(by: task.state.signingKey.verificationKey))
    #expect(roster.entry(of: task.partners[1].participant)?.status == .revoked)
    #expect(roster.entry(of: late.participant)?.verificationKey == identity(77).verificationKey)
    #expect(await refusal { try await fresh.handler.authorize(task.partners[1].peer, isHello: true) } == .revoked)
    try await fresh.handler.authorize(try peer(late), isHello: true)
  }

  @Test func `a token that was used after the backup does not enrol a second time, and the lost revocation is told`() async throws
  {
    let task = try await TestTask()
    let token = try invite("late", task.state, task.clock)
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    _ = try await apply(token, desk(task.state, task.clock), identity: identity(77))
    let folder = StateFolder(path: task.path + "/fresh")
    // Never in place unless it is whole.
    struct Fault: Error {}
    #expect(throws: (any Error).self) {
      try StateBackup.restore(from: backup, into: folder, now: task.clock.now) { path in
        if path.hasSuffix(".restoring") { throw Fault() }
      }
    }
    #expect(!FileManager.default.fileExists(atPath: folder.database))
    let outcome = try StateBackup.restore(from: backup, into: folder, now: task.clock.now)
    #expect(outcome.lostSince == task.clock.now && outcome.invitationsWithdrawn == ["late"])
    let state = try CoordinatorState.open(folder) { preconditionFailure("not sealed") }
    #expect(await refusal { _ = try await apply(token, desk(state, task.clock), identity: identity(78)) } == .invitationUnknown)
  }

  @Test func `a backup from before a rotation of the signing key does not bring the old key back`() async throws {
    let task = try await TestTask()
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    await task.host.dropEverything()
    try task.state.store.release(task.lease)
    _ = try task.state.store.end(session: task.session, because: "test", now: task.clock.now)
    let rotated = try task.state.rotateSigningKey(passphrase: nil, now: task.clock.now)
    #expect { try StateBackup.restore(from: backup, into: task.state.folder, now: task.clock.now) } throws: {
      "\($0)".contains("was rotated after the backup")
    }
    let state = try CoordinatorState.open(task.state.folder) { preconditionFailure("not sealed") }
    #expect(state.signingKey.verificationKey == rotated.signingKey.verificationKey)
    #expect(try state.newestRoster()?.isSigned(by: rotated.signingKey.verificationKey) == true)
  }

  @Test func `after a restoration that may have lost partners the signing key stays until a person says that all are back`()
    async throws
  {
    let task = try await TestTask()
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    let folder = try restored(backup, task)
    // What is lost stays lost, however often the backup is restored over what it has made.
    let again = try StateBackup.restore(from: backup, into: folder, now: task.clock.now.addingTimeInterval(60))
    #expect(again.lostSince == task.clock.now)
    let state = try CoordinatorState.open(folder) { preconditionFailure("not sealed") }
    if let plan = try state.store.newestPlan() {
      _ = try state.store.end(session: plan.session, because: "lost", now: task.clock.now)
    }
    let error = #expect(throws: StateFolderError.self) { try state.rotateSigningKey(passphrase: nil, now: task.clock.now) }
    #expect(error?.kind == .exists && error?.description.contains("--all-are-back") == true)
    #expect(try state.store.successions().isEmpty)
    let rotated = try state.rotateSigningKey(passphrase: nil, now: task.clock.now, allAreBack: true)
    // Asked once.
    #expect(try rotated.rotateSigningKey(passphrase: nil, now: task.clock.now).store.successions().count == 2)
  }

  @Test(arguments: [true, false])
  func `a database that is older than the backup does not say who enrolled after it`(hasChanged: Bool) async throws {
    let task = try await TestTask()
    let (folder, old, backup) = (task.state.folder, task.path + "/old", task.path + "/backup")
    try StateBackup.write(folder, to: old, now: task.clock.now)
    if hasChanged {
      _ = try await apply(try invite("late", task.state, task.clock), desk(task.state, task.clock), identity: identity(77))
      _ = try task.state.issueRoster(now: task.clock.now)
    }
    task.clock.advance(3600)
    try StateBackup.write(folder, to: backup, now: task.clock.now)
    await task.host.dropEverything()
    // Somebody put the old database into a folder of its own.
    let other = StateFolder(path: task.path + "/other")
    try FileManager.default.copyItem(atPath: old, toPath: other.path)
    #expect(try StateBackup.restore(from: backup, into: other, now: task.clock.now).lostSince == task.clock.now)
  }

  @Test func `a restored coordinator takes no partner for a clone of itself`() async throws {
    let task = try await TestTask()
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    let before = task.partners[0].peer
    // A new process of the partner, after the backup.
    task.partners[0].peer.instance = .random()
    try await task.partners[0].hello(through: task.handler)
    let fresh = try serve(try restored(backup, task), task)
    #expect(await refusal { try await fresh.handler.authorize(task.partners[0].peer, isHello: false) } == .helloNeeded)
    try await task.partners[0].hello(through: fresh.handler)
    try await fresh.handler.authorize(task.partners[0].peer, isHello: false)
    #expect(await refusal { try await fresh.handler.authorize(before, isHello: false) } == .superseded)
  }

  @Test func `hello says which statements a restored coordinator has lost`() async throws {
    let task = try await TestTask()
    let partner = task.partners[0]
    func newest(_ handler: TrainingHandler) async throws -> UInt64 {
      let head = partner.ledger.head.head
      return try await handler.hello(
        ClientHello(software: "test", ledgers: [Transport.LedgerNote(dataset: "data", size: head.size, head: head.head)]),
        from: partner.peer
      ).newestStatement
    }
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    try await partner.state(.pause, number: 2, through: task.handler, task: task.state.authority.taskID)
    #expect(try await newest(task.handler) == 2)
    let fresh = try serve(try restored(backup, task), task)
    #expect(try await newest(fresh.handler) == 1)
    try await partner.state(.pause, number: 2, through: fresh.handler, task: task.state.authority.taskID)
    #expect(try await newest(fresh.handler) == 2)
    #expect(try fresh.state.store.standings(plan: SHA256.hash(task.plan.bytes))[partner.participant]?.isPaused == true)
  }

  @Test func `a run that waits says once a minute for whom`() async throws {
    let task = try await TestTask(partners: 5)
    let recorded = LogLines()
    try await task.partners[0].state(.pause, number: 2, through: task.handler, task: task.state.authority.taskID)
    await task.host.dropEverything()
    try task.state.store.release(task.lease)
    let served = try serve(task.state.folder, task, logger: Logger(label: "test") { _ in LineRecorder(lines: recorded) })
    var lines: [Int] = []
    for _ in 0..<185 {
      try await served.host.tick()
      task.clock.advance(1)
      lines.append(recorded.all.count { $0.contains("waits for partners") })
    }
    #expect(lines[5] == 0 && lines[50] == 1 && lines[80] == 2 && lines.last == 3)
    let line = try #require(recorded.all.first { $0.contains("waits for partners") })
    #expect(
      (2...5).allSatisfy { line.contains("partner-\($0) (not connected)") } && line.contains("partner-1 (paused)")
        && !line.contains("accepted"))
  }
}

/// Keeps what is logged.
final class LogLines: Sendable {
  private let kept = Mutex<[String]>([])
  var all: [String] { kept.withLock { $0 } }
  func append(_ line: String) { kept.withLock { $0.append(line) } }
}

struct LineRecorder: LogHandler {
  let lines: LogLines
  var logLevel = Logger.Level.notice
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    lines.append("\(event.message) \(fields.joined(separator: " "))")
  }
}
