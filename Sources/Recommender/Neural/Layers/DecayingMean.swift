internal import Glibc

/// Weighted means of all rows up to each position, the newest weighing most; several memories side by side, no parameters.
package struct DecayingMean: Sendable {
  /// What a row's weight is multiplied with per position; 1 forgets nothing.
  package let factors: [Float]
  package let columns: Int

  package var outputs: Int { factors.count * columns }

  /// - Parameter halfLives: positions after which a weight has halved; infinity forgets nothing.
  package init(halfLives: [Float], columns: Int) {
    factors = halfLives.map { $0.isFinite ? Float(0.5).power(1 / $0) : 1 }
    self.columns = columns
  }

  package func forward(_ x: UnsafePointer<Float>, rows: Int, pass: Pass) -> UnsafeMutablePointer<Float> {
    let y = pass.arena.floats(rows * outputs)
    let sum = pass.arena.floats(columns)
    for (memory, factor) in factors.enumerated() {
      VectorMath.clear(sum, count: columns)
      var total: Float = 0
      for row in 0..<rows {
        total = factor * total + 1
        let target = y + row * outputs + memory * columns
        for column in 0..<columns {
          sum[column] = factor * sum[column] + x[row * columns + column]
          target[column] = sum[column] / total
        }
      }
    }
    return y
  }

  package func backward(_ dy: UnsafePointer<Float>, rows: Int, pass: Pass) -> UnsafeMutablePointer<Float> {
    let dx = pass.arena.zeros(rows * columns)
    let carried = pass.arena.floats(columns)
    let totals = pass.arena.floats(rows)
    for (memory, factor) in factors.enumerated() {
      var total: Float = 0
      for row in 0..<rows {
        total = factor * total + 1
        totals[row] = total
      }
      VectorMath.clear(carried, count: columns)
      for row in stride(from: rows - 1, through: 0, by: -1) {
        let source = dy + row * outputs + memory * columns
        let (share, target) = (1 / totals[row], dx + row * columns)
        for column in 0..<columns {
          carried[column] = factor * carried[column] + share * source[column]
          target[column] += carried[column]
        }
      }
    }
    return dx
  }
}

extension Float {
  /// self to a real power.
  fileprivate func power(_ exponent: Float) -> Float { Float(pow(Double(self), Double(exponent))) }
}
