import FederatedLearning
import Foundation
import Simulation
import Testing

/// Audits of the real pipeline: they keep quiet about what is right and find what is wrong.
@Suite(.serialized) struct AuditTests {
  private struct Count {
    var runs = 0
    var contradicted = 0
    var byMethod: [AuditMethod: Int] = [:]
    var refuted = 0

    mutating func add(_ result: AuditResult) {
      runs += 1
      if result.isContradicted { contradicted += 1 }
      for finding in result.findings where finding.isContradicted { byMethod[finding.method, default: 0] += 1 }
      if result.epsilonLower > result.provenEpsilon { refuted += 1 }
    }

    var row: String {
      "found fault in \(contradicted) of \(runs)"
        + AuditMethod.allCases.map { ", \($0.rawValue) \(byMethod[$0] ?? 0)" }.joined()
    }
  }

  @Test func auditsOfARightMechanismFindFaultNoMoreOftenThanTheyClaim() throws {
    let runs = AuditBench.isLong ? 200 : 8
    var count = Count()
    for seed in 0..<runs {
      var bench = AuditBench()
      if seed % 2 == 1 { bench.noise = .distributed }
      count.add(try bench.run(seed: UInt64(1000 + seed)))
    }
    print("audit table: no fault: \(count.row); a lower bound above the proven ε in \(count.refuted)")
    func most(_ share: Double) -> Double {
      Double(runs) * share + 3 * (Double(runs) * share * (1 - share)).squareRoot()
    }
    #expect(Double(count.contradicted) <= most(0.01), "\(count.row)")
    // Each lower bound holds with confidence 95 %; there are two.
    #expect(Double(count.refuted) <= most(0.1))
  }

  @Test(
    "A broken mechanism is found",
    arguments: [
      MechanismFault.halfDeviation, .missingClip, .reusedSeed, .missingShare,
    ])
  func power(fault: MechanismFault) throws {
    let runs = AuditBench.isLong ? 100 : 4
    var count = Count()
    for seed in 0..<runs {
      var bench = AuditBench()
      bench.mechanism = fault
      // Both kinds of noise, where a fault can befall both.
      if fault == .missingShare || seed % 2 == 1 { bench.noise = .distributed }
      count.add(try bench.run(seed: UInt64(2000 + seed)))
    }
    print("audit table: \(fault.rawValue): \(count.row)")
    #expect(Double(count.contradicted) >= 0.95 * Double(runs), "\(fault.rawValue): \(count.row)")
  }

  @Test func eachFaultIsSeenByTheAttackThatIsThereForIt() throws {
    func findings(_ fault: MechanismFault, _ noise: NoiseMode) throws -> [AuditMethod: AuditFinding] {
      var bench = AuditBench()
      bench.mechanism = fault
      bench.noise = noise
      return Dictionary(uniqueKeysWithValues: try bench.run(seed: 42).findings.map { ($0.method, $0) })
    }
    let clip = try findings(.missingClip, .central)
    #expect(clip[.oneShot]?.isContradicted == true && clip[.oneRun]?.correct == 30 && clip[.residual]?.isContradicted == false)
    let half = try findings(.halfDeviation, .central)
    #expect(abs((half[.residual]?.varianceRatio ?? 0) - 0.25) < 0.02)
    let share = try findings(.missingShare, .distributed)
    #expect(abs((share[.residual]?.varianceRatio ?? 0) - 0.9) < 0.05)
    let seed = try findings(.reusedSeed, .central)
    #expect((seed[.residual]?.correlation ?? 0) > 0.99)
    let right = try findings(.none, .distributed)
    #expect(abs((right[.residual]?.varianceRatio ?? 0) - 1) < 0.05 && abs(right[.residual]?.correlation ?? 1) < 0.3)
  }

  @Test(
    "Where a plan allows users at several partners, canaries are there too: what they look like is what the plan's ε is about")
  func severalPartners() throws {
    var bench = AuditBench()
    bench.epsilon = 8
    bench.partnersPerUser = 2
    bench.settings.methods = [.oneShot]
    let right = try bench.run(seed: 11)
    let finding = try #require(right.findings.first)
    #expect(!right.isContradicted)
    // At one partner they would look like a mechanism of less than half of ε.
    #expect((finding.epsilonEstimate ?? 0) > 0.6 * right.provenEpsilon, "\(finding)")
    bench.mechanism = .halfDeviation
    #expect(try bench.run(seed: 11).isContradicted)
  }

  @Test func twoLowerBoundsShareTheirConfidence() throws {
    var bench = AuditBench()
    bench.mechanism = .missingClip
    bench.settings.methods = [.oneRun]
    let alone = try #require(try bench.run(seed: 12).findings.first?.epsilonLower)
    bench.settings.methods = [.oneRun, .oneShot, .residual]
    let both = try #require(try bench.run(seed: 12).findings.first { $0.method == .oneRun }?.epsilonLower)
    // The same guesses; P[Bin(30, q) ≥ 30] = q^30 is 5 % for the one and 2.5 % for the other.
    func bound(_ significance: Double) -> Double { -log(expm1(-log(significance) / 30)) }
    #expect(both > 0 && both < alone, "\(both), \(alone)")
    #expect(abs(alone - both - (bound(0.05) - bound(0.025))) < 0.02, "\(both), \(alone)")
  }

  @Test func noiseIsLookedAtUntilThereIsEnoughOfIt() throws {
    var bench = AuditBench()
    bench.settings.methods = [.residual]
    bench.settings.residualCoordinates = 20_000
    let residual = try #require(try bench.run(seed: 6).findings.first)
    #expect(residual.coordinates ?? 0 >= 20_000 && residual.coordinates ?? 0 < 40_000 && !residual.isContradicted)
  }

  @Test func covarianceAndSampledPlansAreAuditedToo() throws {
    var covariance = AuditBench()
    covariance.algorithm = "covariance"
    covariance.parameters = ["head-size": 60, "counts-share": 0.2, "pair-half-life": 0]
    covariance.rounds = nil
    let result = try covariance.run(seed: 3)
    #expect(!result.isContradicted && abs(result.provenEpsilon - 2) < 0.01 && result.findings.count == 3)
    covariance.mechanism = .missingClip
    #expect(try covariance.run(seed: 3).isContradicted)
    // One user in thirteen blocks.
    var neighbours = AuditBench()
    neighbours.algorithm = "item-knn"
    neighbours.parameters = ["block-rows": 20]
    neighbours.rounds = nil
    let blocks = try neighbours.run(seed: 3)
    #expect(!blocks.isContradicted && abs(blocks.provenEpsilon - 2) < 0.01)
    neighbours.mechanism = .missingClip
    #expect(try neighbours.run(seed: 3).isContradicted)
    var sampled = AuditBench()
    sampled.samplingRate = 0.3
    let quiet = try sampled.run(seed: 4)
    // Where users are sampled the mechanism is no Gaussian one, and nothing is said of one.
    #expect(!quiet.isContradicted && quiet.findings.allSatisfy { $0.epsilonLowerGaussian == nil })
  }

  @Test(
    "What cannot be audited is refused before anything runs",
    arguments: [
      (81, 30, 0.95, NoiseMode.central, "81 canaries among 80 users"), (80, 81, 0.95, .central, "81 guesses about 80 canaries"),
      (1, 1, 0.95, .central, "expected 2 to"), (80, 0, 0.95, .central, "0 guesses"),
      (80, 30, 1.0, .central, "the confidence is 1"),
      (80, 30, 0.95, .none, "nothing to audit"),
    ])
  func refused(canaries: Int, guesses: Int, confidence: Double, noise: NoiseMode, sentence: String) throws {
    var bench = AuditBench()
    bench.noise = noise
    bench.settings.canaries = canaries
    bench.settings.guesses = guesses
    bench.settings.confidence = confidence
    if noise == .none { bench.parameters = [:] }
    let error = #expect(throws: AuditError.self) { try bench.run(seed: 1) }
    #expect(error?.description.contains(sentence) == true, "\(error?.description ?? "")")
  }
}
