import Foundation
import Testing

/// `tacit evaluate`, `recommend` and `report` on a finished run.
@Suite(.serialized) struct FinishedRunTests {
  private func object(_ outcome: Program.Outcome) throws -> [String: Any] {
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try #require(outcome.json as? [String: Any])
  }

  @Test("Evaluating a run again gives the table of the run itself")
  func evaluateAgain() throws {
    let scratch = try FinishedRunFixture.copy()
    let again = try object(try Program.tacit.run("evaluate", "first", "--format", "json", in: scratch))
    let report = try object(try Program.tacit.run("report", "first", "--format", "json", in: scratch))
    let utility = try #require(report["utility"] as? [String: Any])
    let table = try #require((utility["quality"] as? [String: Any])?["rows"] as? [[String: Any]])
    let rows = try #require(again["rows"] as? [[String: Any]])
    #expect(rows.count == 5)
    #expect(rows as NSArray == table as NSArray)
    let text = try Program.tacit.run("evaluate", "first", in: scratch)
    #expect(text.output.contains("partner-4"))
    #expect(text.output.contains("P1 HR@10"))
  }

  @Test("Histories of every length are measured by themselves, and their users are all users")
  func byLength() throws {
    let scratch = try FinishedRunFixture.copy()
    let again = try object(try Program.tacit.run("evaluate", "first", "--format", "json", in: scratch))
    let groups = try #require(again["activity"] as? [[String: Any]])
    let users = try groups.map { try #require($0["users"] as? Int) }
    #expect(groups.count > 1 && users.reduce(0, +) == (again["rows"] as? [[String: Any]])?.first?["users"] as? Int)
    #expect(try Program.tacit.run("evaluate", "first", in: scratch).output.contains("histories of "))
  }

  @Test("Quality is drawn by length of history, and of several runs against ε, with the figures that are printed")
  func plots() throws {
    let scratch = try FinishedRunFixture.copy()
    let one = try object(try Program.tacit.run("evaluate", "first", "--plot", "drawn", "--format", "json", in: scratch))
    let paths = try #require(one["drawings"] as? [String])
    #expect(paths.contains("drawn/activity-full-ndcg-10.svg"))
    for path in paths {
      let svg = try String(contentsOfFile: scratch.path(path), encoding: .utf8)
      #expect(svg.hasPrefix("<svg") && svg.contains("histories of "))
    }
    let several = try object(
      try Program.tacit.run("evaluate", "first", "second", "--over-epsilon", "--plot", "drawn", "--format", "json", in: scratch))
    let runs = try #require(several["runs"] as? [[String: Any]])
    #expect(runs.map { $0["run"] as? String } == ["first", "second"])
    let own = try #require((one["rows"] as? [[String: Any]])?.first?["metrics"] as? [[String: Any]])
    #expect(runs[0]["metrics"] as? NSArray == own as NSArray)
    let isAnyPrivate = runs.contains { $0["epsilon"] is Double }
    let drawings = try #require(several["drawings"] as? [String])
    #expect(isAnyPrivate == drawings.contains("drawn/epsilon-full-ndcg-10.svg"))
    for wrong in [
      ["--over-epsilon", "first"], ["--over-epsilon", "--compare", "first", "second"],
      ["--compare", "first", "second", "--plot", "x"],
    ] {
      #expect(try Program.tacit.run(["evaluate"] + wrong, in: scratch).status == 64)
    }
  }

  @Test("Two runs are compared user by user, a run with itself is no better, and other data are refused")
  func compare() throws {
    let scratch = try FinishedRunFixture.copy()
    let alone = try object(try Program.tacit.run("evaluate", "first", "--format", "json", in: scratch))
    let users = try #require((alone["rows"] as? [[String: Any]])?.first?["users"] as? Int)
    func gains(_ first: String, _ second: String) throws -> [[String: Any]] {
      let document = try object(
        try Program.tacit.run("evaluate", "--compare", first, second, "--format", "json", in: scratch))
      let rows = try #require(document["rows"] as? [[String: Any]])
      #expect(rows.count > 6 && rows[0]["users"] as? Int == users)
      return try #require(rows[0]["gains"] as? [[String: Any]])
    }
    let there = try gains("first", "second")
    let back = try gains("second", "first")
    for (one, other) in zip(there, back) {
      let (difference, opposite) = (try #require(one["difference"] as? Double), try #require(other["difference"] as? Double))
      #expect(abs(difference + opposite) < 1e-12)
      let (first, second) = (try #require(one["first"] as? Double), try #require(one["second"] as? Double))
      #expect(abs(second - first - difference) < 1e-9)
    }
    #expect(try gains("first", "first").allSatisfy { $0["difference"] as? Double == 0 && $0["low"] as? Double == 0 })
    #expect(try Program.tacit.run("evaluate", "--compare", "first", "second", in: scratch).output.contains("second − first"))
    for wrong in [["--compare", "first"], ["first", "second"], ["--compare", "first", "second", "--topk", "x.tsv"]] {
      #expect(try Program.tacit.run(["evaluate"] + wrong, in: scratch).status == 64)
    }
    let made = try Program.tacit.run(
      "simulate", "--data", "synthetic", "--partners", "3", "--algorithm", "popularity", "--baselines", "off", "--output",
      "other",
      in: scratch)
    #expect(made.status == 0, "\(made.errors)")
    try Program.tacit.run("evaluate", "--compare", "first", "other", in: scratch).expectRefusal(65, saying: "expected that of")
    // A run on another split of the same data has learnt what the first is judged on.
    let settings = String(decoding: try scratch.bytes("second/settings.json"), as: UTF8.self)
    let other = settings.replacingOccurrences(of: "\"validation\" : true", with: "\"validation\" : false")
    let changed =
      other == settings ? settings.replacingOccurrences(of: "\"validation\" : false", with: "\"validation\" : true") : other
    #expect(changed != settings)
    try scratch.write(changed, to: "second/settings.json")
    for flags in [["--compare"], ["--over-epsilon"]] {
      try Program.tacit.run(["evaluate"] + flags + ["first", "second"], in: scratch).expectRefusal(65, saying: "may have learnt")
    }
  }

  @Test("A model in fewer bytes is measured beside the whole one, and written so that it is read again")
  func compress() throws {
    let scratch = try FinishedRunFixture.copy()
    let document = try object(
      try Program.tacit.run("compress", "first", "--keep", "1,0.5", "--output", "small", "--format", "json", in: scratch))
    let rows = try #require(document["rows"] as? [[String: Any]])
    #expect(rows.map { $0["table"] as? String } == ["float32", "float16", "int8", "float32", "float16", "int8"])
    let bytes = try rows.map { try #require($0["bytes"] as? Int) }
    #expect(bytes[0] > bytes[1] && bytes[1] > bytes[2] && bytes[3] < bytes[0] && rows[3]["itemsKept"] as? Int == 30)
    let whole = try #require(rows[0]["metrics"] as? [[String: Any]])
    #expect(whole.count >= 4 && whole.allSatisfy { $0["difference"] as? Double == 0 })
    let pruned = try #require(rows[3]["metrics"] as? [[String: Any]])
    #expect(pruned.contains { $0["difference"] as? Double != 0 })
    // What was written is a model of this run: put in its place, it is measured as its row says.
    try scratch.remove("first/items.safetensors")
    try scratch.copy(scratch.url.appending(path: "small/items.safetensors"), to: "first/items.safetensors")
    let again = try object(try Program.tacit.run("evaluate", "first", "--format", "json", in: scratch))
    let small = try #require(rows[2]["metrics"] as? [[String: Any]])
    let measured = try #require(((again["rows"] as? [[String: Any]])?.first)?["metrics"] as? [[String: Any]])
    #expect(measured.map { $0["value"] as? Double } == small.map { $0["value"] as? Double })
    #expect(try Program.tacit.run("compress", "first", in: scratch).output.contains("of whole"))
    try Program.tacit.run("compress", "first", "--output", "small", in: scratch).expectRefusal(73, saying: "exists")
    for wrong in [["--keep", "1,0"], ["--keep", ""], ["--table", "int4"]] {
      #expect(try Program.tacit.run(["compress", "first"] + wrong, in: scratch).status == 64)
    }
  }

  @Test("Scores and lists have their headers, one line for each candidate, and no item of the history")
  func exports() throws {
    let scratch = try FinishedRunFixture.copy()
    let outcome = try Program.tacit.run(
      "evaluate", "first", "--scores", "scores.tsv", "--topk", "lists.tsv", "--top", "7", in: scratch)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let scores = try scratch.read("scores.tsv").split(separator: "\n")
    #expect(scores.first == "user\titem\tscore")
    #expect(scores.count > 240)
    let lists = try scratch.read("lists.tsv").split(separator: "\n")
    #expect(lists.first == "user\titem\trank\tscore")
    #expect(lists.dropFirst().allSatisfy { (1...7).contains(Int($0.split(separator: "\t")[2]) ?? 0) })
  }

  @Test("The lists are those that the run wrote")
  func listsAgain() throws {
    let scratch = try FinishedRunFixture.copy()
    #expect(try Program.tacit.run("evaluate", "first", "--topk", "lists.tsv", in: scratch).status == 0)
    #expect(try scratch.bytes("lists.tsv") == scratch.bytes("first/recommendations.tsv"))
  }

  @Test("The independent judge finds the figures of tacit evaluate in the exported files")
  func independentJudge() throws {
    let environment = ProcessInfo.processInfo.environment["TACIT_SHARED"]
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let shared = environment.map { URL(fileURLWithPath: $0) } ?? root.deletingLastPathComponent().appending(path: "shared")
    let judge = shared.appending(path: "tools/eval_topn.py").path
    let data = shared.appending(path: "data/ml-100k").path
    guard FileManager.default.fileExists(atPath: judge), FileManager.default.fileExists(atPath: data) else {
      print("SKIPPED: the independent judge or ml-100k is absent; set TACIT_SHARED to check against it")
      return
    }
    let scratch = try Scratch()
    let run = try Program.tacit.run(
      "simulate", "--data", data, "--algorithm", "covariance", "--noise", "none", "--baselines", "off", "--output", "run",
      in: scratch)
    #expect(run.status == 0, "\(run.errors)")
    let own = try object(
      try Program.tacit.run(
        "evaluate", "run", "--scores", "scores.tsv", "--topk", "lists.tsv", "--format", "json", in: scratch))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "python3", judge, "--data", data, "--scores", scratch.path("scores.tsv"), "--topk", scratch.path("lists.tsv"),
    ]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let verdict = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      print("SKIPPED: python3 cannot run the independent judge here")
      return
    }
    let text = String(decoding: verdict, as: UTF8.self)
    let rows = try #require(own["rows"] as? [[String: Any]])
    let metrics = try #require(rows.first?["metrics"] as? [[String: Any]])
    func value(_ name: String) throws -> Double {
      try #require(metrics.first { $0["metric"] as? String == name }?["value"] as? Double)
    }
    let judged = try #require(try JSONSerialization.jsonObject(with: verdict) as? [String: Any], "\(text)")
    let sampled = try #require(judged["sampled"] as? [String: Any], "\(text)")
    let full = try #require(judged["full"] as? [String: Any], "\(text)")
    #expect(abs(try value("P1 HR@10") - (try #require(sampled["HR@10"] as? Double))) < 2e-4)
    #expect(abs(try value("P1 NDCG@10") - (try #require(sampled["NDCG@10"] as? Double))) < 2e-4)
    #expect(abs(try value("full NDCG@10") - (try #require(full["NDCG@10"] as? Double))) < 2e-4)
  }

  @Test("Data of another catalogue, missing data and data without tests are refused")
  func foreignData() throws {
    let scratch = try FinishedRunFixture.copy()
    let made = try Program.tacit.run(
      "data", "generate", "--users", "90", "--items", "50", "--partners", "3", "--output", "others", in: scratch)
    #expect(made.status == 0)
    try Program.tacit.run("evaluate", "first", "--data", "others", in: scratch)
      .expectRefusal(65, saying: "catalogue of 50 items", "expected the plan's 60 items")
    try Program.tacit.run("recommend", "--run", "first", "--user", "1", "--data", "others", in: scratch)
      .expectRefusal(65, saying: "catalogue")
    try scratch.remove("shops")
    try Program.tacit.run("evaluate", "first", in: scratch).expectRefusal(65, saying: "shops", "--data")
  }

  @Test("Recommendations for a known user come with titles, reasons and without what was asked to be left out")
  func recommend() throws {
    let scratch = try FinishedRunFixture.copy()
    let arguments = ["recommend", "--run", "first", "--user", "3", "--top", "5", "--explain", "--format", "json"]
    let found = try object(try Program.tacit.run(arguments, in: scratch))
    let entries = try #require(found["recommendations"] as? [[String: Any]])
    #expect(entries.count == 5)
    #expect(entries.allSatisfy { $0["title"] is String })
    let reasons = try #require(entries.first?["because"] as? [[String: Any]])
    let shares = reasons.compactMap { $0["share"] as? Double }
    #expect(!shares.isEmpty && shares.allSatisfy { $0 > 0 && $0 <= 1 })
    #expect(shares == shares.sorted(by: >))
    let first = try #require(entries.first?["item"] as? String)
    let others = try object(try Program.tacit.run(arguments + ["--exclude-items", first], in: scratch))
    let left = try #require(others["recommendations"] as? [[String: Any]]).compactMap { $0["item"] as? String }
    #expect(!left.contains(first))
    let text = try Program.tacit.run("recommend", "--run", "first", "--user", "3", "--explain", in: scratch)
    #expect(text.output.contains("because of"))
  }

  @Test("A new user gets recommendations from a history alone, and the same as a known user with that history")
  func coldStart() throws {
    let scratch = try FinishedRunFixture.copy()
    let ids = try scratch.read("first/items.ids.txt").split(separator: "\n").map(String.init)
    try scratch.remove("shops")
    let found = try object(
      try Program.tacit.run(
        "recommend", "--run", "first", "--history", "\(ids[3]),\(ids[8])", "--top", "4", "--format", "json", in: scratch))
    let items = try #require(found["recommendations"] as? [[String: Any]]).compactMap { $0["item"] as? String }
    #expect(items.count == 4)
    #expect(Set(items).isDisjoint(with: [ids[3], ids[8]]))
    #expect(found["historyLength"] as? Int == 2)
  }

  @Test("Unknown users and items are refused with what to do")
  func unknownNames() throws {
    let scratch = try FinishedRunFixture.copy()
    try Program.tacit.run("recommend", "--run", "first", "--user", "nobody", in: scratch)
      .expectRefusal(65, saying: "'nobody'", "--history")
    try Program.tacit.run("recommend", "--run", "first", "--history", "nothing", in: scratch)
      .expectRefusal(65, saying: "'nothing'", "catalogue of 60 items")
    try Program.tacit.run("recommend", "--run", "first", "--user", "3", "--exclude-items", "nothing", in: scratch)
      .expectRefusal(65, saying: "--exclude-items")
    try Program.tacit.run("recommend", "--user", "3", in: scratch).expectRefusal(66, saying: "no finished run under runs/")
    for arguments in [
      ["recommend"], ["recommend", "--user", "1", "--history", "2"], ["recommend", "--user", "1", "--top", "0"],
    ] {
      #expect(try Program.tacit.run(arguments, in: scratch).status == 64)
    }
  }

  @Test("The report is printed again as the run wrote it, in three forms")
  func report() throws {
    let scratch = try FinishedRunFixture.copy()
    #expect(try Program.tacit.run("report", "first", "--format", "html", "--output", "page.html", in: scratch).status == 0)
    #expect(try scratch.bytes("page.html") == scratch.bytes("first/report.html"))
    let json = try Program.tacit.run("report", "first", "--format", "json", in: scratch)
    #expect(Data(json.output.utf8) == (try scratch.bytes("first/report.json")))
    let text = try Program.tacit.run("report", "first", in: scratch)
    #expect(text.output.contains("ε ≤"))
    #expect(try Program.tacit.run("report", "first", "--format", "pdf", in: scratch).status == 64)
  }

  @Test("A folder that is no run, half a run or a damaged one is refused by name")
  func damagedRuns() throws {
    let scratch = try FinishedRunFixture.copy()
    for command in ["evaluate", "report", "verify"] {
      try Program.tacit.run(command, "nowhere", in: scratch).expectRefusal(66, saying: "no run folder nowhere")
    }
    try scratch.write("text", to: "file")
    try Program.tacit.run("report", "file", in: scratch).expectRefusal(66, saying: "expected the folder of a run")
    let report = try scratch.bytes("first/report.json")
    try scratch.write(report.prefix(report.count / 2), to: "first/report.json")
    try Program.tacit.run("report", "first", in: scratch).expectRefusal(
      4, saying: "report.json", "was changed after it was signed")
    let model = try scratch.bytes("first/items.safetensors")
    try scratch.write(model.dropLast(4), to: "first/items.safetensors")
    try Program.tacit.run("evaluate", "first", in: scratch).expectRefusal(65, saying: "items.safetensors")
    try scratch.write(scratch.bytes("second/items.safetensors"), to: "first/items.safetensors")
    try scratch.write("1\n2\n", to: "first/items.ids.txt")
    try Program.tacit.run("evaluate", "first", in: scratch).expectRefusal(65, saying: "items.ids.txt")
    try scratch.write("{}", to: "second/settings.json")
    try Program.tacit.run("evaluate", "second", in: scratch).expectRefusal(65, saying: "settings.json")
    try scratch.remove("second/items.safetensors")
    try scratch.write(
      "{\"data\":\"shops\",\"partners\":\"4\",\"seed\":1,\"validation\":false,\"command\":\"\"}", to: "second/settings.json")
    try Program.tacit.run("recommend", "--run", "second", "--user", "1", in: scratch).expectRefusal(66, saying: "holds no model")
  }

  @Test("Output that cannot be written is an error and not a silence")
  func fullOutput() throws {
    let scratch = try FinishedRunFixture.copy()
    try Program.tacit.run("report", "first", "--output", "no/such/folder.txt", in: scratch)
      .expectRefusal(74, saying: "make the folder first")
    try Program.tacit.run("evaluate", "first", "--scores", "/proc/none", in: scratch).expectRefusal(74, saying: "/proc/none")
  }
}
