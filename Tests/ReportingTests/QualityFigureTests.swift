import Foundation
import Reporting
import Testing

@Suite("Quality drawn against ε and by activity")
struct QualityFigureTests {
  private func point(_ epsilon: Double, _ value: Double) -> PrivacyQualitySeries.Point {
    .init(epsilon: epsilon, value: MetricValue(.fullNDCG10, value, low: value - 0.01, high: value + 0.01))
  }

  private func drawn(_ series: [PrivacyQualitySeries]) -> ReportFigure? {
    ReportFigure.quality(.fullNDCG10, overEpsilonAt: 1e-6, series)
  }

  @Test("Doubling ε is one step to the right wherever it happens, and points are sorted by ε")
  func logarithmic() throws {
    let series = PrivacyQualitySeries(
      name: "mf", points: [point(4, 0.05), point(1, 0.03), point(2, 0.04)],
      withoutNoise: MetricValue(.fullNDCG10, 0.09))
    let figure = try #require(drawn([series]))
    let path = try #require(figure.svg.firstMatch(of: #/<path d="M([0-9.]+) ([0-9.]+)L([0-9.]+) ([0-9.]+)L([0-9.]+) ([0-9.]+)"/#))
    let numbers = try [path.1, path.2, path.3, path.4, path.5, path.6].map { try #require(Double($0)) }
    #expect(abs(numbers[2] - (numbers[0] + numbers[4]) / 2) < 0.2)
    #expect(numbers[1] > numbers[3] && numbers[3] > numbers[5], "more is higher")
    #expect(figure.summary == "mf: 0.030 at ε = 1, 0.040 at ε = 2, 0.050 at ε = 4, 0.090 without noise.")
    #expect(figure.svg.components(separatedBy: "class=\"whisker\"").count - 1 == 3)
    #expect(figure.svg.contains("mf, no noise") && figure.id == "epsilon-full-ndcg-10")
  }

  @Test("One ε is drawn; no usable ε is not, with or without a level")
  func fewPoints() {
    #expect(drawn([PrivacyQualitySeries(name: "mf", points: [point(4, 0.05)])]) != nil)
    #expect(drawn([]) == nil)
    #expect(drawn([PrivacyQualitySeries(name: "mf", points: [], withoutNoise: MetricValue(.fullNDCG10, 0.1))]) == nil)
    #expect(drawn([PrivacyQualitySeries(name: "mf", points: [point(0, 0.1), point(.infinity, 0.1), point(1, .nan)])]) == nil)
  }

  @Test("Bars are as long as what they stand for, and groups without a value are left out")
  func activity() throws {
    let groups = [("1-5", 10, 0.1), ("6-20", 2_000, 0.2), ("21-", 3, .nan)].map { name, users, value in
      (name: name, users: Optional(users), value: MetricValue(.recall20, value))
    }
    let figure = try #require(ReportFigure.quality(.recall20, byActivity: groups))
    let widths = try figure.svg.matches(of: #/width="([0-9.]+)" height="18"/#).map { try #require(Double($0.1)) }
    #expect(widths.count == 2 && abs(widths[1] - 2 * widths[0]) < 0.2)
    #expect(figure.summary == "1-5: 0.100; 6-20: 0.200." && figure.svg.contains("6-20 (2,000)"))
    #expect(ReportFigure.quality(.recall20, byActivity: Array(groups.suffix(1))) == nil)
  }

  @Test("A name cannot break out of either drawing")
  func escaping() throws {
    let name = "</text><script>"
    let one = try #require(
      drawn([PrivacyQualitySeries(name: name, points: [point(1, 0.1)], withoutNoise: MetricValue(.fullNDCG10, 0.2))]))
    let other = try #require(ReportFigure.quality(.recall20, byActivity: [(name, nil, MetricValue(.recall20, 0.1))]))
    #expect(!one.svg.contains("<script>") && !other.svg.contains("<script>"))
  }
}
