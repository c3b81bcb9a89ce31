internal import CVectorKernels

/// Elementwise functions and reductions on plain memory: what the layers need besides matrix products.
///
/// The C kernels take sums in lanes, so the last bits of a result depend on the machine.
enum VectorMath {
  @inline(__always) static func load(_ source: UnsafePointer<Float>, _ index: Int) -> SIMD8<Float> {
    UnsafeRawPointer(source + index).loadUnaligned(as: SIMD8<Float>.self)
  }

  @inline(__always) static func store(_ value: SIMD8<Float>, _ target: UnsafeMutablePointer<Float>, _ index: Int) {
    UnsafeMutableRawPointer(target + index).storeBytes(of: value, as: SIMD8<Float>.self)
  }

  /// eˣ to about two units in the last place; x is cut to -87...88, NaN stays NaN.
  ///
  /// Cephes `expf`: x = n ln 2 + r, a polynomial of degree 7 in r, and n added to the exponent. Rounding to n is an addition
  /// of 1.5 · 2²³, whose low bits then are n: no conversion that could trap.
  @inline(__always) static func exponential(_ x: SIMD8<Float>) -> SIMD8<Float> {
    let low = x.replacing(with: -87, where: x .< -87)
    let cut = low.replacing(with: 88, where: low .> 88)
    let magic = SIMD8<Float>(repeating: 12_582_912)
    let shifted = cut * 1.442_695_04 + magic
    let n = shifted - magic
    let r = (cut - n * 0.693_359_375) + n * 2.121_944_4e-4
    var p = r * 1.987_569_15e-4 + 1.398_199_95e-3
    p = p * r + 8.333_451_9e-3
    p = p * r + 4.166_579_6e-2
    p = p * r + 1.666_666_55e-1
    p = p * r + 0.500_000_01
    let value = p * (r * r) + r + 1
    let exponent = unsafeBitCast(shifted, to: SIMD8<UInt32>.self) &- 0x4B40_0000 &+ 127
    return value * unsafeBitCast(exponent &<< 23, to: SIMD8<Float>.self)
  }

  /// target[i] = e^(source[i] - shift), as `exponential`; returns the sum of the results. The two may be the same memory.
  @inline(__always) static func exponentials(
    of source: UnsafePointer<Float>, minus shift: Float, into target: UnsafeMutablePointer<Float>, count: Int
  ) -> Float {
    tacit_exponentials_f32(source, shift, target, count)
  }

  /// 1 / (1 + e⁻ˣ).
  @inline(__always) static func sigmoid(_ x: SIMD8<Float>) -> SIMD8<Float> { 1 / (exponential(-x) + 1) }

  /// tanh x = 2 σ(2x) - 1.
  @inline(__always) static func tanh(_ x: SIMD8<Float>) -> SIMD8<Float> { sigmoid(x + x) * 2 - 1 }

  /// The largest entry; -∞ of nothing. NaN never is the largest.
  @inline(__always) static func maximum(_ source: UnsafePointer<Float>, count: Int) -> Float {
    tacit_maximum_f32(source, count)
  }

  @inline(__always) static func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Float {
    tacit_dot_f32(x, y, count)
  }

  /// target += factor source.
  @inline(__always) static func add(
    _ source: UnsafePointer<Float>, times factor: Float = 1, to target: UnsafeMutablePointer<Float>, count: Int
  ) {
    tacit_axpy_f32(target, factor, source, count)
  }

  /// The same with a product in Float, added in Double.
  static func add(
    _ source: UnsafePointer<Float>, times factor: Float, to target: UnsafeMutablePointer<Double>, count: Int
  ) {
    tacit_add_scaled_f64(target, factor, source, count)
  }

  /// target = max(0, x + y).
  static func rectifiedSum(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, into target: UnsafeMutablePointer<Float>, count: Int
  ) {
    var index = 0
    while index + 8 <= count {
      let value = load(x, index) + load(y, index)
      store(value.replacing(with: 0, where: value .<= 0), target, index)
      index += 8
    }
    for index in index..<count { target[index] = max(0, x[index] + y[index]) }
  }

  /// Adds every row to `target`: the gradient of a bias.
  static func addRows(
    of source: UnsafePointer<Float>, rows: Int, columns: Int, to target: UnsafeMutablePointer<Float>
  ) {
    for row in 0..<rows { tacit_axpy_f32(target, 1, source + row * columns, columns) }
  }

  /// target = factor source.
  @inline(__always) static func scaled(
    _ source: UnsafePointer<Float>, by factor: Float, into target: UnsafeMutablePointer<Float>, count: Int
  ) {
    tacit_scale_f32(source, factor, target, count)
  }

  @inline(__always) static func scale(_ target: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
    tacit_scale_f32(target, factor, target, count)
  }

  @inline(__always) static func clear(_ target: UnsafeMutablePointer<Float>, count: Int) {
    target.update(repeating: 0, count: count)
  }
}
