import CryptoPrimitives
import FederatedLearning
import Foundation
import PartnerService
import SecureAggregation
import Testing
import Transport

/// What evaluation releases said, in the partners' homes.
@Suite struct HeldEvaluationTests {
  private static let setting = PlanSetting(noise: .central, epsilon: 6, configure: { $0.evaluationShare = 0.4 })

  /// Counts of items, then the evaluation.
  private static let round = 1

  private func session(_ world: World) async throws -> SessionID {
    let file = try #require(await world.coordinator.planFile)
    return try #require(SessionID(hex: file.plan.session))
  }

  private func subjects(_ world: World, _ index: Int, _ verdict: HomeVerification.Verdict) throws -> [String] {
    try HomeVerification(home: world.homes[index], store: try world.store(index)).checks
      .filter { $0.verdict == verdict && $0.subject.hasPrefix("evaluations") }.map(\.sentence)
  }

  @Test func `every home holds the released integers when the plan is over, and verifies them`() async throws {
    let world = try await World.joined(Self.setting)
    _ = try await world.run()
    let published = try #require(await world.coordinator.releases.last)
    #expect(published.purpose == .evaluation)
    let evaluation = try #require(published.evaluation)
    let session = try await session(world)
    for index in world.homes.indices {
      // A process of its own, after all others have ended.
      let store = try world.store(index)
      #expect(try store.evaluations(session: session).map(\.statement) == [published.modelRelease])
      let own = try LedgerOfPlan(home: world.homes[index], store: store)
      #expect(own.evaluations == [Self.round: evaluation] && own.absentEvaluations.isEmpty)
      #expect(try subjects(world, index, .ok).count == 1 && subjects(world, index, .failed).isEmpty)
    }
  }

  @Test func `a lie about the integers is refused and counted, and the truth is asked for later`() async throws {
    let world = try await World.joined(Self.setting)
    await world.coordinator.tamper(
      1,
      .init(message: { message in
        guard case .roundEnd(let end) = message, let shown = end.evaluation else { return message }
        return .roundEnd(
          RoundEnd(
            context: end.context, abortReason: nil, release: end.release,
            evaluation: ReleasedEvaluation(
              entries: shown.entries.map { $0 + 1 }, previousHead: shown.previousHead, outcome: shown.outcome)))
      }))
    await world.coordinator.tamper(
      2,
      .init(
        message: { message in
          guard case .roundEnd(let end) = message, end.evaluation != nil else { return message }
          return .roundEnd(RoundEnd(context: end.context, abortReason: nil, release: end.release))
        },
        document: { name, bytes in
          guard name.hasPrefix("evaluation/"), var document = try? EvaluationDocument(decoding: bytes) else { return bytes }
          let shown = document.evaluation
          document = EvaluationDocument(
            ReleasedEvaluation(
              entries: [1] + shown.entries.dropFirst(), previousHead: shown.previousHead, outcome: shown.outcome),
            under: document.statement)
          return document.encoded()
        }))
    await world.coordinator.tamper(3, .init(document: { name, bytes in name.hasPrefix("evaluation/") ? [] : bytes }))
    let hosts = try (0..<3).map { try world.host($0) }
    await world.coordinator.start()
    async let last = world.finish([3])
    async let second = hosts[1].run()
    async let third = hosts[2].run()
    _ = try await hosts[0].run()
    _ = try await (second, third, last)
    for index in 0..<2 {
      #expect(await hosts[index].counts["refused: \(PartnerRefusal.wrongEvaluation)"] == 1, "home \(index)")
    }
    // Told the truth by the document, the first has it; the second was lied to twice and has nothing.
    let session = try await session(world)
    #expect(try (0..<4).map { try world.store($0).evaluations(session: session).count } == [1, 0, 1, 1])
    #expect(await hosts[1].counts["an evaluation was refused: \(PartnerRefusal.wrongEvaluation)"] == 1)
    let own = try LedgerOfPlan(home: world.homes[1], store: try world.store(1))
    #expect(own.evaluations.isEmpty && own.absentEvaluations == [Self.round])
    #expect(try subjects(world, 1, .note).first?.contains("is not held here") == true)
    #expect(try subjects(world, 0, .ok).count == 1)
  }

  @Test(arguments: [true, false])
  func `who was away is told when it comes back, or says what it does not hold`(isShown: Bool) async throws {
    let world = try await World.joined(partners: 5, Self.setting)
    await world.coordinator.start()
    async let others = world.finish([0, 1, 2, 3])
    #expect(await world.driveToEnd())
    _ = try await others
    if !isShown { await world.coordinator.forgetEvaluations() }
    // Messages of attempts that are over are there no more.
    await world.coordinator.tamper(
      5,
      .init(poll: { answer in
        var answer = answer
        answer.envelopes = []
        return answer
      }))
    let host = try world.host(4)
    _ = try await host.run()
    let store = try world.store(4)
    let held = try store.evaluations(session: try await session(world))
    #expect(held.count == (isShown ? 1 : 0))
    #expect(await host.counts["the coordinator does not show an evaluation", default: 0] == (isShown ? 0 : 1))
    // It charged nothing, so that it has no report; what it was told stands in its home and verifies.
    #expect(try subjects(world, 4, isShown ? .ok : .note).count == 1 && subjects(world, 4, .failed).isEmpty)
  }

  @Test func `integers that somebody wrote into the database are found by report and verify`() async throws {
    let world = try await World.joined(Self.setting)
    _ = try await world.run()
    let session = try await session(world)
    let document = try #require(try world.store(0).evaluations(session: session).first)
    let shown = document.evaluation
    let forged = EvaluationDocument(
      ReleasedEvaluation(entries: shown.entries.map { $0 + 1 }, previousHead: shown.previousHead, outcome: shown.outcome),
      under: document.statement)
    // The first list of a round stays.
    try world.store(0).record(evaluation: forged, session: session)
    #expect(try world.store(0).evaluations(session: session) == [document])
    let fresh = try await World.joined(Self.setting)
    let freshSession = try await self.session(fresh)
    await fresh.coordinator.tamper(
      1,
      .init(
        message: { message in
          guard case .roundEnd(let end) = message, end.evaluation != nil else { return message }
          return .roundEnd(RoundEnd(context: end.context, abortReason: nil, release: end.release))
        }, document: { name, bytes in name.hasPrefix("evaluation/") ? [] : bytes }))
    _ = try await fresh.run()
    let honest = try #require(try fresh.store(1).evaluations(session: freshSession).first)
    try fresh.store(0).record(
      evaluation: EvaluationDocument(
        ReleasedEvaluation(
          entries: honest.evaluation.entries.map { $0 + 1 }, previousHead: honest.evaluation.previousHead,
          outcome: honest.evaluation.outcome), under: honest.statement), session: freshSession)
    #expect { try LedgerOfPlan(home: fresh.homes[0], store: try fresh.store(0)) } throws: {
      ($0 as? PartnerError)?.kind == .data && "\($0)".contains("not what the coordinator released")
    }
    #expect(try subjects(fresh, 0, .failed).count == 1)
  }
}
