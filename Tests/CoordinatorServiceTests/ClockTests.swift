import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import SecureAggregation
import Synchronization
import Testing

/// Clocks that somebody sets, and clocks of two machines that differ.
@Suite struct ClockTests {
  @Test func `a clock that is set forward ends no stage, and one that is set back makes none longer`() async throws {
    let task = try await TestTask()
    await task.host.drain()
    await task.host.dropEverything()
    let (wall, uptime) = (task.clock, TestClock())
    (task.host, task.handler, task.monitor) = try task.state.host(
      lease: task.lease, policy: task.policy, quota: task.quota, logger: TestTask.logger, clock: { wall.now },
      uptime: { uptime.now.timeIntervalSince1970 })
    // One partner says nothing, so that the first stage waits for its deadline.
    task.partners[3].silentFrom = 3
    try await task.run()
    let waiting = await task.host.summary
    #expect(waiting.contains("attempt 1, stage"))
    for step in [10 * task.policy.stageSeconds, -20 * task.policy.stageSeconds] {
      wall.advance(step)
      try await task.host.tick()
      #expect(await task.host.summary == waiting)
    }
    for clock in [wall, uptime] { clock.advance(task.policy.stageSeconds + 1) }
    try await task.host.tick()
    #expect(await task.host.summary != waiting)
  }

  @Test func `a standby whose clock is ahead takes no lease that is renewed, and takes one that is not`() async throws {
    let task = try await TestTask()
    let own = Mutex(ContinuousClock.now)
    let watch = LeaseWatch(clock: { own.withLock { $0 } })
    let ahead = task.clock.now.addingTimeInterval(100 * Lease.duration)
    func take() throws -> Lease { try task.state.store.takeLease(holder: "standby", now: ahead, watch: watch) }
    for renewal in 1...4 {
      #expect(throws: StoreError.self) { try take() }
      own.withLock { $0 += .seconds(Lease.duration - 1) }
      #expect(throws: StoreError.self) { try take() }
      try task.state.store.renew(task.lease, now: task.clock.now.addingTimeInterval(Double(renewal)))
    }
    #expect(throws: StoreError.self) { try take() }
    own.withLock { $0 += .seconds(Lease.duration) }
    #expect(try take().token == task.lease.token + 1)
  }

  @Test func `a standby whose clock is behind takes the lease of a holder that is gone`() async throws {
    let task = try await TestTask()
    let own = Mutex(ContinuousClock.now)
    let watch = LeaseWatch(clock: { own.withLock { $0 } })
    let behind = task.clock.now.addingTimeInterval(-Lease.duration)
    #expect(throws: StoreError.self) { try task.state.store.takeLease(holder: "standby", now: behind, watch: watch) }
    own.withLock { $0 += .seconds(Lease.duration) }
    #expect(try task.state.store.takeLease(holder: "standby", now: behind, watch: watch).token == task.lease.token + 1)
  }

  @Test func `a partner stands to a plan as its newest statements say, whatever was asked before`() async throws {
    let task = try await TestTask()
    let store = task.state.store
    let plan = try #require(try store.newestPlan()).hash
    let number = task.partners[0].participant
    var next: UInt64 = 1
    /// Consented, paused, left.
    func asked(_ plan: Digest, _ participant: UInt32? = nil) throws -> [Bool]? {
      try store.standings(plan: plan)[participant ?? number].map { [$0.hasConsented, $0.isPaused, $0.hasLeft] }
    }
    func standing(after kind: UInt8) throws -> [Bool]? {
      next += 1
      #expect(
        try store.add(statement: [UInt8(next)], number: next, kind: kind, plan: plan, of: number, now: task.clock.now))
      return try asked(plan)
    }
    #expect(try standing(after: 2) == [true, true, false])
    #expect(try standing(after: 3) == [true, false, false])
    #expect(try standing(after: 4) == [true, false, true])
    #expect(try standing(after: 1) == [true, false, false])
    #expect(try asked(.zero) == [false, false, false])
    #expect(try asked(plan) == [true, false, false])
    #expect(try asked(plan, task.partners[1].participant) == [true, false, false])
  }
}
