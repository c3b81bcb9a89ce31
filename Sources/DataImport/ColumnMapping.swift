public import Recommender

/// What a column of an interaction file means.
public enum ColumnRole: String, Sendable, CaseIterable {
  /// Who: any text, required.
  case user
  /// What: any text, required.
  case item
  /// When: seconds or milliseconds since 1970, or ISO 8601; sorts a user's history.
  case time
  /// Position in the user's history, any number; wins over `time`.
  case order
  /// Confidence of the interaction, a positive number; blank means 1.
  case weight
  /// What was done: browse, favourite, cart or buy.
  case event
  /// Which partner the user belongs to; the first value that is not blank counts.
  case partner
  /// The item's title, for explanations in words; the first value that is not blank counts.
  case title

  /// Column names, lower case, that are understood without being told.
  var aliases: [String] {
    switch self {
    case .user:
      [
        "user", "user_id", "userid", "customer", "customer_id", "customerid", "visitorid", "visitor_id",
        "uid", "reviewerid",
      ]
    case .item:
      [
        "item", "item_id", "itemid", "movieid", "movie_id", "product", "product_id", "productid", "sku",
        "stockcode",
        "stock_code", "article_id", "parent_asin", "asin", "iid", "business_id", "venue_id", "location_id",
      ]
    case .time: ["timestamp", "time", "ts", "datetime", "date", "event_time", "invoicedate", "t_dat", "unixreviewtime"]
    case .order: ["order"]
    case .weight: ["weight", "confidence"]
    case .event: ["event", "event_type", "eventtype", "action", "behavior", "behaviour"]
    case .partner: ["partner"]
    case .title: []
    }
  }
}

/// Which column of a file plays which role.
///
/// Columns that are not named are found by their usual names (`user`, `customer_id`, `movieId`, `timestamp`, ...).
public struct ColumnMapping: Sendable, Equatable {
  /// Role → column name as it stands in the header.
  public let columns: [ColumnRole: String]

  /// Everything by its usual name.
  public static let automatic = ColumnMapping([:])

  public init(_ columns: [ColumnRole: String]) { self.columns = columns }

  /// Whether the file has a line of names; without one columns are told by their places, #1 and so on.
  var hasNames: Bool { !columns.values.contains { $0.first == "#" && Int($0.dropFirst()) != nil } }

  /// Reads `user=customer,item=sku,time=ts,weight=qty`, or `user=#1,item=#3` for a file without a line of names.
  ///
  /// - Throws: `DataImportError` for an unknown or repeated role or a missing name.
  public init(parsing text: String) throws {
    var columns: [ColumnRole: String] = [:]
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let word = pair[0].trimmed
      guard pair.count == 2, !pair[1].trimmed.isEmpty else {
        throw DataImportError(
          file: "--columns", found: shown(String(part)), expected: "ROLE=COLUMN, such as user=customer",
          advice: "separate the pairs by commas")
      }
      guard let role = ColumnRole(rawValue: word) else {
        let known = ColumnRole.allCases.map(\.rawValue)
        throw DataImportError(
          file: "--columns", found: "the role \(shown(word))",
          expected: "one of \(known.joined(separator: ", "))",
          advice: nearest(to: word, among: known).map { "perhaps you mean '\($0)'" } ?? "choose one of them")
      }
      guard columns[role] == nil else {
        throw DataImportError(
          file: "--columns", found: "the role '\(word)' twice", expected: "each role once",
          advice: "remove one of them"
        )
      }
      columns[role] = pair[1].trimmed
    }
    self.columns = columns
  }
}

extension EventWeights {
  /// Reads `browse=1,favourite=3,cart=5,buy=10`; kinds that are not named keep their default.
  ///
  /// - Throws: `DataImportError` for an unknown kind or a weight that is no positive number.
  public init(parsing text: String) throws {
    var weights = EventWeights()
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard pair.count == 2, let kind = EventKind(parsing: pair[0].trimmed),
        let value = Float(pair[1].trimmed),
        value > 0, value.isFinite
      else {
        throw DataImportError(
          file: "--event-weights", found: shown(part),
          expected: "KIND=WEIGHT with one of browse, favourite, cart, buy and a number above 0",
          advice: "write for instance browse=1,buy=10")
      }
      switch kind {
      case .browse: weights.browse = value
      case .favourite: weights.favourite = value
      case .cart: weights.cart = value
      case .buy: weights.buy = value
      }
    }
    self = weights
  }
}

extension Substring {
  /// Without the spaces around it.
  var trimmed: String {
    var result = self
    while result.first == " " { result.removeFirst() }
    while result.last == " " { result.removeLast() }
    return String(result)
  }
}

/// The header of one file, resolved: role → position of its column.
struct Header {
  let file: String
  let names: [String]

  /// Reads the row that the reader stands at.
  ///
  /// - Parameter isNamed: whether the row holds names; otherwise columns are called #1, #2 and so on.
  /// - Throws: `DataImportError` when a name is blank or occurs twice.
  init(_ reader: RowReader, isNamed: Bool = true) throws {
    file = reader.path
    guard isNamed else {
      names = (1...max(1, reader.fieldCount)).map { "#\($0)" }
      return
    }
    names = (0..<reader.fieldCount).map { Substring(reader.text($0)).trimmed }
    var seen = Set<String>()
    for (position, name) in names.enumerated() {
      guard !name.isEmpty else {
        throw DataImportError(
          file: file, line: reader.line, found: "a header with no name for column \(position + 1)",
          expected: "a name for every column", advice: "name the columns in the first line")
      }
      guard seen.insert(name).inserted else {
        throw DataImportError(
          file: file, line: reader.line, found: "a header with the column \(shown(name)) twice",
          expected: "different names", advice: "rename or remove one of them")
      }
    }
  }

  /// The position of a role's column: the named one, otherwise the first with a usual name.
  ///
  /// - Throws: `DataImportError` when the named column is not there.
  func position(of role: ColumnRole, in mapping: ColumnMapping) throws -> Int? {
    if let wanted = mapping.columns[role] {
      if let exact = names.firstIndex(of: wanted) { return exact }
      throw missing("the column \(shown(wanted)) for the role '\(role.rawValue)'", wanted)
    }
    let taken = Set(mapping.columns.values)
    let lowercased = names.map { $0.lowercased() }
    for alias in role.aliases {
      if let position = lowercased.firstIndex(of: alias), !taken.contains(names[position]) { return position }
    }
    return nil
  }

  /// The position of a column that must be there.
  func required(_ role: ColumnRole, in mapping: ColumnMapping) throws -> Int {
    guard let position = try position(of: role, in: mapping) else {
      throw DataImportError(
        file: file, line: 1, found: "the columns \(names.map { shown($0) }.joined(separator: ", "))",
        expected: "a column for the role '\(role.rawValue)' (such as '\(role.aliases[0])')",
        advice:
          "say which column it is with --columns \(role.rawValue)=NAME, or \(role.rawValue)=#1 for the first of a file without such names"
      )
    }
    return position
  }

  private func missing(_ expected: String, _ wanted: String) -> DataImportError {
    DataImportError(
      file: file, line: 1, found: "the columns \(names.map { shown($0) }.joined(separator: ", "))",
      expected: expected,
      advice: nearest(to: wanted, among: names).map { "perhaps you mean '\($0)'" }
        ?? "choose one of the columns there are")
  }
}
