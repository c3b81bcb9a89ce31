internal import CVectorKernels

/// Activations set to 0 with the pass's probability, the rest scaled up (Srivastava et al. 2014), in place.
///
/// Which ones are dropped depends on the pass's seed and the site alone, so nothing is kept: backward draws them again.
package enum Dropout {
  /// - Parameter site: a number of its own for each place in the network.
  package static func apply(_ x: UnsafeMutablePointer<Float>, count: Int, site: Int, pass: Pass) {
    guard pass.dropout > 0 else { return }
    let rate = min(max(pass.dropout, 0), 0.999)
    let scale = 1 / (1 - rate)
    // Eight generators, one per lane, seeded apart.
    let site = UInt64(truncatingIfNeeded: site + 1) &* 0x9E37_79B9_7F4A_7C15
    var seeds = SplitMix64(seed: SplitMix64.mix(pass.seed &+ site))
    withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 8) { states in
      for lane in 0..<8 { states[lane] = UInt32(truncatingIfNeeded: seeds.next()) | 1 }
      tacit_dropout_f32(x, count, rate, scale, states.baseAddress)
    }
  }
}
