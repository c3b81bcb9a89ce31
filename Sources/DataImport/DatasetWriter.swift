internal import Glibc
public import Recommender

/// Writes data sets as folders in our layout, which `DatasetImporter` reads back as an equal data set.
///
/// `train`, `test`, `negatives`, `users` and `items`, each `.tsv.gz` with a header line. Weights stand in a column of
/// their own unless all are 1. Attributes lose tabs and line ends (a space each); everything else is kept.
public enum DatasetWriter {
  /// Writes the whole folder or nothing: into a hidden folder beside it, synced, then renamed.
  ///
  /// - Parameters:
  ///   - folder: must not exist or be empty, unless `replacing`.
  ///   - replacing: whether a folder that holds a data set, and nothing else, may be replaced.
  /// - Throws: `DataImportError` when the folder may not be written or an id cannot stand in a table.
  public static func write(_ dataset: Dataset, to folder: String, replacing: Bool = false) throws {
    try checkIDs(dataset.userIDs, "user", folder)
    try checkIDs(dataset.catalogue.itemIDs, "item", folder)
    let target = try OutputFolder(path: folder, replacing: replacing)
    do {
      try writeInteractions(dataset, in: target)
      try writeNegatives(dataset, in: target)
      try writeAttributes("user", dataset.userIDs, dataset.userAttributes, to: target.file("users.tsv.gz"))
      try writeAttributes(
        "item", dataset.catalogue.itemIDs, dataset.catalogue.attributes, to: target.file("items.tsv.gz"))
      try target.publish()
    } catch {
      target.discard()
      throw error
    }
  }

  /// Writes a catalogue alone: the table of items that partners agree on before any of them shows up with data.
  ///
  /// - Parameter path: ends with `.tsv` or `.tsv.gz`.
  /// - Throws: `DataImportError` when the file cannot be written or an id cannot stand in a table.
  public static func writeCatalogue(_ catalogue: Catalogue, to path: String) throws {
    try checkIDs(catalogue.itemIDs, "item", path)
    try writeAttributes("item", catalogue.itemIDs, catalogue.attributes, to: path)
  }

  private static func writeInteractions(_ dataset: Dataset, in target: OutputFolder) throws {
    let (users, items) = (dataset.userIDs, dataset.catalogue.itemIDs)
    let hasWeights = dataset.train.weights.contains { $0 != 1 }
    let train = try TextWriter(path: target.file("train.tsv.gz"))
    try train.write(hasWeights ? "user\titem\tweight\torder\n" : "user\titem\torder\n")
    for user in users.indices {
      let weights = dataset.train.weights(of: user)
      for (order, item) in dataset.train.history(of: user).enumerated() {
        let weight = hasWeights ? "\t\(weights[weights.startIndex + order])" : ""
        try train.write("\(quoted(users[user]))\t\(quoted(items[Int(item)]))\(weight)\t\(order)\n")
      }
    }
    try train.finish()
    guard dataset.testCount > 0 else { return }
    let test = try TextWriter(path: target.file("test.tsv.gz"))
    try test.write("user\titem\torder\n")
    for user in users.indices {
      let first = dataset.train.history(of: user).count
      for (order, item) in dataset.test[user].enumerated() {
        try test.write("\(quoted(users[user]))\t\(quoted(items[Int(item)]))\t\(first + order)\n")
      }
    }
    try test.finish()
  }

  private static func writeNegatives(_ dataset: Dataset, in target: OutputFolder) throws {
    let columns = (dataset.negatives ?? []).map(\.count).max() ?? 0
    guard let negatives = dataset.negatives, columns > 0 else { return }
    let items = dataset.catalogue.itemIDs
    let file = try TextWriter(path: target.file("negatives.tsv.gz"))
    try file.write("user\titem\t\((1...columns).map { "n\($0)" }.joined(separator: "\t"))\n")
    for (user, list) in negatives.enumerated() where !list.isEmpty {
      guard let positive = dataset.test[user].first else { continue }
      let listed = list.map { quoted(items[Int($0)]) } + [String](repeating: "", count: columns - list.count)
      try file.write(
        "\(quoted(dataset.userIDs[user]))\t\(quoted(items[Int(positive)]))\t\(listed.joined(separator: "\t"))\n"
      )
    }
    try file.finish()
  }

  private static func writeAttributes(
    _ role: String, _ ids: [String], _ attributes: [String: [String]], to path: String
  ) throws {
    let columns = attributes.keys.sorted { ($0 != "title" ? 1 : 0, $0) < ($1 != "title" ? 1 : 0, $1) }
    let values = columns.map { attributes[$0] ?? [] }
    let file = try TextWriter(path: path)
    try file.write(([role] + columns.map(quoted)).joined(separator: "\t") + "\n")
    for (index, id) in ids.enumerated() {
      var row = quoted(id)
      for column in values { row += "\t" + quoted(column[index]) }
      try file.write(row + "\n")
    }
    try file.finish()
  }

  /// A field that our reader reads back as the text: control characters become spaces, and only a text that looks
  /// quoted is quoted.
  private static func quoted(_ text: String) -> String {
    var result = text
    if text.utf8.contains(where: { $0 < 32 }) {
      result = String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 32 ? " " : $0 }))
    }
    guard result.utf8.count >= 2, result.utf8.first == 34, result.utf8.last == 34 else { return result }
    return "\"" + result.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
      + "\""
  }

  private static func checkIDs(_ ids: [String], _ role: String, _ folder: String) throws {
    for id in ids {
      var copy = id
      let isFit = copy.withUTF8 { bytes in
        !bytes.isEmpty && bytes.first != 32 && bytes.last != 32 && bytes.allSatisfy { $0 >= 32 && $0 != 127 }
          && !FieldValues.isNegativeInteger(bytes)
      }
      guard isFit else {
        throw DataImportError(
          file: folder, found: "the \(role) id \(shown(id))",
          expected: "an id without control characters and surrounding spaces that is no negative number",
          advice: "rename it before writing")
      }
    }
  }
}

extension Dataset {
  /// The same data with the dense indices as ids, for tools that expect numbers from 0; the ids so far stay in the
  /// columns `user_id` and `item_id`.
  public func withDenseIDs() -> Dataset {
    Dataset(
      name: name,
      catalogue: Catalogue(
        itemIDs: catalogue.itemIDs.indices.map { "\($0)" },
        attributes: catalogue.attributes.merging(["item_id": catalogue.itemIDs]) { _, new in new }),
      userIDs: userIDs.indices.map { "\($0)" }, train: train, test: test, negatives: negatives,
      userAttributes: userAttributes.merging(["user_id": userIDs]) { _, new in new }, isOrdered: isOrdered)
  }
}

/// A folder in the making: hidden beside its target until it is whole.
final class OutputFolder {
  private let path: String
  private let temporary: String
  private let replacing: Bool
  private var names: [String] = []

  /// - Throws: `DataImportError` when the target holds something that may not be replaced, or nothing can be made.
  init(path: String, replacing: Bool) throws {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let slash = path.lastIndex(of: "/")
    let parent = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let name = slash.map { String(path[path.index(after: $0)...]) } ?? path
    self.path = path
    self.replacing = replacing
    temporary = "\(parent)/.\(name).partial-\(getpid())"
    try Self.checkTarget(path, replacing: replacing)
    guard mkdir(temporary, 0o755) == 0 else { throw writingError(path) }
  }

  /// The path at which a part is written.
  func file(_ name: String) -> String {
    names.append(name)
    return "\(temporary)/\(name)"
  }

  /// Makes the folder appear under its name.
  func publish() throws {
    try sync(temporary)
    let previous = temporary + "-previous"
    var hasPrevious = false
    if replacing, rename(path, previous) == 0 { hasPrevious = true }
    guard rename(temporary, path) == 0 else {
      let error = writingError(path)
      if hasPrevious { rename(previous, path) }
      throw error
    }
    if hasPrevious {
      // Only names of our layout are in it; that was checked.
      for name in try DatasetFolder.list(previous).subtracting([".", ".."]) { unlink("\(previous)/\(name)") }
      rmdir(previous)
    }
    let slash = path.lastIndex(of: "/")
    try sync(slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? ".")
  }

  /// Removes what was written so far.
  func discard() {
    for name in names { unlink("\(temporary)/\(name)") }
    rmdir(temporary)
  }

  private static func checkTarget(_ path: String, replacing: Bool) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw DataImportError(
        file: path, found: "a file", expected: "a new or empty folder", advice: "choose another output")
    }
    let names = try DatasetFolder.list(path).subtracting([".", ".."])
    guard !names.isEmpty else { return }
    guard replacing else {
      throw DataImportError(
        file: path, found: "a folder that is not empty", expected: "a new or empty folder",
        advice: "choose another output, or say --force to replace the data set in it")
    }
    let own = Set(
      DatasetFolder.Part.allCases.flatMap { part in DatasetFolder.endings.map { part.rawValue + $0 } })
    if let stranger = names.subtracting(own).min() {
      throw DataImportError(
        file: path, found: "'\(stranger)' in the folder to be replaced",
        expected: "nothing but the files of a data set",
        advice: "choose another output, or move that file away")
    }
  }

  private func sync(_ folder: String) throws {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw writingError(path) }
    defer { close(descriptor) }
    // Some file systems cannot sync a folder and say so with EINVAL; there is nothing more to be done there.
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw writingError(path) }
  }
}
