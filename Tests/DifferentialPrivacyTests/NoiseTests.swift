import CryptoPrimitives
import DifferentialPrivacy
import Foundation
import Testing

struct NoiseTests {
  @Test(
    "σ² is the smallest integer that reaches z",
    arguments: [0.5, 1.0, 0.6529, 4.2247, 1.1935, 17.25, 1e-3, 123.456])
  func leastSigmaSquared(z: Double) throws {
    for deltaSquared: Int64 in [4096, 1_000_003, 4_295_035_382, 1 << 44] {
      for (adjacency, partners, factor) in [
        (Adjacency.addRemove, 1, 1), (.replaceOne, 1, 4), (.zeroOut, 3, 9),
      ] {
        let noise = try GaussianNoise(
          noiseMultiplier: z, deltaSquared: deltaSquared, dimension: 10, adjacency: adjacency,
          partnersPerUser: partners)
        // z² · distance² with the factor's exact arithmetic in decimal.
        let distance = Decimal(deltaSquared) * Decimal(factor)
        let needed = Decimal(z) * Decimal(z) * distance + 4
        let sigmaSquared = Decimal(noise.sigmaSquared)
        let close = abs(NSDecimalNumber(decimal: sigmaSquared - needed).doubleValue)
        if noise.sigmaSquared > 4096 {
          #expect(
            close <= 1 + 1e-14 * NSDecimalNumber(decimal: needed).doubleValue, "z \(z), Δ² \(deltaSquared)")
        }
        let reached = noise.noiseMultiplier(adjacency: adjacency, partnersPerUser: partners)
        #expect(reached >= z * (1 - 1e-14))
      }
    }
  }

  @Test func theLeastVarianceIsExactWhereSquaresAreWhole() throws {
    let exact = try GaussianNoise(
      noiseMultiplier: 2, deltaSquared: 10_000, dimension: 1, adjacency: .addRemove)
    #expect(exact.sigmaSquared == 40_004)
    let replaced = try GaussianNoise(
      noiseMultiplier: 2, deltaSquared: 10_000, dimension: 1, adjacency: .replaceOne)
    #expect(replaced.sigmaSquared == 160_004)
    let half = try GaussianNoise(
      noiseMultiplier: 1.5, deltaSquared: 10_001, dimension: 1, adjacency: .addRemove)
    #expect(half.sigmaSquared == 22_507)  // 22502.25 + 4, rounded up
    let small = try GaussianNoise(noiseMultiplier: 1, deltaSquared: 9, dimension: 1, adjacency: .addRemove)
    #expect(small.sigmaSquared == 4096)
  }

  @Test func sharesOfGuaranteedHonestPartnersReachTheVariance() throws {
    let noise = try GaussianNoise(
      noiseMultiplier: 2, deltaSquared: 10_000, dimension: 4, adjacency: .addRemove, minimumContributors: 7,
      colluders: 2)
    #expect(noise.share?.variance == 8001)  // ⌈40004 / 5⌉
    #expect(noise.sigmaSquared == 40_005)
    #expect(noise.sigmaSquaredAgainstOutsiders == 56_007)
    let coalition = noise.release(adjacency: .addRemove)
    let outsiders = noise.release(adjacency: .addRemove, against: .outsiders)
    #expect(coalition.shares == 5 && outsiders.shares == 7)
    #expect(coalition.noiseMultiplier < outsiders.noiseMultiplier)
    #expect(coalition.kappa > 5 * 4 * 5.1e-35 * 5)
  }

  @Test func eachShareCarriesItsPartOfTheVariance() throws {
    let n = 60_000
    let parameters = try EncodingParameters(dimension: n, maximumNonZeros: n, clipNorm: 1, scale: 1024)
    let share = try NoiseShare(totalVariance: 80_000, minimumContributors: 10, colluders: 2)
    #expect(share.variance == 10_000)
    var random = KeyedRandomSource(insecureSeed: 10)
    var sum = [UInt64](repeating: 0, count: n)
    var withoutOne = sum
    for partner in 0..<10 {
      let noised = Contribution(parameters: parameters).noised(with: share, random: &random)
      let residues = noised.residues(bits: 40)
      for index in 0..<n {
        sum[index] &+= residues[index]
        if partner > 0 { withoutOne[index] &+= residues[index] }
      }
    }
    let whole = Statistics.variance(sum.map { centred($0, bits: 40) })
    let missing = Statistics.variance(withoutOne.map { centred($0, bits: 40) })
    let tolerance = 5 * (2 / Double(n)).squareRoot()
    #expect(abs(whole / 100_000 - 1) < tolerance)
    #expect(abs(missing / 90_000 - 1) < tolerance)
    #expect(missing / whole < 0.95)
  }

  @Test(
    "noise that the theorem does not cover is refused",
    arguments: [(4095, 1, 1), (0, 1, 1), (-5, 1, 1), (4096, 0, 1), (4096, 1, 0)] as [(Int64, Int64, Int)])
  func refusals(sigmaSquared: Int64, deltaSquared: Int64, dimension: Int) {
    #expect(throws: PrivacyParameterError.self) {
      try GaussianNoise(central: sigmaSquared, deltaSquared: deltaSquared, dimension: dimension)
    }
  }

  @Test func aPlanWithoutColludersIsRefusedBecauseAPartnerKnowsItsOwnShare() {
    let error = #expect(throws: PrivacyParameterError.self) {
      try NoiseShare(totalVariance: 10_000, minimumContributors: 3, colluders: 0)
    }
    #expect(error?.description.contains("own share") == true)
    #expect(throws: PrivacyParameterError.self) {
      try NoiseShare(totalVariance: 10_000, minimumContributors: 3, colluders: 3)
    }
  }

  @Test func aSumIsReducedAfterTheNoiseAndCentred() throws {
    let n = 2000
    let noise = try GaussianNoise(central: 1 << 20, deltaSquared: 100, dimension: n)
    let event = noise.event(adjacency: .addRemove)
    var random = KeyedRandomSource(insecureSeed: 11)
    var again = KeyedRandomSource(insecureSeed: 11)
    let drawn = DiscreteGaussianSampler(sigmaSquared: 1 << 20).draw(n, random: &again)
    let exact = (0..<n).map { Int64($0 - 1000) }
    // A ring of 11 bits: almost everything wraps, and all of it is (sum + noise) mod 2^11.
    let sum = exact.map { UInt64(bitPattern: $0) & 2047 }
    let released = PrivatizedSum(adding: noise, to: sum, bits: 11, event: event, random: &random)
    for index in 0..<n {
      #expect((-1024..<1024).contains(released.values[index]))
      #expect((released.values[index] - exact[index] - drawn[index]) % 2048 == 0)
    }
    #expect(released.event == event)
  }

  @Test func aSumBelowTheMinimumOfNoiseSharesIsNotOpened() throws {
    let share = try NoiseShare(totalVariance: 10_000, minimumContributors: 4, colluders: 1)
    let noise = try GaussianNoise(distributed: share, deltaSquared: 100, dimension: 2)
    let event = noise.event(adjacency: .addRemove)
    #expect(
      PrivatizedSum(noisedByPartners: [1, 2], bits: 16, noise: noise, contributors: 3, event: event) == nil)
    let sum = PrivatizedSum(
      noisedByPartners: [1, 65535], bits: 16, noise: noise, contributors: 4, event: event)
    #expect(sum?.values == [1, -1])
  }

  @Test func theRingIsTheNarrowestThatDoesNotWrap() throws {
    let encoding = try EncodingParameters(dimension: 1000, maximumNonZeros: 1000, clipNorm: 1, scale: 1024)
    let noise = try GaussianNoise(
      noiseMultiplier: 1, deltaSquared: encoding.deltaSquared, dimension: 1000, adjacency: .addRemove)
    let load = ModulusPlan.Load(encoding: encoding, noise: noise, maximumUsers: 6040, count: 10)
    let plan = try ModulusPlan(for: [load])
    // 6040 · 1040 is about 2^22.6, and one bit for the sign.
    #expect(plan.bits == 24)
    #expect(plan.wrapProbabilityLog2 < -40)
    #expect(try ModulusPlan(bits: 30, for: [load]).wrapProbabilityLog2 < -1000)
    let error = #expect(throws: PrivacyParameterError.self) { try ModulusPlan(bits: 23, for: [load]) }
    #expect(error?.description.contains("at least 24 bits") == true)
  }

  @Test func theTailBoundOfTheRingHoldsForTheExactDistribution() {
    // P(|X| ≥ λ) ≤ 2e^(−λ²/(2σ²)), summed exactly.
    for sigmaSquared in [1.0, 10, 4096] {
      let reach = Int(12 * sigmaSquared.squareRoot())
      let weights = (-reach...reach).map { exp(-Double($0 * $0) / (2 * sigmaSquared)) }
      let total = weights.reduce(0, +)
      for lambda in stride(from: 1, through: reach, by: max(1, reach / 50)) {
        var tail = 0.0
        for (index, weight) in weights.enumerated() where abs(index - reach) >= lambda { tail += weight }
        #expect(tail / total <= 2 * exp(-Double(lambda * lambda) / (2 * sigmaSquared)) * (1 + 1e-12))
      }
    }
  }
}
