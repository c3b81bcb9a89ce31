import Foundation
import Recommender
import Testing

@Suite struct SampledSoftmaxTests {
  /// The loss of `run`, and the same written out in Float64.
  private struct Scene {
    let dimension = 5
    let length = 4
    let rows = 9
    let negatives = 5..<9
    let targets: [Int32] = [0, 3, 1, 3]
    let weights: [Float] = [0.5, 1, 0.25, 0]
    let correction: Float = 1.3
    var values: [Float]

    init() {
      var random = NormalSource(seed: 12)
      values = (0..<4 * 5 + 9 * 5 + 9).map { _ in random.next() }
    }

    func reference() -> Double {
      func hidden(_ position: Int) -> [Double] { (0..<5).map { Double(values[position * 5 + $0]) } }
      func score(_ position: Int, _ row: Int) -> Double {
        zip(hidden(position), values[20 + row * 5..<25 + row * 5]).reduce(Double(values[65 + row])) { $0 + $1.0 * Double($1.1) }
      }
      return (0..<length).reduce(0) { total, position in
        let own = score(position, Int(targets[position]))
        let rest = negatives.reduce(0) { $0 + exp(score(position, $1) + Double(correction)) }
        return total + Double(weights[position]) * (log(exp(own) + rest) - own)
      }
    }

    func run() -> (loss: Double, gradient: [Float]) {
      let arena = Arena()
      let memory = arena.floats(values.count)
      for (index, value) in values.enumerated() { memory[index] = value }
      let gradient = arena.zeros(values.count)
      let head = SampledSoftmax(
        table: memory + 20, tableGradient: gradient + 20, bias: memory + 65, biasGradient: gradient + 65,
        dimension: dimension, negatives: negatives, correction: correction)
      let (loss, dHidden) = head.run(memory, targets: targets, weights: weights, length: length, arena: arena)
      return (loss, (0..<20).map { dHidden[$0] } + (20..<values.count).map { gradient[$0] })
    }
  }

  @Test func `the loss is the cross entropy, and its gradient that of finite differences`() {
    var scene = Scene()
    let (loss, gradient) = scene.run()
    #expect(abs(loss - scene.reference()) < 1e-5)
    for index in scene.values.indices {
      let before = scene.values[index]
      scene.values[index] = before + 0x1p-10
      let up = scene.reference()
      scene.values[index] = before - 0x1p-10
      let down = scene.reference()
      scene.values[index] = before
      #expect(abs((up - down) / 0x1p-9 - Double(gradient[index])) < 1e-5)
    }
  }

  @Test func `scores far apart stay finite`() {
    var scene = Scene()
    for index in scene.values.indices { scene.values[index] *= 1e4 }
    let (loss, gradient) = scene.run()
    #expect(loss.isFinite)
    let isFinite = gradient.allSatisfy(\.isFinite)
    #expect(isFinite)
  }

  /// NeuMF written out in Float64, where finite differences are good to many digits; the order is states, items, offsets, layers.
  private struct PairScene {
    let d = 7
    let inputs = 3
    let first = 10
    let second = 5
    let length = 4
    let rows = 9
    let targets: [Int32] = [0, 3, 1, 3]
    let weights: [Float] = [0.5, 1, 0.25, 0.75]
    let tower: PairTower
    let layout: ParameterLayout
    var values: [Float]

    private var tableStart: Int { length * d }
    private var biasStart: Int { tableStart + rows * d }
    private var layersStart: Int { biasStart + rows }

    init() {
      var layout = ParameterLayout()
      tower = PairTower(dimension: d, inputs: inputs, first: first, layout: &layout)
      self.layout = layout
      var random = NormalSource(seed: 3)
      values = (0..<length * d + rows * d + rows + layout.count).map { _ in 0.6 * random.next() }
    }

    /// - Parameter move: added to one entry, in Float64.
    func reference(_ moved: Int = -1, by move: Double = 0) -> Double {
      func value(_ index: Int) -> Double { Double(values[index]) + (index == moved ? move : 0) }
      func layer(_ name: String, _ index: Int) -> Double {
        value(layersStart + (layout.slices.first { $0.name == name }?.offset ?? 0) + index)
      }
      func score(_ position: Int, _ row: Int) -> Double {
        func p(_ column: Int) -> Double { value(position * d + column) }
        func q(_ column: Int) -> Double { value(tableStart + row * d + column) }
        let factors = (0..<d - inputs).reduce(0.0) { $0 + p($1) * q($1) }
        let z = (0..<first).map { unit in
          max(
            0,
            (0..<inputs).reduce(layer("tower-first-bias", unit)) {
              $0 + p(d - inputs + $1) * layer("tower-user-weight", $1 * first + unit)
                + Double(d).squareRoot() * q(d - inputs + $1) * layer("tower-item-weight", $1 * first + unit)
            })
        }
        let y = (0..<second).map { unit in
          max(
            0,
            (0..<first).reduce(layer("tower-second-bias", unit)) {
              $0 + z[$1] * layer("tower-second-weight", $1 * second + unit)
            })
        }
        return value(biasStart + row) + factors + (0..<second).reduce(0) { $0 + y[$1] * layer("tower-output-weight", $1) }
      }
      return (0..<length).reduce(0) { total, position in
        let own = score(position, Int(targets[position]))
        let rest = (5..<9).reduce(0) { $0 + exp(score(position, $1) + 0.5) }
        return total + Double(weights[position]) * (log(exp(own) + rest) - own)
      }
    }

    func run() -> (loss: Double, gradient: [Float]) {
      let arena = Arena()
      let memory = arena.floats(values.count)
      for (index, value) in values.enumerated() { memory[index] = value }
      let gradient = arena.zeros(values.count)
      let pass = Pass(parameters: memory + layersStart, gradient: gradient + layersStart, arena: arena)
      let head = SampledSoftmax(
        table: memory + tableStart, tableGradient: gradient + tableStart, bias: memory + biasStart,
        biasGradient: gradient + biasStart, dimension: d, negatives: 5..<9, correction: 0.5, tower: (tower, pass))
      let (loss, dHidden) = head.run(memory, targets: targets, weights: weights, length: length, arena: arena)
      return (loss, (0..<tableStart).map { dHidden[$0] } + (tableStart..<values.count).map { gradient[$0] })
    }
  }

  @Test func `the perceptron's scores are NeuMF's, and every gradient that of finite differences`() {
    let scene = PairScene()
    let (loss, gradient) = scene.run()
    #expect(abs(loss - scene.reference()) < 1e-5)
    for index in scene.values.indices {
      let slope = (scene.reference(index, by: 1e-6) - scene.reference(index, by: -1e-6)) / 2e-6
      #expect(abs(slope - Double(gradient[index])) < 2e-5, "entry \(index): \(gradient[index]), numerically \(slope)")
    }
    // Nobody's gradient is 0 for want of a way back.
    for slice in scene.layout.slices {
      let start = scene.values.count - scene.layout.count + slice.offset
      #expect(gradient[start..<start + slice.count].contains { abs($0) > 1e-3 }, "\(slice.name)")
    }
  }
}
