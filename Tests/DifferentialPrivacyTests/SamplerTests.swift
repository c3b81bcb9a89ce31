import CryptoPrimitives
import DifferentialPrivacy
import Foundation
import Testing

struct SamplerTests {
  @Test(
    "the discrete Gaussian has its exact probabilities at small σ²",
    arguments: [1, 2, 3, 5, 9, 26, 100] as [Int64])
  func smallSigma(sigmaSquared: Int64) {
    var random = KeyedRandomSource(insecureSeed: UInt64(sigmaSquared))
    let draws = DiscreteGaussianSampler(sigmaSquared: sigmaSquared).draw(400_000, random: &random)
    var counts: [Int: Int] = [:]
    for draw in draws { counts[Int(draw), default: 0] += 1 }
    let weight = { (x: Int) in exp(-Double(x * x) / Double(2 * sigmaSquared)) }
    let total = (-400...400).reduce(0) { $0 + weight($1) }
    let result = Statistics.chiSquared(counts, probability: { weight($0) / total }, range: -100...100)
    #expect(result.value < Statistics.chiSquaredLimit(result.degrees))
  }

  @Test(
    "moments and cells of wide discrete Gaussians are those of the normal distribution",
    arguments: [4096, 100_000_000, 1_705_181_741_801_209, 1 << 50, 1 << 60, 1 << 62] as [Int64])
  func wideSigma(sigmaSquared: Int64) {
    var random = KeyedRandomSource(insecureSeed: UInt64(sigmaSquared) ^ 1)
    let n = 200_000
    let draws = DiscreteGaussianSampler(sigmaSquared: sigmaSquared).draw(n, random: &random)
    let sigma = Double(sigmaSquared).squareRoot()
    #expect(abs(Statistics.mean(draws)) < 4.9 * sigma / Double(n).squareRoot())
    #expect(abs(Statistics.variance(draws) / (sigma * sigma) - 1) < 4.9 * (2 / Double(n)).squareRoot())
    // Cells of a fifth of a standard deviation; their edges lie half-way between integers.
    var counts: [Int: Int] = [:]
    for draw in draws { counts[Int((Double(draw) / sigma * 5).rounded(.down)), default: 0] += 1 }
    let cumulative = { (x: Double) in 0.5 * erfc(-x / 2.0.squareRoot()) }
    let result = Statistics.chiSquared(
      counts,
      probability: { cell in
        let low = (Double(cell) / 5 * sigma).rounded(.up) - 0.5
        let high = (Double(cell + 1) / 5 * sigma).rounded(.up) - 0.5
        return cumulative(high / sigma) - cumulative(low / sigma)
      }, range: -30...30)
    #expect(result.value < Statistics.chiSquaredLimit(result.degrees))
  }

  @Test func neighbouringDrawsAreUncorrelated() {
    var random = KeyedRandomSource(insecureSeed: 77)
    let draws = DiscreteGaussianSampler(sigmaSquared: 10_000).draw(200_000, random: &random)
    var products = 0.0
    for index in 1..<draws.count { products += Double(draws[index - 1]) * Double(draws[index]) }
    #expect(abs(products / 1e4 / Double(draws.count).squareRoot()) < 4.9)
  }

  @Test func theSameStreamGivesTheSameNoiseAndAnotherStreamOtherNoise() {
    let sampler = DiscreteGaussianSampler(sigmaSquared: 5000)
    var first = KeyedRandomSource(insecureSeed: 1)
    var again = KeyedRandomSource(insecureSeed: 1)
    var other = KeyedRandomSource(insecureSeed: 2)
    let noise = sampler.draw(100, random: &first)
    #expect(noise == sampler.draw(100, random: &again))
    #expect(noise != sampler.draw(100, random: &other))
    #expect(noise != sampler.draw(100, random: &first))
  }

  @Test func noiseIsAddedModuloTheMachineWord() {
    var random = KeyedRandomSource(insecureSeed: 3)
    var again = KeyedRandomSource(insecureSeed: 3)
    let sampler = DiscreteGaussianSampler(sigmaSquared: 1 << 40)
    let noise = sampler.draw(50, random: &random)
    var values = [Int64](repeating: .max, count: 50)
    sampler.add(to: &values, random: &again)
    #expect(values == noise.map { Int64.max &+ $0 })
  }

  /// Two independent implementations of one distribution, compared by Kolmogorov and Smirnov.
  @Test(
    "draws are distributed as those of libprio",
    arguments: [("3", 9), ("9", 81), ("100", 10_000), ("41293847", 1_705_181_800_059_409)]
      as [(String, Int64)])
  func libprio(name: String, sigmaSquared: Int64) throws {
    guard let file = Files.shared("vectors/libprio/discrete_gauss_\(name).json") else { return }
    let object = try Files.json(file)
    let theirs = try #require(object["samples"] as? [NSNumber]).map(\.int64Value)
    #expect(theirs.count >= 49)
    var random = KeyedRandomSource(insecureSeed: 9)
    let ours = DiscreteGaussianSampler(sigmaSquared: sigmaSquared).draw(100_000, random: &random)
    var distance = 0.0
    for value in Set(theirs) {
      let above = Double(theirs.count { $0 <= value }) / Double(theirs.count)
      let mine = Double(ours.count { $0 <= value }) / Double(ours.count)
      distance = max(distance, abs(above - mine))
    }
    // Exceeded with probability below 1e-4 when the distributions agree.
    #expect(distance * Double(theirs.count).squareRoot() < 2.25)
  }
}
