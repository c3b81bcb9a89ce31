internal import Recommender

/// One table of interactions: leave-one-out by time, with listed negatives drawn by a seed.
struct SingleFileImport {
  let result: ImportedDataset

  init(path: String, options: ImportOptions) throws {
    var report = ImportReport(source: path)
    var users = IdentifierTable()
    var items = IdentifierTable()
    let file = try InteractionFile(
      path: path, options: options, users: &users, items: &items, report: &report)
    report.format = file.format
    let resolver = try ItemResolver(
      items: items, catalogue: options.catalogue, options: options, report: &report
    ) {
      (path, file.itemFirstLine[Int($0)])
    }
    let order = users.canonicalOrder()
    var userIndex = [Int32](repeating: 0, count: users.count)
    for (position, number) in order.enumerated() { userIndex[Int(number)] = Int32(position) }
    let groups = FolderImport.group(file, path, users.count, userIndex, resolver, &report)
    let kept = Self.kept(groups, options, users, order, &report)
    guard !kept.isEmpty else {
      throw DataImportError(
        file: path, found: "no user that is left after cleaning (\(report.rowsRead) rows were read)",
        expected: "at least one user with an interaction",
        advice: "loosen the limits on items per user or look at the first rows")
    }
    let userIDs = kept.map { users[order[$0]] }
    if !users.isASCII { try refuseLookalikes(userIDs, file: path, role: "user") }
    var attributes: [String: [String]] = [:]
    if !file.partners.isEmpty {
      attributes["partner"] = file.partners.values(of: kept.map { order[$0] })
    }
    if !file.isOrdered {
      report.notes.append(
        "there is no time or order column: the order of the rows is taken for the order in time")
    }

    let itemCount = resolver.catalogue.count
    var offsets = [0]
    offsets.reserveCapacity(kept.count + 1)
    var train: [Int32] = []
    train.reserveCapacity(groups.items.count)
    var weights: [Float] = []
    weights.reserveCapacity(groups.weights.count)
    var test: [[Int32]] = []
    test.reserveCapacity(kept.count)
    var negatives: [[Int32]] = []
    var sampler = NegativeSampler(itemCount: itemCount)
    for (position, user) in kept.enumerated() {
      let all = groups.history(of: user)
      let trainCount = options.holdsOutLast && all.count >= 3 ? all.count - 1 : all.count
      train.append(contentsOf: all.prefix(trainCount))
      offsets.append(train.count)
      weights.append(contentsOf: groups.weights(of: user).prefix(trainCount))
      test.append(Array(all.dropFirst(trainCount)))
      guard options.holdsOutLast, options.negativeCount > 0 else { continue }
      negatives.append(
        trainCount == all.count
          ? []
          : sampler.sample(
            options.negativeCount, excluding: all, [], seed: options.seed, userID: userIDs[position]))
    }
    let withoutTest = test.filter(\.isEmpty).count
    if options.holdsOutLast, withoutTest > 0 {
      report.notes.append("\(withoutTest) users have fewer than 3 items and no test item")
    }
    report.pairsKept = train.count + test.reduce(0) { $0 + $1.count }
    let dataset = Dataset(
      name: DatasetImporter.name(of: path), catalogue: Self.titled(resolver, file),
      userIDs: userIDs, train: Interactions(itemCount: itemCount, offsets: offsets, items: train, weights: weights),
      test: test, negatives: options.holdsOutLast && options.negativeCount > 0 ? negatives : nil,
      userAttributes: attributes, isOrdered: file.isOrdered)
    let isMovieLens = file.format.hasPrefix("MovieLens") && options.catalogue == nil
    result = ImportedDataset(
      dataset: isMovieLens ? try MovieLensAttributes.added(to: dataset, besideFile: path) : dataset,
      report: report)
  }

  /// The users whose number of distinct items is within the limits; the others are counted.
  private static func kept(
    _ groups: GroupedInteractions, _ options: ImportOptions, _ users: IdentifierTable, _ order: [Int32],
    _ report: inout ImportReport
  ) -> [Int] {
    let least = max(1, options.itemsPerUserMin)
    return (0..<users.count).filter { user in
      let count = groups.offsets[user + 1] - groups.offsets[user]
      if count < least {
        report.drop(
          "users with fewer than \(least) items", example: "user \(shown(users[order[user]])): \(count)")
        return false
      }
      if let most = options.itemsPerUserMax, count > most {
        report.drop(
          "users with more than \(most) items (robots?)",
          example: "user \(shown(users[order[user]])): \(count)")
        return false
      }
      return true
    }
  }

  /// The catalogue with the titles of the file's title column, where it has one and the catalogue has none.
  private static func titled(_ resolver: ItemResolver, _ file: InteractionFile) -> Catalogue {
    guard !file.titles.isEmpty, resolver.catalogue.titles == nil else { return resolver.catalogue }
    var titles = [String](repeating: "", count: resolver.catalogue.count)
    for number in resolver.index.indices {
      let item = Int(resolver.index[number])
      if item >= 0, titles[item].isEmpty { titles[item] = file.titles[Int32(number)] }
    }
    var attributes = resolver.catalogue.attributes
    attributes["title"] = titles
    return Catalogue(itemIDs: resolver.catalogue.itemIDs, attributes: attributes)
  }
}
