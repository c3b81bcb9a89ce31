import CryptoPrimitives
import DifferentialPrivacy
import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import SecureAggregation
import Synchronization
import Testing
import Transport

/// Homes that were away for too long, and coordinators that were restored from a backup.
@Suite struct RenewalTests {
  private func files(_ home: PartnerHome) throws -> [String: Data] {
    var result: [String: Data] = [:]
    for name in ["identity.key", "tls.key", "certificate.pem", "ca.pem"] {
      result[name] = try Data(contentsOf: URL(fileURLWithPath: "\(home.path)/\(name)"))
    }
    return result
  }

  @Test func `a home whose certificate ran out gets a new one with a token of its own name, and all else stays`() async throws {
    let world = try await World.joined()
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    let before = (try files(home), try store.enrolment(), try Joining.rosterFingerprint(home: home, store: store))
    let ledger = try Data(contentsOf: URL(fileURLWithPath: home.ledger(of: .standard)))
    let outcome = try await world.renew(try await world.coordinator.token("p1"))
    #expect(outcome.before == before.1 && outcome.enrolment == before.1)
    let after = try files(home)
    #expect(after["certificate.pem"] != before.0["certificate.pem"])
    for name in ["identity.key", "tls.key", "ca.pem"] { #expect(after[name] == before.0[name], "\(name)") }
    #expect(try store.enrolment() == before.1)
    #expect(try Joining.rosterFingerprint(home: home, store: store) == before.2)
    #expect(try Data(contentsOf: URL(fileURLWithPath: home.ledger(of: .standard))) == ledger)
    try Joining.checkKeys(home: home, enrolment: outcome.enrolment, passphrase: .none)
  }

  enum Lie: CaseIterable, Sendable {
    case otherAuthority, otherKey, otherParticipant, expired, newNumberByOldRoster, newNumberByForeignRoster
  }

  @Test(arguments: Lie.allCases)
  func `a renewal that is not for this home changes nothing`(_ lie: Lie) async throws {
    let world = try await World(partners: 4)
    let other = try FakeCoordinator()
    let before = try files(world.homes[0])
    let (authority, signingKey) = (world.coordinator.authority, world.coordinator.key)
    let enrolment = try world.store(0).enrolment()
    await #expect {
      try await world.renew(try await world.coordinator.token("p1")) { grant, token, application in
        func issue(_ authority: CertificateAuthority, _ key: TLSKey?, _ participant: UInt32, at time: Date) throws -> String {
          let request =
            try key.map { try CertificateRequest.create(key: $0, name: token.name) }
            ?? CertificateRequest(der: application.certificateRequest)
          return try authority.issueClient(
            request: request, participant: participant, name: token.name, lifetime: .seconds(60), now: time
          ).pem
        }
        switch lie {
        case .otherAuthority:
          grant.authorityPEM = other.authority.certificatePEM
          grant.certificatePEM = try issue(other.authority, nil, 1, at: Date())
        case .otherKey: grant.certificatePEM = try issue(authority, .generate(), 1, at: Date())
        case .otherParticipant:
          grant.participant = 2
          grant.certificatePEM = try issue(authority, nil, 2, at: Date())
        case .newNumberByOldRoster, .newNumberByForeignRoster:
          grant.participant = 7
          grant.certificatePEM = try issue(authority, nil, 7, at: Date())
          let isOld = lie == .newNumberByOldRoster
          grant.roster = try SignedRoster.sign(
            taskID: authority.taskID,
            entries: [
              PeerIdentity.RosterEntry(
                participant: 7, name: token.name,
                verificationKey: #require(VerificationKey(bytes: application.verificationKey)), status: .active, enrolledAt: 1)
            ], issued: 2, version: isOld ? 2 : 99, key: isOld ? signingKey : other.key
          ).encoded()
        case .expired: grant.certificatePEM = try issue(authority, nil, 1, at: Date().addingTimeInterval(-3600))
        }
      }
    } throws: { $0 is PartnerError || $0 is PeerIdentityError }
    #expect(try files(world.homes[0]) == before)
    #expect(try world.store(0).enrolment() == enrolment)
  }

  @Test func `a home gets no certificate with another's token, nor after it left or was purged`() async throws {
    let world = try await World(partners: 4)
    let (home, store) = (world.homes[0], try world.store(0))
    let before = try files(home)
    await #expect { try await world.renew(try await world.coordinator.token("p2")) } throws: {
      ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("token is for 'p2'")
    }
    let other = try FakeCoordinator()
    await #expect { try await world.renew(try await other.token("p1")) } throws: { "\($0)".contains("of another task") }
    // Another home that was made up with the name: the coordinator knows the name by another identity.
    let coordinator = world.coordinator
    await #expect {
      try await Enrolling.enrol(
        token: try await coordinator.token("p1"), home: world.scratch.file("thief"), passphrase: .none, now: Date(),
        call: { try await coordinator.enrol($0, $1) })
    } throws: { ($0 as? PartnerError)?.kind == .permission && "\($0)".contains("another partner by the name 'p1'") }
    #expect(try files(home) == before)
    try Joining.state(.leave, home: home, store: store, passphrase: .none, time: 1004)
    await #expect { try await world.renew(try await world.coordinator.token("p1")) } throws: {
      "\($0)".contains("left the task")
    }
    try Joining.purge(home: home, store: store)
    await #expect { try await world.renew(try await world.coordinator.token("p1")) } throws: { "\($0)".contains("been purged") }
    #expect(!FileManager.default.fileExists(atPath: home.identityKey))
  }

  @Test func `a coordinator that was restored in mid-run is greeted anew, hears again what it lost, and the run goes on`()
    async throws
  {
    let world = try await World.joined(.factorization)
    await world.coordinator.start()
    async let endings = world.finish([0, 1, 2, 3])
    #expect(await World.eventually { await world.coordinator.statements.count { $0.kind == .consent } == 4 })
    let first = await world.coordinator.statements
    #expect(await World.eventually { await world.coordinator.received.count > 3 })
    await world.coordinator.restore()
    #expect(await world.driveToEnd())
    for (_, ending) in try await endings {
      #expect(throws: Never.self) { try ending.get() }
    }
    let again = await world.coordinator.statements
    #expect(Set(again.map(\.encoded)) == Set(first.map(\.encoded)) && again.count == 4)
  }

  @Test func `a statement that the coordinator will not take is not sent at every hello`() async throws {
    let world = try await World.joined()
    let reports = Mutex(0)
    let polls = Mutex(0)
    await world.coordinator.tamper(
      1,
      .init(failure: { call in
        if call == "poll" { polls.withLock { $0 += 1 } }
        guard call == "report" else { return nil }
        reports.withLock { $0 += 1 }
        return .refused(.stageClosed(reason: "the plan is not active"))
      }))
    for run in 1...2 {
      let host = try world.host(0, once: false)
      let running = Task { try await host.run() }
      let before = polls.withLock { $0 }
      #expect(await World.eventually { polls.withLock { $0 } > before })
      await host.stop()
      _ = try? await running.value
      #expect(reports.withLock { $0 } == 1, "run \(run)")
    }
  }

  // MARK: - What a coordinator or a home has lost

  @Test
  func `a home of whom the coordinator has no record any more gets a new number by an invitation, and spends on from its ledger`()
    async throws
  {
    let world = try await World.joined(PlanSetting(noise: .central), cap: try PrivacyBudget(epsilon: 20, delta: 1e-6))
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    try Joining.state(.pause, home: home, store: store, passphrase: .none, time: 1002)
    // It has seen the next plan, too.
    try await world.coordinator.publish(PlanSetting(noise: .central))
    try await world.fetch(0)
    #expect(try store.plans().contains { $0.end == nil })
    await world.coordinator.lose(1)
    let outcome = try await world.renew(try await world.coordinator.token("p1"))
    #expect(outcome.before?.participant == 1 && outcome.enrolment.participant == 1005)
    #expect(try store.enrolment() == outcome.enrolment && outcome.enrolment.identity == outcome.before?.identity)
    try Joining.checkKeys(home: home, enrolment: outcome.enrolment, passphrase: .none)
    #expect(try store.plans().allSatisfy { $0.end != nil })
    // Only the pause is said again, under the new number.
    let unsent = try store.unsentStatements().compactMap { PartnerStatement(decoding: $0.bytes) }
    #expect(unsent.map(\.kind) == [.pause] && unsent.first?.participant == 1005)
    // Interrupted after this, a person gives the same token again.
    #expect(try await world.renew(try await world.coordinator.token("p1")).enrolment == outcome.enrolment)
    try Joining.state(.resume, home: home, store: store, passphrase: .none, time: 1003)
    try await world.coordinator.publish(PlanSetting(noise: .central))
    for index in world.homes.indices { try await world.fetch(index) }
    let hash = try await world.coordinator.planHash()
    for index in world.homes.indices { try world.accept(index, plan: hash) }
    for (_, ending) in try await world.run() {
      #expect(try ending.get() == .finished(reason: "\(RunEnd.completed)", isComplete: true))
    }
    #expect(await world.coordinator.statements.filter { $0.participant == 1005 }.map(\.kind) == [.pause, .resume, .consent])
    let bytes = try #require(FileManager.default.contents(atPath: home.ledger(of: .standard)))
    #expect(try #require(LedgerVerifier().verify(Array(bytes)).state).charges.count == 2)
    #expect(try HomeVerification(home: home, store: store).checks.filter { $0.verdict == .failed } == [])
  }

  @Test func `a copy of a ledger beside it is no ledger of the home, and is shown to nobody`() async throws {
    let world = try await World.joined()
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    let copy = home.ledger(of: try DataSetName("data-2025"))
    try FileManager.default.copyItem(atPath: home.ledger(of: .standard), toPath: copy)
    #expect(try store.lostLedgers().isEmpty)
    _ = try await meet(world)
    // Nobody asks for it when it is gone again.
    try FileManager.default.removeItem(atPath: copy)
    _ = try await meet(world)
    let shown = await world.coordinator.recordedLedgers[1]?.map(\.dataset) ?? []
    #expect(shown.contains("data") && !shown.contains("data-2025"), "\(shown)")
    // Without the one that it is a copy of it is all that is left of it; and so is one that is longer.
    let original = home.ledger(of: .standard)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: original))
    for rest in [nil, bytes.prefix(bytes.count / 2)] {
      try bytes.write(to: URL(fileURLWithPath: copy))
      if let rest {
        try rest.write(to: URL(fileURLWithPath: original))
      } else {
        try FileManager.default.removeItem(atPath: original)
      }
      #expect(try store.lostLedgers().map(\.text) == ["data-2025"])
    }
    // What cannot be read may be a ledger.
    try Data("{".utf8).write(to: URL(fileURLWithPath: copy))
    #expect(try store.lostLedgers().map(\.text) == ["data-2025"])
  }

  /// Runs the first home until it waits for news.
  private func meet(_ world: World, hello: @escaping @Sendable (ServerHello) -> ServerHello = { $0 }) async throws -> PartnerHost
  {
    let polls = Counter()
    var tampering = FakeCoordinator.Tampering()
    tampering.hello = hello
    tampering.failure = { call in
      if call == "poll" { _ = polls.next() }
      return nil
    }
    await world.coordinator.tamper(1, tampering)
    let host = try world.host(0, once: false)
    let running = Task { try await host.run() }
    #expect(await World.eventually { polls.value > 1 })
    await host.stop()
    _ = try? await running.value
    return host
  }

  @Test func `an older copy of a home does not undo what was stated last`() async throws {
    let world = try await World.joined()
    let (home, newest) = (world.homes[0], world.scratch.file("newest"))
    _ = try await meet(world)
    #expect(await world.coordinator.statements.map(\.kind) == [.consent])
    try FileManager.default.copyItem(atPath: home.path, toPath: newest)
    let copy = try PartnerHome(at: newest)
    let pause = try Joining.state(.pause, home: copy, store: try PartnerStore(copy), passphrase: .none, time: 1002)
    let line = FakeLine(coordinator: world.coordinator, participant: 1)
    _ = try await line.hello(ClientHello(software: "test", ledgers: []))
    _ = try await line.report(pause.encoded)
    // The older copy has something unsent under the number of the pause.
    let store = try world.store(0)
    #expect(try Joining.state(.resume, home: home, store: store, passphrase: .none, time: 1001).number == pause.number)
    let host = try await meet(world)
    #expect(await host.counts["a statement was refused", default: 0] == 1)
    #expect(await world.coordinator.statements.map(\.kind) == [.consent, .pause])
    // What its person states now counts.
    #expect(try Joining.state(.resume, home: home, store: store, passphrase: .none, time: 1003).number == pause.number + 1)
    _ = try await meet(world)
    #expect(await world.coordinator.statements.map(\.kind) == [.consent, .pause, .resume])
  }

  @Test func `an older copy of a home that leaves is heard, and one that is not taken is known not to be`() async throws {
    let world = try await World.joined()
    let (home, newest) = (world.homes[0], world.scratch.file("newest"))
    _ = try await meet(world)
    try FileManager.default.copyItem(atPath: home.path, toPath: newest)
    let copy = try PartnerHome(at: newest)
    let pause = try Joining.state(.pause, home: copy, store: try PartnerStore(copy), passphrase: .none, time: 1002)
    let line = FakeLine(coordinator: world.coordinator, participant: 1)
    _ = try await line.hello(ClientHello(software: "test", ledgers: []))
    _ = try await line.report(pause.encoded)
    let store = try world.store(0)
    // What it had stated before it left is not said any more: it might undo the pause until the leave is heard.
    try Joining.state(.resume, home: home, store: store, passphrase: .none, time: 1003)
    try Joining.state(.leave, home: home, store: store, passphrase: .none, time: 1003)
    #expect(try !store.isLeaveTaken)
    let host = try world.host(0, once: false)
    #expect(try await host.run() == .left)
    #expect(try store.isLeaveTaken)
    #expect(await world.coordinator.statements.map(\.kind) == [.consent, .pause, .leave])
    // Purged when its leave is refused: a person has to tell the coordinator.
    try Joining.state(.leave, home: copy, store: try PartnerStore(copy), passphrase: .none, time: 1004)
    let other = try PartnerStore(copy)
    let last = try #require(try other.unsentStatements().last)
    let words = try await Purging.run(home: copy, store: other, passphrase: .none, time: 1005) {
      try other.mark(statement: last.number, isTaken: false)
      for statement in try other.unsentStatements() { try other.mark(statement: statement.number, isTaken: true) }
    }
    #expect(words?.contains("ask its people to revoke participant 1") == true)
  }

  @Test func `a number that the coordinator makes up holds until its next hello, and leaves a home its numbers`() async throws {
    let world = try await World.joined()
    let (home, store) = (world.homes[0], try world.store(0))
    _ = try await meet(world)
    @Sendable func claiming(_ number: UInt64) -> @Sendable (ServerHello) -> ServerHello {
      {
        var answer = $0
        answer.newestStatement = number
        return answer
      }
    }
    _ = try await meet(world, hello: claiming(5_000))
    #expect(try Joining.state(.pause, home: home, store: store, passphrase: .none, time: 1002).number == 2)
    _ = try await meet(world, hello: claiming(50))
    _ = try await meet(world)
    #expect(try Joining.state(.resume, home: home, store: store, passphrase: .none, time: 1003).number == 3)
  }

  @Test func `a pause that a restored coordinator would hear too late is not said after the resumption that followed it`()
    async throws
  {
    let world = try await World.joined()
    let (home, store) = (world.homes[0], try world.store(0))
    let resumed = try Joining.state(.resume, home: home, store: store, passphrase: .none, time: 1002)
    // It has the second statement, and not the first.
    let line = FakeLine(coordinator: world.coordinator, participant: 1)
    _ = try await line.hello(ClientHello(software: "test", ledgers: []))
    _ = try await line.report(resumed.encoded)
    try store.mark(statement: Int64(resumed.number), isTaken: true)
    let host = try world.host(0, once: false)
    let running = Task { try await host.run() }
    #expect(await World.eventually { await host.counts["a statement was refused", default: 0] == 1 })
    await host.stop()
    _ = try await running.value
    #expect(await world.coordinator.statements == [resumed])
  }

  @Test(arguments: [.max, 9_999] as [UInt64])
  func `a coordinator that claims more statements than anybody makes changes no number`(_ claimed: UInt64) async throws {
    let world = try await World.joined()
    await world.coordinator.tamper(
      1,
      .init(hello: {
        var answer = $0
        answer.newestStatement = claimed
        return answer
      }))
    let host = try world.host(0, once: false)
    let running = Task { try await host.run() }
    #expect(await World.eventually { await world.coordinator.statements.count == 1 })
    try Joining.state(.pause, home: world.homes[0], store: try world.store(0), passphrase: .none, time: 1002)
    #expect(await World.eventually { await world.coordinator.statements.map(\.number) == [1, 2] })
    await host.stop()
    _ = try? await running.value
  }

  @Test func `a statement that is on its way when the coordinator is restored does not overtake what it lost`() async throws {
    let world = try await World.joined()
    let (home, store, coordinator) = (world.homes[0], try world.store(0), world.coordinator)
    let (polls, pauses) = (Counter(), Counter())
    await coordinator.setLongestPoll(.seconds(600))
    var tampering = FakeCoordinator.Tampering()
    tampering.failure = { call in
      if call == "poll" { _ = polls.next() }
      return nil
    }
    tampering.delay = { statement in
      guard statement.kind == .pause, pauses.next() == 0 else { return }
      let count = await coordinator.helloCount
      await coordinator.restore()
      // Until the partner has said hello anew, or shown that it waits.
      let end = ContinuousClock.now + .milliseconds(700)
      while await coordinator.helloCount == count, ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(5)) }
    }
    await coordinator.tamper(1, tampering)
    let host = try world.host(0, once: false, pollWait: .seconds(600))
    let running = Task { try await host.run() }
    // A poll waits: what is stated now is told beside it.
    #expect(await World.eventually { polls.value > 0 })
    try await Task.sleep(for: .seconds(1))
    #expect(await coordinator.statements.map(\.kind) == [.consent])
    try Joining.state(.pause, home: home, store: store, passphrase: .none, time: 1002)
    #expect(await World.eventually { await coordinator.statements.map(\.kind) == [.consent, .pause] })
    #expect(await host.counts["a statement was refused", default: 0] == 0)
    running.cancel()
    _ = try? await running.value
  }
}
