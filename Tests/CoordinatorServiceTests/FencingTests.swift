import CoordinatorService
import FederatedLearning
import Foundation
import SecureAggregation
import Testing
import Transport

@Suite struct FencingTests {
  @Test func `a second process is refused while the first one's lease lasts, and gets it when it is released`() async throws {
    let task = try await TestTask()
    #expect(throws: StoreError.self) { try task.state.store.takeLease(holder: "second", now: task.clock.now) }
    try task.state.store.renew(task.lease, now: task.clock.now.addingTimeInterval(Lease.duration - 1))
    #expect(throws: StoreError.self) {
      try task.state.store.takeLease(holder: "second", now: task.clock.now.addingTimeInterval(Lease.duration + 1))
    }
    try task.state.store.release(task.lease)
    let second = try task.state.store.takeLease(holder: "second", now: task.clock.now)
    #expect(second.token == task.lease.token + 1)
  }

  @Test func `a process that slept past its lease is fenced off: its journal takes nothing, and nothing leaves`() async throws {
    let task = try await TestTask()
    var accepted = 0
    try await task.run(until: { accepted == 5 }, afterEach: { _, _ in accepted += 1 })
    let before = task.host.sentMessages
    _ = try task.state.store.takeLease(holder: "second", now: task.clock.now.addingTimeInterval(Lease.duration + 1))
    // The first process wakes up and knows nothing of it.
    for partner in task.partners { _ = try? await partner.step(through: task.handler) }
    #expect(task.host.sentMessages == before)
    #expect(throws: StoreError.fencedOff) { try task.state.store.renew(task.lease, now: task.clock.now) }
    await #expect(throws: HostFailure.fencedOff) { try await task.host.tick() }
    await #expect(throws: TransportRefusal.self) {
      _ = try await task.partners[3].send(
        [1], as: UploadKey(session: task.partners[3].session, round: 0, attempt: 0, kind: 4), through: task.handler)
    }
  }

  @Test func `a process that slept past its lease writes nothing into the ledger either`() async throws {
    let task = try await TestTask()
    // All masked inputs but one are there: the deadline would charge.
    task.partners[3].silentFrom = 5
    try await task.run()
    let before = try task.ledgerBytes()
    _ = try task.state.store.takeLease(holder: "second", now: task.clock.now.addingTimeInterval(Lease.duration + 1))
    task.clock.advance(task.policy.inputSeconds + 1)
    await #expect(throws: HostFailure.self) { try await task.host.tick() }
    #expect(try task.ledgerBytes() == before)
    #expect(try task.charges().isEmpty)
  }

  @Test func `a plan that names another signing key than the folder holds is not served`() async throws {
    let (task, other) = (try await TestTask(), try await TestTask())
    await task.host.dropEverything()
    try FileManager.default.removeItem(atPath: task.state.folder.signingKey)
    try FileManager.default.copyItem(atPath: other.state.folder.signingKey, toPath: task.state.folder.signingKey)
    let state = try CoordinatorState.open(task.state.folder) { preconditionFailure("not sealed") }
    let clock = task.clock
    let next = try state.host(
      lease: task.lease, policy: task.policy, quota: task.quota, logger: TestTask.logger, clock: { clock.now })
    let found = await #expect(throws: HostFailure.self) { try await next.host.tick() }
    #expect(found?.description.contains("another coordinator's key") == true)
    #expect(next.host.sentMessages.isEmpty)
  }

  @Test func `an attempt has one noised result: another one is not kept, nor one of a process that lost its lease`() async throws
  {
    let task = try await TestTask()
    let journal = StoredReleaseJournal(store: task.state.store, lease: task.lease)
    let attempt = LedgerAttempt(session: task.session, round: 0, attempt: 0)
    try journal.record(noisedSum: [1, -2], of: attempt)
    try journal.record(noisedSum: [1, -2], of: attempt)
    #expect(throws: StoreError.secondNoisedSum) { try journal.record(noisedSum: [1, -1], of: attempt) }
    #expect(try journal.noisedSum(of: attempt) == [1, -2])
    _ = try task.state.store.takeLease(holder: "second", now: task.clock.now.addingTimeInterval(Lease.duration + 1))
    let next = LedgerAttempt(session: task.session, round: 0, attempt: 1)
    #expect(throws: StoreError.fencedOff) { try journal.record(noisedSum: [3], of: next) }
    #expect(try journal.noisedSum(of: next) == nil)
  }

  @Test func `the messages of an attempt that is over are in no file of the coordinator any more`() async throws {
    let task = try await TestTask(noise: "central")
    // Signatures and answers to unmask: what would yield the sum without its noise.
    func traces() throws -> Int {
      let files = ["", "-wal"].map { FileManager.default.contents(atPath: task.state.folder.database + $0) ?? Data() }
      return task.partners.flatMap(\.uploaded).filter { $0.key.round == 0 && $0.key.kind != 5 }
        .count { message in files.contains { $0.range(of: Data(message.bytes)) != nil } }
    }
    var accepted = 0
    try await task.run(until: { accepted == 10 }, afterEach: { _, _ in accepted += 1 })
    #expect(try traces() > 0)
    try await task.run(until: { try task.state.store.releases(of: task.session).count == 1 })
    #expect(try traces() == 0)
  }

  @Test func `a suspended process on the same machine does not keep the next one from going on, and wakes up harmless`()
    async throws
  {
    let task = try await TestTask(noise: "distributed")
    task.partners[3].silentFrom = 5
    try await task.run()
    // The first process is stopped here: it keeps its ledger open and locked, and its memory. Its lease runs out.
    let suspended = task.host
    let clock = task.clock
    let lease = try task.state.store.takeLease(holder: "standby", now: clock.now.addingTimeInterval(Lease.duration + 1))
    let next = try task.state.host(
      lease: lease, policy: task.policy, quota: task.quota, logger: TestTask.logger, clock: { clock.now })
    (task.host, task.handler) = (next.host, next.handler)
    task.partners[3].silentFrom = nil
    for _ in 0..<9 {
      guard try await !task.isFinished else { break }
      clock.advance(task.policy.inputSeconds + 1)
      try await task.run()
    }
    #expect(try await task.isFinished)
    let (ledger, charges) = (try task.ledgerBytes(), try task.charges())
    #expect(charges.count >= task.plan.plan.releases.count)
    #expect(Set(charges.map(\.charge.attempt)).count == charges.count)
    // It wakes up with a deadline long over.
    await #expect(throws: HostFailure.self) { try await suspended.tick() }
    #expect(try task.ledgerBytes() == ledger)
  }

  @Test func `a plan that was ended while nobody served it is not gone on with`() async throws {
    let task = try await TestTask()
    task.partners[3].silentFrom = 5
    try await task.run()
    await task.host.dropEverything()
    _ = try task.state.store.end(session: task.session, because: "enough", now: task.clock.now)
    try await task.restart()
    try await task.host.tick()
    // The open attempt is paid for and over.
    #expect(try !task.state.store.hasOpenAttempt(task.session))
    #expect(try task.charges().count == 1)
    task.partners[3].silentFrom = nil
    task.clock.advance(1000)
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).isEmpty)
    #expect(try await task.isFinished)
    #expect(try task.state.store.newestPlan()?.end == "enough")
  }

  @Test func `a journal that takes nothing lets nothing out, and the next process goes on where it stopped`() async throws {
    let task = try await TestTask()
    var accepted = 0
    try await task.run(until: { accepted == 7 }, afterEach: { _, _ in accepted += 1 })
    let before = task.host.sentMessages
    try task.state.store.set(isReadOnly: true)
    for partner in task.partners { _ = try? await partner.step(through: task.handler) }
    #expect(task.host.sentMessages == before)
    await #expect(throws: (any Error).self) { try await task.host.tick() }
    try task.state.store.set(isReadOnly: false)
    try await task.restart()
    try await task.host.tick()
    #expect(task.host.sentMessages == before)
  }
}
