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
    #expect(outcome.status == 0 && Set(json.keys) == ["epsilon", "lower", "accountant", "theorem"])
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
      (
        ["epsilon", "--mechanism", "gausian", "--noise-multiplier", "1", "--delta", "1e-6", "--adjacency", "add-remove"], 64,
        "did you mean 'gaussian'?"
      ),
      (sampled + ["--adjacency", "add-remov"], 64, "did you mean 'add-remove'?"),
      (sampled + ["--adjacency", "add-remove", "--accountant", "rdpp"], 64, "did you mean 'rdp'?"),
      (sampled + ["--adjacency", "add-remove", "--sampling", "poison"], 64, "did you mean 'poisson'?"),
      (
        ["epsilon", "--noise-multiplier", "-1", "--delta", "1e-6", "--adjacency", "add-remove"], 78,
        "is -1.0; expected a positive"
      ),
      (
        ["epsilon", "--noise-multiplier", "nan", "--delta", "1e-6", "--adjacency", "add-remove"], 78,
        "is nan; expected a positive"
      ),
      (["epsilon", "--noise-multiplier", "1", "--delta", "-1e-6", "--adjacency", "add-remove"], 78, "δ is -1e-06"),
      (sampled + ["--adjacency", "add-remove", "--rounds", "9223372036854775807"], 78, "more than 1099511627776 releases"),
      (
        [
          "epsilon", "--mechanism", "adaptive-clipping", "--noise-multiplier", "3", "--count-noise", "1", "--delta", "1e-6",
          "--adjacency", "add-remove",
        ], 78, "alone costs more than z = 3.0 allows"
      ),
      (
        ["calibrate", "--solve", "nois", "--epsilon", "2", "--delta", "1e-6", "--adjacency", "add-remove"], 64,
        "did you mean 'noise'?"
      ),
      (["calibrate", "--solve", "noise", "--epsilon", "2", "--delta", "1e-6"], 64, "no --adjacency"),
      (["calibrate", "--solve", "noise", "--epsilon", "-2", "--delta", "1e-6", "--adjacency", "add-remove"], 78, "-2"),
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

  @Test func aRowThatCannotBeReadFailsByItselfAndSaysWhy() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let gaussian =
      "\"mechanism\": \"gaussian\", \"noise_multiplier\": 1, \"delta\": 1e-5, \"accountant\": \"analytic_gaussian_exact\""
    try scratch.write(
      """
      {"rows": [5, {"id": "none"}, {"id": "bare", \(gaussian), "epsilon": 4.377178},
        {"id": "good", \(gaussian), "epsilon": 4.377178, "adjacency": "ADD_OR_REMOVE_ONE"},
        {"id": "low", \(gaussian), "epsilon": 5, "adjacency": "ADD_OR_REMOVE_ONE"}]}
      """, to: "rows.json")
    let outcome = try Program.tacit.run("epsilon", "--rows", "rows.json", in: scratch)
    let lines = try outcome.output.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(outcome.status == 4 && outcome.errors.contains("4 of 5 rows failed"))
    #expect(lines.map { $0["id"] as? String } == ["row 1", "none", "bare", "good", "low"])
    #expect(lines.map { $0["verdict"] as? String } == ["fail", "fail", "fail", "pass", "fail"])
    let reasons = lines.map { $0["reason"] as? String ?? "" }
    #expect(reasons[0].contains("no object") && reasons[1].contains("no mechanism") && reasons[2].contains("adjacency"))
    #expect(reasons[3].isEmpty && reasons[4].contains("below"))
    for line in lines { #expect(Set(line.keys).isSubset(of: ["id", "value", "verdict", "reason"])) }
  }

  @Test func adaptiveClippingCostsItsTotalMultiplier() throws {
    guard Program.tacit.isBuilt else { return }
    func epsilon(_ mechanism: [String]) throws -> Double {
      let outcome = try Program.tacit.run(
        ["epsilon", "--mechanism"] + mechanism + [
          "--noise-multiplier", "2", "--rounds", "10", "--delta", "1e-6", "--adjacency", "add-remove", "--format", "json",
        ],
        in: Scratch())
      return try #require(((outcome.json as? [String: Any])?["epsilon"] as? NSNumber)?.doubleValue)
    }
    #expect(try epsilon(["adaptive-clipping", "--count-noise", "20"]) == epsilon(["gaussian"]))
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
