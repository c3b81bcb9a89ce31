import Foundation
import Testing

/// `tacit audit` as a process.
@Suite struct AuditCommandTests {
  static let small = [
    "audit", "--data", "synthetic:300x60x5", "--rounds", "2", "--canaries", "120", "--guesses", "40", "--epsilon", "2", "--set",
    "rank-one=1", "--insecure-test-randomness", "--output", "run",
  ]

  @Test func anAuditStandsBesideTheProvenBound() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let outcome = try Program.tacit.run(Self.small, in: scratch)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("proven    ε ≤ 2") && outcome.output.contains("consistent with the plan"))
    #expect(outcome.output.contains("never prove one") && !outcome.output.contains("actual"))
    func object(_ path: String) throws -> [String: Any] {
      let data = try Data(contentsOf: scratch.url.appending(path: path))
      return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }
    let audit = try object("run/audit.json")
    #expect((audit["attacks"] as? [Any])?.count == 3 && audit["verdict"] as? String == "consistent")
    let privacy = try #require(try object("run/report.json")["privacy"] as? [String: Any])
    let shown = try #require(privacy["audit"] as? [String: Any])
    #expect((shown["attacks"] as? [Any])?.count == 3 && shown["epsilonProven"] as? Double == audit["epsilonProven"] as? Double)
    let report = try Program.tacit.run("report", "run", in: scratch)
    #expect(report.output.contains("It can refute a bound, never prove one"))
    #expect(try Program.tacit.run("verify", "run", in: scratch).status == 0)
  }

  @Test(
    "A fault is found, and is the exit code",
    arguments: [
      ("half-sigma", "residual", ["--method", "residual"]), ("missing-clip", "one-shot", []),
      ("reused-seed", "residual", ["--noise", "distributed"]), ("missing-share", "residual", ["--noise", "distributed"]),
    ] as [(String, String, [String])])
  func found(fault: String, method: String, options: [String]) throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let outcome = try Program.tacit.run(Self.small + ["--fault", fault, "--format", "json"] + options, in: scratch)
    #expect(outcome.status == 4 && outcome.errors.contains("the audit contradicts the plan"), "\(outcome.errors)")
    let json = try #require(outcome.json as? [String: Any])
    #expect(json["verdict"] as? String == "contradicted" && json["injectedFault"] as? String == fault)
    let attacks = try #require(json["attacks"] as? [[String: Any]])
    #expect(attacks.contains { $0["method"] as? String == method && $0["verdict"] as? String == "contradicted" })
    // Whoever reads one page reads it too, and that it was put in; whoever verifies the run is told.
    let page = try Program.tacit.run("report", "run", "--one-page", in: scratch).output.split(whereSeparator: \.isWhitespace)
      .joined(separator: " ")
    #expect(page.contains("CONTRADICTS THE PLAN") && page.contains("put in on purpose: \(fault)"), "\(page)")
    let verdict = try Program.tacit.run("verify", "run", in: scratch)
    #expect(verdict.status == 0 && verdict.output.contains("The audit contradicts the plan"), "\(verdict.output)")
    #expect(verdict.output.contains("is sound as a record, BUT AN AUDIT CONTRADICTS ITS PLAN"), "\(verdict.output)")
    let machine = try Program.tacit.run("verify", "run", "--format", "json", in: scratch).json as? [String: Any]
    #expect(machine?["isContradicted"] as? Bool == true && machine?["isSound"] as? Bool == false)
    let own = try Program.tacit.run("report", "run", "--partner", "partner-3", "--one-page", in: scratch).output
      .split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(own.contains("CONTRADICTS THE PLAN") && own.contains("An audit contradicts the plan"), "\(own)")
  }

  @Test(
    "What cannot be audited is refused with a sentence, and leaves nothing",
    arguments: [
      (["--canaries", "1000"], 78, "1000 canaries among 300 users"),
      (["--guesses", "121"], 78, "121 guesses about 120 canaries"),
      (["--delta", "1.5"], 78, "above 0 and below 1"), (["--noise", "none"], 78, "nothing to audit"),
      (["--confidence", "1"], 78, "the confidence is 1"), (["--method", "guessing"], 64, "guessing"),
      (["--fault", "missing-share"], 78, "expected --noise distributed"), (["--canaries", "nan"], 64, "nan"),
    ] as [([String], Int32, String)])
  func refusal(arguments: [String], status: Int32, sentence: String) throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    // The last value of an option counts.
    let outcome = try Program.tacit.run(Self.small + arguments, in: scratch)
    #expect(outcome.status == status && outcome.errors.contains(sentence), "\(outcome.status): \(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "run.partial").path))
  }
}
