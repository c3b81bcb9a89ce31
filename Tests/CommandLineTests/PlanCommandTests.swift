import Foundation
import Testing

/// `tacit plan`, as a process.
@Suite struct PlanCommandTests {
  private static let usual = ["plan", "--target-epsilon", "4", "--users", "10000", "--partners", "7", "--items", "600"]

  private func answer(_ arguments: [String], in scratch: Scratch? = nil) throws -> [String: Any] {
    let outcome = try Program.tacit.run(arguments + ["--format", "json"], in: try scratch ?? Scratch())
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try #require(outcome.json as? [String: Any])
  }

  private func number(_ answer: [String: Any], _ key: String) throws -> Double {
    try #require((answer[key] as? NSNumber)?.doubleValue)
  }

  @Test("A plan's noise keeps the cap, is in integers, and N/z is that of a simulation with the same settings")
  func noise() throws {
    guard Program.tacit.isBuilt else { return }
    let answer = try answer(Self.usual + ["--evaluation-share", "0"])
    let planned = try number(answer, "epsilonPlanned")
    #expect(planned <= 4 && planned > 3.9)
    // ε = 4 at δ = 1e-6 takes z = 1.194 (analytic Gaussian).
    #expect(abs(try number(answer, "noiseMultiplier") - 1.1935) < 0.003)
    #expect(abs(try number(answer, "usersOverNoise") - 8379) < 20)
    let releases = try #require(answer["releases"] as? [[String: Any]])
    #expect(releases.map { $0["name"] as? String } == ["item counts", "item gradients"])
    for release in releases {
      #expect(try number(release, "sigmaSquared") >= 4096 && (try number(release, "shareVariance")) >= 8)
      let items = try #require(release["items"] as? [String: Any])
      #expect(try number(items, "signalOfFirst") > number(items, "signalOfMiddle"))
      #expect((0...1).contains(try number(items, "drowned")))
    }
    let quality = try number(answer, "predictedQuality")
    #expect(quality > 0.8 && quality < 1)
  }

  @Test("The other direction gives back what was put in")
  func inverse() throws {
    guard Program.tacit.isBuilt else { return }
    let z = try number(try answer(Self.usual + ["--evaluation-share", "0"]), "noiseMultiplier")
    let back = try answer(
      ["plan", "--target-sigma", "\(z)", "--users", "10000", "--partners", "7", "--items", "600", "--evaluation-share", "0"])
    #expect(abs(try number(back, "epsilonCap") - 4) < 0.01)
    let fewest = try answer(["plan", "--target-epsilon", "4", "--quality", "0.85", "--partners", "7", "--items", "600"])
    #expect(try number(fewest, "predictedQuality") >= 0.849)
    let fewer = Int(try number(fewest, "users") * 0.8)
    let less = try answer(["plan", "--target-epsilon", "4", "--users", "\(fewer)", "--partners", "7", "--items", "600"])
    #expect(try number(less, "predictedQuality") < 0.85)
  }

  @Test(
    "Warnings name what is wrong with a budget",
    arguments: [
      (["--delta", "1e-3"], "is not below 1/N"), (["--target-epsilon", "12"], "above 10"),
      (["--rate", "0.05"], "expects 500 users"),
      (["--target-epsilon", "0.1", "--zipf", "1.2"], "drown in noise"),
      (["--noise", "central"], "partners trust the coordinator"), (["--algorithm", "item-knn"], "rank better under noise"),
      (["--colluders", "6", "--minimum-survivors", "7", "--threshold", "7"], "one honest partner adds all the noise"),
    ])
  func warning(arguments: [String], words: String) throws {
    guard Program.tacit.isBuilt else { return }
    var all = Self.usual
    if let first = arguments.first, let place = all.firstIndex(of: first) { all.removeSubrange(place...place + 1) }
    let warnings = try #require(try answer(all + arguments)["warnings"] as? [String])
    #expect(warnings.contains { $0.contains(words) }, "\(warnings)")
    let usual = try #require(try answer(Self.usual)["warnings"] as? [String])
    #expect(!usual.contains { $0.contains(words) })
  }

  @Test("Outside of what was measured nothing is predicted")
  func honest() throws {
    guard Program.tacit.isBuilt else { return }
    for more in [["--users", "100"], ["--users", "90000000"], ["--items", "100000", "--users", "10000"]] {
      var all = ["plan", "--target-epsilon", "4", "--partners", "7"] + more
      if !more.contains("--items") { all += ["--items", "600"] }
      let answer = try answer(all)
      #expect(answer["predictedQuality"] == nil && (answer["prediction"] as? String)?.contains("measured") == true)
    }
    let outcome = try Program.tacit.run(
      ["plan", "--target-epsilon", "4", "--quality", "0.9999", "--partners", "7", "--algorithm", "als", "--items", "600"],
      in: Scratch())
    #expect(outcome.status == 78 && outcome.complaints.count == 1 && outcome.errors.contains("no measured N/z"))
  }

  @Test(
    "Questions without an answer are refused with a sentence",
    arguments: [
      (["plan", "--users", "100", "--partners", "5"], 64, "found neither"),
      (usual + ["--target-sigma", "1"], 64, "found both"), (usual + ["--delta", "1"], 64, "--delta is 1.0"),
      (usual + ["--colluders", "3"], 78, "expected at most 2t − n − 1"), (usual + ["--rate", "0"], 64, "--rate is 0.0"),
      (["plan", "--target-epsilon", "1", "--users", "100", "--partners", "2"], 78, "2 partners"),
      (usual + ["--algorithm", "mff"], 64, "'mf'"), (usual + ["--popularity", "absent.txt"], 66, "absent.txt"),
      (["plan", "--target-sigma", "1e9", "--users", "100", "--partners", "5"], 78, "no ε between"),
      (["plan", "--target-epsilon", "-1", "--users", "100", "--partners", "5"], 64, "target-epsilon"),
    ])
  func refusal(arguments: [String], status: Int32, sentence: String) throws {
    guard Program.tacit.isBuilt else { return }
    let outcome = try Program.tacit.run(arguments, in: Scratch())
    #expect(outcome.status == status && outcome.errors.contains(sentence), "\(outcome.status) \(outcome.errors)")
  }

  @Test("Parameters are counted: tables in fewer bits are fewer bytes down, and a longer row is a longer release")
  func parameters() throws {
    guard Program.tacit.isBuilt else { return }
    func costs(_ bits: Int, _ dimension: Int = 16) throws -> (down: Double, entries: Double) {
      let answer = try answer(Self.usual + ["--set", "dimension=\(dimension)", "--set", "table-bits=\(bits)"])
      #expect(answer["predictedQuality"] == nil)
      let releases = try #require(answer["releases"] as? [[String: Any]])
      return (
        try number(try #require(answer["costs"] as? [String: Any]), "bytesDownPerRound"),
        try number(try #require(releases.first { $0["name"] as? String == "item gradients" }), "dimension")
      )
    }
    let whole = try costs(32)
    // 600 rows of 16 entries: 4 bytes, 2 bytes, or 1 byte and 4 for each row's scale.
    #expect(whole.down - (try costs(16).down) == 600 * 16 * 2)
    #expect(whole.down - (try costs(8).down) == 600 * (16 * 3 - 4))
    #expect(try costs(32, 32).entries > whole.entries)
    for (set, status, sentence) in [
      ("dimensions=16", Int32(78), "dimension"), ("table-bits=9", 78, "8, 16 or 32"), ("dimension", 64, "name=number"),
      ("ridge=2", 64, "twice"), ("rounds=1e6", 64, "1 to 100,000"), ("rounds=2.5", 64, "a whole number"),
    ] {
      let refused = try Program.tacit.run(Self.usual + ["--set", "ridge=1", "--set", set], in: Scratch())
      #expect(refused.status == status && refused.errors.contains(sentence), "\(refused.status) \(refused.errors)")
    }
    let unmeasured = try Program.tacit.run(
      ["plan", "--target-epsilon", "4", "--quality", "0.85", "--partners", "7", "--items", "600", "--set", "dimension=16"],
      in: Scratch())
    #expect(unmeasured.status == 78 && unmeasured.errors.contains("ask without --set"), "\(unmeasured.errors)")
  }

  @Test("The plan file that is written is tried by a simulation with the same noise, and is not replaced unasked")
  func planFile() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let arguments = [
      "plan", "--target-epsilon", "4", "--users", "300", "--partners", "4", "--items", "60", "--rounds", "2", "--output",
      "plan.yaml",
    ]
    #expect(try Program.tacit.run(arguments + ["--set", "dimension=6", "--set", "ridge=0.00001"], in: scratch).status == 0)
    #expect(try Program.tacit.run(arguments, in: scratch).status == 73)
    let tried = try Program.tacit.run(
      "simulate", "--plan", "plan.yaml", "--data", "synthetic:300x60x4", "--partners", "4", "--baselines", "off", "--output",
      "tried", in: scratch)
    #expect(tried.status == 0, "\(tried.errors)")
    let triedPlan = try #require(try JSONSerialization.jsonObject(with: scratch.bytes("tried/plan.json")) as? [String: Any])
    let algorithm = try #require(triedPlan["algorithm"] as? [String: Any])
    let parameters = try #require(algorithm["parameters"] as? [String: Any])
    #expect(try number(parameters, "dimension") == 6 && number(parameters, "ridge") == 0.00001, "\(parameters)")
    #expect(try Program.tacit.run(arguments + ["--force"], in: scratch).status == 0)
    let run = try Program.tacit.run(
      "simulate", "--plan", "plan.yaml", "--data", "synthetic:300x60x4", "--partners", "4", "--baselines", "off", "--output",
      "run",
      "--format", "json", in: scratch)
    #expect(run.status == 0, "\(run.errors)")
    let plan = try #require(try JSONSerialization.jsonObject(with: scratch.bytes("run/plan.json")) as? [String: Any])
    let privacy = try #require(plan["privacy"] as? [String: Any])
    #expect(
      try number(privacy, "epsilon") == 4 && number(privacy, "nominalUsers") == 300
        && privacy["noise"] as? String == "distributed")
    // What a plan does not say is what the coordinator takes, not what a simulation without a plan does.
    try scratch.write("algorithm: popularity\nepsilon: 4\nnominal-users: 300\n", to: "short.yaml")
    let short = try Program.tacit.run(
      "simulate", "--plan", "short.yaml", "--data", "synthetic:300x60x4", "--partners", "4", "--baselines", "off", "--output",
      "short", in: scratch)
    #expect(short.status == 0, "\(short.errors)")
    let shortPlan = try #require(try JSONSerialization.jsonObject(with: scratch.bytes("short/plan.json")) as? [String: Any])
    #expect((shortPlan["privacy"] as? [String: Any])?["noise"] as? String == "distributed", "\(shortPlan)")
    try scratch.write("epsilom: 3\n", to: "bad.yaml")
    let bad = try Program.tacit.run("simulate", "--plan", "bad.yaml", in: scratch)
    #expect(bad.status == 78 && bad.errors.contains("did you mean 'epsilon'"))
  }

  @Test("A plan's item features are a simulation's: names, or files beside the plan, and nothing else")
  func planFeatures() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    try FileManager.default.createDirectory(at: scratch.url.appending(path: "plans"), withIntermediateDirectories: false)
    let plan = "algorithm: two-tower\nrounds: 1\nnoise: none\nnominal-users: 80\nitem-features: "
    func tried(_ sources: String, _ number: Int) throws -> Program.Outcome {
      try scratch.write(plan + sources + "\n", to: "plans/\(number).yaml")
      return try Program.tacit.run(
        "simulate", "--plan", "plans/\(number).yaml", "--data", "synthetic:80x30x3", "--partners", "3", "--baselines", "off",
        "--set", "dimension=4", "--output", "run-\(number)", in: scratch)
    }
    for (number, sources) in ["[attributes, text]", "attributes,text"].enumerated() {
      let run = try tried(sources, number)
      #expect(run.status == 0, "\(run.errors)")
    }
    let features = try scratch.bytes("run-0/item-features.npy")
    #expect(try features == scratch.bytes("run-1/item-features.npy"))
    try features.write(to: scratch.url.appending(path: "plans/made.npy"))
    let fromFile = try tried("[made.npy]", 2)
    #expect(fromFile.status == 0, "\(fromFile.errors)")
    for (number, sources) in ["[[text], attributes]", "[]", "{text: 1}"].enumerated() {
      let refused = try tried(sources, 3 + number)
      #expect(refused.status == 78 && refused.errors.contains("item-features"), "\(refused.status) \(refused.errors)")
    }
  }

  @Test("A run over a drawn graph verifies, its report names the holders, and a cut-down witness list is refused")
  func drawnRun() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    try scratch.write(
      "graph: drawn\nminimum-partners: 7\nnominal-users: 80\nnoise: none\nalgorithm: popularity\n", to: "plan.yaml")
    let run = try Program.tacit.run(
      "simulate", "--plan", "plan.yaml", "--data", "synthetic:80x20x8", "--partners", "8", "--baselines", "off", "--output",
      "run",
      in: scratch)
    #expect(run.status == 0, "\(run.errors)")
    let plan = try #require(try JSONSerialization.jsonObject(with: scratch.bytes("run/plan.json")) as? [String: Any])
    let graph = (plan["aggregation"] as? [String: Any])?["graph"] as? [String: Int]
    #expect(graph == ["holders": 5, "maskDraws": 5])
    let verdict = try Program.tacit.run("verify", "run", in: scratch)
    #expect(verdict.status == 0 && verdict.output.contains("countersigned by at least 5 of 8"), "\(verdict.output)")
    let report = try Program.tacit.run("report", "run", in: scratch)
    #expect(report.status == 0 && report.output.contains("4 of the 5 that each partner draws"), "\(report.output)")
    // Four signatures convince their dealer, and nobody else.
    let path = "run/ledgers/coordinator.witnesses"
    let line = try #require(String(decoding: try scratch.bytes(path), as: UTF8.self).split(separator: "\n").first)
    var witness = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    let signatures = try #require(witness["signatures"] as? [Any])
    #expect(signatures.count == 8)
    witness["signatures"] = Array(signatures.prefix(4))
    let cut = try JSONSerialization.data(withJSONObject: witness, options: [.sortedKeys, .withoutEscapingSlashes])
    try scratch.write(String(decoding: cut, as: UTF8.self) + "\n", to: path)
    let refused = try Program.tacit.run("verify", "run", in: scratch)
    #expect(refused.status == 4 && (refused.output + refused.errors).contains("holds 4 valid signatures"), "\(refused.output)")
  }

  @Test("With many partners a plan draws its graph as the coordinator would, says what it costs, and writes it into its file")
  func graph() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    func plan(_ partners: Int, _ more: [String] = []) throws -> [String: Any] {
      try answer(
        [
          "plan", "--target-epsilon", "4", "--users", "10000", "--items", "100", "--partners", "\(partners)", "--force",
          "--output", "p",
        ]
          + more, in: scratch)
    }
    #expect(try plan(7)["graph"] == nil)
    let drawn = try plan(100)
    #expect(drawn["graph"] as? [String: Int] == ["holders": 31, "maskDraws": 20])
    #expect(try number(drawn, "threshold") == 21 && number(drawn, "colluders") == 10 && number(drawn, "minimumSurvivors") == 90)
    #expect(try String(decoding: scratch.bytes("p"), as: UTF8.self).contains("graph: auto\n"))
    let complete = try plan(100, ["--graph", "complete"])
    #expect(try complete["graph"] == nil && number(complete, "threshold") == 67)
    #expect(try String(decoding: scratch.bytes("p"), as: UTF8.self).contains("graph: complete\n"))
    // A threshold that is given is the complete graph's.
    #expect(try plan(100, ["--threshold", "70"])["graph"] == nil)
    for key in ["bytesUpPerRound", "bytesDownPerRound", "partnerSeconds", "coordinatorSeconds"] {
      let costs = try [drawn, complete].map { try number(#require($0["costs"] as? [String: Any]), key) }
      #expect(costs[0] < costs[1], "\(key): \(costs)")
    }
    let text = try Program.tacit.run(
      ["plan", "--target-epsilon", "4", "--users", "10000", "--partners", "100", "--items", "100"], in: scratch)
    #expect(text.output.contains("k = 31 holders, t = 21 of them open a secret; masks with the first m = 20"))
    let refused = try Program.tacit.run(
      ["plan", "--target-epsilon", "4", "--users", "10000", "--partners", "100", "--graph", "ring"], in: scratch)
    #expect(refused.status == 64 && refused.errors.contains("complete, drawn, auto"))
  }

  @Test("Every algorithm's parameters are listed with their defaults, which resolve as the plan has them")
  func listedParameters() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let listed = try Program.tacit.run(["parameters", "--format", "json", "--items", "600"], in: scratch).output
    let object = try JSONSerialization.jsonObject(with: Data(listed.utf8))
    let rows = try #require(object as? [[String: Any]])
    #expect(Set(rows.compactMap { $0["algorithm"] as? String }).isSuperset(of: ["mf", "als", "covariance", "sasrec", "cnn"]))
    let isDimension = { (row: [String: Any]) in row["algorithm"] as? String == "mf" && row["parameter"] as? String == "dimension"
    }
    let rank = try #require(rows.first(where: isDimension))
    #expect(rank["withoutNoise"] as? Double == 64 && rank["withNoise"] as? Double == 16)
    let text = try Program.tacit.run(["parameters", "als", "--users-over-noise", "5"], in: scratch).output
    #expect(text.contains("unobserved-weight") && !text.contains("head-size") && text.contains("N/z = 5"))
    for wrong in [["als2"], ["als", "--items", "0"], ["als", "--users-over-noise", "nan"]] {
      let status = try Program.tacit.run(["parameters"] + wrong, in: scratch).status
      #expect(status == 64, "\(wrong)")
    }
  }

  @Test("A public list of sales takes the place of the made-up popularity")
  func popularityList() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    try scratch.write("item,sales\n" + (1...600).map { "i\($0),\($0 <= 3 ? 1_000_000 : 0)\n" }.joined(), to: "sales.csv")
    let answer = try answer(Self.usual + ["--popularity", "sales.csv"], in: scratch)
    let releases = try #require(answer["releases"] as? [[String: Any]])
    let items = try #require(releases[0]["items"] as? [String: Any])
    #expect(abs(try number(items, "drowned") - 597.0 / 600) < 1e-9)
    try scratch.write("1\n2\n", to: "short.csv")
    let short = try Program.tacit.run(Self.usual + ["--popularity", "short.csv"], in: scratch)
    #expect(short.status == 78 && short.errors.contains("found 2 numbers, expected one for each of 600 items"))
  }
}
