import Foundation
import Testing

/// What `tacit-coordinator` and `tacit-client` can do in this version, and the honest refusal of the rest.
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

  @Test("A sound plan is described in words")
  func soundPlan() throws {
    let scratch = try FinishedRunFixture.copy()
    if Program.coordinator.isBuilt {
      let checked = try Program.coordinator.run("check-plan", "first/plan.json", in: scratch)
      #expect(checked.status == 0, "\(checked.errors)")
      #expect(checked.output.contains("4 partners") && checked.output.contains("ε = 8"))
    }
    if Program.client.isBuilt {
      let reviewed = try Program.client.run("review", "first/plan.json", in: scratch)
      #expect(reviewed.status == 0, "\(reviewed.errors)")
      #expect(reviewed.output.contains("partner-3") && reviewed.output.contains("The coordinator adds the noise"))
    }
  }

  @Test("Serving and joining are refused with exit code 69 and one sentence")
  func networkIsRefused() throws {
    let scratch = try FinishedRunFixture.copy()
    for (program, command) in [(Program.coordinator, "serve"), (.client, "run")] where program.isBuilt {
      try program.run(command, "first/plan.json", in: scratch).expectRefusal(69, saying: "no network transport yet")
    }
  }

  @Test(
    "Plans that are missing, empty, cut or contradictory are refused with one sentence",
    arguments: [(Program.coordinator, ["check-plan", "serve"]), (.client, ["review", "run"])])
  func badPlans(_ program: Program, _ commands: [String]) throws {
    guard program.isBuilt else { return }
    let scratch = try FinishedRunFixture.copy()
    let plan = try scratch.read("first/plan.json")
    try scratch.write("", to: "empty.json")
    try scratch.write(String(plan.prefix(plan.count / 2)), to: "cut.json")
    try scratch.write(plan.replacingOccurrences(of: "\"epsilon\" : 8", with: "\"epsilon\" : -8"), to: "negative.json")
    try scratch.write(plan.replacingOccurrences(of: "\"delta\" : 1e-06", with: "\"delta\" : 1"), to: "delta.json")
    for command in commands {
      try program.run(command, "nowhere.json", in: scratch).expectRefusal(66, saying: "no such file")
      try program.run(command, "empty.json", in: scratch).expectRefusal(78, saying: "empty")
      try program.run(command, "cut.json", in: scratch).expectRefusal(78, saying: "cannot be read")
      try program.run(command, "negative.json", in: scratch).expectRefusal(78, saying: "ε is -8.0")
      try program.run(command, "delta.json", in: scratch).expectRefusal(78, saying: "δ is 1.0")
    }
  }
}
