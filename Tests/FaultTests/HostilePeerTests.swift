import CryptoPrimitives
import FederatedLearning
import Foundation
import PeerIdentity
import SecureAggregation
import Testing
import Transport
import WireProtocol

extension FaultTests {
  /// Peers with wrong certificates, with others' names, with old messages, and copies of honest ones.
  @Suite(.serialized) struct HostilePeers {
    @Test("Certificates that are another task's, over, for servers, or unknown open no door, and every refusal is counted")
    func wrongCertificates() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape())
      let federation = try LiveFederation(template)
      try await federation.startCoordinator()
      let port = federation.ports.training
      let ours = try Forger(state: federation.stateFolder)
      let others = try Forger(anotherTask: "faults")
      func greeting(_ pair: (String, SecretBytes)) async throws -> String {
        try await Impostor(port: port, certificate: pair.0, key: pair.1, authority: ours.authority.certificatePEM).greeting()
      }
      // Honest first: a test in which nobody gets in proves nothing.
      #expect(try await Impostor(home: federation.home(1), port: port).greeting() == "welcome")
      let expired = try ours.client(1, lifetime: .seconds(1))
      try await Task.sleep(for: .seconds(3))
      // TLS itself refuses what the task's CA has not signed, or not for now, or not for this.
      for (what, pair) in [
        ("another task's", try others.client(1)),
        ("one that is over", expired),
        ("a server's", try ours.server()),
      ] {
        let outcome = try await greeting(pair)
        #expect(
          ["not trusted", "unidentified", "certificate-expired"].contains(outcome) || outcome.hasPrefix("unreachable"),
          "\(what): \(outcome)")
      }
      // Signed by the right CA, but never given out by this coordinator: whoever steals the CA's key still has no partner's place.
      #expect(try await greeting(try ours.client(2)) == "not-enrolled")
      #expect(try await greeting(try ours.client(77)) == "not-enrolled")
      let refusals = try federation.ports.values().filter { $0.key.contains("not-enrolled") }
      #expect(refusals.values.reduce(0, +) >= 2, "\(refusals)")
      #expect(federation.coordinator?.isRunning == true)
    }

    @Test("A partner that is revoked while it is connected is refused at once and told so")
    func revoked() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape())
      let federation = try LiveFederation(template)
      try await federation.startCoordinator()
      let honest = try Impostor(home: federation.home(1), port: federation.ports.training)
      try await honest.hello()
      let victim = try federation.startPartner(2)
      try await eventually("partner 2 is connected") {
        victim.errors.isEmpty == false || (federation.lines[2]?.bytesDown ?? 0) > 4000
      }
      let revoke = CommandRunner(folder: federation.folder)
      try await revoke(.coordinator, "revoke", template.names[1], "--state", federation.stateFolder, "--yes")
      let end = try await victim.finish(within: 30)
      #expect(end == .exited(77), "\(end): \(victim.lastWords)")
      #expect(victim.lastWords.contains("revoked"), "\(victim.lastWords)")
      // Others are not disturbed, and the door stays shut.
      try await honest.hello()
      await honest.client.close()
      #expect(try await Impostor(home: federation.home(2), port: federation.ports.training).greeting() == "revoked")
    }

    @Test("A partner that speaks in another's name, and one that sends an old message again, change nothing")
    func othersNames() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: 4))
      let federation = try LiveFederation(template)
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      // Nobody waits out a deadline for the attacker, who never gives a proper answer.
      try await federation.startCoordinator(extra: ["--set", "close-early-share=0.85", "--set", "close-early-grace=1s"])
      for participant in federation.participants.dropFirst() { try federation.startPartner(participant) }
      // Partner 1 is the attacker: its own certificate, and messages that say they are partner 2's.
      let attacker = try Impostor(home: federation.home(1), port: federation.ports.training)
      try await attacker.hello()
      let plan = try PlanFile(bytes: try federation.journal.plan())
      let session = try #require(SessionID(hex: plan.plan.session))
      var outcomes: [String: Int] = [:]
      var attempted: Set<[UInt32]> = []
      while try federation.journal.end() == nil {
        let answer = try await attacker.client.poll(PollQuery(session: session.bytes, after: nil, wait: .milliseconds(200)))
        // As often as a partner may call.
        try await Task.sleep(for: .milliseconds(60))
        for envelope in answer.envelopes {
          guard attempted.insert([envelope.cursor.round, envelope.cursor.attempt]).inserted else { continue }
          func send(_ message: PartnerMessage, kind: UInt32, round: UInt32, attempt: UInt32, _ name: String) async {
            let key = UploadKey(session: session.bytes, round: round, attempt: attempt, kind: kind)
            let outcome: String
            do throws(TransportFailure) {
              switch try await attacker.client.upload(key, payload: BytesPayload(WireCodec.encode(message))) {
              case .accepted: outcome = "accepted"
              case .refused: outcome = "refused"
              case .superseded: outcome = "superseded"
              case .receiving: outcome = "receiving"
              }
            } catch {
              if case .refused(let refusal) = error { outcome = refusal.reason } else { outcome = "\(error)" }
            }
            outcomes["\(name): \(outcome)", default: 0] += 1
          }
          let (round, attempt) = (envelope.cursor.round, envelope.cursor.attempt)
          let refusal = RoundRefusal(
            session: session, round: round, attempt: attempt, participant: ParticipantID(2), reason: .paused)
          await send(.refusal(refusal), kind: 1, round: round, attempt: attempt, "in another's name")
          // The same, under the attempt before: what it says is true no longer.
          if round > 0 {
            let old = RoundRefusal(session: session, round: round - 1, attempt: 0, participant: ParticipantID(1), reason: .paused)
            await send(.refusal(old), kind: 1, round: round - 1, attempt: 0, "an old message")
            await send(.refusal(old), kind: 8, round: round, attempt: attempt, "an old message under a new name")
          }
          // At last it lets the others go on.
          let own = RoundRefusal(session: session, round: round, attempt: attempt, participant: ParticipantID(1), reason: .paused)
          await send(.refusal(own), kind: 1, round: round, attempt: attempt, "its own, after another's")
        }
      }
      await attacker.client.close()
      let end = try await federation.waitForEnd()
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try federation.audit()
      Suite.report(
        "in another's name: \(outcomes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")); \(end)"
      )
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
      #expect(outcomes.keys.allSatisfy { !$0.hasSuffix("accepted") || $0.hasPrefix("its own") }, "\(outcomes)")
      #expect(
        outcomes.keys.contains { $0.hasPrefix("in another's name") } && outcomes.keys.contains { $0.hasPrefix("an old message:") }
      )
      // Partner 2 was in every sum, whatever was said in its name.
      #expect(audit.rounds.allSatisfy { $0.survivors.contains(2) }, "\(audit.rounds)")
    }

    @Test("A home that runs twice: one of the two ends and says why, and nothing is charged twice")
    func clonedHome() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: 4))
      let federation = try LiveFederation(template, pace: FederationPace(stage: 4, input: 4, gather: 2))
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      // The clone is made while nobody runs: lock files and open databases are no witnesses.
      let clone = federation.folder + "/clone"
      try FileManager.default.copyItem(atPath: federation.home(3), toPath: clone)
      try federation.startPartners()
      try await eventually("partner 3 answers\n\(federation.diagnosis)", pollEvery: 1) {
        federation.look().contains { $0.participant == 3 && $0.kind == 3 }
      }
      let second = try federation.startPartner(3, home: clone, name: "clone")
      let first = try #require(federation.partner(3))
      try await eventually("one of the two ends\n\(federation.diagnosis)\n\(second.lastWords)") {
        !first.isRunning || !second.isRunning
      }
      let loser = first.isRunning ? second : first
      #expect(
        [.exited(5), .exited(4)].contains(loser.end), "\(String(describing: loser.end)): \(loser.lastWords)")
      #expect(!loser.lastWords.isEmpty)
      let winner = first.isRunning ? first : second
      let end = try await federation.waitForEnd()
      #expect(try await winner.finish(within: 300) == .exited(0), "\(winner.lastWords)")
      for participant in federation.participants where participant != 3 {
        #expect(try await federation.partner(participant)?.finish(within: 300) == .exited(0))
      }
      try await federation.killCoordinator()
      Suite.report(
        "cloned home: \(loser.name) ended with \(loser.end.map { "\($0)" } ?? "-"): \(loser.errors.split(separator: "\n").last ?? "")"
      )
      // Judged together: every input that the coordinator took was charged by one of the two, no attempt by both.
      let audit = try federation.audit(clones: [3: clone])
      #expect(end == "every release of the plan happened")
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(audit.rounds.last?.survivors.contains(3) == true, "the one that was left takes no part: \(audit.rounds)")
    }

    @Test("A home that was restored from an older copy answers nothing and says so")
    func restoredHome() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: 4))
      let federation = try LiveFederation(template, pace: FederationPace(stage: 4, input: 4, gather: 2))
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try FileManager.default.copyItem(atPath: federation.home(4), toPath: federation.folder + "/old-4")
      // Who is away for good is not waited for until each deadline.
      try await federation.startCoordinator(extra: ["--set", "close-early-share=0.85", "--set", "close-early-grace=500ms"])
      try federation.startPartners()
      try await eventually("a round is over\n\(federation.diagnosis)") {
        federation.look()
        return try federation.journal.attempts().contains { $0.outcome == "released" }
      }
      try await federation.killPartner(4)
      try FileManager.default.moveItem(atPath: federation.home(4), toPath: federation.folder + "/lost-4")
      try FileManager.default.moveItem(atPath: federation.folder + "/old-4", toPath: federation.home(4))
      let restored = try federation.startPartner(4)
      let ending = try await restored.finish(within: 300)
      #expect(ending != .exited(0), "\(restored.lastWords)")
      #expect(restored.lastWords.contains("backup") || restored.lastWords.contains("older"), "\(restored.lastWords)")
      let end = try await federation.waitForEnd()
      try await federation.killCoordinator()
      #expect(end == "every release of the plan happened")
      // The old home charged nothing more: what it would have charged is not in its ledger.
      let ledger = "\(federation.home(4))/ledgers/data.ledger"
      let before = FileManager.default.contents(atPath: "\(template.home(4))/ledgers/data.ledger")
      #expect(FileManager.default.contents(atPath: ledger) == before)
      Suite.report("restored home: \(ending): \(restored.errors.split(separator: "\n").last ?? "")")
    }
  }
}
