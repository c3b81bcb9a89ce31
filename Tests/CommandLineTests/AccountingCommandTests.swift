import Foundation
import Testing

/// `tacit epsilon` and `tacit calibrate`, as processes.
@Suite struct AccountingCommandTests {
  static let sampled = [
    "epsilon", "--mechanism", "gaussian", "--noise-multiplier", "1", "--sampling", "poisson", "--rate", "0.01", "--rounds",
    "1000",
    "--delta", "1e-6", "--format", "json",
  ]

  @Test("ε is printed with its lower value, accountant and theorem", arguments: ["pld", "rdp", "best"])
  func answer(accountant: String) throws {
    guard Program.tacit.isBuilt else { return }
    let outcome = try Program.tacit.run(
      Self.sampled + ["--adjacency", "add-remove", "--accountant", accountant], in: Scratch())
    let json = try #require(outcome.json as? [String: Any])
    let epsilon = try #require((json["epsilon"] as? NSNumber)?.doubleValue)
    let lower = try #require((json["lower"] as? NSNumber)?.doubleValue)
    #expect(outcome.status == 0)
    #expect(epsilon >= 2.1245 && epsilon < (accountant == "rdp" ? 2.437 : 2.1266) && lower <= 2.1246)
    #expect(
      (json["theorem"] as? String)?.isEmpty == false && json["accountant"] as? String == (accountant == "rdp" ? "rdp" : "pld"))
  }

  @Test(
    "Questions without an answer are refused with a sentence",
    arguments: [
      (Array(sampled), 64, "no --adjacency"), (sampled + ["--adjacency", "zero-out", "--rate", "1.5"], 78, "sampling rate"),
      (
        ["epsilon", "--event", "ShuffledDpEvent()", "--delta", "1e-6", "--adjacency", "add-remove"], 78,
        "ShuffledDpEvent is not covered"
      ),
      (["epsilon", "--noise-multiplier", "0", "--delta", "1e-6", "--adjacency", "add-remove"], 78, "expected a positive number"),
      (["epsilon", "--noise-multiplier", "1", "--delta", "2", "--adjacency", "add-remove"], 78, "δ is 2"),
      (["epsilon", "--rows", "absent.json"], 66, "absent.json cannot be read"),
    ])
  func refusal(arguments: [String], status: Int32, sentence: String) throws {
    guard Program.tacit.isBuilt else { return }
    let outcome = try Program.tacit.run(arguments, in: Scratch())
    #expect(outcome.status == status && outcome.complaints.count == 1)
    #expect(outcome.errors.contains(sentence), "\(outcome.errors)")
  }

  @Test func rowsAreAnsweredLineByLineAndAFailureIsTheExitCode() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let tolerance = "\"tolerance_suggested\": {\"rel\": 0.002, \"abs\": 0.001}"
    try scratch.write(
      """
      {"rows": [
        {"id": "good", "mechanism": "gaussian", "noise_multiplier": 1.0, "sampling": "poisson", "q": 0.01, "steps": 1000, "delta": 1e-6,
         "adjacency": "ADD_OR_REMOVE_ONE", "accountant": "pld_x", "epsilon": 2.124523, \(tolerance)},
        {"id": "odd", "mechanism": "sorcery", "sampling": "none", "delta": 1e-6, "adjacency": "ADD_OR_REMOVE_ONE", "accountant": "pld_x",
         "epsilon": 1.0, \(tolerance)}]}
      """, to: "rows.json")
    let outcome = try Program.tacit.run("epsilon", "--rows", "rows.json", in: scratch)
    let lines = outcome.output.split(separator: "\n")
    #expect(outcome.status == 4 && lines.count == 2)
    #expect(lines[0].contains("\"id\":\"good\"") && lines[0].contains("\"verdict\":\"pass\""))
    #expect(lines[1].contains("\"verdict\":\"fail\"") && lines[1].contains("not covered"))
    #expect(outcome.errors.contains("1 of 2 rows failed"))
  }

  @Test func theNoiseThatIsFoundKeepsTheBudget() throws {
    guard Program.tacit.isBuilt else { return }
    let outcome = try Program.tacit.run(
      "calibrate", "--solve", "noise", "--sampling", "poisson", "--rate", "0.01", "--rounds", "1000", "--epsilon", "2", "--delta",
      "1e-6",
      "--adjacency", "add-remove", "--format", "json", in: Scratch())
    let value = try #require(((outcome.json as? [String: Any])?["value"] as? NSNumber)?.doubleValue)
    #expect(abs(value - 1.0291) < 1e-3)
  }
}
