/// Activations set to 0 with the pass's probability, the rest scaled up (Srivastava et al. 2014), in place.
///
/// Which ones are dropped depends on the pass's seed and the site alone, so nothing is kept: backward draws them again.
package enum Dropout {
  /// - Parameter site: a number of its own for each place in the network.
  package static func apply(_ x: UnsafeMutablePointer<Float>, count: Int, site: Int, pass: Pass) {
    guard pass.dropout > 0 else { return }
    let threshold = UInt64((min(max(pass.dropout, 0), 1) * 65536).rounded())
    let scale = 65536 / Float(max(65536 - threshold, 1))
    var generator = SplitMix64(seed: SplitMix64.mix(pass.seed &+ UInt64(truncatingIfNeeded: site + 1) &* 0x9E37_79B9_7F4A_7C15))
    var index = 0
    while index < count {
      // Four decisions of 16 bits from one word.
      var word = generator.next()
      for position in index..<min(index + 4, count) {
        x[position] = word & 0xFFFF < threshold ? 0 : x[position] * scale
        word >>= 16
      }
      index += 4
    }
  }
}
