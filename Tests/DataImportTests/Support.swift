import DataImport
import Foundation
import Recommender

/// A folder that is removed with the value's last reference.
final class Scratch {
  let path: String

  init() throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "tacit-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    path = url.path
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file and gives its path; names that end in `.gz` are compressed.
  func file(_ name: String, _ text: String) throws -> String {
    let writer = try TextWriter(path: "\(path)/\(name)")
    try writer.write(text)
    try writer.finish()
    return "\(path)/\(name)"
  }

  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }

  func names(_ folder: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(path)/\(folder)").sorted()
  }
}

enum Shared {
  /// A folder of the shared material: beside the project, or where TACIT_SHARED says.
  static func folder(_ path: String) -> String? {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let candidates: [String?] = [
      ProcessInfo.processInfo.environment["TACIT_SHARED"],
      root.appending(path: "../shared").standardized.path,
    ]
    for case let base? in candidates {
      let folder = "\(base)/\(path)"
      if FileManager.default.fileExists(atPath: folder) { return folder }
    }
    print("SKIPPED: \(path) is not there; set TACIT_SHARED to the folder that holds it")
    return nil
  }
}

/// A small random data set: short and long histories, users without test items, strange names.
func randomDataset(seed: UInt64, name: String) -> Dataset {
  var generator = SplitMix64(seed: seed)
  let itemCount = 2 + generator.uniform(below: 120)
  let userCount = 1 + generator.uniform(below: 40)
  let isNumeric = generator.uniform(below: 2) == 0
  let strange = [
    "", " ", "a,b", "\"quoted\"", "\"half", "say \"yes\"", "\"\"", "é", "日本", "'", "\\t", "::", "a;b", "#",
  ]
  let id = { (prefix: String, index: Int) in
    isNumeric ? "\(index * 3 + 1)" : "\(prefix)\(strange[index % strange.count])x\(index)"
  }
  let hasWeights = generator.uniform(below: 2) == 0
  let hasNegatives = generator.uniform(below: 3) > 0
  var histories: [[Int32]] = []
  var weights: [[Float]] = []
  var test: [[Int32]] = []
  var negatives: [[Int32]] = []
  for _ in 0..<userCount {
    var items = (0..<Int32(itemCount)).map { $0 }
    items.shuffle(using: &generator)
    let length = generator.uniform(below: min(itemCount, 30))
    let held = min(generator.uniform(below: 3), itemCount - length)
    histories.append(Array(items[..<length]))
    weights.append((0..<length).map { _ in Float(generator.uniform(below: 1_000) + 1) / 7 })
    test.append(Array(items[length..<length + held]))
    let listed = min(generator.uniform(below: 9), itemCount - length - held)
    negatives.append(held == 0 ? [] : Array(items[length + held..<length + held + listed]))
  }
  let column = { (count: Int) in (0..<count).map { _ in strange[generator.uniform(below: strange.count)] } }
  let hasAnyNegatives = hasNegatives && negatives.contains { !$0.isEmpty }
  return Dataset(
    name: name,
    catalogue: Catalogue(
      itemIDs: (0..<itemCount).map { id("i", $0) },
      attributes: ["title": column(itemCount), "brand": column(itemCount)]),
    userIDs: (0..<userCount).map { id("u", $0) },
    train: Interactions(
      itemCount: itemCount, histories: histories,
      weights: hasWeights && weights.contains { !$0.isEmpty } ? weights : []), test: test,
    negatives: hasAnyNegatives ? negatives : nil, userAttributes: ["partner": column(userCount)])
}
