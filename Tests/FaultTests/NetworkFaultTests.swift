import FederatedLearning
import Foundation
import Glibc
import Testing

extension FaultTests {
  /// Lines that delay, break, fall silent and damage bytes.
  @Suite(.serialized) struct NetworkFaults {
    /// For every partner another kind of bad line; positions are the seed's to say, after the handshake and far into the work.
    static func scripts() -> [UInt32: [(FaultyProxy.Direction, LineFault)]] {
      var generator = SeededGenerator(Suite.seed &+ 2)
      func position() -> Int { Int.random(in: 3000...25_000, using: &generator) }
      var scripts: [UInt32: [(FaultyProxy.Direction, LineFault)]] = [
        1: [(.up, .delay(milliseconds: 60)), (.up, .delay(milliseconds: 60))],
        2: [(.up, .reset(after: position())), (.down, .reset(after: position()))],
        3: [(.up, .flip(after: position())), (.up, .truncate(after: position()))],
        4: [(.up, .double(after: position(), count: 40)), (.down, .truncate(after: position()))],
        5: [(.down, .flip(after: position())), (.up, .truncate(after: 400))],
        6: [(.down, .double(after: position(), count: 100)), (.down, .truncate(after: 1200))],
        7: [(.up, .reset(after: 200)), (.up, .flip(after: 600)), (.up, .double(after: 900, count: 900))],
      ]
      guard Suite.isLong else { return scripts }
      // Bytes that are missing are noticed when more of them come, or when the connection has been silent for too long.
      for participant in UInt32(2)...7 {
        scripts[participant]? += [
          (.up, .omit(after: position(), count: 7)), (.down, .omit(after: position(), count: 100)),
          (.up, .reset(after: position())),
        ]
      }
      return scripts
    }

    @Test("Delays, resets, truncated, repeated and damaged bytes: TLS catches them, everybody recovers, the model is right")
    func badLines() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape())
      let federation = try LiveFederation(template, pace: FederationPace(stage: 60, input: 60, gather: 60))
      for (participant, script) in Self.scripts() { federation.lines[participant]?.change { $0.next = script } }
      try await federation.startCoordinator()
      try federation.startPartners()
      let end = try await federation.waitForEnd(within: 300)
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try federation.audit()
      let faults = federation.lines.mapValues { ($0.connections, $0.faultsDone) }.sorted { $0.key < $1.key }
      Suite.report("bad lines (connections, faults): \(faults.map { "\($0.key): \($0.value)" }.joined(separator: ", ")); \(end)")
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
      // A line that was never broken proves nothing.
      for participant in UInt32(2)...7 {
        #expect((federation.lines[participant]?.faultsDone ?? 0) > 0, "the line of partner \(participant) never failed")
      }
      #expect(audit.rounds.allSatisfy { $0.survivors.count == 7 }, "a partner did not recover in time: \(audit.rounds)")
    }

    @Test("A line that falls silent without closing costs its partner a round and no more", .enabled(if: Suite.isLong))
    func halfOpen() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: 8))
      let federation = try LiveFederation(template, pace: FederationPace(stage: 8, input: 8, gather: 8))
      federation.lines[2]?.change { $0.next = [(.up, .halfOpen(after: 9000))] }
      federation.lines[5]?.change { $0.next = [(.down, .halfOpen(after: 9000))] }
      try await federation.startCoordinator()
      try federation.startPartners()
      let end = try await federation.waitForEnd(within: 300)
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try federation.audit()
      Suite.report("half-open lines: \(audit.rounds.map { $0.survivors.sorted() }); \(end)")
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
      #expect((federation.lines[2]?.connections ?? 0) > 1 && (federation.lines[5]?.connections ?? 0) > 1)
      #expect(audit.rounds.last?.survivors.count == 7, "\(audit.rounds)")
    }

    /// What docs/operations.md tells about the partner that pulls its plug.
    @Test(
      "A partner that is unplugged after its input stays in the sum, one before is left out; both return",
      .enabled(if: Suite.isLong))
    func unplugged() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: 24))
      let federation = try LiveFederation(template, pace: FederationPace(stage: 5, input: 5, gather: 60))
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()
      // Participant and the last thing that is heard of it.
      let cases: [(who: UInt32, after: Int)] = [(2, MessageKinds.maskedInput), (6, 3)]
      var hit: [UInt32: JournalReader.Event] = [:]
      for (who, after) in cases {
        let before = Set(hit.values.map(\.round))
        try await eventually("partner \(who) sends \(MessageKinds.name(after))\n\(federation.diagnosis)", pollEvery: 1) {
          hit[who] = federation.look().first { $0.participant == who && $0.kind == after && !before.contains($0.round) }
          return hit[who] != nil
        }
        let event = try #require(hit[who])
        federation.lines[who]?.change { $0.isUnplugged = true }
        let began = ContinuousClock.now
        try await eventually("the attempt goes on without partner \(who)\n\(federation.diagnosis)") {
          federation.look()
          return try federation.journal.attempts().contains {
            $0.round == event.round && $0.attempt == event.attempt && !$0.isOpen
          }
        }
        let seconds = (ContinuousClock.now - began) / .seconds(1)
        // Longer than any keepalive: both sides have given the connection up.
        try await Task.sleep(for: .seconds(30))
        federation.lines[who]?.change { $0.isUnplugged = false }
        let outcome = try federation.journal.attempts().first { $0.round == event.round && $0.attempt == event.attempt }?.outcome
        let released = try federation.journal.attempts().count { $0.outcome == "released" }
        try await eventually("partner \(who) is there again\n\(federation.diagnosis)", within: 300) {
          federation.look()
          return federation.isOver
            || federation.seen.contains { $0.participant == who && $0.round > event.round && $0.kind == MessageKinds.maskedInput }
        }
        Suite.report(
          "partner \(who) unplugged after its \(MessageKinds.name(after)) of round \(event.round): the attempt was \(outcome ?? "?") \(String(format: "%.1f", seconds)) s later; \(released) rounds were released while it was away"
        )
      }
      let end = try await federation.waitForEnd(within: 300)
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try federation.audit()
      let own = cases.map { "partner \($0.who) charged \(audit.partners[$0.who]?.charges.count ?? 0)" }
      Suite.report(
        "unplugged: \(audit.rounds.map { $0.survivors.sorted() }); \(audit.coordinator.charges.count) charges, \(own); \(end)")
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
      func survivors(_ round: Int?) -> Set<UInt32> { audit.rounds.first { $0.round == round }?.survivors ?? [] }
      let (after, before) = (survivors(hit[2]?.round), survivors(hit[6]?.round))
      #expect(after.contains(2), "an input that was there is not in the sum: \(audit.rounds)")
      // It may have been quicker than the hand at the plug; then its input was there, and belongs into the sum.
      let hasCome = federation.seen.contains {
        $0.participant == 6 && $0.round == hit[6]?.round && $0.kind == MessageKinds.maskedInput
      }
      #expect(before.contains(6) == hasCome, "an input that never came is in the sum, or one that came is not: \(audit.rounds)")
      #expect(audit.rounds.last?.survivors.count == 7, "\(audit.rounds)")
    }

    @Test("A network of the kernel's own that delays, loses, repeats and reorders packets")
    func kernelEmulation() async throws {
      guard Suite.hasPrograms else { return }
      let folder = FederationTemplates.root
      let tool = "/bin/sh"
      let emulation = "ip link set lo up && tc qdisc add dev lo root netem delay 15ms 10ms loss 1% duplicate 1% reorder 5%"
      let holder = try ChildProcess(
        tool, ["-c", "exec unshare -n sh -c '\(emulation) && echo ready && exec sleep 600'"], name: "network", in: folder)
      defer { holder.send(SIGKILL) }
      try await eventually("the network is there or refused") { !holder.isRunning || holder.output.contains("ready") }
      guard holder.isRunning else {
        return Suite.skip("tc netem: this kernel or user cannot (\(holder.lastWords.replacing("\n", with: "; ")))")
      }
      let template = try await FederationTemplates.shared.template(FederationShape())
      let federation = try LiveFederation(
        template, pace: FederationPace(stage: 60, input: 60, gather: 60),
        wrapper: ["/usr/bin/nsenter", "-t", "\(holder.processID)", "-n"])
      try await federation.startCoordinator()
      try federation.startPartners()
      let end = try await federation.waitForEnd(within: 300)
      try await federation.finishPartners()
      try await federation.killCoordinator()
      let audit = try federation.audit()
      Suite.report("tc netem: \(end)")
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
    }
  }
}
