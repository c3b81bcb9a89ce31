import Recommender
import Testing

/// Tables in fewer bytes: how far what they stand for is from what they were.
@Suite struct CompressionTests {
  private func table(rows: Int, width: Int, seed: UInt64) -> Tensor {
    var state = seed
    return Tensor(
      shape: [rows, width],
      values: (0..<rows * width).map { index in
        state = SplitMix64.mix(state &+ 1)
        // Rows of very different lengths.
        let size = Float([1, 1e-3, 40, 7e3][(index / width) % 4])
        return (Float(state >> 40) * 0x1p-23 - 1) * size
      })
  }

  @Test func float16KeepsElevenBitsOfEveryEntry() {
    let table = table(rows: 40, width: 9, seed: 3)
    let read = CompressedTensor(table, format: .float16)
    #expect(read.format == .float16 && read.byteCount == 2 * 360)
    for (value, stored) in zip(table.values, read.tensor.values) {
      #expect((value - stored).magnitude <= max(value.magnitude * 0x1p-11, 0x1p-25))
    }
    // What it stands for is stored as it is.
    #expect(CompressedTensor(read.tensor, format: .float16) == read)
  }

  @Test func int8IsWithinHalfAStepOfItsRow() {
    let table = table(rows: 40, width: 9, seed: 4)
    let read = CompressedTensor(table, format: .int8)
    #expect(read.format == .int8 && read.byteCount == 360 + 4 * 40)
    for row in 0..<40 {
      let values = table.values[row * 9..<row * 9 + 9]
      let step = (values.map(\.magnitude).max() ?? 0) / 127
      for (value, stored) in zip(values, read.tensor.values[row * 9..<row * 9 + 9]) {
        #expect((value - stored).magnitude <= step * 0.5001)
      }
      // The largest entry of a row is met nearly exactly: a scale has 16 bits.
      #expect(values.indices.contains { (table.values[$0] - read.tensor.values[$0]).magnitude <= 0x1p-15 * step * 127 })
    }
    // What it stands for is stored as it is, and known for such a table.
    #expect(CompressedTensor(read.tensor, format: .int8) == read && CompressedTensor(exactly: read.tensor) == read)
    #expect(CompressedTensor(exactly: table) == nil)
  }

  @Test func whatDoesNotFitStaysWhatItIs() {
    // Indices and counts are vectors; a table may hold what no Float16 can, and numbers that are none.
    let vector = Tensor(shape: [3], values: [3705, 2049, 1e9])
    #expect(TableFormat.allCases.allSatisfy { CompressedTensor(vector, format: $0).tensor == vector })
    let large = Tensor(shape: [1, 2], values: [70_000, 1])
    #expect(CompressedTensor(large, format: .float16).format == .float32)
    let broken = Tensor(shape: [1, 2], values: [.infinity, 1])
    #expect(TableFormat.allCases.allSatisfy { CompressedTensor(broken, format: $0).tensor == broken })
    let zeros = Tensor(shape: [2, 2], values: [0, 0, 0, .leastNonzeroMagnitude])
    #expect(CompressedTensor(zeros, format: .int8).tensor.values[0..<2] == [0, 0])
    let empty = Tensor(shape: [0, 4], values: [])
    #expect(TableFormat.allCases.allSatisfy { CompressedTensor(empty, format: $0).tensor == empty })
  }

  @Test func aPrunedModelShowsThePopularAndReadsNothingElse() throws {
    let algorithm = try PopularityAlgorithm(itemCount: 6, weighting: .binary)
    let histories: [[Int32]] = [[0, 3], [3, 5], [3, 0], [1], [3, 5, 0]]
    let train = Interactions(itemCount: 6, histories: histories)
    let base = algorithm.scorer(model: CentralTraining.run(algorithm, on: train, seed: 1))
    let pruned = PrunedScorer(base, keeping: 3)
    var scores = [Float](repeating: 0, count: 6)
    pruned.score(UserHistory(items: [1, 3]), into: &scores)
    #expect(scores.indices.filter { scores[$0] > -.infinity } == [0, 3, 5])
    var whole = [Float](repeating: 0, count: 6)
    base.score(UserHistory(items: [3]), into: &whole)
    #expect(scores[0] == whole[0] && scores[3] == whole[3])
    #expect(pruned.explain(1, for: UserHistory(items: [1, 3])) == nil)
  }

  @Test func rowsThatAreDroppedSaveTheirBytes() {
    let model = ItemModel(
      algorithm: "x",
      tensors: ["items": table(rows: 10, width: 4, seed: 1), "popularity": Tensor(zeros: [10]), "dense": Tensor(zeros: [3, 3])])
    let whole = CompressedModel(model, format: .int8)
    #expect(whole.byteCount == 10 * 8 + 40 + (9 + 12))
    #expect(whole.byteCount(keeping: 5, of: 10) == 5 * 8 + 20 + 21)
  }

  @Test func anAlgorithmWithHalfPrecisionHasNoOtherTables() throws {
    let train = Interactions(itemCount: 30, histories: (0..<60).map { user in (0..<6).map { Int32((user * 7 + $0 * 5) % 30) } })
    func trained(_ bits: Double?) throws -> ItemModel {
      var values = try AlgorithmRegistry.resolve(
        "als", ["dimension": 8, "rounds": 3], setting: .init(itemCount: 30, usersOverNoise: nil, rounds: nil))
      values["table-bits"] = bits
      return CentralTraining.run(try AlgorithmRegistry.make("als", values, itemCount: 30), on: train, seed: 5)
    }
    let (whole, half) = (try trained(nil), try trained(16))
    let (wide, narrow) = (try #require(whole.tensors["items"]), try #require(half.tensors["items"]))
    #expect(narrow.values.allSatisfy { Float(Float16($0)) == $0 } && wide != narrow)
    #expect(zip(wide.values, narrow.values).allSatisfy { ($0 - $1).magnitude < 0.01 })
    #expect(try trained(32) == whole)
    #expect(throws: InvalidHyperparameter.self) { try trained(4) }
    // Vectors, which hold counts, are not rounded.
    #expect(half.tensors["popularity"] == whole.tensors["popularity"])
  }

  @Test(arguments: ["als", "mf", "two-tower"])
  func anAlgorithmOfEightBitsSendsLevelsAndLosesNoSteps(_ name: String) throws {
    let train = Interactions(itemCount: 30, histories: (0..<60).map { user in (0..<6).map { Int32((user * 7 + $0 * 5) % 30) } })
    func algorithm(_ bits: Double) throws -> any FederatedAlgorithm {
      try AlgorithmRegistry.make(
        name,
        AlgorithmRegistry.resolve(
          name, ["dimension": 8, "table-bits": bits, "prior-events": 0],
          setting: .init(itemCount: 30, usersOverNoise: nil, rounds: 6)), itemCount: 30)
    }
    let (whole, small) = (
      CentralTraining.run(try algorithm(32), on: train, seed: 5), CentralTraining.run(try algorithm(8), on: train, seed: 5)
    )
    let (wide, narrow) = (try #require(whole.tensors["items"]), try #require(small.tensors["items"]))
    #expect(CompressedTensor(exactly: narrow) != nil && CompressedTensor(exactly: wide) == nil)
    // Tables that are not of the items are Float16.
    for (tensor, value) in small.tensors where value.shape.count >= 2 && value.shape[0] != 30 {
      #expect(value.values.allSatisfy { Float(Float16($0)) == $0 }, "\(tensor)")
    }
    let size = wide.values.reduce(0) { max($0, $1.magnitude) }
    #expect(zip(wide.values, narrow.values).allSatisfy { ($0 - $1).magnitude < 0.2 * size })
  }

  @Test func stepsSmallerThanHalfALevelAddUp() throws {
    // Every release moves one entry of each row by a fiftieth of a level: without what was kept of the tables nothing would ever move.
    let algorithm = RoundedTables(
      CreepingAlgorithm(base: try PopularityAlgorithm(itemCount: 2, weighting: .binary)), format: .int8)
    var model = algorithm.initialModel(seed: 0)
    var optimizer: OptimizerState = [:]
    for _ in 0..<200 {
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: 0, sum: [0],
        context: ReleaseContext(expectedUsers: 1, noiseDeviation: 0))
      #expect(CompressedTensor(exactly: try #require(model.tensors["items"])) != nil)
    }
    let moved = try #require(model.tensors["items"]).values
    #expect((moved[1] - 200 * CreepingAlgorithm.step).magnitude <= CreepingAlgorithm.level / 2 * 1.001, "\(moved)")
  }
}

/// Adds a small step to the second entry of each row, which is between 127 levels up and down.
private struct CreepingAlgorithm: FederatedAlgorithm {
  static let level = Float(1.3) / 127
  static let step = level / 50

  let base: PopularityAlgorithm
  let name = "creeping"
  let itemCount = 2
  var shapes: [ReleaseShape] { base.shapes + base.shapes }

  func initialModel(seed: UInt64) -> ItemModel {
    ItemModel(algorithm: name, tensors: ["items": Tensor(shape: [2, 2], values: [1.3, 0, -1.3, 0])])
  }
  func trainer(for release: Int, model: ItemModel) -> any LocalTrainer { base.trainer(for: release, model: model) }
  func advance(
    model: inout ItemModel, optimizer: inout OptimizerState, release: Int, sum: [Float], context: ReleaseContext
  ) {
    model.version += 1
    for entry in [1, 3] { model.tensors["items"]?.values[entry] += Self.step }
  }
  func fault(in model: ItemModel) -> String? { nil }
  func scorer(model: ItemModel) -> any Scorer { base.scorer(model: model) }
}
