/// A gated recurrent unit over a sequence (Cho et al. 2014, in PyTorch's form), state 0 before the first position.
///
/// r = σ(x Wr + h Ur + br), z = σ(x Wz + h Uz + bz), n = tanh(x Wn + bn + r (h Un + cn)), h' = (1 - z) n + z h.
package struct GatedRecurrentUnit: Sendable {
  package struct Cache: BitwiseCopyable {
    fileprivate let input: UnsafeMutablePointer<Float>
    /// r, z, n side by side: length × 3 dimension.
    fileprivate let gates: UnsafeMutablePointer<Float>
    /// h Un + cn, length × dimension.
    fileprivate let candidate: UnsafeMutablePointer<Float>
    /// States before each position and after the last: (length + 1) × dimension.
    fileprivate let states: UnsafeMutablePointer<Float>
    fileprivate let length: Int
  }

  package let dimension: Int
  private let input: Linear
  private let recurrent: Linear

  package init(_ name: String, inputs: Int, dimension: Int, layout: inout ParameterLayout) {
    self.dimension = dimension
    input = Linear("\(name)-input", inputs: inputs, outputs: 3 * dimension, layout: &layout)
    recurrent = Linear("\(name)-recurrent", inputs: dimension, outputs: 3 * dimension, layout: &layout)
  }

  package func forward(
    _ x: UnsafeMutablePointer<Float>, length: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    let d = dimension
    let gates = input.forward(x, rows: length, pass: pass)
    let candidate = pass.arena.floats(length * d)
    let states = pass.arena.floats((length + 1) * d)
    VectorMath.clear(states, count: d)
    for position in 0..<length {
      let (state, next) = (states + position * d, states + (position + 1) * d)
      let (gate, pull) = (gates + position * 3 * d, recurrent.row(state, pass: pass))
      let own = candidate + position * d
      own.update(from: pull + 2 * d, count: d)
      VectorMath.add(pull, to: gate, count: 2 * d)
      Self.map(gate, count: 2 * d, VectorMath.sigmoid)
      for column in 0..<d { gate[2 * d + column] += gate[column] * own[column] }
      Self.map(gate + 2 * d, count: d, VectorMath.tanh)
      for column in 0..<d {
        let (update, new) = (gate[d + column], gate[2 * d + column])
        next[column] = new + update * (state[column] - new)
      }
    }
    return (states + d, Cache(input: x, gates: gates, candidate: candidate, states: states, length: length))
  }

  package func backward(
    _ dy: UnsafePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let (d, length) = (dimension, cache.length)
    // Gradients of what enters the gates from x, and from h: they differ in the candidate's part, which r multiplies.
    let fromInput = pass.arena.floats(length * 3 * d)
    let fromState = pass.arena.floats(length * 3 * d)
    let carried = pass.arena.zeros(d)
    for position in stride(from: length - 1, through: 0, by: -1) {
      let (gate, own) = (cache.gates + position * 3 * d, cache.candidate + position * d)
      let (state, a, b) = (cache.states + position * d, fromInput + position * 3 * d, fromState + position * 3 * d)
      VectorMath.add(dy + position * d, to: carried, count: d)
      for column in 0..<d {
        let (reset, update, new) = (gate[column], gate[d + column], gate[2 * d + column])
        let pull = carried[column]
        let dNew = pull * (1 - update) * (1 - new * new)
        let dUpdate = pull * (state[column] - new) * update * (1 - update)
        let dReset = dNew * own[column] * reset * (1 - reset)
        (a[column], b[column]) = (dReset, dReset)
        (a[d + column], b[d + column]) = (dUpdate, dUpdate)
        (a[2 * d + column], b[2 * d + column]) = (dNew, dNew * reset)
        carried[column] = pull * update
      }
      recurrent.addInputGradient(ofRow: b, to: carried, pass: pass)
    }
    recurrent.addParameterGradient(fromState, input: cache.states, rows: length, pass: pass)
    return input.backward(fromInput, input: cache.input, rows: length, pass: pass)
  }

  @inline(__always) private static func map(
    _ values: UnsafeMutablePointer<Float>, count: Int, _ function: (SIMD8<Float>) -> SIMD8<Float>
  ) {
    var index = 0
    while index + 8 <= count {
      VectorMath.store(function(VectorMath.load(values, index)), values, index)
      index += 8
    }
    while index < count {
      values[index] = function(SIMD8(repeating: values[index]))[0]
      index += 1
    }
  }
}
