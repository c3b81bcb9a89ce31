import Foundation
import Testing

/// What `tacit-coordinator` and `tacit-client` say when they are asked wrongly; what they do together is tested by the suites
/// of the network.
@Suite(.serialized) struct ServiceProgramTests {
  @Test("Help and version are printed by every program", arguments: [Program.tacit, .coordinator, .client])
  func helpAndVersion(_ program: Program) throws {
    guard program.isBuilt else { return }
    let scratch = try Scratch()
    let help = try program.run("--help", in: scratch)
    #expect(help.status == 0 && help.output.contains("USAGE: \(program.rawValue)"))
    let version = try program.run("--version", in: scratch)
    #expect(version.status == 0 && version.output.hasPrefix("\(program.rawValue) 0."))
    #expect(try program.run("nonsense", in: scratch).status == 64)
  }

  @Test("Words of others do not reach the terminal as its commands", arguments: [Program.coordinator, .client])
  func terminalSequences(_ program: Program) throws {
    guard program.isBuilt else { return }
    let scratch = try Scratch()
    let flag = program == .client ? "--home" : "--state"
    let outcome = try program.run(["status", flag, "odd\u{1B}[2J\u{202E}name\u{9B}31m"], in: scratch)
    #expect(outcome.status != 0 && outcome.errors.contains("odd\\u001b[2J\\u202ename\\u009b31m"), "\(outcome.errors)")
    #expect(!(outcome.output + outcome.errors).unicodeScalars.contains("\u{1B}"))
  }

  @Test("A sound plan is described in words")
  func soundPlan() throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try FinishedRunFixture.copy()
    let checked = try Program.coordinator.run("check-plan", "first/plan.json", in: scratch)
    #expect(checked.status == 0, "\(checked.errors)")
    #expect(checked.output.contains("4 partners") && checked.output.contains("ε = 8"))
  }

  @Test("Plans that are missing, empty, cut or contradictory are refused with one sentence")
  func badPlans() throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try FinishedRunFixture.copy()
    let plan = try scratch.read("first/plan.json")
    try scratch.write("", to: "empty.json")
    try scratch.write(String(plan.prefix(plan.count / 2)), to: "cut.json")
    try scratch.write(plan.replacingOccurrences(of: "\"epsilon\" : 8", with: "\"epsilon\" : -8"), to: "negative.json")
    try scratch.write(plan.replacingOccurrences(of: "\"delta\" : 1e-06", with: "\"delta\" : 1"), to: "delta.json")
    func check(_ file: String, _ status: Int32, saying words: String) throws {
      try Program.coordinator.run("check-plan", file, in: scratch).expectRefusal(status, saying: words)
    }
    try check("nowhere.json", 66, saying: "no such file")
    try check("empty.json", 78, saying: "empty")
    try check("cut.json", 78, saying: "cannot be read")
    try check("negative.json", 78, saying: "ε is -8.0")
    try check("delta.json", 78, saying: "δ is 1.0")
  }

  @Test(
    "A partner's commands need a home, and say how to make one",
    arguments: [
      ["review"], ["accept"], ["run"], ["status"], ["pause"], ["resume"], ["leave", "--yes"], ["purge"], ["verify"], ["worth"],
      ["report"], ["check-config"], ["recommend", "--user", "u"], ["serve"], ["data", "import", "events.csv"],
      ["data", "link", "--to", "other"],
    ])
  func homes(_ command: [String]) throws {
    guard Program.client.isBuilt else { return }
    let scratch = try Scratch()
    try Program.client.run(command, in: scratch).expectRefusal(64, saying: "no home is given")
    try Program.client.run(command + ["--home", "nowhere"], in: scratch).expectRefusal(66, saying: "there is no home at nowhere")
  }

  @Test("Two homes are linked by a command that says with what and under which caps, and not if one plan is on both ledgers")
  func linkedHomes() throws {
    guard Program.client.isBuilt else { return }
    let scratch = try FinishedRunFixture.copy()
    let ledgers = try (1...2).map { try scratch.bytes("first/ledgers/partner-partner-\($0).ledger") }
    // A home that lost its database still has its ledger; the third was never charged.
    for (name, ledger) in [
      ("one", ledgers[0]), ("two", ledgers[1]), ("new", ledgers[1].prefix(through: try #require(ledgers[1].firstIndex(of: 10)))),
    ] {
      for folder in [name, "\(name)/ledgers"] {
        try FileManager.default.createDirectory(
          atPath: scratch.path(folder), withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
      }
      try scratch.write(Data(ledger), to: "\(name)/ledgers/data.ledger")
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: scratch.path("\(name)/ledgers/data.ledger"))
    }
    try Program.client.run("data", "link", "--home", "one", "--to", "two", in: scratch)
      .expectRefusal(64, saying: "were both charged under the plan")
    #expect(!scratch.holds("one/ledgers/data.links") && !scratch.holds("two/ledgers/data.links"))
    let linked = try Program.client.run("data", "link", "--home", "one", "--to", "new", in: scratch)
    #expect(linked.status == 0, "\(linked.errors)")
    #expect(linked.output.contains("Linked: ") && linked.output.contains("new/ledgers/data.ledger"))
    #expect(linked.output.contains("Their caps: none (each plan's own cap is kept); of the other: none"))
    #expect(scratch.holds("one/ledgers/data.links") && scratch.holds("new/ledgers/data.links"))
    let again = try Program.client.run("data", "link", "--home", "new", "--to", "one", in: scratch)
    #expect(again.status == 0 && again.output.contains("Were linked already: "), "\(again.errors)")
    try Program.client.run("data", "link", "--home", "one", "--to", "one", in: scratch)
      .expectRefusal(64, saying: "is this home itself")
  }

  @Test("Recommendations are served to this machine only, unless a token is set; its interface is printed without a home")
  func serving() throws {
    guard Program.client.isBuilt else { return }
    let scratch = try Scratch()
    try Program.client.run("serve", "--home", "nowhere", "--listen", "0.0.0.0:8080", in: scratch)
      .expectRefusal(64, saying: "--token-file")
    try Program.client.run("serve", "--home", "nowhere", "--token-file", "none", in: scratch).expectRefusal(
      64, saying: "cannot be found")
    try scratch.write("{", to: "rules.json")
    try Program.client.run("serve", "--home", "nowhere", "--rules", "rules.json", in: scratch)
      .expectRefusal(65, saying: "rules.json: the document is not JSON")
    let document = try Program.client.run("serve", "--openapi", in: scratch)
    #expect(document.status == 0 && (document.json as? [String: Any])?["openapi"] as? String == "3.1.0")
    #expect(try Program.client.run("serve", "--sample-rules", in: scratch).json is [String: Any])
  }

  @Test("What is no token enrols nobody")
  func badTokens() throws {
    guard Program.client.isBuilt else { return }
    let scratch = try Scratch()
    try scratch.write("hello", to: "token")
    try Program.client.run("enroll", "--home", "home", "--token", "@token", in: scratch)
      .expectRefusal(64, saying: "token: this is no token of Tacit")
    try Program.client.run("enroll", "--home", "home", "--token", "@nowhere", in: scratch)
      .expectRefusal(66, saying: "no such file")
    #expect(!scratch.holds("home"))
  }
}
