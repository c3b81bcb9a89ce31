import DataImport
import Foundation
import Recommender
import Testing

/// The same few rows in every notation that is understood.
@Suite struct TableFormatTests {
  /// Users a and b; a: x, "y, z", ü (test); b: x, ü.
  static let notations: [(name: String, text: String)] = [
    ("plain.csv", "user,item,timestamp\na,x,10\na,\"y, z\",20\nb,x,5\na,ü,30\nb,ü,6\n"),
    ("crlf.csv", "user,item,timestamp\r\na,x,10\r\na,\"y, z\",20\r\nb,x,5\r\na,ü,30\r\nb,ü,6\r\n"),
    ("bom.csv", "\u{FEFF}user,item,timestamp\na,x,10\na,\"y, z\",20\nb,x,5\na,ü,30\nb,ü,6\n"),
    ("no-last-line-end.csv", "user,item,timestamp\na,x,10\na,\"y, z\",20\nb,x,5\na,ü,30\nb,ü,6"),
    ("empty-lines.csv", "\n\nuser,item,timestamp\na,x,10\n\r\na,\"y, z\",20\nb,x,5\na,ü,30\nb,ü,6\n\n\n"),
    (
      "all-quoted.csv",
      "\"user\",\"item\",\"timestamp\"\n\"a\",\"x\",\"10\"\r\n\"a\",\"y, z\",\"20\"\n\"b\",\"x\",\"5\"\n\"a\",\"ü\",\"30\"\n\"b\",\"ü\",\"6\"\n"
    ),
    ("semicolon.csv", "user;item;timestamp\na;x;10\na;y, z;20\nb;x;5\na;ü;30\nb;ü;6\n"),
    ("tab.tsv", "user\titem\ttimestamp\na\tx\t10\na\ty, z\t20\nb\tx\t5\na\tü\t30\nb\tü\t6\n"),
    ("unsorted.csv", "user,item,timestamp\na,x,10\na,ü,30\nb,ü,6\na,\"y, z\",20\nb,x,5\n"),
    ("other-names.csv", "ts,customer_id,SKU\n10,a,x\n20,a,\"y, z\"\n5,b,x\n30,a,ü\n6,b,ü\n"),
    (
      "milliseconds.csv",
      "user,item,timestamp\na,x,1600000000010\na,\"y, z\",1600000000020\nb,x,1600000000005\na,ü,1600000000030\nb,ü,1600000000006\n"
    ),
    (
      "dates.csv",
      "user,item,date\na,x,2020-01-01\na,\"y, z\",2020-01-01T00:00:01\nb,x,2019-12-31T23:59Z\na,ü,2020-01-01 01:00:02+01:00\nb,ü,2020-01-02\n"
    ),
    ("spaces.csv", "user, item, timestamp\na, x, 10\na,\"y, z\",20 \nb , x, 5\na,ü,30\nb, ü,6\n"),
  ]

  @Test(arguments: notations.indices) func everyNotationGivesTheSameDataPlainAndCompressed(_ index: Int)
    throws
  {
    let (name, text) = Self.notations[index]
    let scratch = try Scratch()
    for path in [try scratch.file(name, text), try scratch.file("\(name).gz", text)] {
      let data = try DatasetImporter.load(path: path).dataset
      #expect(data.userIDs == ["a", "b"], "\(name)")
      #expect(Set(data.catalogue.itemIDs) == ["x", "y, z", "ü"], "\(name)")
      let item = data.catalogue.indexByID()
      #expect(Array(data.train.history(of: 0)) == [item["x"], item["y, z"]], "\(name)")
      #expect(data.test == [[item["ü"] ?? -1], []], "\(name)")
      #expect(Array(data.train.history(of: 1)) == [item["x"], item["ü"]], "\(name)")
    }
  }

  @Test func quotedFieldsMayHoldMarksAndLineEnds() throws {
    let scratch = try Scratch()
    let text = "item,title\r\n1,\"a \"\"b\"\"\"\r\n2,\"two\r\nlines\nthree\"\r\n3,\"\"\r\n4,\"\"\"\"\n"
    let catalogue = try CatalogueFile.read(path: scratch.file("items.csv", text))
    #expect(catalogue.itemIDs == ["1", "2", "3", "4"])
    #expect(catalogue.titles == ["a \"b\"", "two\r\nlines\nthree", "", "\""])
  }

  @Test func linesAreCountedThroughQuotedLineEnds() throws {
    let scratch = try Scratch()
    let path = try scratch.file("items.csv", "item,title\n1,\"two\nlines\"\n2,x,y\n")
    expectError("3 fields", line: 4) { _ = try CatalogueFile.read(path: path) }
  }

  @Test func tabFilesTakeMarksLiterallyUnlessTheWholeFieldIsProperlyQuoted() throws {
    let scratch = try Scratch()
    let rows: [(written: String, read: String)] = [
      ("\"half", "\"half"), ("5\" nail", "5\" nail"),
      ("\"Great Performances\" Cats", "\"Great Performances\" Cats"),
      ("\"plain\"", "plain"), ("\"RECORD FRAME 7\"\" SIZE\"", "RECORD FRAME 7\" SIZE"), ("\"\"", ""),
      ("\"", "\""),
      ("\"a\" and \"b\"", "\"a\" and \"b\""), ("\"\"\"\"", "\""), ("\"\"\"", "\"\"\""),
    ]
    let text = "item\ttitle\n" + rows.enumerated().map { "\($0)\t\($1.written)\n" }.joined()
    #expect(try CatalogueFile.read(path: scratch.file("items.tsv", text)).titles == rows.map(\.read))
  }

  @Test func aLineOfAMillionCharactersIsRead() throws {
    let scratch = try Scratch()
    let long = String(repeating: "long ", count: 200_000)
    for quote in ["", "\""] {
      let text = "item,title\n1,a\n2,\(quote)\(long)\(quote)\n3,c\n"
      let catalogue = try CatalogueFile.read(path: scratch.file("items\(quote.count).csv.gz", text))
      #expect(catalogue.titles == ["a", long, "c"])
    }
  }

  @Test func rowsAreReadTheSameWhereverTheBuffersEnd() throws {
    // Rows of changing length, quoted ones among them, over several buffers of 128 and 256 KiB.
    let scratch = try Scratch()
    var generator = SplitMix64(seed: 5)
    var titles: [String] = []
    var text = "item,title\n"
    for item in 0..<60_000 {
      let title = String(repeating: "é", count: generator.uniform(below: 24)) + (item % 3 == 0 ? ",\n\"" : "")
      titles.append(title)
      let quoted = title.replacingOccurrences(of: "\"", with: "\"\"")
      text += item % 3 == 0 ? "i\(item),\"\(quoted)\"\n" : "i\(item),\(title)\n"
    }
    for name in ["items.csv", "items.csv.gz"] {
      let catalogue = try CatalogueFile.read(path: scratch.file(name, text))
      #expect(catalogue.count == titles.count)
      #expect(catalogue.titles == titles)
    }
  }

  @Test func severalGzipMembersInARowAreOneFile() throws {
    let scratch = try Scratch()
    var bytes: [UInt8] = []
    for (index, part) in ["user,item\n1,2\n1,", "3\n", "", "2,2\n"].enumerated() {
      bytes += [UInt8](try Data(contentsOf: URL(filePath: scratch.file("part\(index).gz", part))))
    }
    bytes += [0, 0, 0]
    let data = try DatasetImporter.load(path: scratch.file("all.csv.gz", bytes)).dataset
    #expect(data.train.count == 3)
  }

  @Test func movieLensFilesAreKnownByTheirShape() throws {
    let scratch = try Scratch()
    let files = [
      (
        "u.data", "1\t20\t3\t881250949\n1\t10\t3\t881250950\n1\t30\t5\t881250940\n2\t20\t1\t881250949\n",
        "MovieLens u.data"
      ),
      (
        "ratings.dat", "1::20::3::881250949\n1::10::3::881250950\n1::30::5::881250940\n2::20::1::881250949\n",
        "MovieLens ratings.dat"
      ),
      (
        "ratings.csv",
        "userId,movieId,rating,timestamp\n1,20,3.5,881250949\n1,10,3.0,881250950\n1,30,5.0,881250940\n2,20,1.0,881250949\n",
        "MovieLens ratings.csv"
      ),
    ]
    for (name, text, format) in files {
      let folder = "\(scratch.path)/\(format)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      let path = try scratch.file("\(format)/\(name)", text)
      // The file itself, and the folder that it lies in.
      for imported in [try DatasetImporter.load(path: path), try DatasetImporter.load(path: folder)] {
        #expect(imported.report.format == format)
        #expect(imported.report.rowsRead == 4)
        #expect(imported.dataset.userIDs == ["1", "2"])
        #expect(imported.dataset.catalogue.itemIDs == ["10", "20", "30"])
        #expect(Array(imported.dataset.train.history(of: 0)) == [2, 1])
        #expect(imported.dataset.test == [[0], []])
        #expect(imported.dataset.train.weights.isEmpty)
      }
    }
  }

  @Test func movieLensTitlesAndUserColumnsAreTakenFromTheFilesBeside() throws {
    let scratch = try Scratch()
    let make = { (folder: String, files: [(String, [UInt8])]) in
      try FileManager.default.createDirectory(
        atPath: "\(scratch.path)/\(folder)", withIntermediateDirectories: true)
      for (name, bytes) in files { _ = try scratch.file("\(folder)/\(name)", bytes) }
      return try DatasetImporter.load(path: "\(scratch.path)/\(folder)").dataset
    }
    let flags = "0|0|0|1|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0"
    let small = try make(
      "100k",
      [
        ("u.data", Array("1\t20\t3\t881250949\n2\t10\t3\t881250950\n3\t20\t3\t881250950\n".utf8)),
        ("u.item", Array("10|Caf".utf8) + [0xE9] + Array(" (1995)|01-Jan-1995||url|\(flags)\n".utf8)),
        ("u.user", Array("1|24|M|technician|85711\n2|53|F|other|T8H1N\n".utf8)),
      ])
    #expect(small.catalogue.titles == ["Café (1995)", ""])
    #expect(small.catalogue.attributes["genres"] == ["Animation|Comedy", ""])
    #expect(small.userAttributes["partner"] == ["8", "X", ""])
    #expect(small.userAttributes["occupation"] == ["technician", "other", ""])
    let middle = try make(
      "1m",
      [
        ("ratings.dat", Array("1::20::3::881250949\n2::10::3::881250950\n".utf8)),
        ("movies.dat", Array("10::Star Wars: A, B (1977)::Action|War\r\n20::X (1990)::Drama\r\n".utf8)),
        ("users.dat", Array("1::F::1::10::48067\n2::M::56::16::70072\n".utf8)),
      ])
    #expect(middle.catalogue.titles == ["Star Wars: A, B (1977)", "X (1990)"])
    #expect(middle.userAttributes["age"] == ["1", "56"] && middle.userAttributes["partner"] == ["4", "7"])
    let large = try make(
      "25m",
      [
        ("ratings.csv", Array("userId,movieId,rating,timestamp\n1,20,3.5,881250949\n".utf8)),
        (
          "movies.csv",
          Array("movieId,title,genres\n20,\"American President, The (1995)\",Drama\n21,Other,War\n".utf8)
        ),
      ])
    #expect(large.catalogue.titles == ["American President, The (1995)"])
    expectError("2 fields", line: 1) {
      _ = try make(
        "broken",
        [("ratings.dat", Array("1::20::3::881250949\n".utf8)), ("movies.dat", Array("10::Star Wars\n".utf8))])
    }
  }

  @Test func numbersAreReadAsSwiftReadsThemAndNothingElseIsANumber() {
    let number = { (text: String) in Array(text.utf8).withUnsafeBufferPointer { FieldValues.number($0) } }
    for text in [
      "0", "-0", "7", "+7", "12.5", "-12.5", ".5", "5.", "1e3", "1E-3", "1.5e+10", "123456789012345678",
      "9007199254740993", "0.1", "0.30000000000000004", "179769313486231570000000000000000000000", "5e-324",
      "12345678901234567890123", "0.00000000000000000000000001", "1600000000000",
    ] {
      let expected = Double(text.hasSuffix(".") ? text + "0" : text.hasPrefix(".") ? "0" + text : text)
      #expect(number(text) == expected, "\(text)")
    }
    for text in [
      "", "-", "+", ".", "e5", "1e", "1e+", "nan", "NaN", "inf", "-inf", "infinity", "0x10", "1_000", "1,5",
      "1 5",
      "--1", "1.2.3", "five", "1e999", "٣", "1e5x",
    ] {
      #expect(number(text) == nil, "\(text)")
    }
    var generator = SplitMix64(seed: 11)
    for _ in 0..<20_000 {
      let value = Double(bitPattern: generator.next())
      guard value.isFinite else { continue }
      #expect(number("\(value)") == value)
      let short = Double(Int64(truncatingIfNeeded: generator.next()) >> 20) / 1_000
      #expect(number("\(short)") == short)
    }
  }

  @Test func datesAreReadAsTheCalendarHasThem() {
    let time = { (text: String) in Array(text.utf8).withUnsafeBufferPointer { FieldValues.isoTime($0) } }
    let cases: [(String, Double?)] = [
      ("1970-01-01", 0), ("2000-02-29", 951_782_400), ("2011-12-09T12:50:00Z", 1_323_435_000),
      ("2011-12-09 12:50", 1_323_435_000), ("2011-12-09T13:50:00+01:00", 1_323_435_000),
      ("2011-12-09T07:50:00-0500", 1_323_435_000), ("2011-12-09T12:50:00.25Z", 1_323_435_000.25),
      ("2011-12-09 12:50:00 UTC", 1_323_435_000), ("2011-12-09 12:50:00 UT", nil), ("2011-12-09 12:50:00 UTC+1", nil),
      ("2100-01-01", 4_102_444_800), ("2023-02-29", nil), ("1900-02-29", nil), ("2023-13-01", nil),
      ("2023-00-10", nil), ("2023-04-31", nil), ("2023-1-1", nil), ("20230101", nil), ("2023-01-01T", nil),
      ("2023-01-01T25:00", nil), ("2023-01-01T10:60", nil), ("2023-01-01T10:00+", nil), ("2023-01-01x", nil),
    ]
    for (text, expected) in cases { #expect(time(text) == expected, "\(text)") }
  }
}
