import Foundation
import Testing

/// The privacy figures of a report: one accountant for all of them, and nothing promised that does not hold.
@Suite(.serialized) struct PrivacyFigureTests {
  private struct Figures {
    let accountant: String
    let privacy: [String: Any]
    let hazards: [[String: Any]]

    init(_ scratch: Scratch, _ run: String) throws {
      let report = try #require(try JSONSerialization.jsonObject(with: scratch.bytes("\(run)/report.json")) as? [String: Any])
      accountant = try #require((report["identity"] as? [String: Any])?["accountantName"] as? String)
      privacy = try #require(report["privacy"] as? [String: Any])
      hazards = report["hazards"] as? [[String: Any]] ?? []
    }

    var guarantee: [String: Any] { (privacy["guarantees"] as? [[String: Any]])?.first ?? [:] }
    var epsilon: Double { guarantee["epsilonUpper"] as? Double ?? .nan }
    var remaining: Double { (privacy["ledger"] as? [String: Any])?["epsilonRemaining"] as? Double ?? .nan }
    var cap: Double { (privacy["cap"] as? [String: Any])?["epsilon"] as? Double ?? .nan }
    var assumptions: String { (guarantee["assumptions"] as? [String] ?? []).joined(separator: " ") }
    var notCovered: String { ((privacy["tuning"] as? [String: Any])?["notCovered"] as? [String] ?? []).joined(separator: " ") }

    func attack(_ rate: Double) -> Double {
      (guarantee["attack"] as? [[String: Any]] ?? []).first { $0["falsePositiveRate"] as? Double == rate }?["truePositiveRateMax"]
        as? Double ?? .nan
    }
  }

  private func simulate(_ scratch: Scratch, _ run: String, _ arguments: String...) throws -> Int32 {
    try Program.tacit.run(
      [
        "simulate", "--data", "shops", "--partners", "4", "--baselines", "off", "--seed", "3", "--output", run, "--format",
        "json",
      ]
        + arguments, in: scratch
    ).status
  }

  @Test("ε, what is left, the total, the rows and the points of the curve come from the accountant that the ledger names")
  func oneAccountant() throws {
    let scratch = try FinishedRunFixture.copy()
    // Releases of one kind: loss distributions count. Of two kinds: divergences do.
    for (run, algorithm, accountant) in [("one", "als", "pld 1"), ("two", "mf", "rdp 1")] {
      let status = try simulate(
        scratch, run, "--algorithm", algorithm, "--sampling-rate", "0.05", "--epsilon", "4", "--max-partners-per-user", "2",
        "--evaluation-share", "0")
      #expect(status == 0)
      let figures = try Figures(scratch, run)
      #expect(figures.accountant == accountant)
      #expect(figures.epsilon <= 4 && figures.epsilon > 3.99)
      #expect(abs(figures.cap - figures.epsilon - figures.remaining) < 1e-9, "\(figures.remaining) left")
      let rows = figures.privacy["spending"] as? [[String: Any]] ?? []
      #expect(rows.count >= 5)
      for row in rows where row["kind"] as? String == "partner" {
        #expect(abs((row["epsilon"] as? Double ?? 0) - figures.epsilon) < 1e-6)
        #expect(abs((row["epsilonRemaining"] as? Double ?? 1) - figures.remaining) < 1e-6)
      }
      let use = (figures.privacy["tuning"] as? [String: Any])?["use"] as? [String: Any]
      #expect(abs((use?["epsilon"] as? Double ?? 0) - figures.epsilon) < 1e-6)
      let points = figures.guarantee["epsilonAtDelta"] as? [[String: Any]] ?? []
      let own = points.first { $0["delta"] as? Double == 1e-6 }?["epsilon"] as? Double
      #expect(abs((own ?? 0) - figures.epsilon) < 1e-6)
      // Rounds with two coins each, dominated by no single one.
      #expect((figures.guarantee["theorem"] as? String)?.contains("a coin at each of several partners") == true)
      #expect((figures.guarantee["epsilonLower"] as? Double ?? 5) <= figures.epsilon)
      #expect(try Program.tacit.run("verify", run, in: scratch).status == 0)
    }
  }

  @Test("An attack is no more successful than ε and δ allow, and a δ of 1/N or more is a hazard")
  func attackAndDelta() throws {
    let scratch = try FinishedRunFixture.copy()
    let status = try simulate(
      scratch, "run", "--algorithm", "mf", "--rounds", "8", "--sampling-rate", "0.05", "--epsilon", "2", "--delta", "0.01",
      "--evaluation-share", "0")
    #expect(status == 0)
    let figures = try Figures(scratch, "run")
    // μ of everybody taking part is far above what any attack can use.
    #expect((figures.guarantee["mu"] as? Double ?? 0) > 2)
    #expect(figures.attack(0.01) <= exp(figures.epsilon) * 0.01 + 0.01 + 1e-12)
    #expect(figures.attack(0.001) <= exp(figures.epsilon) * 0.001 + 0.01 + 1e-12)
    let hazard = figures.hazards.first { $0["kind"] as? String == "largeDelta" }
    #expect((hazard?["text"] as? String)?.contains("publish some user whole") == true)
    #expect(try !Figures(scratch, "first").hazards.contains { $0["kind"] as? String == "largeDelta" })
  }

  @Test("A run that ended early says that ε of what was charged is conditional, and what holds without a condition")
  func earlyEnd() throws {
    let scratch = try FinishedRunFixture.copy()
    let status = try simulate(
      scratch, "run", "--algorithm", "mf", "--rounds", "6", "--dropout", "0.25", "--attempts", "1", "--epsilon", "8")
    #expect(status == 3)
    let figures = try Figures(scratch, "run")
    #expect(figures.epsilon < 7.9)
    #expect(
      figures.assumptions.contains("of the 8 planned releases were charged")
        && figures.assumptions.contains("what holds is the plan's cap, ε = 8")
        && figures.assumptions.contains("the whole plan, each release once, has ε = 8"), "\(figures.assumptions)")
    #expect(figures.notCovered.contains("of 8 releases happened (gave up at release"), "\(figures.notCovered)")
    let whole = try Figures(scratch, "first")
    #expect(!whole.assumptions.contains("planned releases") && whole.notCovered.contains("every release of the plan happened"))
  }
}
