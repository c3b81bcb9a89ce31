import Reporting
import Testing

@Suite struct ReportFigureTests {
  @Test func theCompleteReportHasAllDrawings() {
    #expect(
      SampleReport.complete.figures().map(\.id) == [
        "quality-by-partner", "quality-by-activity", "epsilon-over-releases", "remaining-budget", "epsilon-delta-curve",
        "attack-reading",
        "rounds-p1-hr-10",
        "cpu-per-stage", "bytes-per-stage",
      ])
  }

  @Test func aReportWithoutFiguresHasNoDrawings() {
    #expect(SampleReport.minimal.figures().isEmpty)
  }

  @Test func drawingsStandAlone() {
    for figure in SampleReport.complete.figures() {
      let drawing = MarkupChecker(figure.svg)
      #expect(drawing.faults.isEmpty, "\(figure.id): \(drawing.faults)")
      #expect(figure.svg.hasPrefix("<svg xmlns=\"http://www.w3.org/2000/svg\""))
      #expect(
        drawing.all("title").count == 1 && drawing.all("desc").count == 1 && drawing.all("style").count == 1)
      #expect(figure.svg.contains(figure.title))
    }
  }

  @Test func descriptionsSayWhatTheDrawingsShow() {
    let figures = SampleReport.complete.figures()
    #expect(
      figures[2].summary
        == "After 9 charges ε is at most 3.972; the plan caps it at 4; 1 of the charges were for aborted attempts."
    )
    #expect(figures[3].summary == "Of the plan's cap of 4, 0.02880 is left after 9 charges.")
    #expect(figures[1].summary == "One group of bars for each of 3 ranges of lengths, one bar per method.")
    #expect(figures[0].summary == "Federated, private: 7 of 7 partners are better off together than alone.")
    #expect(figures[7].summary.hasPrefix("local training: 4.31\u{a0}s; advertise keys: 2.10\u{a0}ms;"))
  }

  @Test func epsilonStepsStandWhereTheAxisSays() {
    var report = SampleReport.minimal
    report.privacy.cap = BudgetCap(epsilon: 4, delta: 1e-6)
    report.privacy.ledger = LedgerExtract(
      entries: [
        LedgerEntryExtract(index: 0, release: "a", epsilonAfter: 1),
        LedgerEntryExtract(index: 1, release: "b", epsilonAfter: 2, released: false),
      ], size: 2)
    let svg = report.figures().first?.svg ?? ""
    // x: 0 at 56, 2 at 534; y: 0 at 268, 5 at 40.
    #expect(svg.contains("<path d=\"M56 268L295 268L295 222.4L534 222.4L534 176.8\" class=\"s s1\"/>"))
    #expect(svg.contains("<line x1=\"56\" y1=\"85.6\" x2=\"534\" y2=\"85.6\" class=\"cap\"/>"))
    #expect(svg.contains("<circle cx=\"534\" cy=\"176.8\" r=\"3.5\" class=\"mark m1 hollow\"/>"))
  }

  @Test(arguments: [0.0, 1e-300, 1, 1e300, -1, .nan, .infinity, -.infinity])
  func noCoordinateIsEverUndefined(value: Double) {
    let numbers = value.isFinite ? Int(max(min(value, 1e15), -1)) : 0
    var report = SampleReport.complete
    for index in report.privacy.guarantees.indices {
      report.privacy.guarantees[index].epsilonUpper = value
      report.privacy.guarantees[index].epsilonLower = value
      report.privacy.guarantees[index].delta = value
      report.privacy.guarantees[index].mu = value
      report.privacy.guarantees[index].rho = value
      report.privacy.guarantees[index].attack = [
        AttackReading(falsePositiveRate: value, truePositiveRateMax: value)
      ]
      report.privacy.guarantees[index].groups = [GroupGuarantee(size: 2, epsilon: value, delta: value)]
      report.privacy.guarantees[index].curve = [
        CurvePoint(epsilon: value, delta: value), CurvePoint(epsilon: 1, delta: value),
        CurvePoint(epsilon: value, delta: 1e-6),
        CurvePoint(epsilon: value, delta: 1e-6),
      ]
      report.privacy.guarantees[index].epsilonAtDelta = [CurvePoint(epsilon: value, delta: value)]
    }
    report.privacy.cap = BudgetCap(epsilon: value, delta: value)
    report.privacy.ledger?.epsilonRemaining = value
    for index in report.privacy.ledger?.entries.indices ?? 0..<0 {
      report.privacy.ledger?.entries[index].epsilonAfter = value
    }
    for index in report.privacy.mechanisms.indices {
      report.privacy.mechanisms[index].clipNorm = value
      report.privacy.mechanisms[index].scale = value
      report.privacy.mechanisms[index].noiseMultiplier = value
      report.privacy.mechanisms[index].wrapProbabilityLog2 = value
      report.privacy.mechanisms[index].cohortExpected = value
      report.privacy.mechanisms[index].samplingRate = value
      report.privacy.mechanisms[index].budgetShare = value
    }
    for row in report.utility?.quality?.rows.indices ?? 0..<0 {
      report.utility?.quality?.rows[row].metrics = [
        MetricValue(.sampledHitRate10, value, low: value, high: value),
        MetricValue(.recall20, row == 0 ? 0.5 : value),
      ]
    }
    report.utility?.series = [
      MetricSeries(
        method: .federatedPrivate, metric: .recall20,
        points: [
          RoundValue(round: 1, value: value), RoundValue(round: 1, value: 0),
          RoundValue(round: 2, value: value),
        ])
    ]
    report.utility?.noiseReading = NoiseReading(nominalUsers: 10, noiseMultiplier: value)
    report.cost?.stages = [
      StageCost(.noise, cpuSeconds: value, bytes: numbers), StageCost(.unmask, cpuSeconds: 1),
    ]
    report.cost?.cpuSeconds = value
    let html = report.renderHTML()
    let page = MarkupChecker(html)
    #expect(page.faults.isEmpty)
    let geometry = ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "d", "viewBox"]
    for element in page.elements {
      for key in geometry {
        guard let text = element.attributes[key] else { continue }
        #expect(text.allSatisfy { "0123456789.- MLZ".contains($0) }, "\(element.name) \(key)=\(text)")
        #expect(text.count < 40 || key == "d", "\(element.name) \(key)=\(text)")
      }
    }
    #expect(
      !html.contains("nan<") && !html.contains("inf<") && !html.contains(">inf") && !html.contains(">nan"))
    #expect(!report.renderText(.full).contains("nan"))
  }

  @Test func aFlatOrSinglePointSeriesDoesNotBreakTheAxes() {
    var report = SampleReport.minimal
    report.utility = UtilityReport(series: [
      MetricSeries(method: .alone, metric: .recall20, points: [RoundValue(round: 3, value: 0.1)]),
      MetricSeries(
        method: .alone, metric: .ndcg20,
        points: [RoundValue(round: 1, value: 0), RoundValue(round: 2, value: 0)]),
    ])
    #expect(report.figures().map(\.id) == ["rounds-ndcg-20"])
  }
}
