internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Testing

/// docs/check-epsilon.py, which knows nothing of this code, finds the ε of a ledger from its exported events.
@Suite struct LedgerExportTests {
  /// Python with dp-accounting, or `nil` with a loud line. TACIT_PYTHON names another Python.
  private static let python: String? = {
    let python = ProcessInfo.processInfo.environment["TACIT_PYTHON"] ?? "python3"
    if run(python, ["-c", "import dp_accounting.pld"], input: "") != nil { return python }
    print("SKIPPED: \(python) has no dp-accounting; pip install dp-accounting, or set TACIT_PYTHON to a Python that has it")
    return nil
  }()

  /// Standard output, or `nil` when the program failed.
  private static func run(_ program: String, _ arguments: [String], input: String) -> Data? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    // A file and no pipe: a program that ends before it has read must not end the tests with it.
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("tacit-events-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: file) }
    guard (try? Data(input.utf8).write(to: file)) != nil, let given = try? FileHandle(forReadingFrom: file) else { return nil }
    let result = Pipe()
    process.standardInput = given
    process.standardOutput = result
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let output = result.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return process.terminationStatus == 0 ? output : nil
  }

  enum Kind: String, CaseIterable {
    case everyone, replaceOne, severalPartners, sampled, sampledReplaceOne, sampledAndEveryone, sampledAtSeveralPartners, twoPlans
  }

  private static func charge(_ kind: Kind, _ ledger: PrivacyLedger) throws {
    func release(_ adjacency: Adjacency = .addRemove, partners: Int = 1, sigmaSquared: Int64 = 40_004) throws -> GaussianRelease {
      try GaussianRelease(
        sigmaSquared: sigmaSquared, deltaSquared: 10_000, dimension: 100, adjacency: adjacency, partnersPerUser: partners)
    }
    func add(_ round: Int, _ event: PrivacyEvent, plan: Digest = LedgerWorld.plan, session: String = "s") throws {
      try ledger.charge(try LedgerWorld.request(round, session: session, event: .accounted(event), plan: plan))
    }
    let rate = try SamplingRate(0.05)
    for round in 0..<12 {
      switch kind {
      case .everyone: try add(round, .gaussian(release: release(sigmaSquared: Int64(1_000_000 + 40_000 * round))))
      case .replaceOne: try add(round, .gaussian(release: release(.replaceOne, sigmaSquared: 4_000_004)))
      case .severalPartners: try add(round, .gaussian(release: release(.zeroOut, partners: 3, sigmaSquared: 9_000_004)))
      case .sampled: try add(round, .poissonSampled(rate: rate, release: release()))
      case .sampledReplaceOne: try add(round, .poissonSampled(rate: rate, release: release(.replaceOne)))
      case .sampledAndEveryone:
        try add(
          round,
          round == 0 ? .gaussian(release: release(sigmaSquared: 1_000_004)) : .poissonSampled(rate: rate, release: release()))
      case .sampledAtSeveralPartners: try add(round, .poissonSampled(rate: rate, release: release(partners: 3)))
      case .twoPlans:
        try add(
          round, .poissonSampled(rate: rate, release: release()), plan: round < 6 ? LedgerWorld.plan : SHA256.hash([1]),
          session: round < 6 ? "s" : "t")
      }
    }
  }

  @Test(arguments: Kind.allCases) func `dp-accounting finds the same ε in the exported events`(kind: Kind) throws {
    let (ledger, _) = try LedgerWorld.ledger()
    try Self.charge(kind, ledger)
    let events = try ledger.state.dpEvents()
    guard let python = Self.python else { return }
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("docs/check-epsilon.py")
    let output = try #require(Self.run(python, [script.path], input: events.text))
    let answer = try JSONDecoder().decode([String: Double].self, from: output)
    #expect(answer["tacit"] == ledger.state.proven.epsilon(delta: LedgerWorld.delta))
    // It composes loss distributions, whatever the ledger is composed by: divergences prove no less.
    let difference = try #require(answer["difference"])
    #expect(difference > -3e-3 && difference < ([.twoPlans, .sampledAndEveryone].contains(kind) ? 0.2 : 3e-3), "\(answer)")
    if kind == .twoPlans, case .object(let members) = events, let stated = members["epsilon"]?.double {
      // A few per cent less than divergences prove is as much as loss distributions do; less than those is a false ε.
      let low = CanonicalJSON.object(members.merging(["epsilon": .real(stated * (1 - difference) * 0.99)]) { $1 })
      #expect(Self.run(python, [script.path], input: low.text) == nil)
    }
    guard kind == .everyone else { return }
    // It can fail: at an ε that is too small, at one that is far too large, at other noise, at a δ that nobody asked for, at nothing.
    guard case .object(let members) = events, case .array(let list)? = members["events"] else { preconditionFailure("no events") }
    func fails(_ key: String, _ value: CanonicalJSON, _ arguments: String...) -> Bool {
      Self.run(python, [script.path] + arguments, input: CanonicalJSON.object(members.merging([key: value]) { $1 }).text) == nil
    }
    #expect(fails("epsilon", .real(0.001)) && fails("epsilon", .integer(0)) && fails("epsilon", .integer(400)))
    #expect(fails("epsilon", .real(0.9 * ledger.state.proven.epsilon(delta: LedgerWorld.delta))))
    #expect(fails("delta", .real(0.99)) && fails("events", .array([])) && fails("version", .integer(1)))
    #expect(fails("kind", .string("tacit-dp-events"), "1e-9") && !fails("kind", .string("tacit-dp-events"), "1e-06"))
    let quieter = list.map { event -> CanonicalJSON in
      guard case .object(var form) = event, let variance = form["sigma_squared"]?.double else { preconditionFailure("no event") }
      form["sigma_squared"] = .real(variance / 4)
      return .object(form)
    }
    #expect(fails("events", .array(quieter)))
  }
}
