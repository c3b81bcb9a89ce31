extension ItemFeatures {
  /// Categories of the catalogue's attributes: one number for each value that at least two items have.
  ///
  /// A field may hold several values, divided by `|`. Columns of free text (`title`, `name`, `description`) are left out; ids and
  /// other values of single items drop out because nothing can be learnt of them for another item. The most frequent values are
  /// kept, ties in the order of their names; rows have length 1, or 0 without any value.
  ///
  /// - Parameters:
  ///   - maximum: the most values that are kept.
  ///   - known: only the first so many items decide which values are kept, so that their rows are the same with and without those behind
  ///     them; all items when `nil`.
  /// - Throws: `DatasetError` when no value is shared by two items.
  public static func attributes(
    of catalogue: Catalogue, maximum: Int = 512, known: Int? = nil
  ) throws -> ItemFeatures {
    var counts: [Category: Int] = [:]
    let known = known ?? catalogue.count
    forEachCategory(of: catalogue) { item, category in if item < known { counts[category, default: 0] += 1 } }
    let kept = counts.filter { $0.value >= 2 && $0.value < known }
      .sorted { ($1.value, $0.key.column, $0.key.value) < ($0.value, $1.key.column, $1.key.value) }.prefix(maximum)
    guard !kept.isEmpty else {
      let columns = catalogue.attributes.keys.sorted()
      throw DatasetError(
        columns.isEmpty
          ? "the list of items has no further columns, so that there are no attributes to learn from; add some, such as a category"
          : "no value of the columns \(columns.joined(separator: ", ")) is shared by two items; add a column such as a category, or use text"
      )
    }
    let column = Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1.key, $0) })
    var values = [Float](repeating: 0, count: catalogue.count * kept.count)
    forEachCategory(of: catalogue) { item, category in
      if let position = column[category] { values[item * kept.count + position] = 1 }
    }
    return try ItemFeatures(itemCount: catalogue.count, dimension: kept.count, values: values).normalised()
  }

  /// Words for people, of which no two items share one: no categories.
  private static let textColumns = ["title", "name", "description"]

  struct Category: Hashable {
    let column: String
    let value: String
  }

  /// Calls `body` with every item's distinct values, columns and items in order.
  static func forEachCategory(of catalogue: Catalogue, _ body: (Int, Category) -> Void) {
    for (column, fields) in catalogue.attributes.sorted(by: { $0.key < $1.key }) where !textColumns.contains(column) {
      for (item, field) in fields.enumerated() {
        var seen: Set<String> = []
        for part in field.split(separator: "|") where seen.insert(String(part)).inserted {
          body(item, Category(column: column, value: String(part)))
        }
      }
    }
  }

  /// Hashed character n-grams of the items' titles, names and descriptions (Weinberger et al., ICML 2009: the hash's lowest bit is
  /// the sign, so that collisions cancel in the mean).
  ///
  /// Words are lower-cased runs of letters and digits with a mark at both ends; their n-grams of 3, 4 and 5 characters count once
  /// for each occurrence, by the square root. Rows have length 1, or 0 for items without text.
  ///
  /// - Throws: `DatasetError` when the catalogue has no such column.
  public static func text(of catalogue: Catalogue, dimension: Int = 256) throws -> ItemFeatures {
    let columns = textColumns.compactMap { catalogue.attributes[$0] }
    guard !columns.isEmpty else {
      throw DatasetError(
        "the list of items has no column \(textColumns.joined(separator: ", ")), so that there is no text to learn from; add one")
    }
    guard (1...dimensionMax).contains(dimension) else {
      throw DatasetError("text is hashed to \(dimension) numbers; expected 1 to \(dimensionMax)")
    }
    var values = [Float](repeating: 0, count: catalogue.count * dimension)
    for item in 0..<catalogue.count {
      var counts: [UInt64: Int] = [:]
      for column in columns { for gram in grams(of: column[item]) { counts[stableHash(gram), default: 0] += 1 } }
      // Sums of floating-point numbers depend on the sequence of their parts, and a dictionary's is another one each time.
      for (hash, count) in counts.sorted(by: { $0.key < $1.key }) {
        let sign: Float = hash & 1 == 0 ? 1 : -1
        values[item * dimension + Int((hash >> 1) % UInt64(dimension))] += sign * Float(count).squareRoot()
      }
    }
    return try ItemFeatures(itemCount: catalogue.count, dimension: dimension, values: values).normalised()
  }

  /// The n-grams of a text, with repetitions.
  static func grams(of text: String, lengths: ClosedRange<Int> = 3...5) -> [String] {
    var grams: [String] = []
    for word in text.lowercased().split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
      let marked = ["^"] + word.map(String.init) + ["$"]
      for length in lengths where length <= marked.count {
        for start in 0...marked.count - length { grams.append(marked[start..<start + length].joined()) }
      }
    }
    return grams
  }
}
