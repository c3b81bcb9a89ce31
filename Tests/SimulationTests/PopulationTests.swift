import Recommender
import Simulation
import Testing

@Suite struct PopulationTests {
  private static let standard = SyntheticPopulation()

  @Test func theDefaultPopulationHasTheSizeThatTheDocumentationSays() {
    let data = Self.standard.dataset
    #expect(data.userCount == 2_000)
    #expect(data.itemCount == 600)
    #expect((60_000...100_000).contains(Self.standard.events.count), "events: \(Self.standard.events.count)")
    #expect(data.testCount > 1_900)
    #expect(Set(data.userAttributes["partner"] ?? []).count == 5)
    print(
      "synthetic: \(Self.standard.events.count) events, \(data.train.count) pairs in training, "
        + "\(data.testCount) test items")
  }

  @Test func theSameSeedGivesTheSamePopulationAndAnotherSeedAnother() throws {
    let small = try SyntheticConfiguration(users: 60, items: 40, partners: 3, seed: 7)
    #expect(SyntheticPopulation(small) == SyntheticPopulation(small))
    let other = try SyntheticConfiguration(users: 60, items: 40, partners: 3, seed: 8)
    #expect(SyntheticPopulation(small).dataset != SyntheticPopulation(other).dataset)
  }

  @Test func thePopulationOfASeedIsTheSameOnEveryMachine() {
    // Literals: whoever changes the generator changes every figure that was reported on it.
    let first = Self.standard.events.prefix(3).map {
      "\($0.user) \($0.item) \($0.kind.rawValue) \($0.timestamp)"
    }
    #expect(first == ["0 531 browse 1748109124", "0 79 browse 1748109180", "0 588 browse 1748109288"])
    var digest: UInt64 = 0
    for event in Self.standard.events {
      digest = SplitMix64.mix(
        digest ^ UInt64(event.user) << 32 ^ UInt64(event.item) << 8 ^ UInt64(event.timestamp) &* 31)
    }
    #expect(digest == 3_861_724_175_561_241_397)
  }

  @Test func everyPartnerHasUsersAndEveryHistoryIsConsistentWithItsEvents() throws {
    for configuration in [
      .standard, try SyntheticConfiguration(users: 12, items: 2, partners: 12, seed: 3),
      try SyntheticConfiguration(users: 1, items: 300, partners: 1, seed: 4),
    ] {
      let population = SyntheticPopulation(configuration)
      let data = population.dataset
      let partition = try data.partition(by: .column("partner"))
      #expect(partition.count == configuration.partners)
      #expect(partition.userIndices.allSatisfy { !$0.isEmpty })
      var lastTime: [Int: Int64] = [:]
      var seen = [Set<Int32>](repeating: [], count: data.userCount)
      for event in population.events {
        #expect(event.timestamp > lastTime[event.user, default: 0])
        lastTime[event.user] = event.timestamp
        seen[event.user].insert(event.item)
      }
      for user in 0..<data.userCount {
        let history = Array(data.train.history(of: user))
        #expect(Set(history + data.test[user]) == seen[user])
        #expect(history.count + data.test[user].count == seen[user].count)
        #expect(data.test[user].isEmpty == (seen[user].count < 3))
        let listed = data.negatives?[user] ?? []
        #expect(Set(listed).count == listed.count)
        #expect(Set(listed).isDisjoint(with: seen[user]))
        #expect(listed.count == (data.test[user].isEmpty ? 0 : min(99, data.itemCount - seen[user].count)))
      }
    }
  }

  @Test func titlesAreDistinctAndReadable() {
    let titles = Self.standard.dataset.catalogue.titles ?? []
    #expect(titles.count == 600)
    #expect(Set(titles).count == 600)
    #expect(titles.allSatisfy { $0.contains(" ") && $0.first?.isUppercase == true })
  }

  @Test func impossibleSizesAreRefusedWithASentence() {
    for (users, items, partners, words) in [
      (0, 10, 1, "users is 0"), (10, 1, 1, "items is 1"), (10, 10, 0, "partners is 0"),
      (3, 10, 4, "4 partners for 3 users"),
    ] {
      #expect {
        _ = try SyntheticConfiguration(users: users, items: items, partners: partners)
      } throws: {
        "\($0)".contains(words) && "\($0)".contains("expected")
      }
    }
  }

  @Test func tasteBeatsPopularityAndAllShopsTogetherBeatEachAlone() throws {
    for seed: UInt64 in 1...2 {
      let data = SyntheticPopulation(try SyntheticConfiguration(seed: seed)).dataset
      let partition = try data.partition(by: .column("partner"))
      let popularity = Judge.hitRate(data, partition: nil, personal: false)
      let pooled = Judge.hitRate(data, partition: nil, personal: true)
      let alone = Judge.hitRate(data, partition: partition, personal: true)
      let mean = { (values: [Double]) in values.reduce(0, +) / Double(values.count) }
      print(
        "seed \(seed): popularity \(mean(popularity)), alone \(mean(alone)), pooled \(mean(pooled)), "
          + partition.names.indices.map { partner in
            let users = partition.userIndices[partner]
            return "\(partition.names[partner]) (\(users.count)) \(mean(users.map { alone[$0] }))/"
              + "\(mean(users.map { pooled[$0] }))"
          }.joined(separator: ", "))
      #expect(mean(pooled) > mean(popularity) + 0.2)
      #expect(mean(pooled) > mean(alone) + 0.04)
      for (name, users) in zip(partition.names, partition.userIndices) {
        let margin = users.count < 300 ? 0.05 : 0
        #expect(mean(users.map { pooled[$0] }) > mean(users.map { alone[$0] }) + margin, "\(name) alone")
      }
    }
  }
}

/// HR@10 of the test item against its listed negatives, by item counts or by cosine co-occurrence: two baselines
/// that share nothing with the library's models.
private enum Judge {
  /// Per user 1 for a hit, 0 for a miss (ties at their expected rank); what is learnt stays inside each part.
  static func hitRate(_ data: Dataset, partition: Partition?, personal: Bool) -> [Double] {
    var result = [Double](repeating: 0, count: data.userCount)
    for users in partition?.userIndices ?? [Array(0..<data.userCount)] {
      let together = cooccurrence(data.train.selecting(users: users))
      let n = data.itemCount
      for user in users {
        guard let positive = data.test[user].first, let negatives = data.negatives?[user] else { continue }
        let score = { (item: Int32) -> Double in
          if !personal { return Double(together[Int(item) * n + Int(item)]) }
          var sum = 0.0
          for other in data.train.history(of: user) {
            let norm = together[Int(item) * n + Int(item)] * together[Int(other) * n + Int(other)]
            if norm > 0 { sum += Double(together[Int(item) * n + Int(other)]) / Double(norm).squareRoot() }
          }
          return sum
        }
        let own = score(positive)
        let others = negatives.map(score)
        let above = others.filter { $0 > own }.count
        let ties = others.filter { $0 == own }.count
        result[user] = max(0, min(1, Double(10 - above) / Double(ties + 1)))
      }
    }
    return result
  }

  private static func cooccurrence(_ interactions: Interactions) -> [Int32] {
    let n = interactions.itemCount
    var counts = [Int32](repeating: 0, count: n * n)
    for user in 0..<interactions.userCount {
      let history = interactions.history(of: user)
      for first in history { for second in history { counts[Int(first) * n + Int(second)] += 1 } }
    }
    return counts
  }
}
