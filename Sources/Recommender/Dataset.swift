/// Interactions with everything that is needed to train on them, to split them among partners and to judge the result.
///
/// Users and items are dense 0-based indices inside; `userIDs` and `catalogue.itemIDs` say what they are called outside.
public struct Dataset: Sendable, Equatable {
  /// A short name for reports, for instance the folder's name.
  public let name: String
  public let catalogue: Catalogue
  /// Public names of the users; `userIDs[u]` belongs to row `u` of `train`. Distinct.
  public let userIDs: [String]
  /// What may be learnt from.
  public let train: Interactions
  /// Held-out items per user, disjoint from the user's history; empty for users without.
  public let test: [[Int32]]
  /// Per user the listed candidates that the first test item is ranked against (protocol P1); `nil` where none are listed.
  ///
  /// Empty for users without a test item. The test item itself, `test[u][0]`, is not in the list.
  public let negatives: [[Int32]]?
  /// Column → one value per user; the empty string means unknown.
  public let userAttributes: [String: [String]]
  /// Whether histories are in the order of time; otherwise their order says nothing.
  public let isOrdered: Bool

  public var userCount: Int { userIDs.count }
  public var itemCount: Int { catalogue.count }
  /// Number of held-out interactions.
  public var testCount: Int { test.reduce(0) { $0 + $1.count } }

  /// - Precondition: everything per user has `userIDs.count` entries, everything about items is in the catalogue's
  ///   range. Importers check this first and report it with file and line.
  public init(
    name: String, catalogue: Catalogue, userIDs: [String], train: Interactions, test: [[Int32]] = [],
    negatives: [[Int32]]? = nil, userAttributes: [String: [String]] = [:], isOrdered: Bool = true
  ) {
    let test = test.isEmpty ? [[Int32]](repeating: [], count: userIDs.count) : test
    precondition(train.userCount == userIDs.count, "a data set needs one history per user")
    precondition(train.itemCount == catalogue.count, "a data set needs the catalogue of its interactions")
    precondition(test.count == userIDs.count, "a data set needs one test list per user, possibly empty")
    precondition(
      negatives.map { $0.count == userIDs.count } ?? true, "a data set needs one negative list per user")
    precondition(
      userAttributes.values.allSatisfy { $0.count == userIDs.count },
      "a user attribute needs one value per user")
    let range = 0..<Int32(catalogue.count)
    precondition(
      test.allSatisfy { $0.allSatisfy(range.contains) }
        && (negatives ?? []).allSatisfy { $0.allSatisfy(range.contains) },
      "a test item or negative lies outside the catalogue")
    self.name = name
    self.catalogue = catalogue
    self.userIDs = userIDs
    self.train = train
    self.test = test
    self.negatives = negatives
    self.userAttributes = userAttributes
    self.isOrdered = isOrdered
  }

  /// The data of the given users, in the given order, over the same catalogue.
  public func selecting(users: [Int]) -> Dataset {
    Dataset(
      name: name, catalogue: catalogue, userIDs: users.map { userIDs[$0] },
      train: train.selecting(users: users),
      test: users.map { test[$0] }, negatives: negatives.map { all in users.map { all[$0] } },
      userAttributes: userAttributes.mapValues { values in users.map { values[$0] } }, isOrdered: isOrdered)
  }

  /// The split to tune on: each user's last training item becomes the test item, and the test items are gone.
  ///
  /// Users with fewer than two training items keep them and get no test item. Nothing of `test` is read.
  ///
  /// - Parameters:
  ///   - negativeCount: candidates to list per test item, uniform without replacement among the items that are not in
  ///     the user's training history (fewer where the catalogue has fewer); 0 lists none.
  ///   - seed: drives the choice of candidates.
  public func validationSplit(negativeCount: Int = 99, seed: UInt64 = 0) -> Dataset {
    var histories: [[Int32]] = []
    var weights: [[Float]] = []
    var held: [[Int32]] = []
    var candidates: [[Int32]] = []
    var sampler = NegativeSampler(itemCount: itemCount)
    for user in 0..<userCount {
      let history = train.history(of: user)
      let kept = history.count < 2 ? history.count : history.count - 1
      histories.append(Array(history.prefix(kept)))
      if !train.weights.isEmpty { weights.append(Array(train.weights(of: user).prefix(kept))) }
      held.append(Array(history.dropFirst(kept)))
      guard negativeCount > 0 else { continue }
      candidates.append(
        kept == history.count
          ? [] : sampler.sample(negativeCount, excluding: history, [], seed: seed, userID: userIDs[user]))
    }
    return Dataset(
      name: name, catalogue: catalogue, userIDs: userIDs,
      train: Interactions(itemCount: itemCount, histories: histories, weights: weights), test: held,
      negatives: negativeCount > 0 ? candidates : nil, userAttributes: userAttributes, isOrdered: isOrdered)
  }

  /// Who holds which users.
  ///
  /// - Throws: `DatasetError` when the number is not positive or there is no such column.
  public func partition(by rule: PartitionRule) throws -> Partition {
    switch rule {
    case .count(let count):
      guard count > 0 else {
        throw DatasetError(
          "the number of partners is \(count), expected at least 1; give a positive number or by:COLUMN")
      }
      var userIndices = [[Int]](repeating: [], count: count)
      for (user, id) in userIDs.enumerated() {
        userIndices[Int(stableHash(id) % UInt64(count))].append(user)
      }
      return Partition(names: (1...count).map { "partner-\($0)" }, userIndices: userIndices)
    case .column(let column):
      guard let values = userAttributes[column] else {
        let known = userAttributes.keys.sorted()
        throw DatasetError(
          "the users of \(name) have no column '\(column)'; "
            + (known.isEmpty
              ? "they have no columns at all, so give a number of partners instead"
              : "the columns there are: \(known.joined(separator: ", "))"))
      }
      var groups: [String: [Int]] = [:]
      for (user, value) in values.enumerated() {
        groups[value.isEmpty ? "unknown" : value, default: []].append(user)
      }
      let names = groups.keys.sorted()
      return Partition(names: names, userIndices: names.map { groups[$0] ?? [] })
    }
  }
}

/// The public list of items that all partners agree on, in its agreed order.
public struct Catalogue: Sendable, Equatable {
  /// Public item ids; item index `i` is called `itemIDs[i]`. Distinct, not empty strings.
  public let itemIDs: [String]
  /// Column → one value per item; the empty string means unknown.
  public let attributes: [String: [String]]

  public var count: Int { itemIDs.count }

  /// What to call the items in words: the first column there is of `title`, `name` and `description`.
  public var titles: [String]? {
    for column in ["title", "name", "description"] {
      if let values = attributes[column] { return values }
    }
    return nil
  }

  /// - Precondition: ids are distinct, each attribute has one value per item. Importers check this first.
  public init(itemIDs: [String], attributes: [String: [String]] = [:]) {
    precondition(Set(itemIDs).count == itemIDs.count, "the item ids of a catalogue must be distinct")
    precondition(
      attributes.values.allSatisfy { $0.count == itemIDs.count }, "an item attribute needs one value per item"
    )
    self.itemIDs = itemIDs
    self.attributes = attributes
  }

  /// Item id → item index.
  public func indexByID() -> [String: Int32] {
    Dictionary(uniqueKeysWithValues: itemIDs.enumerated().map { ($1, Int32($0)) })
  }

  /// The bytes that the plan's catalogue hash is computed over: which items there are, in which order.
  ///
  /// The ASCII bytes `tacit catalogue 1\n`; the number of items, UInt64 little-endian; then for each item in order the
  /// length of its id in UTF-8 bytes, UInt32 little-endian, and those bytes. Attributes are not part of it: they may
  /// be mended without a new plan.
  public var canonicalBytes: [UInt8] {
    var bytes = Array("tacit catalogue 1\n".utf8)
    bytes.reserveCapacity(26 + itemIDs.reduce(0) { $0 + 4 + $1.utf8.count })
    for shift in stride(from: 0, to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: itemIDs.count >> shift))
    }
    for id in itemIDs {
      let length = id.utf8.count
      for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
      bytes.append(contentsOf: id.utf8)
    }
    return bytes
  }
}

/// How users are divided among partners.
public enum PartitionRule: Sendable, Equatable, CustomStringConvertible {
  /// This many partners, by a stable hash of the user id (FNV-1a, mixed by SplitMix64).
  case count(Int)
  /// One partner per value of a user attribute, in the order of the values' names; blank values are `unknown`.
  case column(String)

  /// Reads `5` or `by:country`.
  ///
  /// - Throws: `DatasetError` when the text is neither.
  public init(parsing text: String) throws {
    if text.hasPrefix("by:"), text.count > 3 {
      self = .column(String(text.dropFirst(3)))
    } else if let count = Int(text), count > 0 {
      self = .count(count)
    } else {
      throw DatasetError(
        "partners is '\(text)', expected a positive number such as 5, or by:COLUMN such as by:country")
    }
  }

  public var description: String {
    switch self {
    case .count(let count): "\(count)"
    case .column(let column): "by:\(column)"
    }
  }
}

/// A division of a data set's users among partners: every user belongs to exactly one.
public struct Partition: Sendable, Equatable {
  /// Partners' names, in order.
  public let names: [String]
  /// For each partner the indices of its users, ascending; may be empty when users were divided by number.
  public let userIndices: [[Int]]

  public var count: Int { names.count }

  /// - Precondition: one index list per name.
  public init(names: [String], userIndices: [[Int]]) {
    precondition(names.count == userIndices.count, "a partition needs one list of users per partner")
    self.names = names
    self.userIndices = userIndices
  }
}

/// Draws unseen items for one user after another; reusable, so that a draw costs the number drawn.
public struct NegativeSampler: Sendable {
  private let itemCount: Int
  /// Round in which an item was last excluded or drawn.
  private var mark: [UInt32]
  private var round: UInt32 = 0

  public init(itemCount: Int) {
    self.itemCount = itemCount
    mark = [UInt32](repeating: 0, count: itemCount)
  }

  /// Up to `count` distinct items outside the two excluded lists, uniform without replacement.
  ///
  /// The draw depends on the seed and the user's id only, not on the order in which users are asked for.
  public mutating func sample(
    _ count: Int, excluding first: some Sequence<Int32>, _ second: some Sequence<Int32>, seed: UInt64,
    userID: String
  ) -> [Int32] {
    round += 1
    var free = itemCount
    for item in first where mark[Int(item)] != round { (mark[Int(item)], free) = (round, free - 1) }
    for item in second where mark[Int(item)] != round { (mark[Int(item)], free) = (round, free - 1) }
    var generator = SplitMix64(seed: SplitMix64.mix(seed) ^ stableHash(userID))
    if free <= 2 * count {
      // Few are left: list them and shuffle the head (Fisher-Yates).
      var items = (0..<Int32(itemCount)).filter { mark[Int($0)] != round }
      let drawn = min(count, free)
      for position in 0..<drawn {
        items.swapAt(position, position + generator.uniform(below: items.count - position))
      }
      return Array(items.prefix(drawn))
    }
    var result: [Int32] = []
    result.reserveCapacity(count)
    while result.count < count {
      let item = generator.uniform(below: itemCount)
      guard mark[item] != round else { continue }
      mark[item] = round
      result.append(Int32(item))
    }
    return result
  }
}

/// What is wrong with a request about a data set: what was found, what was expected, what to do.
public struct DatasetError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = description }
}

/// A hash of a text that is the same on every machine and in every run: FNV-1a (64 bits) over UTF-8, then
/// SplitMix64's output function, because FNV's low bits are weak.
public func stableHash(_ text: String) -> UInt64 {
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
  return SplitMix64.mix(hash)
}
