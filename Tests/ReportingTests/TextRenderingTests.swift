import Reporting
import Testing

@Suite struct TextRenderingTests {
  @Test func theSummaryHoldsClaimGuaranteesQualityAndCost() {
    let text = SampleReport.complete.renderText()
    #expect(
      text.hasPrefix("What a reader of the model can learn about one user is bounded: ε ≤ 3.98 at δ = 10⁻⁶\n")
    )
    #expect(text.contains("! Simulation: One process played all parties"))
    #expect(
      text.contains(
        "federated, private        6,040  0.547 [0.534–0.559]  0.366 [0.356–0.377]  0.1039   0.0530      0.159"
      ))
    #expect(text.contains("masked input       0.412\u{a0}s       51.4\u{a0}MB"))
    #expect(text.contains("France          7.34\u{a0}MB     9.12\u{a0}MB"))
    #expect(!text.contains("Mechanism of each release"))
    #expect(SampleReport.complete.renderText(.full).contains("Mechanism of each release"))
  }

  @Test func chargesNameTheirPlanCountFromOneAndLeaveEmptyColumnsOut() {
    var report = SampleReport.complete
    report.privacy.ledger?.entries = [
      LedgerEntryExtract(index: 1, plan: "second", release: "counts", round: 0, attempt: 0, epsilonAfter: 0.5),
      LedgerEntryExtract(index: 3, plan: "third", release: "counts", round: 4, attempt: 2, epsilonAfter: 0.8, released: false),
    ]
    let lines = report.renderText(.full).split(separator: "\n").map { $0.split { $0 == " " } }
    #expect(lines.contains { $0.prefix(5) == ["Entry", "Plan", "Release", "Round", "Attempt"] && !$0.contains("Hash") })
    #expect(lines.contains { $0.prefix(5) == ["1", "second", "counts", "1", "1"] })
    #expect(lines.contains { $0.prefix(5) == ["3", "third", "counts", "5", "3"] })
    #expect(!report.renderText(.full).contains("Partners in the sum  "))
  }

  @Test(arguments: [60, 80, 120])
  func sentencesKeepToTheWidth(width: Int) {
    var report = SampleReport.complete
    report.privacy.mechanisms = []
    report.utility = nil
    report.privacy.guarantees = []
    report.privacy.ledger = nil
    report.cost = nil
    report.commands = []
    report.privacy.setting.observers = []
    report.identity = RunIdentity(runID: "r")
    for line in report.renderText(.full, width: width).split(separator: "\n") {
      #expect(TerminalWidth.of(String(line)) <= width, "\(line)")
    }
  }

  @Test func columnsStayAlignedWithWideAndCombiningCharacters() {
    var report = SampleReport.complete
    report.cost?.traffic = ["合作伙伴", "e\u{301}te\u{301}", "plain"].map {
      PartnerTraffic(partner: $0, bytesUp: 1, bytesDown: 2)
    }
    let lines = report.renderText(.full).split(separator: "\n")
      .filter { $0.hasSuffix("2\u{a0}B") }.map(String.init)
    #expect(lines.count == 3)
    #expect(Set(lines.map(TerminalWidth.of)).count == 1)
  }

  @Test func theLeastReportIsAShortText() {
    #expect(
      SampleReport.minimal.renderText() == """
        No differential privacy: this run added no noise

        The coordinator saw each partner's input, and the released models may reveal whether one user with
        all of their interactions took part.

        """)
  }

  @Test func whatWasNotMeasuredSaysSo() {
    var report = SampleReport.complete
    report.cost = CostReport(stages: [StageCost(.noise)])
    let text = report.renderText(.full)
    #expect(text.contains("Wall time              not measured"))
    #expect(text.contains("Partners that dropped out, by stage, over all rounds: not measured."))
    report.cost?.dropouts = []
    #expect(report.renderText(.full).contains("No partner dropped out."))
  }
}
