import CryptoPrimitives
import FederatedLearning
import Foundation
import PartnerService
import PeerIdentity
import SecureAggregation
import Testing
import Transport

/// What a partner remembers when its process, its disk or its clock does not behave.
@Suite struct CrashTests {
  @Test func `a process that dies in an attempt is a dropout of it, and takes part in the next round`() async throws {
    let world = try await World.joined(.factorization)
    await world.coordinator.start()
    let first = try world.host(0, once: false)
    let dying = Task { try await first.run() }
    #expect(await World.eventually { await world.coordinator.received.contains { $0.participant == 1 } })
    await first.stop()
    _ = try? await dying.value
    // Its keys are out; the new process has none of them.
    async let others = world.finish([1, 2, 3])
    let second = try world.host(0)
    async let ending = second.run()
    #expect(await world.driveToEnd())
    _ = try await (ending, others)
    #expect(await second.counts["refused: \(PartnerRefusal.staleAttempt)", default: 0] > 0)
    let survivors = await world.coordinator.releases.map(\.survivors.count)
    #expect(survivors.last == 4)
    // One charge per attempt, whatever happened.
    let bytes = try #require(FileManager.default.contents(atPath: world.homes[0].ledger(of: .standard)))
    let state = try #require(LedgerVerifier().verify(Array(bytes)).state)
    #expect(Set(state.charges.map(\.charge.attempt)).count == state.charges.count)
  }

  @Test func `a home that was restored from a backup is recognised and answers nothing`() async throws {
    let world = try await World.joined()
    let home = world.homes[0].path
    let backup = world.scratch.file("backup")
    try FileManager.default.copyItem(atPath: home, toPath: backup)
    _ = try await world.run()
    try await world.coordinator.publish(PlanSetting())
    // The coordinator has seen the longer ledger in the partner's hello.
    let honest = try world.host(0, once: false)
    let running = Task { try await honest.run() }
    #expect(await World.eventually { await !(world.coordinator.recordedLedgers[1] ?? []).isEmpty })
    await honest.stop()
    _ = try? await running.value
    try FileManager.default.removeItem(atPath: home)
    try FileManager.default.moveItem(atPath: backup, toPath: home)
    let restored = try world.host(0, once: false)
    await #expect { try await restored.run() } throws: {
      ($0 as? PartnerError)?.kind == .untrusted && "\($0)".contains("restored from a backup or cloned")
    }
  }

  @Test func `a home that was restored from just before its last charge is recognised`() async throws {
    let world = try await World.joined()
    let (home, backup) = (world.homes[0].path, world.scratch.file("backup"))
    // Copied while the host waits for its peers' shares: its keys are out, its ledger is charged with the next message.
    await world.coordinator.tamper(
      1,
      .init(message: { message in
        if case .aggregation(.shareDelivery) = message {
          try? FileManager.default.copyItem(atPath: home, toPath: backup)
        }
        return message
      }))
    _ = try await world.run()
    #expect(await world.coordinator.releases.first?.survivors.count == 4)
    try FileManager.default.removeItem(atPath: home)
    try FileManager.default.moveItem(atPath: backup, toPath: home)
    let ledger = try #require(FileManager.default.contents(atPath: world.homes[0].ledger(of: .standard)))
    #expect(LedgerVerifier().verify(Array(ledger)).state?.charges.count == 0, "the copy is of before the charge")
    await #expect { try await world.host(0, once: false).run() } throws: {
      ($0 as? PartnerError)?.kind == .untrusted && "\($0)".contains("masked input") && !"\($0)".contains("''")
    }
  }

  @Test(arguments: [true, false])
  func `a ledger that was removed or cut back is recognised at home`(_ isRemoved: Bool) async throws {
    let world = try await World.joined(.factorization)
    _ = try await world.run()
    let path = world.homes[0].ledger(of: .standard)
    if isRemoved {
      try FileManager.default.removeItem(atPath: path)
    } else {
      let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: true)
      try (lines.dropLast(2).joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
    }
    let host = try world.host(0)
    await #expect { try await host.run() } throws: { ($0 as? PartnerError)?.kind == .rolledBack }
    let verification = try HomeVerification(home: world.homes[0], store: try world.store(0))
    #expect(verification.checks.contains { $0.verdict == .failed })
  }

  @Test func `a clock that jumps back breaks no ledger`() async throws {
    let world = try await World.joined(.factorization)
    let ticks = Counter()
    await world.coordinator.start()
    let host = try world.host(0, clock: { Date(timeIntervalSince1970: 2_000_000_000 - 1000 * Double(ticks.next())) })
    async let others = world.finish([1, 2, 3])
    let ending = try await host.run()
    _ = try await others
    #expect(ending == .finished(reason: "\(RunEnd.completed)", isComplete: true))
    let verification = try HomeVerification(home: world.homes[0], store: try world.store(0))
    #expect(verification.checks.filter { $0.verdict == .failed } == [])
  }

  @Test func `a certificate is renewed in time, for the same key`() async throws {
    let scratch = try await World(partners: 4)
    let before = try Data(contentsOf: URL(fileURLWithPath: scratch.homes[0].certificate))
    let later = Date().addingTimeInterval(3600 * 24 * 25)
    let host = try scratch.host(0, once: false, clock: { later })
    let running = Task { try await host.run() }
    let path = scratch.homes[0].certificate
    #expect(await World.eventually { (try? Data(contentsOf: URL(fileURLWithPath: path))) != before })
    await host.stop()
    _ = try? await running.value
    let renewed = try IssuedCertificate(pem: String(contentsOfFile: path, encoding: .utf8))
    #expect(try scratch.coordinator.authority.anchor.partner(of: renewed).participant == 1)
  }

  @Test func `a full disk refuses attempts, loses nothing, and is over when there is space again`() async throws {
    guard geteuid() == 0 else {
      print("SKIPPED: a small file system can be mounted by root only; the full disk was not tested")
      return
    }
    let world = try await World(partners: 4, .factorization)
    for index in 1..<4 { try await world.join(index, cap: nil) }
    let home = world.homes[0].path
    let kept = world.scratch.file("kept")
    try FileManager.default.moveItem(atPath: home, toPath: kept)
    try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
    guard Self.shell("mount -t tmpfs -o size=3m,mode=0700 tmpfs '\(home)'") == 0 else {
      print("SKIPPED: no tmpfs can be mounted here; the full disk was not tested")
      return
    }
    defer { _ = Self.shell("umount -l '\(home)'") }
    #expect(Self.shell("cp -a '\(kept)/.' '\(home)/'") == 0)
    try await world.join(0, cap: nil)
    let host = try world.host(0)
    async let ending = host.run()
    let ledger = world.homes[0].ledger(of: .standard)
    #expect(await World.eventually { FileManager.default.fileExists(atPath: ledger) })
    let filler = home + "/filler"
    _ = Self.shell("dd if=/dev/zero of='\(filler)' bs=4k 2>/dev/null")
    await world.coordinator.start()
    async let others = world.finish([1, 2, 3])
    // The engine refuses what it cannot keep, and the host waits when it cannot keep even the message: whichever is met first.
    let noticed = await World.eventually {
      await host.counts.keys.contains {
        $0.hasPrefix("refused: \(PartnerRefusal.journalUnavailable)")
          || $0.hasPrefix("refused: \(PartnerRefusal.ledgerUnavailable)")
          || $0 == "the disk is full"
      }
    }
    let counts = await host.counts
    #expect(noticed, "the home counted \(counts)")
    try FileManager.default.removeItem(atPath: filler)
    #expect(await world.driveToEnd())
    _ = try await (ending, others)
    #expect(await world.coordinator.releases.last?.survivors.count == 4)
    let verification = try HomeVerification(home: world.homes[0], store: try world.store(0))
    #expect(verification.checks.filter { $0.verdict == .failed } == [])
  }

  /// - Returns: the exit code; `Process` would copy directory entries beyond their end while hundreds of files are open.
  private static func shell(_ command: String) -> Int32 {
    let status = system(command)
    return status & 0x7F == 0 ? (status >> 8) & 0xFF : -1
  }
}
