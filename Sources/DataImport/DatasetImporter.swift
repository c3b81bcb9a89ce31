internal import Glibc
internal import Recommender

/// Reads data sets: a folder in our layout, one table, or MovieLens' own files.
public enum DatasetImporter {
  /// Reads a folder with `train.tsv.gz` (or `.tsv`, `.csv`, `.csv.gz`) and, where present, `test`, `negatives`,
  /// `users` and `items`; a folder with `u.data`, `ratings.dat` or `ratings.csv`; or a single such file or table.
  ///
  /// - Parameter path: a file or folder.
  /// - Throws: `DataImportError` with the first thing that does not fit.
  public static func load(path: String, options: ImportOptions = ImportOptions()) throws -> ImportedDataset {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw DataImportError(
        file: path, found: "no such file or folder", expected: "data", advice: "check the path")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      return try SingleFileImport(path: path, options: options).result
    }
    let files = try DatasetFolder(path: path)
    if files.path(of: .train) != nil { return try FolderImport(files, options: options).result }
    for name in ["ratings.csv", "ratings.dat", "u.data", "ratings.csv.gz", "ratings.dat.gz", "u.data.gz"]
    where files.names.contains(name) {
      return try SingleFileImport(path: "\(path)/\(name)", options: options).result
    }
    throw DataImportError(
      file: path, found: "a folder without training data",
      expected: "train.tsv.gz (or .tsv, .csv, .csv.gz), or MovieLens' u.data, ratings.dat or ratings.csv",
      advice: "give the file itself, or make such a folder with tacit data import")
  }

  /// The data set's name: the last part of its path, without the endings that say how it is written.
  static func name(of path: String) -> String {
    var name = String(path.split(separator: "/").last { $0 != "." } ?? "data")
    for ending in [".gz", ".tsv", ".csv", ".txt"] where name.hasSuffix(ending) && name.count > ending.count {
      name.removeLast(ending.count)
    }
    return name
  }
}

/// The files of a data set in a folder.
struct DatasetFolder {
  enum Part: String, CaseIterable {
    case train, test, negatives, users, items
  }

  static let endings = [".tsv.gz", ".tsv", ".csv.gz", ".csv"]

  let path: String
  let names: Set<String>

  /// - Throws: `DataImportError` when the folder cannot be listed or holds a part twice.
  init(path: String) throws {
    let names = try Self.list(path)
    self.path = path
    self.names = names
    for part in Part.allCases {
      let found = Self.endings.map { part.rawValue + $0 }.filter(names.contains)
      guard found.count < 2 else {
        throw DataImportError(
          file: path, found: found.joined(separator: " and "), expected: "one \(part.rawValue) file",
          advice: "remove the one that does not count")
      }
    }
  }

  /// The names of everything in a folder.
  static func list(_ path: String) throws -> Set<String> {
    guard let directory = opendir(path) else {
      throw DataImportError(
        file: path, found: "a folder that cannot be listed (\(String(cString: strerror(errno))))",
        expected: "a readable folder", advice: "change its permissions")
    }
    defer { closedir(directory) }
    var names = Set<String>()
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      names.insert(name)
    }
    return names
  }

  func path(of part: Part) -> String? {
    Self.endings.map { part.rawValue + $0 }.first(where: names.contains).map { "\(path)/\($0)" }
  }
}
