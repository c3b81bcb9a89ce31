/// GRU4Rec (Hidasi et al., ICLR 2016): a gated recurrent unit over the history, then one linear layer.
package struct RecurrentEncoder: SequenceEncoder {
  package struct Cache: BitwiseCopyable {
    fileprivate let unit: GatedRecurrentUnit.Cache
    fileprivate let states: UnsafeMutablePointer<Float>
    fileprivate let length: Int
  }

  package let dimension: Int
  private let unit: GatedRecurrentUnit
  private let output: Linear
  private var inputScale: Float { Float(dimension).squareRoot() }

  package init(dimension: Int, hidden: Int, layout: inout ParameterLayout) {
    self.dimension = dimension
    unit = GatedRecurrentUnit("recurrent", inputs: dimension, dimension: hidden, layout: &layout)
    output = Linear("output", inputs: hidden, outputs: dimension, layout: &layout)
  }

  package func forward(
    _ input: UnsafeMutablePointer<Float>, length: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    let count = length * dimension
    let x = pass.arena.floats(count)
    for index in 0..<count { x[index] = inputScale * input[index] }
    Dropout.apply(x, count: count, site: 0, pass: pass)
    let (hidden, unitCache) = unit.forward(x, length: length, pass: pass)
    // The unit's states stay as they are for its backward pass.
    let states = pass.arena.floats(length * unit.dimension)
    states.update(from: hidden, count: length * unit.dimension)
    Dropout.apply(states, count: length * unit.dimension, site: 1, pass: pass)
    let y = output.forward(states, rows: length, pass: pass)
    return (y, Cache(unit: unitCache, states: states, length: length))
  }

  package func backward(
    _ outputGradient: UnsafeMutablePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let dStates = output.backward(outputGradient, input: cache.states, rows: cache.length, pass: pass)
    Dropout.apply(dStates, count: cache.length * unit.dimension, site: 1, pass: pass)
    let dx = unit.backward(dStates, cache.unit, pass: pass)
    Dropout.apply(dx, count: cache.length * dimension, site: 0, pass: pass)
    VectorMath.scale(dx, by: inputScale, count: cache.length * dimension)
    return dx
  }
}
