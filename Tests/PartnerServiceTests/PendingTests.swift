import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import SecureAggregation
import Testing
import Transport

/// What was charged is sent until the coordinator says what became of it.
@Suite struct PendingTests {
  @Test(arguments: [TransportFailure.refused(.helloNeeded), .badAnswer("a torn frame")])
  func `a charged masked input leaves after the next hello when its call failed for good`(_ failure: TransportFailure)
    async throws
  {
    let world = try await World.joined()
    let uploads = Counter()
    // Its keys, its shares, and then its masked input, three times in vain.
    await world.coordinator.tamper(
      1, .init(failure: { call in call == "upload" && (2...4).contains(uploads.next()) ? failure : nil }))
    // No deadline ends a stage here: everybody's message must come.
    _ = try await world.run()
    let first = try #require(await world.coordinator.releases.first)
    #expect(first.survivors.count == 4)
    #expect(await Self.inputs(world).count == 1)
    #expect(try Self.charges(world) == 1)
  }

  @Test func `a masked input whose answer was lost is sent again as the same bytes`() async throws {
    let world = try await World.joined()
    let answers = Counter()
    await world.coordinator.tamper(
      1, .init(lost: { answers.next() == 2 ? .badAnswer("a torn frame") : nil }))
    _ = try await world.run()
    #expect(await world.coordinator.releases.first?.survivors.count == 4)
    let inputs = await Self.inputs(world)
    #expect(inputs.count == 2 && inputs.first == inputs.last)
    #expect(try Self.charges(world) == 1)
  }

  @Test func `a message that nobody takes does not keep a partner from what its person decides`() async throws {
    let world = try await World.joined()
    let (greetings, uploads) = (Counter(), Counter())
    await world.coordinator.tamper(
      1,
      .init(failure: { call in
        if call == "hello" { _ = greetings.next() }
        guard call == "upload" else { return nil }
        _ = uploads.next()
        return .unreachable("no route")
      }))
    let host = try world.host(0, once: false, uploadPatience: .zero)
    await world.coordinator.start()
    let running = Task { try await host.run() }
    #expect(await World.eventually { uploads.value >= 1 })
    try Joining.state(.pause, home: world.homes[0], store: try world.store(0), passphrase: .none, time: 1004)
    // Between two tries a conversation begins anew, and tells what was decided.
    #expect(
      await World.eventually { await world.coordinator.statements.contains { $0.participant == 1 && $0.kind == .pause } })
    #expect(greetings.value >= 2)
    await host.stop()
    _ = try? await running.value
  }

  private static func inputs(_ world: World) async -> [PartnerMessage] {
    await world.coordinator.received.filter { $0.participant == 1 }.map(\.message).filter {
      if case .aggregation(.maskedInput) = $0 { true } else { false }
    }
  }

  private static func charges(_ world: World) throws -> Int? {
    let bytes = try #require(FileManager.default.contents(atPath: world.homes[0].ledger(of: .standard)))
    return LedgerVerifier().verify(Array(bytes)).state?.charges.count
  }
}
