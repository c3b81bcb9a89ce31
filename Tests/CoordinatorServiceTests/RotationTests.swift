import CoordinatorService
import CryptoPrimitives
import Foundation
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
    let document = try await hosted.handler.document("key-succession", for: task.partners[0].peer)
    let bytes = try await document.read(at: 0, count: Int(document.size))
    #expect(try KeySuccession.all(decoding: bytes) == rotated.store.successions())
    // Who was away hears how the last plan of the old key ended.
    let answer = try await hosted.handler.poll(PollQuery(session: [], after: nil, wait: .zero), from: task.partners[0].peer)
    #expect(answer.planHash == plan.hash && answer.session == plan.session.bytes)
    #expect(answer.state == .finished(reason: "a new key") && answer.envelopes.isEmpty)
  }
}
