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
}
