/// What is known of items besides their ids, by column; a field may hold several values, parted by `|`.
public struct ItemAttributes: Sendable {
  /// One column: which items have which values.
  struct Column: Sendable {
    /// The values of each item, as numbers; item `i` has `values[offsets[i]..<offsets[i + 1]]`.
    let offsets: [Int]
    let values: [Int32]
    /// The items of each value, ascending.
    let items: [[Int32]]
    let numbers: [String: Int32]

    init(_ fields: [String]) {
      var offsets = [0]
      var values: [Int32] = []
      var items: [[Int32]] = []
      var numbers: [String: Int32] = [:]
      for (item, field) in fields.enumerated() {
        let start = values.count
        for word in field.unicodeScalars.split(separator: "|") {
          let number = numbers[String(word), default: Int32(items.count)]
          if Int(number) == items.count {
            numbers[String(word)] = number
            items.append([])
          }
          guard !values[start...].contains(number) else { continue }
          values.append(number)
          items[Int(number)].append(Int32(item))
        }
        offsets.append(values.count)
      }
      (self.offsets, self.values, self.items, self.numbers) = (offsets, values, items, numbers)
    }

    func values(of item: Int) -> ArraySlice<Int32> { values[offsets[item]..<offsets[item + 1]] }

    /// The items that have this value; none for a value that nobody has.
    func items(with value: String) -> [Int32] { numbers[value].map { items[Int($0)] } ?? [] }
  }

  let columns: [String: Column]
  /// Columns that say what an item is like; titles do not.
  private let describing: [Column]

  public var names: [String] { columns.keys.sorted() }

  /// - Parameter attributes: column → one field per item; the empty field means unknown.
  public init(_ attributes: [String: [String]] = [:]) {
    columns = attributes.mapValues { Column($0) }
    let words: Set = ["title", "name", "description"]
    describing = columns.keys.sorted().filter { !words.contains($0) }.compactMap { [columns] in columns[$0] }
  }

  /// Whether there is a column by which items can be alike.
  var canCompare: Bool { !describing.isEmpty }

  /// Values that both items have over values that one of them has, over all columns but the titles; 0 where nothing is known.
  func overlap(_ item: Int, _ other: Int) -> Float {
    var (common, all) = (0, 0)
    for column in describing {
      let (left, right) = (column.values(of: item), column.values(of: other))
      let shared = left.count { right.contains($0) }
      common += shared
      all += left.count + right.count - shared
    }
    return all == 0 ? 0 : Float(common) / Float(all)
  }
}
