/// Activations set to 0 with the pass's probability, the rest scaled up (Srivastava et al. 2014), in place.
///
/// Which ones are dropped depends on the pass's seed and the site alone, so nothing is kept: backward draws them again.
package enum Dropout {
  /// - Parameter site: a number of its own for each place in the network.
  package static func apply(_ x: UnsafeMutablePointer<Float>, count: Int, site: Int, pass: Pass) {
    guard pass.dropout > 0 else { return }
    let threshold = UInt32((min(max(pass.dropout, 0), 1) * 65536).rounded())
    let scale = 65536 / Float(max(65536 - min(threshold, 65535), 1))
    let site = UInt64(truncatingIfNeeded: site + 1) &* 0x9E37_79B9_7F4A_7C15
    var generator = SplitMix64(seed: SplitMix64.mix(pass.seed &+ site))
    var index = 0
    while index < count {
      // Eight decisions of 16 bits from two words.
      let words = SIMD2(generator.next(), generator.next())
      let draws = SIMD8<UInt32>(truncatingIfNeeded: unsafeBitCast(words, to: SIMD8<UInt16>.self))
      let isDropped = draws .< threshold
      if index + 8 <= count {
        VectorMath.store((VectorMath.load(x, index) * scale).replacing(with: 0, where: isDropped), x, index)
      } else {
        for lane in 0..<count - index { x[index + lane] = isDropped[lane] ? 0 : x[index + lane] * scale }
      }
      index += 8
    }
  }
}
