import Foundation
import Testing

extension FaultTests {
  /// kill -9 of partners, wherever they are; and partners that are only slow.
  @Suite(.serialized) struct PartnerKills {
    /// Who is killed, when its last accepted message is of this kind (`nil`: when the attempt has just been opened).
    struct Loss: Hashable, CustomStringConvertible {
      let who: [UInt32]
      let after: Int?

      var description: String { "\(who) after \(after.map(MessageKinds.name) ?? "the opening")" }
    }

    /// After each of these a partner can be lost: the opening, its keys, its shares, its input, its signature.
    static let moments: [Int?] = [nil, 3, 4, 5, 6]

    /// Every set of one and two of seven, each at a stage that the seed draws; every stage occurs.
    static func smallLosses() -> [Loss] {
      var generator = SeededGenerator(Suite.seed)
      var sets: [[UInt32]] = []
      for first in UInt32(1)...7 {
        sets.append([first])
        for second in (first + 1)..<8 { sets.append([first, second]) }
      }
      sets.shuffle(using: &generator)
      let losses = sets.enumerated().map { Loss(who: $0.element, after: moments[$0.offset % moments.count]) }
      return Suite.isLong ? losses : Array(losses.prefix(5))
    }

    /// Kills the set at its moment and starts it again at once.
    ///
    /// - Returns: the attempt that was hit; `nil` when the run was over before.
    func hit(_ loss: Loss, _ federation: LiveFederation) async throws -> JournalReader.Attempt? {
      var open: JournalReader.Attempt?
      var isOver = false
      try await eventually("\(loss)\n\(federation.diagnosis)", within: 300, pollEvery: 1) {
        let events = federation.look()
        guard let attempt = try federation.journal.attempts().last, attempt.isOpen else {
          isOver = try federation.journal.end() != nil
          return isOver
        }
        open = attempt
        guard let kind = loss.after else { return true }
        return loss.who.allSatisfy { who in
          events.contains {
            $0.participant == who && $0.kind == kind && $0.round == attempt.round && $0.attempt == attempt.attempt
          }
        }
      }
      guard !isOver, let open else { return nil }
      for participant in loss.who { federation.partner(participant)?.send(SIGKILL) }
      for participant in loss.who { try await federation.killPartner(participant) }
      for participant in loss.who { try federation.startPartner(participant) }
      try await eventually("\(loss): the attempt is over\n\(federation.diagnosis)", within: 300) {
        try federation.journal.attempts().contains { $0.round == open.round && $0.attempt == open.attempt && !$0.isOpen }
      }
      return try federation.journal.attempts().first { $0.round == open.round && $0.attempt == open.attempt }
    }

    @Test("Up to two of seven partners are killed at every stage and come back: rounds go on without them, the model is right")
    func smallSets() async throws {
      guard Suite.hasPrograms else { return }
      let losses = Self.smallLosses()
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: Suite.isLong ? 40 : 8))
      let federation = try LiveFederation(template)
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()
      var outcomes: [String] = []
      for loss in losses {
        guard let attempt = try await hit(loss, federation) else { break }
        outcomes.append(attempt.outcome ?? "")
      }
      let end = try await federation.waitForEnd(within: 300)
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try federation.audit()
      let released = outcomes.count { $0 == "released" }
      Suite.report(
        "partners killed: \(outcomes.count) sets of at most 2, \(released) rounds went on, the others: \(outcomes.filter { $0 != "released" }); \(end)"
      )
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
      #expect(outcomes.count == losses.count)
      #expect(released == outcomes.count, "\(zip(losses, outcomes).map { "\($0): \($1)" })")
      // Whoever was killed takes part again.
      #expect(audit.rounds.last?.survivors.count == 7 || outcomes.count < losses.count, "\(audit.rounds)")
    }

    @Test("Three of seven are lost: the attempt aborts and says why, and the next one, with all of them back, is released")
    func largeSets() async throws {
      guard Suite.hasPrograms else { return }
      var generator = SeededGenerator(Suite.seed &+ 1)
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: Suite.isLong ? 12 : 3))
      let federation = try LiveFederation(template)
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()
      var outcomes: [(loss: Loss, outcome: String)] = []
      // Whoever has said nothing yet may come back into the same attempt; from the keys on, a partner that was killed is out of it.
      let stages = [3, 4, 5, 6]
      let moments: [Int] = Suite.isLong ? stages + stages : [stages.randomElement(using: &generator) ?? 3, 6]
      for moment in moments {
        let who = Array(federation.participants.shuffled(using: &generator).prefix(3)).sorted()
        let loss = Loss(who: who, after: moment)
        guard let attempt = try await hit(loss, federation) else { break }
        outcomes.append((loss, attempt.outcome ?? ""))
      }
      let end = try await federation.waitForEnd(within: 300)
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try federation.audit()
      Suite.report("three partners killed: \(outcomes.map { "\($0.loss): \($0.outcome)" }); \(end)")
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
      for (loss, outcome) in outcomes {
        #expect(outcome != "released" && !outcome.isEmpty, "\(loss): \(outcome)")
      }
      #expect(audit.rounds.allSatisfy { $0.survivors.count >= 5 })
    }

    @Test("Partners that do not come back, and one that answers late, cost a deadline and nothing else")
    func deadlines() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape())
      let federation = try LiveFederation(template, pace: FederationPace(stage: 3, input: 3, gather: 2))
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()
      // One partner falls asleep with its shares dealt, and wakes up when its input is wanted no more.
      let sleeper: UInt32 = 3
      var attempt: JournalReader.Attempt?
      try await eventually("partner \(sleeper) deals its shares\n\(federation.diagnosis)", pollEvery: 1) {
        let event = federation.look().first { $0.participant == sleeper && $0.kind == 4 }
        guard let event else { return false }
        attempt = try federation.journal.attempts().first { $0.round == event.round && $0.attempt == event.attempt }
        return true
      }
      federation.partner(sleeper)?.send(SIGSTOP)
      try await eventually("the attempt goes on without the sleeper\n\(federation.diagnosis)") {
        federation.look()
        return try federation.journal.attempts().contains {
          $0.round == attempt?.round && $0.attempt == attempt?.attempt && !$0.isOpen
        }
      }
      federation.partner(sleeper)?.send(SIGCONT)
      // And one goes for good.
      try await federation.killPartner(7)
      let end = try await federation.waitForEnd()
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try federation.audit()
      Suite.report(
        "one partner late, one gone: \(audit.rounds.map { "round \($0.round): \($0.survivors.sorted())" }.joined(separator: ", ")); \(end)"
      )
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
      #expect(audit.rounds.last?.survivors.contains(7) == false)
      #expect(audit.rounds.last?.survivors.contains(sleeper) == true, "a late partner never came back: \(audit.rounds)")
    }
  }
}
