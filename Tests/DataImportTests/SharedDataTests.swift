import DataImport
import Recommender
import Testing

/// The benchmark sets that lie beside the project; their terms do not allow copies in it.
@Suite struct SharedDataTests {
  struct Expected: Sendable, CustomTestStringConvertible {
    let name: String
    let users: Int
    let items: Int
    let train: Int
    let test: Int
    let negatives: Int
    let partners: Int?
    var testDescription: String { name }
  }

  /// The table of DATASETS.md.
  static let sets = [
    Expected(
      name: "ml-100k", users: 943, items: 1_682, train: 99_057, test: 943, negatives: 943 * 99, partners: 11),
    Expected(
      name: "ml-1m", users: 6_040, items: 3_706, train: 994_169, test: 6_040, negatives: 597_804, partners: 10
    ),
    Expected(
      name: "online-retail", users: 4_074, items: 3_145, train: 260_436, test: 4_074, negatives: 4_074 * 99,
      partners: 8),
    Expected(
      name: "amazon-beauty", users: 22_363, items: 12_101, train: 176_139, test: 22_363,
      negatives: 22_363 * 99,
      partners: nil),
    Expected(
      name: "gowalla", users: 29_858, items: 40_981, train: 810_128, test: 217_242, negatives: 0,
      partners: nil),
  ]

  @Test func theEventLogOfOnlineRetailGivesTheSamePairsAsItsSplit() throws {
    guard let folder = Shared.folder("data/online-retail") else { return }
    let split = try DatasetImporter.load(path: folder).dataset
    let log = try DatasetImporter.load(path: "\(folder)/events.tsv.gz")
    #expect(log.report.rowsRead == 394_324)
    #expect(log.dataset.userIDs == split.userIDs)
    #expect(log.dataset.catalogue.itemIDs == split.catalogue.itemIDs)
    for user in 0..<split.userCount {
      let pairs = Set(split.train.history(of: user)).union(split.test[user])
      #expect(pairs == Set(log.dataset.train.history(of: user)).union(log.dataset.test[user]))
    }
  }

  @Test(arguments: sets) func theSharedSetsLoadWithTheirPublishedCounts(_ expected: Expected) throws {
    guard let folder = Shared.folder("data/\(expected.name)") else { return }
    let imported = try DatasetImporter.load(path: folder)
    let data = imported.dataset
    #expect(data.userCount == expected.users)
    #expect(data.itemCount == expected.items)
    #expect(data.train.count == expected.train)
    #expect(data.testCount == expected.test)
    let dropped = "negatives that repeat, equal the test item or lie outside the catalogue"
    #expect((data.negatives ?? []).reduce(0) { $0 + $1.count } == expected.negatives)
    #expect(data.train.weights.isEmpty)
    #expect(data.userIDs == (0..<expected.users).map { "\($0)" })
    #expect(data.catalogue.itemIDs == (0..<expected.items).map { "\($0)" })
    if let partners = expected.partners {
      #expect(try data.partition(by: .column("partner")).count == partners)
    }
    // A quirk of the official file: 156 of its negatives are the test item itself.
    #expect(
      imported.report.droppedCount(dropped) == 6_040 * 99 - expected.negatives || expected.name != "ml-1m")
    #expect(imported.report.dropped.isEmpty == (expected.name != "ml-1m"))
  }
}
