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
        "evaluation-share: 0.1",
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

  /// Where a whole run says one of the numbers in bytes; what it says in words fails at once.
  private static func findings(_ noise: String, _ parameters: String) async throws -> Set<NumberSearch.Hit> {
    let task = try await task(noise, parameters)
    var sent: Set<[UInt8]> = []
    var found: Set<NumberSearch.Hit> = []
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
    for message in sent { found.formUnion(search.message(message, in: "from the coordinator")) }
    for message in received { found.formUnion(search.message(message, in: "to the coordinator")) }
    let export = try RunExport(folder: task.state.folder).write(to: task.path + "/run", data: "none", partners: "1")
    for case let name as String in FileManager.default.enumerator(atPath: export.path) ?? .init() {
      guard let bytes = FileManager.default.contents(atPath: "\(export.path)/\(name)") else { continue }
      found.formUnion(search.file(Array(bytes), in: name))
    }
    let log = task.log.all.joined(separator: "\n")
    #expect(!log.isEmpty)
    found.formUnion(search.text(log, in: "log"))
    found.formUnion(search.text(task.monitor.registry.text(), in: "metrics"))
    // In text nothing stands by chance.
    let said = found.filter { !$0.mayBeChance }
    #expect(said.isEmpty, "\(said)")
    return found.subtracting(said)
  }

  @Test func `the search finds what is planted, in every form`() throws {
    let search = NumberSearch([2749])
    for text in ["{\"users\":2749}", "users=2749", "2749.0", "2,749 users", "[1, 2749]", "n 2749\n", "known as 2749 as it is"] {
      #expect(search.text(text).first?.mayBeChance == false, "\(text)")
    }
    for text in ["12749", "27490", "0.2749", "item-2749", "2749.5", "a2749f"] { #expect(search.text(text).isEmpty, "\(text)") }
    for bytes in [
      [0, 0, 0x0A, 0xBD], [0xBD, 0x0A, 0, 0], [0, 0, 0, 0, 0, 0, 0x0A, 0xBD], [0xBD, 0x0A, 0, 0, 0, 0, 0, 0],
    ] as [[UInt8]] {
      #expect(search.file([7] + bytes + [9]).first?.mayBeChance == true)
    }
    // Field 3 as a varint, in a message inside of a message; a double and a float of it.
    let inner: [UInt8] = [0x18, 0xBD, 0x15]
    #expect(!search.message(inner).isEmpty && !search.message([0x0A, 3] + inner).isEmpty)
    #expect(!search.message([0x09] + withUnsafeBytes(of: 2749.0.bitPattern.littleEndian) { Array($0) }).isEmpty)
    #expect(!search.message([0x0D] + withUnsafeBytes(of: Float(2749).bitPattern.littleEndian) { Array($0) }).isEmpty)
    #expect(search.message([0x18, 0xBE, 0x15]).isEmpty)
    // Between others in a packed field, and as a signed number.
    #expect(!search.message([0x1A, 4, 0x05, 0xBD, 0x15, 0x07]).isEmpty && !search.message([0x18, 0xFA, 0x2A]).isEmpty)
  }
}
