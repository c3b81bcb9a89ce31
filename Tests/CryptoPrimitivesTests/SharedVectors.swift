import CryptoPrimitives
import Foundation
import Testing

/// The developers' folder of test vectors, which is no part of the repository: `../shared` beside it, or where the
/// environment variable TACIT_SHARED says.
enum SharedVectors {
  static let folder: URL? = {
    var candidates: [URL] = []
    if let path = ProcessInfo.processInfo.environment["TACIT_SHARED"] {
      candidates.append(URL(fileURLWithPath: path))
    }
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    candidates.append(root.deletingLastPathComponent().appendingPathComponent("shared"))
    let found = candidates.map { $0.appendingPathComponent("vectors") }
      .first { FileManager.default.fileExists(atPath: $0.path) }
    if found == nil {
      print("SKIPPED: no shared test vectors (looked beside the repository and in TACIT_SHARED)")
    }
    return found
  }()

  static var arePresent: Bool { folder != nil }

  static func data(_ name: String) throws -> Data {
    try Data(contentsOf: try #require(folder).appendingPathComponent(name))
  }

  static func lines(_ name: String) throws -> [Substring] {
    String(decoding: try data(name), as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
  }

  /// Files of `NAME = value` lines: every test begins at a `COUNT` line.
  static func records(_ name: String) throws -> [[String: String]] {
    var records: [[String: String]] = []
    for line in try lines(name) where !line.hasPrefix("#") {
      guard let equals = line.firstIndex(of: "=") else { continue }
      let key = line[..<equals].trimmingCharacters(in: .whitespaces)
      let value = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
      if key == "COUNT" {
        records.append([:])
      } else if !records.isEmpty {
        records[records.count - 1][key] = value
      }
    }
    return records
  }
}

/// The parts of a Wycheproof file that the tests read.
struct Wycheproof: Decodable {
  struct Group: Decodable {
    struct Key: Decodable { let pk: String }
    let ivSize: Int?
    let publicKey: Key?
    let tests: [Case]
  }
  struct Case: Decodable {
    let tcId: Int
    let result: String
    let key: String?
    let iv: String?
    let aad: String?
    let msg: String?
    let ct: String?
    let tag: String?
    let sig: String?
    let `public`: String?
    let `private`: String?
    let shared: String?
    let ikm: String?
    let salt: String?
    let info: String?
    let size: Int?
    let okm: String?
  }
  let numberOfTests: Int
  let testGroups: [Group]

  static func load(_ name: String) throws -> Wycheproof {
    try JSONDecoder().decode(Wycheproof.self, from: SharedVectors.data("wycheproof/\(name)_test.json"))
  }
}

func bytes(_ hex: String?) throws -> [UInt8] {
  let hex = try #require(hex)
  return try #require(Hexadecimal.decode(hex))
}

func secret(_ hex: String?) throws -> SecretBytes { SecretBytes(copying: try bytes(hex)) }

/// A public value of fixed length.
func value<Value: FixedBytes>(_ hex: String?) throws -> Value {
  let bytes = try bytes(hex)
  return try #require(Value(bytes: bytes))
}

extension SecretBytes {
  /// For comparison with published values only.
  var hex: String { withUnsafeBytes { Hexadecimal.encode($0) } }
}
