import DataImport
import Foundation
import Recommender
import Testing

/// The files in `examples/` do what their README says.
@Suite struct ExampleTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "examples").path

  private func options() throws -> ImportOptions {
    var options = ImportOptions()
    options.columns = try ColumnMapping(
      parsing: "user=customer,item=code,time=when,event=action,weight=quantity,partner=shop")
    options.catalogue = try CatalogueFile.read(path: "\(Self.folder)/catalogue.csv")
    options.itemCodes = try ItemCodes(path: "\(Self.folder)/item-codes.csv")
    return options
  }

  @Test func theExampleLogIsReadThroughCatalogueAndCodes() throws {
    var options = try options()
    options.unknownItems = .ignore
    let imported = try DatasetImporter.load(path: "\(Self.folder)/shop-events.csv", options: options)
    let data = imported.dataset
    #expect(data.userCount == 24)
    #expect(data.itemCount == 14)
    #expect(data.catalogue.titles?.contains("Spice jar, set of 6") == true)
    #expect(try data.partition(by: .column("partner")).names == ["Bremen", "Lyon", "Porto"])
    #expect(data.testCount >= 20 && !data.train.weights.isEmpty)
    #expect(imported.report.droppedCount("rows with an item outside the catalogue") == 1)
    #expect(DatasetSummary(data).problems.contains { $0.contains("fewer than 10 users") })
  }

  @Test func theUnknownCodeIsRefusedUnlessToldOtherwise() throws {
    let options = try options()
    let rows = try String(contentsOfFile: "\(Self.folder)/shop-events.csv", encoding: .utf8)
      .split(separator: "\n").count
    expectError("the item code 'Z-999'", line: rows) {
      _ = try DatasetImporter.load(path: "\(Self.folder)/shop-events.csv", options: options)
    }
  }
}
