internal import CVectorKernels

/// Rows brought to mean 0 and variance 1, then scaled and shifted by column (Ba, Kiros, Hinton 2016).
package struct LayerNorm: Sendable {
  package struct Cache: BitwiseCopyable {
    fileprivate let normalised: UnsafeMutablePointer<Float>
    fileprivate let inverseDeviation: UnsafeMutablePointer<Float>
    fileprivate let rows: Int
  }

  package let columns: Int
  private let scale: Int
  private let shift: Int
  private static let epsilon: Float = 1e-6

  package init(_ name: String, columns: Int, layout: inout ParameterLayout) {
    self.columns = columns
    scale = layout.add("\(name)-scale", [columns], .constant(1))
    shift = layout.add("\(name)-shift", [columns], .constant(0))
  }

  package func forward(
    _ x: UnsafePointer<Float>, rows: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    let y = pass.arena.floats(rows * columns)
    let normalised = pass.arena.floats(rows * columns)
    let inverse = pass.arena.floats(rows)
    tacit_layer_norm_f32(
      x, rows, columns, Self.epsilon, pass.parameters + scale, pass.parameters + shift, normalised, inverse, y)
    return (y, Cache(normalised: normalised, inverseDeviation: inverse, rows: rows))
  }

  package func backward(
    _ dy: UnsafePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let dx = pass.arena.floats(cache.rows * columns)
    tacit_layer_norm_gradient_f32(
      dy, cache.rows, columns, pass.parameters + scale, cache.normalised, cache.inverseDeviation, pass.gradient + scale,
      pass.gradient + shift, dx)
    return dx
  }
}
