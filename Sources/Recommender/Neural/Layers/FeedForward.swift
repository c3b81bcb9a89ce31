/// The same two layers at every position, with a rectifier between: relu(x W₁ + b₁) W₂ + b₂.
package struct FeedForward: Sendable {
  package struct Cache: BitwiseCopyable {
    fileprivate let input: UnsafeMutablePointer<Float>
    fileprivate let hidden: UnsafeMutablePointer<Float>
    fileprivate let rows: Int
  }

  private let first: Linear
  private let second: Linear

  package init(_ name: String, inputs: Int, hidden: Int, outputs: Int, layout: inout ParameterLayout) {
    first = Linear("\(name)-first", inputs: inputs, outputs: hidden, gain: 1.4, layout: &layout)
    second = Linear("\(name)-second", inputs: hidden, outputs: outputs, layout: &layout)
  }

  package func forward(
    _ x: UnsafeMutablePointer<Float>, rows: Int, pass: Pass
  ) -> (UnsafeMutablePointer<Float>, Cache) {
    let hidden = first.forward(x, rows: rows, pass: pass)
    Rectifier.forward(hidden, count: rows * first.outputs)
    return (second.forward(hidden, rows: rows, pass: pass), Cache(input: x, hidden: hidden, rows: rows))
  }

  package func backward(
    _ dy: UnsafeMutablePointer<Float>, _ cache: Cache, pass: Pass
  ) -> UnsafeMutablePointer<Float> {
    let dHidden = second.backward(dy, input: cache.hidden, rows: cache.rows, pass: pass)
    Rectifier.backward(dHidden, output: cache.hidden, count: cache.rows * first.outputs)
    return first.backward(dHidden, input: cache.input, rows: cache.rows, pass: pass)
  }
}
