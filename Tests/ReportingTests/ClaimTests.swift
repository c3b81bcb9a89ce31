import Reporting
import Testing

@Suite struct ClaimTests {
  @Test func aBoundNamesUnitAdjacencyAndAdversary() {
    let claim = Claim(SampleReport.complete)
    #expect(claim.verdict == .bounded)
    for word in [
      "one user with all of their interactions", "add/remove", "ε ≤ 3.98", "δ = 10⁻⁶",
      "hold no share of the noise",
    ] {
      #expect(claim.statement.contains(word), "\(word)")
    }
    #expect(claim.statement.contains("exact quality tables on this page are not covered"))
    #expect(claim.remarks.contains("Against the coordinator together with 1 partner: ε ≤ 4.56 at δ = 10⁻⁶."))
    #expect(claim.remarks.contains { $0.hasPrefix("The signed plan caps ε at 4 (δ = 10⁻⁶)") })
  }

  @Test func whatWasSpentOverAllPlansOpensThePage() {
    var report = SampleReport.complete
    report.privacy.total = SpentTotal(epsilon: 6.598, delta: 1e-6, epsilonCap: 8, planCount: 2)
    var claim = Claim(report)
    #expect(claim.verdict == .bounded && claim.headline.hasPrefix("Charged for the same users over all plans (2 plans): ε ≤ 6.6"))
    #expect(
      claim.statement.contains("own cap over all plans is ε = 8; 1.4") && claim.statement.contains("This plan: What this run"))
    report.privacy.guarantees = []
    claim = Claim(report)
    #expect(claim.statement.hasSuffix("Nothing was charged under this plan yet."))
    report.privacy.total?.epsilonCap = 3
    #expect(Claim(report).verdict == .overspent)
    report.privacy.total = SpentTotal(epsilon: nil, delta: 1e-6, planCount: 1)
    #expect(Claim(report).remarks.first?.contains("no finite ε") == true)
  }

  @Test func centralNoiseSaysWhomThePartnersTrust() {
    var report = SampleReport.complete
    report.privacy.setting.noise = .central
    let claim = Claim(report)
    #expect(claim.statement.contains("the partners among them"))
    #expect(
      claim.remarks.contains {
        $0.contains("the partners trust it") && $0.contains("no single partner's input")
      })
    report.privacy.setting.secureAggregation = false
    #expect(Claim(report).remarks.contains { $0.contains("it also sees every partner's input") })
  }

  @Test func withoutNoiseNothingIsClaimed() {
    let claim = Claim(SampleReport.minimal)
    #expect(claim.verdict == .noNoise)
    #expect(!claim.headline.contains("ε") && !claim.statement.contains("ε") && claim.remarks.isEmpty)
  }

  @Test func withoutNoiseNoGuaranteeIsPrintedEvenIfTheHostLeftOne() throws {
    var report = SampleReport.complete
    report.privacy.setting.noise = .none
    let html = report.renderHTML()
    #expect(
      html.contains("No differential privacy") && !html.contains("ε charged")
        && !html.contains("Protected unit"))
    #expect(try !report.renderJSON().contains("epsilonUpper"))
  }

  @Test func aMissingFigureAgainstTheCoalitionIsSaid() {
    var report = SampleReport.complete
    report.privacy.guarantees = [SampleReport.outsiders]
    #expect(Claim(report).remarks.contains { $0.hasPrefix("No figure was computed against the coordinator") })
  }

  @Test("A plan that an audit contradicts claims no bound") func aContradictedPlanClaimsNoBound() throws {
    var report = SampleReport.complete
    report.hazards.append(try #require(report.privacy.audit?.hazard))
    report.privacy.total = SpentTotal(epsilon: 6.598, delta: 1e-6, epsilonCap: 8, planCount: 2)
    let claim = Claim(report)
    #expect(claim.verdict == .contradicted && claim.headline.hasPrefix("An audit contradicts this plan"))
    #expect(!claim.statement.contains("differentially private"))
    let html = report.renderHTML()
    #expect(html.contains("class=\"card claim alarm\"") && html.contains("contradicted by an audit"))
    #expect(
      html.contains("<h1 id=\"claim\">An audit contradicts this plan") && report.renderText().hasPrefix("An audit contradicts"))
  }

  @Test func testRandomnessOverridesEveryBound() {
    var report = SampleReport.complete
    report.hazards.append(Hazard(kind: .testRandomness, text: "x"))
    #expect(Claim(report).verdict == .notPrivate)
    let html = report.renderHTML()
    #expect(html.contains("<h1 id=\"claim\">Not private:"))
    #expect(html.contains("void: test randomness") && !html.contains("ε charged"))
    #expect(html.contains("<li><strong>Test randomness.</strong> x</li>\n<li><strong>Simulation.</strong>"))
    #expect(report.renderText().hasPrefix("Not private:"))
  }

  @Test func moreThanTheCapIsCalledSo() {
    var report = SampleReport.complete
    report.privacy.cap = BudgetCap(epsilon: 3.9, delta: 1e-6)
    #expect(Claim(report).verdict == .overspent)
    #expect(Claim(report).headline.hasPrefix("More was charged than the plan allows: ε ≤ 3.98"))
  }

  @Test func noiseWithoutAFigureIsNoGuarantee() {
    var report = SampleReport.complete
    report.privacy.guarantees = []
    #expect(Claim(report).verdict == .notComputed)
  }

  @Test func theHeadlineIsAboutTheAdversaryOfTheCap() {
    var report = SampleReport.complete
    report.privacy.cap = BudgetCap(epsilon: 5, delta: 1e-6, against: .coalition)
    let claim = Claim(report)
    #expect(claim.headline.hasPrefix("What the coordinator, even with 1 partner, can learn about one user"))
    #expect(claim.statement.contains("ε ≤ 4.56"))
  }
}
