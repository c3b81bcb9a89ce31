import Foundation
import Testing

/// `tacit verify` on runs that are whole, damaged, cut or mixed up.
@Suite(.serialized) struct VerifyTests {
  private static let coordinator = "first/ledgers/coordinator.ledger"
  private static let partner = "first/ledgers/partner-partner-2.ledger"

  private struct Verdict {
    let outcome: Program.Outcome
    /// `subject: sentence` of everything that failed.
    let failures: [String]
  }

  private func verify(_ scratch: Scratch, _ folder: String = "first") throws -> Verdict {
    let outcome = try Program.tacit.run("verify", folder, "--format", "json", in: scratch)
    let document = try #require(outcome.json as? [String: Any], "\(outcome.errors)")
    let checks = try #require(document["checks"] as? [[String: String]])
    let failures = checks.filter { $0["verdict"] == "failed" }.map { "\($0["subject"] ?? ""): \($0["sentence"] ?? "")" }
    #expect(document["isSound"] as? Bool == failures.isEmpty)
    #expect(outcome.status == (failures.isEmpty ? 0 : 4))
    #expect(outcome.complaints.count == (failures.isEmpty ? 0 : 1))
    return Verdict(outcome: outcome, failures: failures)
  }

  private func expectFailure(
    _ scratch: Scratch, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let verdict = try verify(scratch)
    for word in words {
      #expect(
        verdict.failures.contains { $0.contains(word) }, "'\(word)' is not in \(verdict.failures)",
        sourceLocation: sourceLocation)
    }
    #expect(!verdict.failures.isEmpty, sourceLocation: sourceLocation)
  }

  @Test("A whole run is sound, and what cannot be seen is told")
  func whole() throws {
    let scratch = try FinishedRunFixture.copy()
    #expect(try verify(scratch).failures.isEmpty)
    let text = try Program.tacit.run("verify", "first", in: scratch)
    #expect(text.output.contains("first is sound."))
    #expect(text.output.contains("partners trust the coordinator"))
    #expect(text.output.contains("do not prove that they were really separate"))
  }

  @Test("A ledger that lost its end is refused, wherever it was cut", arguments: [1, 2, 3, 5, 7])
  func truncated(_ eighths: Int) throws {
    for path in [Self.coordinator, Self.partner] {
      let scratch = try FinishedRunFixture.copy()
      let bytes = try scratch.bytes(path)
      try scratch.write(bytes.prefix(bytes.count * eighths / 8), to: path)
      let verdict = try verify(scratch)
      let name = path.dropFirst("first/".count)
      #expect(verdict.failures.contains { $0.hasPrefix("\(name), line") }, "\(verdict.failures)")
    }
  }

  @Test("A ledger that lost whole records contradicts the others")
  func lostRecords() throws {
    for (path, sentence) in [
      (Self.coordinator, "states the ledger's head"), (Self.coordinator, "missing in the coordinator's ledger"),
      (Self.partner, "only 3 of their ledgers are charged"),
    ] {
      let scratch = try FinishedRunFixture.copy()
      let lines = try scratch.read(path).split(separator: "\n").dropLast(2)
      try scratch.write(lines.map { $0 + "\n" }.joined(), to: path)
      try expectFailure(scratch, sentence)
    }
  }

  @Test("One flipped bit anywhere in a ledger is found, with the line", arguments: 0..<12)
  func flippedBit(_ twelfth: Int) throws {
    let scratch = try FinishedRunFixture.copy()
    var bytes = try scratch.bytes(Self.coordinator)
    let place = bytes.count * twelfth / 12 + 7
    bytes[place] ^= 1 << UInt8(twelfth % 7)
    let line = bytes[..<place].filter { $0 == 10 }.count + 1
    try scratch.write(bytes, to: Self.coordinator)
    let verdict = try verify(scratch)
    #expect(verdict.failures.contains { $0.contains("coordinator.ledger, line \(line)") }, "\(verdict.failures)")
  }

  @Test("A ledger that is missing, empty, garbage, another partner's or another run's is refused by name")
  func foreign() throws {
    let scratch = try FinishedRunFixture.copy()
    let own = try scratch.bytes(Self.partner)
    try scratch.remove(Self.partner)
    try expectFailure(scratch, "partner-partner-2.ledger: is missing", "only 3 of their ledgers")
    for (bytes, sentence) in [
      (Data(), "empty"), (Data("garbage\n".utf8), "line 1"),
      (try scratch.bytes("first/ledgers/partner-partner-1.ledger"), "another holder's"),
      (try scratch.bytes("second/ledgers/partner-partner-2.ledger"), "another holder's"),
    ] {
      try scratch.write(bytes, to: Self.partner)
      try expectFailure(scratch, sentence)
    }
    try scratch.write(own, to: Self.partner)
    try scratch.write(own, to: "first/ledgers/partner-stranger.ledger")
    try expectFailure(scratch, "partner-stranger.ledger: belongs to nobody")
    try scratch.remove("first/ledgers")
    try expectFailure(scratch, "coordinator.ledger: is missing")
  }

  @Test("A plan that was changed is refused: its signature is of other bytes, and every ledger is of another plan")
  func changedPlan() throws {
    let scratch = try FinishedRunFixture.copy()
    let plan = try scratch.read("first/plan.json")
    try scratch.write(
      plan.replacingOccurrences(of: "\"epsilon\" : 8", with: "\"epsilon\" : 9"), to: "first/plan.json")
    try expectFailure(
      scratch, "plan.sig: is not the coordinator's signature", "of another task", "none of the 5 charges",
      "states privacy.cap.epsilon as 8")
    // Less than its releases cost: the plan contradicts itself.
    try scratch.write(
      plan.replacingOccurrences(of: "\"epsilon\" : 8", with: "\"epsilon\" : 3"), to: "first/plan.json")
    try expectFailure(scratch, "expected at most the cap 3")
  }

  @Test("A plan whose ring could wrap is refused by verify and check-plan")
  func wrappingPlan() throws {
    let scratch = try FinishedRunFixture.copy()
    let plan = try scratch.read("first/plan.json")
    let bits = try #require(plan.range(of: #""modulusBits" : [0-9]+"#, options: .regularExpression))
    try scratch.write(plan.replacingCharacters(in: bits, with: "\"modulusBits\" : 12"), to: "first/plan.json")
    try expectFailure(scratch, "a ring of 12 bits wraps")
    if Program.coordinator.isBuilt {
      try Program.coordinator.run("check-plan", "first/plan.json", in: scratch)
        .expectRefusal(78, saying: "a ring of 12 bits wraps")
    }
  }

  @Test(
    "A plan or signature that is empty, cut, of another run or no JSON is refused",
    arguments: [
      ("plan.json", "", "empty"), ("plan.json", "{}", "'formatVersion' is missing"), ("plan.json", "[1,", "cannot be read"),
      ("plan.json", "{\"formatVersion\":\"x\"}", "formatVersion"), ("plan.sig", "", "no signature"),
      ("plan.sig", "zz", "no signature"), ("plan.sig", String(repeating: "0", count: 128), "not the coordinator's signature"),
    ])
  func brokenPlan(_ file: String, _ text: String, _ sentence: String) throws {
    let scratch = try FinishedRunFixture.copy()
    try scratch.write(text, to: "first/\(file)")
    try expectFailure(scratch, sentence)
  }

  @Test("A report that claims a smaller ε, another plan or another ledger is refused")
  func falseReport() throws {
    let pattern = #""epsilonUpper" : [0-9.]+"#
    for (expression, replacement, sentence) in [
      (pattern, "\"epsilonUpper\" : 0.5", "states privacy.guarantees[0].epsilonUpper as 0.5"),
      (#""epsilonAfter" : [0-9.]+"#, "\"epsilonAfter\" : 0.5", "states privacy.ledger.entries[0].epsilonAfter as 0.5"),
      (
        #"(?s)"groups" : \[.*?"epsilon" : [0-9.]+"#,
        "\"groups\" : [ { \"delta\" : 0.000001, \"epsilon\" : 0.5", "states privacy.guarantees[0].groups[0].epsilon as 0.5"
      ),
      (
        #"(?s)"epsilonAtDelta" : \[.*?"epsilon" : [0-9.]+"#,
        "\"epsilonAtDelta\" : [ { \"delta\" : 0.00001, \"epsilon\" : 0.5",
        "states privacy.guarantees[0].epsilonAtDelta[0].epsilon as 0.5"
      ),
      (
        #""truePositiveRateMax" : [0-9.]+"#, "\"truePositiveRateMax\" : 0.002",
        "states privacy.guarantees[0].attack[0].truePositiveRateMax as 0.002"
      ),
      (#""planHash" : "[0-9a-f]+""#, "\"planHash\" : \"00\"", "the plan's hash"),
      (#""head" : "[0-9a-f]+""#, "\"head\" : \"00\"", "states privacy.ledger.head"),
      (#""completed" : [0-9]+"#, "\"completed\" : 1", "states privacy.rounds.completed as 1"),
    ] {
      let scratch = try FinishedRunFixture.copy()
      let report = try scratch.read("first/report.json")
      let range = try #require(report.range(of: expression, options: .regularExpression))
      try scratch.write(report.replacingCharacters(in: range, with: replacement), to: "first/report.json")
      try expectFailure(scratch, sentence)
    }
    let scratch = try FinishedRunFixture.copy()
    try scratch.write(
      try scratch.read("first/report.html").replacingOccurrences(of: "8.00", with: "0.10"), to: "first/report.html")
    try expectFailure(scratch, "report.html: does not say what report.json says")
    try scratch.remove("first/report.json")
    try expectFailure(scratch, "report.json: is missing")
  }

  @Test("The model of another catalogue is refused")
  func foreignModel() throws {
    let scratch = try FinishedRunFixture.copy()
    let ids = try scratch.read("first/items.ids.txt").split(separator: "\n")
    try scratch.write(ids.reversed().map { $0 + "\n" }.joined(), to: "first/items.ids.txt")
    try expectFailure(scratch, "items.ids.txt")
  }

  @Test(
    "Runs of every kind of noise and with dropouts verify",
    arguments: [
      ["--noise", "none"], ["--noise", "distributed", "--partners", "5"], ["--secure-aggregation", "off"],
      ["--dropout", "0.1", "--attempts", "20", "--reserve-attempts", "9", "--partners", "6"],
      ["--algorithm", "covariance"], ["--algorithm", "als", "--noise", "none"],
      ["--algorithm", "item-knn", "--noise", "none", "--set", "block-rows=40"], ["--algorithm", "popularity"],
      ["--insecure-test-randomness"], ["--sampling-rate", "0.3"],
    ])
  func kinds(_ arguments: [String]) throws {
    let scratch = try FinishedRunFixture.copy()
    let run = try Program.tacit.run(
      ["simulate", "--data", "shops", "--rounds", "2", "--baselines", "off", "--output", "third"] + arguments, in: scratch)
    #expect(run.status == 0, "\(run.errors)")
    #expect(try verify(scratch, "third").failures.isEmpty)
    #expect(try Program.tacit.run("evaluate", "third", in: scratch).status == 0)
  }

  @Test("A co-occurrence of which a part lacks a partner is said to be uneven, and no other is")
  func unevenParts() throws {
    let scratch = try FinishedRunFixture.copy()
    var seen: Set<Bool> = []
    for seed in 1...12 where seen.count < 2 {
      let run = try Program.tacit.run(
        [
          "simulate", "--data", "shops", "--algorithm", "item-knn", "--noise", "none", "--set", "block-rows=20",
          "--partners", "6", "--dropout", "0.05", "--attempts", "20", "--seed", "\(seed)", "--baselines", "off", "--output",
          "run\(seed)",
        ], in: scratch)
      guard run.status == 0 else { continue }
      // The counts come first; the parts are the releases after them.
      let outcomes = try scratch.read("run\(seed)/ledgers/coordinator.ledger").split(separator: "\n").compactMap { line in
        try JSONSerialization.jsonObject(with: Data(try #require(line.split(separator: "\t").first).utf8)) as? [String: Any]
      }.filter { $0["kind"] as? String == "outcome" && $0["result"] as? String == "released" && $0["release"] as? Int != 0 }
      let survivors = outcomes.compactMap { $0["survivors"] as? Int }
      #expect(outcomes.count > 1 && survivors.count == outcomes.count)
      let isUneven = survivors.contains { $0 < 6 }
      seen.insert(isUneven)
      let page = try scratch.read("run\(seed)/report.json")
      #expect(page.contains("The co-occurrence of items was released in") == isUneven, "\(page)")
      #expect(!isUneven || page.contains("the least of which holds \(survivors.min() ?? 0) of 6 partners"), "\(page)")
      #expect(try verify(scratch, "run\(seed)").failures.isEmpty)
    }
    #expect(seen.count == 2, "twelve runs were all alike")
  }
}
