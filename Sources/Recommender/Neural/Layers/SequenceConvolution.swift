/// Horizontal and vertical convolutions over the last few items before each position (Caser: Tang and Wang, WSDM 2018).
///
/// A window holds `width` items, zeros where the sequence has not begun. Horizontal filters of heights 1...width slide over it
/// and keep their largest value; vertical filters weight its items column by column. A horizontal product is computed once and
/// shared by all windows that see it.
package struct SequenceConvolution: Sendable {
  package struct Cache: BitwiseCopyable {
    /// The sequence behind width - 1 rows of zeros.
    fileprivate let padded: UnsafeMutablePointer<Float>
    /// Where each horizontal output came from, length × horizontal outputs.
    fileprivate let winners: UnsafeMutablePointer<Int32>
    fileprivate let output: UnsafeMutablePointer<Float>
    fileprivate let length: Int
  }

  package let dimension: Int
  package let width: Int
  /// Horizontal filters of each height.
  package let horizontal: Int
  package let vertical: Int
  private let weights: Int
  private let bias: Int
  private let columnWeights: Int

  /// Entries per position: first the horizontal outputs by height, then the vertical ones, filter by filter.
  package var outputs: Int { width * horizontal + vertical * dimension }

  package init(
    _ name: String, dimension: Int, width: Int, horizontal: Int, vertical: Int, layout: inout ParameterLayout
  ) {
    (self.dimension, self.width, self.horizontal, self.vertical) = (dimension, width, horizontal, vertical)
    // Height k begins at row k (k - 1) / 2 · dimension; row o · dimension + c of it meets column c of item o.
    let rows = width * (width + 1) / 2 * dimension
    weights = layout.add(
      "\(name)-horizontal", [rows, horizontal], .normal(1 / Float(width * dimension).squareRoot()))
    bias = layout.add("\(name)-horizontal-bias", [width, horizontal], .constant(0))
    columnWeights = layout.add("\(name)-vertical", [vertical, width], .normal(1 / Float(width).squareRoot()))
  }

  package func forward(
    _ x: UnsafeMutablePointer<Float>, length: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    let d = dimension
    let padded = pass.arena.floats((length + width - 1) * d)
    VectorMath.clear(padded, count: (width - 1) * d)
    (padded + (width - 1) * d).update(from: x, count: length * d)
    let output = pass.arena.floats(length * outputs)
    let winners = pass.arena.records(Int32.self, length * width * horizontal)
    let products = pass.arena.floats((length + width - 1) * horizontal)
    for height in 1...width {
      let starts = length + width - height
      let filters = pass.parameters + self.weights + height * (height - 1) / 2 * d * horizontal
      for start in 0..<starts {
        (products + start * horizontal).update(
          from: pass.parameters + bias + (height - 1) * horizontal, count: horizontal)
      }
      for item in 0..<height {
        DenseAlgebra.multiply(
          padded + item * d, filters + item * d * horizontal, into: products, rows: starts, columns: horizontal, inner: d,
          beta: 1)
      }
      for position in 0..<length {
        for filter in 0..<horizontal {
          var best = position
          for start in position...position + width - height
          where products[start * horizontal + filter] > products[best * horizontal + filter] { best = start }
          let column = (height - 1) * horizontal + filter
          winners[position * width * horizontal + column] = Int32(truncatingIfNeeded: best)
          output[position * outputs + column] = max(0, products[best * horizontal + filter])
        }
      }
    }
    for position in 0..<length {
      for filter in 0..<vertical {
        let target = output + position * outputs + width * horizontal + filter * d
        VectorMath.clear(target, count: d)
        for item in 0..<width {
          VectorMath.add(
            padded + (position + item) * d, times: pass.parameters[columnWeights + filter * width + item], to: target, count: d)
        }
      }
    }
    return (output, Cache(padded: padded, winners: winners, output: output, length: length))
  }

  package func backward(
    _ dy: UnsafePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let (d, length) = (dimension, cache.length)
    let dPadded = pass.arena.zeros((length + width - 1) * d)
    let dProducts = pass.arena.floats((length + width - 1) * horizontal)
    for height in 1...width {
      let starts = length + width - height
      let first = self.weights + height * (height - 1) / 2 * d * horizontal
      VectorMath.clear(dProducts, count: starts * horizontal)
      for position in 0..<length {
        for filter in 0..<horizontal {
          let column = (height - 1) * horizontal + filter
          guard cache.output[position * outputs + column] > 0 else { continue }
          let winner = Int(cache.winners[position * width * horizontal + column])
          dProducts[winner * horizontal + filter] += dy[position * outputs + column]
        }
      }
      VectorMath.addRows(
        of: dProducts, rows: starts, columns: horizontal, to: pass.gradient + bias + (height - 1) * horizontal)
      for item in 0..<height {
        DenseAlgebra.multiply(
          cache.padded + item * d, transposeA: true, dProducts, into: pass.gradient + first + item * d * horizontal, rows: d,
          columns: horizontal, inner: starts, beta: 1)
        DenseAlgebra.multiply(
          dProducts, pass.parameters + first + item * d * horizontal, transposeB: true, into: dPadded + item * d,
          rows: starts, columns: d, inner: horizontal, beta: 1)
      }
    }
    for position in 0..<length {
      for filter in 0..<vertical {
        let source = dy + position * outputs + width * horizontal + filter * d
        for item in 0..<width {
          let weight = columnWeights + filter * width + item
          pass.gradient[weight] += VectorMath.dot(source, cache.padded + (position + item) * d, count: d)
          VectorMath.add(source, times: pass.parameters[weight], to: dPadded + (position + item) * d, count: d)
        }
      }
    }
    return dPadded + (width - 1) * d
  }
}
