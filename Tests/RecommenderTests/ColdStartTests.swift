import Foundation
import Recommender
import Testing

/// Users and items that were not there in training: who they are, and how well they are served.
@Suite struct ColdStartTests {
  /// Users stay within even or within odd items; the parity is the items' only category.
  private func shop(users: Int = 120, itemCount: Int = 60) -> Dataset {
    let histories = (0..<users).map { user -> [Int32] in
      (0..<8).map { step in
        let place = (user * 7 + step * 3) % (itemCount / 2)
        return Int32(place * 2 + user % 2)
      }
    }
    return Dataset(
      name: "shop",
      catalogue: Catalogue(
        itemIDs: (0..<itemCount).map { "i\($0)" },
        attributes: ["kind": (0..<itemCount).map { $0 % 2 == 0 ? "even" : "odd" }]),
      userIDs: (0..<users).map { "u\($0)" },
      train: Interactions(
        itemCount: itemCount, histories: histories,
        weights: histories.map { $0.map { Float($0) / 100 } }),
      test: histories.map { [($0[0] + 1) % Int32(itemCount)] },
      negatives: histories.map { [($0[1] + 1) % Int32(itemCount)] },
      userAttributes: ["country": (0..<users).map { $0 % 3 == 0 ? "x" : "y" }])
  }

  private func network(_ name: String, _ features: ItemFeatures?, itemCount: Int, rounds: Int = 30)
    throws -> any FederatedAlgorithm
  {
    var given: [String: Double] = [
      "dimension": 8, "negatives": 30, "hidden": 8, "dropout": 0,
      "feature-dimension": Double(features?.dimension ?? 0),
    ]
    if name == "ncf" { given.merge(["tower": 8, "tower-inputs": 3]) { $1 } }
    let values = try AlgorithmRegistry.resolve(
      name, given, setting: .init(itemCount: itemCount, usersOverNoise: nil, rounds: rounds))
    return try AlgorithmRegistry.make(name, values, itemCount: itemCount, features: features)
  }

  @Test func `whoever is held out is nowhere in training, by id and seed alone`() throws {
    let data = shop()
    let split = try ColdStartSplit(data, users: 0.2, items: 0.2, seed: 3)
    #expect((10...40).contains(split.newUsers.count) && (5...20).contains(split.newItems.count))
    #expect(Set(split.knownItems).union(split.newItems).count == 60)
    #expect(split.knownItems.count + split.newItems.count == 60)
    #expect(split.warm.userCount + split.newUsers.count == 120)
    #expect(split.warm.catalogue.itemIDs == split.knownItems.map { "i\($0)" })
    for user in 0..<split.warm.userCount {
      let index = try #require(data.userIDs.firstIndex(of: split.warm.userIDs[user]))
      let before = data.train.history(of: index).map { "i\($0)" }
      let known = split.warm.train.history(of: user).map { split.warm.catalogue.itemIDs[Int($0)] }
      let new = split.newItemsOfUser[user].map { "i\(split.newItems[Int($0)])" }
      #expect(before.filter { known.contains($0) } == known)
      #expect(before.filter { new.contains($0) } == new)
      #expect(known.count + new.count == before.count)
      #expect(
        Array(split.warm.train.weights(of: user))
          == known.compactMap { Float($0.dropFirst()).map { $0 / 100 } })
      #expect(split.warm.userAttributes["country"]?[user] == data.userAttributes["country"]?[index])
    }
    let again = try ColdStartSplit(data, users: 0.2, items: 0.2, seed: 3)
    #expect(again.newItems == split.newItems && again.warm == split.warm)
    #expect(try ColdStartSplit(data, users: 0.2, items: 0.2, seed: 4).newItems != split.newItems)
    // Other test items change nothing but themselves.
    let other = Dataset(
      name: data.name, catalogue: data.catalogue, userIDs: data.userIDs, train: data.train,
      userAttributes: data.userAttributes)
    let blind = try ColdStartSplit(other, users: 0.2, items: 0.2, seed: 3)
    #expect(
      blind.newItems == split.newItems && blind.newUsers == split.newUsers
        && blind.warm.train == split.warm.train)
    for (users, items) in [(0.6, 0.1), (-0.1, 0.1), (0.1, .nan), (0, 1e-9)] {
      #expect(throws: DatasetError.self) {
        try ColdStartSplit(data, users: users, items: items, seed: 3)
      }
    }
  }

  @Test(arguments: ["two-tower", "ncf"])
  func `new items are found by their features, new users by their first events`(name: String) throws {
    let data = shop()
    let split = try ColdStartSplit(data, users: 0.2, items: 0.2, seed: 3)
    // Both kinds, as columns of their own.
    let whole = try ItemFeatures.attributes(of: data.catalogue)
    #expect(whole.dimension == 2)
    let algorithm = try network(
      name, try whole.selecting(items: split.knownItems), itemCount: split.knownItems.count)
    let model = CentralTraining.run(algorithm, on: split.warm.train, seed: 1)
    let evaluation = try ColdStartEvaluation(
      split, algorithm: algorithm, model: model, features: whole, seed: 1)
    #expect(evaluation.silence == nil)
    #expect(
      evaluation.newItems.map(\.method) == [
        "the model, from features alone", "popularity of their categories", "chance",
      ])
    func recall(_ row: Int) throws -> Double {
      try #require(evaluation.newItems[row].metrics?[.recall(5)])
    }
    let chance = 5 / Double(split.newItems.count)
    #expect(abs(try recall(2) - chance) < 1e-9)
    #expect(try recall(0) > 1.3 * chance)
    #expect(try recall(0) > recall(1))
    #expect(evaluation.newUsers.map(\.firstEvents) == [0, 1, 3, 5])
    let hits = evaluation.newUsers.compactMap { $0.full?[.hitRate(20)] }
    #expect(hits.count == 4 && hits[3] > hits[0])
    #expect(Set(evaluation.newUsers.compactMap { $0.full?.users }).count == 1)
  }

  @Test func `a model without features says why it knows no new items`() throws {
    let split = try ColdStartSplit(shop(), users: 0, items: 0.2, seed: 3)
    for name in ["two-tower", "als"] {
      let algorithm =
        name == "als"
        ? try AlgorithmRegistry.make(
          name,
          try AlgorithmRegistry.resolve(
            name, ["dimension": 2],
            setting: .init(itemCount: split.knownItems.count, usersOverNoise: nil, rounds: 1)),
          itemCount: split.knownItems.count)
        : try network(name, nil, itemCount: split.knownItems.count, rounds: 1)
      let model = CentralTraining.run(algorithm, on: split.warm.train, seed: 1)
      let evaluation = try ColdStartEvaluation(
        split, algorithm: algorithm, model: model, features: nil, seed: 1)
      #expect(evaluation.silence?.contains("without item features") == true)
      #expect(evaluation.newItems.count == 2)
      #expect(evaluation.newUsers.isEmpty)
    }
  }

  @Test
  func
    `an item added to a finished model scores by its features, and leaves the others as they were`()
    throws
  {
    let data = shop()
    var known: [Float] = []
    for item in 0..<60 { known += item % 2 == 0 ? [1, 0] : [0, 1] }
    let features = try ItemFeatures(itemCount: 60, dimension: 2, values: known)
    let algorithm = try #require(
      try network("ncf", features, itemCount: 60, rounds: 5) as? FirstEvents)
    let inner = try #require(algorithm.base as? NeuralRecommender)
    let model = CentralTraining.run(algorithm, on: data.train, seed: 1)
    let newItems = try ItemFeatures(itemCount: 2, dimension: 2, values: [1, 0, 0, 1])
    let (longer, extended) = try inner.extending(model, by: newItems)
    let leaning = try algorithm.extending(model, by: newItems)
    #expect(leaning.model == extended && (leaning.algorithm as? FirstEvents)?.prior == 3)
    #expect(longer.itemCount == 62 && longer.fault(in: extended) == nil)
    let user = UserHistory(items: data.train.history(of: 0))
    var (before, after) = ([Float](repeating: 0, count: 60), [Float](repeating: 0, count: 62))
    inner.scorer(model: model).score(user, into: &before)
    longer.scorer(model: extended).score(user, into: &after)
    #expect(zip(before, after).allSatisfy { abs($0 - $1) <= 1e-5 * (1 + abs($0)) })
    // While a user's events are few, popularity speaks for known items and against none that could have none yet.
    let first = UserHistory(items: [3])
    var uneven = model
    uneven.tensors["popularity"] = Tensor(shape: [60], values: (1...60).map { Float($0) / 60 })
    let (bare, leaned) = (try inner.extending(uneven, by: newItems), try algorithm.extending(uneven, by: newItems))
    var leant = after
    bare.algorithm.scorer(model: bare.model).score(first, into: &after)
    leaned.algorithm.scorer(model: leaned.model).score(first, into: &leant)
    #expect((60..<62).allSatisfy { after[$0] == leant[$0] })
    #expect(leant[0] < after[0] && leant[59] > after[59])
    // Ridge regression on two groups of 30, worked by hand: the mean, and the group's deviation times 30 / 31.
    let offsets = try #require(model.tensors["item-offsets"]?.values)
    let mean = offsets.reduce(0.0) { $0 + Double($1) } / 60
    for parity in 0..<2 {
      let group = stride(from: parity, to: 60, by: 2).reduce(0.0) {
        $0 + Double(offsets[$1]) - mean
      }
      let found = try #require(extended.tensors["item-offsets"]?.values[60 + parity])
      #expect(abs(Double(found) - mean - group / 31) < 1e-4)
    }
    #expect(throws: DatasetError.self) {
      try inner.extending(
        model, by: ItemFeatures(itemCount: 1, dimension: 3, values: [1, 0, 0]))
    }
    let plain = try #require(
      try network("two-tower", nil, itemCount: 60, rounds: 1) as? FirstEvents)
    #expect(throws: DatasetError.self) {
      try plain.extending(plain.initialModel(seed: 1), by: newItems)
    }
  }
}
