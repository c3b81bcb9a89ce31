internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Glibc
internal import SecureAggregation
internal import Storage

/// A folder of its own for one test, removed when the value goes away.
final class TemporaryFolder {
  let path: String

  init() {
    var template = Array("/tmp/tacit-storage-XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil, "no temporary folder could be made")
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { Self.remove(path) }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  var names: [String] { Self.names(in: path) }

  static func names(in path: String) -> [String] {
    guard let directory = opendir(path) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  private static func remove(_ path: String) {
    for name in names(in: path) { remove("\(path)/\(name)") }
    if rmdir(path) != 0 { unlink(path) }
  }
}

enum Files {
  static func read(_ path: String) -> [UInt8]? {
    guard let file = fopen(path, "r") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
    return bytes
  }

  static func write(_ bytes: [UInt8], to path: String) {
    guard let file = fopen(path, "w") else { preconditionFailure("\(path) cannot be written") }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }
}

/// A ledger's world for storage tests.
enum Sample {
  static let key = SigningKey(seed: SecretBytes(copying: [UInt8](repeating: 7, count: 32)))

  static func create(at path: String) throws -> PrivacyLedger {
    try PrivacyLedger.create(
      at: path, kind: .partner, holder: "bakery", dataset: "orders", created: 1000, key: key)
  }

  static func request(_ round: Int) throws -> ChargeRequest {
    let release = try GaussianRelease(
      sigmaSquared: 1_000_004, deltaSquared: 10_000, dimension: 100, adjacency: .addRemove)
    guard let session = SessionID(bytes: [UInt8](repeating: 3, count: 16)) else {
      preconditionFailure("a session has 16 bytes")
    }
    return ChargeRequest(
      attempt: LedgerAttempt(session: session, round: round, attempt: 0), release: 0, name: "gradients",
      plan: SHA256.hash([1]), binding: SHA256.hash([2]), event: .accounted(.gaussian(release: release)),
      sampler: "everyone",
      participants: 5,
      survivors: nil, delta: 1e-6, time: 1000 + round)
  }
}
