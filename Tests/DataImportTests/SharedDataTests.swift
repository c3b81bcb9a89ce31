import DataImport
import Foundation
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
    Expected(name: "ml-100k", users: 943, items: 1_682, train: 99_057, test: 943, negatives: 943 * 99, partners: 11),
    Expected(
      name: "ml-1m", users: 6_040, items: 3_706, train: 994_169, test: 6_040, negatives: 6_040 * 99, partners: 10),
    Expected(
      name: "online-retail", users: 4_074, items: 3_145, train: 260_436, test: 4_074, negatives: 4_074 * 99,
      partners: 8),
    Expected(
      name: "amazon-beauty", users: 22_363, items: 12_101, train: 176_139, test: 22_363, negatives: 22_363 * 99,
      partners: nil),
    Expected(
      name: "gowalla", users: 29_858, items: 40_981, train: 810_128, test: 217_242, negatives: 0, partners: nil),
  ]

  @Test(arguments: sets) func theSharedSetsLoadWithTheirPublishedCounts(_ expected: Expected) throws {
    guard let folder = Shared.folder("data/\(expected.name)") else { return }
    let clock = ContinuousClock.now
    let imported = try DatasetImporter.load(path: folder)
    print("\(expected.name): \(ContinuousClock.now - clock)", imported.report)
    let data = imported.dataset
    #expect(data.userCount == expected.users)
    #expect(data.itemCount == expected.items)
    #expect(data.train.count == expected.train)
    #expect(data.testCount == expected.test)
    #expect((data.negatives ?? []).reduce(0) { $0 + $1.count } == expected.negatives)
    #expect(data.train.weights.isEmpty)
    #expect(data.userIDs == (0..<expected.users).map { "\($0)" })
    #expect(data.catalogue.itemIDs == (0..<expected.items).map { "\($0)" })
    if let partners = expected.partners {
      #expect(try data.partition(by: .column("partner")).count == partners)
    }
    #expect(imported.report.dropped.isEmpty)
  }
}

enum Shared {
  /// A folder of the shared material: beside the project, or where TACIT_SHARED says.
  static func folder(_ path: String) -> String? {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["TACIT_SHARED"], root.appending(path: "../shared").standardized.path,
    ]
    for case let base? in candidates {
      let folder = "\(base)/\(path)"
      if FileManager.default.fileExists(atPath: folder) { return folder }
    }
    print("SKIPPED: \(path) is not there; set TACIT_SHARED to the folder that holds it")
    return nil
  }
}
