import FederatedLearning
import Foundation
import Testing

extension FaultTests {
  /// kill -9 of the coordinator, wherever it is.
  @Suite(.serialized) struct CoordinatorKills {
    /// A moment that the journal shows: so many messages of one kind were taken in the open attempt.
    struct Moment: CustomStringConvertible {
      let kind: Int
      let count: Int

      static let kinds = [3, 4, 5, 6, 7]

      /// The journal keeps the stages before: the one in question must be the last.
      func isReached(_ events: [JournalReader.Event]) -> Bool {
        events.count { $0.kind == kind } >= count && !events.contains { $0.kind > kind }
      }

      var description: String { "\(count) of \(MessageKinds.name(kind))" }
    }

    /// Every stage in turn, so that a round can be killed several times; how far into the stage is the seed's to say.
    static func moments(_ count: Int, partners: Int) -> [Moment] {
      var generator = SeededGenerator(Suite.seed)
      return (0..<count).map { index in
        Moment(kind: Moment.kinds[index % Moment.kinds.count], count: Int.random(in: 1...partners - 1, using: &generator))
      }
    }

    @Test("The coordinator is killed at every stage of a round: rounds resume, nothing is charged twice, the model is right")
    func killedEverywhere() async throws {
      guard Suite.hasPrograms else { return }
      let kills = Suite.isLong ? 20 : 5
      // A moment that is missed is met in a later round.
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: Suite.isLong ? 16 : 3))
      let federation = try LiveFederation(template)
      // A slow line stretches the stages, so that a moment of the journal can be met.
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()

      var met: [String: Int] = [:]
      for moment in Self.moments(kills, partners: 7) {
        var isOver = false
        try await eventually("\(moment)\n\(federation.diagnosis)", within: 300, pollEvery: 1) {
          if moment.isReached(federation.look()) { return true }
          isOver = try federation.journal.end() != nil
          return isOver
        }
        if isOver { break }
        try await federation.killCoordinator()
        let events = federation.look()
        let stage =
          events.filter { $0.participant != nil }.max { $0.kind < $1.kind }.map { MessageKinds.name($0.kind) } ?? "after the last"
        met[stage, default: 0] += 1
        try await federation.startCoordinator()
      }
      let end = try await federation.waitForEnd()
      try await federation.finishPartners()
      try await federation.killCoordinator()

      let audit = try federation.audit()
      let attempts = try federation.journal.attempts()
      let aborted = attempts.filter { $0.outcome != "released" }
      Suite.report(
        "coordinator killed \(met.values.reduce(0, +)) times (\(met.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))): \(attempts.count) attempts, \(aborted.count) aborted \(aborted.compactMap(\.outcome)); \(end)"
      )
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
      #expect(met.values.reduce(0, +) == kills, "the run was over after \(met)")
      #expect(met.count >= 4, "kills met only \(met)")
      // Nobody but the coordinator failed: every sum is over everybody, and the model is the simulation's to the last bit.
      if aborted.isEmpty {
        #expect(audit.rounds.allSatisfy { $0.survivors.count == 7 }, "\(audit.rounds)")
        #expect(try federation.newestModel() == audit.model)
        #expect(try await federation.matchesSimulation(), "the model has other bytes than the simulator's")
      }
    }

    @Test("Over a drawn graph the coordinator is killed while holders are dealt to and while they sign, and the model is right")
    func killedInDrawnGraph() async throws {
      guard Suite.hasPrograms else { return }
      // Nine holders for each of twelve partners, of whom one may lie and one be missing.
      let shape = FederationShape(partners: 12, rounds: 2, minimumPartners: 11, isDrawn: true)
      let template = try await FederationTemplates.shared.template(shape)
      let federation = try LiveFederation(template)
      #expect(try PlanFile(bytes: try federation.journal.plan()).plan.aggregation.graph?.holders == 9)
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()
      var met: [Moment] = []
      for moment in [Moment(kind: 4, count: 5), Moment(kind: 6, count: 4)] {
        try await eventually("\(moment)\n\(federation.diagnosis)", within: 300, pollEvery: 1) {
          if moment.isReached(federation.look()) {
            met.append(moment)
            return true
          }
          return try federation.journal.end() != nil
        }
        try await federation.killCoordinator()
        try await federation.startCoordinator()
      }
      let end = try await federation.waitForEnd()
      try await federation.finishPartners()
      try await federation.killCoordinator()
      #expect(met.count == 2 && end == "every release of the plan happened")
      let audit = try federation.audit()
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      if try federation.journal.attempts().allSatisfy({ $0.outcome == "released" }) {
        #expect(try await federation.matchesSimulation(), "the model has other bytes than the simulator's")
      }
      try await federation.verifyExport()
    }
  }
}

/// Names of PartnerMessage's fields.
enum MessageKinds {
  static let refusal = 1
  static let maskedInput = 5

  static func name(_ kind: Int) -> String {
    [
      "deadline", "refusal", "plain sum", "key advertisement", "key shares", "masked input", "consistency signature",
      "unmask response", "abort",
    ][
      kind]
  }
}
