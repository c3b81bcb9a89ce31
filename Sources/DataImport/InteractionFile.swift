internal import Recommender

/// The rows of one interaction file, ids not yet put in order.
struct InteractionFile {
  let table = InteractionTable()
  /// Item number → line of its first row.
  private(set) var itemFirstLine: [Int] = []
  /// User number → value of the partner column, where there is one.
  private(set) var partners = FirstValues()
  /// Item number → title, where there is such a column.
  private(set) var titles = FirstValues()
  /// Whether rows are events to be added up.
  private(set) var hasEvents = false
  /// Whether a time or order column sorts the histories.
  private(set) var isOrdered = false
  /// How the file was understood.
  private(set) var format = "table"

  /// Reads a whole file.
  ///
  /// - Parameters:
  ///   - users: numbers for user ids; new ids are added.
  ///   - items: numbers for item ids (or a partner's own codes); new ids are added.
  /// - Throws: `DataImportError` with the first thing that does not fit.
  init(
    path: String, options: ImportOptions, users: inout IdentifierTable, items: inout IdentifierTable,
    report: inout ImportReport
  ) throws {
    let reader = try RowReader(path: path)
    guard try reader.next() else {
      throw DataImportError(
        file: path, found: "nothing but empty lines", expected: "a header line and at least one row",
        advice: "check that the file was written completely")
    }
    var columns: InteractionColumns
    let rowsBefore = report.rowsRead
    var hasRow = true
    if options.columns == .automatic, InteractionColumns.looksLikeMovieLens(reader) {
      columns = InteractionColumns(movieLens: reader)
      format = reader.separator == .doubleColon ? "MovieLens ratings.dat" : "MovieLens u.data"
    } else {
      let hasNames = options.columns.hasNames
      if hasNames { try Self.refuseDataAsHeader(reader) }
      let header = try Header(reader, isNamed: hasNames)
      columns = try InteractionColumns(header, mapping: options.columns)
      if header.names == ["userId", "movieId", "rating", "timestamp"] { format = "MovieLens ratings.csv" }
      if !columns.unused.isEmpty {
        report.notes.append(
          "\(path): columns that are not used: \(columns.unused.joined(separator: ", "))")
      }
      if hasNames { hasRow = try reader.next() }
    }
    hasEvents = columns.event != nil
    isOrdered = columns.order != nil || columns.time != nil
    var pending = PendingRows()
    while hasRow {
      report.rowsRead += 1
      do {
        try read(reader, &columns, options, &pending)
      } catch let error as DataImportError where options.badRows == .ignore {
        report.drop(
          "rows with a value that cannot be read: expected \(error.expected)",
          example: "\(error.file), line \(error.line ?? 0)")
      }
      if pending.isFull { keep(&pending, columns, &users, &items) }
      hasRow = try reader.next()
    }
    keep(&pending, columns, &users, &items)
    if report.rowsRead == rowsBefore {
      throw DataImportError(
        file: path, found: "a header line and no rows", expected: "at least one interaction",
        advice: "check that the file was written completely")
    }
    if !partners.conflicting.isEmpty {
      report.notes.append(
        "\(path): \(partners.conflicting.count) users have rows of several partners; all rows of a user count for the first one")
    }
    if columns.blankKeys > 0 {
      report.notes.append(
        "\(path): \(columns.blankKeys) rows without a \(columns.order == nil ? "time" : "place in the order") stand "
          + "before the user's other rows")
    }
  }

  private mutating func read(
    _ reader: RowReader, _ columns: inout InteractionColumns, _ options: ImportOptions, _ pending: inout PendingRows
  ) throws {
    guard reader.fieldCount == columns.count else {
      throw DataImportError(
        file: reader.path, line: reader.line, found: "\(reader.fieldCount) fields",
        expected: "\(columns.count) fields as in the first line",
        advice: "check the row for a missing or surplus \(reader.separator.name)")
    }
    let userBytes = try checkedID(reader, columns.user, "user")
    let itemBytes = try checkedID(reader, columns.item, "item")
    let key = try columns.key(reader)
    let weight = try columns.weight(reader, options.eventWeights)
    try columns.checkRating(reader)
    pending.append(
      user: userBytes, item: itemBytes, weight: weight, key: key, line: reader.line,
      partner: columns.partner.map { partners.place(of: reader.field($0)) } ?? 0,
      title: columns.title.map { titles.place(of: reader.field($0)) } ?? 0)
  }

  private mutating func keep(
    _ pending: inout PendingRows, _ columns: InteractionColumns, _ users: inout IdentifierTable,
    _ items: inout IdentifierTable
  ) {
    pending.number(&users, &items)
    for row in pending.rows {
      while itemFirstLine.count <= Int(row.item) { itemFirstLine.append(row.line) }
      if columns.partner != nil { partners.keep(row.partner, for: row.user) }
      if columns.title != nil { titles.keep(row.title, for: row.item) }
      table.append(user: row.user, item: row.item, weight: row.weight, key: row.key)
    }
    pending.removeAll()
  }

  /// A first line of numbers, times and kinds of events is no line of names.
  private static func refuseDataAsHeader(_ reader: RowReader) throws {
    var hasNumber = false
    for column in 0..<reader.fieldCount {
      let field = FieldValues.trimmed(reader.field(column))
      if FieldValues.number(field) != nil {
        hasNumber = true
      } else if FieldValues.isoTime(field) == nil, EventKind(parsing: String(decoding: field, as: UTF8.self)) == nil {
        return
      }
    }
    guard !hasNumber else {
      throw DataImportError(
        file: reader.path, line: reader.line, found: "numbers in the first line",
        expected: "a header line with column names such as user, item, timestamp",
        advice: "add such a line at the top, or tell the columns by their places: --columns user=#1,item=#2,time=#3")
    }
  }
}

/// Which column is what in one interaction file, and how its values are checked.
struct InteractionColumns {
  /// Number of columns.
  let count: Int
  let user: Int
  let item: Int
  let time: Int?
  let order: Int?
  let weight: Int?
  let event: Int?
  let partner: Int?
  let title: Int?
  /// A column that is only checked: its values must be numbers or blank.
  let rating: Int?
  let unused: [String]
  /// Rows whose sorting key is blank.
  private(set) var blankKeys = 0
  private var timeUnit: TimeUnit?
  private var eventWords = WordWeights()

  private enum TimeUnit: String {
    case seconds
    case milliseconds

    /// 2100-01-01 in this unit.
    var limit: Double { self == .seconds ? 4_102_444_800 : 4_102_444_800_000 }
  }

  init(_ header: Header, mapping: ColumnMapping) throws {
    count = header.names.count
    user = try header.required(.user, in: mapping)
    item = try header.required(.item, in: mapping)
    time = try header.position(of: .time, in: mapping)
    order = try header.position(of: .order, in: mapping)
    weight = try header.position(of: .weight, in: mapping)
    event = try header.position(of: .event, in: mapping)
    partner = try header.position(of: .partner, in: mapping)
    title = try header.position(of: .title, in: mapping)
    let taken = [user, item] + [time, order, weight, event, partner, title].compactMap { $0 }
    let rating = header.names.firstIndex { $0.lowercased() == "rating" }
    self.rating = rating.flatMap { taken.contains($0) ? nil : $0 }
    unused = header.names.indices.filter { !taken.contains($0) }.map { header.names[$0] }
  }

  /// The four columns of `u.data` and `ratings.dat`: user, item, rating, seconds since 1970; no header.
  init(movieLens reader: RowReader) {
    (count, user, item, rating, time) = (4, 0, 1, 2, 3)
    (order, weight, event, partner, title) = (nil, nil, nil, nil, nil)
    unused = []
  }

  static func looksLikeMovieLens(_ reader: RowReader) -> Bool {
    guard reader.fieldCount == 4,
      reader.separator == .doubleColon || reader.separator == .byte(UInt8(ascii: "\t"))
    else { return false }
    return FieldValues.denseID(reader.field(0)) != nil && FieldValues.denseID(reader.field(1)) != nil
      && FieldValues.number(reader.field(2)) != nil && FieldValues.denseID(reader.field(3)) != nil
  }

  /// What the row is sorted by within its user; -infinity where unknown.
  mutating func key(_ reader: RowReader) throws -> Double {
    let time = try time.map { try checkedTime(reader, $0) } ?? -.infinity
    guard let order else {
      if self.time != nil, time == -.infinity { blankKeys += 1 }
      return time
    }
    let bytes = FieldValues.trimmed(reader.field(order))
    if bytes.isEmpty {
      blankKeys += 1
      return -.infinity
    }
    guard let value = FieldValues.number(bytes) else {
      throw notANumber(reader, bytes, "a number for the order", "blank if it is unknown")
    }
    return value
  }

  /// The confidence of the row: the event's weight times the weight column, 1 where there are neither.
  mutating func weight(_ reader: RowReader, _ eventWeights: EventWeights) throws -> Float {
    var result: Float = 1
    if let event {
      let bytes = FieldValues.trimmed(reader.field(event))
      guard let known = eventWords.weight(of: bytes, eventWeights) else {
        throw DataImportError(
          file: reader.path, line: reader.line, found: "the event \(shown(bytes))",
          expected: "browse, favourite, cart or buy", advice: "rename the event or remove the row")
      }
      result = known
    }
    guard let weight else { return result }
    let bytes = FieldValues.trimmed(reader.field(weight))
    if bytes.isEmpty { return result }
    guard let value = FieldValues.number(bytes) else {
      throw notANumber(reader, bytes, "a number for the weight", "blank if it is unknown")
    }
    guard value > 0, Float(value).isFinite, Float(value) > 0 else {
      throw DataImportError(
        file: reader.path, line: reader.line, found: "the weight \(shown(bytes))",
        expected: "a number above 0",
        advice: "remove the row: a return or a dislike is no interaction")
    }
    return result * Float(value)
  }

  func checkRating(_ reader: RowReader) throws {
    guard let rating else { return }
    let bytes = FieldValues.trimmed(reader.field(rating))
    if bytes.isEmpty || FieldValues.number(bytes) != nil { return }
    throw notANumber(reader, bytes, "a number for the rating", "blank if it is unknown")
  }

  /// Milliseconds since 1970, from seconds, milliseconds (told apart by the file's first time) or ISO 8601.
  private mutating func checkedTime(_ reader: RowReader, _ column: Int) throws -> Double {
    let bytes = FieldValues.trimmed(reader.field(column))
    if bytes.isEmpty { return -.infinity }
    if bytes.count >= 10, bytes[4] == UInt8(ascii: "-"), let seconds = FieldValues.isoTime(bytes) {
      guard seconds >= 0, seconds <= TimeUnit.seconds.limit else {
        throw absurdTime(reader, bytes, "ISO 8601")
      }
      return seconds * 1_000
    }
    guard let value = FieldValues.number(bytes) else {
      throw notANumber(
        reader, bytes, "a time in seconds or milliseconds since 1970, or like 2011-12-09T12:50:00",
        "blank if it is unknown")
    }
    if timeUnit == nil { timeUnit = value <= TimeUnit.seconds.limit ? .seconds : .milliseconds }
    let unit = timeUnit ?? .seconds
    guard value >= 0, value <= unit.limit else { throw absurdTime(reader, bytes, unit.rawValue) }
    return unit == .seconds ? value * 1_000 : value
  }

  private func absurdTime(
    _ reader: RowReader, _ bytes: UnsafeBufferPointer<UInt8>, _ unit: String
  ) -> DataImportError {
    DataImportError(
      file: reader.path, line: reader.line, found: "the time \(shown(bytes)) (read as \(unit))",
      expected: "a time between 1970 and 2100", advice: "correct it, or leave it blank if it is unknown")
  }

  private func notANumber(
    _ reader: RowReader, _ bytes: UnsafeBufferPointer<UInt8>, _ expected: String, _ otherwise: String
  ) -> DataImportError {
    DataImportError(
      file: reader.path, line: reader.line, found: shown(bytes), expected: expected,
      advice: "correct it, or leave it \(otherwise)")
  }
}
