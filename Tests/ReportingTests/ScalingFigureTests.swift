import Foundation
import Reporting
import Testing

@Suite("Growth drawn")
struct ScalingFigureTests {
  private func drawn(_ series: [ScalingSeries]) -> ReportFigure? {
    ReportFigure.scaling(id: "growth", title: "Growth", sizeName: "n", costName: "s", series: series)
  }

  @Test("The exponent of a power of the size is said in words")
  func exponent() throws {
    let squares = [10.0, 100, 1000].map { (size: $0, cost: 1e-6 * $0 * $0) }
    let figure = try #require(drawn([ScalingSeries(name: "squares", points: squares)]))
    #expect(figure.summary.contains("exponent 2.00"))
    #expect(figure.summary.contains("at 10,") && figure.summary.contains("at 1,000,"))
    #expect(figure.svg.contains("<svg") && figure.svg.hasSuffix("</svg>"))
    // A straight line: the middle point halves the way.
    let path = try #require(figure.svg.firstMatch(of: #/<path d="M([0-9.]+) ([0-9.]+)L([0-9.]+) ([0-9.]+)L([0-9.]+) ([0-9.]+)"/#))
    let numbers = try [path.1, path.2, path.3, path.4, path.5, path.6].map { try #require(Double($0)) }
    #expect(abs(numbers[2] - (numbers[0] + numbers[4]) / 2) < 0.2)
    #expect(abs(numbers[3] - (numbers[1] + numbers[5]) / 2) < 0.2)
  }

  @Test("What is not positive and finite is left out, and without two sizes nothing is drawn")
  func unusable() {
    #expect(drawn([]) == nil)
    #expect(drawn([ScalingSeries(name: "one", points: [(10, 1)])]) == nil)
    #expect(drawn([ScalingSeries(name: "bad", points: [(10, 0), (20, .nan), (0, 1), (30, .infinity)])]) == nil)
    #expect(drawn([ScalingSeries(name: "good", points: [(10, 1), (20, .nan), (40, 1)])]) != nil)
  }

  @Test("A name cannot break out of the drawing")
  func escaping() throws {
    let figure = try #require(drawn([ScalingSeries(name: "</text><script>", points: [(1, 1), (2, 2)])]))
    #expect(!figure.svg.contains("<script>"))
  }
}
