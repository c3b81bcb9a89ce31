import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import Operations
import PeerIdentity
import SecureAggregation
import Testing
import Transport

/// What an operator is told while nothing happens, and what happens to partners that refuse.
@Suite struct WaitingTests {
  /// What `status` shows while the test's process serves.
  private func status(_ task: TestTask) async throws -> StatusView {
    try task.state.store.renew(task.lease, now: task.clock.now)
    return try StatusView(folder: task.state.folder, now: task.clock.now)
  }

  @Test func `whoever is missing is named with the reason, in status and once a minute in the log`() async throws {
    let task = try await TestTask(partners: 3)
    let taskID = task.state.authority.taskID
    try await task.partners[1].state(.pause, number: 2, through: task.handler, task: taskID)
    task.clock.advance(100)
    // Only the first calls; the third was there long ago.
    _ = try await task.partners[0].state(through: task.handler)
    try await task.host.tick()
    let view = try await status(task)
    let progress = try #require(view.progress)
    #expect(progress.kind == .waiting && view.neededPartners == 3)
    #expect(
      progress.sentence == "waiting: 1 of 3 needed are ready; missing: partner-2 (paused), partner-3 (not connected)")
    #expect(view.partners.map(\.isConnected) == [true, false, false])
    #expect(view.partners[2].lastSeen != nil)
    let log = task.log
    #expect(log.all.isEmpty)
    for _ in 0..<130 {
      task.clock.advance(1)
      _ = try await task.partners[0].state(through: task.handler)
      try await task.host.tick()
    }
    let said = log.all.filter { $0.contains("the next attempt waits for partners") }
    #expect(said.count == 3, "\(log.all)")
    #expect(said.allSatisfy { $0.contains("partner-2 (paused)") && $0.contains("partner-3 (not connected)") })
  }

  @Test func `a plan that needs more partners than have access says that it cannot go on`() async throws {
    let task = try await TestTask(partners: 3)
    _ = try task.state.store.revoke(name: "partner-2", now: task.clock.now)
    try await task.host.tick()
    let progress = try #require(try await status(task).progress)
    #expect(progress.kind == .stuck)
    #expect(
      progress.sentence.contains("needs 3 partners, only 2 have access") && progress.sentence.contains("partner-2 (revoked)"))
    // The same without a server.
    let unserved = try StatusView(folder: task.state.folder, now: task.clock.now.addingTimeInterval(1000))
    #expect(unserved.servedBy == nil && unserved.progress?.kind == .stuck)
  }

  @Test func `an open attempt shows its stage, who is missing and until when`() async throws {
    let task = try await TestTask(partners: 4, policy: RoundPolicy(stageSeconds: 50, inputSeconds: 100))
    task.partners[2].silentFrom = 5
    try await task.run()
    task.clock.advance(3)
    try await task.host.tick()
    let progress = try #require(try await status(task).progress)
    #expect(progress.kind == .open && progress.missing.map(\.name) == ["partner-3"])
    #expect(progress.summary == "open: release 1, attempt 1, stage 'masked input': 3 of 4 have answered, 3 are needed")
    #expect(progress.until == task.clock.now.addingTimeInterval(97))
  }

  @Test func `an attempt that came to nothing says who was missing`() async throws {
    let task = try await TestTask(partners: 4, policy: RoundPolicy(stageSeconds: 50, inputSeconds: 100, retrySeconds: 1000))
    for partner in task.partners[2...] { partner.silentFrom = 5 }
    try await task.run()
    task.clock.advance(101)
    try await task.run()
    let view = try await status(task)
    #expect(view.attemptsAborted == 1)
    #expect(
      view.lastFailure
        == "release 1, attempt 1: fewer partners than the plan's minimum stayed to the end; missing: partner-3, partner-4")
    task.clock.advance(3)
    try await task.host.tick()
    #expect(try await status(task).progress?.kind == .scheduled)
    #expect(task.log.all.contains { $0.contains("an attempt came to nothing") && $0.contains("partner-3, partner-4") })
  }

  @Test func `a partner that would refuse again costs one attempt, not all, until it has something new to say`() async throws {
    let task = try await TestTask(partners: 3, settings: ["maximum-users-of: partner-3=3"])
    // Six users where the plan allows for three.
    for _ in 0..<20 {
      try await task.run()
      task.clock.advance(5)
    }
    #expect(try task.state.store.newestPlan()?.endedAt == nil)
    #expect(try task.state.store.failedAttempts(of: task.session).count == 1)
    var view = try await status(task)
    #expect(view.progress?.kind == .waiting)
    #expect(
      view.progress?.sentence.contains("partner-3 (refuses: this partner holds more users than the plan's cap for it)") == true)
    #expect(view.partners[2].refusesStill && view.partners[2].refusal?.hasPrefix("release 1, attempt 1: ") == true)
    // A word of the partner, or a new process of it: it is asked again, once.
    try await task.partners[2].state(.resume, number: 2, through: task.handler, task: task.state.authority.taskID)
    for _ in 0..<5 {
      try await task.run()
      task.clock.advance(5)
    }
    #expect(try task.state.store.failedAttempts(of: task.session).count == 2)
    // The same process greets again after a broken connection: nothing is new.
    try await task.partners[2].hello(through: task.handler)
    for _ in 0..<5 {
      try await task.run()
      task.clock.advance(5)
    }
    #expect(try task.state.store.failedAttempts(of: task.session).count == 2)
    view = try await status(task)
    #expect(view.attemptsAborted == 2 && view.lastFailure?.hasPrefix("release 1, attempt 2: ") == true)
  }

  @Test func `a plan that is ended beside a running server is stopped there, charged where inputs may have left`() async throws {
    let task = try await TestTask(partners: 4)
    task.partners[3].silentFrom = 5
    try await task.run()
    try #require(try task.state.store.hasOpenAttempt(task.session))
    #expect(try task.state.store.end(session: task.session, because: "the contract ended", now: task.clock.now))
    task.clock.advance(2)
    try await task.run()
    #expect(try !task.state.store.hasOpenAttempt(task.session))
    #expect(try task.charges().count == 1)
    #expect(try await task.partners[0].state(through: task.handler) == .finished(reason: "the contract ended"))
    #expect(task.partners[0].ends.last?.abortReason == .stopped)
    let view = try await status(task)
    #expect(view.progress?.sentence == "over: the contract ended; next: make a new plan")
    // The next plan is taken up by the same process.
    let maker = PlanMaker(task.state)
    var random = KeyedRandomSource(insecureSeed: 8)
    let draft = try maker.draft(settingsFile: task.path + "/plan.yaml", random: &random)
    try maker.activate(draft, now: task.clock.now)
    task.clock.advance(2)
    try await task.host.tick()
    #expect(try await status(task).progress?.kind == .waiting)
    #expect(try await status(task).plans == 2)
  }

  @Test func `budgets of several plans are added up`() async throws {
    let task = try await TestTask(noise: "distributed")
    try await task.run()
    let first = try await status(task)
    let spent = try #require(first.epsilonSpent)
    #expect(spent > 0 && first.epsilonSpentInAll == spent)
    let maker = PlanMaker(task.state)
    var random = KeyedRandomSource(insecureSeed: 8)
    try maker.activate(try maker.draft(settingsFile: task.path + "/plan.yaml", random: &random), now: task.clock.now)
    task.clock.advance(2)
    try await task.host.tick()
    let second = try await status(task)
    // The second has charged nothing yet; what the first charged is still said.
    #expect(second.epsilonSpent == 0 && second.plans == 2)
    #expect(abs((second.epsilonSpentInAll ?? 0) - spent) < 1e-6)
  }

  @Test func `whoever has left is in no new plan, and cannot be named in one`() async throws {
    let task = try await TestTask(partners: 4)
    try await task.partners[3].state(.leave, number: 2, through: task.handler, task: task.state.authority.taskID)
    let maker = PlanMaker(task.state)
    var random = KeyedRandomSource(insecureSeed: 8)
    let draft = try maker.draft(settingsFile: task.path + "/plan.yaml", random: &random)
    #expect(draft.file.plan.roster.map(\.name) == ["partner-1", "partner-2", "partner-3"])
    let settings = try String(contentsOfFile: task.path + "/plan.yaml", encoding: .utf8)
    try Data((settings + "\npartners: partner-1,partner-2,partner-4,nobody\n").utf8).write(
      to: URL(fileURLWithPath: task.path + "/named.yaml"))
    do {
      _ = try maker.draft(settingsFile: task.path + "/named.yaml", random: &random)
      Issue.record("a plan was made with a partner that has left")
    } catch let error as SettingsError {
      #expect(error.problems.count == 2)
      #expect(error.problems.contains { $0.contains("'partner-4', who has left the task for good") })
      #expect(error.problems.contains { $0.contains("'nobody', who is not enrolled") })
    }
    #expect(try RosterView(folder: task.state.folder).left == [task.partners[3].participant])
  }

  @Test func `rounds of an algorithm that has none are no plan, and the sentence says what it has instead`() async throws {
    let task = try await TestTask(partners: 3)
    var random = KeyedRandomSource(insecureSeed: 8)
    let settings = try String(contentsOfFile: task.path + "/plan.yaml", encoding: .utf8)
    func draft(_ text: String) throws -> PlanMaker.Draft {
      try Data(text.utf8).write(to: URL(fileURLWithPath: task.path + "/rounds.yaml"))
      return try PlanMaker(task.state).draft(settingsFile: task.path + "/rounds.yaml", random: &random)
    }
    let error = #expect(throws: SettingsError.self) { try draft(settings + "\nrounds: 20\n") }
    #expect(error?.problems.count == 1)
    #expect(error?.problems.first?.contains("rounds is 20, but covariance has none to choose") == true)
    #expect(error?.problems.first?.contains("takes ridge, head-size, counts-share") == true)
    let many = try draft(settings.replacing("algorithm: covariance", with: "algorithm: mf") + "\nrounds: 2\n")
    #expect(many.file.plan.algorithm.parameters["rounds"] == 2)
  }

  @Test func `how fast partners must send is the operator's to say`() throws {
    func limits(_ flags: [String: String]) throws -> TransportLimits {
      try CoordinatorConfiguration(try Settings(CoordinatorSettings.schema, flags: flags, environment: [:], file: nil))
        .transportLimits
    }
    #expect(try limits([:]).paceBytes == TransportLimits().paceBytes)
    let slow = try limits(["upload-pace": "64KiB", "upload-slots": "32"])
    #expect(slow.paceBytes == 64 << 10 && slow.concurrentUploads == 32)
    #expect(throws: SettingsError.self) { try limits(["upload-pace": "0"]) }
  }

  @Test func `an export names the folder that it made, also of a plan that is not over and of an older one`() async throws {
    let task = try await TestTask()
    try await task.run(until: { try task.state.store.hasOpenAttempt(task.session) })
    let early = try RunExport(folder: task.state.folder).write(to: task.path + "/early", data: "none", partners: "1")
    #expect(!early.isPlanOver && early.path == task.path + "/early.partial")
    #expect(FileManager.default.fileExists(atPath: early.path + "/plan.json"))
    try await task.run()
    let maker = PlanMaker(task.state)
    var random = KeyedRandomSource(insecureSeed: 8)
    try maker.activate(try maker.draft(settingsFile: task.path + "/plan.yaml", random: &random), now: task.clock.now)
    let first = try RunExport(folder: task.state.folder, plan: 1).write(to: task.path + "/first", data: "none", partners: "1")
    #expect(first.isPlanOver && first.path == task.path + "/first" && first.plan == 1)
    #expect(FileManager.default.fileExists(atPath: first.path + "/plan.json"))
    #expect(throws: StateFolderError.self) { _ = try RunExport(folder: task.state.folder, plan: 7) }
  }

  @Test func `a task that cannot be made leaves nothing behind`() throws {
    let path = NSTemporaryDirectory() + "tacit-init-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: path) }
    func make(name: String = "shops", host: String = "127.0.0.1", days: Int = 100) throws {
      _ = try CoordinatorState.create(
        in: StateFolder(path: path),
        task: TaskDescription(
          name: name, trainingAddress: "127.0.0.1:7443", enrolmentAddress: "127.0.0.1:7444", hosts: [host], certificateHours: 24),
        authorityDays: days, passphrase: nil, now: Date(timeIntervalSince1970: 1_800_000_000))
    }
    let mistakes: [() throws -> Void] = [
      { try make(name: "two words") }, { try make(days: 0) }, { try make(host: "no host") },
    ]
    for mistake in mistakes {
      #expect(throws: PeerIdentityError.self) { try mistake() }
      #expect(!FileManager.default.fileExists(atPath: path))
    }
    try make()
    #expect(try CoordinatorState.check(StateFolder(path: path)).isSealed == false)
    try FileManager.default.removeItem(atPath: path + "/server.key")
    #expect(throws: (any Error).self) { _ = try CoordinatorState.check(StateFolder(path: path)) }
  }
}
