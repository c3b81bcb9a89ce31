import Foundation
import Recommender
import Testing

/// The encoders against PyTorch: `torch_reference.py` printed the table, in Float64, with modules and automatic gradients of its own.
@Suite struct NeuralTorchTests {
  private func expectReference<Encoder: SequenceEncoder>(
    _ name: String, length: Int, _ make: (inout ParameterLayout) -> Encoder
  ) throws {
    var layout = ParameterLayout()
    let encoder = make(&layout)
    let count = length * encoder.dimension
    let arena = Arena()
    func waves(_ count: Int, _ scale: Double, _ step: Double, _ phase: Double) -> UnsafeMutablePointer<Float> {
      let values = arena.floats(count)
      for index in 0..<count { values[index] = Float(scale * sin(step * Double(index) + phase)) }
      return values
    }
    func project(_ values: UnsafeMutablePointer<Float>, _ count: Int) -> Double {
      (0..<count).reduce(0) { $0 + Double(values[$1]) * sin(2.1 * Double($1) + 0.2) }
    }
    let gradient = arena.zeros(layout.count)
    let pass = Pass(parameters: waves(layout.count, 0.3, 1.37, 0), gradient: gradient, arena: arena)
    let (y, cache) = encoder.forward(waves(count, 1, 0.91, .pi / 2), length: length, pass: pass)
    var found = [("output", project(y, count))]
    let dx = encoder.backward(waves(count, 1, 0.53, 1), cache, pass: pass)
    found.append(("input", project(dx, count)))
    for slice in layout.slices { found.append((slice.name, project(gradient + slice.offset, slice.count))) }
    let expected = try #require(Self.reference[name])
    #expect(found.map(\.0) == expected.map(\.0))
    var worst = 0.0
    for (own, other) in zip(found, expected) {
      let error = abs(own.1 - other.1) / (abs(other.1) + 1)
      #expect(error < 1e-4, "\(name) \(own.0): \(own.1), PyTorch \(other.1)")
      worst = max(worst, error)
    }
    print("\(name) against PyTorch: largest error \(worst)")
  }

  @Test func `sasrec`() throws {
    try expectReference("sasrec", length: 7) { TransformerEncoder(dimension: 8, window: 10, blocks: 2, heads: 2, layout: &$0) }
  }

  @Test func `gru`() throws {
    try expectReference("gru", length: 9) { RecurrentEncoder(dimension: 6, hidden: 5, layout: &$0) }
  }

  @Test func `cnn`() throws {
    try expectReference("cnn", length: 8) {
      ConvolutionEncoder(dimension: 6, width: 4, horizontal: 3, vertical: 2, layout: &$0)
    }
  }

  @Test func `two towers`() throws {
    try expectReference("two-tower", length: 9) {
      PooledEncoder(dimension: 6, hidden: 7, halfLives: [2, 10, .infinity], layout: &$0)
    }
  }

  /// The head of `ncf`: NeuMF's scores under the loss of all networks.
  @Test func `pairs of a user and an item`() throws {
    var layout = ParameterLayout()
    let tower = PairTower(dimension: 6, inputs: 2, first: 8, layout: &layout)
    let arena = Arena()
    func waves(_ count: Int, _ scale: Double, _ step: Double, _ phase: Double) -> UnsafeMutablePointer<Float> {
      let values = arena.floats(count)
      for index in 0..<count { values[index] = Float(scale * sin(step * Double(index) + phase)) }
      return values
    }
    func project(_ values: UnsafeMutablePointer<Float>, _ count: Int) -> Double {
      (0..<count).reduce(0) { $0 + Double(values[$1]) * sin(2.1 * Double($1) + 0.2) }
    }
    let gradient = arena.zeros(layout.count)
    let pass = Pass(parameters: waves(layout.count, 0.3, 1.37, 0), gradient: gradient, arena: arena)
    let (dTable, dBias) = (arena.zeros(9 * 6), arena.zeros(9))
    let head = SampledSoftmax(
      table: waves(9 * 6, 1, 0.77, 0.3), tableGradient: dTable, bias: waves(9, 1, 0.5, 0), biasGradient: dBias, dimension: 6,
      negatives: 5..<9, correction: 1.3, tower: (tower, pass))
    let (loss, dStates) = head.run(
      waves(5 * 6, 1, 0.91, .pi / 2), targets: [0, 3, 1, 3, 4], weights: [0.5, 1, 0.25, 0, 0.75], length: 5, arena: arena)
    var found = [
      ("loss", loss), ("states", project(dStates, 30)), ("items", project(dTable, 54)), ("item-offsets", project(dBias, 9)),
    ]
    for slice in layout.slices { found.append((slice.name, project(gradient + slice.offset, slice.count))) }
    let expected = try #require(Self.reference["ncf"])
    #expect(found.map(\.0) == expected.map(\.0))
    for (own, other) in zip(found, expected) {
      #expect(abs(own.1 - other.1) / (abs(other.1) + 1) < 1e-4, "ncf \(own.0): \(own.1), PyTorch \(other.1)")
    }
  }

  private static let reference: [String: [(String, Double)]] = [
    "sasrec": [
      ("output", 0.417507894),
      ("input", -4.53551511),
      ("positions", -1.66677203),
      ("block-0-attention-norm-scale", -0.0128590202),
      ("block-0-attention-norm-shift", 0.234817058),
      ("block-0-attention-projection-weight", -0.00840097233),
      ("block-0-attention-projection-bias", -0.23216229),
      ("block-0-attention-output-weight", 0.0576875618),
      ("block-0-attention-output-bias", 0.0148440953),
      ("block-0-feed-norm-scale", -0.0224432963),
      ("block-0-feed-norm-shift", 0.17696099),
      ("block-0-feed-first-weight", -0.0420517455),
      ("block-0-feed-first-bias", 0.164026572),
      ("block-0-feed-second-weight", 0.0182234189),
      ("block-0-feed-second-bias", 0.0122330085),
      ("block-1-attention-norm-scale", 0.0552476535),
      ("block-1-attention-norm-shift", -0.0877589518),
      ("block-1-attention-projection-weight", -0.127980674),
      ("block-1-attention-projection-bias", -0.0480608442),
      ("block-1-attention-output-weight", 0.0762821412),
      ("block-1-attention-output-bias", 0.0241752649),
      ("block-1-feed-norm-scale", 0.00520831501),
      ("block-1-feed-norm-shift", 0.00434569866),
      ("block-1-feed-first-weight", -0.0509414575),
      ("block-1-feed-first-bias", -0.0200774263),
      ("block-1-feed-second-weight", 0.0564150178),
      ("block-1-feed-second-bias", 0.0196590397),
      ("last-norm-scale", 0.605050817),
      ("last-norm-shift", -0.173590932),
    ],
    "gru": [
      ("output", -0.950314762),
      ("input", 0.207181082),
      ("recurrent-input-weight", 0.0408779391),
      ("recurrent-input-bias", -0.361417916),
      ("recurrent-recurrent-weight", 0.0476858578),
      ("recurrent-recurrent-bias", -0.195463691),
      ("output-weight", -0.142080997),
      ("output-bias", 0.724854199),
    ],
    "cnn": [
      ("output", 3.28515967),
      ("input", 0.948483756),
      ("convolution-horizontal", -1.2246175),
      ("convolution-horizontal-bias", 0.455915382),
      ("convolution-vertical", -0.136577822),
      ("dense-weight", -0.607154528),
      ("dense-bias", -0.191545513),
      ("general-weight", -0.642621627),
      ("general-bias", -0.0626395831),
      ("output-weight", -0.207185258),
      ("output-bias", -0.0626395831),
    ],
    "two-tower": [
      ("output", -2.81289371),
      ("input", 4.10133199),
      ("user-linear-weight", -2.93307003),
      ("user-linear-bias", 0.724854199),
      ("user-dense-first-weight", 1.35753394),
      ("user-dense-first-bias", 0.566630233),
      ("user-dense-second-weight", 0.594147203),
      ("user-dense-second-bias", 0.724854199),
    ],
    "ncf": [
      ("loss", 5.27655103),
      ("states", 0.0951183815),
      ("items", -0.124332162),
      ("item-offsets", -1.14554177),
      ("tower-user-weight", 0.0301778397),
      ("tower-item-weight", 0.177011452),
      ("tower-first-bias", 0.0354152337),
      ("tower-second-weight", -0.00765713246),
      ("tower-second-bias", -0.0163271042),
      ("tower-output-weight", 0.014199786),
    ],
  ]
}
