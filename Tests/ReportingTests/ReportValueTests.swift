import Reporting
import Testing

@Suite struct ReportValueTests {
  @Test func attackReadingFollowsTheGaussianTradeOff() {
    // Φ(Φ⁻¹(0.01) + 1) and Φ(Φ⁻¹(0.001) + 1), from tables of the normal distribution.
    let readings = AttackReading.readings(gaussianMu: 1)
    #expect(readings.map(\.falsePositiveRate) == [0.001, 0.01])
    #expect(abs(readings[0].truePositiveRateMax - 0.018301) < 1e-5)
    #expect(abs(readings[1].truePositiveRateMax - 0.092363) < 1e-5)
  }

  @Test func withoutPrivacyLossAnAttackGuesses() {
    for reading in AttackReading.readings(gaussianMu: 0) {
      #expect(abs(reading.truePositiveRateMax - reading.falsePositiveRate) < 1e-12)
    }
  }

  @Test(arguments: [
    (1.0, PrivacyTier.strong), (1.0001, .reasonable), (10, .reasonable), (10.01, .weak), (.infinity, .none),
  ])
  func tiersHaveTheirBordersAtOneAndTen(epsilon: Double, tier: PrivacyTier) {
    #expect(PrivacyTier(epsilon: epsilon) == tier)
  }

  @Test func contributorsAreSummarisedByMinimumMedianAndMaximum() {
    #expect(NoiseContributors(counts: []) == nil)
    #expect(NoiseContributors(counts: [9, 10, 8]) == NoiseContributors(min: 8, median: 9, max: 10))
    #expect(NoiseContributors(counts: [9, 10]) == NoiseContributors(min: 9, median: 9.5, max: 10))
  }
}
