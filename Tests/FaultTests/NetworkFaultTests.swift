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
        3: [(.up, .flip(after: position()))],
        4: [(.up, .double(after: position(), count: 40))],
        5: [(.down, .flip(after: position()))],
        6: [(.down, .double(after: position(), count: 100))],
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
