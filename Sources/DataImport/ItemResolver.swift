internal import Recommender

/// Puts the items of the files that were read into the catalogue's order.
struct ItemResolver {
  let catalogue: Catalogue
  /// Item number of the files → catalogue index; -1 for items that are left out.
  let index: [Int32]

  /// - Parameters:
  ///   - items: the ids (or codes) of the files.
  ///   - firstLine: where an item number was first met, for messages.
  ///   - catalogue: the agreed catalogue; `nil` makes the files' items the catalogue, numbers in their order.
  /// - Throws: `DataImportError` for an item outside the catalogue, unless such items are to be ignored.
  init(
    items: IdentifierTable, catalogue: Catalogue?, options: ImportOptions, report: inout ImportReport,
    firstLine: (Int32) -> (file: String, line: Int)
  ) throws {
    guard catalogue != nil || options.itemCodes != nil else {
      let order = items.canonicalOrder()
      var index = [Int32](repeating: 0, count: items.count)
      for (position, number) in order.enumerated() { index[Int(number)] = Int32(position) }
      let ids = order.map { items[$0] }
      if !items.isASCII { try refuseLookalikes(ids, file: report.source, role: "item") }
      self.index = index
      self.catalogue = Catalogue(itemIDs: ids)
      return
    }
    let catalogue = catalogue ?? Self.catalogue(of: options.itemCodes)
    let known = catalogue.indexByID()
    var index: [Int32] = []
    index.reserveCapacity(items.count)
    var unknown: [String] = []
    for number in 0..<Int32(items.count) {
      let id = items[number]
      let item = options.itemCodes.map { $0.itemByCode[id] } ?? id
      if let item, let position = known[item] {
        index.append(position)
        continue
      }
      let isCode = options.itemCodes != nil && item == nil
      if options.unknownItems == .refuse {
        let place = firstLine(number)
        throw DataImportError(
          file: place.file, line: place.line,
          found: isCode ? "the item code \(shown(id))" : "the item \(shown(item ?? id))",
          expected: isCode
            ? "a code of \(options.itemCodes?.source ?? "the mapping")"
            : "one of the catalogue's \(catalogue.count) items",
          advice: "add it there, or have such rows left out with --unknown-items ignore")
      }
      index.append(-1)
      unknown.append(id)
    }
    if !unknown.isEmpty {
      report.notes.append(
        "\(unknown.count) of \(items.count) \(options.itemCodes == nil ? "items are not in the catalogue" : "item codes did not match"): "
          + unknown.prefix(5).map { shown($0) }.joined(separator: ", ") + (unknown.count > 5 ? ", …" : ""))
    }
    self.index = index
    self.catalogue = catalogue
  }

  /// Without a catalogue of its own, a mapping's public ids are the catalogue: numbers by value, otherwise sorted.
  private static func catalogue(of codes: ItemCodes?) -> Catalogue {
    var table = IdentifierTable()
    for item in Set((codes?.itemByCode ?? [:]).values).sorted() { _ = table.insert(item) }
    return Catalogue(itemIDs: table.canonicalOrder().map { table[$0] })
  }
}
