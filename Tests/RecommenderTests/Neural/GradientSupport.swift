import Recommender

/// Compares backward passes with central finite differences.
///
/// Outputs are Float32, everything from there on Float64: the loss is Σ c·y with random c, its derivative with respect to an
/// entry is taken by (8 (L(h) - L(-h)) - (L(2h) - L(-2h))) / 12h. Where that differs much from the estimate with h/2, or the two
/// sides from each other, a rectifier or a maximum has a corner, and the entry is skipped; their number is reported and bounded.
struct GradientCheck {
  /// What a layer computed: its output and the way back.
  struct Run {
    let output: UnsafeMutablePointer<Float>
    let count: Int
    let backward: (UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float>
  }

  /// Largest |difference| / (|analytic| + |numeric| + root mean square of its group), over all entries looked at.
  private(set) var worst = 0.0
  /// Where that is.
  private(set) var place = ""
  private(set) var checked = 0
  private(set) var skipped = 0

  /// - Parameters:
  ///   - inputs: entries of the layer's input.
  ///   - entriesPerGroup: entries that are looked at in the input and in each slice of the parameters.
  ///   - corners: whether the layer has rectifiers or maxima.
  init(
    layout: ParameterLayout, inputs: Int, seed: UInt64, dropout: Float = 0, entriesPerGroup: Int = 24, h: Float = 0x1p-6,
    corners: Bool = false,
    forward: (UnsafeMutablePointer<Float>, Pass) -> Run
  ) {
    var random = NormalSource(seed: seed)
    var parameters = layout.initialValues(seed: seed).map { $0 + 0.2 * random.next() }
    var input = (0..<inputs).map { _ in random.next() }
    var gradient = [Float](repeating: 0, count: layout.count)
    let arena = Arena()
    var coefficients: [Float] = []

    func run(_ body: (Run, UnsafeMutablePointer<Float>) -> Void) {
      arena.reset()
      parameters.withUnsafeMutableBufferPointer { parameters in
        gradient.withUnsafeMutableBufferPointer { gradient in
          input.withUnsafeMutableBufferPointer { input in
            // Layers without parameters get memory that they do not touch.
            let spare = arena.zeros(8)
            let pass = Pass(
              parameters: parameters.baseAddress ?? spare, gradient: gradient.baseAddress ?? spare, arena: arena,
              dropout: dropout, seed: seed)
            let x = arena.floats(inputs)
            for index in 0..<inputs { x[index] = input[index] }
            body(forward(x, pass), x)
          }
        }
      }
    }
    func loss() -> Double {
      var value = 0.0
      run { run, _ in for index in 0..<run.count { value += Double(coefficients[index]) * Double(run.output[index]) } }
      return value
    }

    var inputGradient: [Float] = []
    run { run, _ in
      coefficients = (0..<run.count).map { _ in random.next() }
      let dy = arena.floats(run.count)
      for index in 0..<run.count { dy[index] = coefficients[index] }
      let dx = run.backward(dy)
      inputGradient = (0..<inputs).map { dx[$0] }
    }
    let analytic = gradient
    var groups = [("input", 0..<inputs, true)]
    for slice in layout.slices { groups.append((slice.name, slice.offset..<slice.offset + slice.count, false)) }
    for (name, range, isInput) in groups {
      let own = isInput ? inputGradient : Array(analytic[range])
      let scale = (own.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(max(1, own.count))).squareRoot()
      for _ in 0..<min(entriesPerGroup, own.count) {
        let index = range.lowerBound + Int(random.word() % UInt64(range.count))
        func at(_ offset: Float) -> Double {
          let before = isInput ? input[index] : parameters[index]
          if isInput { input[index] = before + offset } else { parameters[index] = before + offset }
          defer { if isInput { input[index] = before } else { parameters[index] = before } }
          return loss()
        }
        func slope(_ h: Float) -> Double { (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / Double(12 * h) }
        let (wide, narrow) = (slope(h), slope(h / 2))
        // A corner right at the entry's value bends both estimates alike, but not the two sides.
        let bend = (at(h / 2) - 2 * at(0) + at(-h / 2)) / Double(h / 2)
        let expected = Double(own[index - range.lowerBound])
        let size = abs(expected) + abs(wide) + scale + 1e-6
        checked += 1
        if abs(wide - narrow) / size > 2e-3 || corners && abs(bend) / size > 0.01 {
          skipped += 1
          continue
        }
        let error = abs(expected - wide) / size
        if error > worst { (worst, place) = (error, "\(name)[\(index - range.lowerBound)]: \(expected), numerically \(wide)") }
      }
    }
  }
}

/// Nearly normal numbers, the same everywhere.
struct NormalSource {
  private var generator: SplitMix64

  init(seed: UInt64) { generator = SplitMix64(seed: seed) }

  mutating func word() -> UInt64 { generator.next() }

  mutating func next() -> Float {
    var sum = 0.0
    for _ in 0..<4 { sum += generator.nextUnit() }
    return Float((sum - 2) * 1.732)
  }
}
