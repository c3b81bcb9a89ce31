import CryptoPrimitives
import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import Recommender
import SecureAggregation
import Testing
import Transport
import WireProtocol

/// Coordinators that lie, repeat themselves, or were set back.
@Suite struct AttackTests {
  @Test func `messages that come twice change nothing`() async throws {
    let world = try await World.joined(.factorization)
    await world.coordinator.tamper(
      2,
      .init(poll: { answer in
        var answer = answer
        answer.envelopes = answer.envelopes.flatMap { [$0, $0] }
        return answer
      }))
    await world.coordinator.start()
    let host = try world.host(1)
    async let others = world.finish([0, 2, 3])
    let ending = try await host.run()
    _ = try await others
    #expect(ending == .finished(reason: "\(RunEnd.completed)", isComplete: true))
    #expect(await host.counts["a message that was handled before", default: 0] > 0)
    #expect(await world.coordinator.releases.allSatisfy { $0.survivors.count == 4 })
  }

  @Test func `messages out of order are asked for again, and handled in order`() async throws {
    let world = try await World.joined()
    let shuffles = Counter()
    await world.coordinator.tamper(
      3,
      .init(poll: { answer in
        var answer = answer
        // A message of the future first, every other time.
        if let last = answer.envelopes.last, shuffles.next().isMultiple(of: 2) {
          var future = last
          future.cursor.ordinal += 1
          answer.envelopes = [future]
        }
        return answer
      }))
    await world.coordinator.start()
    let host = try world.host(2)
    async let others = world.finish([0, 1, 3])
    let ending = try await host.run()
    _ = try await others
    #expect(ending == .finished(reason: "\(RunEnd.completed)", isComplete: true))
    #expect(await host.counts["a message out of order", default: 0] > 0)
  }

  /// What a coordinator may change in the plan behind a partner's back.
  enum Change: String, CaseIterable, Sendable {
    case noise, modulus, minimumSurvivors, budget

    func apply(_ draft: inout PlanDraft) {
      switch self {
      case .noise: draft.privacy.noise = .central
      case .modulus:
        draft.roster = draft.roster.map { entry in
          var entry = entry
          entry.maximumUsers = 100_000
          return entry
        }
      case .minimumSurvivors: draft.aggregation.minimumSurvivors += 1
      case .budget: draft.privacy.epsilon = 9
      }
    }
  }

  @Test(arguments: Change.allCases)
  func `a round of another plan than the accepted one is refused, whatever differs`(_ change: Change) async throws {
    let setting = PlanSetting(noise: change == .noise ? .distributed : .central)
    let world = try await World.joined(setting)
    let accepted = try #require(await world.coordinator.planFile)
    let session = try #require(SessionID(hex: accepted.plan.session))
    var other = setting
    other.configure = { draft in
      draft.session = session
      change.apply(&draft)
    }
    try await world.coordinator.publish(other)
    let served = try #require(await world.coordinator.planFile)
    #expect(served.bytes != accepted.bytes && served.plan.session == accepted.plan.session)
    // An honest answer names the other plan: it is not even kept.
    await world.coordinator.start()
    let honest = try world.host(0, once: false)
    await #expect { try await honest.run() } throws: { ($0 as? PartnerError)?.kind == .untrusted }
    #expect(await world.coordinator.received.isEmpty)
    // A lying one names the accepted plan and sends rounds of the other.
    let hash = SHA256.hash(accepted.bytes)
    await world.coordinator.tamper(
      2,
      .init(poll: { answer in
        var answer = answer
        answer.planHash = hash
        return answer
      }))
    let host = try world.host(1, once: false)
    let lied = Task { try await host.run() }
    #expect(await World.eventually { await host.counts["refused: \(PartnerRefusal.wrongPlan)", default: 0] > 0 })
    await host.stop()
    _ = try await lied.value
    #expect(
      await world.coordinator.received.allSatisfy {
        if case .refusal(let refusal) = $0.message { refusal.reason == .wrongPlan } else { false }
      })
    #expect(try charges(world, 1) == 0)
  }

  @Test func `a model that is not the plan's is refused, though it is signed`() async throws {
    let world = try await World.joined(.factorization)
    let key = world.coordinator.key
    await world.coordinator.tamper(
      1,
      .init(message: { message in
        guard case .roundStart(let start) = message, var model = try? ModelBytes.decode(start.model),
          let name = model.tensors.keys.min(), model.tensors[name]?.values.isEmpty == false
        else { return message }
        model.tensors[name]?.values[0] += 1
        let bytes = ModelBytes.encode(model)
        return .roundStart(
          RoundStart(
            session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash, model: bytes,
            ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead,
            signature: key.sign(
              RoundStart.signedBytes(
                session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash,
                modelHash: SHA256.hash(bytes), ledgerSize: start.ledgerSize, ledgerHead: start.ledgerHead))))
      }))
    await world.coordinator.start()
    let host = try world.host(0)
    async let others = world.finish([1, 2, 3])
    _ = try await host.run()
    _ = try await others
    // The later rounds too: what is signed for the others is another model.
    #expect(await host.counts["refused: \(PartnerRefusal.wrongModel)"] == 3)
    #expect(await world.coordinator.releases.allSatisfy { $0.survivors == [2, 3, 4].map { ParticipantID($0) } })
    #expect(try charges(world, 0) == 0)
  }

  @Test func `a released model that was changed on its way is not taken`() async throws {
    let world = try await World.joined()
    await world.coordinator.tamper(
      4,
      .init(document: { name, bytes in
        guard name.hasPrefix("release/") else { return bytes }
        var bytes = bytes
        bytes[bytes.count - 1] ^= 1
        return bytes
      }))
    await world.coordinator.start()
    let host = try world.host(3)
    async let others = world.finish([0, 1, 2])
    _ = try await host.run()
    _ = try await others
    #expect(await host.counts.keys.contains { $0.hasPrefix("a release was refused") })
    #expect(throws: PartnerError.self) { try PartnerModel(try world.store(3), home: world.homes[3]) }
    #expect(try PartnerModel(try world.store(0), home: world.homes[0]).model.version == 1)
  }

  @Test func `a release without the coordinator's signature is not believed`() async throws {
    let world = try await World.joined()
    await world.coordinator.tamper(
      1,
      .init(message: { message in
        guard case .roundEnd(let end) = message, let release = end.release,
          let other = Signature(bytes: [UInt8](repeating: 1, count: 64))
        else { return message }
        return .roundEnd(
          RoundEnd(
            context: end.context, abortReason: nil,
            release: ModelRelease(
              session: release.session, version: release.version, round: release.round, attempt: release.attempt,
              planHash: release.planHash, modelHash: release.modelHash, ledgerSize: release.ledgerSize,
              ledgerHead: release.ledgerHead, signature: other)))
      }))
    await world.coordinator.start()
    let host = try world.host(0)
    async let others = world.finish([1, 2, 3])
    _ = try await host.run()
    _ = try await others
    #expect(await host.counts["refused: \(PartnerRefusal.wrongModel)"] == 1)
  }

  @Test func `an older release than one that was seen is refused`() async throws {
    let world = try await World.joined(.factorization)
    await world.coordinator.tamper(
      2,
      .init(poll: { answer in
        var answer = answer
        if case .finished = answer.state { answer.newestRelease = 1 }
        return answer
      }))
    await world.coordinator.start()
    let host = try world.host(1)
    async let others = world.finish([0, 2, 3])
    _ = try await host.run()
    _ = try await others
    #expect(await host.counts["the coordinator's releases went back"] == 1)
    #expect(try PartnerModel(try world.store(1), home: world.homes[1]).model.version > 1)
  }

  /// How a coordinator says that a home is an old copy.
  enum Accusation: CaseIterable, Sendable { case refusal, named, advertised }

  @Test(arguments: Accusation.allCases)
  func `a coordinator's word alone makes no home an old one, and nobody is told to begin a budget anew`(
    _ accusation: Accusation
  ) async throws {
    let world = try await World.joined()
    let head = SHA256.hash([1])
    switch accusation {
    case .refusal:
      await world.coordinator.tamper(
        1, .init(failure: { $0 == "hello" ? .refused(.ledgerRolledBack(dataset: "data")) : nil }))
    case .named: await world.coordinator.setRecorded([.init(dataset: "data", size: 9, head: head)], of: 1)
    case .advertised: await world.coordinator.setRecorded([.init(dataset: "", size: 9, head: head)], of: 1)
    }
    let host = try world.host(0, once: false)
    await #expect { try await host.run() } throws: {
      let text = "\($0)"
      return ($0 as? PartnerError)?.kind == .untrusted && text.contains("the coordinator says that")
        && text.contains("shows no proof") && text.contains("take what they have spent off its cap")
        && !text.contains("enrol anew")
    }
  }

  @Test func `a second process with this identity ends the first`() async throws {
    let world = try await World.joined()
    let host = try world.host(0, once: false)
    let running = Task { try await host.run() }
    let clone = FakeLine(coordinator: world.coordinator, participant: 1)
    #expect(await World.eventually { await world.coordinator.statements.contains { $0.participant == 1 } })
    _ = try await clone.hello(ClientHello(software: "clone", ledgers: []))
    await #expect { try await running.value } throws: { ($0 as? PartnerError)?.kind == .takenOver }
    // In one home the lock already keeps a second one out.
    let first = try world.host(1)
    #expect { try world.host(1) } throws: { ($0 as? PartnerError)?.kind == .superseded }
    withExtendedLifetime(first) {}
  }

  @Test func `a revoked partner ends with a sentence`() async throws {
    let world = try await World.joined()
    let host = try world.host(0, once: false)
    let running = Task { try await host.run() }
    #expect(await World.eventually { await world.coordinator.isConnected(1) })
    await world.coordinator.revoke(1)
    await #expect { try await running.value } throws: { ($0 as? PartnerError)?.kind == .permission }
    let status = try PartnerStatus(home: world.homes[0], store: try world.store(0), now: Date())
    #expect(status.state == "revoked" && status.text.contains("it has revoked this partner"))
  }

  private func charges(_ world: World, _ index: Int) throws -> Int {
    guard let bytes = FileManager.default.contents(atPath: world.homes[index].ledger(of: .standard)) else { return 0 }
    return LedgerVerifier().verify(Array(bytes)).state?.charges.count ?? -1
  }
}
