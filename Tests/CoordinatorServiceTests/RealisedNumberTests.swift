import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import GRDB
import Logging
import Operations
import SecureAggregation
import Testing
import WireProtocol

/// How many users took part is a release of its own: nothing that partners send, and nothing that the coordinator keeps, logs or
/// sends, says it. Here every message is seen as it leaves and arrives, before TLS and after it.
@Suite struct RealisedNumberTests {
  /// By partner: primes of four digits, which no other number of such a task is.
  private static let users = [1: 2749, 2: 3571, 3: 4111, 4: 5827]
  private static let search = NumberSearch(Array(users.values) + [users.values.reduce(0, +)])

  private static func task(_ noise: String, _ parameters: String) async throws -> TestTask {
    try await TestTask(
      noise: noise,
      settings: [
        "algorithm: mf", "rounds: 2", "parameters: [\(parameters)]", "nominal-users: 16000", "maximum-users: 6000",
      ], logLevel: .trace, users: { users[$0] ?? 0 })
  }

  @Test(arguments: ["central", "distributed"], ["dimension=4", "dimension=4, clip-quantile=0.5"])
  func `no message, row, log line, metric or export says how many users took part`(
    noise: String, parameters: String
  ) async throws {
    let found = try await Self.findings(noise, parameters)
    guard !found.isEmpty else { return }
    // The end of a digest and the zeros after it can look like a number. What is said is said in every run, by other digests too.
    let again = try await Self.findings(noise, parameters).intersection(found)
    #expect(again.isEmpty, "\(again)")
  }

  /// Where a whole run says one of the numbers.
  private static func findings(_ noise: String, _ parameters: String) async throws -> Set<String> {
    let task = try await task(noise, parameters)
    var sent: Set<[UInt8]> = []
    var found: Set<String> = []
    func look() throws {
      for messages in task.host.sentMessages.values { sent.formUnion(messages) }
      found.formUnion(try search.database(task.state.folder.database))
    }
    try await task.run(afterEach: { _, _ in try look() })
    try look()
    #expect(try await task.isFinished)
    #expect(try task.state.store.releases(of: task.session).count == task.plan.plan.releases.count)
    let received = task.partners.flatMap { $0.uploaded.map(\.bytes) }
    #expect(sent.count > 10 && received.count > 40)
    for message in sent { found.formUnion(search.message(message).map { "from the coordinator: \($0)" }) }
    for message in received { found.formUnion(search.message(message).map { "to the coordinator: \($0)" }) }
    let export = try RunExport(folder: task.state.folder).write(to: task.path + "/run", data: "none", partners: "1")
    for case let name as String in FileManager.default.enumerator(atPath: export.path) ?? .init() {
      guard let bytes = FileManager.default.contents(atPath: "\(export.path)/\(name)") else { continue }
      found.formUnion(search.file(Array(bytes)).map { "\(name): \($0)" })
    }
    // In text nothing stands by chance: what surrounds a number is part of what was found, and differs from run to run.
    let log = task.log.all.joined(separator: "\n")
    #expect(!log.isEmpty && search.text(log).isEmpty, "\(search.text(log))")
    let metrics = task.monitor.registry.text()
    #expect(search.text(metrics).isEmpty, "\(search.text(metrics))")
    let inText = found.filter { !$0.contains(" as ") }
    #expect(inText.isEmpty, "\(inText)")
    return found.subtracting(inText)
  }

  @Test func `the search finds what is planted, in every form`() throws {
    let search = NumberSearch([2749])
    for text in ["{\"users\":2749}", "users=2749", "2749.0", "2,749 users", "[1, 2749]", "n 2749\n"] {
      #expect(!search.text(text).isEmpty, "\(text)")
    }
    for text in ["12749", "27490", "0.2749", "item-2749", "2749.5", "a2749f"] { #expect(search.text(text).isEmpty, "\(text)") }
    for bytes in [
      [0, 0, 0x0A, 0xBD], [0xBD, 0x0A, 0, 0], [0, 0, 0, 0, 0, 0, 0x0A, 0xBD], [0xBD, 0x0A, 0, 0, 0, 0, 0, 0],
    ] as [[UInt8]] {
      #expect(!search.file([7] + bytes + [9]).isEmpty)
    }
    // Field 3 as a varint, in a message inside of a message; a double and a float of it.
    let inner: [UInt8] = [0x18, 0xBD, 0x15]
    #expect(!search.message(inner).isEmpty && !search.message([0x0A, 3] + inner).isEmpty)
    #expect(!search.message([0x09] + withUnsafeBytes(of: 2749.0.bitPattern.littleEndian) { Array($0) }).isEmpty)
    #expect(!search.message([0x0D] + withUnsafeBytes(of: Float(2749).bitPattern.littleEndian) { Array($0) }).isEmpty)
    #expect(search.message([0x18, 0xBE, 0x15]).isEmpty)
  }
}

/// Looks for numbers in everything that a program can write them as.
struct NumberSearch: Sendable {
  private let numbers: [Int]

  init(_ numbers: [Int]) { self.numbers = numbers }

  /// Where a number stands by itself, also with a grouping comma or as 2731.0.
  func text(_ text: String) -> [String] {
    let forms = numbers.flatMap { ["\($0)", "\($0 / 1000),\(String(format: "%03d", $0 % 1000))"] }
    guard
      let pattern = try? NSRegularExpression(
        pattern: "(?<![0-9A-Za-z.,_-])(\(forms.joined(separator: "|")))(\\.0+)?(?![0-9A-Za-z_-]|[.,][0-9])")
    else { return ["the pattern is none"] }
    return pattern.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap { match in
      Range(match.range, in: text).map { range in
        let from = text.index(range.lowerBound, offsetBy: -30, limitedBy: text.startIndex) ?? text.startIndex
        let to = text.index(range.upperBound, offsetBy: 30, limitedBy: text.endIndex) ?? text.endIndex
        return String(text[from..<to])
      }
    }
  }

  /// Four or eight bytes of a number, either way round.
  func bytes(_ bytes: [UInt8]) -> [String] {
    let data = Data(bytes)
    return numbers.flatMap { number -> [String] in
      let forms: [(String, Data)] = [
        ("UInt32, little-endian", withUnsafeBytes(of: UInt32(number).littleEndian) { Data($0) }),
        ("UInt32, big-endian", withUnsafeBytes(of: UInt32(number).bigEndian) { Data($0) }),
        ("UInt64, little-endian", withUnsafeBytes(of: UInt64(number).littleEndian) { Data($0) }),
        ("UInt64, big-endian", withUnsafeBytes(of: UInt64(number).bigEndian) { Data($0) }),
        ("Double", withUnsafeBytes(of: Double(number).bitPattern.littleEndian) { Data($0) }),
        ("Float", withUnsafeBytes(of: Float(number).bitPattern.littleEndian) { Data($0) }),
      ]
      return forms.filter { data.range(of: $0.1) != nil }.map { "\(number) as \($0.0)" }
    }
  }

  func file(_ content: [UInt8]) -> [String] { text(String(decoding: content, as: UTF8.self)) + bytes(content) }

  /// The same, and as the varint of any field of a protobuf message, however deep.
  func message(_ message: [UInt8]) -> [String] { file(message) + (varints(message[...]) ?? []) }

  /// - Returns: `nil` where the bytes are no protobuf message.
  private func varints(_ message: ArraySlice<UInt8>) -> [String]? {
    var rest = message
    var found: [String] = []
    func varint() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: 0, to: 64, by: 7) {
        guard let byte = rest.popFirst() else { return nil }
        value |= UInt64(byte & 0x7F) << UInt64(shift)
        if byte < 0x80 { return value }
      }
      return nil
    }
    while !rest.isEmpty {
      guard let tag = varint(), tag >> 3 > 0, tag >> 3 < 1 << 12 else { return nil }
      switch tag & 7 {
      case 0:
        guard let value = varint() else { return nil }
        if numbers.contains(where: { UInt64($0) == value }) {
          found.append("\(value) as the varint of field \(tag >> 3)")
        }
      case 1: rest = rest.dropFirst(8)
      case 5: rest = rest.dropFirst(4)
      case 2:
        guard let length = varint(), length <= UInt64(rest.count) else { return nil }
        found += varints(rest.prefix(Int(length))) ?? []
        rest = rest.dropFirst(Int(length))
      default: return nil
      }
    }
    return found
  }

  /// Every value of every row.
  func database(_ path: String) throws -> [String] {
    var configuration = Configuration()
    configuration.readonly = true
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    defer { try? queue.close() }
    return try queue.read { database in
      var found: [String] = []
      for table in try String.fetchAll(database, sql: "SELECT name FROM sqlite_master WHERE type = 'table'") {
        for row in try Row.fetchAll(database, sql: "SELECT * FROM \"\(table)\"") {
          for (column, value) in row {
            let place = "\(table).\(column): "
            switch value.storage {
            case .null: break
            case .int64(let value): if numbers.contains(Int(value)) { found.append(place + "\(value)") }
            case .double(let value): if numbers.contains(where: { Double($0) == value }) { found.append(place + "\(value)") }
            case .string(let value): found += text(value).map { place + $0 }
            case .blob(let value): found += message(Array(value)).map { place + $0 }
            }
          }
        }
      }
      return found
    }
  }
}
