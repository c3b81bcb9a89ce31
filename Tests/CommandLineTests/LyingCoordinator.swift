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
  func reseal(key: SigningKey? = nil, _ change: (inout RunReport) throws -> Void) throws {
    var report = try RunReport(json: try scratch.bytes("run/report.json"))
    try change(&report)
    let sealed = try SealedReport(report, key: key ?? self.key)
    try scratch.write(sealed.json, to: "run/report.json")
    try scratch.write(sealed.page, to: "run/report.html")
    try scratch.write(sealed.text, to: "run/report.txt")
  }

  /// Seals forms that need not say the same, with the coordinator's key.
  func seal(_ bodies: [ReportForm: String]) throws {
    let seal = ReportSeal(key: key.verificationKey.hex, hashes: bodies.mapValues { SHA256.hash(Array($0.utf8)).hex }) {
      key.sign($0).hex
    }
    for (form, body) in bodies { try scratch.write(form.sealed(body, with: seal), to: Self.path(form)) }
  }

  static func path(_ form: ReportForm) -> String {
    switch form {
    case .json: "run/report.json"
    case .page: "run/report.html"
    case .text: "run/report.txt"
    }
  }

  /// Turns the run into what `tacit-coordinator export` writes: no ledgers of partners, and a service's report.
  func export() throws {
    try scratch.write("written by a coordinator\n", to: "run/EXPORTED")
    for number in 1...4 { try scratch.remove("run/ledgers/partner-partner-\(number).ledger") }
    try reportAnew()
  }

  /// The report that an honest program would make of plan and ledgers as they are now, sealed.
  func reportAnew() throws {
    let file = try PlanFile(bytes: Array(try scratch.bytes("run/plan.json")))
    func state(_ path: String, _ key: SigningKey) throws -> LedgerState {
      let verifier = LedgerVerifier(key: key.verificationKey, plan: SHA256.hash(file.bytes), rules: [])
      return try #require(verifier.verify(Array(try scratch.bytes(path))).state)
    }
    let isExport = scratch.holds("run/EXPORTED")
    let partners = try (1...4).filter { scratch.holds("run/ledgers/partner-partner-\($0).ledger") }.map {
      ("partner-\($0)", try state("run/ledgers/partner-partner-\($0).ledger", partnerKeys[$0 - 1]))
    }
    let coordinator = try state(Self.ledger, key)
    try reseal { report in
      let privacy = RunPrivacy(
        plan: file.plan, state: coordinator, partners: partners,
        origin: isExport ? .service : .simulation(areUsersFromData: RunPrivacy.areUsersFromData(report.privacy)))
      report.identity.accountantName = privacy.accountant
      if isExport {
        report.identity.codeVersion = ProgramVersion.coordinator
        (report.cost, report.identity.seed) = (nil, nil)
        report.identity.dataSet = file.plan.task
        report.commands = RunCommands.list(folder: "run")
      }
      // Of releases that are in no ledger nothing is said.
      let released = (report.utility?.released ?? []).filter { quality in
        coordinator.charges.contains {
          $0.outcome?.result == .released(LedgerOutcome.digest(of: quality.entries.map { Int64($0) }))
        }
      }
      if isExport {
        report.utility = released.isEmpty ? nil : UtilityReport(released: released)
      } else {
        report.utility?.released = released
      }
      report.hazards = privacy.hazards
      report.privacy = try privacy.report(end: report.privacy.rounds?.endedBecause)
    }
  }

  /// Signs another statement on the model; by default as it stands.
  func resignRelease(
    key: SigningKey? = nil, round: UInt32? = nil, plan: Digest? = nil, model: Digest? = nil, ledgerSize: UInt64? = nil
  ) throws {
    let old = try ModelRelease(decoding: Array(try scratch.bytes("run/release.bin")))
    let lines = try scratch.read(Self.ledger).split(separator: "\n")
    let size = ledgerSize ?? UInt64(lines.count)
    let head = try #require(Digest(hex: String(lines[Int(size) - 1].split(separator: "\t")[1])))
    let (round, plan, model) = (round ?? old.round, plan ?? old.planHash, model ?? old.modelHash)
    let bytes = ModelRelease.signedBytes(
      session: old.session, version: old.version, round: round, attempt: old.attempt, planHash: plan, modelHash: model,
      ledgerSize: size, ledgerHead: head)
    let new = ModelRelease(
      session: old.session, version: old.version, round: round, attempt: old.attempt, planHash: plan, modelHash: model,
      ledgerSize: size, ledgerHead: head, signature: (key ?? self.key).sign(bytes))
    try scratch.write(Data(new.encoded()), to: "run/release.bin")
  }

  /// Takes lines off the end of a file.
  func cut(_ path: String, lines count: Int) throws {
    let lines = try scratch.read(path).split(separator: "\n").dropLast(count)
    try scratch.write(lines.map { $0 + "\n" }.joined(), to: path)
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
