import CryptoPrimitives
import SecureAggregation
import Testing

@Suite struct MaskExpansionTests {
  private func key(_ seed: UInt64) -> SecretBytes {
    var source = KeyedRandomSource(insecureSeed: seed)
    return SecretBytes(count: 32, random: &source)
  }

  @Test("A mask is the keystream read as little-endian lanes", arguments: KeystreamSuite.allCases)
  func lanes(suite: KeystreamSuite) {
    for (modulusBits, laneBytes) in [(20, 4), (32, 4), (33, 8), (62, 8)] {
      let count = 20_011  // more than two chunks, not a whole number of blocks
      var vector = RingVector(count: count, modulusBits: modulusBits)
      MaskExpansion.apply([Mask(key: key(1), sign: .plus)], to: &vector, suite: suite, threads: 1)
      let stream = Keystream(suite: suite, key: key(1)).next(count * laneBytes)
      for index in stride(from: 0, to: count, by: 97) {
        let lane = (0..<laneBytes).reduce(UInt64(0)) {
          $0 | UInt64(stream[index * laneBytes + $1]) << UInt64(8 * $1)
        }
        #expect(vector[index] == lane & ((1 << UInt64(modulusBits)) - 1))
      }
    }
  }

  @Test("Adding a mask and taking it off again changes nothing, on any number of threads")
  func cancels() {
    for modulusBits in [23, 40] {
      for threads in [1, 2, 3, 50] {
        let start = RingVector(integers: (0..<30_000).map { Int64($0) }, modulusBits: modulusBits)
        var vector = start
        // More masks than streams that are open at once.
        let keys = (0..<70).map { key(UInt64($0)) }
        MaskExpansion.apply(
          keys.map { Mask(key: $0, sign: .plus) }, to: &vector, suite: .aes256CTR, threads: threads)
        #expect(vector != start)
        MaskExpansion.apply(
          keys.map { Mask(key: $0, sign: .minus) }, to: &vector, suite: .aes256CTR, threads: 1)
        #expect(vector == start)
      }
    }
  }
}
