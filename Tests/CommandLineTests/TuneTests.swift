import Foundation
import Testing

/// `tacit tune`: every try is charged to the same ledgers, and chosen by what was released.
@Suite struct TuneTests {
  private static let settings = [
    "tune", "--data", "synthetic:3000x80x3", "--partners", "3", "--algorithm", "als", "--rounds", "2", "--epsilon", "1",
    "--evaluation-share", "0.4", "--format", "json",
  ]

  @Test func `Tries are counted by the ledgers, chosen by their evaluation releases, and the command that follows fits the cap`()
    throws
  {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let more = ["--vary", "dimension=4,16", "--ledgers", "kept", "--output", "search"]
    // Two tries fit, and the run after them does not: nothing is spent.
    let short = try Program.tacit.run(Self.settings + more + ["--cap", "1.6,1e-6"], in: scratch)
    #expect(short.status == 64 && short.complaints.last?.contains("the run after them need") == true, "\(short.errors)")
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: scratch.url.appending(path: "kept").path).filter {
        $0.hasSuffix("ledger")
      } == [])
    let search = try Program.tacit.run(Self.settings + more + ["--cap", "2.5,1e-6"], in: scratch)
    #expect(search.status == 0, "\(search.errors)")
    let document = try #require(search.json as? [String: Any])
    let tries = try #require(document["tries"] as? [[String: Any]])
    #expect(tries.map { ($0["parameters"] as? [String: Double])?["dimension"] } == [4, 16])
    let spent = tries.compactMap { $0["epsilonSpent"] as? Double }
    #expect(spent.count == 2 && spent[0] <= 1.001 && spent[1] > 1.2 && spent[1] < 2)
    // What chose stands in the reports, which are checked against the ledgers.
    for (index, one) in tries.enumerated() {
      let path = try #require(one["run"] as? String)
      let report = try JSONSerialization.jsonObject(with: Data(contentsOf: scratch.url.appending(path: "\(path)/report.json")))
      let released = ((report as? [String: Any])?["utility"] as? [String: Any])?["released"] as? [[String: Any]]
      let metrics = (released?.last?["rows"] as? [[String: Any]])?.first?["metrics"] as? [[String: Any]]
      let value = metrics?.first { $0["metric"] as? String == "full NDCG@10" }?["value"] as? Double
      #expect(value != nil && value == one["value"] as? Double, "try \(index + 1)")
      #expect(try Program.tacit.run("verify", path, in: scratch).status == 0)
    }
    let best = try #require(document["best"] as? Int)
    #expect(tries.allSatisfy { $0["value"] as? Double ?? 0 <= tries[best - 1]["value"] as? Double ?? 0 })
    // Those whose range reaches the best one's are undecided; the file says the same as what is printed.
    let low = try #require(tries[best - 1]["low"] as? Double)
    let reaching = tries.indices.filter { $0 != best - 1 && (tries[$0]["high"] as? Double ?? 0) >= low }.map { $0 + 1 }
    #expect(document["undecided"] as? [Int] == reaching)
    let file = try JSONSerialization.jsonObject(with: Data(contentsOf: scratch.url.appending(path: "search/tune.json")))
    #expect((file as? NSDictionary) == (document as NSDictionary))
    let command = try #require(document["command"] as? String).split(separator: " ").map(String.init)
    let last = try Program.tacit.run(Array(command.dropFirst()) + ["--baselines", "off", "--output", "last"], in: scratch)
    #expect(last.status == 0, "\(last.errors)")
    let text = try String(contentsOf: scratch.url.appending(path: "last/report.txt"), encoding: .utf8)
    #expect(text.contains("3 plans, 1 search over settings"))
  }

  @Test(
    arguments: [
      (["--vary", "dimension=4,"], 64, "expected name=v1,v2"), (["--vary", "dimension"], 64, "expected name=v1,v2"),
      (["--vary", "dimension=nan"], 64, "expected name=v1,v2"), ([], 64, "nothing to try"),
      (["--vary", "dimensoin=4"], 78, "did you mean 'dimension'"),
      (["--vary", "dimension=4", "--vary", "dimension=8"], 64, "given twice"),
      (["--vary", "dimension=4,8", "--tries", "3"], 64, "2 combinations, and 3 tries"),
      (["--vary", "dimension=4,8"], 64, "--cap"),
      (
        [
          "--vary", "dimension=" + (1...2000).map(String.init).joined(separator: ","), "--vary",
          "regularization=" + (1...2000).map(String.init).joined(separator: ","),
        ], 64, "more than 100000 combinations"
      ),
      (["--vary", "dimension=4", "--noise", "none", "--ledgers", "k", "--cap", "9,1e-6"], 64, "leave --ledgers and --cap out"),
      (["--vary", "dimension=4", "--algorithm", "auto"], 64, "auto has no parameters"),
      (["--vary", "dimension=4", "--ledgers", "k", "--cap", "9,1e-6", "--evaluation-share", "0"], 64, "--evaluation-share is 0"),
    ] as [([String], Int32, String)]
  )
  func `What cannot be tried is refused before anything is spent`(_ arguments: [String], _ status: Int32, _ sentence: String)
    throws
  {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let outcome = try Program.tacit.run(Self.settings + arguments, in: scratch)
    #expect(outcome.status == status && outcome.complaints.last?.contains(sentence) == true, "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "runs").path))
  }

  @Test func `Without noise nothing is charged, and what chooses is measured on the validation items`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let search = try Program.tacit.run(
      Self.settings + ["--noise", "none", "--vary", "dimension=4,8,16", "--tries", "2", "--output", "search", "--metric", "hr"],
      in: scratch)
    #expect(search.status == 0, "\(search.errors)")
    let document = search.json as? [String: Any]
    #expect((document?["tries"] as? [[String: Any]])?.count == 2 && document?["isNoised"] as? Bool == false)
    #expect(document?["metric"] as? String == "full HR@10")
  }

  @Test(
    arguments: [
      ("output: one", "sets output, which is one folder for this search and for the run that it proposes"),
      ("validation: true", "sets validation, and with it the run that this search proposes would not train on all items"),
    ])
  func `A file may not set what the search and the run that it proposes cannot share`(_ line: String, _ sentence: String)
    throws
  {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    try scratch.write("\(line)\n", to: "settings.yaml")
    let outcome = try Program.tacit.run(
      Self.settings + ["--noise", "none", "--vary", "dimension=4,8", "--config", "settings.yaml"], in: scratch)
    #expect(outcome.status == 64 && outcome.complaints.last?.contains(sentence) == true, "\(outcome.errors)")
    #expect(!scratch.holds("one") && !scratch.holds("runs"))
  }
}
