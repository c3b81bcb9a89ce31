import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import PeerIdentity
import Recommender
import SecureAggregation
import Testing
import Transport

@Suite struct RoundHostTests {
  @Test func `a plan runs to its end, and every partner hears of it`() async throws {
    let task = try await TestTask()
    try await task.run()
    #expect(try await task.isFinished)
    let releases = try task.state.store.releases(of: task.session)
    #expect(releases.count == task.plan.plan.releases.count)
    #expect(releases.allSatisfy { $0.statement.isSigned(by: task.state.signingKey.verificationKey) && $0.partners == 4 })
    for partner in task.partners {
      #expect(partner.ends.count == releases.count && partner.ends.allSatisfy { $0.abortReason == nil && $0.release != nil })
      #expect(partner.uploaded.allSatisfy { $0.phase == .accepted })
    }
    #expect(try task.charges().count == releases.count)
    #expect(try task.state.store.newestPlan()?.end == "every release of the plan happened")
    let document = try await task.handler.document("release/1", for: task.partners[0].peer)
    #expect(ReleaseDocument.decode(try await document.read(at: 0, count: Int(document.size))) != nil)
  }

  @Test func `a network with item features is planned by their hash, handed out and trained`() async throws {
    let task = try await TestTask(settings: [
      "algorithm: ncf", "item-features: [text]", "rounds: 2",
      "parameters: [dimension=4, hidden=4, tower=4, tower-inputs=2, window=4, negatives=4]",
    ])
    #expect(task.plan.plan.featureDimension == 256)
    let document = try await task.handler.document("catalogue", for: task.partners[0].peer)
    let features = try CatalogueDocument.features(of: try await document.read(at: 0, count: Int(document.size)))
    #expect(features.map(CatalogueReference.hash(of:)) == task.plan.plan.catalogue.features)
    try await task.run()
    #expect(try await task.isFinished)
    #expect(try task.state.store.releases(of: task.session).count == 3)
  }

  @Test(arguments: ["none", "distributed", "central"])
  func `after every journalled event a new process has the same messages, byte for byte`(noise: String) async throws {
    let task = try await TestTask(noise: noise)
    var (equal, ended) = (0, 0)
    try await task.run(
      until: { try await task.isFinished },
      afterEach: { _, _ in
        let live = task.host.sentMessages
        let copy = try await task.hostOnCopy()
        if try task.state.store.hasOpenAttempt(task.session) {
          #expect(copy.host.sentMessages == live)
          equal += 1
        } else {
          // Between attempts: only the end of the one before is still of use, at its old place.
          let place = try #require(try task.state.store.newestPlace(task.session))
          for partner in task.partners {
            let messages = try #require(live[partner.participant])
            let before = MessageCursor(round: place.round, attempt: place.attempt, ordinal: UInt32(messages.count) - 1)
            let answer = try await copy.handler.poll(
              PollQuery(session: partner.session, after: before, wait: .zero), from: partner.peer)
            #expect(answer.envelopes.first?.content == messages.last.map { .inline($0) })
            #expect(answer.envelopes.first?.cursor.ordinal == UInt32(messages.count))
          }
          ended += 1
        }
        await copy.host.dropEverything()
      })
    // Five messages of four partners in each release, the last of which ends it.
    #expect(equal >= 19 && ended == task.plan.plan.releases.count)
    #expect(try await task.isFinished)
  }

  @Test(arguments: ["none", "distributed", "central"])
  func `a process that dies after every single event ends with the same model and one charge for each attempt`(
    noise: String
  ) async throws {
    let task = try await TestTask(noise: noise)
    try await task.run(until: { try await task.isFinished }, afterEach: { _, _ in try await task.restart() })
    #expect(try await task.isFinished)
    let charges = try task.charges()
    #expect(charges.count == task.plan.plan.releases.count)
    #expect(Set(charges.map(\.charge.attempt)).count == charges.count)
    #expect(charges.allSatisfy { if case .released? = $0.outcome?.result { true } else { false } })
    // Nobody was asked for a second masked input.
    for partner in task.partners {
      let inputs = partner.uploaded.filter { $0.key.kind == 5 }.map { "\($0.key.round)/\($0.key.attempt)" }
      #expect(inputs.count == Set(inputs).count && inputs.count == charges.count)
    }
    guard noise == "none" else { return }
    let quiet = try await TestTask(noise: noise)
    try await quiet.run()
    #expect(
      try quiet.state.store.newestRelease(of: quiet.session)?.model == task.state.store.newestRelease(of: task.session)?.model)
  }

  @Test func `a partner that is gone is a dropout after the deadline, and the round goes on without it`() async throws {
    let task = try await TestTask(partners: 5, policy: RoundPolicy(stageSeconds: 10, inputSeconds: 10))
    task.partners[4].silentFrom = 5
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).isEmpty)
    task.clock.advance(11)
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).first?.partners == 4)
  }

  @Test func `with a share to close early, a stage ends after the grace and never below the minimum`() async throws {
    let policy = RoundPolicy(stageSeconds: 1000, inputSeconds: 1000, earlyShare: 0.5, graceSeconds: 5)
    let task = try await TestTask(partners: 5, policy: policy)
    task.partners[4].silentFrom = 5
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).isEmpty)
    task.clock.advance(6)
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).first?.partners == 4)
    // Half would be enough for the share, but not for the plan.
    let few = try await TestTask(partners: 5, policy: policy)
    for partner in few.partners[2...] { partner.silentFrom = 5 }
    try await few.run()
    few.clock.advance(6)
    try await few.run()
    #expect(try few.state.store.hasOpenAttempt(few.session))
  }

  @Test func `too few partners abort the attempt with a reason, charged once inputs may have left`() async throws {
    let task = try await TestTask(partners: 5, policy: RoundPolicy(stageSeconds: 10, inputSeconds: 10, retrySeconds: 1000))
    for partner in task.partners[2...] { partner.silentFrom = 5 }
    try await task.run()
    task.clock.advance(11)
    try await task.run()
    let charges = try task.charges()
    #expect(charges.count == 1)
    #expect(charges.first?.outcome?.result == .aborted(reason: "\(AttemptAbort.tooFewPartners)"))
    #expect(task.partners[0].ends.last?.abortReason == .tooFewPartners)
    if case .waiting(let until?) = try await task.partners[0].state(through: task.handler) {
      #expect(until > Int64(task.clock.now.timeIntervalSince1970))
    } else {
      Issue.record("the next attempt waits for its time")
    }
  }

  @Test func `rounds keep their schedule, also over a restart`() async throws {
    let start = TestClock().now
    let policy = RoundPolicy(everySeconds: 3600, notBefore: start.addingTimeInterval(100))
    let task = try await TestTask(noise: "distributed", policy: policy)
    let planned = task.plan.plan.releases.count
    try #require(planned >= 2)
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).isEmpty)
    task.clock.advance(101)
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).count == 1)
    try await task.restart()
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).count == 1)
    for _ in 1..<planned {
      task.clock.advance(3601)
      try await task.run()
    }
    #expect(try await task.isFinished)
  }

  @Test func `a round opens when enough are there, and waits for the others once, not at every round`() async throws {
    let task = try await TestTask(partners: 5, noise: "distributed", policy: RoundPolicy(gatherSeconds: 20))
    try #require(task.plan.plan.releases.count >= 2)
    let others = Array(task.partners[..<4])
    task.clock.advance(1000)
    // Nobody called for long: nobody is there.
    try await task.host.tick()
    #expect(try !task.state.store.hasOpenAttempt(task.session))
    try await task.run(others)
    #expect(try !task.state.store.hasOpenAttempt(task.session))
    task.clock.advance(21)
    try await task.run(others)
    #expect(try task.state.store.hasOpenAttempt(task.session))
    for _ in 0..<5 {
      // The stage's time is over for the one who is not there; nobody waits for it before the next round.
      task.clock.advance(RoundPolicy().stageSeconds + 1)
      try await task.run(others, until: { try task.state.store.newestPlace(task.session)?.round == 1 })
    }
    #expect(try task.state.store.newestPlace(task.session)?.round == 1)
  }

  @Test func `nobody waits for a partner that rests or has left`() async throws {
    let task = try await TestTask(partners: 5, policy: RoundPolicy(gatherSeconds: 1000))
    try await task.partners[4].state(.pause, number: 2, through: task.handler, task: task.state.authority.taskID)
    try await task.run(Array(task.partners[..<4]), until: { try task.state.store.hasOpenAttempt(task.session) })
    #expect(try task.state.store.hasOpenAttempt(task.session))
  }

  @Test func `a ledger that is gone is not begun anew: what was spent is not known`() async throws {
    let task = try await TestTask()
    var accepted = 0
    try await task.run(until: { accepted == 6 }, afterEach: { _, _ in accepted += 1 })
    await task.host.dropEverything()
    let ledger = task.state.folder.ledger(of: task.plan.plan.session)
    try FileManager.default.removeItem(atPath: ledger)
    try await task.restart()
    await #expect(throws: HostFailure.self) { try await task.host.tick() }
    #expect(!FileManager.default.fileExists(atPath: ledger))
  }

  @Test func `a drained process takes nothing new and leaves the attempt to the next`() async throws {
    let task = try await TestTask()
    var accepted = 0
    try await task.run(
      until: { accepted == 6 }, afterEach: { _, _ in accepted += 1 })
    let partner = task.partners[3]
    let key = UploadKey(session: partner.session, round: 0, attempt: 0, kind: 4)
    let header = UploadHeader(key: key, size: 3, sha256: SHA256.hash([1, 2, 3]))
    guard case .receive(let sink) = try await task.handler.openUpload(header, from: partner.peer) else {
      Issue.record("the upload is wanted")
      return
    }
    try await sink.write([1, 2, 3], at: 0)
    await task.host.drain()
    // Neither what is there already nor what would begin now.
    await #expect(throws: TransportRefusal.unavailable(reason: "stopping")) { _ = try await sink.finish() }
    await #expect(throws: TransportRefusal.unavailable(reason: "stopping")) {
      _ = try await task.handler.openUpload(header, from: partner.peer)
    }
    #expect(try await partner.state(through: task.handler) == .draining)
    try await task.restart()
    try await task.run()
    #expect(try await task.isFinished)
    #expect(try task.charges().count == task.plan.plan.releases.count)
  }
}

extension TestTask {
  var session: SessionID {
    guard let session = SessionID(hex: plan.plan.session) else { preconditionFailure("a validated plan has a session") }
    return session
  }
}
