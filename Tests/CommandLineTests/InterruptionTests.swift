import Foundation
import Testing

/// Runs that end before their end: signals, crashes, full and read-only disks.
@Suite(.serialized) struct InterruptionTests {
  private static let longRun = [
    "simulate", "--partners", "3", "--rounds", "2000", "--baselines", "off", "--output", "run",
  ]

  /// Starts a long run and waits until a few releases are in the coordinator's ledger.
  private func startLongRun(in scratch: Scratch) throws -> Program.Running {
    let running = try Program.tacit.start(Self.longRun, in: scratch)
    let ledger = "run.partial/ledgers/coordinator.ledger"
    while running.process.isRunning {
      let lines = (try? scratch.read(ledger))?.split(separator: "\n").count ?? 0
      if lines >= 5 { break }
      usleep(20_000)
    }
    return running
  }

  private func expectSoundLedgers(_ scratch: Scratch) throws {
    let verdict = try Program.tacit.run("verify", "run.partial", in: scratch)
    #expect(verdict.status == 0, "\(verdict.output)")
    #expect(verdict.output.contains("the run was interrupted; its ledgers count all the same"))
    #expect(scratch.names == ["run.partial"])
    for missing in ["report.json", "report.html", "items.safetensors", "recommendations.tsv"] {
      #expect(!scratch.holds("run.partial/\(missing)"))
    }
    try Program.tacit.run("report", "run", in: scratch).expectRefusal(66, saying: "run.partial", "interrupted")
    try Program.tacit.run("report", "run.partial", in: scratch).expectRefusal(66, saying: "no report")
    try Program.tacit.run("evaluate", "run.partial", in: scratch).expectRefusal(66, saying: "no model")
    // The name is not taken over silently.
    try Program.tacit.run(Self.longRun, in: scratch).expectRefusal(73, saying: "run.partial")
  }

  @Test("Ctrl-C and SIGTERM stop a run cleanly: exit code 130, valid ledgers, no run folder", arguments: [SIGINT, SIGTERM])
  func signals(_ number: Int32) throws {
    let scratch = try Scratch()
    let running = try startLongRun(in: scratch)
    kill(running.process.processIdentifier, number)
    let outcome = try running.finish()
    outcome.expectRefusal(130, saying: "stopped after", "are valid")
    #expect(scratch.holds("run.partial/INTERRUPTED"))
    try expectSoundLedgers(scratch)
  }

  @Test("Ctrl-C while the finished model is measured ends the program at once, and nothing looks whole")
  func signalWhileEvaluating() throws {
    let scratch = try Scratch()
    let running = try Program.tacit.start(
      ["simulate", "--algorithm", "als", "--noise", "none", "--rounds", "8", "--output", "run"], in: scratch)
    while running.process.isRunning {
      if try String(contentsOf: running.errors, encoding: .utf8).contains("evaluating") { break }
      usleep(5_000)
    }
    kill(running.process.processIdentifier, SIGINT)
    let outcome = try running.finish()
    // A run that was faster than the signal is whole; there is no third way.
    guard outcome.status != 0 else {
      #expect(scratch.names == ["run"])
      return
    }
    outcome.expectRefusal(130, saying: "stopped", "are valid")
    #expect(scratch.names == ["run.partial"])
    #expect(try Program.tacit.run("verify", "run.partial", in: scratch).status == 0)
  }

  @Test("kill -9 leaves a partial folder whose ledgers are sound, or torn at the end and saying so")
  func killed() throws {
    let scratch = try Scratch()
    let running = try startLongRun(in: scratch)
    kill(running.process.processIdentifier, SIGKILL)
    #expect(try running.finish().wasKilled)
    try expectSoundLedgers(scratch)
  }

  @Test("A folder that exists is never written to, whole or interrupted")
  func existing() throws {
    for name in ["run", "run.partial"] {
      let scratch = try Scratch()
      try FileManager.default.createDirectory(atPath: scratch.path(name), withIntermediateDirectories: false)
      try scratch.write("mine", to: "\(name)/file")
      try Program.tacit.run(Self.longRun, in: scratch).expectRefusal(73, saying: name)
      #expect(scratch.names == [name])
      #expect(try scratch.read("\(name)/file") == "mine")
    }
  }

  @Test("An output folder that cannot be made is refused with the system's reason")
  func unwritableOutput() throws {
    let scratch = try Scratch()
    try scratch.write("", to: "file")
    for (output, status) in [("file/run", Int32(74)), ("", 64)] {
      try Program.tacit.run("simulate", "--rounds", "2", "--output", output, in: scratch).expectRefusal(status)
    }
    #expect(scratch.names == ["file"])
  }

  @Test("A full disk ends the run with a sentence, and nothing looks whole", arguments: [16, 40, 80, 150, 300, 600])
  func fullDisk(_ kibibytes: Int) throws {
    let scratch = try Scratch()
    guard try mount(["-t", "tmpfs", "-o", "size=\(kibibytes)k", "tmpfs"], on: scratch) else { return }
    defer { unmount(scratch) }
    let outcome = try Program.tacit.run(
      "simulate", "--rounds", "3", "--baselines", "off", "--output", "disk/run", in: scratch)
    outcome.expectRefusal(74, saying: "No space left", "free some space")
    #expect(!scratch.holds("disk/run"))
    // A disk that is full before anything is charged leaves no folder: its name is free.
    #expect(scratch.holds("disk/run.partial") == (kibibytes > 16))
  }

  @Test("A read-only disk is refused by every command that writes")
  func readOnlyDisk() throws {
    let scratch = try FinishedRunFixture.copy()
    guard try mount(["-t", "tmpfs", "-o", "ro", "tmpfs"], on: scratch) else { return }
    defer { unmount(scratch) }
    for arguments in [
      ["simulate", "--data", "shops", "--rounds", "2", "--output", "disk/run"], ["evaluate", "first", "--scores", "disk/s.tsv"],
      ["report", "first", "--output", "disk/report.txt"],
    ] {
      try Program.tacit.run(arguments, in: scratch).expectRefusal(74, saying: "Read-only")
    }
  }

  /// Mounts on `disk` in the folder; says so and skips where that is not allowed.
  private func mount(_ arguments: [String], on scratch: Scratch) throws -> Bool {
    try FileManager.default.createDirectory(atPath: scratch.path("disk"), withIntermediateDirectories: false)
    if getuid() == 0, try run("mount", arguments + [scratch.path("disk")]) == 0 { return true }
    print("SKIPPED: only root may mount a small disk, so that full and read-only disks are not tried here")
    return false
  }

  private func unmount(_ scratch: Scratch) { _ = try? run("umount", [scratch.path("disk")]) }

  private func run(_ tool: String, _ arguments: [String]) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [tool] + arguments
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }
}
