import Recommender
import Testing

/// The data set's own rules: partitions, the validation split, canonical bytes.
@Suite struct DatasetTests {
  @Test func everyUserBelongsToExactlyOnePartner() throws {
    let data = randomDataset(seed: 4, name: "x")
    for rule in [PartitionRule.count(1), .count(3), .count(100), .column("partner")] {
      let partition = try data.partition(by: rule)
      #expect(partition.userIndices.flatMap { $0 }.sorted() == Array(0..<data.userCount))
      #expect(partition.userIndices.allSatisfy { $0 == $0.sorted() })
      #expect(Set(partition.names).count == partition.names.count)
    }
    #expect(try data.partition(by: .count(100)).count == 100)
  }

  @Test func theHashOfAUserIsTheSameEverywhere() {
    // FNV-1a of "" and "a" are published (draft-eastlake-fnv); SplitMix64's function is applied to them.
    #expect(stableHash("") == SplitMix64.mix(0xCBF2_9CE4_8422_2325))
    #expect(stableHash("a") == SplitMix64.mix(0xAF63_DC4C_8601_EC8C))
    // The first outputs of splitmix64.c from the seed 1234567.
    var generator = SplitMix64(seed: 1_234_567)
    #expect(
      (0..<3).map { _ in generator.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
      ])
  }

  @Test func partnersByNumberAreOfAboutTheSameSize() throws {
    let data = Dataset(
      name: "x", catalogue: Catalogue(itemIDs: ["i"]), userIDs: (0..<10_000).map { "\($0)" },
      train: Interactions(itemCount: 1, histories: [[Int32]](repeating: [0], count: 10_000)))
    for users in try data.partition(by: .count(10)).userIndices {
      #expect((880...1_120).contains(users.count), "\(users.count)")  // Four standard deviations of 30.
    }
  }

  @Test func anUnknownColumnIsAnsweredWithTheColumnsThereAre() {
    let data = randomDataset(seed: 4, name: "x")
    #expect { _ = try data.partition(by: .column("region")) } throws: {
      "\($0)".contains("no column 'region'") && "\($0)".contains("partner")
    }
    #expect(throws: DatasetError.self) { _ = try data.partition(by: .count(0)) }
    let bare = Dataset(
      name: "bare", catalogue: Catalogue(itemIDs: ["i"]), userIDs: ["u"],
      train: Interactions(itemCount: 1, histories: [[0]]))
    #expect { _ = try bare.partition(by: .column("region")) } throws: {
      "\($0)".contains("no columns at all")
    }
  }

  @Test func aPartitionRuleIsReadFromText() throws {
    #expect(try PartitionRule(parsing: "5") == .count(5))
    #expect(try PartitionRule(parsing: "by:country") == .column("country"))
    for text in ["0", "-1", "by:", "five", "", "by country"] {
      #expect(throws: DatasetError.self) { _ = try PartitionRule(parsing: text) }
    }
  }

  @Test func theValidationSplitHoldsOutTheLastTrainingItemAndNeverReadsTheTest() {
    for seed: UInt64 in 0..<20 {
      let data = randomDataset(seed: seed, name: "x")
      let split = data.validationSplit(seed: 5)
      let withoutTest = Dataset(
        name: data.name, catalogue: data.catalogue, userIDs: data.userIDs, train: data.train,
        userAttributes: data.userAttributes)
      #expect(split == withoutTest.validationSplit(seed: 5))
      for user in 0..<data.userCount {
        let history = Array(data.train.history(of: user))
        #expect(Array(split.train.history(of: user)) + split.test[user] == history)
        #expect(split.test[user].count == (history.count < 2 ? 0 : 1))
        let listed = split.negatives?[user] ?? []
        #expect(Set(listed).isDisjoint(with: history) && Set(listed).count == listed.count)
        #expect(listed.count == (history.count < 2 ? 0 : min(99, data.itemCount - history.count)))
        #expect(
          split.train.weights(of: user).count
            == (data.train.weights.isEmpty ? 0 : split.train.history(of: user).count))
      }
      #expect(data.validationSplit(negativeCount: 0).negatives == nil)
    }
  }

  @Test func canonicalBytesAreThoseOfTheDescription() {
    let bytes = Catalogue(itemIDs: ["a", "é"]).canonicalBytes
    #expect(
      bytes == Array("tacit catalogue 1\n".utf8) + [2, 0, 0, 0, 0, 0, 0, 0]  // two items
        + [1, 0, 0, 0, 0x61] + [2, 0, 0, 0, 0xC3, 0xA9])
    #expect(Catalogue(itemIDs: ["é", "a"]).canonicalBytes != bytes)
    #expect(Catalogue(itemIDs: ["aé"]).canonicalBytes != bytes)
    #expect(Catalogue(itemIDs: ["a", "é"], attributes: ["title": ["x", "y"]]).canonicalBytes == bytes)
  }

  @Test func selectingUsersKeepsEverythingOfThem() {
    let data = randomDataset(seed: 12, name: "x")
    let all = Array(0..<data.userCount)
    #expect(data.selecting(users: all) == data)
    let last = data.selecting(users: [data.userCount - 1])
    #expect(last.userIDs == [data.userIDs[data.userCount - 1]])
    #expect(last.test == [data.test[data.userCount - 1]])
  }

  @Test func negativesAreUniform() {
    // 5 of 12 items are excluded; each of the other 7 is drawn 3/7 of the time.
    var sampler = NegativeSampler(itemCount: 12)
    var counts = [Int](repeating: 0, count: 12)
    for user in 0..<7_000 {
      for item in sampler.sample(3, excluding: [0, 3, 4], [3, 8, 11], seed: 1, userID: "\(user)") {
        counts[Int(item)] += 1
      }
    }
    for item in 0..<12 {
      if [0, 3, 4, 8, 11].contains(item) {
        #expect(counts[item] == 0)
      } else {
        #expect((2_830...3_170).contains(counts[item]), "\(counts)")  // Four standard deviations of 41.
      }
    }
  }
}
