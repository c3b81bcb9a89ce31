/// The user's side of two towers: means of the history over short and long memories, through dense layers.
///
/// y = M W + b + feedForward(M), with M the means side by side: a linear tower, and what a network finds beyond it.
package struct PooledEncoder: SequenceEncoder {
  package struct Cache: BitwiseCopyable {
    fileprivate let means: UnsafeMutablePointer<Float>
    fileprivate let feedForward: FeedForward.Cache
    fileprivate let length: Int
  }

  package let dimension: Int
  private let memory: DecayingMean
  private let linear: Linear
  private let feedForward: FeedForward
  private var inputScale: Float { Float(dimension).squareRoot() }

  package init(dimension: Int, hidden: Int, halfLives: [Float], layout: inout ParameterLayout) {
    self.dimension = dimension
    memory = DecayingMean(halfLives: halfLives, columns: dimension)
    linear = Linear("user-linear", inputs: memory.outputs, outputs: dimension, layout: &layout)
    feedForward = FeedForward(
      "user-dense", inputs: memory.outputs, hidden: hidden, outputs: dimension, layout: &layout)
  }

  package func forward(
    _ input: UnsafeMutablePointer<Float>, length: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    let count = length * dimension
    let x = pass.arena.floats(count)
    for index in 0..<count { x[index] = inputScale * input[index] }
    Dropout.apply(x, count: count, site: 0, pass: pass)
    let means = memory.forward(x, rows: length, pass: pass)
    let y = linear.forward(means, rows: length, pass: pass)
    let (fed, cache) = feedForward.forward(means, rows: length, pass: pass)
    VectorMath.add(fed, to: y, count: count)
    return (y, Cache(means: means, feedForward: cache, length: length))
  }

  package func backward(
    _ outputGradient: UnsafeMutablePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let count = cache.length * dimension
    let dMeans = linear.backward(outputGradient, input: cache.means, rows: cache.length, pass: pass)
    VectorMath.add(
      feedForward.backward(outputGradient, cache.feedForward, pass: pass), to: dMeans, count: cache.length * memory.outputs)
    let dx = memory.backward(dMeans, rows: cache.length, pass: pass)
    Dropout.apply(dx, count: count, site: 0, pass: pass)
    VectorMath.scale(dx, by: inputScale, count: count)
    return dx
  }
}
