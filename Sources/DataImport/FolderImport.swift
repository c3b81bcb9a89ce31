internal import Recommender

/// A folder in our layout: training and test pairs apart, with attributes and listed negatives where present.
struct FolderImport {
  let result: ImportedDataset

  init(_ folder: DatasetFolder, options: ImportOptions) throws {
    var report = ImportReport(source: folder.path)
    report.format = "folder"
    var users = IdentifierTable()
    var items = IdentifierTable()
    let userFile = try folder.path(of: .users).map { try AttributeFile(path: $0, role: .user, table: &users) }
    let itemFile = try folder.path(of: .items).map { try AttributeFile(path: $0, role: .item, table: &items) }
    let listedItems = items.count

    guard let trainPath = folder.path(of: .train) else {
      preconditionFailure("the caller has looked for train")
    }
    let train = try InteractionFile(
      path: trainPath, options: options, users: &users, items: &items, report: &report)
    let trainItems = items.count
    let testPath = folder.path(of: .test)
    let test = try testPath.map {
      try InteractionFile(path: $0, options: options, users: &users, items: &items, report: &report)
    }
    let testItems = items.count
    var negatives = try folder.path(of: .negatives).map {
      try NegativesFile(path: $0, users: users, items: &items)
    }

    // Items: the folder's list is the catalogue, unless the caller knows a better one.
    let resolver = try ItemResolver(
      items: items,
      catalogue: options.catalogue ?? itemFile.map { Catalogue(itemIDs: $0.ids, attributes: $0.columns) },
      options: options, report: &report
    ) { number in
      if number < listedItems { return (folder.path(of: .items) ?? folder.path, Int(number) + 2) }
      if number < trainItems { return (trainPath, train.itemFirstLine[Int(number)]) }
      if number < testItems, let test, let testPath { return (testPath, test.itemFirstLine[Int(number)]) }
      return (folder.path(of: .negatives) ?? folder.path, negatives?.firstLine[number] ?? 1)
    }
    let catalogue = resolver.catalogue

    // Users: the folder's list first, in its order; otherwise numbers by value and texts as they came.
    let userOrder = userFile == nil ? users.canonicalOrder() : Array(0..<Int32(users.count))
    var userIndex = [Int32](repeating: 0, count: users.count)
    for (position, number) in userOrder.enumerated() { userIndex[Int(number)] = Int32(position) }
    let userIDs = userOrder.map { users[$0] }
    if !users.isASCII { try refuseLookalikes(userIDs, file: folder.path, role: "user") }
    var attributes = userFile?.columns ?? [:]
    if let userFile, userFile.ids.count < userIDs.count {
      let surplus = userIDs.count - userFile.ids.count
      report.notes.append("\(surplus) users are not in the users file: their columns are unknown")
      attributes = attributes.mapValues { $0 + [String](repeating: "", count: surplus) }
    }
    if attributes["partner"] == nil, !train.partners.isEmpty {
      attributes["partner"] = train.partners.values(of: userOrder)
    }

    if !train.isOrdered {
      report.notes.append("\(trainPath): there is no time or order column, so that the order of a user's rows says nothing")
    }
    let trainGroups = Self.group(train, trainPath, userIDs.count, userIndex, resolver, &report)
    let interactions = Interactions(
      itemCount: catalogue.count, offsets: trainGroups.offsets, items: trainGroups.items, weights: trainGroups.weights)
    var held = [[Int32]](repeating: [], count: userIDs.count)
    if let test, let testPath {
      let groups = Self.group(test, testPath, userIDs.count, userIndex, resolver, &report)
      held = userIDs.indices.map { Array(groups.history(of: $0)) }
      for user in held.indices where !held[user].isEmpty {
        let known = Set(interactions.history(of: user))
        let fresh = held[user].filter { !known.contains($0) }
        report.drop(
          "test pairs that are also in training", count: held[user].count - fresh.count,
          example: "user \(shown(userIDs[user]))")
        held[user] = fresh
      }
    } else {
      report.notes.append("there is no test file: nothing can be evaluated on this folder")
    }
    let listed = try negatives?.resolve(
      userIndex: userIndex, itemIndex: resolver.index, userIDs: userIDs, test: &held, report: &report)
    negatives = nil
    report.pairsKept = interactions.count + held.reduce(0) { $0 + $1.count }
    result = ImportedDataset(
      dataset: Dataset(
        name: DatasetImporter.name(of: folder.path), catalogue: catalogue, userIDs: userIDs,
        train: interactions,
        test: held, negatives: listed, userAttributes: attributes, isOrdered: train.isOrdered), report: report)
  }

  /// Groups a file by user, counts what is left out, and gives the rows' memory back.
  static func group(
    _ file: InteractionFile, _ path: String, _ userCount: Int, _ userIndex: [Int32], _ resolver: ItemResolver,
    _ report: inout ImportReport
  ) -> GroupedInteractions {
    let groups = file.table.drain(
      userCount: userCount, itemCount: resolver.catalogue.count, userIndex: userIndex,
      itemIndex: resolver.index,
      repeats: file.hasEvents ? .aggregate : .keepFirst)
    report.drop("rows with an item outside the catalogue", count: groups.outside, example: path)
    if file.hasEvents {
      if groups.repeated > 0 {
        report.notes.append(
          "\(path): \(groups.repeated) events were added to the pair of an earlier or later one")
      }
    } else {
      report.drop(
        "rows that repeat a pair of user and item (the oldest is kept)", count: groups.repeated, example: path
      )
    }
    return groups
  }
}

/// The listed candidates of each test item: columns user, item (the test item), then one negative per column.
struct NegativesFile {
  private var rows: [(line: Int, user: Int32, positive: Int32, items: [Int32])] = []
  /// Item numbers that occur in this file first → their line.
  private(set) var firstLine: [Int32: Int] = [:]
  private let path: String

  init(path: String, users: IdentifierTable, items: inout IdentifierTable) throws {
    self.path = path
    let reader = try RowReader(path: path)
    guard try reader.next() else {
      throw DataImportError(
        file: path, found: "nothing but empty lines", expected: "a header line and one row per test item",
        advice: "remove the file or write it again")
    }
    let header = try Header(reader)
    let user = try header.required(.user, in: .automatic)
    let positive = try header.required(.item, in: .automatic)
    let others = header.names.indices.filter { $0 != user && $0 != positive }
    guard !others.isEmpty else {
      throw DataImportError(
        file: path, line: 1, found: "no columns beside user and item",
        expected: "columns n1, n2, ... with the negatives",
        advice: "remove the file or write it again")
    }
    while try reader.next() {
      guard reader.fieldCount == header.names.count else {
        throw DataImportError(
          file: path, line: reader.line, found: "\(reader.fieldCount) fields",
          expected: "\(header.names.count) fields as in the first line",
          advice: "leave fields blank where a user has fewer negatives")
      }
      let userBytes = try checkedID(reader, user, "user")
      guard let userNumber = users.find(userBytes) else {
        throw DataImportError(
          file: path, line: reader.line, found: "the user \(shown(userBytes))",
          expected: "a user of the training or test file", advice: "remove the row")
      }
      var list: [Int32] = []
      list.reserveCapacity(others.count)
      for column in others where !FieldValues.trimmed(reader.field(column)).isEmpty {
        list.append(number(try checkedID(reader, column, "item"), reader.line, &items))
      }
      let own = number(try checkedID(reader, positive, "item"), reader.line, &items)
      rows.append((reader.line, userNumber, own, list))
    }
  }

  private mutating func number(
    _ bytes: UnsafeBufferPointer<UInt8>, _ line: Int, _ items: inout IdentifierTable
  ) -> Int32 {
    let before = items.count
    let number = items.insert(bytes)
    if items.count > before { firstLine[number] = line }
    return number
  }

  /// One list per user; puts the item that the list belongs to first among the user's test items.
  ///
  /// - Throws: `DataImportError` when a row's item is no test item of its user, or a user has two rows.
  func resolve(
    userIndex: [Int32], itemIndex: [Int32], userIDs: [String], test: inout [[Int32]],
    report: inout ImportReport
  ) throws -> [[Int32]] {
    var result = [[Int32]](repeating: [], count: userIDs.count)
    var hasRow = [Bool](repeating: false, count: userIDs.count)
    for row in rows {
      let user = Int(userIndex[Int(row.user)])
      guard !hasRow[user] else {
        throw DataImportError(
          file: path, line: row.line, found: "a second row of the user \(shown(userIDs[user]))",
          expected: "one row per user", advice: "remove one of the rows")
      }
      hasRow[user] = true
      let positive = itemIndex[Int(row.positive)]
      guard let position = test[user].firstIndex(of: positive) else {
        // The test pair may have been left out for a reason that is in the report already.
        if positive < 0 || test[user].isEmpty {
          report.drop("lists of negatives without a test item", example: "\(path), line \(row.line)")
          continue
        }
        throw DataImportError(
          file: path, line: row.line,
          found: "negatives for an item that is no test item of \(shown(userIDs[user]))",
          expected: "the user's test item in the column 'item'",
          advice: "write the file again from the test file")
      }
      test[user].swapAt(0, position)
      var seen: Set<Int32> = [positive]
      for item in row.items {
        let index = itemIndex[Int(item)]
        if index >= 0, seen.insert(index).inserted {
          result[user].append(index)
        } else {
          report.drop(
            "negatives that repeat, equal the test item or lie outside the catalogue",
            example: "\(path), line \(row.line)")
        }
      }
    }
    return result
  }
}
