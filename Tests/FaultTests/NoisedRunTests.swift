import FederatedLearning
import Foundation
import Testing

extension FaultTests {
  /// Plans that spend: the noise is drawn by the partners, ε is finite, and no kill may make any ledger count too little.
  @Suite(.serialized) struct NoisedRuns {
    /// Entries enough that a noised sum stands for some milliseconds before it is public.
    private static let shape: FederationShape = {
      var shape = FederationShape(items: 600, rounds: Suite.isLong ? 8 : 3, noise: "distributed")
      shape.parameters = ["dimension": 32]
      return shape
    }()

    /// What every run with noise must leave behind, however often somebody was killed.
    private func judge(_ federation: LiveFederation, end: String, expectEnd: Bool = true) async throws -> FederationAudit {
      let audit = try federation.audit()
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      if expectEnd { #expect(end == "every release of the plan happened") }
      // Another program computes ε from the ledger's events, and compares it with what stands there.
      try await federation.verifyExport()
      let epsilon = try #require(audit.epsilon)
      #expect(epsilon > 0 && epsilon.isFinite)
      for (participant, state) in audit.partners {
        let own = state.recorded.epsilon(delta: audit.plan.plan.privacy.delta)
        #expect(own <= epsilon * (1 + 1e-9), "partner \(participant) counts ε = \(own), the coordinator \(epsilon)")
      }
      return audit
    }

    @Test(
      "The coordinator is killed in every stage and beside every noised sum: the charge came first, and the same sum is released")
    func coordinator() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(Self.shape)
      let federation = try LiveFederation(template)
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()
      var moments = CoordinatorKills.moments(Suite.isLong ? 10 : 5, partners: 7)
      var kills = 0
      var drawn: Set<JournalReader.NoisedSum> = []
      while !federation.isOver {
        var isReached = false
        try await eventually("\(moments.first.map { "\($0)" } ?? "the end")\n\(federation.diagnosis)", within: 300, pollEvery: 1)
        {
          if try federation.journal.hasNoisedSum() { return true }
          if let moment = moments.first, moment.isReached(federation.look()) {
            isReached = true
            return true
          }
          return federation.isOver
        }
        if federation.isOver { break }
        try await federation.killCoordinator()
        kills += 1
        if isReached { moments.removeFirst() }
        let audit = try federation.audit()
        for sum in try federation.journal.noisedSums() {
          // Nobody has seen it yet, and it is paid for.
          #expect(
            audit.coordinator.charges.contains {
              $0.charge.attempt.round == sum.round && $0.charge.attempt.attempt == sum.attempt
            }, "round \(sum.round) was opened before it was charged")
          // A restart must not draw again: one sum per attempt, whatever happens.
          #expect(!drawn.contains { $0.round == sum.round && $0.attempt == sum.attempt && $0.digest != sum.digest })
          drawn.insert(sum)
        }
        try await federation.startCoordinator()
        // The same sum is not a new moment.
        try await eventually("the sum is public\n\(federation.diagnosis)") {
          try !federation.journal.hasNoisedSum() || federation.isOver
        }
      }
      let end = try await federation.waitForEnd()
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try await judge(federation, end: end)
      for sum in drawn {
        #expect(
          audit.releasedDigest(round: sum.round, attempt: sum.attempt) == sum.digest,
          "round \(sum.round) released another sum than the one that was drawn before the kill")
      }
      let attempts = try federation.journal.attempts()
      #expect(audit.coordinator.charges.count == attempts.count { $0.outcome == "released" }, "\(attempts)")
      Suite.report(
        "noised, coordinator killed \(kills) times, \(drawn.count) of them with a noised sum that was not public yet: \(attempts.count) attempts, \(audit.coordinator.charges.count) charges, ε = \(audit.epsilon ?? 0); \(end)"
      )
    }

    @Test(
      "Up to two of seven are killed under noise of their own: the rest has enough of it, and everybody pays once for what it sent"
    )
    func partners() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(Self.shape)
      let federation = try LiveFederation(template)
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()
      let kills = PartnerKills()
      var outcomes: [String] = []
      for loss in PartnerKills.smallLosses().prefix(Suite.isLong ? 7 : 3) {
        guard let attempt = try await kills.hit(loss, federation) else { break }
        outcomes.append("\(loss): \(attempt.outcome ?? "")")
      }
      let end = try await federation.waitForEnd()
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try await judge(federation, end: end)
      #expect(outcomes.allSatisfy { $0.hasSuffix("released") }, "\(outcomes)")
      Suite.report("noised, partners killed: \(outcomes); ε = \(audit.epsilon ?? 0); \(end)")
    }
  }
}
