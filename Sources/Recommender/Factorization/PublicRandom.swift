/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): public pseudo-random values that are the same on every
/// machine.
///
/// For initial models only, whose seed stands in the plan; nothing here is secret and nothing secret may use
/// it. Value `k` depends on seed and `k` alone, so the order in which values are drawn does not matter.
package struct PublicRandom: Sendable {
  private let seed: UInt64

  package init(seed: UInt64) { self.seed = seed }

  /// Value `index` of the sequence, uniform over all 64-bit words.
  package func word(at index: Int) -> UInt64 {
    var z = seed &+ (UInt64(index) &+ 1) &* 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// Value `index` with mean 0 and standard deviation 1: the centred sum of four 16-bit uniforms.
  ///
  /// Close to normal, and free of the logarithms and cosines whose last bit differs between C libraries.
  package func nearlyNormal(at index: Int) -> Float {
    let word = word(at: index)
    let sum = (word & 0xFFFF) + (word >> 16 & 0xFFFF) + (word >> 32 & 0xFFFF) + (word >> 48)
    // Four uniforms on 0...65535: mean 131070, variance 4 (65536² - 1) / 12.
    return (Float(sum) - 131_070) * 2.642_899_8e-5
  }
}
