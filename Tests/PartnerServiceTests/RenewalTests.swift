import CryptoPrimitives
import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
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

  @discardableResult
  private func renew(
    _ world: World, _ token: String, now: Date = Date(),
    lying lie: @escaping @Sendable (inout EnrolmentGrant, EnrolmentToken, EnrolmentApplication) throws -> Void = { _, _, _ in }
  ) async throws -> (enrolment: Enrolment, isRenewal: Bool) {
    let coordinator = world.coordinator
    return try await Enrolling.enrol(
      token: token, home: world.homes[0].path, passphrase: .none, now: now,
      call: { token, application in
        var grant = try await coordinator.enrol(token, application)
        try lie(&grant, token, application)
        return grant
      })
  }

  @Test func `a home whose certificate ran out gets a new one with a token of its own name, and all else stays`() async throws {
    let world = try await World.joined()
    _ = try await world.run()
    let (home, store) = (world.homes[0], try world.store(0))
    let before = (try files(home), try store.enrolment(), try Joining.rosterFingerprint(home: home, store: store))
    let ledger = try Data(contentsOf: URL(fileURLWithPath: home.ledger(of: .standard)))
    let (enrolment, isRenewal) = try await renew(world, try await world.coordinator.token("p1"))
    #expect(isRenewal && enrolment == before.1)
    let after = try files(home)
    #expect(after["certificate.pem"] != before.0["certificate.pem"])
    for name in ["identity.key", "tls.key", "ca.pem"] { #expect(after[name] == before.0[name], "\(name)") }
    #expect(try store.enrolment() == before.1)
    #expect(try Joining.rosterFingerprint(home: home, store: store) == before.2)
    #expect(try Data(contentsOf: URL(fileURLWithPath: home.ledger(of: .standard))) == ledger)
    try Joining.checkKeys(home: home, enrolment: enrolment, passphrase: .none)
  }

  enum Lie: CaseIterable, Sendable { case otherAuthority, otherKey, otherParticipant, expired }

  @Test(arguments: Lie.allCases)
  func `a renewal that is not for this home changes nothing`(_ lie: Lie) async throws {
    let world = try await World(partners: 4)
    let other = try FakeCoordinator()
    let before = try files(world.homes[0])
    let authority = world.coordinator.authority
    await #expect {
      try await renew(world, try await world.coordinator.token("p1")) { grant, token, application in
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
        case .expired: grant.certificatePEM = try issue(authority, nil, 1, at: Date().addingTimeInterval(-3600))
        }
      }
    } throws: { $0 is PartnerError || $0 is PeerIdentityError }
    #expect(try files(world.homes[0]) == before)
  }

  @Test func `a home gets no certificate with another's token, nor after it left or was purged`() async throws {
    let world = try await World(partners: 4)
    let (home, store) = (world.homes[0], try world.store(0))
    let before = try files(home)
    await #expect { try await renew(world, try await world.coordinator.token("p2")) } throws: {
      ($0 as? PartnerError)?.kind == .usage && "\($0)".contains("token is for 'p2'")
    }
    let other = try FakeCoordinator()
    await #expect { try await renew(world, try await other.token("p1")) } throws: { "\($0)".contains("of another task") }
    // Another home that was made up with the name: the coordinator knows the name by another identity.
    let coordinator = world.coordinator
    await #expect {
      try await Enrolling.enrol(
        token: try await coordinator.token("p1"), home: world.scratch.file("thief"), passphrase: .none, now: Date(),
        call: { try await coordinator.enrol($0, $1) })
    } throws: { ($0 as? PartnerError)?.kind == .permission && "\($0)".contains("another partner by the name 'p1'") }
    #expect(try files(home) == before)
    try Joining.state(.leave, home: home, store: store, passphrase: .none, time: 1004)
    await #expect { try await renew(world, try await world.coordinator.token("p1")) } throws: {
      "\($0)".contains("left the task")
    }
    try Joining.purge(home: home, store: store)
    await #expect { try await renew(world, try await world.coordinator.token("p1")) } throws: { "\($0)".contains("been purged") }
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
}
