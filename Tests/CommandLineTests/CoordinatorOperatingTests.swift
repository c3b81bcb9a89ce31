import Foundation
import Testing

/// A coordinator's state folder in an operator's hands: what is refused leaves nothing, what is final is asked, what is shown can be
/// compared.
@Suite(.serialized) struct CoordinatorOperatingTests {
  private static let ports = ["--training-address", "localhost:7643", "--enrolment-address", "localhost:7644"]

  private func task(in scratch: Scratch) throws {
    let made = try Program.coordinator.run(["init", "--state", "s", "--name", "shops"] + Self.ports, in: scratch)
    #expect(made.status == 0, "\(made.errors)")
  }

  @Test("An init that is refused leaves no folder behind")
  func refusedInit() throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try Scratch()
    func refused(_ arguments: [String], _ status: Int32, saying words: String) throws {
      try Program.coordinator.run(["init", "--state", "s"] + arguments, in: scratch).expectRefusal(status, saying: words)
      #expect(scratch.names.isEmpty, "\(scratch.names)")
    }
    try refused(["--name", "two words"] + Self.ports, 64, saying: "two words")
    try refused(["--name", "shops", "--authority-days", "0"] + Self.ports, 64, saying: "0 days")
    try refused(["--name", "shops", "--host", "no host"] + Self.ports, 64, saying: "no host")
    try refused(
      ["--name", "shops", "--training-address", "localhost:7643", "--enrolment-address", "localhost:7643"], 64,
      saying: "expected two")
  }

  @Test("A revocation is asked for; an invitation alone is withdrawn; a name that nobody has is refused")
  func revoke() throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try Scratch()
    try task(in: scratch)
    try Program.coordinator.run("revoke", "Gdansk", "--state", "s", "--yes", in: scratch)
      .expectRefusal(66, saying: "nobody of the name 'Gdansk' has enrolled or is invited")
    #expect(try Program.coordinator.run("invite", "Gdansk", "--state", "s", in: scratch).status == 0)
    let withdrawn = try Program.coordinator.run("revoke", "Gdansk", "--state", "s", in: scratch)
    #expect(withdrawn.status == 0 && withdrawn.output.contains("1 invitation withdrawn"), "\(withdrawn.errors)")
  }

  @Test("While a backup is restored no command writes what the restoration would undo, or shows what it is about to replace")
  func besideRestoration() throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try Scratch()
    try task(in: scratch)
    #expect(try Program.coordinator.run("invite", "Gdansk", "--state", "s", in: scratch).status == 0)
    let folder = open(scratch.path("s"), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    defer { close(folder) }
    #expect(flock(folder, LOCK_EX | LOCK_NB) == 0)
    for arguments in [
      ["invite", "Oslo"], ["revoke", "Gdansk", "--yes"], ["rotate"], ["rotate", "--signing-key"], ["plan", "plan.yaml"],
      ["roster"],
      ["status"], ["ledger"], ["report"], ["export", "run"], ["backup", "copy"],
    ] {
      try Program.coordinator.run(arguments + ["--state", "s"], in: scratch)
        .expectRefusal(75, saying: "a backup is being restored into s")
    }
    #expect(!scratch.holds("run") && !scratch.holds("copy"))
    flock(folder, LOCK_UN)
    let roster = try Program.coordinator.run("roster", "--state", "s", in: scratch)
    #expect(roster.output.contains("Gdansk") && !roster.output.contains("Oslo"), "\(roster.output)\(roster.errors)")
  }

  @Test("A plan that is not made touches no file, and its settings file explains itself")
  func plans() throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try Scratch()
    try task(in: scratch)
    try scratch.write("item_id\ttitle\na\tA\nb\tB\n", to: "items.tsv")
    try scratch.write("catalogue: items.tsv\nnominal-users: 30\nmaximum-users: 100\n", to: "plan.yaml")
    try scratch.write("mine", to: "kept.json")
    try Program.coordinator.run("plan", "plan.yaml", "--state", "s", "--output", "kept.json", in: scratch)
      .expectRefusal(73, saying: "kept.json exists")
    try Program.coordinator.run("plan", "plan.yaml", "--state", "s", "--output", "new.json", in: scratch)
      .expectRefusal(78, saying: "no partner is enrolled and active")
    #expect(try scratch.read("kept.json") == "mine" && !scratch.holds("new.json"))
    let both = try Program.coordinator.run("plan", "plan.yaml", "--state", "s", "--dry-run", "--output", "new.json", in: scratch)
    #expect(both.status == 64 && !scratch.holds("new.json"))
    // A setting of serve in a plan is told where it belongs.
    try scratch.write("catalogue: items.tsv\nnominal-users: 30\nmaximum-users: 100\nevery: 24h\n", to: "every.yaml")
    try Program.coordinator.run("plan", "every.yaml", "--state", "s", in: scratch)
      .expectRefusal(78, saying: "\"every\" is a setting of serve")
    try scratch.write("- nonsense\n", to: "list.yaml")
    try Program.coordinator.run("plan", "list.yaml", "--state", "s", in: scratch)
      .expectRefusal(78, saying: "expected lines such as algorithm: mf")
    let sample = try Program.coordinator.run("plan", "--sample", in: scratch)
    #expect(sample.status == 0 && sample.output.contains("of 3 partners all 3"), "\(sample.output)")
    #expect(!sample.output.contains("TACIT_") && !sample.output.contains("--NAME"))
  }

  @Test("Ports come from what partners were told, and check-config looks at the state folder")
  func configuration() throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try Scratch()
    let before = try Program.coordinator.run("check-config", "--state", "s", in: scratch)
    #expect(before.status == 0 && before.errors.contains("tacit-coordinator init makes it"), "\(before.errors)")
    try task(in: scratch)
    let good = try Program.coordinator.run("check-config", "--state", "s", in: scratch)
    #expect(good.status == 0 && good.errors.isEmpty, "\(good.errors)")
    #expect(good.output.contains("listen on 0.0.0.0:7643 for training, 0.0.0.0:7644 for enrolment"), "\(good.output)")
    let other = try Program.coordinator.run("check-config", "--state", "s", "--listen", "0.0.0.0:9000", in: scratch)
    #expect(other.status == 0 && other.errors.contains("partners were told localhost:7643"), "\(other.errors)")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: scratch.path("s"))
    let open = try Program.coordinator.run("check-config", "--state", "s", in: scratch)
    #expect(open.status == 77 && open.errors.contains("chmod 700"), "\(open.errors)")
  }

  @Test("Status and roster say what is next, with the roster's version beside its fingerprint")
  func firstLook() throws {
    guard Program.coordinator.isBuilt else { return }
    let scratch = try Scratch()
    try task(in: scratch)
    let status = try Program.coordinator.run("status", "--state", "s", in: scratch)
    #expect(status.status == 0 && status.output.contains("roster      1, fingerprint "), "\(status.output)")
    #expect(status.output.contains("tacit-coordinator invite NAME"))
    #expect(try Program.coordinator.run("invite", "Lyon", "--state", "s", in: scratch).status == 0)
    let roster = try Program.coordinator.run("roster", "--state", "s", "--json", in: scratch)
    #expect(roster.output.contains("\"expiresAt\" : \"20"), "\(roster.output)")
  }
}
