import Recommender
import Testing

/// Every backward pass against central finite differences, over random shapes.
@Suite struct LayerGradientTests {
  /// A corner a little beside an entry's value passes for noise.
  private static func bound(corners: Double) -> Double { corners > 0 ? 1e-2 : 2e-3 }

  private func expectGood(_ check: GradientCheck, corners: Double = 0, _ location: SourceLocation = #_sourceLocation) {
    #expect(
      check.worst < Self.bound(corners: corners), "largest relative error \(check.worst) at \(check.place)",
      sourceLocation: location)
    #expect(
      Double(check.skipped) <= corners * Double(check.checked), "\(check.skipped) of \(check.checked) at corners",
      sourceLocation: location)
  }

  @Test(arguments: [(1, 3, 5), (7, 16, 9), (13, 33, 24), (5, 32, 48)] as [(Int, Int, Int)])
  func `a linear layer`(rows: Int, inputs: Int, outputs: Int) {
    var layout = ParameterLayout()
    let layer = Linear("linear", inputs: inputs, outputs: outputs, layout: &layout)
    expectGood(
      GradientCheck(layout: layout, inputs: rows * inputs, seed: UInt64(rows)) { x, pass in
        .init(output: layer.forward(x, rows: rows, pass: pass), count: rows * outputs) {
          layer.backward($0, input: x, rows: rows, pass: pass)
        }
      })
  }

  @Test(arguments: [(1, 5), (6, 16), (11, 37), (4, 64)] as [(Int, Int)])
  func `a layer norm`(rows: Int, columns: Int) {
    var layout = ParameterLayout()
    let layer = LayerNorm("norm", columns: columns, layout: &layout)
    expectGood(
      GradientCheck(layout: layout, inputs: rows * columns, seed: UInt64(columns)) { x, pass in
        let (y, cache) = layer.forward(x, rows: rows, pass: pass)
        return .init(output: y, count: rows * columns) { layer.backward($0, cache, pass: pass) }
      })
  }

  @Test(arguments: [(1, 4, 1), (5, 8, 2), (17, 24, 2), (9, 12, 3)] as [(Int, Int, Int)])
  func `causal attention`(length: Int, dimension: Int, heads: Int) {
    var layout = ParameterLayout()
    let layer = CausalAttention("attention", dimension: dimension, heads: heads, layout: &layout)
    expectGood(
      GradientCheck(layout: layout, inputs: length * dimension, seed: UInt64(length)) { x, pass in
        let (y, cache) = layer.forward(x, length: length, pass: pass)
        return .init(output: y, count: length * dimension) { layer.backward($0, cache, pass: pass) }
      })
  }

  @Test(arguments: [(1, 3, 4, 2), (8, 16, 24, 9)] as [(Int, Int, Int, Int)])
  func `a feed-forward layer`(rows: Int, inputs: Int, hidden: Int, outputs: Int) {
    var layout = ParameterLayout()
    let layer = FeedForward("feed", inputs: inputs, hidden: hidden, outputs: outputs, layout: &layout)
    expectGood(
      GradientCheck(layout: layout, inputs: rows * inputs, seed: UInt64(hidden), h: 0x1p-8, corners: true) { x, pass in
        let (y, cache) = layer.forward(x, rows: rows, pass: pass)
        return .init(output: y, count: rows * outputs) { layer.backward($0, cache, pass: pass) }
      }, corners: 0.2)
  }

  @Test(arguments: [(1, 3, 4), (6, 8, 5), (19, 12, 16)] as [(Int, Int, Int)])
  func `a gated recurrent unit`(length: Int, inputs: Int, dimension: Int) {
    var layout = ParameterLayout()
    let layer = GatedRecurrentUnit("unit", inputs: inputs, dimension: dimension, layout: &layout)
    expectGood(
      GradientCheck(layout: layout, inputs: length * inputs, seed: UInt64(dimension)) { x, pass in
        let (y, cache) = layer.forward(x, length: length, pass: pass)
        return .init(output: y, count: length * dimension) { layer.backward($0, cache, pass: pass) }
      })
  }

  @Test(arguments: [(1, 4, 1, 2, 1), (7, 6, 3, 4, 2), (12, 8, 5, 3, 3), (2, 5, 4, 2, 1)] as [(Int, Int, Int, Int, Int)])
  func `horizontal and vertical convolutions`(
    length: Int, dimension: Int, width: Int, horizontal: Int, vertical: Int
  ) {
    var layout = ParameterLayout()
    let layer = SequenceConvolution(
      "convolution", dimension: dimension, width: width, horizontal: horizontal, vertical: vertical, layout: &layout)
    expectGood(
      GradientCheck(layout: layout, inputs: length * dimension, seed: UInt64(length), h: 0x1p-8, corners: true) { x, pass in
        let (y, cache) = layer.forward(x, length: length, pass: pass)
        return .init(output: y, count: length * layer.outputs) { layer.backward($0, cache, pass: pass) }
      }, corners: 0.2)
  }

  @Test(arguments: [(1, 3), (14, 10)] as [(Int, Int)])
  func `decaying means`(rows: Int, columns: Int) {
    let layer = DecayingMean(halfLives: [2, 7, .infinity], columns: columns)
    expectGood(
      GradientCheck(layout: ParameterLayout(), inputs: rows * columns, seed: UInt64(rows)) { x, pass in
        .init(output: layer.forward(x, rows: rows, pass: pass), count: rows * layer.outputs) {
          layer.backward($0, rows: rows, pass: pass)
        }
      })
  }

  @Test func `dropout drops the same activations on the way back`() {
    expectGood(
      GradientCheck(layout: ParameterLayout(), inputs: 50, seed: 9, dropout: 0.4) { x, pass in
        Dropout.apply(x, count: 50, site: 3, pass: pass)
        return .init(output: x, count: 50) {
          Dropout.apply($0, count: 50, site: 3, pass: pass)
          return $0
        }
      })
  }

  @Test func `dropout keeps the mean and drops the asked share`() {
    let (arena, count) = (Arena(), 40_000)
    let x = arena.floats(count)
    for index in 0..<count { x[index] = 1 }
    let spare = arena.zeros(1)
    Dropout.apply(
      x, count: count, site: 0, pass: Pass(parameters: spare, gradient: spare, arena: arena, dropout: 0.3, seed: 5))
    let values = (0..<count).map { x[$0] }
    #expect(abs(Double(values.filter { $0 == 0 }.count) / Double(count) - 0.3) < 0.01)
    #expect(abs(values.reduce(0.0) { $0 + Double($1) } / Double(count) - 1) < 0.02)
  }

  @Test(arguments: [0, 0.3] as [Float])
  func `whole encoders, with and without dropout`(dropout: Float) {
    func check<Encoder: SequenceEncoder>(_ length: Int, _ make: (inout ParameterLayout) -> Encoder) {
      var layout = ParameterLayout()
      let encoder = make(&layout)
      let count = length * encoder.dimension
      expectGood(
        GradientCheck(layout: layout, inputs: count, seed: 3, dropout: dropout, entriesPerGroup: 12, h: 0x1p-8, corners: true) {
          x, pass in
          let (y, cache) = encoder.forward(x, length: length, pass: pass)
          return .init(output: y, count: count) { encoder.backward($0, cache, pass: pass) }
        }, corners: 0.25)
    }
    check(9) { TransformerEncoder(dimension: 8, window: 12, blocks: 2, heads: 2, layout: &$0) }
    check(12) { TransformerEncoder(dimension: 12, window: 12, blocks: 1, heads: 1, layout: &$0) }
    check(11) { RecurrentEncoder(dimension: 6, hidden: 10, layout: &$0) }
    check(8) { ConvolutionEncoder(dimension: 8, width: 4, horizontal: 3, vertical: 2, layout: &$0) }
    check(10) { PooledEncoder(dimension: 6, hidden: 9, halfLives: [2, .infinity], layout: &$0) }
  }

  @Test func `no position sees what comes after it`() {
    func check<Encoder: SequenceEncoder>(_ make: (inout ParameterLayout) -> Encoder) {
      var layout = ParameterLayout()
      let encoder = make(&layout)
      let (length, d) = (10, encoder.dimension)
      var random = NormalSource(seed: 4)
      var parameters = layout.initialValues(seed: 2)
      var input = (0..<length * d).map { _ in random.next() }
      func outputs() -> [Float] {
        let arena = Arena()
        return parameters.withUnsafeMutableBufferPointer { parameters in
          input.withUnsafeMutableBufferPointer { input in
            let spare = arena.zeros(1)
            let pass = Pass(parameters: parameters.baseAddress ?? spare, gradient: spare, arena: arena)
            let y = encoder.forward(input.baseAddress ?? spare, length: length, pass: pass).0
            return (0..<length * d).map { y[$0] }
          }
        }
      }
      let before = outputs()
      for index in 6 * d..<input.count { input[index] = random.next() }
      let after = outputs()
      for index in 0..<6 * d { #expect(abs(before[index] - after[index]) < 1e-5) }
      let changed = (6 * d..<input.count).contains { abs(before[$0] - after[$0]) > 1e-3 }
      #expect(changed)
    }
    check { TransformerEncoder(dimension: 8, window: 10, blocks: 2, heads: 2, layout: &$0) }
    check { RecurrentEncoder(dimension: 6, hidden: 8, layout: &$0) }
    check { ConvolutionEncoder(dimension: 8, width: 4, horizontal: 3, vertical: 2, layout: &$0) }
    check { PooledEncoder(dimension: 6, hidden: 9, halfLives: [2, .infinity], layout: &$0) }
  }
}
