internal import CommandSupport
internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import Reporting
internal import Testing

/// A coordinator, or a partner, that has its own key and writes what it likes with it: whole ledgers anew, reports with its seal.
///
/// The keys are those of a run with `--insecure-test-randomness`, which come from its seed.
struct LyingCoordinator {
  let scratch: Scratch
  let key: SigningKey
  let partnerKeys: [SigningKey]

  static let ledger = "run/ledgers/coordinator.ledger"
  static let witnesses = "run/ledgers/coordinator.witnesses"

  private static let made: Result<Scratch, any Error> = Result {
    let scratch = try Scratch()
    // A global is never freed, so its folder goes when the tests are over.
    atexit { if case .success(let scratch) = LyingCoordinator.made { scratch.removeAll() } }
    let data = try Program.tacit.run(
      "data", "generate", "--users", "240", "--items", "60", "--partners", "3", "--output", "shops", in: scratch)
    guard data.status == 0 else { throw FinishedRunFixture.FixtureError(sentence: data.errors) }
    let run = try Program.tacit.run(
      "simulate", "--data", "shops", "--partners", "4", "--algorithm", "mf", "--rounds", "3", "--baselines", "off", "--seed", "1",
      "--insecure-test-randomness", "--output", "run", "--format", "json", in: scratch)
    guard run.status == 0 else { throw FinishedRunFixture.FixtureError(sentence: run.errors) }
    return scratch
  }

  /// With a copy of the run of its own.
  init() throws {
    let source = try Self.made.get()
    scratch = try Scratch()
    try scratch.copy(source.url.appending(path: "run"), to: "run")
    var random: any RandomSource = KeyedRandomSource(insecureSeed: SplitMix64.mix(1))
    key = SigningKey(random: &random)
    partnerKeys = (0..<4).map { _ in SigningKey(random: &random) }
  }

  /// Writes a ledger anew: payloads as `change` leaves them (with their record numbers), chained and signed as they should be.
  func rewrite(
    _ path: String = ledger, to copy: String? = nil, key: SigningKey? = nil,
    _ change: (Int, inout [String: CanonicalJSON]) -> Void
  ) throws {
    let key = key ?? self.key
    var lines = ""
    var previous = [UInt8](repeating: 0, count: 32)
    var ledger: [UInt8]?
    var tree = MerkleLog()
    for (index, line) in try scratch.read(path).split(separator: "\n").enumerated() {
      let payload = try #require(line.split(separator: "\t").first)
      guard case .object(var members) = try CanonicalJSON(canonical: Array(payload.utf8)) else { continue }
      change(index + 1, &members)
      let bytes = CanonicalJSON.object(members).bytes
      let digest = SHA256.hash(Array("tacit/ledger/link/v1\0".utf8) + previous + bytes)
      previous = digest.bytes
      tree.append(previous)
      let size = (0..<8).map { UInt8(truncatingIfNeeded: UInt64(index + 1) >> UInt64(56 - 8 * $0)) }
      let message = Array("tacit/ledger/head/v2\0".utf8) + (ledger ?? previous) + size + previous + tree.root.bytes
      ledger = ledger ?? previous
      lines +=
        [String(decoding: bytes, as: UTF8.self), digest.hex, tree.root.hex, key.sign(message).hex].joined(separator: "\t") + "\n"
    }
    try scratch.write(lines, to: copy ?? path)
  }

  /// Changes the report and seals it, in all forms, with the coordinator's key or another one.
  func reseal(key: SigningKey? = nil, _ change: (inout RunReport) -> Void) throws {
    var report = try RunReport(json: try scratch.bytes("run/report.json"))
    change(&report)
    let sealed = try SealedReport(report, key: key ?? self.key)
    try scratch.write(sealed.json, to: "run/report.json")
    try scratch.write(sealed.page, to: "run/report.html")
    try scratch.write(sealed.text, to: "run/report.txt")
  }

  func verify(_ arguments: String...) throws -> Program.Outcome {
    try Program.tacit.run(["verify", "run"] + arguments, in: scratch)
  }

  /// `tacit verify` finds it, says so in these words, and does not fall over.
  func expectFound(_ words: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
    let outcome = try verify()
    #expect(outcome.status == 4 && !outcome.wasKilled, "\(outcome.output)\(outcome.errors)", sourceLocation: sourceLocation)
    let failures = outcome.output.split(separator: "\n").filter { $0.hasPrefix("FAIL") }
    for word in words {
      #expect(failures.contains { $0.contains(word) }, "'\(word)' is not in \(failures)", sourceLocation: sourceLocation)
    }
  }
}
