internal import Glibc
internal import Recommender

/// Titles, genres and user columns that lie beside MovieLens' rating files: `u.item` and `u.user` (100K), `movies.dat`
/// and `users.dat` (1M, 10M), `movies.csv` (later ones).
///
/// `partner` is the first character of the ZIP code, letters as `X`: ten regions of the United States.
/// The old files are Latin-1; text that is valid UTF-8 is taken as UTF-8.
enum MovieLensAttributes {
  /// The data set with whatever is found in the folder of its rating file.
  static func added(to dataset: Dataset, besideFile path: String) throws -> Dataset {
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) + "/" } ?? ""
    let items = try itemColumns(folder)
    let users = try userColumns(folder)
    var itemAttributes = dataset.catalogue.attributes
    for (column, values) in items {
      itemAttributes[column] = dataset.catalogue.itemIDs.map { values[$0] ?? "" }
    }
    var userAttributes = dataset.userAttributes
    for (column, values) in users { userAttributes[column] = dataset.userIDs.map { values[$0] ?? "" } }
    return Dataset(
      name: dataset.name,
      catalogue: Catalogue(itemIDs: dataset.catalogue.itemIDs, attributes: itemAttributes),
      userIDs: dataset.userIDs, train: dataset.train, test: dataset.test, negatives: dataset.negatives,
      userAttributes: userAttributes, isOrdered: dataset.isOrdered)
  }

  /// Column → id → value.
  private typealias Columns = [String: [String: String]]

  private static func itemColumns(_ folder: String) throws -> Columns {
    if exists(folder + "movies.csv") {
      let catalogue = try CatalogueFile.read(path: folder + "movies.csv")
      return catalogue.attributes.mapValues {
        Dictionary(uniqueKeysWithValues: zip(catalogue.itemIDs, $0))
      }
    }
    var columns: Columns = [:]
    if exists(folder + "movies.dat") {
      for row in try rows(folder + "movies.dat", separator: "::", atLeast: 3) {
        columns["title", default: [:]][row[0]] = row[1]
        columns["genres", default: [:]][row[0]] = row[2]
      }
    } else if exists(folder + "u.item") {
      for row in try rows(folder + "u.item", separator: "|", atLeast: 24) {
        columns["title", default: [:]][row[0]] = row[1]
        columns["genres", default: [:]][row[0]] = zip(genres, row[5...]).filter { $1 == "1" }.map(\.0)
          .joined(separator: "|")
      }
    }
    return columns
  }

  private static func userColumns(_ folder: String) throws -> Columns {
    let layouts = [
      ("users.dat", "::", ["gender", "age", "occupation", "zip_code"]),
      ("u.user", "|", ["age", "gender", "occupation", "zip_code"]),
    ]
    for (name, separator, names) in layouts where exists(folder + name) {
      var columns: Columns = [:]
      for row in try rows(folder + name, separator: separator, atLeast: 5) {
        for (column, value) in zip(names, row[1...]) { columns[column, default: [:]][row[0]] = value }
        let region = row[4].first.map { $0.isASCII && $0.isNumber ? String($0) : "X" }
        columns["partner", default: [:]][row[0]] = region ?? ""
      }
      return columns
    }
    return [:]
  }

  private static func exists(_ path: String) -> Bool { access(path, R_OK) == 0 }

  /// The fields of a file without header and quoting.
  private static func rows(_ path: String, separator: String, atLeast fields: Int) throws -> [[String]] {
    let source = try ByteSource(path: path)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: ByteSource.chunkSize)
    while case let count = try chunk.withUnsafeMutableBufferPointer({ try source.read(into: $0) }), count > 0 {
      bytes.append(contentsOf: chunk[..<count])
    }
    let text =
      String(validating: bytes, as: UTF8.self)
      ?? String(String.UnicodeScalarView(bytes.map { Unicode.Scalar($0) }))
    var result: [[String]] = []
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .enumerated()
    where !line.isEmpty {
      let row = split(line, at: separator)
      guard row.count >= fields else {
        throw DataImportError(
          file: path, line: index + 1, found: "\(row.count) fields",
          expected: "at least \(fields) as MovieLens has them",
          advice: "take the file from the original archive, or move it away")
      }
      result.append(row)
    }
    return result
  }

  private static func split(_ line: Substring, at separator: String) -> [String] {
    if separator.utf8.count == 1 {
      return line.split(separator: Character(separator), omittingEmptySubsequences: false).map(String.init)
    }
    var fields = [""]
    var rest = line[...]
    while let character = rest.first {
      if rest.hasPrefix(separator) {
        fields.append("")
        rest = rest.dropFirst(separator.count)
      } else {
        fields[fields.count - 1].append(character)
        rest = rest.dropFirst()
      }
    }
    return fields
  }

  /// The order of the last 19 columns of `u.item`.
  private static let genres = [
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
  ]
}
