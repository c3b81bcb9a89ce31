/// Caser (Tang and Wang, WSDM 2018): convolutions over the last few items, and what the user likes in general.
///
/// Caser keeps an embedding per user for the second part. Here it is the mean of the user's own history through a linear layer:
/// computed at home, nothing to upload, and there for users who were never seen in training.
package struct ConvolutionEncoder: SequenceEncoder {
  package struct Cache: BitwiseCopyable {
    fileprivate let convolution: SequenceConvolution.Cache
    fileprivate let features: UnsafeMutablePointer<Float>
    fileprivate let rectified: UnsafeMutablePointer<Float>
    fileprivate let mean: UnsafeMutablePointer<Float>
    fileprivate let length: Int
  }

  package let dimension: Int
  private let convolution: SequenceConvolution
  private let dense: Linear
  private let memory: DecayingMean
  private let general: Linear
  private let output: Linear
  private var inputScale: Float { Float(dimension).squareRoot() }

  package init(dimension: Int, width: Int, horizontal: Int, vertical: Int, layout: inout ParameterLayout) {
    self.dimension = dimension
    convolution = SequenceConvolution(
      "convolution", dimension: dimension, width: width, horizontal: horizontal, vertical: vertical, layout: &layout)
    dense = Linear("dense", inputs: convolution.outputs, outputs: dimension, gain: 1.4, layout: &layout)
    memory = DecayingMean(halfLives: [.infinity], columns: dimension)
    general = Linear("general", inputs: dimension, outputs: dimension, layout: &layout)
    output = Linear("output", inputs: dimension, outputs: dimension, layout: &layout)
  }

  package func forward(
    _ input: UnsafeMutablePointer<Float>, length: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    let count = length * dimension
    let x = pass.arena.floats(count)
    for index in 0..<count { x[index] = inputScale * input[index] }
    let (features, cache) = convolution.forward(x, length: length, pass: pass)
    // The convolution's backward pass needs its own output: dropout works on a copy.
    let dropped = pass.arena.floats(length * convolution.outputs)
    dropped.update(from: features, count: length * convolution.outputs)
    Dropout.apply(dropped, count: length * convolution.outputs, site: 0, pass: pass)
    let rectified = dense.forward(dropped, rows: length, pass: pass)
    Rectifier.forward(rectified, count: count)
    let y = output.forward(rectified, rows: length, pass: pass)
    let mean = memory.forward(x, rows: length, pass: pass)
    VectorMath.add(general.forward(mean, rows: length, pass: pass), to: y, count: count)
    return (y, Cache(convolution: cache, features: dropped, rectified: rectified, mean: mean, length: length))
  }

  package func backward(
    _ outputGradient: UnsafeMutablePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let count = cache.length * dimension
    let dRectified = output.backward(outputGradient, input: cache.rectified, rows: cache.length, pass: pass)
    Rectifier.backward(dRectified, output: cache.rectified, count: count)
    let dFeatures = dense.backward(dRectified, input: cache.features, rows: cache.length, pass: pass)
    Dropout.apply(dFeatures, count: cache.length * convolution.outputs, site: 0, pass: pass)
    let dx = convolution.backward(dFeatures, cache.convolution, pass: pass)
    let dMean = general.backward(outputGradient, input: cache.mean, rows: cache.length, pass: pass)
    VectorMath.add(memory.backward(dMean, rows: cache.length, pass: pass), to: dx, count: count)
    VectorMath.scale(dx, by: inputScale, count: count)
    return dx
  }
}
