public import Recommender

/// What was read, what was dropped and why.
public struct ImportReport: Sendable, Equatable, Codable {
  /// Rows or users that were left out for one reason.
  public struct Dropped: Sendable, Equatable, Codable {
    public let reason: String
    public var count: Int
    /// Where it first happened, for instance `train.tsv.gz, line 17`.
    public let firstExample: String
  }

  /// The path that was read.
  public let source: String
  /// How it was understood, for instance `folder`, `MovieLens u.data`, `table`.
  public var format = ""
  /// Interaction rows read, header lines not counted.
  public var rowsRead = 0
  /// Distinct (user, item) pairs that made it into the data set, training and test.
  public var pairsKept = 0
  /// In the order in which they were first met.
  public private(set) var dropped: [Dropped] = []
  /// What else a reader of the figures should know: columns that were not used, values that were unknown.
  public var notes: [String] = []

  public init(source: String) { self.source = source }

  /// How many were left out for a reason.
  public func droppedCount(_ reason: String) -> Int { dropped.first { $0.reason == reason }?.count ?? 0 }

  mutating func drop(_ reason: String, count: Int = 1, example: @autoclosure () -> String) {
    guard count > 0 else { return }
    if let index = dropped.firstIndex(where: { $0.reason == reason }) {
      dropped[index].count += count
    } else {
      dropped.append(Dropped(reason: reason, count: count, firstExample: example()))
    }
  }
}

/// A data set and how it came about.
public struct ImportedDataset: Sendable {
  public let dataset: Dataset
  public let report: ImportReport
}

/// How to read interaction files.
public struct ImportOptions: Sendable {
  /// What to do with something that does not fit.
  public enum Policy: String, Sendable, CaseIterable {
    /// Stop with a sentence.
    case refuse
    /// Leave it out and count it in the report.
    case ignore
  }

  public var columns = ColumnMapping.automatic
  /// Confidence per kind of event, for files with an event column.
  public var eventWeights = EventWeights()
  /// Rows with a value that cannot be read.
  public var badRows = Policy.refuse
  /// Items outside the catalogue, and partners' codes that the mapping does not know.
  public var unknownItems = Policy.refuse
  /// The public catalogue; without one the items of the file are the catalogue.
  public var catalogue: Catalogue?
  /// Own item codes → public item ids.
  public var itemCodes: ItemCodes?
  /// Users with fewer distinct items are left out; 1 keeps all. For single files only.
  public var itemsPerUserMin = 1
  /// Users with more distinct items are taken for robots and left out; `nil` keeps all. For single files only.
  public var itemsPerUserMax: Int?
  /// Whether the last interaction of each user with at least three becomes its test item. For single files only.
  public var holdsOutLast = true
  /// Negatives listed per test item. For single files only.
  public var negativeCount = 99
  /// Drives the choice of negatives.
  public var seed: UInt64 = 20_261_121

  public init() {}
}
