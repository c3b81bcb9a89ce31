import Foundation
import Testing

/// A coordinator's folder that somebody has touched, and what `tacit-coordinator` says to it.
@Suite(.serialized) struct StateFolderInputTests {
  private static func task() throws -> Scratch {
    let scratch = try Scratch()
    // A name of one letter: Foundation's path functions trap on it.
    let made = try Program.coordinator.run(
      "init", "--state", "S", "--name", "shops", "--training-address", "127.0.0.1:7443", "--enrolment-address", "127.0.0.1:7444",
      in: scratch)
    try #require(made.status == 0, "\(made.errors)")
    return scratch
  }

  @Test("What is missing, damaged, open to others or another's is named, and nothing is put in its place")
  func damages() throws {
    guard Program.coordinator.isBuilt else { return }
    let task = try Self.task()
    func check(
      _ status: Int32, saying words: String, command: [String] = ["rotate"], _ damage: (Scratch) throws -> Void
    ) throws {
      let scratch = try Scratch()
      try scratch.copy(task.url.appending(path: "S"), to: "S")
      try damage(scratch)
      let before = try FileManager.default.contentsOfDirectory(atPath: scratch.path("S")).sorted()
      try Program.coordinator.run(command + ["--state", "S"], in: scratch).expectRefusal(status, saying: words)
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("S")).sorted() == before)
    }
    for command in [["rotate"], ["serve"], ["status"], ["roster"], ["invite", "x"], ["backup", "b"], ["export", "e"]] {
      try check(66, saying: "S/coordinator.sqlite is missing", command: command) { try $0.remove("S/coordinator.sqlite") }
      try check(65, saying: "S/task.json cannot be read", command: command) { try $0.write("x", to: "S/task.json") }
    }
    try check(65, saying: "S/ca.pem: the text is no certificate") { try $0.write("x", to: "S/ca.pem") }
    try check(66, saying: "S/ca.key") { try $0.remove("S/ca.key") }
    try check(77, saying: "permissions 0644") {
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: $0.path("S/signing.key"))
    }
    try check(65, saying: "S/signing.key does not begin") {
      try $0.write(Data($0.bytes("S/signing.key").prefix(5)), to: "S/signing.key")
    }
    try check(77, saying: "chmod 700 S") {
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: $0.path("S"))
    }
    try check(65, saying: "S/coordinator.sqlite is damaged or no database", command: ["status"]) {
      try $0.write(Data(repeating: 7, count: 9000), to: "S/coordinator.sqlite")
    }
  }

  @Test("A server certificate that is garbage, cut, gone or another's is named, and `rotate` makes a new one")
  func serverCertificate() throws {
    guard Program.coordinator.isBuilt else { return }
    let task = try Self.task()
    let whole = try task.bytes("S/server.pem")
    let other = try Self.task()
    let damages: [(Int32, String, (Scratch) throws -> Void)] = [
      (65, "the text is no certificate", { try $0.write(Data((0..<200).map { UInt8($0) | 0x80 }), to: "S/server.pem") }),
      (65, "the text is no certificate", { try $0.write(whole.prefix(whole.count / 2), to: "S/server.pem") }),
      (66, "is missing", { try $0.remove("S/server.pem") }),
      (65, "not the certificate of S/server.key", { try $0.write(other.bytes("S/server.pem"), to: "S/server.pem") }),
    ]
    for (status, words, damage) in damages {
      let scratch = try Scratch()
      try scratch.copy(task.url.appending(path: "S"), to: "S")
      try damage(scratch)
      try Program.coordinator.run(["serve", "--state", "S", "--metrics-listen", "127.0.0.1:0"], in: scratch)
        .expectRefusal(status, saying: "S/server.pem", words, "tacit-coordinator rotate --state S")
      #expect(try Program.coordinator.run("rotate", "--state", "S", in: scratch).status == 0)
      let checked = try Program.coordinator.run("check-config", "--state", "S", in: scratch)
      #expect(checked.status == 0, "\(checked.errors)")
    }
  }

  @Test("A folder that is none, or a file, is no state folder", arguments: [["serve"], ["status"], ["rotate"], ["invite", "x"]])
  func noFolder(_ command: [String]) throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try Scratch()
    try scratch.write("x", to: "file")
    for path in ["nowhere", "file"] {
      try Program.coordinator.run(command + ["--state", path], in: scratch).expectRefusal(
        66, saying: path, "tacit-coordinator init")
    }
  }

  @Test("Backups, plans and exports may have names of one letter")
  func shortNames() throws {
    guard Program.coordinator.isBuilt else { return }
    let task = try Self.task()
    #expect(try Program.coordinator.run("backup", "b", "--state", "S", in: task).status == 0)
    #expect(task.holds("b/coordinator.sqlite"))
    try Program.coordinator.run("plan", "p", "--state", "S", in: task).expectRefusal(78, saying: "p cannot be read")
    try task.write("noise: none\n", to: "p")
    try Program.coordinator.run("plan", "p", "--state", "S", in: task)
      .expectRefusal(78, saying: "catalogue is not set: write catalogue into the file")
  }
}
