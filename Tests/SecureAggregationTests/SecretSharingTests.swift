import CryptoPrimitives
import SecureAggregation
import Testing

@Suite struct SecretSharingTests {
  private let prime = PrimeField.modulus

  @Test("Field arithmetic agrees with wide integers at the edges and at random")
  func fieldArithmetic() {
    var source = KeyedRandomSource(insecureSeed: 1)
    var values: [UInt64] = [0, 1, 2, prime - 1, prime - 2, 1 << 52, (1 << 60) + 1]
    for _ in 0..<40 { values.append(source.uniform(below: prime)) }
    let wide = UInt128(prime)
    for a in values {
      for b in values {
        #expect(UInt128(PrimeField.multiply(a, b)) == UInt128(a) * UInt128(b) % wide)
        #expect(UInt128(PrimeField.add(a, b)) == (UInt128(a) + UInt128(b)) % wide)
        #expect(UInt128(PrimeField.subtract(a, b)) == (UInt128(a) + wide - UInt128(b)) % wide)
      }
      if a != 0 { #expect(PrimeField.multiply(a, PrimeField.inverse(a)) == 1) }
    }
  }

  private func deal(_ seed: SecretBytes, threshold: Int, points: [UInt64], random: UInt64) -> [ShareValue] {
    var source: any RandomSource = KeyedRandomSource(insecureSeed: random)
    let shares = SecretSharing.deal(seed: seed, threshold: threshold, points: points, random: &source)
    return shares.withUnsafeBytes { memory in
      points.indices.compactMap { ShareValue(bytes: Array(memory[40 * $0..<40 * $0 + 40])) }
    }
  }

  @Test("Any t of n shares open the seed, for every subset of up to seven holders")
  func everySubset() throws {
    var source = KeyedRandomSource(insecureSeed: 2)
    for count in 2...7 {
      for threshold in 2...count {
        let seed = SecretBytes(count: 32, random: &source)
        let points = (1...UInt64(count)).map { $0 }
        let shares = deal(seed, threshold: threshold, points: points, random: 3)
        for chosen in subsets(of: Array(0..<count)) where chosen.count == threshold {
          let weights = SecretSharing.weights(points: chosen.map { points[$0] })
          let opened = SecretSharing.reconstruct(shares: chosen.map { shares[$0] }, weights: weights)
          #expect(try #require(opened).isEqual(to: seed))
        }
      }
    }
  }

  @Test("The extreme seeds survive: all zero bits, all one bits, each single limb")
  func extremeSeeds() throws {
    var patterns = [[UInt8](repeating: 0, count: 32), [UInt8](repeating: 0xFF, count: 32)]
    for bit in [0, 51, 52, 103, 104, 155, 156, 207, 208, 255] {
      var pattern = [UInt8](repeating: 0, count: 32)
      pattern[bit / 8] = 1 << UInt8(bit % 8)
      patterns.append(pattern)
    }
    for pattern in patterns {
      let seed = SecretBytes(copying: pattern)
      let shares = deal(seed, threshold: 3, points: [1, 2, 3], random: 4)
      let opened = SecretSharing.reconstruct(
        shares: shares, weights: SecretSharing.weights(points: [1, 2, 3]))
      #expect(try #require(opened).isEqual(to: seed))
    }
  }

  @Test("Fewer than t shares say nothing: any seed fits them")
  func hiding() throws {
    // With t − 1 shares fixed, a last share can be found for any other seed: interpolate at 0 and the known points.
    let seed = SecretBytes(copying: [UInt8](repeating: 0xA5, count: 32))
    let shares = deal(seed, threshold: 3, points: [1, 2, 3], random: 5)
    let other: UInt64 = 12345
    // f(3) from f(0) = other, f(1), f(2): the Lagrange basis at 3 over {0, 1, 2} is (1, −3, 3).
    let forged = (0..<5).map { limb -> UInt64 in
      let first = PrimeField.multiply(3, shares[0].elements[limb])
      let second = PrimeField.multiply(3, shares[1].elements[limb])
      return PrimeField.add(PrimeField.subtract(second, first), limb == 0 ? other : 0)
    }
    let third = try #require(
      ShareValue(
        bytes: forged.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
        }))
    let opened = try #require(
      SecretSharing.reconstruct(
        shares: [shares[0], shares[1], third], weights: SecretSharing.weights(points: [1, 2, 3])))
    opened.withUnsafeBytes { #expect($0.loadUnaligned(as: UInt64.self) == other) }
  }

  @Test("A reconstructed limb of 2^52 or more is refused, as is a last limb of 2^48 or more")
  func refusesLargeLimbs() throws {
    func share(_ limb: Int, _ value: UInt64) throws -> ShareValue {
      var bytes = [UInt8](repeating: 0, count: 40)
      for index in 0..<8 { bytes[8 * limb + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index))) }
      return try #require(ShareValue(bytes: bytes))
    }
    for limb in 0..<5 {
      let limit: UInt64 = limb == 4 ? 1 << 48 : 1 << 52
      #expect(SecretSharing.reconstruct(shares: [try share(limb, limit - 1)], weights: [1]) != nil)
      #expect(SecretSharing.reconstruct(shares: [try share(limb, limit)], weights: [1]) == nil)
    }
  }

  @Test("A share with an element of 2^61 − 1 or more is no share")
  func shareValues() {
    var bytes = [UInt8](repeating: 0, count: 40)
    for index in 0..<8 { bytes[16 + index] = UInt8(truncatingIfNeeded: prime >> (8 * UInt64(index))) }
    #expect(ShareValue(bytes: bytes) == nil)
    bytes[16] -= 1
    #expect(ShareValue(bytes: bytes) != nil)
    #expect(ShareValue(bytes: Array(bytes.dropLast())) == nil)
  }

  @Test("Coefficients are drawn over the whole field, a leading zero not excluded")
  func coefficientsAreUniform() {
    // The share at x of a zero seed with t = 2 is a · x, so that at x = 1 it is the coefficient itself.
    let zero = SecretBytes(count: 32) { _ in }
    var buckets = [Int](repeating: 0, count: 16)
    for seed in 0..<800 {
      for element in deal(zero, threshold: 2, points: [1], random: UInt64(seed))[0].elements {
        buckets[Int(element >> 57)] += 1
      }
    }
    // 4000 draws in 16 buckets: mean 250, standard deviation 15.3; five of them either way.
    #expect(buckets.allSatisfy { abs($0 - 250) < 77 })
  }
}
