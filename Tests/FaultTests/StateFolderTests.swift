import FederatedLearning
import Foundation
import Testing

extension FaultTests {
  /// One state folder and two coordinators; a state folder that comes from a backup.
  @Suite(.serialized) struct StateFolders {
    @Test("A second coordinator on the same folder is refused, or stands by and takes over when the first is killed")
    func twoCoordinators() async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape())
      let federation = try LiveFederation(template)
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      let first = try await federation.startCoordinator()
      let second = try CoordinatorPorts.free().serve(
        federation.stateFolder, pace: federation.pace, in: federation.folder, name: "second")
      #expect(try await second.finish() == .exited(75), "\(second.lastWords)")
      #expect(second.lastWords.contains("another coordinator"), "\(second.lastWords)")
      #expect(first.isRunning)
      // A third waits on the first one's ports, which are free as soon as the first is dead.
      try federation.startPartners()
      try await eventually("masked inputs arrive\n\(federation.diagnosis)", pollEvery: 1) {
        federation.look().contains { $0.kind == MessageKinds.maskedInput }
      }
      let standby = try federation.ports.serve(
        federation.stateFolder, pace: federation.pace, in: federation.folder, name: "standby", extra: ["--standby"])
      try await eventually("the third stands by") { standby.errors.contains("standing by") }
      try await federation.killCoordinator()
      let end = try await federation.waitForEnd()
      try await federation.finishPartners()
      #expect(standby.isRunning, "\(standby.lastWords)")
      try await standby.killHard()
      let audit = try federation.audit()
      let aborted = try federation.journal.attempts().filter { $0.outcome != "released" }
      Suite.report("standby took over: \(audit.rounds.count) rounds, \(aborted.count) aborted; \(end)")
      #expect(audit.faults.isEmpty, "\(audit.faults)")
      #expect(end == "every release of the plan happened")
    }

    @Test(
      "A coordinator that was restored from a backup cannot spend the same budget again",
      arguments: ["none", "distributed"])
    func restoredCoordinator(noise: String) async throws {
      guard Suite.hasPrograms else { return }
      let template = try await FederationTemplates.shared.template(FederationShape(rounds: 4, noise: noise))
      let federation = try LiveFederation(template)
      for line in federation.lines.values { line.change { $0.standing = .delay(milliseconds: 15) } }
      try await federation.startCoordinator()
      try federation.startPartners()
      let run = CommandRunner(folder: federation.folder)
      // A backup in the middle of the first rounds, and one more round after it.
      try await eventually("a round is over\n\(federation.diagnosis)") {
        federation.look()
        return try federation.journal.attempts().contains { $0.outcome == "released" }
      }
      try await run(.coordinator, "backup", federation.folder + "/backup", "--state", federation.stateFolder)
      let released = try federation.journal.attempts().count { $0.outcome == "released" }
      try await eventually("another round is over\n\(federation.diagnosis)") {
        federation.look()
        return try federation.journal.attempts().count { $0.outcome == "released" } > released
      }
      try await federation.killCoordinator()
      let charged = try federation.audit().coordinator.charges.count
      // What a person would do after a dead disk.
      try FileManager.default.moveItem(atPath: federation.stateFolder, toPath: federation.folder + "/lost")
      try await run(.coordinator, "restore", federation.folder + "/backup", "--state", federation.stateFolder)
      let known = try federation.journal.attempts()
      let spent = try federation.partnerCharges()
      let restored = try federation.ports.serve(
        federation.stateFolder, pace: federation.pace, in: federation.folder, name: "restored")
      // It says that it will not run what it has forgotten, or the partners refuse an attempt of it: nothing is released.
      try await eventually("it is refused\n\(federation.diagnosis)\n\(restored.lastWords)", within: 300) {
        let over = try federation.journal.attempts().count { !$0.isOpen }
        return !restored.isRunning || federation.isOver || over > known.count
      }
      let words = restored.isRunning ? "runs" : "ended (\(restored.errors.split(separator: "\n").last ?? ""))"
      try await restored.killHard()
      for participant in federation.participants { try await federation.killPartner(participant) }
      let attempts = try federation.journal.attempts()
      let audit = try federation.audit()
      Suite.report(
        "restored coordinator (noise: \(noise)) \(words): \(charged) charges before, \(audit.coordinator.charges.count) in the restored ledger; new attempts: \(attempts.filter { !known.contains($0) }.map { $0.outcome ?? "open" })"
      )
      #expect(attempts.count { $0.outcome == "released" } == known.count { $0.outcome == "released" }, "\(attempts)")
      #expect(try federation.partnerCharges() == spent, "a partner charged for a coordinator that has forgotten what it spent")
      #expect(audit.faults.filter { $0.contains("twice") }.isEmpty, "\(audit.faults)")
    }
  }
}
