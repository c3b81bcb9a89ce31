import DataImport
import Foundation
import Recommender
import Testing

/// Every way in which a file can be wrong gets one sentence that names file, line, what was found and what was expected.
@Suite struct BadInputTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let what: String
    var name = "log.csv"
    let text: String
    let line: Int?
    let found: String
    let expected: String
    var columns = ""
    var testDescription: String { what }
  }

  static let cases = [
    Case(what: "an empty file", text: "", line: nil, found: "an empty file", expected: "a header line"),
    Case(
      what: "only line ends", text: "\n\n", line: nil, found: "nothing but empty lines",
      expected: "a header line"),
    Case(
      what: "a byte order mark alone", text: "\u{FEFF}", line: nil, found: "an empty file",
      expected: "a header line"),
    Case(
      what: "a header only", text: "user,item,timestamp\n", line: nil, found: "a header line and no rows",
      expected: "at least one interaction"),
    Case(
      what: "no item column", text: "user,thing\n1,2\n", line: 1, found: "the columns 'user', 'thing'",
      expected: "a column for the role 'item'"),
    Case(
      what: "a mapped column that is not there", text: "user,sku_code\n1,2\n", line: 1, found: "'sku_code'",
      expected: "the column 'sku_cod' for the role 'item'", columns: "item=sku_cod"),
    Case(
      what: "numbers where the header should be", text: "1,2,3\n1,4,3\n", line: 1,
      found: "numbers in the first line",
      expected: "a header line"),
    Case(
      what: "the same column twice", text: "user,item,item\n1,2,3\n", line: 1, found: "'item' twice",
      expected: "different names"),
    Case(
      what: "a column without a name", text: "user,item,\n1,2,3\n", line: 1, found: "no name for column 3",
      expected: "a name for every column"),
    Case(
      what: "text for a rating", text: "user,item,rating\n1,2,5\n1,3,good\n", line: 3, found: "'good'",
      expected: "a number for the rating"),
    Case(
      what: "text for a mapped weight", text: "user,item,qty\n1,2,\n1,3,two\n", line: 3, found: "'two'",
      expected: "a number for the weight", columns: "weight=qty"),
    Case(
      what: "NaN for a rating", text: "user,item,rating\n1,2,NaN\n", line: 2, found: "'NaN'",
      expected: "a number for the rating"),
    Case(
      what: "NaN for a weight", text: "user,item,weight\n1,2,nan\n", line: 2, found: "'nan'",
      expected: "a number for the weight"),
    Case(
      what: "infinity for a weight", text: "user,item,weight\n1,2,inf\n", line: 2, found: "'inf'",
      expected: "a number for the weight"),
    Case(
      what: "a weight beyond Float", text: "user,item,weight\n1,2,1e39\n", line: 2,
      found: "the weight '1e39'",
      expected: "a number above 0"),
    Case(
      what: "a negative weight", text: "user,item,weight\n1,2,-3\n", line: 2, found: "the weight '-3'",
      expected: "a number above 0"),
    Case(
      what: "a negative time", text: "user,item,timestamp\n1,2,-5\n", line: 2, found: "the time '-5'",
      expected: "between 1970 and 2100"),
    Case(
      what: "a time after 2100 in milliseconds", text: "user,item,timestamp\n1,2,4102444800001\n", line: 2,
      found: "the time '4102444800001' (read as milliseconds)", expected: "between 1970 and 2100"),
    Case(
      what: "milliseconds among seconds", text: "user,item,timestamp\n1,2,1600000000\n1,3,1600000000000\n",
      line: 3,
      found: "the time '1600000000000' (read as seconds)", expected: "between 1970 and 2100"),
    Case(
      what: "a date before 1970", text: "user,item,date\n1,2,1969-12-31\n", line: 2,
      found: "the time '1969-12-31'",
      expected: "between 1970 and 2100"),
    Case(
      what: "NaN for a time", text: "user,item,timestamp\n1,2,NaN\n", line: 2, found: "'NaN'",
      expected: "a time in seconds"),
    Case(
      what: "a date in another notation", text: "user,item,date\n1,2,12/1/2010 8:26\n", line: 2,
      found: "'12/1/2010 8:26'", expected: "like 2011-12-09T12:50:00"),
    Case(
      what: "a day that does not exist", text: "user,item,date\n1,2,2023-02-29\n", line: 2,
      found: "'2023-02-29'",
      expected: "a time in seconds"),
    Case(
      what: "text for the order", text: "user,item,order\n1,2,first\n", line: 2, found: "'first'",
      expected: "a number for the order"),
    Case(
      what: "a negative item", text: "user,item\n1,2\n1,-7\n", line: 3, found: "the item '-7'",
      expected: "a number from 0 or a text"),
    Case(
      what: "a negative user", text: "user,item\n-1,2\n", line: 2, found: "the user '-1'",
      expected: "a number from 0 or a text"),
    Case(
      what: "a blank user", text: "user,item\n ,2\n", line: 2, found: "no user", expected: "a user id"),
    Case(
      what: "a blank item", text: "user,item\n1,2\n\n1,\n", line: 4, found: "no item", expected: "an item id"),
    Case(
      what: "a control character in an id", text: "user,item\n1,a\u{7}b\n", line: 2, found: "'a\\u{7}b'",
      expected: "without control characters"),
    Case(
      what: "a field too many", text: "user,item\n1,2\n1,2,3\n", line: 3, found: "3 fields",
      expected: "2 fields"),
    Case(
      what: "a field too few", name: "log.tsv", text: "user\titem\ttimestamp\n1\t2\n", line: 2,
      found: "2 fields",
      expected: "3 fields"),
    Case(
      what: "a row without separators in ratings.dat", name: "ratings.dat",
      text: "1::2::5::978300760\n1 3 4\n",
      line: 2, found: "1 fields", expected: "4 fields"),
    Case(
      what: "an unknown event", text: "user,item,event\n1,2,browse\n1,3,steal\n", line: 3,
      found: "the event 'steal'",
      expected: "browse, favourite, cart or buy"),
    Case(
      what: "a quotation mark that is never closed", text: "user,item\n1,\"a\n1,b\n", line: 2,
      found: "never closed",
      expected: "RFC 4180"),
    Case(
      what: "text after a quotation mark", text: "user,item\n1,\"a\"b\n", line: 2,
      found: "text after a closing quotation mark", expected: "RFC 4180"),
    Case(
      what: "a quotation mark inside a bare field", text: "user,item\n1,5\" nail\n", line: 2,
      found: "a quotation mark inside a field", expected: "RFC 4180"),
    Case(
      what: "ids that only look alike", text: "user,item\n1,\u{E9}\n1,e\u{301}\n", line: nil,
      found: "two different sequences of code points", expected: "normal form"),
    Case(
      what: "a line beyond all measure", text: "user,item\n1,\(String(repeating: "x", count: 17 << 20))\n",
      line: 2,
      found: "more than 16 MiB", expected: "shorter lines"),
  ]

  @Test(arguments: cases) func aBadFileIsRefusedWithOneSentence(_ bad: Case) throws {
    let scratch = try Scratch()
    for compressed in [false, true] {
      let path = try scratch.file(bad.name + (compressed ? ".gz" : ""), bad.text)
      var options = ImportOptions()
      if !bad.columns.isEmpty { options.columns = try ColumnMapping(parsing: bad.columns) }
      do {
        _ = try DatasetImporter.load(path: path, options: options)
        Issue.record("\(bad.what) was accepted")
      } catch let error as DataImportError {
        #expect(error.file == path)
        #expect(error.line == bad.line, "\(error)")
        #expect(error.found.contains(bad.found), "\(error)")
        #expect(error.expected.contains(bad.expected), "\(error)")
        let sentence = "\(error)"
        #expect(sentence.hasPrefix(path + (bad.line.map { ", line \($0): " } ?? ": ")))
        #expect(!sentence.contains("\n") && !error.advice.isEmpty)
      }
    }
  }

  @Test func bytesThatAreNotUTF8AreRefused() throws {
    let scratch = try Scratch()
    let latin = try scratch.file("latin.csv", Array("user,item\n1,2\n1,caf".utf8) + [0xE9, 10])
    expectError("bytes that are not UTF-8", line: 3) { _ = try DatasetImporter.load(path: latin) }
    let wide = try scratch.file("wide.csv", [0xFF, 0xFE, 0x75, 0, 0x73, 0])
    expectError("UTF-16", line: 1) { _ = try DatasetImporter.load(path: wide) }
    let header = try scratch.file(
      "header.csv", Array("user,it\u{E9}m".utf8.dropLast(2)) + [0xFF] + Array("\n1,2\n".utf8))
    expectError("bytes that are not UTF-8", line: 1) { _ = try DatasetImporter.load(path: header) }
  }

  @Test func brokenCompressionIsRefusedWhereverItBreaks() throws {
    let scratch = try Scratch()
    let text = "user,item\n" + (0..<20_000).map { "\($0 % 977),\($0 * 7919 % 1_013)\n" }.joined()
    let whole = [UInt8](try Data(contentsOf: URL(filePath: scratch.file("whole.csv.gz", text))))
    for length in [2, 10, 17, whole.count / 2, whole.count - 8, whole.count - 1] {
      let path = try scratch.file("cut\(length).csv.gz", Array(whole[..<length]))
      expectError("compressed data that stop in the middle", line: nil) {
        _ = try DatasetImporter.load(path: path)
      }
    }
    // A flipped bit is found by inflating or, at the latest, by the checksum.
    for position in stride(from: 12, to: whole.count, by: max(1, whole.count / 23)) {
      var broken = whole
      broken[position] ^= 0x10
      let path = try scratch.file("flipped\(position).csv.gz", broken)
      #expect(throws: DataImportError.self) { _ = try DatasetImporter.load(path: path) }
    }
    let trailing = try scratch.file("trailing.csv.gz", whole + Array("rubbish".utf8))
    expectError("compressed data that cannot be read", line: nil) {
      _ = try DatasetImporter.load(path: trailing)
    }
  }

  @Test func pathsThatLeadNowhereAreNamed() throws {
    let scratch = try Scratch()
    expectError("no such file or folder", line: nil) {
      _ = try DatasetImporter.load(path: "\(scratch.path)/none")
    }
    expectError("a folder without training data", line: nil) {
      _ = try DatasetImporter.load(path: scratch.path)
    }
    expectError("no such file", line: nil) { _ = try CatalogueFile.read(path: "\(scratch.path)/none") }
    expectError("a folder", line: nil) { _ = try CatalogueFile.read(path: scratch.path) }
    _ = try scratch.file("train.tsv", "user\titem\n1\t2\n")
    _ = try scratch.file("train.csv", "user,item\n1,2\n")
    expectError("train.tsv and train.csv", line: nil) { _ = try DatasetImporter.load(path: scratch.path) }
  }

  @Test func badRowsCanBeLeftOutAndAreCountedByReason() throws {
    let scratch = try Scratch()
    let path = try scratch.file(
      "log.csv", "user,item,timestamp\n1,2,10\n,3,11\n1,4,soon\n1,5\n1,6,12\n,7,13\n1,8,14\n")
    var options = ImportOptions()
    options.badRows = .ignore
    let imported = try DatasetImporter.load(path: path, options: options)
    #expect(imported.dataset.catalogue.itemIDs == ["2", "6", "8"])
    #expect(imported.report.rowsRead == 7)
    #expect(imported.report.pairsKept == 3)
    #expect(imported.report.dropped.map(\.count) == [2, 1, 1])
    #expect(imported.report.dropped[0].reason.contains("a user id"))
    #expect(imported.report.dropped[0].firstExample == "\(path), line 3")
  }

  @Test func aFileOfWhichNothingIsLeftIsRefused() throws {
    let scratch = try Scratch()
    let path = try scratch.file("log.csv", "user,item\n,3\n,4\n")
    var options = ImportOptions()
    options.badRows = .ignore
    expectError("no user that is left", line: nil) {
      _ = try DatasetImporter.load(path: path, options: options)
    }
  }

  @Test(arguments: [
    ("user", "'user'", "ROLE=COLUMN"), ("user=", "'user='", "ROLE=COLUMN"),
    ("usr=a", "the role 'usr'", "user"),
    ("user=a,user=b", "the role 'user' twice", "once"), ("user=a,,item=b", "''", "ROLE=COLUMN"),
  ])
  func aBadColumnMappingIsRefused(_ text: String, _ found: String, _ expected: String) {
    do {
      _ = try ColumnMapping(parsing: text)
      Issue.record("'\(text)' was accepted")
    } catch {
      #expect("\(error)".contains(found) && "\(error)".contains(expected), "\(error)")
    }
  }

  @Test func aMistypedRoleOrColumnIsAnsweredWithTheNearestKnownOne() throws {
    #expect { _ = try ColumnMapping(parsing: "usre=a") } throws: {
      "\($0)".contains("perhaps you mean 'user'")
    }
    let scratch = try Scratch()
    let path = try scratch.file("log.csv", "customer,sku\n1,2\n")
    var options = ImportOptions()
    options.columns = try ColumnMapping(parsing: "user=custmer,item=sku")
    #expect { _ = try DatasetImporter.load(path: path, options: options) } throws: {
      "\($0)".contains("perhaps you mean 'customer'")
    }
  }

  @Test(arguments: ["buy", "buy=", "buy=0", "buy=-1", "buy=nan", "buy=inf", "steal=3", ""])
  func badEventWeightsAreRefused(_ text: String) {
    #expect(throws: DataImportError.self) { _ = try EventWeights(parsing: text) }
  }
}

/// Expects a `DataImportError` whose `found` contains the words.
func expectError(_ found: String, line: Int?, _ body: () throws -> Void) {
  do {
    try body()
    Issue.record("accepted, expected: \(found)")
  } catch let error as DataImportError {
    #expect(error.found.contains(found) && error.line == line, "\(error)")
  } catch {
    Issue.record("another error: \(error)")
  }
}
