internal import Glibc
internal import Recommender

/// The made-up customers of all shops and everything they did in a year.
struct SyntheticCustomers: Sendable {
  /// Per user the name of its shop.
  let partnerNames: [String]
  /// Per user a column that has nothing to do with taste, as real files have some.
  let ageGroups: [String]
  /// Grouped by user, oldest first.
  let events: [SyntheticEvent]

  init(_ configuration: SyntheticConfiguration, goods: SyntheticGoods, using generator: inout SplitMix64) {
    let regions = (0..<configuration.partners).map { _ in Region(goods: goods, using: &generator) }
    let regionNames = Self.names(configuration.partners)
    // Shop sizes fall off as rank^-0.9; the first customers go one to each shop, so that none is empty.
    let sizes = WeightedChoice((0..<configuration.partners).map { pow(Double($0 + 1), -0.9) })
    let weeks = WeightedChoice((0..<52).map(Self.seasonalDemand))
    var partnerNames: [String] = []
    var ageGroups: [String] = []
    var events: [SyntheticEvent] = []
    events.reserveCapacity(configuration.users * 45)
    for user in 0..<configuration.users {
      let region = user < configuration.partners ? user : sizes.draw(&generator)
      partnerNames.append(regionNames[region])
      ageGroups.append(["18-29", "30-44", "45-59", "60+"][generator.uniform(below: 4)])
      var customer = Customer(user: user, goods: goods, region: regions[region], using: &generator)
      customer.live(weeks: weeks, into: &events, using: &generator)
    }
    self.partnerNames = partnerNames
    self.ageGroups = ageGroups
    self.events = events
  }

  private static func names(_ count: Int) -> [String] {
    let towns = [
      "Bremen", "Bristol", "Gdansk", "Lyon", "Porto", "Aarhus", "Bologna", "Ghent", "Krakow", "Leipzig", "Malmo", "Toledo",
    ]
    return (0..<count).map { $0 < towns.count ? towns[$0] : "shop-\($0 + 1)" }
  }

  /// Demand by week of the year: a hill before the end of the year, a third above the rest.
  private static func seasonalDemand(_ week: Int) -> Double {
    1 + max(0, 0.35 - 0.06 * abs(Double(week) - 47))
  }
}

/// A shop's region: which categories and which items are liked there more than elsewhere.
private struct Region: Sendable {
  let categoryTaste: [Double]
  /// Items by category and style (`category * styles + style`), with their local demand.
  let shelves: [(items: [Int32], choice: WeightedChoice)]
  /// All items with their local demand.
  let whole: WeightedChoice

  init(goods: SyntheticGoods, using generator: inout SplitMix64) {
    let taste = goods.categoryDemand.map { $0 * exp(0.7 * generator.nextBell()) }
    let demand = goods.popularity.map { $0 * exp(0.25 * generator.nextBell()) }
    let styleCount = SyntheticGoods.styles.count
    var members = [[Int32]](repeating: [], count: taste.count * styleCount)
    for item in demand.indices {
      members[goods.category[item] * styleCount + goods.style[item]].append(Int32(item))
    }
    categoryTaste = taste
    shelves = members.map { items in (items, WeightedChoice(items.map { demand[Int($0)] })) }
    whole = WeightedChoice(demand)
  }
}

/// One customer's taste and state of mind.
private struct Customer: Sendable {
  let user: Int
  let goods: SyntheticGoods
  let region: Region
  private let categories: WeightedChoice
  private let styles: WeightedChoice
  private let favouriteCategory: Int
  private let favouriteStyle: Int
  private let sessionCount: Int
  private var lastCategory: Int?
  private var now: Int64 = 0

  init(user: Int, goods: SyntheticGoods, region: Region, using generator: inout SplitMix64) {
    let taste = WeightedChoice(region.categoryTaste)
    let first = taste.draw(&generator)
    let second = taste.draw(&generator)
    let total = region.categoryTaste.reduce(0, +)
    var affinity = region.categoryTaste.map { 0.12 * $0 / total }
    affinity[first] += 0.6
    affinity[second] += 0.28
    let style = generator.uniform(below: SyntheticGoods.styles.count)
    self.user = user
    self.goods = goods
    self.region = region
    categories = WeightedChoice(affinity)
    styles = WeightedChoice(SyntheticGoods.styles.indices.map { $0 == style ? 0.7 : 0.1 })
    favouriteCategory = first
    favouriteStyle = style
    // Log-normal activity, median 5 sessions, at most 40.
    sessionCount = min(40, max(2, Int((5 * exp(0.65 * generator.nextBell())).rounded())))
  }

  mutating func live(
    weeks: WeightedChoice, into events: inout [SyntheticEvent], using generator: inout SplitMix64
  ) {
    var starts: [Int64] = []
    for _ in 0..<sessionCount {
      let week = Int64(weeks.draw(&generator))
      starts.append(Self.newYear + week * Self.week + Int64(generator.uniform(below: Int(Self.week))))
    }
    for start in starts.sorted() { visit(start, into: &events, using: &generator) }
  }

  /// One session: a few items, mostly of one category.
  private mutating func visit(
    _ start: Int64, into events: inout [SyntheticEvent], using generator: inout SplitMix64
  ) {
    now = max(now + 60, start)
    let category: Int
    if let last = lastCategory, generator.chance(perMille: 500) {
      category = last
    } else {
      category = categories.draw(&generator)
    }
    lastCategory = category
    var looks = 1
    while looks < 15, generator.chance(perMille: 760) { looks += 1 }
    var last: Int32?
    for _ in 0..<looks {
      let item = choose(category, after: last, using: &generator)
      consider(item, into: &events, using: &generator)
      last = item
    }
  }

  /// The next item to look at: one that goes with the last one, one of the whole shop, or one from the shelf.
  private func choose(_ category: Int, after last: Int32?, using generator: inout SplitMix64) -> Int32 {
    if let last, generator.chance(perMille: 450) {
      let companions = goods.companions[Int(last)]
      return companions[generator.uniform(below: companions.count)]
    }
    let shelf = region.shelves[category * SyntheticGoods.styles.count + styles.draw(&generator)]
    if shelf.items.isEmpty || generator.chance(perMille: 100) { return Int32(region.whole.draw(&generator)) }
    return shelf.items[shelf.choice.draw(&generator)]
  }

  /// Looks at one item and perhaps does more with it.
  private mutating func consider(
    _ item: Int32, into events: inout [SyntheticEvent], using generator: inout SplitMix64
  ) {
    let keen =
      (goods.category[Int(item)] == favouriteCategory ? 1 : 0)
      + (goods.style[Int(item)] == favouriteStyle ? 1 : 0)
    record(.browse, item, into: &events, using: &generator)
    if generator.chance(perMille: 40 + 50 * keen) {
      record(.favourite, item, into: &events, using: &generator)
    }
    guard generator.chance(perMille: 100 + 80 * keen) else { return }
    record(.cart, item, into: &events, using: &generator)
    if generator.chance(perMille: 600) { record(.buy, item, into: &events, using: &generator) }
  }

  private mutating func record(
    _ kind: EventKind, _ item: Int32, into events: inout [SyntheticEvent], using generator: inout SplitMix64
  ) {
    now += 5 + Int64(generator.uniform(below: 115))
    events.append(SyntheticEvent(user: user, item: item, kind: kind, timestamp: now))
  }

  /// 2025-01-01 00:00:00 UTC.
  private static let newYear: Int64 = 1_735_689_600
  private static let week: Int64 = 7 * 24 * 3_600
}
