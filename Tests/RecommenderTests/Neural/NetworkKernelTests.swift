import CVectorKernels
import Foundation
import Recommender
import Testing

/// The C kernels against plain loops, at lengths around the width of a vector.
@Suite struct NetworkKernelTests {
  private static let lengths = [0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 50, 64, 65, 257]

  private func numbers(_ count: Int, seed: UInt64 = 1, scale: Double = 1) -> [Float] {
    var generator = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float(scale * (2 * generator.nextUnit() - 1)) }
  }

  @Test func `a matrix is turned around, whatever its shape`() {
    for rows in Self.lengths where rows < 80 {
      for columns in Self.lengths where columns < 80 {
        let matrix = numbers(rows * columns)
        // What stands beyond the result must stay.
        var turned = [Float](repeating: 7, count: rows * columns + 16)
        tacit_transpose_f32(matrix, rows, columns, &turned)
        let expected = (0..<columns).flatMap { column in (0..<rows).map { matrix[$0 * columns + column] } }
        #expect(Array(turned.prefix(rows * columns)) == expected, "\(rows) × \(columns)")
        #expect(turned.suffix(16).allSatisfy { $0 == 7 }, "\(rows) × \(columns)")
      }
    }
  }

  @Test func `rows are gathered in the order of their numbers`() {
    for width in [1, 5, 16, 24, 64] {
      let table = numbers(40 * width)
      let rows: [Int32] = [39, 0, 7, 7, 12, 38, 1, 20, 21, 22, 3]
      var gathered = [Float](repeating: 7, count: rows.count * width + 1)
      tacit_gather_rows_f32(table, width, rows, rows.count, &gathered)
      let expected: [Float] = rows.flatMap { row in table[Int(row) * width..<(Int(row) + 1) * width] }
      #expect(gathered == expected + [7], "width \(width)")
    }
  }

  @Test(arguments: lengths) func `exponentials are those of the library to two units in the last place`(count: Int) {
    let (x, shift) = (numbers(count, scale: 40), Float(3))
    var result = [Float](repeating: 7, count: count + 1)
    let sum = tacit_exponentials_f32(x, shift, &result, count)
    for (value, own) in zip(x, result) {
      let expected = Foundation.exp(Double(value - shift))
      #expect(abs(Double(own) - expected) < 2.5e-7 * expected, "e^\(value - shift)")
    }
    #expect(result[count] == 7)
    let total = result.prefix(count).reduce(0.0) { $0 + Double($1) }
    #expect(abs(Double(sum) - total) <= 1e-6 * total)
  }

  @Test(arguments: [3, 16, 21]) func `exponentials neither overflow nor vanish, and what is no number stays none`(count: Int) {
    func exponential(_ value: Float) -> Float {
      var result = [Float](repeating: value, count: count)
      _ = tacit_exponentials_f32(result, 0, &result, count)
      #expect(Set(result.map(\.bitPattern)).count == 1)
      return result[count - 1]
    }
    #expect(exponential(0) == 1)
    #expect(exponential(1e9) == exponential(88) && exponential(.infinity) == exponential(88))
    #expect(exponential(-1e9) == exponential(-87) && exponential(-.infinity) > 0)
    #expect(exponential(.nan).isNaN)
  }

  @Test(arguments: lengths) func `the largest entry, wherever it stands`(count: Int) {
    #expect(tacit_maximum_f32([Float](repeating: .nan, count: count + 1), count) == -.infinity)
    for place in 0..<count {
      var x = numbers(count)
      x[place] = 2
      #expect(tacit_maximum_f32(x + [3], count) == 2)
      x[(place + 1) % count] = .nan
      #expect(tacit_maximum_f32(x, count) == (count == 1 ? -.infinity : 2))
    }
  }

  @Test(arguments: [1, 5, 16, 31, 64, 72]) func `rows have mean 0 and variance 1 before they are scaled and shifted`(columns: Int)
  {
    let (rows, epsilon) = (3, Float(1e-6))
    let (x, scale, shift) = (numbers(rows * columns), numbers(columns, seed: 2), numbers(columns, seed: 3))
    var (normalised, inverse) = ([Float](repeating: 0, count: rows * columns), [Float](repeating: 0, count: rows))
    var out = normalised
    tacit_layer_norm_f32(x, rows, columns, epsilon, scale, shift, &normalised, &inverse, &out)
    for row in 0..<rows {
      let own = x[row * columns..<(row + 1) * columns].map(Double.init)
      let mean = own.reduce(0, +) / Double(columns)
      let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(columns)
      let factor = 1 / (variance + Double(epsilon)).squareRoot()
      // A single column has no variance: its factor is 1000, and so is what rounding becomes.
      #expect(abs(Double(inverse[row]) / factor - 1) < 1e-4)
      for column in 0..<columns {
        let expected = (own[column] - mean) * factor
        #expect(abs(Double(normalised[row * columns + column]) - expected) < 1e-4)
        let result = expected * Double(scale[column]) + Double(shift[column])
        #expect(abs(Double(out[row * columns + column]) - result) < 1e-4)
      }
    }
  }

  @Test(arguments: lengths) func `dropout keeps its share, scales it, and draws the same again`(count: Int) {
    let state = (1...8).map { UInt32($0) &* 0x9E37_79B9 | 1 }
    var ones = [Float](repeating: 1, count: count + 1)
    tacit_dropout_f32(&ones, count, 0.25, 4 / 3, state)
    #expect(ones[count] == 1)
    let kept = Float(4.0 / 3)
    #expect(ones.prefix(count).allSatisfy { $0 == 0 || $0 == kept })
    // The draws written out: xorshift 13, 17, 5 in eight lanes.
    var lanes = state
    for index in 0..<count {
      let lane = index % 8
      lanes[lane] ^= lanes[lane] << 13
      lanes[lane] ^= lanes[lane] >> 17
      lanes[lane] ^= lanes[lane] << 5
      let draw = Float(bitPattern: lanes[lane] >> 9 | 0x3F80_0000)
      #expect((ones[index] == 0) == (draw < 1.25), "entry \(index)")
    }
  }

  @Test(arguments: lengths) func `sums in Float64 take products in Float32`(count: Int) {
    let x = numbers(count)
    var sum = [Double](repeating: 1, count: count + 1)
    tacit_add_scaled_f64(&sum, 0.3, x, count)
    let expected: [Double] = x.map { 1 + Double(Float(0.3) * $0) }
    #expect(sum == expected + [1])
    var scaled = x + [7]
    tacit_scale_f32(scaled, 0.3, &scaled, count)
    let products: [Float] = x.map { Float(0.3) * $0 }
    #expect(scaled == products + [7])
  }

  @Test(arguments: lengths) func `pulls are cut residuals`(count: Int) {
    let (scores, confidence) = (numbers(count, scale: 3), numbers(count, seed: 2))
    var pulls = scores + [7]
    tacit_bounded_residuals_f32(&pulls, confidence, count, 4, 0.15, 1.5, 0.5)
    for index in 0..<count {
      let c = Double(confidence[index])
      let predicted = (c - Double(Float(0.15))) * Double(scores[index]) * 4
      let expected = 0.5 * max(-1, min(1, (c - predicted) / 1.5))
      #expect(abs(Double(pulls[index]) - expected) < 1e-5)
    }
    #expect(pulls[count] == 7)
  }
}
