internal import CryptoPrimitives
internal import FederatedLearning
internal import Recommender
internal import Testing

@Suite struct ModelBytesTests {
  private let model = ItemModel(
    algorithm: "mf", version: 3,
    tensors: [
      "items": Tensor(shape: [2, 3], values: [0, -0.0, 1.5, .infinity, 0x1p-140, -7]),
      "a": Tensor(shape: [], values: [4]), "empty": Tensor(shape: [0, 5], values: []),
    ])

  @Test func `a model survives its bytes, and has one form`() throws {
    let bytes = ModelBytes.encode(model)
    let read = try ModelBytes.decode(bytes)
    #expect(read == model)
    #expect(ModelBytes.encode(read) == bytes)
    #expect(read.tensors["items"]?.values[1].sign == .minus)
    #expect(try ModelBytes.decode(ModelBytes.encode(ItemModel(algorithm: "x"))) == ItemModel(algorithm: "x"))
  }

  @Test func `cut anywhere, or with a byte more, it is refused`() {
    let bytes = ModelBytes.encode(model)
    for count in bytes.indices {
      #expect(throws: ModelBytesError.self) { try ModelBytes.decode(Array(bytes.prefix(count))) }
    }
    #expect(throws: ModelBytesError.self) { try ModelBytes.decode(bytes + [0]) }
  }

  /// magic, algorithm "m", version 0, one tensor "t" of these extents.
  private func header(_ extents: [UInt64], count: UInt16 = 1) -> [UInt8] {
    var bytes = Array("TACITMODEL2\n".utf8) + [1, 0] + Array("m".utf8) + [0, 0, 0, 0]
    bytes += [UInt8(count & 255), UInt8(count >> 8), 1, 0] + Array("t".utf8) + [UInt8(extents.count)]
    for extent in extents { bytes += (0..<8).map { UInt8(truncatingIfNeeded: extent >> (8 * UInt64($0))) } }
    return bytes
  }

  @Test(
    arguments: [
      [1 << 31], [.max], [1 << 63], [1 << 31 - 1], [1 << 30, 1 << 30], [1 << 30, 1 << 30, 1 << 30, 1 << 30],
      [0, 1 << 31], [UInt64](repeating: 1 << 31 - 1, count: 255), [1 << 62, 4], [1 << 32, 1 << 32],
      [1 << 31 - 1, 1 << 31 - 1, 1 << 2],
    ] as [[UInt64]]) func `hostile extents are refused before anything is allocated`(extents: [UInt64])
  {
    #expect(throws: ModelBytesError.self) { try ModelBytes.decode(header(extents)) }
  }

  @Test func `extents of zero hold nothing, and their product is checked all the same`() throws {
    let empty = try ModelBytes.decode(header([0, 1 << 30]) + [4])
    #expect(empty.tensors["t"]?.values.isEmpty == true)
    // A later extent of zero must not hide an overflow before it.
    #expect(throws: ModelBytesError.self) { try ModelBytes.decode(header([1 << 30, 1 << 30, 1 << 30, 0])) }
    #expect(throws: ModelBytesError.self) { try ModelBytes.decode(header([0], count: .max)) }
  }

  @Test func `names must be printable, in order, and once`() {
    func two(_ first: String, _ second: String) -> [UInt8] {
      var bytes = Array("TACITMODEL2\n".utf8) + [1, 0] + Array("m".utf8) + [0, 0, 0, 0, 2, 0]
      for name in [first, second] { bytes += [UInt8(name.utf8.count), 0] + Array(name.utf8) + [0, 4, 0, 0, 0, 0] }
      return bytes
    }
    #expect(throws: Never.self) { try ModelBytes.decode(two("a", "b")) }
    for (first, second) in [("b", "a"), ("a", "a"), ("a", "b c"), ("", "a"), ("a", "é"), ("a", "b\n")] {
      #expect(throws: ModelBytesError.self) { try ModelBytes.decode(two(first, second)) }
    }
  }

  @Test func `a table of half precision takes half the bytes, and no other form is read`() throws {
    func model(_ values: [Float]) -> ItemModel {
      ItemModel(algorithm: "m", tensors: ["t": Tensor(shape: [2, values.count / 2], values: values)])
    }
    let half = (0..<400).map { Float(Float16(Float($0) / 7 - 20)) }
    let bytes = ModelBytes.encode(model(half))
    #expect(ModelBytes.encode(model(half.map { $0 + 1e-6 })).count == bytes.count + 2 * 400)
    #expect(try ModelBytes.decode(bytes) == model(half))
    for odd in [Float(65_520), 0x1p-25, 0x1p-140] {
      #expect(ModelBytes.encode(model([1, odd])).count == ModelBytes.encode(model([1, 1])).count + 4)
      #expect(try ModelBytes.decode(ModelBytes.encode(model([1, odd]))) == model([1, odd]))
    }
    // 1.0 in four bytes, where two would do.
    #expect(throws: ModelBytesError.self) { try ModelBytes.decode(header([1, 1]) + [4, 0, 0, 0x80, 0x3F]) }
    #expect(throws: Never.self) { try ModelBytes.decode(header([1, 1]) + [2, 0, 0x3C]) }
    #expect(throws: ModelBytesError.self) { try ModelBytes.decode(header([1]) + [2, 0, 0x3C]) }
    #expect(throws: ModelBytesError.self) { try ModelBytes.decode(header([1, 1]) + [3, 0, 0x3C, 0]) }
    #expect(throws: ModelBytesError.self) { try ModelBytes.decode(header([1, 1]) + [2, 0, 0x7E]) }
  }

  @Test func `a table of levels takes a byte for each value, and no other form is read`() throws {
    func model(_ values: [Float], rows: Int) -> ItemModel {
      ItemModel(algorithm: "m", tensors: ["t": Tensor(shape: [rows, values.count / rows], values: values)])
    }
    var random = KeyedRandomSource(insecureSeed: 7)
    for width in [2, 3, 50] {
      let drawn = (0..<40 * width).map { _ in Float(random.nextUInt64() >> 40) * 0x1p-20 - 8 }
      let table = CompressedTensor(Tensor(shape: [40, width], values: drawn), format: .int8).tensor
      let bytes = ModelBytes.encode(model(table.values, rows: 40))
      #expect(bytes.count == ModelBytes.encode(model(drawn, rows: 40)).count - 3 * drawn.count + 4 * 40)
      #expect(try ModelBytes.decode(bytes) == model(table.values, rows: 40))
      // Any other bit in one value, and the table is written whole.
      var other = table.values
      other[5] = other[5].nextUp
      #expect(ModelBytes.encode(model(other, rows: 40)).count == ModelBytes.encode(model(drawn, rows: 40)).count)
      #expect(try ModelBytes.decode(ModelBytes.encode(model(other, rows: 40))) == model(other, rows: 40))
      // A byte of a scale or of a level that was changed gives no second form of a model.
      for place in bytes.indices.suffix(drawn.count + 160) {
        var damaged = bytes
        damaged[place] ^= 1 << UInt8(place & 7)
        if let read = try? ModelBytes.decode(damaged) {
          #expect(ModelBytes.encode(read) == damaged && read != model(drawn, rows: 40))
        }
      }
    }
  }

  @Test func `no bytes crash the reader`() {
    var random = KeyedRandomSource(insecureSeed: 1)
    let levels = CompressedTensor(Tensor(shape: [2, 3], values: [0.1, 7, -3, 0, 0, 0]), format: .int8).tensor
    var both = model
    both.tensors["levels"] = levels
    let good = ModelBytes.encode(both)
    for _ in 0..<20_000 {
      var bytes = good
      for _ in 0..<Int(random.uniform(below: 4)) + 1 {
        bytes[Int(random.uniform(below: UInt64(bytes.count)))] = random.bytes(1)[0]
      }
      if let read = try? ModelBytes.decode(bytes) { #expect(ModelBytes.encode(read) == bytes) }
    }
  }

  @Test(arguments: [
    "mf", "mf-private", "als", "covariance", "covariance-private", "hybrid", "item-knn", "popularity", "sasrec", "gru", "cnn",
    "two-tower",
  ])
  func `the models of a run pass the partner's check, and damaged ones do not`(name: String) throws {
    let algorithm: any FederatedAlgorithm =
      switch name {
      case "mf": try MatrixFactorization(itemCount: 9, regime: .implicit(ImplicitFactorization(dimension: 3, rounds: 2)))
      case "mf-private": try MatrixFactorization(itemCount: 9, regime: .rankOne(RankOneFactorization(dimension: 3, rounds: 2)))
      case "als": try AlternatingLeastSquares(itemCount: 9, configuration: .init(dimension: 3, sweeps: 2))
      case "covariance": try CovarianceAlgorithm(itemCount: 9, plan: .wholeCatalogue(ridge: 3))
      case "covariance-private": try CovarianceAlgorithm(itemCount: 9, plan: .head(size: 4, countsShare: 0.1))
      case "hybrid":
        try HybridFactorization(itemCount: 9, headSize: 4, rounds: RankOneFactorization(dimension: 3, rounds: 2))
      case "item-knn": try ItemNeighbours(itemCount: 9, configuration: .init(neighbours: 2, blockRows: 4))
      case "popularity": try PopularityAlgorithm(itemCount: 9)
      default:
        try AlgorithmRegistry.make(
          name,
          AlgorithmRegistry.resolve(
            name, ["dimension": 4, "negatives": 3], setting: .init(itemCount: 9, usersOverNoise: nil, rounds: 2)), itemCount: 9)
      }
    let world = RoundWorld(algorithm: algorithm, usersPerPartner: 8)
    let driver = try RoundDriver(world)
    driver.run()
    #expect(driver.coordinator.end == .completed)
    #expect(driver.hosts.values.allSatisfy { $0.engine.refusals.isEmpty })
    let models = [algorithm.initialModel(seed: 1)] + driver.models
    for model in models {
      #expect(algorithm.fault(in: model) == nil)
      var more = model
      more.tensors["zzz"] = Tensor(zeros: [1])
      #expect(algorithm.fault(in: more) != nil)
      for (tensor, value) in model.tensors {
        var fewer = model
        fewer.tensors[tensor] = nil
        #expect(algorithm.fault(in: fewer) != nil, "without \(tensor)")
        var other = model
        other.tensors[tensor] = Tensor(shape: [value.values.count + 1], values: value.values + [0])
        #expect(algorithm.fault(in: other) != nil, "longer \(tensor)")
        for poison in [Float.nan, .infinity, -.greatestFiniteMagnitude] where !value.values.isEmpty {
          var poisoned = model
          poisoned.tensors[tensor]?.values[0] = poison
          #expect(algorithm.fault(in: poisoned) != nil, "\(poison) in \(tensor)")
        }
      }
    }
  }

  @Test func `a head outside of the catalogue is refused`() throws {
    let algorithm = try CovarianceAlgorithm(itemCount: 9, plan: .head(size: 3, countsShare: 0.1))
    for head: [Float] in [[0, 1, 9], [-1, 1, 2], [0, 0, 1], [2, 1, 0], [0, 0.5, 2]] {
      let model = ItemModel(
        algorithm: "covariance", version: 1,
        tensors: [
          "counts": Tensor(zeros: [9]), "popularity": Tensor(zeros: [9]), "head": Tensor(shape: [3], values: head),
        ])
      #expect(algorithm.fault(in: model) != nil, "\(head)")
    }
  }

  @Test func `a poisoned sum ends no process`() throws {
    // A partner can put anything into a masked sum; XᵀX that is not positive definite is one such thing.
    let algorithm = try CovarianceAlgorithm(itemCount: 4, plan: .wholeCatalogue(ridge: 3))
    var model = algorithm.initialModel(seed: 0)
    var optimizer: OptimizerState = [:]
    algorithm.advance(
      model: &model, optimizer: &optimizer, release: 0, sum: [-1e6, 5e8, 0, -3, 7, 1e9, 2, -1e9, 4, 0],
      context: ReleaseContext(expectedUsers: 10, noiseDeviation: 0))
    #expect(algorithm.fault(in: model) == nil)
  }
}
