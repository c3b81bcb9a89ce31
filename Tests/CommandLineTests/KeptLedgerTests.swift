import Foundation
import Testing

/// Ledgers that outlive a simulation: runs on the same people are counted together.
@Suite struct KeptLedgerTests {
  private static let settings = [
    "simulate", "--data", "synthetic:200x40x3", "--partners", "3", "--algorithm", "popularity", "--epsilon", "1", "--baselines",
    "off", "--format", "json", "--ledgers", "kept",
  ]

  private static func run(_ more: String..., in scratch: Scratch) throws -> Program.Outcome {
    try Program.tacit.run(settings + more, in: scratch)
  }

  @Test func `A second run counts the first one, and is refused where both do not fit the cap`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let first = try Self.run("--output", "one", in: scratch)
    #expect(first.status == 0, "\(first.errors)")
    let ledger = scratch.url.appending(path: "kept/partner-partner-1.ledger")
    let spent = try Data(contentsOf: ledger)
    // The plan's own cap is all that there is.
    let second = try Self.run("--output", "two", in: scratch)
    #expect(second.status == 3 && second.complaints.last?.contains("--cap sets one over all runs") == true, "\(second.errors)")
    #expect(try Data(contentsOf: ledger) == spent, "a refused run charges nothing")
    let third = try Self.run("--output", "three", "--cap", "4,1e-6", "--search", "size", in: scratch)
    #expect(third.status == 0, "\(third.errors)")
    #expect(try Data(contentsOf: ledger).starts(with: spent) && Data(contentsOf: ledger).count > spent.count)
    for (name, plans, searches, isAlone) in [("one", 1, 0, false), ("three", 2, 1, false)] {
      let report = try JSONSerialization.jsonObject(with: Data(contentsOf: scratch.url.appending(path: "\(name)/report.json")))
      let privacy = (report as? [String: Any])?["privacy"] as? [String: Any]
      let use = (privacy?["tuning"] as? [String: Any])?["use"] as? [String: Any]
      #expect(use?["plans"] as? Int == plans && use?["searches"] as? Int == searches)
      #expect((use?["isOfThisRun"] as? Bool ?? false) == isAlone)
      let verdict = try Program.tacit.run("verify", name, in: scratch)
      #expect(verdict.status == 0, "\(verdict.output)")
    }
  }

  @Test func `A ledger counts people: other users, a lost key and a lost plan are refused`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    #expect(try Self.run("--output", "one", in: scratch).status == 0)
    let ledger = scratch.url.appending(path: "kept/partner-partner-2.ledger")
    let spent = try Data(contentsOf: ledger)
    let others = try Self.run("--output", "two", "--cap", "9,1e-6", "--seed", "2", "--data", "synthetic:300x40x3", in: scratch)
    #expect(others.status == 65 && others.complaints.last?.contains("counts other users") == true, "\(others.errors)")
    let files = FileManager.default
    let plans = scratch.url.appending(path: "kept/plans")
    try files.moveItem(at: plans, to: scratch.url.appending(path: "plans"))
    let planless = try Self.run("--output", "three", "--cap", "9,1e-6", in: scratch)
    #expect(planless.status == 3 && planless.complaints.last?.contains("no longer holds a plan") == true, "\(planless.errors)")
    try files.removeItem(at: plans)
    try files.moveItem(at: scratch.url.appending(path: "plans"), to: plans)
    let key = scratch.url.appending(path: "kept/partner-partner-2.key")
    let signing = try Data(contentsOf: key)
    try files.removeItem(at: key)
    let keyless = try Self.run("--output", "four", "--cap", "9,1e-6", in: scratch)
    #expect(keyless.status == 66 && keyless.complaints.last?.contains("put it back") == true, "\(keyless.errors)")
    #expect(!files.fileExists(atPath: key.path), "no other key takes its place")
    #expect(try Data(contentsOf: ledger) == spent)
    try signing.write(to: key)
    try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key.path)
    let (head, first) = (
      scratch.url.appending(path: "kept/partner-partner-1.ledger"), scratch.url.appending(path: "kept/first-cap")
    )
    for (file, cut) in [(head, Data(try Data(contentsOf: head).split(separator: 10)[0] + [10])), (first, nil), (ledger, nil)] {
      let whole = try Data(contentsOf: file)
      if let cut { try cut.write(to: file) } else { try files.removeItem(at: file) }
      let outcome = try Self.run("--output", "cut", "--cap", "9,1e-6", in: scratch)
      #expect(outcome.status == 66 || outcome.status == 65, "\(file.lastPathComponent): \(outcome.status) \(outcome.errors)")
      #expect(outcome.complaints.last?.contains("put") == true)
      #expect(!files.fileExists(atPath: scratch.url.appending(path: "cut.partial").path), "what was refused leaves its name free")
      try whole.write(to: file)
    }
    let strange = try Program.tacit.run(
      Self.settings.dropLast() + ["one", "--output", "five"], in: scratch)
    #expect(strange.status == 64 && strange.complaints.last?.contains("which is no ledger's") == true, "\(strange.errors)")
  }

  @Test func `The same people get no second budget under other names, and a refused run pins nothing`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    // A cap that is too small for the first run is not the first cap.
    let small = try Self.run("--output", "zero", "--cap", "0.01,1e-6", in: scratch)
    #expect(small.status == 3 && small.complaints.last?.contains("larger --cap") == true, "\(small.errors)")
    #expect(try Self.run("--output", "one", "--cap", "1.3,1e-6", in: scratch).status == 0)
    #expect(try String(contentsOf: scratch.url.appending(path: "kept/first-cap"), encoding: .utf8) == "1.3,1e-06\n")
    for more in [["--partners", "by:partner"], ["--partners", "2"], ["--partners", "4"]] {
      let outcome = try Program.tacit.run(Self.settings + more + ["--output", "two", "--cap", "1.3,1e-6"], in: scratch)
      #expect(outcome.status == 65 || outcome.status == 3, "\(more): \(outcome.errors)")
    }
    for (more, sentence) in [
      (["--noise", "none"], "leaves nothing to prove"), (["--insecure-test-randomness"], "is not private"),
    ] {
      let outcome = try Program.tacit.run(Self.settings + more + ["--output", "two"], in: scratch)
      #expect(outcome.status == 64 && outcome.complaints.last?.contains(sentence) == true, "\(outcome.errors)")
    }
    let alone = try Program.tacit.run(Array(Self.settings.dropLast(2)) + ["--cap", "4,1e-6", "--output", "two"], in: scratch)
    #expect(alone.status == 64 && alone.complaints.last?.contains("--epsilon") == true, "\(alone.errors)")
  }

  @Test func `A later run is judged at the order of the first cap, and so is a search`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    // Of several kinds (rounds, and what is said of quality), so that divergences are what is composed.
    let mixed = ["--sampling-rate", "0.5", "--evaluation-share", "0.3"]
    let first = try Program.tacit.run(Self.settings + mixed + ["--output", "one", "--cap", "9,1e-6"], in: scratch)
    #expect(first.status == 0, "\(first.errors)")
    // As if the first charges had been made under a cap so large that nothing fits a small one at its order.
    let cap = scratch.url.appending(path: "kept/first-cap")
    for (text, status) in [("3000.0,1e-06\n", Int32(3)), ("9.0,1e-06\n", 0)] {
      try Data(text.utf8).write(to: cap)
      let outcome = try Program.tacit.run(
        Self.settings + mixed + ["--output", "two", "--cap", "9,1e-6"], in: scratch)
      #expect(outcome.status == status, "\(text): \(outcome.errors)")
      guard status != 0 else { continue }
      #expect(outcome.complaints.last?.contains("judged at the order of the first run's cap") == true, "\(outcome.errors)")
      let search = try Program.tacit.run(
        ["tune"]
          + Self.settings.dropFirst().filter { !["--baselines", "off"].contains($0) }.map { $0 == "popularity" ? "als" : $0 }
          + mixed
          + ["--rounds", "1", "--output", "tuned", "--vary", "dimension=4,8", "--cap", "20,1e-6"], in: scratch)
      #expect(search.status == 64 && search.complaints.last?.contains("the run after them need") == true, "\(search.errors)")
    }
  }
}
