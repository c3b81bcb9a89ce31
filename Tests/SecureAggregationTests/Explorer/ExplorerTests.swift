import Foundation
import SecureAggregation
import Testing

/// Attempts of three and four, explored to the last state. `TACIT_EXPLORE=long` (`make explore`) adds those that take minutes.
@Suite(.serialized) struct ExplorerTests {
  struct Size: CustomTestStringConvertible, Sendable {
    let participants: Int
    let threshold: Int
    var corrupt = 0

    var testDescription: String { "n = \(participants), t = \(threshold), \(corrupt) corrupt" }
  }

  static let isLong = ProcessInfo.processInfo.environment["TACIT_EXPLORE"] == "long"
  /// Up to 2t − n − 1 corrupt: what the threshold promises.
  static let short = [
    Size(participants: 3, threshold: 2), Size(participants: 3, threshold: 3), Size(participants: 3, threshold: 3, corrupt: 1),
    Size(participants: 3, threshold: 3, corrupt: 2),
  ]
  static let long = [Size(participants: 4, threshold: 3, corrupt: 1), Size(participants: 4, threshold: 3)]
  static let all = short + (isLong ? long : [])

  @Test("In no state does a lying coordinator open both secrets of a peer, a small sum, or two survivor sets", arguments: all)
  func lyingServer(size: Size) throws {
    let report = try LyingServerExplorer(
      participants: size.participants, threshold: size.threshold, corrupt: size.corrupt
    ).explore()
    print("explored, lying coordinator, \(size.testDescription): \(report)")
    #expect(report.violations.isEmpty, "\(report.violations)")
    // It was led through whole attempts, and met refusals.
    #expect(report.answered > 0 && report.refused > report.places)
  }

  @Test("With one more corrupt than the threshold allows the explorer finds the attack")
  func tooManyCorrupt() throws {
    let report = try LyingServerExplorer(participants: 4, threshold: 3, corrupt: 2).explore(until: .bothSecrets)
    print("explored, lying coordinator, n = 4, t = 3, 2 corrupt: \(report)")
    #expect(report.violations[.bothSecrets] != nil)
  }

  @Test("The explorer finds clients that answer twice, and clients that take signatures on other survivors")
  func plantedFaults() throws {
    let twice = try LyingServerExplorer(participants: 4, threshold: 3, fault: .answersTwice).explore(until: .bothSecrets)
    print("explored, clients that answer twice: \(twice)")
    #expect(twice.violations[.bothSecrets] != nil, "\(twice)")
    let differing = try LyingServerExplorer(participants: 4, threshold: 3, fault: .survivorsDiffer)
      .explore(until: .survivorsDiffer)
    print("explored, clients that take signatures on other survivors: \(differing)")
    #expect(differing.violations[.survivorsDiffer] != nil, "\(differing)")
  }

  @Test(
    "Whatever arrives in whatever order, late or never, an attempt ends with the exact sum or for want of participants",
    arguments: [Size(participants: 3, threshold: 2), Size(participants: 3, threshold: 3), Size(participants: 4, threshold: 3)])
  func honestServer(size: Size) throws {
    let report = try HonestServerExplorer(participants: size.participants, threshold: size.threshold).explore()
    print("explored, honest coordinator, \(size.testDescription): \(report)")
    #expect(report.completions > 0 && report.aborts > 0)
  }

  @Test("The same over a drawn graph of four")
  func honestServerOfDrawnGraph() throws {
    let report = try HonestServerExplorer(participants: 4, threshold: 2, graph: .drawn(holders: 3, maskDraws: 2)).explore()
    print("explored, honest coordinator, drawn graph, n = 4, k = 3, m = 2, t = 2: \(report)")
    #expect(report.completions > 0 && report.aborts > 0)
  }
}
