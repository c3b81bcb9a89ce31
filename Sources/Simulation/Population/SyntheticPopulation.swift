public import Recommender

/// Made-up shops and customers, the same for the same configuration on every machine: the embedded default data.
///
/// A few furnishing shops in different regions sell from one catalogue. Items have a category, a style and a
/// popularity (Zipf). A customer belongs to one shop, likes one or two categories and mostly one style, comes in
/// sessions over a year, stays with a category from one session to the next half of the time, and browses, favours,
/// puts into the cart and buys. Regions differ in which categories and which items they like. So there is something
/// to learn beyond popularity, and small shops see too little of it alone.
public struct SyntheticPopulation: Sendable, Equatable {
  /// The data set: confidence-weighted training histories, leave-one-out test items with listed negatives, user
  /// columns `partner` and `age_group`, item columns `title`, `category`, `style`, `price` and `sku`.
  ///
  /// Ids are the dense indices as text, so that tools that expect numbers can read the files.
  public let dataset: Dataset
  /// The event log that the data set was made from, grouped by user, oldest first. It contains the test events.
  public let events: [SyntheticEvent]

  /// Draws the whole population; takes well under a second at the default size.
  public init(_ configuration: SyntheticConfiguration = .standard) {
    var generator = SplitMix64(seed: SplitMix64.mix(configuration.seed ^ 0x7461_6369_7464_6174))
    let goods = SyntheticGoods(configuration, using: &generator)
    let customers = SyntheticCustomers(configuration, goods: goods, using: &generator)
    self.events = customers.events
    self.dataset = Self.dataset(configuration, goods: goods, customers: customers)
  }

  /// Adds each user's events up per item, and holds the item of the last event out as the test item.
  ///
  /// Users with fewer than three distinct items have no test item.
  private static func dataset(
    _ configuration: SyntheticConfiguration, goods: SyntheticGoods, customers: SyntheticCustomers
  ) -> Dataset {
    let itemCount = configuration.items
    let eventWeights = EventWeights()
    var histories = [[Int32]](repeating: [], count: configuration.users)
    var weights = [[Float]](repeating: [], count: configuration.users)
    var test = [[Int32]](repeating: [], count: configuration.users)
    var negatives = test
    var confidence = [Float](repeating: 0, count: itemCount)
    var lastPosition = [Int](repeating: -1, count: itemCount)
    var sampler = NegativeSampler(itemCount: itemCount)
    var start = 0
    for user in 0..<configuration.users {
      var end = start
      while end < customers.events.count, customers.events[end].user == user {
        let event = customers.events[end]
        confidence[Int(event.item)] += eventWeights[event.kind]
        lastPosition[Int(event.item)] = end
        end += 1
      }
      var items: [Int32] = []
      for position in start..<end where lastPosition[Int(customers.events[position].item)] == position {
        items.append(customers.events[position].item)
      }
      let kept = items.count < 3 ? items.count : items.count - 1
      histories[user] = Array(items.prefix(kept))
      weights[user] = histories[user].map { confidence[Int($0)] }
      test[user] = Array(items.dropFirst(kept))
      if kept < items.count {
        negatives[user] = sampler.sample(
          99, excluding: items, [], seed: configuration.seed, userID: "\(user)")
      }
      for item in items { (confidence[Int(item)], lastPosition[Int(item)]) = (0, -1) }
      start = end
    }
    return Dataset(
      name: "synthetic", catalogue: goods.catalogue, userIDs: (0..<configuration.users).map { "\($0)" },
      train: Interactions(itemCount: itemCount, histories: histories, weights: weights), test: test,
      negatives: negatives,
      userAttributes: ["partner": customers.partnerNames, "age_group": customers.ageGroups])
  }
}

/// One line of the made-up event log.
public struct SyntheticEvent: Sendable, Equatable {
  /// User index, 0-based.
  public let user: Int
  /// Item index, 0-based.
  public let item: Int32
  public let kind: EventKind
  /// Seconds since 1970; strictly increasing within a user.
  public let timestamp: Int64
}

/// The size and seed of a made-up population.
public struct SyntheticConfiguration: Sendable, Equatable {
  public let users: Int
  public let items: Int
  public let partners: Int
  public let seed: UInt64

  /// 2,000 users, 600 items, 5 partners: about 72,000 events.
  public static let standard = SyntheticConfiguration(validUsers: 2_000, items: 600, partners: 5, seed: 1)

  /// - Throws: `DatasetError` when a size is out of range.
  public init(users: Int = 2_000, items: Int = 600, partners: Int = 5, seed: UInt64 = 1) throws {
    let sizes = [
      ("users", users, 1...10_000_000), ("items", items, 2...1_000_000), ("partners", partners, 1...10_000),
    ]
    for (name, value, range) in sizes where !range.contains(value) {
      throw DatasetError(
        "the number of \(name) is \(value), expected \(range.lowerBound) to \(range.upperBound); choose another"
      )
    }
    guard partners <= users else {
      throw DatasetError(
        "there are \(partners) partners for \(users) users, expected at most one partner per user; "
          + "raise the number of users or lower the number of partners")
    }
    self.init(validUsers: users, items: items, partners: partners, seed: seed)
  }

  private init(validUsers users: Int, items: Int, partners: Int, seed: UInt64) {
    self.users = users
    self.items = items
    self.partners = partners
    self.seed = seed
  }
}
