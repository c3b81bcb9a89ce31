import Foundation
import Recommender
import Testing

/// Compares the evaluator with the independent Python judge, to four decimals, on generated data.
///
/// Needs python3 and the shared directory (`../shared` beside the project, or `TACIT_SHARED`); says so when absent.
@Suite struct IndependentJudgeTests {
  private static let judge: String? = {
    var project = URL(fileURLWithPath: #filePath)
    for _ in 0..<3 { project.deleteLastPathComponent() }
    let shared =
      ProcessInfo.processInfo.environment["TACIT_SHARED"].map { URL(fileURLWithPath: $0) }
      ?? project.deletingLastPathComponent().appendingPathComponent("shared")
    let path = shared.appendingPathComponent("tools/eval_topn.py").path
    guard FileManager.default.fileExists(atPath: path) else {
      print(
        "SKIPPED: the independent judge is absent (\(path)); set TACIT_SHARED to compare the evaluator with it."
      )
      return nil
    }
    guard (try? run(["python3", "-c", ""])) != nil else {
      print("SKIPPED: python3 is absent; the evaluator is not compared with the independent judge.")
      return nil
    }
    return path
  }()

  @Test(
    .enabled(if: judge != nil, "needs python3 and the shared tools"), arguments: [31, 32, 33] as [UInt64])
  func bothProtocolsAgreeToFourDecimals(seed: UInt64) throws {
    let judge = try #require(Self.judge)
    var random = TestRandom(seed)
    let (users, itemCount) = (60, 150)
    let train = random.interactions(users: users, itemCount: itemCount, longest: 30)
    var test: [[Int32]] = []
    var negatives: [[Int32]] = []
    for user in 0..<users {
      let seen = Set(train.history(of: user))
      let unseen = (0..<Int32(itemCount)).filter { !seen.contains($0) }
      let count = seed == 33 ? 1 + random.below(4) : 1
      test.append(Array(Set((0..<count).map { _ in unseen[random.below(unseen.count)] })))
      negatives.append((0..<40).map { _ in unseen[random.below(unseen.count)] })
    }
    // The listed protocol sees ties, NaN and −∞; lists have no ties, so full ranking is compared on distinct scores.
    let tied = TableScorer(
      rows: (0..<users).map { _ in
        (0..<itemCount).map { _ in
          let draw = random.below(40)
          return draw == 0 ? .nan : draw == 1 ? -.infinity : Float(draw / 4)
        }
      })
    let distinct = TableScorer(
      rows: (0..<users).map { _ in (0..<itemCount).map { _ in Float(random.uniform()) } })
    let evaluator = Evaluator(train: train, test: test, negatives: negatives)

    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "tacit-judge-\(seed)-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    func write(_ name: String, _ header: String, _ lines: [String], compressed: Bool = true) throws {
      let file = folder.appendingPathComponent(name)
      try ([header] + lines).joined(separator: "\n").appending("\n")
        .write(to: file, atomically: true, encoding: .utf8)
      if compressed { _ = try Self.run(["gzip", file.path]) }
    }
    let all = 0..<users
    try write(
      "train.tsv", "user\titem", all.flatMap { user in train.history(of: user).map { "\(user)\t\($0)" } })
    try write("test.tsv", "user\titem", all.flatMap { user in test[user].map { "\(user)\t\($0)" } })
    try write(
      "negatives.tsv", "user\titem\t" + (1...40).map { "n\($0)" }.joined(separator: "\t"),
      all.map { user in
        "\(user)\t\(test[user][0])\t" + negatives[user].map(String.init).joined(separator: "\t")
      })
    try write(
      "scores.tsv", "user\titem\tscore",
      all.flatMap { user in
        Set([test[user][0]] + negatives[user]).map { "\(user)\t\($0)\t\(tied.rows[user][Int($0)])" }
      }, compressed: false)
    try write(
      "lists.tsv", "user\titem\trank",
      all.flatMap { user in
        distinct.recommend(
          to: UserHistory(items: train.history(of: user), seed: UInt64(user)), count: itemCount
        )
        .enumerated().map { "\(user)\t\($0.element.item)\t\($0.offset + 1)" }
      }, compressed: false)
    let output = try Self.run([
      "python3", judge, "--data", folder.path, "--scores", folder.appendingPathComponent("scores.tsv").path,
      "--topk", folder.appendingPathComponent("lists.tsv").path,
    ])
    let report = try #require(try JSONSerialization.jsonObject(with: output) as? [String: Any])
    let judgedListed = try #require(report["sampled"] as? [String: Any])
    let judgedFull = try #require(report["full"] as? [String: Any])

    let listed = try #require(evaluator.evaluate(tied).listed)
    let outcome = evaluator.evaluate(distinct)
    let full = try #require(outcome.full)
    func compare(_ metric: Metric, _ ours: RankingMetrics, _ theirs: [String: Any]) throws {
      let value = try #require(theirs["\(metric)"] as? Double, "\(metric)")
      #expect(
        abs((ours[metric] ?? .nan) - value) < 0.500001e-4,
        "\(metric): \(String(describing: ours[metric])), \(value)")
    }
    for k in [5, 10, 20] {
      for metric in [Metric.hitRate(k), .ndcg(k)] { try compare(metric, listed, judgedListed) }
      for metric in [Metric.hitRate(k), .ndcg(k), .recall(k), .precision(k), .f1(k)] {
        // The judge computes F1 from unrounded means, as we do.
        try compare(metric, full, judgedFull)
      }
    }
    try compare(.reciprocalRank, listed, judgedListed)
    try compare(.areaUnderCurve, listed, judgedListed)
    try compare(.reciprocalRank, full, judgedFull)
    #expect(judgedFull["distinct_items_in_top10"] as? Int == outcome.catalogue.distinctItems)
    #expect(judgedListed["users"] as? Int == listed.users)
  }

  /// Standard output of a command found on the search path; throws when it is absent or fails.
  private static func run(_ command: [String]) throws -> Data {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = command
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    return data
  }
}
