import CoordinatorService
import CryptoPrimitives
import Foundation
import Operations
import PeerIdentity
import SecureAggregation
import Testing
import Transport

/// A new signing key: between plans, by nobody who serves, and whole or not at all.
@Suite struct RotationTests {
  private let path = NSTemporaryDirectory() + "tacit-rotation-" + UUID().uuidString
  private let now = Date(timeIntervalSince1970: 1_800_000_000)

  private func task() throws -> CoordinatorState {
    try CoordinatorState.create(
      in: StateFolder(path: path + "/state"),
      task: TaskDescription(
        name: "test", trainingAddress: "127.0.0.1:7443", enrolmentAddress: "127.0.0.1:7444", hosts: ["127.0.0.1"],
        certificateHours: 24), authorityDays: 100, passphrase: nil, now: now)
  }

  private func open(_ state: CoordinatorState) throws -> CoordinatorState {
    try CoordinatorState.open(state.folder) { preconditionFailure("the keys are not sealed") }
  }

  @Test func `the old key vouches for the new one, which signs the next roster`() throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let old = try task()
    let rotated = try old.rotateSigningKey(passphrase: nil, now: now)
    let succession = try #require(try rotated.store.successions().last)
    #expect(succession.isSigned && succession.taskID == old.authority.taskID)
    #expect(succession.old == old.signingKey.verificationKey && succession.new == rotated.signingKey.verificationKey)
    let roster = try #require(try rotated.newestRoster())
    #expect(roster.version == 2 && roster.isSigned(by: succession.new) && !roster.isSigned(by: succession.old))
    #expect(try open(old).signingKey.verificationKey == succession.new)
    #expect(!FileManager.default.fileExists(atPath: old.folder.signingKey + ".next"))
    // Again, from there.
    let third = try rotated.rotateSigningKey(passphrase: nil, now: now)
    #expect(try third.store.successions().map(\.old) == [succession.old, succession.new])
  }

  @Test
  func `a crash before the new key is in its place is mended by the next command, one before the succession changes nothing`()
    throws
  {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let old = try task()
    let (key, next) = (old.folder.signingKey, old.folder.signingKey + ".next")
    try FileManager.default.copyItem(atPath: key, toPath: path + "/old.key")
    let rotated = try old.rotateSigningKey(passphrase: nil, now: now)
    // The succession stands, the file was not moved yet.
    try FileManager.default.moveItem(atPath: key, toPath: next)
    try FileManager.default.copyItem(atPath: path + "/old.key", toPath: key)
    #expect(try open(old).signingKey.verificationKey == rotated.signingKey.verificationKey)
    #expect(!FileManager.default.fileExists(atPath: next))
    // A next key without a succession has signed nothing: it stays aside.
    try FileManager.default.copyItem(atPath: path + "/old.key", toPath: next)
    #expect(try open(old).signingKey.verificationKey == rotated.signingKey.verificationKey)
  }

  @Test func `a backup of a rotation that was cut off holds the new key, and one that lost it is told so by every command`()
    throws
  {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let old = try task()
    let (key, next) = (old.folder.signingKey, old.folder.signingKey + ".next")
    try FileManager.default.copyItem(atPath: key, toPath: path + "/old.key")
    let rotated = try old.rotateSigningKey(passphrase: nil, now: now)
    func cutOff(at folder: StateFolder) throws {
      try FileManager.default.moveItem(atPath: folder.signingKey, toPath: folder.signingKey + ".next")
      try FileManager.default.copyItem(atPath: path + "/old.key", toPath: folder.signingKey)
    }
    // The succession stands, the file was not moved yet: the backup has both keys, and what is restored has the new one.
    try cutOff(at: old.folder)
    let backup = StateFolder(path: path + "/backup")
    try StateBackup.write(old.folder, to: backup.path, now: now)
    let fresh = StateFolder(path: path + "/fresh")
    _ = try StateBackup.restore(from: backup.path, into: fresh, now: now)
    let restored = try CoordinatorState.open(fresh) { preconditionFailure("the keys are not sealed") }
    #expect(restored.signingKey.verificationKey == rotated.signingKey.verificationKey)
    #expect(try restored.newestRoster()?.isSigned(by: rotated.signingKey.verificationKey) == true)
    // The new key is nowhere: nothing goes on with the old one, and nothing is left of what was begun.
    for folder in [old.folder, backup] { try FileManager.default.removeItem(atPath: folder.signingKey + ".next") }
    func isTold(_ body: () throws -> Void) {
      let error = #expect(throws: StateFolderError.self) { try body() }
      #expect(error?.kind == .damaged && error?.description.contains("restore a backup that holds the new key") == true)
    }
    isTold { _ = try open(old) }
    isTold { try StateBackup.write(old.folder, to: path + "/second", now: now) }
    let other = StateFolder(path: path + "/other")
    isTold { _ = try StateBackup.restore(from: backup.path, into: other, now: now) }
    for left in [path + "/second", path + "/second.partial", other.path, next] {
      #expect(!FileManager.default.fileExists(atPath: left), "\(left)")
    }
  }

  @Test func `who stood by while the signing key was rotated does not serve with the old one`() async throws {
    defer { try? FileManager.default.removeItem(atPath: path) }
    let waiting = try task()
    let rotated = try open(waiting).rotateSigningKey(passphrase: nil, now: Date())
    func serve(_ state: CoordinatorState) async throws -> CoordinatorProcess {
      let flags = ["state": state.folder.path, "listen": "127.0.0.1:0", "enrolment-listen": "127.0.0.1:0"]
      return try await CoordinatorProcess(
        CoordinatorConfiguration(try Settings(CoordinatorSettings.schema, flags: flags, environment: [:], file: nil)), use: nil,
        state: state, passphrase: nil, logger: TestTask.logger)
    }
    let error = await #expect(throws: StateFolderError.self) { try await serve(waiting) }
    #expect(error?.kind == .busy && error?.description.contains("was rotated while this process stood by") == true)
    // The lease is free for the next.
    #expect(try waiting.store.leaseState(now: Date()) == nil)
    _ = try await serve(rotated)
  }

  @Test func `an active plan is bound to its key, and a folder that is served keeps it`() async throws {
    let task = try await TestTask(partners: 3)
    let later = task.clock.now.addingTimeInterval(3600)
    #expect(throws: StoreError.self) { try task.state.rotateSigningKey(passphrase: nil, now: task.clock.now) }
    let error = #expect(throws: StateFolderError.self) { try task.state.rotateSigningKey(passphrase: nil, now: later) }
    #expect(error?.kind == .exists && error?.description.contains("plan 1 is active") == true)
    #expect(try task.state.store.successions().isEmpty)
  }

  @Test func `a coordinator serves on after a rotation, and hands the succession to whoever asks`() async throws {
    let task = try await TestTask(partners: 3)
    let plan = try #require(try task.state.store.newestPlan())
    await task.host.drain()
    await task.host.dropEverything()
    #expect(try task.state.store.end(session: plan.session, because: "a new key", now: task.clock.now))
    let later = task.clock.now.addingTimeInterval(3600)
    let rotated = try task.state.rotateSigningKey(passphrase: nil, now: later)
    let lease = try rotated.store.takeLease(holder: "after", now: later)
    let hosted = try rotated.host(
      lease: lease, policy: RoundPolicy(), quota: task.quota, logger: TestTask.logger, clock: { later })
    try await hosted.host.tick()
    #expect(await hosted.host.isHealthy)
    // Whoever still brings a message of the old plan is told that it came too late, and need not wait.
    let key = UploadKey(session: plan.session.bytes, round: 0, attempt: 0, kind: 4)
    guard
      case .settled(.superseded) = try await hosted.handler.openUpload(
        UploadHeader(key: key, size: 10, sha256: .zero), from: task.partners[0].peer)
    else {
      Issue.record("no plan is served, and a message is wanted")
      return
    }
    let document = try await hosted.handler.document("key-succession", for: task.partners[0].peer)
    let bytes = try await document.read(at: 0, count: Int(document.size))
    #expect(try KeySuccession.all(decoding: bytes) == rotated.store.successions())
    // Who was away hears how the last plan of the old key ended.
    let answer = try await hosted.handler.poll(PollQuery(session: [], after: nil, wait: .zero), from: task.partners[0].peer)
    #expect(answer.planHash == plan.hash && answer.session == plan.session.bytes)
    #expect(answer.state == .finished(reason: "a new key") && answer.envelopes.isEmpty)
  }
}
