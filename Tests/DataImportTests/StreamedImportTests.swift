import DataImport
import Foundation
import Recommender
import Testing

/// Reading in pieces, numbering many rows at once and grouping bucket by bucket give what a reader of a few lines gives.
@Suite struct StreamedImportTests {
  /// One row of a log as it was made up, before anybody wrote or read it.
  struct Row {
    let user: String
    let item: String
    let kind: EventKind?
    let quarters: Int?
    /// Milliseconds; `nil` for a blank time.
    let time: Int?
    let partner: String
  }

  /// What the rows mean, by dictionaries and sorting alone.
  struct Simple {
    var userIDs: [String] = []
    var itemIDs: [String] = []
    var histories: [String: [String]] = [:]
    var weights: [String: [Float]] = [:]
    var partners: [String: String] = [:]
    var repeated = 0

    init(_ rows: [Row]) {
      var byUser: [String: [(place: Int, row: Row)]] = [:]
      for (place, row) in rows.enumerated() {
        if byUser[row.user] == nil { userIDs.append(row.user) }
        byUser[row.user, default: []].append((place, row))
        if partners[row.user, default: ""].isEmpty { partners[row.user] = row.partner }
      }
      itemIDs = Self.distinct(rows.map(\.item))
      for order in [\Simple.userIDs, \Simple.itemIDs]
      where self[keyPath: order].allSatisfy({ Int($0).map(String.init) == $0 }) {
        self[keyPath: order].sort { (Int($0) ?? 0) < (Int($1) ?? 0) }
      }
      let isEventLog = rows.contains { $0.kind != nil }
      for (user, own) in byUser {
        let sorted = own.sorted { ($0.row.time ?? Int.min, $0.place) < ($1.row.time ?? Int.min, $1.place) }.map(\.row)
        // Of an event log the last row of a pair says where it stands, otherwise the first.
        let items = Self.distinct(isEventLog ? sorted.reversed().map(\.item) : sorted.map(\.item))
        let ordered = isEventLog ? Array(items.reversed()) : items
        histories[user] = ordered
        repeated += sorted.count - ordered.count
        weights[user] = ordered.map { item in
          let rows = sorted.filter { $0.item == item }
          let values = rows.map { row in
            (row.kind.map { EventWeights()[$0] } ?? 1) * (row.quarters.map { Float($0) / 4 } ?? 1)
          }
          return isEventLog ? values.reduce(0, +) : values[0]
        }
      }
    }

    static func distinct(_ texts: [String]) -> [String] {
      var seen = Set<String>()
      return texts.filter { seen.insert($0).inserted }
    }
  }

  /// Ids around every boundary of the table: numbers, leading zeros, eleven bytes and twelve, long ids with one beginning, not ASCII.
  private static func id(_ style: Int, _ number: Int) -> String {
    switch style {
    case 0: "\(number)"
    case 1: "\(number * 104_729)"
    case 2: "0\(number)"
    case 3: "sku-\(10_000 + number)"
    case 4: "article-\(100 + number)"
    case 5: "article-\(1_000 + number)"
    case 6: "a-very-long-name-that-differs-late-\(number)"
    case 7: "größe \(number)"
    case 8: String(repeating: "x", count: number % 13 + 1) + "\(number % 7)"
    default: id(number % 9, number)
    }
  }

  private static func rows(_ generator: inout SplitMix64, _ count: Int) -> [Row] {
    let (userStyle, itemStyle) = (generator.uniform(below: 10), generator.uniform(below: 10))
    let users = 1 + generator.uniform(below: max(1, count))
    let items = 2 + generator.uniform(below: 400)
    let hasKinds = generator.uniform(below: 2) == 0
    let hasWeights = generator.uniform(below: 3) == 0
    // Few distinct times, so that many rows tie.
    let times = 1 + generator.uniform(below: 2 * count)
    let isSorted = generator.uniform(below: 2) == 0
    return (0..<count).map { place in
      // A third of the rows belongs to one user: its bucket holds several chunks.
      let user = generator.uniform(below: 3) == 0 ? 0 : generator.uniform(below: users)
      return Row(
        user: id(userStyle, user), item: id(itemStyle, generator.uniform(below: items)),
        kind: hasKinds ? EventKind.allCases[generator.uniform(below: 4)] : nil,
        quarters: hasWeights && generator.uniform(below: 4) > 0 ? 1 + generator.uniform(below: 12) : nil,
        time: isSorted ? place : generator.uniform(below: 20) == 0 ? nil : generator.uniform(below: times),
        partner: ["", "north", "a partner with a long name", "süd"][generator.uniform(below: 4)])
    }
  }

  private static func text(_ rows: [Row], quoted: Bool, separator: String, lineEnd: String) -> String {
    let field = { (text: String) in quoted ? "\"\(text)\"" : text }
    let kinds = rows.contains { $0.kind != nil }
    let weights = rows.contains { $0.quarters != nil }
    let names = ["user", "item", "timestamp", "partner"] + (kinds ? ["event"] : []) + (weights ? ["weight"] : [])
    var lines = [names.joined(separator: separator)]
    for row in rows {
      var fields = [field(row.user), field(row.item), row.time.map { "\(1_600_000_000_000 + $0)" } ?? "", row.partner]
      if kinds { fields.append(row.kind?.rawValue ?? "") }
      if weights { fields.append(row.quarters.map { "\(Double($0) / 4)" } ?? "") }
      lines.append(fields.joined(separator: separator))
    }
    return lines.joined(separator: lineEnd) + lineEnd
  }

  @Test(arguments: 0..<40) func aLogMeansWhatTheSimpleReaderSays(_ seed: UInt64) throws {
    var generator = SplitMix64(seed: seed)
    let rows = Self.rows(&generator, [3, 40, 511, 513, 3_000, 9_000][generator.uniform(below: 6)])
    let expected = Simple(rows)
    let text = Self.text(
      rows, quoted: generator.uniform(below: 3) == 0, separator: [",", ";", "\t"][generator.uniform(below: 3)],
      lineEnd: ["\n", "\r\n"][generator.uniform(below: 2)])
    let scratch = try Scratch()
    var options = ImportOptions()
    options.holdsOutLast = false
    for name in ["log.csv", "log.csv.gz"] {
      let imported = try DatasetImporter.load(path: scratch.file(name, text), options: options)
      let data = imported.dataset
      #expect(data.userIDs == expected.userIDs, "seed \(seed)")
      #expect(data.catalogue.itemIDs == expected.itemIDs, "seed \(seed)")
      #expect(imported.report.rowsRead == rows.count && imported.report.pairsKept == rows.count - expected.repeated)
      #expect(data.userAttributes["partner"] == expected.userIDs.map { expected.partners[$0] ?? "" }, "seed \(seed)")
      for (user, id) in data.userIDs.enumerated() {
        #expect(
          data.train.history(of: user).map { data.catalogue.itemIDs[Int($0)] } == expected.histories[id],
          "seed \(seed), user \(id)")
        let own = data.train.weights(of: user)
        let weights = own.isEmpty ? [Float](repeating: 1, count: data.train.history(of: user).count) : Array(own)
        #expect(weights == expected.weights[id], "seed \(seed), user \(id)")
      }
    }
  }

  @Test func aSplitOfAStreamedLogHoldsOutTheLastOfThree() throws {
    var generator = SplitMix64(seed: 5)
    let rows = Self.rows(&generator, 3_000)
    let expected = Simple(rows)
    let text = Self.text(rows, quoted: false, separator: ",", lineEnd: "\n")
    let scratch = try Scratch()
    let data = try DatasetImporter.load(path: scratch.file("log.csv", text)).dataset
    for (user, id) in data.userIDs.enumerated() {
      let all = expected.histories[id] ?? []
      let held = all.count >= 3 ? [all[all.count - 1]] : []
      #expect(data.test[user].map { data.catalogue.itemIDs[Int($0)] } == held)
      #expect(data.train.history(of: user).map { data.catalogue.itemIDs[Int($0)] } == all.dropLast(held.count))
    }
  }

  @Test func rowsOfAnItemOutsideTheCatalogueAreLeftOutAndCounted() throws {
    var generator = SplitMix64(seed: 8)
    let rows = Self.rows(&generator, 3_000)
    let known = Set(Simple(rows).itemIDs.enumerated().filter { $0.offset % 3 > 0 }.map(\.element))
    let scratch = try Scratch()
    var options = ImportOptions()
    options.holdsOutLast = false
    options.unknownItems = .ignore
    options.catalogue = Catalogue(itemIDs: known.sorted())
    let path = try scratch.file("log.csv", Self.text(rows, quoted: false, separator: ",", lineEnd: "\n"))
    let imported = try DatasetImporter.load(path: path, options: options)
    let expected = Simple(rows.filter { known.contains($0.item) })
    #expect(
      imported.report.droppedCount("rows with an item outside the catalogue") == rows.count { !known.contains($0.item) })
    for (user, id) in imported.dataset.userIDs.enumerated() {
      #expect(
        imported.dataset.train.history(of: user).map { imported.dataset.catalogue.itemIDs[Int($0)] }
          == expected.histories[id] ?? [])
    }
  }

  @Test func aTextThatIsNotUTF8IsRefusedWhereverItStands() throws {
    let scratch = try Scratch()
    for before in 0..<24 {
      var bytes = Array("user,item\nu,\(String(repeating: "i", count: before))".utf8)
      bytes += [0xC3, 0x28]
      bytes += Array("\nu,j\n".utf8)
      let path = try scratch.file("log.csv", bytes)
      expectError("not UTF-8", line: 2) { _ = try DatasetImporter.load(path: path) }
    }
  }
}
