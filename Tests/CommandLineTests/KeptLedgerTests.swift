import DifferentialPrivacy
import FederatedLearning
import Foundation
import Storage
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
    // The first run's own cap is all that there is.
    let second = try Self.run("--output", "two", in: scratch)
    #expect(second.status == 3 && second.complaints.last?.contains("--cap sets one over all runs") == true, "\(second.errors)")
    #expect(try Data(contentsOf: ledger) == spent, "a refused run charges nothing")
    let third = try Self.run("--output", "three", "--cap", "4,1e-6", "--search", "size", in: scratch)
    #expect(third.status == 0, "\(third.errors)")
    #expect(try Data(contentsOf: ledger).starts(with: spent) && Data(contentsOf: ledger).count > spent.count)
    // What the last one was told is kept.
    let fourth = try Self.run("--output", "four", "--epsilon", "3.9", in: scratch)
    #expect(fourth.status == 3 && fourth.complaints.last?.contains("of a cap of ε = 4 ") == true, "\(fourth.errors)")
    for (name, plans, searches, isAlone) in [("one", 1, 0, false), ("three", 2, 1, false)] {
      let report = try JSONSerialization.jsonObject(with: Data(contentsOf: scratch.url.appending(path: "\(name)/report.json")))
      let privacy = (report as? [String: Any])?["privacy"] as? [String: Any]
      let use = (privacy?["tuning"] as? [String: Any])?["use"] as? [String: Any]
      #expect(use?["plans"] as? Int == plans && use?["searches"] as? Int == searches)
      #expect((use?["isOfThisRun"] as? Bool ?? false) == isAlone)
      // The page begins with what all runs have spent, and with what is left of the cap over them.
      let total = privacy?["total"] as? [String: Any]
      #expect(total?["planCount"] as? Int == plans && total?["epsilonCap"] as? Double == (plans == 1 ? 1 : 4))
      let epsilon = try #require(total?["epsilon"] as? Double)
      #expect(epsilon == use?["epsilon"] as? Double && total?["delta"] as? Double == 1e-6)
      // Two Gaussian plans of ε = 1 are one of √2 times the μ: more than one of them, less than their sum.
      #expect(plans == 1 ? abs(epsilon - 1) < 1e-3 : epsilon > 1.4 && epsilon < 1.6, "\(epsilon)")
      let text = try String(contentsOf: scratch.url.appending(path: "\(name)/report.txt"), encoding: .utf8)
      #expect(text.contains("spent under this plan:") && text.contains("over all plans (\(plans == 1 ? "one plan" : "2 plans"))"))
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
    let (head, users) = (
      scratch.url.appending(path: "kept/partner-partner-1.ledger"), scratch.url.appending(path: "kept/users")
    )
    for (file, cut) in [
      (head, Data(try Data(contentsOf: head).split(separator: 10)[0] + [10])), (users, nil), (users, Data("{".utf8)),
      (ledger, nil), (head.deletingPathExtension().appendingPathExtension("head"), nil),
      (head.deletingPathExtension().appendingPathExtension("head"), Data([0xFF, 0xFF])),
    ] {
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
    for more in [["--partners", "by:partner"], ["--partners", "2"], ["--partners", "4"]] {
      let outcome = try Program.tacit.run(Self.settings + more + ["--output", "two", "--cap", "9,1e-6"], in: scratch)
      #expect(
        outcome.status == 65 && outcome.complaints.last?.contains("are of other partners") == true, "\(more): \(outcome.errors)")
    }
    let inside = try Self.run("--output", "kept/run", "--cap", "9,1e-6", in: scratch)
    #expect(inside.status == 64 && inside.complaints.last?.contains("are in each other") == true, "\(inside.errors)")
    let large = try Self.run("--output", "two", "--cap", "9,0.5", in: scratch)
    #expect(large.status == 64 && large.complaints.last?.contains("expected the same for all runs") == true, "\(large.errors)")
    // No more so where both are changed.
    let both = try Self.run("--output", "two", "--delta", "0.01", "--cap", "8,0.01", in: scratch)
    #expect(
      both.status == 64 && both.complaints.last?.contains("is at δ = 1e-06, and this run's --delta is 0.01") == true,
      "\(both.errors)")
    let around = try Program.tacit.run(Array(Self.settings.dropLast()) + ["runs", "--cap", "9,1e-6"], in: scratch)
    #expect(around.status == 64 && around.complaints.last?.contains("are in each other") == true, "\(around.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "runs").path))
    let audit = try Program.tacit.run(
      ["audit"] + Self.settings.dropFirst() + ["--canaries", "20", "--output", "two"], in: scratch)
    #expect(audit.status == 64 && audit.complaints.last?.contains("leave --ledgers out") == true, "\(audit.errors)")
    for (more, sentence) in [
      (["--noise", "none"], "leaves nothing to prove"), (["--insecure-test-randomness"], "is not private"),
    ] {
      let outcome = try Program.tacit.run(Self.settings + more + ["--output", "two"], in: scratch)
      #expect(outcome.status == 64 && outcome.complaints.last?.contains(sentence) == true, "\(outcome.errors)")
    }
    let alone = try Program.tacit.run(Array(Self.settings.dropLast(2)) + ["--cap", "4,1e-6", "--output", "two"], in: scratch)
    #expect(alone.status == 64 && alone.complaints.last?.contains("--epsilon") == true, "\(alone.errors)")
  }

  @Test func `Two runs never begin one folder for different partners`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let kept = scratch.url.appending(path: "kept").path
    try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: false)
    let file = open(kept, O_RDONLY | O_DIRECTORY)
    defer { close(file) }
    // As a run holds it that is at work there.
    #expect(flock(file, LOCK_EX | LOCK_NB) == 0)
    let second = try Self.run("--output", "two", "--cap", "8,1e-6", in: scratch)
    #expect(second.status != 0 && second.complaints.last?.contains("another process works with") == true, "\(second.errors)")
    let names = try FileManager.default.contentsOfDirectory(atPath: kept)
    #expect(!names.contains { $0.hasSuffix(".ledger") || $0 == "users" }, "\(names)")
    #expect(flock(file, LOCK_UN) == 0)
    #expect(try Self.run("--output", "two", "--cap", "8,1e-6", in: scratch).status == 0)
    // What another one charged beside it, and nobody counts, is not passed over.
    let ledger = try scratch.read("kept/partner-partner-1.ledger")
    try scratch.write(ledger, to: "kept/partner-shop-1.ledger")
    let third = try Self.run("--output", "three", "--cap", "8,1e-6", in: scratch)
    #expect(third.status == 65 && third.complaints.last?.contains("does not say for whom") == true, "\(third.errors)")
  }

  @Test func `A run that dies while it begins a folder leaves one that can be begun`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    #expect(try Self.run("--output", "one", "--cap", "8,1e-6", in: scratch).status == 0)
    let files = FileManager.default
    // As it stands after the cap was noted, and before the folder says whom it counts.
    for partner in 1...3 {
      let (ledger, head) = ("kept/partner-partner-\(partner).ledger", "kept/partner-partner-\(partner).head")
      let lines = try scratch.read(ledger).split(separator: "\n").prefix { !$0.contains("\"kind\":\"charge\"") }
      #expect(!lines.isEmpty)
      try scratch.write(lines.joined(separator: "\n") + "\n", to: ledger)
      try files.removeItem(at: scratch.url.appending(path: head))
      if partner == 1 { try scratch.write("1 \(String(repeating: "0", count: 64))\n", to: head) }
    }
    for name in ["users", "plans"] { try files.removeItem(at: scratch.url.appending(path: "kept/\(name)")) }
    // A head that is not of this ledger is refused like any other; without it, the folder is begun.
    #expect(try Self.run("--output", "two", "--cap", "8,1e-6", in: scratch).status == 65)
    try files.removeItem(at: scratch.url.appending(path: "kept/partner-partner-1.head"))
    let next = try Self.run("--output", "two", "--cap", "8,1e-6", in: scratch)
    #expect(next.status == 0, "\(next.errors)")
  }

  @Test func `A run in which a partner was never charged is sound, and one above its ledger's own cap is not`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let rows = (0..<700).map { "u\($0 / 5),i\($0 * 7 % 31),\($0),shop\($0 / 5 % 7)" }
    try scratch.write((["user,item,time,partner"] + rows).joined(separator: "\n"), to: "events.csv")
    let run = [
      "simulate", "--data", "events.csv", "--partners", "by:partner", "--algorithm", "popularity", "--epsilon", "1",
      "--baselines", "off",
      "--ledgers", "kept", "--cap", "20,1e-6", "--evaluation-share", "0",
    ]
    #expect(try Program.tacit.run(run + ["--output", "one"], in: scratch).status == 0)
    func holds(_ word: String, _ partner: Int, _ name: String) throws -> Bool {
      try scratch.read("\(name)/ledgers/partner-shop\(partner).ledger").contains(word)
    }
    var uncharged: (run: String, partner: Int, charged: Int)?
    for seed in 1...12 where uncharged == nil {
      let name = "run\(seed)"
      let outcome = try Program.tacit.run(run + ["--dropout", "0.2", "--seed", "\(seed)", "--output", name], in: scratch)
      guard outcome.status == 0 else { continue }
      let plan = try JSONSerialization.jsonObject(with: scratch.bytes("\(name)/plan.json"))
      let session = try #require((plan as? [String: Any])?["session"] as? String)
      if let partner = try (0..<7).first(where: { try !holds(session, $0, name) }) {
        uncharged = (name, partner, try #require(try (0..<7).first { try holds(session, $0, name) }))
      }
      let verdict = try Program.tacit.run("verify", name, in: scratch)
      #expect(verdict.status == 0, "\(verdict.output)")
    }
    let (name, partner, charged) = try #require(uncharged, "no partner was left out in twelve runs")
    let report = try Program.tacit.run("report", name, "--partner", "shop\(partner)", in: scratch)
    let page = report.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(report.status == 0 && page.contains("Nothing was charged under this plan yet"), "\(report.errors)\(page)")
    // A holder whose ledger has spent more than the cap in it has not kept that.
    let path = scratch.url.appending(path: "\(name)/ledgers/partner-shop\(charged).ledger").path
    let journal = try LedgerFile.open(at: path)
    let key = try KeyFile.read(at: scratch.url.appending(path: "kept/partner-shop\(charged).key").path)
    let ledger = try PrivacyLedger(content: journal.content, journal: journal, key: key)
    try ledger.note(cap: PrivacyBudget(epsilon: 0.5, delta: 1e-6), time: 1)
    let verdict = try Program.tacit.run("verify", name, in: scratch)
    #expect(verdict.status == 4 && verdict.output.contains("above the cap of 0.5 that stands in its ledger"), "\(verdict.output)")
    // Nor one whose cap is at another δ than the plan that it was charged for.
    try ledger.note(cap: PrivacyBudget(epsilon: 20, delta: 0.5), time: 2)
    let other = try Program.tacit.run("verify", name, in: scratch)
    #expect(other.status == 4 && other.output.contains("keeps a cap at δ = 0.5"), "\(other.output)")
  }

  @Test func `A later run is judged at the order of the first cap, and so is a search`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    // Of several kinds (rounds, and what is said of quality), so that divergences are what is composed.
    let mixed = ["--sampling-rate", "0.5", "--evaluation-share", "0.3"]
    // What fits a cap of 9 at its own order does not at that of a cap so large as the first one.
    for (first, status) in [("3000,1e-6", Int32(3)), ("9,1e-6", 0)] {
      let run = mixed + ["--ledgers", first, "--output"]
      let before = try Program.tacit.run(Array(Self.settings.dropLast(2)) + run + ["\(first)-one", "--cap", first], in: scratch)
      #expect(before.status == 0, "\(before.errors)")
      let outcome = try Program.tacit.run(
        Array(Self.settings.dropLast(2)) + run + ["\(first)-two", "--cap", "9,1e-6"], in: scratch)
      #expect(outcome.status == status, "\(first): \(outcome.errors)")
      guard status != 0 else { continue }
      #expect(outcome.complaints.last?.contains("judged at the order of the first run's cap") == true, "\(outcome.errors)")
      #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "\(first)-two.partial").path))
      let search = try Program.tacit.run(
        ["tune"]
          + Self.settings.dropFirst().dropLast(2).filter { !["--baselines", "off"].contains($0) }
          .map { $0 == "popularity" ? "als" : $0 } + run + [
            "tuned", "--rounds", "1", "--vary", "dimension=4,8", "--cap", "20,1e-6",
          ],
        in: scratch)
      #expect(
        search.status == 64 && search.complaints.last?.contains("the run after them need") == true, "\(search.errors)")
    }
  }

  @Test func `No name makes a run's own ledger look like one that counts all runs`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let rows = (0..<120).map { "u\($0 / 4),i\($0 * 7 % 11),\($0),\"shop \($0 / 4 % 3), over all runs\"" }
    try Data((["user,item,time,partner"] + rows).joined(separator: "\n").utf8)
      .write(to: scratch.url.appending(path: "events.csv"))
    let run = try Program.tacit.run(
      "simulate", "--data", "events.csv", "--partners", "by:partner", "--algorithm", "popularity", "--epsilon", "1",
      "--baselines",
      "off", "--output", "run", in: scratch)
    #expect(run.status == 0, "\(run.errors)")
    let text = try String(contentsOf: scratch.url.appending(path: "run/report.txt"), encoding: .utf8)
      .split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(!text.contains("over all plans") && text.contains("have ledgers of their own, which are not counted"), "\(text)")
  }

  @Test func `What a killed run has charged stays charged, and the next run counts it`() throws {
    guard Program.tacit.isBuilt else { return }
    let scratch = try Scratch()
    let long = [
      "simulate", "--data", "synthetic:200x40x3", "--partners", "3", "--algorithm", "mf", "--rounds", "2000", "--baselines",
      "off",
      "--epsilon", "1", "--ledgers", "kept",
    ]
    let running = try Program.tacit.start(long + ["--cap", "1.2,1e-6", "--output", "killed"], in: scratch)
    let ledger = "kept/partner-partner-1.ledger"
    func charges() -> Int { (try? scratch.read(ledger))?.components(separatedBy: "\"kind\":\"charge\"").count ?? 0 }
    while running.process.isRunning, charges() < 5 { usleep(10_000) }
    kill(running.process.processIdentifier, SIGKILL)
    _ = try? running.finish()
    // A line that was being written is none.
    let spent = try scratch.read(ledger).split(separator: "\n", omittingEmptySubsequences: false).dropLast().joined(
      separator: "\n")
    #expect(charges() >= 5)
    #expect(try Program.tacit.run("verify", "killed.partial", in: scratch).status == 0)
    // A ledger that is cut back to what it was some releases ago is not the one that was seen.
    let whole = try scratch.read(ledger)
    try scratch.write(whole.split(separator: "\n").prefix(5).joined(separator: "\n") + "\n", to: ledger)
    let cut = try Program.tacit.run(long + ["--cap", "6,1e-6", "--output", "cut"], in: scratch)
    #expect(cut.status == 65 && cut.complaints.last?.contains("was cut back") == true, "\(cut.errors)")
    try scratch.write(whole, to: ledger)
    // The cap that it was told stands in the ledgers; a whole run beside what is spent does not fit it, and does a larger one.
    let more = Array(long.map { $0 == "2000" ? "2" : $0 })
    let refused = try Program.tacit.run(more + ["--epsilon", "1.2", "--output", "next"], in: scratch)
    #expect(refused.status == 3 && refused.complaints.last?.contains("of a cap of ε = 1.2 at") == true, "\(refused.errors)")
    let larger = try Program.tacit.run(more + ["--cap", "6,1e-6", "--output", "larger"], in: scratch)
    #expect(larger.status == 0, "\(larger.errors)")
    let report = try JSONSerialization.jsonObject(with: Data(contentsOf: scratch.url.appending(path: "larger/report.json")))
    let total = ((report as? [String: Any])?["privacy"] as? [String: Any])?["total"] as? [String: Any]
    #expect(total?["planCount"] as? Int == 2 && total?["epsilon"] as? Double ?? 0 > 1.0001, "\(total ?? [:])")
    #expect(try scratch.read(ledger).hasPrefix(spent))
    let plans = scratch.url.appending(path: "kept/plans").path
    #expect(try FileManager.default.contentsOfDirectory(atPath: plans).count >= 2)
  }
}
