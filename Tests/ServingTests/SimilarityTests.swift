import Recommender
import Serving
import Testing

/// How alike items are.
@Suite struct SimilarityTests {
  @Test(arguments: ["als", "mf", "covariance", "hybrid", "item-knn", "gru"])
  func `similar items are the nearest, by a symmetric measure within its bounds`(
    name: String
  ) throws {
    let algorithm = try Shop.algorithm(name)
    let scorer = algorithm.scorer(model: try Shop.model(name))
    let similarity = try #require(scorer.makeSimilarity())
    let engine = try Shop.engine(name)
    #expect(engine.similarityMeasure == similarity.measure)
    for item in [0, 13, 39] {
      var row = [Float](repeating: .nan, count: Shop.itemCount)
      similarity.similarities(to: item, into: &row)
      for other in row.indices {
        #expect((-1...1).contains(row[other]))
        #expect(abs(similarity.similarity(item, other) - row[other]) < 1e-5)
        #expect(abs(similarity.similarity(other, item) - similarity.similarity(item, other)) < 1e-5)
      }
      #expect(abs(row[item] - 1) < 1e-5)
      let others = [7, item, 0, 38, 7]
      var some = [Float](repeating: 9, count: 6)
      similarity.similarities(of: others, to: item, into: &some)
      #expect(some == others.map { similarity.similarity($0, item) } + [9], "to the last bit, and no further")
      let list = try engine.similar(to: "item-\(item)", count: Shop.itemCount, scene: nil)
      // 0 says that nothing is known: such items are like nothing.
      let known = row.indices.filter { $0 != item && row[$0] != 0 }
      #expect(!known.isEmpty && list.map(\.item) == known.sorted { (row[$1], $0) < (row[$0], $1) })
    }
  }

  @Test func `cosines of rows worked by hand`() throws {
    let model = ItemModel(
      algorithm: "als", version: 1,
      tensors: [
        "items": Tensor(shape: [4, 2], values: [1, 0, 3, 4, -2, 0, 0, 0]),
        "popularity": Tensor(shape: [4], values: [1, 1, 1, 1]),
      ])
    let algorithm = try AlgorithmRegistry.make(
      "als",
      AlgorithmRegistry.resolve("als", ["dimension": 2], setting: .init(itemCount: 4, usersOverNoise: nil, rounds: nil)),
      itemCount: 4)
    let similarity = try #require(algorithm.scorer(model: model).makeSimilarity())
    for (item, other, value) in [(0, 1, 0.6), (0, 2, -1.0), (1, 2, -0.6), (0, 3, 0), (1, 1, 1)] as [(Int, Int, Float)] {
      #expect(abs(similarity.similarity(item, other) - value) < 1e-6)
    }
  }
}
