import Foundation

/// Where tests find files outside their target.
enum Files {
  /// The project's root, from this file's place in it.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

  /// A file of the shared folder beside the project, or `nil` (said loudly) where it is absent.
  static func shared(_ path: String) -> URL? {
    var folders: [URL] = []
    if let folder = ProcessInfo.processInfo.environment["TACIT_SHARED"] {
      folders.append(URL(fileURLWithPath: folder))
    }
    folders.append(root.deletingLastPathComponent().appendingPathComponent("shared"))
    for folder in folders {
      let file = folder.appendingPathComponent(path)
      if FileManager.default.fileExists(atPath: file.path) { return file }
    }
    print("SKIPPED: ../shared/\(path) is absent; set TACIT_SHARED to check against it")
    return nil
  }

  static func json(_ file: URL) throws -> [String: Any] {
    try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] ?? [:]
  }
}

/// Statistics for seeded tests.
enum Statistics {
  /// χ² of counts against probabilities; cells with an expectation below 5 are pooled.
  static func chiSquared(_ counts: [Int: Int], probability: (Int) -> Double, range: ClosedRange<Int>)
    -> (value: Double, degrees: Int)
  {
    let total = Double(counts.values.reduce(0, +))
    var value = 0.0
    var cells = 0
    var pooledCount = total
    var pooledExpectation = total
    for cell in range {
      let expectation = total * probability(cell)
      guard expectation >= 5 else { continue }
      let count = Double(counts[cell] ?? 0)
      value += (count - expectation) * (count - expectation) / expectation
      cells += 1
      pooledCount -= count
      pooledExpectation -= expectation
    }
    if pooledExpectation > 5 {
      value += (pooledCount - pooledExpectation) * (pooledCount - pooledExpectation) / pooledExpectation
      cells += 1
    }
    return (value, cells - 1)
  }

  /// A value that χ² exceeds with probability of about 1e-6 (Wilson, Hilferty).
  static func chiSquaredLimit(_ degrees: Int) -> Double {
    let k = Double(degrees)
    let root = 1 - 2 / (9 * k) + 4.75 * (2 / (9 * k)).squareRoot()
    return k * root * root * root
  }

  static func mean(_ values: [Int64]) -> Double {
    values.reduce(0) { $0 + Double($1) } / Double(values.count)
  }

  static func variance(_ values: [Int64]) -> Double {
    let mean = mean(values)
    return values.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count - 1)
  }
}
