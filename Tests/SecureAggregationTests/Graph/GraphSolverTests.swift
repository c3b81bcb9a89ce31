import Foundation
import SecureAggregation
import Testing

@Suite struct GraphSolverTests {
  @Test("The Harary solver gives the degrees and thresholds of another implementation in all 104 cases")
  func publishedCases() throws {
    guard let cases = try PublishedGraphCases.load() else { return }
    #expect(cases.count == 104)
    for published in cases {
      let requirements = try published.requirements
      var found: HararySolution?
      do throws(AggregationParameterError) {
        found = try HararySolver.solve(requirements)
      } catch {
        #expect(published.degree == 0, "\(published): refused with '\(error)'")
        continue
      }
      #expect(published.degree == found?.degree ?? 0, "\(published): found \(String(describing: found))")
      if let found {
        #expect(found.threshold <= published.thresholdAtMost, "\(published): found threshold \(found.threshold)")
      }
    }
  }

  // The design's last threshold is 32; P[more than 30 corrupt] = 2^−56.9 is below 2^−41/n, so that 31 is the exact one.
  @Test(
    "Degrees against a lying server and against a curious one are those that the design gives",
    arguments: [
      (100, GraphAdversary.lyingServer, 32, 22), (1000, .lyingServer, 96, 67), (10_000, .lyingServer, 122, 85),
      (100, .curiousServer, 22, 11), (1000, .curiousServer, 48, 27), (10_000, .curiousServer, 54, 31),
    ])
  func designDegrees(count: Int, adversary: GraphAdversary, degree: Int, threshold: Int) throws {
    let solution = try HararySolver.solve(GraphRequirements(participants: count, adversary: adversary))
    #expect(solution == HararySolution(degree: degree, threshold: threshold))
  }

  // Computed by Protocols/reference/aggregation_graph.py with ratios of big integers.
  @Test(
    "The drawn graph's k, m and t are those of the independent computation with big integers",
    arguments: [
      (50, 0.1, 0.1, 17, 11, 12),
      (50, 0.2, 0.1, 21, 16, 16),
      (100, 0.1, 0.1, 31, 20, 21),
      (200, 0.1, 0.1, 55, 32, 38),
      (500, 0.1, 0.1, 83, 51, 58),
      (500, 0.2, 0.1, 117, 74, 87),
      (1000, 0.05, 0.05, 51, 33, 36),
      (1000, 0.1, 0.1, 96, 59, 67),
    ])
  func drawnRows(row: (n: Int, corrupt: Double, dropouts: Double, k: Int, m: Int, t: Int)) throws {
    let solution = try #require(
      try DrawnGraphSolver.solve(
        GraphRequirements(participants: row.n, corruptShare: row.corrupt, dropoutShare: row.dropouts)))
    #expect((solution.holders, solution.maskDraws, solution.threshold) == (row.k, row.m, row.t))
    #expect(solution.minimumSurvivors == row.n - Int(Double(row.n) * row.dropouts + 1e-9))
  }

  @Test("Tails are sums of exact terms: both sides add up to one, and a small case is counted by hand")
  func tails() {
    // 10 of 30 marked, 6 drawn: P[X >= 4] = (C(10,4) C(20,2) + C(10,5) 20 + C(10,6)) / C(30,6) = 45150 / 593775.
    let small = Hypergeometric(population: 30, marked: 10, draws: 6)
    #expect(abs(exp(small.logUpperTail(from: 4)) - 45150.0 / 593775) < 1e-15)
    #expect(small.logUpperTail(from: 7) == -.infinity && small.logUpperTail(from: 0) == 0)
    let large = Hypergeometric(population: 9999, marked: 1000, draws: 122)
    for x in [0, 5, 12, 13, 40, 122] {
      let sum = exp(large.logUpperTail(from: x + 1)) + exp(large.logLowerTail(to: x))
      #expect(abs(sum - 1) < 1e-10, "at \(x): \(sum)")
    }
    #expect(large.support == 0...122)
    // The quantile is the first point that is rare enough.
    let quantile = large.upperQuantile(logProbability: -40)
    #expect(large.logUpperTail(from: quantile + 1) <= -40 && large.logUpperTail(from: quantile) > -40)
  }

  @Test("Requirements that no graph meets are refused with a sentence, and small rosters keep the complete graph")
  func limits() throws {
    func message(_ requirements: GraphRequirements) -> String? {
      do throws(AggregationParameterError) {
        _ = try DrawnGraphSolver.solve(requirements)
        return nil
      } catch { return error.description }
    }
    #expect(message(GraphRequirements(participants: 0))?.contains("found 0") == true)
    #expect(message(GraphRequirements(participants: 100, corruptShare: 1))?.contains("below 1") == true)
    #expect(message(GraphRequirements(participants: 100, corruptShare: 0.4, dropoutShare: 0.3))?.contains("no room") == true)
    #expect(message(GraphRequirements(participants: 100, adversary: .none))?.contains("without an adversary") == true)
    #expect(message(GraphRequirements(participants: 100, securityBits: 0))?.contains("σ is 0") == true)
    for count in 2...3 { #expect(try DrawnGraphSolver.solve(GraphRequirements(participants: count)) == nil) }
  }

  @Test("The complete graph stays the choice until drawing saves half of the shares, and where nothing drawn will do")
  func choice() throws {
    for count in [2, 3, 5, 10, 20, 40] {
      #expect(try DrawnGraphSolver.choose(GraphRequirements(participants: count)) == nil, "\(count)")
    }
    #expect(try DrawnGraphSolver.choose(GraphRequirements(participants: 100))?.holders == 31)
    // 71 of 99 holders would be needed: no saving, and a promise of probability instead of a certain one.
    #expect(try DrawnGraphSolver.choose(GraphRequirements(participants: 100, corruptShare: 0.3, dropoutShare: 0.2)) == nil)
  }

  @Test("What a plan's graph is worth is computed from its own k, m, t and n_min, and no weaker one passes")
  func worth() throws {
    let solved = try #require(try DrawnGraphSolver.solve(GraphRequirements(participants: 200)))
    func bits(_ holders: Int, _ masks: Int, _ threshold: Int, corrupt: Int = 20, minimum: Int = 180) -> Double {
      DrawnGraphSolver.securityBits(
        participants: 200, holders: holders, maskDraws: masks, threshold: threshold, minimumSurvivors: minimum,
        corrupt: corrupt)
    }
    #expect(bits(solved.holders, solved.maskDraws, solved.threshold) >= 40)
    #expect(bits(solved.holders, solved.maskDraws - 1, solved.threshold) < 42)
    #expect(bits(solved.holders, solved.maskDraws, solved.threshold - 1) < 40)
    #expect(bits(solved.holders, solved.maskDraws, solved.threshold, corrupt: 40) < 40)
    #expect(
      bits(solved.holders, solved.maskDraws, solved.threshold, minimum: 100)
        <= bits(solved.holders, solved.maskDraws, solved.threshold))
    #expect(bits(20, 12, 14) < 40)
  }
}

struct PublishedGraphCases: Decodable {
  struct Case: Decodable {
    let n: Int
    let corruptShare: Double
    let dropoutShare: Double
    let adversary: String
    let degree: Int
    let thresholdAtMost: Int

    enum CodingKeys: String, CodingKey {
      case n, adversary, degree
      case corruptShare = "adversarial_rate"
      case dropoutShare = "dropout_rate"
      case thresholdAtMost = "threshold_at_most"
    }

    var requirements: GraphRequirements {
      get throws {
        let classes: [String: GraphAdversary] = [
          "NONE": .none, "CURIOUS_SERVER": .curiousServer, "SEMI_MALICIOUS_SERVER": .lyingServer,
        ]
        return GraphRequirements(
          participants: n, corruptShare: corruptShare, dropoutShare: dropoutShare,
          adversary: try #require(classes[adversary]))
      }
    }
  }
  let cases: [Case]

  /// `nil`, said aloud, where the developers' folder of vectors is missing.
  static func load() throws -> [Case]? {
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let folders =
      [ProcessInfo.processInfo.environment["TACIT_SHARED"].map { URL(fileURLWithPath: $0) }].compactMap { $0 }
      + [root.deletingLastPathComponent().appendingPathComponent("shared")]
    let paths = folders.map { $0.appendingPathComponent("vectors/secagg_graph/fcp_harary_parameters.json") }
    guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0.path) }) else {
      print("SKIPPED: no shared graph parameters (looked beside the repository and in TACIT_SHARED)")
      return nil
    }
    return try JSONDecoder().decode(PublishedGraphCases.self, from: Data(contentsOf: path)).cases
  }
}
