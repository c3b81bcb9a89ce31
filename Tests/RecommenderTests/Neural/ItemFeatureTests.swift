import Foundation
import Recommender
import Testing

/// What is known of items besides who buys them: made of a catalogue, kept as bytes, learnt from by networks.
@Suite struct ItemFeatureTests {
  private let catalogue = Catalogue(
    itemIDs: ["a", "b", "c", "d"],
    attributes: [
      "genre": ["Drama|War", "Drama", "Comedy|Drama|Drama", "War"], "code": ["1", "2", "3", "4"], "shop": ["x", "x", "x", "x"],
      "title": ["Same", "Same", "same!", "Other words"],
    ])

  @Test func `attributes are the values that some items share and others do not`() throws {
    let features = try ItemFeatures.attributes(of: catalogue)
    // Drama (three items) before War (two); Comedy and codes stand alone, the shop says nothing, titles are words.
    #expect(features.dimension == 2)
    let half = Float(0.5.squareRoot())
    let expected: [Float] = [half, half, 1, 0, 1, 0, 0, 1]
    #expect(zip(features.values, expected).allSatisfy { abs($0 - $1) < 1e-6 })
    // Items behind the known ones have columns, and make none.
    let longer = Catalogue(
      itemIDs: catalogue.itemIDs + ["x", "y"], attributes: catalogue.attributes.mapValues { $0 + [$0[0], "of two later ones"] })
    let some = try ItemFeatures.attributes(of: longer, known: catalogue.count)
    #expect(some.dimension == features.dimension && some.row(0) == some.row(catalogue.count))
    #expect(try some.selecting(items: Array(0..<catalogue.count)) == features)
    #expect(some.row(catalogue.count + 1).allSatisfy { $0 == 0 })
    #expect(try ItemFeatures.attributes(of: catalogue, maximum: 1).values == [1, 1, 1, 0])
    #expect(throws: DatasetError.self) { try ItemFeatures.attributes(of: Catalogue(itemIDs: ["a", "b"])) }
    #expect(throws: DatasetError.self) {
      try ItemFeatures.attributes(of: Catalogue(itemIDs: ["a", "b"], attributes: ["code": ["1", "2"]]))
    }
  }

  @Test func `text is the n-grams of its words, whatever their case and marks`() throws {
    let features = try ItemFeatures.text(of: catalogue, dimension: 64)
    #expect(Array(features.row(0)) == Array(features.row(1)))
    #expect(Array(features.row(0)) == Array(features.row(2)))
    #expect(Array(features.row(0)) != Array(features.row(3)))
    for item in 0..<4 { #expect(abs(features.row(item).reduce(0) { $0 + $1 * $1 } - 1) < 1e-5) }
    #expect(throws: DatasetError.self) { try ItemFeatures.text(of: Catalogue(itemIDs: ["a"], attributes: ["genre": ["x"]])) }
    // One letter between two marks: one gram, one entry, of its hash's sign.
    let one = try ItemFeatures.text(of: Catalogue(itemIDs: ["a"], attributes: ["name": ["a"]]), dimension: 16)
    let hash = stableHash("^a$")
    var expected = [Float](repeating: 0, count: 16)
    expected[Int((hash >> 1) % 16)] = hash & 1 == 0 ? 1 : -1
    #expect(one.values == expected)
    let blank = try ItemFeatures.text(of: Catalogue(itemIDs: ["a"], attributes: ["name": ["?!"]]), dimension: 4)
    #expect(blank.values == [0, 0, 0, 0])
  }

  @Test func `the bytes of features are read again, and nothing else is`() throws {
    let features = try ItemFeatures(itemCount: 2, dimension: 3, values: [0, 1, -2.5, 3, 1e-20, -0])
    let bytes = features.canonicalBytes
    #expect(try ItemFeatures(canonicalBytes: bytes) == features)
    for count in 0..<bytes.count {
      #expect(throws: DatasetError.self) { try ItemFeatures(canonicalBytes: Array(bytes.prefix(count))) }
    }
    #expect(throws: DatasetError.self) { try ItemFeatures(canonicalBytes: bytes + [0]) }
    var huge = bytes
    for index in 22..<34 { huge[index] = 0xFF }
    #expect(throws: DatasetError.self) { try ItemFeatures(canonicalBytes: huge) }
    for bad in [Float.nan, .infinity, -.infinity, 1e4] {
      #expect(throws: DatasetError.self) { try ItemFeatures(itemCount: 1, dimension: 2, values: [0, bad]) }
    }
    #expect(throws: DatasetError.self) { try ItemFeatures(itemCount: 1, dimension: 2, values: [0]) }
    #expect(throws: DatasetError.self) { try ItemFeatures(itemCount: 0, dimension: 2, values: []) }
    #expect(throws: DatasetError.self) { try ItemFeatures(itemCount: 1, dimension: 5000, values: []) }
  }

  @Test func `a catalogue's document carries features, and one without reads as before`() throws {
    let features = try ItemFeatures.attributes(of: catalogue)
    let plain = CatalogueDocument.encode(catalogue)
    let rich = CatalogueDocument.encode(catalogue, features: features)
    #expect(rich.starts(with: plain))
    #expect(try CatalogueDocument.features(of: plain) == nil)
    #expect(try CatalogueDocument.features(of: rich) == features)
    #expect(try CatalogueDocument.decode(rich).canonicalBytes == CatalogueDocument.decode(plain).canonicalBytes)
    for count in plain.count + 1..<rich.count {
      #expect(throws: DatasetError.self) { try CatalogueDocument.features(of: Array(rich.prefix(count))) }
    }
  }

  @Test(arguments: ["two-tower", "ncf", "gru"])
  func `features alone tell items apart that nobody's rows do`(name: String) throws {
    // Users stay within even or within odd items; items 36 to 39 are in nobody's history.
    var known: [Float] = []
    for item in 0..<40 { known += item % 2 == 0 ? [1, 0] : [0, 1] }
    let features = try ItemFeatures(itemCount: 40, dimension: 2, values: known)
    let histories = (0..<40).map { user -> [Int32] in
      (0..<8).map { step in
        let place = (user * 5 % 18 + step * 2) % 18
        return Int32(place * 2 + user % 2)
      }
    }
    let users = Interactions(itemCount: 40, histories: histories)
    var given: [String: Double] = [
      "dimension": 8, "rounds": 30, "feature-dimension": 2, "negatives": 20, "hidden": 8, "dropout": 0,
    ]
    if name == "ncf" { given.merge(["tower": 8, "tower-inputs": 3]) { $1 } }
    let values = try AlgorithmRegistry.resolve(name, given, setting: .init(itemCount: 40, usersOverNoise: nil, rounds: nil))
    let algorithm = try AlgorithmRegistry.make(name, values, itemCount: 40, features: features)
    let model = CentralTraining.run(algorithm, on: users, seed: 1)
    #expect(algorithm.fault(in: model) == nil)
    let shapes = try AlgorithmRegistry.make(name, values, itemCount: 40)
    #expect(shapes.shapes == algorithm.shapes)
    #expect(shapes.fault(in: model) == nil)
    var cold = model
    // What negatives said of the new items is taken out: their own rows and offsets are nobody's.
    for item in 36..<40 {
      for column in 0..<8 { cold.tensors["items"]?.values[item * 8 + column] = 0 }
      cold.tensors["item-offsets"]?.values[item] = 0
    }
    var scores = [Float](repeating: 0, count: 40)
    let scorer = algorithm.scorer(model: cold)
    for parity in 0..<2 {
      scorer.score(UserHistory(items: (0..<5).map { Int32(2 * $0 + parity) }[...]), into: &scores)
      #expect(scores[36 + parity] > scores[37 - parity])
      #expect(scores[36 + parity] == scores[38 + parity])
    }
  }

  @Test func `features that do not fit, and algorithms that take none, are refused`() throws {
    let features = try ItemFeatures(itemCount: 3, dimension: 2, values: [1, 0, 0, 1, 1, 1])
    let setting = AlgorithmRegistry.Setting(itemCount: 3, usersOverNoise: nil, rounds: 2)
    let values = try AlgorithmRegistry.resolve("two-tower", ["feature-dimension": 2], setting: setting)
    _ = try AlgorithmRegistry.make("two-tower", values, itemCount: 3, features: features)
    #expect(throws: InvalidHyperparameter.self) {
      try AlgorithmRegistry.make("two-tower", values, itemCount: 4, features: features)
    }
    var other = values
    other["feature-dimension"] = 3
    #expect(throws: InvalidHyperparameter.self) {
      try AlgorithmRegistry.make("two-tower", other, itemCount: 3, features: features)
    }
    let factors = try AlgorithmRegistry.resolve("mf", [:], setting: setting)
    #expect(throws: InvalidHyperparameter.self) { try AlgorithmRegistry.make("mf", factors, itemCount: 3, features: features) }
    // A plan from before there were features names no number of them.
    var old = values
    old["feature-dimension"] = nil
    #expect(try AlgorithmRegistry.make("two-tower", old, itemCount: 3).shapes.count == 3)
  }
}
