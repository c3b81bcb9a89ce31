import Foundation
import Testing

/// What users get wrong, one refusal each: a sentence, an exit code, and no folder that looks like a run.
@Suite(.serialized) struct BadInputTests {
  /// Twelve users with five items each.
  static let goodRows: String = {
    var rows = "user,item,rating,time\n"
    for user in 1...12 { for item in ["a", "b", "c", "d", "e"] { rows += "\(user),\(item),4,\(1000 + user)\n" } }
    return rows
  }()

  private func simulate(_ arguments: String..., in scratch: Scratch) throws -> Program.Outcome {
    try Program.tacit.run(
      ["simulate", "--output", "out", "--baselines", "off", "--rounds", "2"] + arguments, in: scratch)
  }

  @Test(
    "Data that cannot be read are refused with file and line, before anything is made",
    arguments: [
      ("", "expected a header line"),
      ("user,item,time\n", "no rows"),
      ("user,thing\n1,2\n", "a column for the role 'item'"),
      (goodRows + "1,f,good,5\n", "line 62: found 'good', expected a number for the rating"),
      (goodRows + "1,f,nan,5\n", "line 62: found 'nan', expected a number"),
      (goodRows + "1,f,inf,5\n", "line 62: found 'inf', expected a number"),
      (goodRows + "1,f,1e400,5\n", "line 62: found '1e400', expected a number"),
      (goodRows + "1,f,4,-5\n", "line 62: found the time '-5'"),
      (goodRows + "1,f,4,99999999999999999999\n", "expected a time between 1970 and 2100"),
      (goodRows + "1,f,4,soon\n", "line 62"),
      (goodRows + "1,f\n", "line 62: found 2 fields, expected 4"),
      (goodRows + ",f,4,5\n", "line 62: found no user"),
      ("\u{0}\u{1}\u{2}\n\u{0}\u{1}", "expected"),
    ])
  func data(_ text: String, _ sentence: String) throws {
    let scratch = try Scratch()
    try scratch.write(text, to: "events.csv")
    let outcome = try simulate("--data", "events.csv", in: scratch)
    outcome.expectRefusal(65, saying: "events.csv", sentence)
    #expect(scratch.names == ["events.csv"])
  }

  @Test("A file that is missing, cut short, binary, or a folder without data is refused")
  func files() throws {
    let scratch = try Scratch()
    try scratch.write(Data([0xFF, 0xFE, 0x00, 0x0A] + (0..<200).map { UInt8($0) }), to: "binary.csv")
    try FileManager.default.createDirectory(atPath: scratch.path("folder"), withIntermediateDirectories: false)
    // The first bytes of a gzip stream and no more.
    try scratch.write(Data([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0x2B, 0x2D]), to: "cut.csv.gz")
    try simulate("--data", "nowhere.csv", in: scratch).expectRefusal(65, saying: "nowhere.csv", "check the path")
    try simulate("--data", "binary.csv", in: scratch).expectRefusal(65, saying: "binary.csv", "UTF-8")
    try simulate("--data", "cut.csv.gz", in: scratch).expectRefusal(65, saying: "cut.csv.gz", "whole gzip file")
    try simulate("--data", "folder", in: scratch).expectRefusal(65, saying: "without training data")
    #expect(scratch.names == ["binary.csv", "cut.csv.gz", "folder"])
  }

  @Test("Rows that repeat a pair count once, and the run says how many there were")
  func duplicates() throws {
    let scratch = try Scratch()
    let rows = Self.goodRows.split(separator: "\n", maxSplits: 1)[1]
    try scratch.write(Self.goodRows + rows, to: "events.csv")
    let outcome = try simulate("--data", "events.csv", "--partners", "3", "--noise", "none", in: scratch)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("60 rows dropped: rows that repeat a pair"))
  }

  @Test("Items outside a given catalogue are refused with the line, or left out and counted")
  func outsideCatalogue() throws {
    let scratch = try Scratch()
    try scratch.write(Self.goodRows, to: "events.csv")
    try scratch.write("item,title\na,A\nb,B\nc,C\nd,D\n", to: "items.csv")
    let arguments = ["data", "inspect", "events.csv", "--catalogue", "items.csv"]
    let refused = try Program.tacit.run(arguments, in: scratch)
    refused.expectRefusal(65, saying: "line 6", "'e'")
    let counted = try Program.tacit.run(arguments + ["--unknown-items", "ignore"], in: scratch)
    #expect(counted.status == 0)
    #expect(counted.output.contains("Left out: 12"))
  }

  @Test(
    "Bad requests for data are refused with one sentence",
    arguments: [
      (["data", "inspect", "nowhere"], Int32(65), "nowhere"),
      (["data", "import", "nowhere", "--output", "out"], 65, "nowhere"),
      (["data", "import", "events.csv", "--columns", "item=shoe", "--output", "out"], 65, "shoe"),
      (["data", "generate", "--users", "0", "--output", "out"], 65, "0"),
      (["data", "generate", "--users", "5", "--items", "0", "--output", "out"], 65, "0"),
    ])
  func dataCommands(_ arguments: [String], _ status: Int32, _ sentence: String) throws {
    let scratch = try Scratch()
    try scratch.write(Self.goodRows, to: "events.csv")
    try Program.tacit.run(arguments, in: scratch).expectRefusal(status, saying: sentence)
    #expect(scratch.names == ["events.csv"])
  }

  @Test(
    "Settings out of range are refused with what was found and expected",
    arguments: [
      (["--epsilon", "0"], "expected a number above 0"), (["--epsilon=-1"], "expected a number above 0"),
      (["--epsilon", "nan"], "'nan'"), (["--epsilon", "inf"], "'inf'"), (["--epsilon", "abc"], "'abc'"),
      (["--delta", "0"], "below 1"), (["--delta", "1"], "below 1"), (["--delta", "nan"], "below 1"),
      (["--delta", "1e-400"], "above 0"), (["--rounds", "0"], "from 1"), (["--seed=-1"], "0 or larger"),
      (["--noise", "centrall"], "did you mean 'central'?"), (["--algorithm", "covarianse"], "did you mean 'covariance'?"),
      (["--secure-aggregation", "maybe"], "on or off"), (["--dropout", "1"], "below 1"),
      (["--sampling-rate", "0"], "above 0"), (["--nominal-users", "9000000000000000000"], "2^40"),
      (["--attempts", "0"], "1 to 100"), (["--top-n", "0"], "1 to 1000"), (["--half-life=-1"], "above 0"),
      (["--evaluation-share", "0.9"], "0.5"), (["--max-partners-per-user", "6"], "there are 5 partners"),
      (["--partners", "1"], "gives 1 partner"), (["--partners", "0"], "expected a positive number"),
      (["--partners", "by:shoe"], "no column 'shoe'"), (["--partners", "100000"], "no users"),
      (["--partners", "2", "--noise", "none"], "2 partners"), (["--threshold", "9"], "hreshold 9"),
      (["--minimum-partners", "9"], "9"), (["--noise", "distributed", "--colluders", "9"], "9 collude"),
      (["--noise", "distributed", "--secure-aggregation", "off"], "needs secure aggregation"),
      (["--set", "dimension=0"], "dimension is 0"), (["--set", "dimension=2.5"], "whole number"),
      (["--set", "dimension=1e9"], "whole number"), (["--set", "dimensions=8"], "did you mean 'dimension'?"),
      (["--set", "rate=-3"], "above 0"),
    ])
  func settings(_ arguments: [String], _ sentence: String) throws {
    let scratch = try Scratch()
    let outcome = try Program.tacit.run(["simulate", "--output", "out", "--baselines", "off"] + arguments, in: scratch)
    outcome.expectRefusal(78, saying: sentence)
    #expect(scratch.names.isEmpty)
  }

  @Test("An assignment that is none is refused as wrong usage", arguments: ["foo", "dimension=abc", "=", "dimension="])
  func assignments(_ text: String) throws {
    let scratch = try Scratch()
    try Program.tacit.run("simulate", "--set", text, in: scratch).expectRefusal(64, saying: "name=number")
    #expect(scratch.names.isEmpty)
  }

  @Test(
    "A settings file is refused with its name and the nearest known key",
    arguments: [
      ("epsilonn: 3\n", "did you mean 'epsilon'?"), ("epsilon: [3\n", "not valid YAML"), ("", "empty"),
      ("- 3\n", "key: value"), ("epsilon: {a: 3}\n", "single value"), ("epsilon: three\n", "'three'"),
      ("epsilon: 3\nepsilon: 4\n", "not valid YAML"), ("parameters: {dimenson: 3}\n", "did you mean 'dimension'?"),
      ("parameters: 3\n", "mapping"), ("parameters: {dimension: nan}\n", "nan"), ("delta: 1\n", "below 1"),
      ("noise: centre\n", "did you mean 'central'?"),
    ])
  func settingsFile(_ text: String, _ sentence: String) throws {
    let scratch = try Scratch()
    try scratch.write(text, to: "run.yaml")
    let outcome = try Program.tacit.run("simulate", "--config", "run.yaml", "--output", "out", in: scratch)
    outcome.expectRefusal(78, saying: sentence)
    #expect(scratch.names == ["run.yaml"])
  }

  @Test("A settings file that is missing or no text is refused")
  func unreadableSettingsFile() throws {
    let scratch = try Scratch()
    try Program.tacit.run("simulate", "--config", "no.yaml", in: scratch).expectRefusal(66, saying: "no.yaml")
    try scratch.write(Data([0xFF, 0xFE, 0x80]), to: "run.yaml")
    try Program.tacit.run("simulate", "--config", "run.yaml", in: scratch).expectRefusal(78, saying: "UTF-8")
  }

  @Test("An unknown flag is wrong usage, and the nearest one is named")
  func unknownFlag() throws {
    let outcome = try Program.tacit.run("simulate", "--epsilonn", "3", in: try Scratch())
    #expect(outcome.status == 64)
    #expect(outcome.errors.contains("Did you mean '--epsilon'?"))
  }

  @Test("More partners than users leave one without any, which is refused by name")
  func partnerWithoutUsers() throws {
    let scratch = try Scratch()
    try scratch.write(Self.goodRows, to: "events.csv")
    try simulate("--data", "events.csv", "--partners", "12", in: scratch)
      .expectRefusal(78, saying: "partner-", "has no users", "choose fewer")
    #expect(scratch.names == ["events.csv"])
  }

  @Test("A tiny budget on tiny data runs, and stays within the cap")
  func tinyBudget() throws {
    let scratch = try Scratch()
    try scratch.write(Self.goodRows, to: "events.csv")
    let outcome = try simulate(
      "--data", "events.csv", "--partners", "3", "--epsilon", "0.001", "--format", "json", in: scratch)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(outcome.json as? [String: Any])
    let privacy = try #require(report["privacy"] as? [String: Any])
    let guarantee = try #require((privacy["guarantees"] as? [[String: Any]])?.first)
    #expect(try #require(guarantee["epsilonUpper"] as? Double) <= 0.001 * (1 + 1e-9))
  }

  @Test("Partners that all leave end the run before anything is released")
  func everybodyLeaves() throws {
    let scratch = try Scratch()
    let outcome = try simulate("--dropout", "0.99", in: scratch)
    outcome.expectRefusal(3, saying: "nothing was released")
    #expect(scratch.names == ["out.partial"])
    #expect(scratch.holds("out.partial/INTERRUPTED"))
    #expect(!scratch.holds("out.partial/report.json"))
  }

  @Test("A budget that dropped attempts have used up stops the run before the release that would overspend")
  func budgetUsedUp() throws {
    let scratch = try Scratch()
    let outcome = try simulate(
      "--dropout", "0.25", "--attempts", "50", "--partners", "5", "--seed", "4", "--rounds", "8", in: scratch)
    outcome.expectRefusal(3, saying: "would have overspent the privacy budget")
    let folder = scratch.holds("out") ? "out" : "out.partial"
    let verdict = try Program.tacit.run("verify", folder, in: scratch)
    #expect(verdict.status == 0, "\(verdict.output)")
  }

  @Test(
    "A coordinator that lies gets nothing released, and the ledgers stay sound",
    arguments: ["split-survivors", "small-cohort", "forge-key"])
  func lyingCoordinator(_ lie: String) throws {
    let scratch = try Scratch()
    try simulate("--lying-coordinator", lie, in: scratch).expectRefusal(3, saying: "nothing was released")
    #expect(scratch.names == ["out.partial"])
    #expect(try Program.tacit.run("verify", "out.partial", in: scratch).status == 0)
  }
}
