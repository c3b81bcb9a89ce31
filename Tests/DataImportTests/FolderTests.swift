import DataImport
import Foundation
import Recommender
import Testing

/// The folder layout: what is written is read back, what does not fit is refused, what is there is not overwritten.
@Suite struct FolderTests {
  @Test func whatIsWrittenIsReadBackEqual() throws {
    for seed: UInt64 in 0..<60 {
      let scratch = try Scratch()
      let data = randomDataset(seed: seed, name: "round")
      try DatasetWriter.write(data, to: "\(scratch.path)/round")
      let back = try DatasetImporter.load(path: "\(scratch.path)/round")
      // A data set without test items has no test file and no negatives.
      #expect(back.dataset == data, "seed \(seed)")
      #expect(back.report.dropped.isEmpty, "seed \(seed): \(back.report.dropped)")
      #expect(try scratch.names() == ["round"])
    }
  }

  @Test func equalDataGiveEqualBytes() throws {
    let scratch = try Scratch()
    let data = randomDataset(seed: 3, name: "a")
    for folder in ["a", "b"] { try DatasetWriter.write(data, to: "\(scratch.path)/\(folder)") }
    for name in try scratch.names("a") {
      let (first, second) = (
        URL(filePath: "\(scratch.path)/a/\(name)"), URL(filePath: "\(scratch.path)/b/\(name)")
      )
      #expect(try Data(contentsOf: first) == Data(contentsOf: second), "\(name)")
    }
  }

  @Test func denseIdsKeepTheOldOnesAsColumns() throws {
    let data = randomDataset(seed: 9, name: "x").withDenseIDs()
    #expect(data.userIDs == (0..<data.userCount).map { "\($0)" })
    #expect(data.catalogue.attributes["item_id"] == randomDataset(seed: 9, name: "x").catalogue.itemIDs)
    #expect(data.userAttributes["user_id"] == randomDataset(seed: 9, name: "x").userIDs)
  }

  @Test func aFolderThatIsNotEmptyIsLeftAlone() throws {
    let scratch = try Scratch()
    let data = randomDataset(seed: 1, name: "out")
    let folder = "\(scratch.path)/out"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try DatasetWriter.write(data, to: folder)  // An empty folder is as good as none.
    expectError("a folder that is not empty", line: nil) { try DatasetWriter.write(data, to: folder) }
    let other = randomDataset(seed: 2, name: "out")
    try DatasetWriter.write(other, to: folder + "/", replacing: true)
    #expect(try DatasetImporter.load(path: folder).dataset == other)
    #expect(try scratch.names() == ["out"])
    // A folder with anything else in it is not replaced, whatever is asked.
    _ = try scratch.file("out/thesis.txt", "years of work")
    expectError("'thesis.txt' in the folder to be replaced", line: nil) {
      try DatasetWriter.write(data, to: folder, replacing: true)
    }
    #expect(try DatasetImporter.load(path: folder).dataset == other)
    let file = try scratch.file("plain", "x")
    expectError("a file", line: nil) { try DatasetWriter.write(data, to: file, replacing: true) }
    expectError("while writing", line: nil) {
      try DatasetWriter.write(data, to: "\(scratch.path)/no/such/folder")
    }
    #expect(try scratch.names() == ["out", "plain"])
  }

  @Test func nothingIsLeftBehindWhenAnIdCannotBeWritten() throws {
    let scratch = try Scratch()
    for id in ["a\tb", "a\nb", "", " a", "-5"] {
      let data = Dataset(
        name: "x", catalogue: Catalogue(itemIDs: ["i"]), userIDs: [id],
        train: Interactions(itemCount: 1, histories: [[0]]))
      expectError("the user id", line: nil) { try DatasetWriter.write(data, to: "\(scratch.path)/x") }
    }
    #expect(try scratch.names().isEmpty)
  }

  @Test func anAttributeWithTabsAndLineEndsIsWrittenWithSpaces() throws {
    let scratch = try Scratch()
    let data = Dataset(
      name: "x", catalogue: Catalogue(itemIDs: ["i"], attributes: ["title": ["a\tb\nc"]]), userIDs: ["u"],
      train: Interactions(itemCount: 1, histories: [[0]]))
    try DatasetWriter.write(data, to: "\(scratch.path)/x")
    #expect(try DatasetImporter.load(path: "\(scratch.path)/x").dataset.catalogue.titles == ["a b c"])
  }

  @Test func aMinimalFolderNeedsTrainingDataOnly() throws {
    let scratch = try Scratch()
    _ = try scratch.file("train.csv", "user,item\n0,1\n0,0\n1,1\n")
    let imported = try DatasetImporter.load(path: scratch.path)
    #expect(imported.dataset.train == Interactions(itemCount: 2, histories: [[1, 0], [1]]))
    #expect(imported.dataset.test == [[], []] && imported.dataset.negatives == nil)
    #expect(imported.report.notes.contains { $0.contains("no test file") })
  }

  @Test func usersAndItemsFilesFixTheOrderAndTheCatalogue() throws {
    let scratch = try Scratch()
    _ = try scratch.file("users.csv", "user,partner\nz,north\ny,\nx,south\n")
    _ = try scratch.file("items.csv", "item,title\nc,C\nb,B\na,A\n")
    _ = try scratch.file("train.csv", "user,item,order\ny,a,1\ny,c,0\nw,b,0\n")
    let imported = try DatasetImporter.load(path: scratch.path)
    let data = imported.dataset
    #expect(data.userIDs == ["z", "y", "x", "w"])
    #expect(data.catalogue.itemIDs == ["c", "b", "a"])
    #expect(data.userAttributes["partner"] == ["north", "", "south", ""])
    #expect(data.train == Interactions(itemCount: 3, histories: [[], [0, 2], [], [1]]))
    #expect(imported.report.notes.contains { $0.contains("1 users are not in the users file") })
    #expect(try data.partition(by: .column("partner")).names == ["north", "south", "unknown"])
  }

  @Test func folderFilesThatContradictEachOtherAreRefusedOrCounted() throws {
    let train = "user,item\n0,0\n0,1\n1,2\n"
    let cases: [(files: [(String, String)], found: String, line: Int?)] = [
      ([("items.csv", "item\n0\n1\n")], "the item '2'", 4),
      ([("items.csv", "item\n0\n1\n2\n"), ("test.csv", "user,item\n0,7\n")], "the item '7'", 2),
      (
        [
          ("items.csv", "item\n0\n1\n2\n"), ("test.csv", "user,item\n0,2\n"),
          ("negatives.csv", "user,item,n1\n0,2,9\n"),
        ],
        "the item '9'", 2
      ),
      (
        [("test.csv", "user,item\n0,2\n"), ("negatives.csv", "user,item,n1\n0,1,0\n")],
        "negatives for an item that is no test item of '0'", 2
      ),
      (
        [("test.csv", "user,item\n0,2\n"), ("negatives.csv", "user,item,n1\n5,2,0\n")], "the user '5'", 2
      ),
      (
        [("test.csv", "user,item\n0,2\n"), ("negatives.csv", "user,item,n1\n0,2,0\n0,2,1\n")],
        "a second row of the user '0'", 3
      ),
      (
        [("test.csv", "user,item\n0,2\n"), ("negatives.csv", "user,item,n1,n2\n0,2,0\n")], "3 fields", 2
      ),
      ([("test.csv", "user,item\n0,2\n"), ("negatives.csv", "user,item\n0,2\n")], "no columns beside", 1),
      ([("users.csv", "user\n0\n0\n")], "the user '0' a second time", 3),
      ([("test.csv", "user,item\n")], "no rows", nil),
    ]
    for (files, found, line) in cases {
      let scratch = try Scratch()
      _ = try scratch.file("train.csv", train)
      for (name, text) in files { _ = try scratch.file(name, text) }
      expectError(found, line: line) { _ = try DatasetImporter.load(path: scratch.path) }
    }
  }

  @Test func testPairsThatWereTrainedOnAndBadNegativesAreDroppedAndCounted() throws {
    let scratch = try Scratch()
    _ = try scratch.file("train.csv", "user,item\n0,0\n0,1\n0,1\n1,2\n")
    _ = try scratch.file("test.csv", "user,item\n0,1\n0,3\n0,2\n1,2\n")
    _ = try scratch.file("negatives.csv", "user,item,n1,n2,n3,n4\n0,2,4,4,2,\n1,2,0,1,3,4\n")
    let imported = try DatasetImporter.load(path: scratch.path)
    // The item that the negatives belong to comes first.
    #expect(imported.dataset.test == [[2, 3], []])
    #expect(imported.dataset.negatives == [[4], []])
    #expect(
      imported.report.droppedCount("rows that repeat a pair of user and item (the oldest is kept)") == 1)
    #expect(imported.report.droppedCount("test pairs that are also in training") == 2)
    #expect(imported.report.droppedCount("lists of negatives without a test item") == 1)
    #expect(
      imported.report.droppedCount("negatives that repeat, equal the test item or lie outside the catalogue")
        == 2)
  }

  @Test func theSummaryNamesWhatStandsInTheWay() {
    let empty = Dataset(
      name: "x", catalogue: Catalogue(itemIDs: ["a", "b"]), userIDs: ["u", "v"],
      train: Interactions(itemCount: 2, histories: [[0], []]), userAttributes: ["partner": ["one", "one"]])
    let summary = DatasetSummary(empty)
    #expect(summary.problems.count == 3)
    #expect(summary.problems.contains { $0.contains("no test items") })
    #expect(summary.problems.contains { $0.contains("one value only") })
    #expect(summary.problems.contains { $0.contains("1 users have no training items") })
    #expect(summary.unseenItems == 1 && summary.density == 0.25 && summary.historyLengths == [0, 1, 1, 1])
    #expect(summary.partners.map(\.name) == ["one"] && summary.partners.map(\.interactions) == [1])
  }
}
