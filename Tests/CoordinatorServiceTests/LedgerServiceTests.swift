import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import SecureAggregation
import Storage
import Testing
import Transport
import WireProtocol

/// What the coordinator's service keeps and shows of its ledger.
@Suite struct LedgerServiceTests {
  private static let rounds = ["algorithm: mf", "rounds: 2", "parameters: [dimension=4]"]

  private func witnesses(_ path: String) throws -> [LedgerWitness] {
    let text = try String(contentsOfFile: path + "/ledgers/coordinator.witnesses", encoding: .utf8)
    return try text.split(separator: "\n").map { try LedgerWitness(json: CanonicalJSON(canonical: Array($0.utf8))) }
  }

  @Test(arguments: [false, true])
  func `an export holds the survivors' signatures of every release, also after a restart`(isRestarted: Bool) async throws {
    let task = try await TestTask(settings: Self.rounds)
    let count = task.plan.plan.releases.count
    #expect(count == 3)
    try await task.run(until: { try task.state.store.releases(of: task.session).count == 1 })
    if isRestarted { try await task.restart() }
    try await task.run()
    #expect(try await task.isFinished)
    let outcome = try RunExport(folder: task.state.folder).write(to: task.path + "/run", data: "none", partners: "1")
    let found = try witnesses(outcome.path)
    #expect(outcome.releases == count && found.map(\.attempt.round) == Array(0..<count))
    let ledger = try PlanLedger(folder: task.state.folder).state
    let plan = task.plan.plan
    for witness in found {
      #expect(witness.plan == SHA256.hash(task.plan.bytes) && ledger.isExtension(of: witness.head))
      #expect(witness.signers(in: plan.verificationKeys).count >= plan.aggregation.threshold)
      let charge = try #require(ledger.charge(witness.attempt, release: witness.attempt.round)?.charge)
      #expect(charge.binding == witness.binding)
    }
  }

  @Test(arguments: [1, 2])
  func `a coordinator whose disk was set back and grew past what it showed is refused by every partner`(
    records: Int
  ) async throws {
    let task = try await TestTask(settings: Self.rounds)
    try await task.run(until: { try task.state.store.releases(of: task.session).count == 1 })
    for partner in task.partners { while try await partner.step(through: task.handler) {} }
    let before = try task.ledgerBytes()
    let shown = try PlanLedger(folder: task.state.folder).state.size
    #expect(records < shown)
    await task.host.drain()
    await task.host.dropEverything()
    // The operator puts an older ledger in its place, and the program itself writes the remarks.
    let path = task.state.folder.ledger(of: task.plan.plan.session)
    let lines = before.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).prefix(records)
    try Data(lines.flatMap { Array($0) + [UInt8(ascii: "\n")] }).write(to: URL(fileURLWithPath: path))
    do {
      let ledger = try PrivacyLedger.open(at: path, key: task.state.signingKey).ledger
      while ledger.state.size <= shown + 2 { try ledger.note("nothing to see here", time: 1) }
    }
    let charged = try task.charges().count
    try await task.restart()
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).count == 1, "nothing more was released")
    #expect(try task.charges().count == charged)
    for partner in task.partners {
      let reasons = try partner.uploaded.filter { $0.key.round == 1 }.map { upload -> PartnerRefusal? in
        guard case .refusal(let refusal) = try WireCodec.decodePartnerMessage(upload.bytes) else { return nil }
        return refusal.reason
      }
      #expect(!reasons.isEmpty && Set(reasons) == [.coordinatorLedgerRolledBack], "\(reasons)")
    }
  }

  @Test func `a plan that is a try of a search says so in the coordinator's ledger, before anything is charged`() async throws {
    let task = try await TestTask(settings: Self.rounds + ["search: rates"])
    #expect(task.plan.plan.search == "rates")
    try await task.run(until: { try task.state.store.releases(of: task.session).count == 1 })
    try await task.restart()
    try await task.run()
    let state = try PlanLedger(folder: task.state.folder).state
    #expect(state.searches == ["rates"] && state.notes.count { $0.text.hasPrefix("search: ") } == 1)
    #expect(state.charges.allSatisfy { $0.number > 2 })
    await #expect(throws: (any Error).self) { try await TestTask(settings: Self.rounds + ["search: \"\""]) }
  }

  @Test(arguments: ["central", "distributed", "none"])
  func `what an evaluation released goes to every partner with its end, and by its round to who asks later`(
    noise: String
  ) async throws {
    let task = try await TestTask(noise: noise, settings: Self.rounds + ["evaluation-share: \(noise == "none" ? 0 : 0.3)"])
    try await task.run()
    try await task.restart()
    try await task.run()
    #expect(try await task.isFinished)
    let plan = task.plan.plan
    let ledger = try PlanLedger(folder: task.state.folder)
    let peer = task.partners[0].peer
    #expect(ledger.evaluations.count == (noise == "none" ? 0 : 1))
    for round in plan.releases.indices {
      let isShown = plan.releases[round].purpose == .evaluation
      let ends = task.partners.compactMap { $0.ends.last { $0.context.round == UInt32(round) && $0.release != nil } }
      #expect(ends.count == 4 && ends.allSatisfy { ($0.evaluation != nil) == isShown })
      guard isShown else {
        await #expect(throws: TransportRefusal.unknownDocument(name: "evaluation/\(round)")) {
          _ = try await task.handler.document("evaluation/\(round)", for: peer)
        }
        continue
      }
      let source = try await task.handler.document("evaluation/\(round)", for: peer)
      let document = try EvaluationDocument(decoding: try await source.read(at: 0, count: Int(source.size)))
      #expect(document.encoded().count == Int(source.size) && ends.allSatisfy { $0.evaluation == document.evaluation })
      #expect(document.statement == ends[0].release)
      #expect(document.evaluation.read(under: document.statement, of: plan) == ledger.evaluations[round])
    }
    await #expect(throws: TransportRefusal.unknownDocument(name: "evaluation/99")) {
      _ = try await task.handler.document("evaluation/99", for: peer)
    }
  }

  @Test func `records are handed out by their numbers, and heads are read out by theirs`() async throws {
    let task = try await TestTask(settings: Self.rounds)
    try await task.run()
    let ledger = try PlanLedger(folder: task.state.folder)
    let peer = task.partners[0].peer
    let size = UInt64(ledger.state.size)
    func document(_ name: String) async throws -> [UInt8] {
      let source = try await task.handler.document(name, for: peer)
      return try await source.read(at: 0, count: Int(source.size))
    }
    let continuation = try #require(LedgerContinuation(decoding: try await document("ledger/2/\(size)")))
    #expect(continuation.heads(after: try ledger.head(size: 1)).last == ledger.state.head.head)
    for name in ["ledger/0/2", "ledger/3/2", "ledger/02/3", "ledger/2/\(size + 1)", "ledger/2", "ledger/1/2/3", "ledger/-1/2"] {
      do {
        _ = try await document(name)
        Issue.record("\(name) was handed out")
      } catch let refusal as TransportRefusal { #expect(refusal == .unknownDocument(name: name)) }
    }
    // What a partner was shown last is what the coordinator reads out at that size.
    let release = try #require(task.partners[0].ends.last?.release)
    let shown = LedgerHead(size: release.ledgerSize, head: release.ledgerHead)
    #expect(try ledger.head(size: shown.size).spoken == shown.spoken)
    #expect(try ledger.head(size: 1).fingerprint != shown.fingerprint)
    #expect(throws: StateFolderError.self) { try ledger.head(size: size + 1) }
    #expect(throws: StateFolderError.self) { try ledger.head(size: 0) }
    let status = try StatusView(folder: task.state.folder, now: task.clock.now)
    #expect(status.ledgerRecords == size && status.ledgerFingerprint == ledger.state.head.head.fingerprint.text)
  }
}
