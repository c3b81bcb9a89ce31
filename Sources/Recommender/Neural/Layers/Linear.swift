/// y = x W + b, with W inputs × outputs.
package struct Linear: Sendable {
  package let inputs: Int
  package let outputs: Int
  private let weight: Int
  private let bias: Int

  /// - Parameter gain: the deviation of W's entries is gain / √inputs.
  package init(_ name: String, inputs: Int, outputs: Int, gain: Float = 1, layout: inout ParameterLayout) {
    self.inputs = inputs
    self.outputs = outputs
    weight = layout.add("\(name)-weight", [inputs, outputs], .normal(gain / Float(inputs).squareRoot()))
    bias = layout.add("\(name)-bias", [outputs], .constant(0))
  }

  /// - Returns: rows × outputs, in the pass's arena.
  package func forward(_ x: UnsafeMutablePointer<Float>, rows: Int, pass: Pass) -> UnsafeMutablePointer<Float> {
    let y = pass.arena.floats(rows * outputs)
    for row in 0..<rows { (y + row * outputs).update(from: pass.parameters + bias, count: outputs) }
    DenseAlgebra.multiply(x, pass.parameters + weight, into: y, rows: rows, columns: outputs, inner: inputs, beta: 1)
    return y
  }

  /// - Returns: the derivative with respect to x, rows × inputs.
  package func backward(
    _ dy: UnsafeMutablePointer<Float>, input x: UnsafeMutablePointer<Float>, rows: Int, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    addParameterGradient(dy, input: x, rows: rows, pass: pass)
    let dx = pass.arena.floats(rows * inputs)
    DenseAlgebra.multiply(
      dy, transposing: pass.parameters + weight, scratch: pass.arena.floats(inputs * outputs), into: dx, rows: rows,
      columns: inputs, inner: outputs)
    return dx
  }

  /// The part of `backward` that concerns W and b.
  func addParameterGradient(
    _ dy: UnsafePointer<Float>, input x: UnsafePointer<Float>, rows: Int, pass: Pass
  ) {
    DenseAlgebra.multiply(
      x, transposeA: true, dy, into: pass.gradient + weight, rows: inputs, columns: outputs, inner: rows, beta: 1)
    VectorMath.addRows(of: dy, rows: rows, columns: outputs, to: pass.gradient + bias)
  }

  /// `forward` of one row, for what happens step by step.
  func row(_ x: UnsafePointer<Float>, pass: Pass) -> UnsafeMutablePointer<Float> {
    let y = pass.arena.floats(outputs)
    y.update(from: pass.parameters + bias, count: outputs)
    DenseAlgebra.multiply(
      pass.parameters + weight, transposeA: true, vector: x, into: y, rows: inputs, columns: outputs, beta: 1)
    return y
  }

  /// dx += dy Wᵀ for one row.
  func addInputGradient(ofRow dy: UnsafePointer<Float>, to dx: UnsafeMutablePointer<Float>, pass: Pass) {
    DenseAlgebra.multiply(pass.parameters + weight, vector: dy, into: dx, rows: inputs, columns: outputs, beta: 1)
  }
}

/// max(0, x), in place; the result is its own cache.
package enum Rectifier {
  package static func forward(_ x: UnsafeMutablePointer<Float>, count: Int) {
    var index = 0
    while index + 8 <= count {
      let value = VectorMath.load(x, index)
      VectorMath.store(value.replacing(with: 0, where: value .<= 0), x, index)
      index += 8
    }
    for index in index..<count where x[index] <= 0 { x[index] = 0 }
  }

  /// Clears the gradient where the output is 0.
  package static func backward(_ gradient: UnsafeMutablePointer<Float>, output: UnsafePointer<Float>, count: Int) {
    var index = 0
    while index + 8 <= count {
      let isFlat = VectorMath.load(output, index) .<= 0
      VectorMath.store(VectorMath.load(gradient, index).replacing(with: 0, where: isFlat), gradient, index)
      index += 8
    }
    for index in index..<count where output[index] <= 0 { gradient[index] = 0 }
  }
}
