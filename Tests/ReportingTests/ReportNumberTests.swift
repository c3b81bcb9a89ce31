import Reporting
import Testing

@Suite struct ReportNumberTests {
  @Test(arguments: [
    (3.97121, 4, "3.972"), (3.97121, 3, "3.98"), (4.0, 4, "4.000"), (4.000000000000001, 4, "4.000"),
    (4.00001, 4, "4.001"), (9.9996, 4, "10.00"), (0.99999, 3, "1.00"), (27.4412, 4, "27.45"),
    (0.0287, 4, "0.02870"),
    (1234.1, 3, "1240"), (0.0, 4, "0"), (Double.infinity, 4, "unbounded"), (Double.nan, 4, "unbounded"),
    (0.000012341, 3, "1.24e-5"),
  ])
  func upperBoundsAreRoundedUp(value: Double, digits: Int, text: String) {
    #expect(ReportNumber.upperBound(value, digits: digits) == text)
  }

  @Test(arguments: [(3.97199, 4, "3.971"), (4.0, 3, "4.00"), (1.8377, 4, "1.837"), (0.99999, 2, "0.99")])
  func lowerBoundsAreRoundedDown(value: Double, digits: Int, text: String) {
    #expect(ReportNumber.lowerBound(value, digits: digits) == text)
  }

  @Test func aPrintedUpperBoundIsNeverBelowTheValue() {
    // A fixed walk over fourteen decades.
    var value = 1.000_123e-7
    while value < 1e7 {
      for digits in 2...4 {
        let printed = Double(ReportNumber.upperBound(value, digits: digits)) ?? -1
        #expect(printed >= value * (1 - 1e-12), "\(value) was printed as \(printed)")
        #expect(printed <= value * 1.11, "\(value) was printed as \(printed)")
        let lower = Double(ReportNumber.lowerBound(value, digits: digits)) ?? .infinity
        #expect(lower <= value * (1 + 1e-12), "\(value) was printed as \(lower)")
        #expect(lower >= value * 0.9, "\(value) was printed as \(lower)")
      }
      value *= 1.0137
    }
  }

  @Test(arguments: [
    (1e-6, "10⁻⁶"), (2.5e-7, "2.5·10⁻⁷"), (1e-10, "10⁻¹⁰"), (9.99e-7, "10⁻⁶"), (1.01e-6, "1.1·10⁻⁶"),
    (0.25, "0.25"),
    (0, "0"), (3e-5, "3·10⁻⁵"),
  ])
  func deltaIsAPowerOfTenOrRoundedUp(value: Double, text: String) {
    #expect(ReportNumber.delta(value) == text)
  }

  @Test(arguments: [
    (812, "812\u{a0}B"), (18_220, "18.2\u{a0}kB"), (999_499, "999\u{a0}kB"), (999_600, "1.00\u{a0}MB"),
    (612_000_000, "612\u{a0}MB"), (0, "0\u{a0}B"),
  ])
  func bytesHaveThreeDigits(value: Int, text: String) {
    #expect(ReportNumber.bytes(value) == text)
  }

  @Test(arguments: [
    (0.0021, "2.10\u{a0}ms"), (0.412, "0.412\u{a0}s"), (85.13, "85.1\u{a0}s"), (0, "0\u{a0}s"),
    (4321, "4321\u{a0}s"),
    (.nan, "not measured"),
  ])
  func secondsHaveThreeDigits(value: Double, text: String) {
    #expect(ReportNumber.seconds(value) == text)
  }

  @Test func constantsPrintAsThePlanGaveThem() {
    #expect(ReportNumber.constant(4) == "4")
    #expect(ReportNumber.constant(0.5) == "0.5")
    #expect(ReportNumber.constant(0.00001) == "1e-5")
  }

  @Test func countsHaveCommas() {
    #expect(
      [0, 999, 1000, 1_234_567, -4321].map(ReportNumber.count) == [
        "0", "999", "1,000", "1,234,567", "−4,321",
      ])
  }

  @Test func powersOfTwoBoundFromAbove() {
    #expect(ReportNumber.powerOfTwoBound(log2: -61.7) == "2⁻⁶¹")
    #expect(ReportNumber.powerOfTwoBound(log2: -.infinity) == "not measured")
    #expect(ReportNumber.powerOfTwo(32) == "2³²")
  }

  @Test func percentagesOfABoundStayAtMostOneHundred() {
    #expect(ReportNumber.upperPercentage(0.0686) == "6.86\u{a0}%")
    #expect(ReportNumber.upperPercentage(1) == "100\u{a0}%")
  }
}
