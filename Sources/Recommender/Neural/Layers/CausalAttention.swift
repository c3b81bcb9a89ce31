/// Multi-head scaled dot-product attention of each position to itself and those before it (Vaswani et al. 2017).
package struct CausalAttention: Sendable {
  package struct Cache: BitwiseCopyable {
    fileprivate let input: UnsafeMutablePointer<Float>
    /// Queries, keys and values side by side, length × 3 dimension.
    fileprivate let projections: UnsafeMutablePointer<Float>
    /// Attention weights, heads × length × length, 0 above the diagonal.
    fileprivate let weights: UnsafeMutablePointer<Float>
    fileprivate let mixed: UnsafeMutablePointer<Float>
    fileprivate let length: Int
  }

  package let dimension: Int
  package let heads: Int
  private let projection: Linear
  private let output: Linear
  private var headSize: Int { dimension / heads }
  private var temperature: Float { 1 / Float(headSize).squareRoot() }

  /// - Precondition: `heads` divides `dimension`.
  package init(_ name: String, dimension: Int, heads: Int, layout: inout ParameterLayout) {
    precondition(heads > 0 && dimension % heads == 0, "\(heads) heads do not divide \(dimension) columns")
    self.dimension = dimension
    self.heads = heads
    projection = Linear("\(name)-projection", inputs: dimension, outputs: 3 * dimension, layout: &layout)
    output = Linear("\(name)-output", inputs: dimension, outputs: dimension, layout: &layout)
  }

  package func forward(
    _ x: UnsafeMutablePointer<Float>, length: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    let projections = projection.forward(x, rows: length, pass: pass)
    let weights = pass.arena.floats(heads * length * length)
    let mixed = pass.arena.floats(length * dimension)
    for head in 0..<heads {
      let (query, key, value) = views(of: projections, head: head)
      let scores = MatrixView(weights + head * length * length, stride: length)
      DenseAlgebra.multiply(
        query, key, transposeB: true, into: scores, rows: length, columns: length, inner: headSize, alpha: temperature)
      for row in 0..<length {
        let entries = scores.base + row * length
        let largest = VectorMath.maximum(entries, count: row + 1)
        let sum = VectorMath.exponentials(of: entries, minus: largest, into: entries, count: row + 1)
        VectorMath.scale(entries, by: 1 / sum, count: row + 1)
        VectorMath.clear(entries + row + 1, count: length - row - 1)
      }
      DenseAlgebra.multiply(
        scores, value, into: MatrixView(mixed + head * headSize, stride: dimension), rows: length, columns: headSize,
        inner: length)
    }
    let y = output.forward(mixed, rows: length, pass: pass)
    return (y, Cache(input: x, projections: projections, weights: weights, mixed: mixed, length: length))
  }

  package func backward(
    _ dy: UnsafeMutablePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let length = cache.length
    let dMixed = output.backward(dy, input: cache.mixed, rows: length, pass: pass)
    let dProjections = pass.arena.floats(length * 3 * dimension)
    let dScores = MatrixView(pass.arena.floats(length * length), stride: length)
    for head in 0..<heads {
      let (query, key, value) = views(of: cache.projections, head: head)
      let (dQuery, dKey, dValue) = views(of: dProjections, head: head)
      let weights = MatrixView(cache.weights + head * length * length, stride: length)
      let dHead = MatrixView(dMixed + head * headSize, stride: dimension)
      DenseAlgebra.multiply(dHead, value, transposeB: true, into: dScores, rows: length, columns: length, inner: headSize)
      DenseAlgebra.multiply(
        weights, transposeA: true, dHead, into: dValue, rows: length, columns: headSize, inner: length)
      for row in 0..<length {
        let (entries, probabilities) = (dScores.base + row * length, weights.base + row * length)
        let mean = VectorMath.dot(entries, probabilities, count: row + 1)
        for column in 0...row { entries[column] = probabilities[column] * (entries[column] - mean) }
        VectorMath.clear(entries + row + 1, count: length - row - 1)
      }
      DenseAlgebra.multiply(
        dScores, key, into: dQuery, rows: length, columns: headSize, inner: length, alpha: temperature)
      DenseAlgebra.multiply(
        dScores, transposeA: true, query, into: dKey, rows: length, columns: headSize, inner: length, alpha: temperature)
    }
    return projection.backward(dProjections, input: cache.input, rows: length, pass: pass)
  }

  private func views(of projections: UnsafeMutablePointer<Float>, head: Int) -> (MatrixView, MatrixView, MatrixView) {
    let first = projections + head * headSize
    return (
      MatrixView(first, stride: 3 * dimension), MatrixView(first + dimension, stride: 3 * dimension),
      MatrixView(first + 2 * dimension, stride: 3 * dimension)
    )
  }
}
