/// Activations set to 0 with the pass's probability, the rest scaled up (Srivastava et al. 2014), in place.
///
/// Which ones are dropped depends on the pass's seed and the site alone, so nothing is kept: backward draws them again.
package enum Dropout {
  /// - Parameter site: a number of its own for each place in the network.
  package static func apply(_ x: UnsafeMutablePointer<Float>, count: Int, site: Int, pass: Pass) {
    guard pass.dropout > 0 else { return }
    let rate = min(max(pass.dropout, 0), 0.999)
    let scale = 1 / (1 - rate)
    let limit = 1 + rate
    // Eight xorshift generators (Marsaglia 2003), one per lane, seeded apart; each draw becomes a number from 1 to below 2.
    let site = UInt64(truncatingIfNeeded: site + 1) &* 0x9E37_79B9_7F4A_7C15
    var seeds = SplitMix64(seed: SplitMix64.mix(pass.seed &+ site))
    var state = SIMD8<UInt32>.zero
    for lane in 0..<8 { state[lane] = UInt32(truncatingIfNeeded: seeds.next()) | 1 }
    var index = 0
    while index < count {
      state ^= state &<< 13
      state ^= state &>> 17
      state ^= state &<< 5
      let draw = unsafeBitCast((state &>> 9) | 0x3F80_0000, to: SIMD8<Float>.self)
      if index + 8 <= count {
        VectorMath.store((VectorMath.load(x, index) * scale).replacing(with: 0, where: draw .< limit), x, index)
      } else {
        for lane in 0..<count - index { x[index + lane] = draw[lane] < limit ? 0 : x[index + lane] * scale }
      }
      index += 8
    }
  }
}
