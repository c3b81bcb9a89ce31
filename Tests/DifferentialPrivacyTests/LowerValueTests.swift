import DifferentialPrivacy
import Foundation
import Testing

/// Lower values of integer releases against sums over the integers: what is said to be lost "at least" must be lost.
///
/// Nothing here knows of the theorem: probabilities are those of the definition, N_Z(0, σ²)(k) ∝ e^(−k²/(2σ²)).
@Suite struct LowerValueTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let sigmaSquared: Int64
    let deltaSquared: Int64
    let dimension: Int
    /// How far apart the sums of two neighbours are whose difference lies along one entry.
    let distance: Int
    let rate: Double
    let count: Int
    let delta: Double
    var adjacency = Adjacency.addRemove

    var testDescription: String {
      "σ² \(sigmaSquared), Δ² \(deltaSquared), d \(dimension), q \(rate), \(count) times, δ \(delta), \(adjacency)"
    }

    var event: PrivacyEvent {
      get throws {
        let release = try GaussianRelease(
          sigmaSquared: sigmaSquared, deltaSquared: deltaSquared, dimension: dimension, adjacency: adjacency)
        let one: PrivacyEvent =
          rate < 1 ? .poissonSampled(rate: try SamplingRate(rate), release: release) : .gaussian(release: release)
        return .repeated(event: one, count: count)
      }
    }

    /// The larger ε at δ of both directions, by sums over all outcomes of one or two releases.
    var truth: Double {
      let reach = Int(14 * Double(sigmaSquared).squareRoot()) + 2 * distance
      let weight = { (k: Int) in exp(-Double(k * k) / (2 * Double(sigmaSquared))) }
      let total = (-2 * reach...2 * reach).reduce(0) { $0 + weight($1) }
      let outcomes = Array(-reach...reach)
      let shifted = outcomes.map { ((1 - rate) * weight($0) + rate * weight($0 - distance)) / total }
      // Under replace-one the other user points the other way.
      let other =
        adjacency == .replaceOne
        ? outcomes.map { ((1 - rate) * weight($0) + rate * weight($0 + distance)) / total } : outcomes.map { weight($0) / total }
      return max(Self.epsilon(shifted, other, count, delta), Self.epsilon(other, shifted, count, delta))
    }

    private static func epsilon(_ p: [Double], _ q: [Double], _ count: Int, _ delta: Double) -> Double {
      let losses = zip(p, q).filter { $0 > 1e-40 && $1 > 0 }.map { (loss: log($0 / $1), p: $0) }.sorted { $0.loss < $1.loss }
      // Suffix sums of p and of q = p·e^(−L): δ of one release at any ε.
      var tails = [(p: 0.0, q: 0.0)]
      for one in losses.reversed() {
        tails.append((tails[tails.count - 1].p + one.p, tails[tails.count - 1].q + one.p * exp(-one.loss)))
      }
      let deltaOfOne = { (epsilon: Double) -> Double in
        var (low, high) = (0, losses.count)
        while low < high {
          let middle = (low + high) / 2
          if losses[middle].loss > epsilon { high = middle } else { low = middle + 1 }
        }
        let tail = tails[losses.count - low]
        return max(0, tail.p - exp(epsilon) * tail.q)
      }
      let deltaOfAll = { (epsilon: Double) -> Double in
        count == 1 ? deltaOfOne(epsilon) : losses.reduce(0) { $0 + $1.p * deltaOfOne(epsilon - $1.loss) }
      }
      var (low, high) = (0.0, 60.0)
      for _ in 0..<44 {
        let middle = (low + high) / 2
        if deltaOfAll(middle) > delta { low = middle } else { high = middle }
      }
      return high
    }
  }

  static let cases = [
    Case(sigmaSquared: 4096, deltaSquared: 4096, dimension: 10, distance: 64, rate: 1, count: 1, delta: 1e-6),
    Case(sigmaSquared: 4096, deltaSquared: 100, dimension: 10, distance: 10, rate: 1, count: 1, delta: 1e-6),
    Case(sigmaSquared: 5000, deltaSquared: 2500, dimension: 4, distance: 50, rate: 1, count: 2, delta: 1e-9),
    // No integer has the square 5000, nor are two squares 2499: 49² + 9² is what two entries reach.
    Case(sigmaSquared: 4096, deltaSquared: 5000, dimension: 1, distance: 70, rate: 1, count: 1, delta: 1e-6),
    Case(sigmaSquared: 4096, deltaSquared: 5000, dimension: 1, distance: 70, rate: 0.1, count: 2, delta: 1e-6),
    Case(sigmaSquared: 4096, deltaSquared: 4096, dimension: 10, distance: 64, rate: 0.1, count: 1, delta: 1e-6),
    Case(sigmaSquared: 4096, deltaSquared: 4096, dimension: 10, distance: 64, rate: 0.02, count: 2, delta: 1e-5),
    Case(
      sigmaSquared: 4096, deltaSquared: 1600, dimension: 10, distance: 40, rate: 0.1, count: 2, delta: 1e-6,
      adjacency: .replaceOne),
    Case(
      sigmaSquared: 4096, deltaSquared: 1024, dimension: 10, distance: 64, rate: 1, count: 1, delta: 1e-6, adjacency: .replaceOne),
  ]

  @Test("a lower value lies below the sum over all integers, an upper one above it, and both are near", arguments: cases)
  func exactSums(one: Case) throws {
    let summary = try PrivacyLossSummary([one.event])
    // Where everybody takes part, replace-one is one shift by the whole distance.
    let truth =
      one.adjacency == .replaceOne && one.rate == 1
      ? Case(
        sigmaSquared: one.sigmaSquared, deltaSquared: one.deltaSquared, dimension: one.dimension, distance: one.distance, rate: 1,
        count: one.count, delta: one.delta
      ).truth : one.truth
    for accountant in [AnalyticGaussianAccountant(), LossDistributionAccountant(), RenyiAccountant()] as [any PrivacyAccountant]
    where accountant.covers(summary) {
      let bracket = accountant.bracket(summary, delta: one.delta)
      #expect(bracket.lower <= truth * (1 + 1e-9), "\(accountant.name): ε ≥ \(bracket.lower), true \(truth)")
      #expect(bracket.upper >= truth * (1 - 1e-9), "\(accountant.name): ε ≤ \(bracket.upper), true \(truth)")
      // An attack on one statistic of several sampled releases is no composition.
      let isTight = one.rate == 1 || accountant is LossDistributionAccountant
      #expect(bracket.lower >= truth * (isTight ? 0.995 : 0.6), "\(accountant.name): ε ≥ \(bracket.lower), true \(truth)")
    }
  }

  @Test(
    "vectors of few entries are attacked by one that there is",
    arguments: [(1, 5000, 4900), (2, 2499, 2482), (3, 7, 6), (4, 7, 7)])
  func attainable(dimension: Int, deltaSquared: Int64, reached: Int64) throws {
    let release = try GaussianRelease(sigmaSquared: 4096, deltaSquared: deltaSquared, dimension: dimension, adjacency: .addRemove)
    let expected = (4100.0 / Double(reached)).squareRoot()
    #expect(abs(release.attackMultiplier / expected - 1) < 1e-12 && release.attackMultiplier >= release.noiseMultiplier)
  }
}
