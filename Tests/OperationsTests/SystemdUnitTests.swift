import Foundation
import Testing

/// The unit files that run the two services.
@Suite struct SystemdUnitTests {
  static let folder = LogPrivacyTests.root.appendingPathComponent("packaging/systemd")

  @Test(arguments: ["tacit-coordinator", "tacit-client"]) func `systemd finds nothing wrong with a unit`(name: String) throws {
    let text = try String(contentsOf: Self.folder.appendingPathComponent("\(name).service"), encoding: .utf8)
    #expect(text.contains("ExecStart=/usr/bin/\(name) "))
    // The program need not be installed here: any program stands in for it.
    let unit = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString)/\(name).service")
    try FileManager.default.createDirectory(at: unit.deletingLastPathComponent(), withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: unit.deletingLastPathComponent()) }
    try text.replacing("/usr/bin/\(name)", with: "/bin/true").write(to: unit, atomically: true, encoding: .utf8)
    guard let result = try? systemdAnalyze(["verify", "--man=no", unit.path]), result.status != 127 else {
      print("SKIPPED: systemd-analyze is not installed, so that nobody reads the unit files")
      return
    }
    #expect(result.status == 0 && result.output.isEmpty, "\(result.output)")
    // The same check finds what is wrong.
    try text.replacing("RestartSec=5", with: "RestartSec=soon").write(to: unit, atomically: true, encoding: .utf8)
    #expect(try systemdAnalyze(["verify", "--man=no", unit.path]) != (0, ""))
  }

  @Test(arguments: ["tacit-coordinator", "tacit-client"]) func `a unit is hardened and drains`(name: String) throws {
    let text = try String(contentsOf: Self.folder.appendingPathComponent("\(name).service"), encoding: .utf8)
    let lines = Set(text.split(separator: "\n").map(String.init))
    for line in [
      "User=\(name)", "StateDirectory=\(name)", "StateDirectoryMode=0700", "UMask=0077", "NoNewPrivileges=yes",
      "ProtectSystem=strict",
      "CapabilityBoundingSet=", "SystemCallFilter=@system-service", "MemoryDenyWriteExecute=yes", "LimitCORE=0",
      "KillSignal=SIGTERM",
      "Restart=on-failure",
    ] { #expect(lines.contains(line), "\(line)") }
    #expect(
      lines.contains { $0.hasPrefix("LoadCredential=tacit-passphrase:") } && lines.contains { $0.hasPrefix("TimeoutStopSec=") })
    let users = try String(contentsOf: Self.folder.appendingPathComponent("tacit.sysusers.conf"), encoding: .utf8)
    #expect(users.contains("\nu \(name) "))
  }

  @Test func `a partner that was pushed out by its clone is not started again, one whose home is held is`() throws {
    func prevented(_ name: String) throws -> Set<String> {
      let text = try String(contentsOf: Self.folder.appendingPathComponent("\(name).service"), encoding: .utf8)
      let lines = text.split(separator: "\n").filter { $0.hasPrefix("RestartPreventExitStatus=") }
      return Set(lines.flatMap { $0.drop { $0 != "=" }.dropFirst().split(separator: " ") }.map(String.init))
    }
    // Two clones that both start again would alternate for ever: each hello ends the other.
    let client = try prevented("tacit-client")
    #expect(client.contains("5") && client.contains("4") && !client.contains("75"), "\(client)")
    #expect(try !prevented("tacit-coordinator").contains("75"))
  }

  private func systemdAnalyze(_ arguments: [String]) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["systemd-analyze"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self))
  }
}
