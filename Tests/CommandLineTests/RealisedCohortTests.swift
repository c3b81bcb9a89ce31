import Foundation
import Testing

/// How many users took part in a round is a release of its own: no output of a run may say it.
@Suite(.serialized) struct RealisedCohortTests {
  /// Numbers that stand alone in a text, not as part of a longer number, a name or a hash.
  private func occurrences(of number: String, in text: String) throws -> [String] {
    let pattern = try NSRegularExpression(
      pattern: "(?<![0-9A-Za-z.,_-])\(number)(?![0-9A-Za-z_-]|,[0-9]|[.](?!0+(?![0-9]))[0-9])")
    let range = NSRange(text.startIndex..., in: text)
    return pattern.matches(in: text, range: range).compactMap { match in
      Range(match.range, in: text).map { range in
        let from = text.index(range.lowerBound, offsetBy: -40, limitedBy: text.startIndex) ?? text.startIndex
        let to = text.index(range.upperBound, offsetBy: 40, limitedBy: text.endIndex) ?? text.endIndex
        return String(text[from..<to])
      }
    }
  }

  @Test(
    "A sampled run's files, report, ledgers, metrics and streams never say how many users took part",
    arguments: [["--noise", "central"], ["--noise", "distributed"], ["--noise", "central", "--set", "clip-quantile=0.5"]])
  func silence(options: [String]) throws {
    let scratch = try Scratch()
    let data = try Program.tacit.run(
      "data", "generate", "--users", "8191", "--items", "50", "--partners", "3", "--output", "shops", in: scratch)
    #expect(data.status == 0, "\(data.errors)")
    // Every coin falls on "in" at this rate, so that the realised cohorts are the partners' own numbers of users.
    let arguments =
      [
        "simulate", "--data", "shops", "--partners", "by:partner", "--algorithm", "mf", "--rounds", "3", "--baselines", "off",
        "--seed", "5", "--nominal-users", "8000", "--output", "run",
        "--sampling-rate", "0.9999999",
      ] + options
    let run = try Program.tacit.run(arguments, in: scratch)
    #expect(run.status == 0, "\(run.errors)")
    let inspection = try Program.tacit.run("data", "inspect", "shops", in: scratch)
    let partners = inspection.output.matches(of: /: ([0-9,]+) users,/).compactMap { Int($0.1.replacing(",", with: "")) }
    #expect(partners.count == 3 && partners.allSatisfy { $0 > 1000 } && partners.reduce(0, +) == 8191, "\(partners)")
    // Each partner's, and those of two and of all, as a sum would have them. How large its data are, a simulation says in its own
    // words and tables; what parties keep or exchange must not.
    let cohorts = partners + partners.map { 8191 - $0 }
    let total = ["8191", "8,191"]

    var outputs = ["standard output": run.output, "standard error": run.errors]
    for arguments in [["verify", "run"], ["verify", "run", "--format", "json"], ["report", "run"]] {
      let outcome = try Program.tacit.run(arguments, in: scratch)
      outputs[arguments.joined(separator: " ")] = outcome.output + outcome.errors
    }
    for case let name as String in FileManager.default.enumerator(atPath: scratch.url.appending(path: "run").path) ?? .init() {
      guard let bytes = try? scratch.bytes("run/\(name)") else { continue }
      // The lists of single users, whose ids are numbers here, stand in the first column of this one (a simulation's own file).
      let text = String(decoding: bytes, as: UTF8.self)
      outputs[name] =
        name == "recommendations.tsv"
        ? text.split(separator: "\n").map { $0.drop { $0 != "\t" } }.joined(separator: "\n") : text
      // The same numbers as eight bytes, as a program that keeps counters would write them.
      for cohort in cohorts {
        for pattern in [
          withUnsafeBytes(of: UInt64(cohort).littleEndian) { Data($0) },
          withUnsafeBytes(of: UInt64(cohort).bigEndian) { Data($0) },
          withUnsafeBytes(of: Double(cohort).bitPattern.littleEndian) { Data($0) },
        ] { #expect(bytes.range(of: pattern) == nil, "\(name) holds the bytes of \(cohort)") }
      }
    }
    #expect(outputs.keys.contains { $0.hasSuffix("coordinator.ledger") } && outputs.keys.contains("report.html"))
    let kept = outputs.keys.filter {
      $0.hasPrefix("ledgers/") || ["plan.json", "metrics.jsonl"].contains($0) || $0.hasPrefix("verify")
    }
    #expect(kept.count >= 9, "\(kept)")
    for name in kept {
      for number in total { #expect(try occurrences(of: number, in: outputs[name] ?? "").isEmpty, "\(name) says \(number)") }
    }
    for (name, text) in outputs {
      for cohort in cohorts.flatMap({ ["\($0)", "\($0 / 1000),\(String(format: "%03d", $0 % 1000))"] }) {
        let found = try occurrences(of: cohort, in: text)
        #expect(found.isEmpty, "\(name) says \(cohort): \(found.prefix(2))")
      }
    }
  }

  @Test("The search itself finds a number that is planted, in prose and in JSON")
  func control() throws {
    for text in ["{\"users\":1373}", "1373 users", "round 2: 1373, 5", "[1373]", "1373.0", "1373.000 users", "1373."] {
      #expect(try occurrences(of: "1373", in: text).count == 1, "\(text)")
    }
    for text in ["0.1373", "13730", "item-1373", "a1373f", "1373.25", "1373.05", "1373.00001"] {
      #expect(try occurrences(of: "1373", in: text).isEmpty, "\(text)")
    }
  }
}
