import DataImport
import Foundation
import Recommender
import Testing

/// What becomes of the rows of one table: events, duplicates, order, split, catalogue.
@Suite struct InteractionImportTests {
  private func load(_ text: String, _ change: (inout ImportOptions) throws -> Void = { _ in }) throws
    -> ImportedDataset
  {
    let scratch = try Scratch()
    var options = ImportOptions()
    try change(&options)
    return try DatasetImporter.load(path: scratch.file("log.csv", text), options: options)
  }

  @Test func repeatedPairsAreKeptOnceTheOldestAndCounted() throws {
    let imported = try load("user,item,timestamp,weight\n1,5,30,3\n1,5,10,2\n1,6,20,1\n1,5,20,9\n")
    #expect(imported.dataset.catalogue.itemIDs == ["5", "6"])
    #expect(Array(imported.dataset.train.items) == [0, 1])
    #expect(imported.dataset.train.weights == [2, 1])
    #expect(imported.report.dropped.map(\.count) == [2])
    #expect(imported.report.dropped[0].reason.contains("repeat"))
    #expect(imported.report.rowsRead == 4 && imported.report.pairsKept == 2)
  }

  @Test func eventsAreAddedUpAndStandWhereTheLastOneStands() throws {
    let text = """
      user,item,event,timestamp
      1,5,browse,10
      1,6,view,20
      1,5,buy,30
      1,7,Favorite,25
      1,6,addtocart,21

      """
    let imported = try load(text) { $0.holdsOutLast = false }
    let data = imported.dataset
    #expect(data.train.items.map { data.catalogue.itemIDs[Int($0)] } == ["6", "7", "5"])
    #expect(data.train.weights == [6, 3, 11])
    #expect(imported.report.dropped.isEmpty)
    let own = try load(text) {
      $0.holdsOutLast = false
      $0.eventWeights = try EventWeights(parsing: "buy=100,browse=0.5")
    }
    #expect(own.dataset.train.weights == [5.5, 3, 100.5])
  }

  @Test func `a table without a line of names is read by the places of its columns`() throws {
    // Clicks as a well-known challenge has them, and a shop's log that names the kind.
    let clicks = try load(
      "1,2014-04-07T10:51:09.277Z,214536502,0\n1,2014-04-07T10:54:09.868Z,214536500,0\n2,2014-04-07T10:55:00Z,214536502,0\n"
    ) {
      $0.columns = try ColumnMapping(parsing: "user=#1,time=#2,item=#3")
      $0.holdsOutLast = false
    }
    #expect(clicks.dataset.userIDs == ["1", "2"] && clicks.dataset.train.count == 3 && clicks.dataset.isOrdered)
    #expect(clicks.report.notes.contains { $0.contains("not used: #4") })
    let events = try load("1,5,99,pv,1511544070\n1,6,99,buy,1511544071\n") {
      $0.columns = try ColumnMapping(parsing: "user=#1,item=#2,event=#4,time=#5")
      $0.holdsOutLast = false
    }
    #expect(events.dataset.train.weights == [1, 10])
    #expect { try load("1,5\n") { $0.columns = try ColumnMapping(parsing: "user=#1,item=#3") } } throws: {
      "\($0)".contains("#3")
    }
    for first in ["1,2014-04-07T10:51:09.277Z,214536502,0", "1,2268318,2520377,pv,1511544070"] {
      #expect { try load(first + "\n" + first + "\n") { _ in } } throws: { "\($0)".contains("user=#1") }
    }
  }

  @Test func `users with rows of several partners are counted`() throws {
    let imported = try load("user,item,partner,timestamp\n1,5,A,1\n1,6,B,2\n2,5,A,1\n2,6,A,2\n3,5,,1\n3,6,B,2\n3,7,B,3\n") {
      $0.holdsOutLast = false
    }
    #expect(imported.report.notes.contains { $0.contains("1 users have rows of several partners") })
    #expect(imported.dataset.userAttributes["partner"] == ["A", "A", "B"])
  }

  @Test func `data without time or order say so`() throws {
    #expect(try !load("user,item\n1,5\n1,6\n") { _ in }.dataset.isOrdered)
    #expect(try load("user,item,timestamp\n1,5,3\n1,6,4\n") { _ in }.dataset.validationSplit().isOrdered)
    #expect(try !load("user,item\n1,5\n1,6\n") { _ in }.dataset.selecting(users: [0]).validationSplit().isOrdered)
  }

  @Test func aWeightColumnMultipliesTheEventsWeight() throws {
    let data = try load("user,item,event,qty\n1,5,buy,2\n1,5,browse,\n") {
      $0.columns = try ColumnMapping(parsing: "weight=qty")
    }.dataset
    #expect(data.train.weights == [21])
  }

  @Test func aBlankOptionalValueMeansUnknown() throws {
    let imported = try load("user,item,rating,timestamp,weight\n1,5,,20,\n1,6,4,,2\n1,7,,10,\n")
    #expect(imported.dataset.train.items.map { imported.dataset.catalogue.itemIDs[Int($0)] } == ["6", "7"])
    #expect(imported.dataset.test == [[0]])
    #expect(imported.dataset.train.weights == [2, 1])
    #expect(imported.report.notes.contains { $0.contains("1 rows without a time") })
  }

  @Test func theOrderColumnWinsOverTheTime() throws {
    let data = try load("user,item,order,timestamp\n1,5,2,10\n1,6,0,30\n1,7,1,20\n").dataset
    #expect(Array(data.train.items) == [1, 2])
    #expect(data.test == [[0]])
  }

  @Test func withoutTimeTheOrderOfTheRowsCountsAndIsNoted() throws {
    let imported = try load("user,item\n1,9\n1,7\n1,8\n2,7\n2,9\n")
    #expect(imported.dataset.test == [[1], []])
    #expect(imported.report.notes.contains { $0.contains("no time or order column") })
    #expect(imported.report.notes.contains { $0.contains("1 users have fewer than 3 items") })
  }

  @Test func negativesAreUnseenDistinctAndDrawnByTheSeed() throws {
    var text = "user,item,timestamp\n"
    var generator = SplitMix64(seed: 3)
    for user in 0..<30 {
      for step in 0..<(3 + user) { text += "u\(user),i\(generator.uniform(below: 400)),\(step)\n" }
    }
    let first = try load(text).dataset
    #expect(try load(text).dataset == first)
    #expect(try load(text) { $0.seed = 4 }.dataset.negatives != first.negatives)
    for user in 0..<first.userCount {
      let listed = first.negatives?[user] ?? []
      let own = Set(first.train.history(of: user)).union(first.test[user])
      #expect(Set(listed).count == listed.count && Set(listed).isDisjoint(with: own))
      #expect(listed.count == (first.test[user].isEmpty ? 0 : min(99, first.itemCount - own.count)))
    }
  }

  @Test func usersOutsideTheLimitsAreLeftOutAndCounted() throws {
    let text = "user,item\na,1\nb,1\nb,2\nc,1\nc,2\nc,3\nc,4\n"
    let imported = try load(text) {
      $0.itemsPerUserMin = 2
      $0.itemsPerUserMax = 3
    }
    #expect(imported.dataset.userIDs == ["b"])
    #expect(
      imported.report.dropped.map(\.reason) == [
        "users with fewer than 2 items", "users with more than 3 items (robots?)",
      ])
  }

  @Test func partnerAndTitleColumnsBecomeAttributes() throws {
    let data = try load("user,item,shop,name\n1,5,,Lamp\n1,6,north,\n2,6,south,Rug\n") {
      $0.columns = try ColumnMapping(parsing: "partner=shop,title=name")
    }.dataset
    #expect(data.userAttributes == ["partner": ["north", "south"]])
    #expect(data.catalogue.titles == ["Lamp", "Rug"])
  }

  @Test func numericIdsAreOrderedByValueAndTextsAsTheyCome() throws {
    #expect(
      try load("user,item\n10,300\n9,20\n10,5000000\n").dataset.catalogue.itemIDs == ["20", "300", "5000000"])
    #expect(try load("user,item\n10,300\n9,20\n").dataset.userIDs == ["9", "10"])
    #expect(try load("user,item\n10,b\n9,a\n").dataset.catalogue.itemIDs == ["b", "a"])
    #expect(try load("user,item\n10,007\n9,7\n").dataset.catalogue.itemIDs == ["007", "7"])
  }

  @Test func itemsOutsideTheCatalogueAreRefusedOrCounted() throws {
    let catalogue = Catalogue(itemIDs: ["c", "b", "a"])
    let text = "user,item\n1,a\n1,b\n1,zzz\n2,zzz\n2,c\n"
    expectError("the item 'zzz'", line: 4) { _ = try load(text) { $0.catalogue = catalogue } }
    let imported = try load(text) {
      $0.catalogue = catalogue
      $0.unknownItems = .ignore
    }
    #expect(imported.dataset.catalogue == catalogue)
    #expect(Array(imported.dataset.train.items) == [2, 1, 0])
    #expect(imported.report.droppedCount("rows with an item outside the catalogue") == 2)
    #expect(imported.report.notes.contains { $0.contains("1 of 4 items are not in the catalogue: 'zzz'") })
  }

  @Test func ownItemCodesAreMappedAndWhatDoesNotMatchIsReported() throws {
    let scratch = try Scratch()
    let codes = try ItemCodes(
      path: scratch.file("codes.csv", "code,item\nX1,lamp\nX2,rug\nX3,rug\nX4,sofa\n"))
    let catalogue = Catalogue(itemIDs: ["lamp", "rug"])
    let text = "user,item,timestamp\n1,X1,1\n1,X2,2\n1,X3,3\n1,Y9,4\n2,X4,5\n2,X3,6\n"
    expectError("the item code 'Y9'", line: 5) {
      _ = try load(text) {
        $0.itemCodes = codes
        $0.catalogue = catalogue
      }
    }
    let imported = try load(text) {
      $0.itemCodes = codes
      $0.catalogue = catalogue
      $0.unknownItems = .ignore
    }
    #expect(imported.dataset.train == Interactions(itemCount: 2, histories: [[0, 1], [1]]))
    #expect(imported.report.notes.contains { $0.contains("2 of 5 item codes did not match: 'Y9', 'X4'") })
    // Without a catalogue the mapping's public ids are the catalogue.
    let alone = try load("user,item\n1,X1\n1,X4\n") { $0.itemCodes = codes }
    #expect(alone.dataset.catalogue.itemIDs == ["lamp", "rug", "sofa"])
  }

  @Test(arguments: [
    ("code,item\nA,x\nA,y\n", "the code 'A' for a second item", 3), ("code,thing\nA,x\n", "'thing'", 1),
    ("code,item\nA\n", "1 fields", 2), ("code,item\nA,\n", "no item", 2), ("code,item\n", "no rows", nil),
  ])
  func aBadFileOfItemCodesIsRefused(_ text: String, _ found: String, _ line: Int?) throws {
    let scratch = try Scratch()
    let path = try scratch.file("codes.csv", text)
    expectError(found, line: line) { _ = try ItemCodes(path: path) }
  }

  @Test(arguments: [
    ("item\n1\n2\n1\n", "the item '1' a second time", 4), ("thing\n1\n", "'thing'", 1),
    ("item,title\n1\n", "1 fields", 2),
    ("item\n", "no rows", nil), ("item,title\n,x\n", "no item", 2),
  ])
  func aBadCatalogueIsRefused(_ text: String, _ found: String, _ line: Int?) throws {
    let scratch = try Scratch()
    let path = try scratch.file("items.csv", text)
    expectError(found, line: line) { _ = try CatalogueFile.read(path: path) }
  }
}
