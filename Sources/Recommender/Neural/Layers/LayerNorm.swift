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
    let (scale, shift) = (pass.parameters + scale, pass.parameters + shift)
    for row in 0..<rows {
      let (source, centred, target) = (x + row * columns, normalised + row * columns, y + row * columns)
      let mean = VectorMath.sum(source, count: columns) / Float(columns)
      for column in 0..<columns { centred[column] = source[column] - mean }
      let variance = VectorMath.dot(centred, centred, count: columns) / Float(columns)
      let factor = 1 / (variance + Self.epsilon).squareRoot()
      inverse[row] = factor
      for column in 0..<columns {
        let value = centred[column] * factor
        centred[column] = value
        target[column] = value * scale[column] + shift[column]
      }
    }
    return (y, Cache(normalised: normalised, inverseDeviation: inverse, rows: rows))
  }

  package func backward(
    _ dy: UnsafePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let dx = pass.arena.floats(cache.rows * columns)
    let scale = pass.parameters + scale
    let (scaleGradient, shiftGradient) = (pass.gradient + self.scale, pass.gradient + shift)
    for row in 0..<cache.rows {
      let (source, normalised, target) = (dy + row * columns, cache.normalised + row * columns, dx + row * columns)
      for column in 0..<columns {
        shiftGradient[column] += source[column]
        scaleGradient[column] += source[column] * normalised[column]
        target[column] = source[column] * scale[column]
      }
      let mean = VectorMath.sum(target, count: columns) / Float(columns)
      let along = VectorMath.dot(target, normalised, count: columns) / Float(columns)
      let factor = cache.inverseDeviation[row]
      for column in 0..<columns { target[column] = factor * (target[column] - mean - normalised[column] * along) }
    }
    return dx
  }
}
