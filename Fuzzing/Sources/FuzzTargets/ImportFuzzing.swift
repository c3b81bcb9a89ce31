internal import DataImport
internal import Glibc
internal import Recommender

/// Tables of strangers. Input: the first byte chooses name and options, the rest is the file; or, from `=== NAME` on a line, files
/// of a folder.
enum ImportFuzzing {
  private static let names = ["t.csv", "t.tsv", "ratings.csv", "ratings.dat", "u.data", "t.csv.gz", "t.txt", "u.item"]
  /// A folder in memory of this process.
  private static let folder: String = {
    var template = Array("/dev/shm/tacit-fuzz-XXXXXX".utf8CString)
    guard let path = mkdtemp(&template) else { fatalError("/dev/shm has no room for a folder") }
    return String(cString: path)
  }()

  static func load(_ bytes: [UInt8]) {
    guard let first = bytes.first else { return }
    var options = ImportOptions()
    options.badRows = first & 8 == 0 ? .refuse : .ignore
    options.unknownItems = first & 16 == 0 ? .refuse : .ignore
    options.itemsPerUserMin = first & 32 == 0 ? 1 : 2
    options.negativeCount = 3
    var files: [String] = []
    defer { for file in files { unlink("\(folder)/\(file)") } }
    let rest = Array(bytes.dropFirst())
    let data: ImportedDataset?
    if rest.starts(with: "=== ".utf8) {
      for (name, content) in sections(rest) {
        files.append(name)
        write(content, name)
      }
      data = try? DatasetImporter.load(path: folder, options: options)
    } else {
      let name = names[Int(first & 7)]
      files.append(name)
      write(rest, name)
      data = try? DatasetImporter.load(path: "\(folder)/\(name)", options: options)
    }
    guard let data else { return }
    hold(data.report.pairsKept <= data.report.rowsRead, "no more is kept than was read")
    _ = DatasetSummary(data.dataset)
  }

  private static func sections(_ bytes: [UInt8]) -> [(name: String, content: [UInt8])] {
    let known =
      ["train", "test", "negatives", "users", "items"].flatMap { ["\($0).tsv", "\($0).csv"] } + ["u.data", "ratings.dat"]
    var sections: [(name: String, content: [UInt8])] = []
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      if line.starts(with: "=== ".utf8) {
        let name = String(decoding: line.dropFirst(4), as: UTF8.self)
        sections.append((known.contains(name) ? name : "train.tsv", []))
      } else if !sections.isEmpty {
        sections[sections.count - 1].content += line + [UInt8(ascii: "\n")]
      }
    }
    return sections
  }

  private static func write(_ bytes: [UInt8], _ name: String) {
    guard let file = fopen("\(folder)/\(name)", "w") else { fatalError("\(folder)/\(name) cannot be written") }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  static var seeds: [[UInt8]] {
    [
      (0, "user,item,event,time\na,x,buy,2020-01-01T00:00:00Z\na,y,view,2020-01-02\nb,x,buy,3\nb,\"z,\"\"\",view,4\n"),
      (9, "user\titem\tweight\n1\t2\t0.5\n1\t3\t-1\n2\t2\tnan\n"),
      (2, "userId,movieId,rating,timestamp\n1,10,4.5,964982703\n1,11,3,964982704\n2,10,5,964982705\n"),
      (3, "1::10::5::978300760\n1::11::3::978300761\n2::10::1::978300762\n"),
      (12, "1\t10\t5\t978300760\n1\t11\t3\t978300761\n2\t10\t1\t978300762\n"),
      (
        0, "=== train.tsv\nuser\titem\n0\t0\n0\t1\n1\t0\n=== test.tsv\nuser\titem\n0\t1\n=== items.tsv\nitem\ttitle\n0\tA\n1\tB\n"
      ),
    ].map { [UInt8($0.0)] + Array($0.1.utf8) }
  }
}
