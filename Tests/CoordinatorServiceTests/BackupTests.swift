import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import PeerIdentity
import SecureAggregation
import Testing
import Transport

@Suite struct BackupTests {
  @Test func `a backup does not hold the journal of an open attempt, and the attempt is not continued from it`() async throws {
    let task = try await TestTask(noise: "central")
    var accepted = 0
    try await task.run(until: { accepted == 17 }, afterEach: { _, _ in accepted += 1 })
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    // An unmask answer, or whatever else was journalled last.
    let last = try #require(task.partners.compactMap { $0.uploaded.last }.first)
    let bytes = try #require(FileManager.default.contents(atPath: backup + "/coordinator.sqlite"))
    #expect(bytes.range(of: Data(last.bytes)) == nil)
    let copy = try CoordinatorState.open(StateFolder(path: backup)) { preconditionFailure("not sealed") }
    #expect(try !copy.store.hasOpenAttempt(task.session))
  }

  @Test func `the number of an attempt that was open in a backup is not used again, and the run goes on`() async throws {
    let task = try await TestTask(noise: "central")
    var accepted = 0
    // Keys only: nothing is charged yet, so that the ledger cannot tell.
    try await task.run(until: { accepted == 2 }, afterEach: { _, _ in accepted += 1 })
    try #require(try task.charges().isEmpty)
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    await task.host.dropEverything()
    let fresh = StateFolder(path: task.path + "/fresh")
    _ = try StateBackup.restore(from: backup, into: fresh, now: task.clock.now)
    let restored = try CoordinatorState.open(fresh) { preconditionFailure("not sealed") }
    let clock = task.clock
    let lease = try restored.store.takeLease(holder: "restored", now: clock.now)
    let hosted = try restored.host(
      lease: lease, policy: task.policy, quota: task.quota, logger: TestTask.logger, clock: { clock.now })
    var round = 0
    while round < 60 {
      try await hosted.host.tick()
      for partner in task.partners { _ = try? await partner.step(through: hosted.handler) }
      clock.advance(1)
      round += 1
    }
    #expect(try restored.store.releases(of: task.session).first?.statement.attempt == 1)
  }

  @Test func `a backup and a restoration are on disk before they are said to be there`() async throws {
    let task = try await TestTask()
    let manager = FileManager.default
    struct Fault: Error {}
    func files(_ folder: String) throws -> Set<String> {
      Set(try manager.subpathsOfDirectory(atPath: folder).map { "\(folder)/\($0)" }).union([folder])
    }
    let backup = task.path + "/backup"
    var synced: [String] = []
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now) { path in
      // Under its final name nothing is there before everything is on disk.
      #expect(synced.count < 5 || path == task.path || !manager.fileExists(atPath: backup))
      synced.append(path)
    }
    let draft = Set(try files(backup).map { $0.replacingOccurrences(of: backup, with: backup + ".partial") })
    #expect(draft.subtracting(synced).filter { !$0.hasSuffix("/spool") }.isEmpty)
    #expect(synced.last == task.path)
    // A disk that fails: there is no backup.
    let second = task.path + "/second"
    #expect(throws: (any Error).self) {
      try StateBackup.write(task.state.folder, to: second, now: task.clock.now) { path in
        if path.hasSuffix("ca.key") { throw Fault() }
      }
    }
    #expect(!manager.fileExists(atPath: second) && !manager.fileExists(atPath: second + ".partial"))
    let fresh = StateFolder(path: task.path + "/fresh")
    var restored: [String] = []
    _ = try StateBackup.restore(from: backup, into: fresh, now: task.clock.now) { restored.append($0) }
    let expected = try files(fresh.path).filter { !$0.contains("/spool") && !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") }
    #expect(expected.subtracting(restored).isEmpty && restored.last == task.path)
    #expect(throws: (any Error).self) {
      try StateBackup.restore(from: backup, into: fresh, now: task.clock.now) { _ in throw Fault() }
    }
  }

  @Test func `keys are not copied into a folder that somebody else has put where the copy is made`() async throws {
    let task = try await TestTask()
    let manager = FileManager.default
    let (trap, draft) = (task.path + "/trap", task.path + "/backup.partial")
    try manager.createDirectory(atPath: trap, withIntermediateDirectories: false)
    try manager.createSymbolicLink(atPath: draft, withDestinationPath: trap)
    #expect(throws: StateFolderError.self) {
      try StateBackup.write(task.state.folder, to: task.path + "/backup", now: task.clock.now)
    }
    try manager.removeItem(atPath: draft)
    try manager.createDirectory(atPath: draft, withIntermediateDirectories: false)
    #expect(throws: StateFolderError.self) {
      try StateBackup.write(task.state.folder, to: task.path + "/backup", now: task.clock.now)
    }
    #expect(try manager.contentsOfDirectory(atPath: trap).isEmpty && manager.contentsOfDirectory(atPath: draft).isEmpty)
    try manager.removeItem(atPath: draft)
    try StateBackup.write(task.state.folder, to: task.path + "/backup", now: task.clock.now)
    var status = stat()
    for name in ["", "/ledgers", "/ca.key", "/signing.key"] {
      #expect(lstat(task.path + "/backup" + name, &status) == 0 && status.st_mode & 0o077 == 0, "\(name)")
    }
  }

  @Test func `a coordinator that is restored over its ledger cannot spend the same budget twice`() async throws {
    let task = try await TestTask(noise: "central")
    let planned = task.plan.plan.releases.count
    try #require(planned >= 2)
    try await task.run(until: { try task.state.store.releases(of: task.session).count == 1 })
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    try await task.run()
    #expect(try await task.isFinished)
    let spent = try task.charges().count
    await task.host.dropEverything()
    try task.state.store.release(task.lease)
    // The database is lost; the ledgers are still there.
    try FileManager.default.removeItem(atPath: task.state.folder.database)
    let outcome = try StateBackup.restore(from: backup, into: task.state.folder, now: task.clock.now)
    #expect(outcome.ledgersKept.count == 1 && outcome.plansEnded.count == 1)
    let restored = try CoordinatorState.open(task.state.folder) { preconditionFailure("not sealed") }
    let clock = task.clock
    let lease = try restored.store.takeLease(holder: "restored", now: clock.now)
    let hosted = try restored.host(
      lease: lease, policy: task.policy, quota: task.quota, logger: TestTask.logger, clock: { clock.now })
    try await hosted.host.tick()
    #expect(hosted.host.sentMessages.isEmpty)
    #expect(try task.charges().count == spent)
    #expect(try restored.store.newestPlan()?.end?.contains("restored") == true)
  }

  @Test func `a coordinator that is restored without its ledger is refused by partners who saw a longer one`() async throws {
    let task = try await TestTask(noise: "central")
    try await task.run(until: { try task.state.store.releases(of: task.session).count == 1 })
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    try await task.run()
    let spent = task.partners.map { $0.ledger.state.charges.count }
    let fresh = StateFolder(path: task.path + "/fresh")
    _ = try StateBackup.restore(from: backup, into: fresh, now: task.clock.now)
    let restored = try CoordinatorState.open(fresh) { preconditionFailure("not sealed") }
    let clock = task.clock
    let lease = try restored.store.takeLease(holder: "restored", now: clock.now)
    let hosted = try restored.host(
      lease: lease, policy: task.policy, quota: task.quota, logger: TestTask.logger, clock: { clock.now })
    var round = 0
    while round < 40 {
      try await hosted.host.tick()
      for partner in task.partners { _ = try? await partner.step(through: hosted.handler) }
      clock.advance(1)
      round += 1
    }
    #expect(try restored.store.releases(of: task.session).count == 1)
    #expect(task.partners.map { $0.ledger.state.charges.count } == spent)
  }

  @Test func `a folder whose lock another holds is not restored over, whatever its database says`() async throws {
    let task = try await TestTask()
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    // Nobody has the lease, as between two renewals of a process whose clock is behind; the lock is held by whoever serves.
    try task.state.store.release(task.lease)
    let lock = open(task.state.folder.path + "/serve.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    #expect(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
    for isDamaged in [false, true] {
      // A damaged database names no holder at all.
      if isDamaged { try Data("no database".utf8).write(to: URL(fileURLWithPath: task.state.folder.database)) }
      let before = try Data(contentsOf: URL(fileURLWithPath: task.state.folder.database))
      let error = #expect(throws: StateFolderError.self) {
        try StateBackup.restore(from: backup, into: task.state.folder, now: task.clock.now)
      }
      #expect(error?.kind == .exists && error?.description.contains("serve.lock") == true)
      #expect(try Data(contentsOf: URL(fileURLWithPath: task.state.folder.database)) == before)
    }
    flock(lock, LOCK_UN)
    close(lock)
    _ = try StateBackup.restore(from: backup, into: task.state.folder, now: task.clock.now)
  }

  @Test func `nobody begins to serve a folder while it is restored, and nobody restores one that is used`() async throws {
    let task = try await TestTask()
    let (folder, backup) = (task.state.folder, task.path + "/backup")
    try StateBackup.write(folder, to: backup, now: task.clock.now)
    try task.state.store.release(task.lease)
    // Before whoever serves has a lease, or the lock that says that it lives.
    var use = try await CoordinatorProcess.enter(folder, waits: false, logger: TestTask.logger)
    #expect(use != nil)
    let refusal = #expect(throws: StateFolderError.self) {
      try StateBackup.restore(from: backup, into: folder, now: task.clock.now)
    }
    #expect(refusal?.kind == .exists && refusal?.description.contains("stop it first") == true)
    // Others may stand by.
    #expect(try FolderUse.shared(folder) != nil)
    use = nil
    var tries = 0
    _ = try StateBackup.restore(from: backup, into: folder, now: task.clock.now) { _ in
      let refusal = #expect(throws: StateFolderError.self) { try FolderUse.shared(folder) }
      #expect(refusal?.kind == .busy && refusal?.description.contains("is being restored") == true)
      tries += 1
    }
    #expect(tries > 3)
    #expect(try FolderUse.shared(folder) != nil)
  }

  @Test func `a damaged authority certificate stands in no restoration's way for longer than a file is moved`() async throws {
    let task = try await TestTask()
    let (folder, backup) = (task.state.folder, task.path + "/backup")
    try StateBackup.write(folder, to: backup, now: task.clock.now)
    try task.state.store.release(task.lease)
    try Data("x".utf8).write(to: URL(fileURLWithPath: folder.authority))
    let error = #expect(throws: StateFolderError.self) {
      try StateBackup.restore(from: backup, into: folder, now: task.clock.now)
    }
    #expect(error?.kind == .damaged && error?.description.contains("move this file away and run this again") == true)
    try FileManager.default.moveItem(atPath: folder.authority, toPath: folder.authority + ".damaged")
    _ = try StateBackup.restore(from: backup, into: folder, now: task.clock.now)
    let restored = try CoordinatorState.open(folder) { preconditionFailure("the keys are not sealed") }
    #expect(restored.authority.taskID == task.state.authority.taskID)
  }

  @Test func `ledgers that contradict each other are not merged, and a folder that is served is not overwritten`() async throws {
    let task = try await TestTask()
    try await task.run(until: { try task.state.store.hasOpenAttempt(task.session) })
    let backup = task.path + "/backup"
    try StateBackup.write(task.state.folder, to: backup, now: task.clock.now)
    #expect(throws: StateFolderError.self) {
      try StateBackup.restore(from: backup, into: task.state.folder, now: task.clock.now)
    }
    try task.state.store.release(task.lease)
    let ledger = StateFolder(path: backup).ledger(of: task.session.hex)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: ledger))
    bytes[20] ^= 1
    try bytes.write(to: URL(fileURLWithPath: ledger))
    #expect(throws: StateFolderError.self) {
      try StateBackup.restore(from: backup, into: task.state.folder, now: task.clock.now)
    }
  }
}
