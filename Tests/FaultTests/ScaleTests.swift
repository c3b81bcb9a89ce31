import FederatedLearning
import Foundation
import Glibc
import Synchronization
import Testing

extension FaultTests {
  /// Many partners and long updates on one machine; run by scripts/scale.sh.
  @Suite(.serialized, .enabled(if: Suite.measuresScale)) struct Scale {
    /// - Parameters:
    ///   - items: of the catalogue; with 64 dimensions the update has 64 · items + 4161 entries.
    ///   - perProcess: partners that share a process.
    private func measure(partners: Int, items: Int, perProcess: Int, memoryGoal: Int?) async throws {
      var shape = FederationShape(partners: partners, users: 10 * partners, items: items, rounds: 1)
      shape.parameters = ["dimension": 64]
      let template = try await FederationTemplates.shared.template(shape)
      let federation = try LiveFederation(template, pace: FederationPace(stage: 600, input: 1200, gather: 600))
      let coordinator = try await federation.startCoordinator()
      let began = ContinuousClock.now
      var processes: [ChildProcess] = []
      for start in stride(from: 0, to: partners, by: perProcess) {
        let homes = (start..<min(start + perProcess, partners)).map { federation.home(UInt32($0 + 1)) }
        let arguments =
          perProcess == 1 ? ["run", "--once", "--workers", "1", "--home", homes[0]] : ["swarm", "--once"] + homes
        processes.append(
          try ChildProcess(ChildProcess.Program.client.path, arguments, name: "partners-\(start)", in: federation.folder))
      }
      let end = try await federation.waitForEnd(within: 3000)
      let seconds = (ContinuousClock.now - began) / .seconds(1)
      // The model of the last round goes out to everybody when the run is over: that counts, too.
      let work = Mutex<[pid_t: Double]>([:])
      try await eventually("every partner has the last model", within: 300) {
        work.withLock { work in
          for process in processes { if let seconds = process.processorSeconds { work[process.processID] = seconds } }
        }
        return processes.allSatisfy { !$0.isRunning }
      }
      #expect(processes.allSatisfy { $0.end == .exited(0) }, "\(processes.map { "\($0.name): \(String(describing: $0.end))" })")
      let peak = coordinator.peakMemory ?? 0
      let own = coordinator.processorSeconds ?? 0
      let others = work.withLock { $0.values.reduce(0, +) }
      let up = federation.lines.values.map(\.bytesUp).reduce(0, +) / partners
      let down = federation.lines.values.map(\.bytesDown).reduce(0, +) / partners
      try await federation.killCoordinator()
      let plan = try PlanFile(bytes: try federation.journal.plan()).plan
      let least = plan.releases.map { ($0.dimension * $0.modulusBits + 7) / 8 + Self.protocolBytes(partners) }.reduce(0, +)
      let attempts = try federation.journal.attempts()
      Suite.report(
        """
        \(partners) partners × \(plan.releases.map { "\($0.dimension)" }.joined(separator: " + ")) entries of \(plan.releases.last?.modulusBits ?? 0) bits, \(perProcess) per process: \(String(format: "%.1f", seconds)) s for \(plan.releases.count) rounds (\(attempts.count) attempts); \
        CPU coordinator \(String(format: "%.1f", own)) s, partners \(String(format: "%.1f", others / Double(partners))) s each; \
        coordinator's peak memory \(peak >> 20) MiB; up \(up) bytes a partner, \(String(format: "%.3f", Double(up) / Double(least))) × the least (\(least)); down \(down) bytes; \(end)
        """)
      #expect(end == "every release of the plan happened")
      if let memoryGoal { #expect(peak < memoryGoal, "the coordinator took \(peak) bytes") }
    }

    /// Keys and shares that one partner must send in one attempt: an advertisement, an encrypted pair of shares for every
    /// partner (two 256-bit secrets in five limbs of 8 bytes each, salts, tag), a signature, and shares of every partner.
    private static func protocolBytes(_ partners: Int) -> Int {
      let advertisement = 32 * 6 + 64
      let sealed = 2 * (5 * 8 + 32) + 24 + 16
      let opened = 5 * 8 + 32
      return advertisement + partners * sealed + 64 + partners * opened
    }

    @Test("50 partners × 1M entries in one round: the coordinator stays under 300 MB")
    func fifty() async throws {
      guard Suite.hasPrograms else { return }
      try await measure(partners: 50, items: 15_560, perProcess: 1, memoryGoal: 300_000_000)
    }

    @Test("200 partners × 100K entries in one round")
    func twoHundred() async throws {
      guard Suite.hasPrograms else { return }
      try await measure(partners: 200, items: 1498, perProcess: 10, memoryGoal: nil)
    }
  }
}
