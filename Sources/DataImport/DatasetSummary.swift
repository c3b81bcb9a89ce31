public import Recommender

/// The figures of a data set that one looks at before training on it.
public struct DatasetSummary: Sendable, Equatable, Codable {
  /// One group of users in a column that looks like partners.
  public struct Partner: Sendable, Equatable, Codable {
    public let name: String
    public let users: Int
    /// Training interactions.
    public let interactions: Int
  }

  /// One attribute column.
  public struct Column: Sendable, Equatable, Codable {
    public let name: String
    /// Distinct values, blank ones not counted.
    public let values: Int
    public let blank: Int
  }

  public let name: String
  public let users: Int
  public let items: Int
  /// Training interactions.
  public let train: Int
  public let test: Int
  /// Users with listed negatives.
  public let usersWithNegatives: Int
  /// Share of all (user, item) pairs that are in training, 0 to 1.
  public let density: Double
  /// Training items per user: least, median, 90th percentile, most.
  public let historyLengths: [Int]
  /// Items that nobody has in training.
  public let unseenItems: Int
  /// Share of the training interactions that falls on the most frequent tenth of the items, 0 to 1.
  public let headShare: Double
  public let hasWeights: Bool
  public let userColumns: [Column]
  public let itemColumns: [Column]
  /// By the column `partner`, largest first; empty where there is none.
  public let partners: [Partner]
  /// What stands in the way of training or judging, in sentences.
  public let problems: [String]

  public init(_ dataset: Dataset) {
    let userCount = dataset.userCount
    var popularity = [Int](repeating: 0, count: dataset.itemCount)
    for item in dataset.train.items { popularity[Int(item)] += 1 }
    let lengths = (0..<userCount).map { dataset.train.history(of: $0).count }.sorted()
    let head = popularity.sorted(by: >).prefix(max(1, dataset.itemCount / 10)).reduce(0, +)
    name = dataset.name
    users = userCount
    items = dataset.itemCount
    train = dataset.train.count
    test = dataset.testCount
    usersWithNegatives = (dataset.negatives ?? []).filter { !$0.isEmpty }.count
    density = Double(train) / Double(max(1, userCount * items))
    historyLengths =
      lengths.isEmpty
      ? []
      : [lengths[0], lengths[lengths.count / 2], lengths[lengths.count * 9 / 10], lengths[lengths.count - 1]]
    unseenItems = popularity.filter { $0 == 0 }.count
    headShare = Double(head) / Double(max(1, train))
    hasWeights = !dataset.train.weights.isEmpty
    userColumns = Self.columns(dataset.userAttributes)
    itemColumns = Self.columns(dataset.catalogue.attributes)
    if let partition = try? dataset.partition(by: .column("partner")) {
      partners = zip(partition.names, partition.userIndices)
        .map { name, users in
          Partner(
            name: name, users: users.count,
            interactions: users.reduce(0) { $0 + dataset.train.history(of: $1).count })
        }
        .sorted { ($1.users, $0.name) < ($0.users, $1.name) }
    } else {
      partners = []
    }
    var problems: [String] = []
    if train == 0 { problems.append("there is nothing to train on") }
    if test == 0 { problems.append("there are no test items: quality cannot be measured") }
    if test > 0, usersWithNegatives == 0 {
      problems.append("no negatives are listed: only the ranking over all items can be measured")
    }
    if partners.count == 1 {
      problems.append(
        "the column 'partner' has one value only: divide the users by number or by another column")
    }
    let tiny = partners.filter { $0.users < 10 }
    if partners.count > 1, !tiny.isEmpty {
      problems.append(
        "partners with fewer than 10 users: \(tiny.map { "\($0.name) (\($0.users))" }.joined(separator: ", "))"
      )
    }
    if let shortest = lengths.first, shortest == 0 {
      problems.append("\(lengths.prefix { $0 == 0 }.count) users have no training items")
    }
    self.problems = problems
  }

  private static func columns(_ attributes: [String: [String]]) -> [Column] {
    attributes.sorted { $0.key < $1.key }.map { name, values in
      let blank = values.filter(\.isEmpty).count
      return Column(name: name, values: Set(values).count - (blank > 0 ? 1 : 0), blank: blank)
    }
  }
}
