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
    let kept = Self.kept(groups.histories, options, users, order, &report)
    guard !kept.isEmpty else {
      throw DataImportError(
        file: path, found: "no user that is left after cleaning (\(report.rowsRead) rows were read)",
        expected: "at least one user with an interaction",
        advice: "loosen the limits on items per user or look at the first rows")
    }
    let userIDs = kept.map { users[order[$0]] }
    try refuseLookalikes(userIDs, file: path, role: "user")
    var attributes: [String: [String]] = [:]
    if !file.partners.isEmpty {
      attributes["partner"] = kept.map { file.partners[Int(order[$0])] }
    }
    if !file.isOrdered {
      report.notes.append(
        "there is no time or order column: the order of the rows is taken for the order in time")
    }

    let itemCount = resolver.catalogue.count
    var histories: [[Int32]] = []
    var weights: [[Float]] = []
    var test: [[Int32]] = []
    var negatives: [[Int32]] = []
    var sampler = NegativeSampler(itemCount: itemCount)
    for (position, user) in kept.enumerated() {
      let all = groups.histories[user]
      let trainCount = options.holdsOutLast && all.count >= 3 ? all.count - 1 : all.count
      histories.append(Array(all.prefix(trainCount)))
      if !groups.weights.isEmpty { weights.append(Array(groups.weights[user].prefix(trainCount))) }
      test.append(Array(all.dropFirst(trainCount)))
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
    report.pairsKept = histories.reduce(0) { $0 + $1.count } + test.reduce(0) { $0 + $1.count }
    let dataset = Dataset(
      name: DatasetImporter.name(of: path), catalogue: Self.titled(resolver, file),
      userIDs: userIDs, train: Interactions(itemCount: itemCount, histories: histories, weights: weights),
      test: test, negatives: options.holdsOutLast && options.negativeCount > 0 ? negatives : nil,
      userAttributes: attributes)
    let isMovieLens = file.format.hasPrefix("MovieLens") && options.catalogue == nil
    result = ImportedDataset(
      dataset: isMovieLens ? try MovieLensAttributes.added(to: dataset, besideFile: path) : dataset,
      report: report)
  }

  /// The users whose number of distinct items is within the limits; the others are counted.
  private static func kept(
    _ histories: [[Int32]], _ options: ImportOptions, _ users: IdentifierTable, _ order: [Int32],
    _ report: inout ImportReport
  ) -> [Int] {
    let least = max(1, options.itemsPerUserMin)
    return histories.indices.filter { user in
      let count = histories[user].count
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
    for (number, title) in file.titles.enumerated() {
      let item = Int(resolver.index[number])
      if item >= 0, titles[item].isEmpty { titles[item] = title }
    }
    var attributes = resolver.catalogue.attributes
    attributes["title"] = titles
    return Catalogue(itemIDs: resolver.catalogue.itemIDs, attributes: attributes)
  }
}
