import CoordinatorService
import CryptoPrimitives
import FederatedLearning
import Foundation
import Testing
import Transport

/// Plans of the coordinator whose partners draw their holders: made from settings, run, killed anywhere.
@Suite struct DrawnGraphTests {
  /// Eight partners, one of whom may lie and one be missing: five holders each.
  private func task(policy: RoundPolicy = RoundPolicy(), noise: String = "none") async throws -> TestTask {
    try await TestTask(partners: 8, noise: noise, settings: ["graph: drawn", "minimum-partners: 7"], policy: policy)
  }

  @Test func `the setting makes a plan with the solver's graph, and a plan without it has none`() async throws {
    let drawn = try await task().plan.plan.aggregation
    #expect(drawn.graph == DrawnGraphPolicy(holders: 5, maskDraws: 5))
    #expect((drawn.threshold, drawn.minimumSurvivors, drawn.colluders) == (4, 7, 1))
    let complete = try await TestTask(partners: 8).plan.plan.aggregation
    #expect(complete.graph == nil && complete.threshold == 6)
    // Worth it from some dozens of partners on only.
    #expect(try await TestTask(partners: 8, settings: ["graph: auto"]).plan.plan.aggregation == complete)
  }

  @Test(
    arguments: [
      (["graph: ring"], "complete, drawn, auto"),
      (["graph: drawn", "threshold: 5"], "solved for"),
      (["graph: drawn", "minimum-partners: 4"], "no drawn graph"),
    ])
  func `a graph that cannot be had is refused with a sentence`(settings: [String], sentence: String) async throws {
    do {
      _ = try await TestTask(partners: 8, settings: settings)
      Issue.record("\(settings) made a plan")
    } catch { #expect("\(error)".contains(sentence), "\(error)") }
  }

  @Test(arguments: ["none", "distributed"])
  func `after every journalled event of a drawn graph a new process has the same messages, byte for byte`(
    noise: String
  ) async throws {
    let task = try await task(noise: noise)
    var equal = 0
    try await task.run(
      until: { try await task.isFinished },
      afterEach: { _, _ in
        guard try task.state.store.hasOpenAttempt(task.session) else { return }
        let copy = try await task.hostOnCopy()
        #expect(copy.host.sentMessages == task.host.sentMessages)
        equal += 1
        await copy.host.dropEverything()
      })
    // Five messages of eight partners, the last of which ends the attempt.
    #expect(equal >= 39)
    #expect(try await task.isFinished)
  }

  @Test func `killed after every event, also while holders are dealt to, it ends with the complete graph's model`() async throws {
    let task = try await task()
    var stages: Set<UInt32> = []
    try await task.run(
      until: { try await task.isFinished },
      afterEach: { _, kind in
        stages.insert(kind)
        try await task.restart()
      })
    #expect(stages == [3, 4, 5, 6, 7])
    let charges = try task.charges()
    #expect(charges.count == task.plan.plan.releases.count)
    #expect(charges.allSatisfy { if case .released? = $0.outcome?.result { true } else { false } })
    for partner in task.partners {
      let dealt = partner.uploaded.filter { $0.key.kind == 4 }
      #expect(dealt.count == charges.count && dealt.allSatisfy { $0.phase == .accepted })
      #expect(partner.uploaded.count { $0.key.kind == 5 } == charges.count)
    }
    // Everybody dealt to five holders, and not to all eight.
    let complete = try await TestTask(partners: 8)
    try await complete.run()
    let shares = { (task: TestTask) in task.partners[0].uploaded.first { $0.key.kind == 4 }?.bytes.count ?? 0 }
    #expect(shares(task) < shares(complete) && shares(task) > 0)
    #expect(
      try complete.state.store.newestRelease(of: complete.session)?.model
        == task.state.store.newestRelease(of: task.session)?.model)
  }

  @Test(arguments: [UInt32(3), 4, 5, 6, 7])
  func `one partner that falls silent at a stage of a drawn graph is missed by nobody, through a restart`(
    stage: UInt32
  ) async throws {
    let task = try await task(policy: RoundPolicy(stageSeconds: 10, inputSeconds: 10))
    task.partners[4].silentFrom = stage
    try await task.run()
    #expect(try task.state.store.releases(of: task.session).isEmpty)
    try await task.restart()
    // A new process gives the stage its time anew.
    try await task.run()
    task.clock.advance(11)
    try await task.run(until: { try !task.state.store.releases(of: task.session).isEmpty })
    #expect(try task.state.store.releases(of: task.session).first?.partners == (stage > 5 ? 8 : 7))
  }

  @Test func `what partners signed over a drawn graph convinces a third party`() async throws {
    let task = try await task()
    try await task.run()
    let outcome = try RunExport(folder: task.state.folder).write(to: task.path + "/run", data: "none", partners: "1")
    let text = try String(contentsOfFile: outcome.path + "/ledgers/coordinator.witnesses", encoding: .utf8)
    let witnesses = try text.split(separator: "\n").map { try LedgerWitness(json: CanonicalJSON(canonical: Array($0.utf8))) }
    // More than half of all who could sign another list, one liar among them; t alone convinces their dealer only.
    let needed = task.plan.plan.aggregation.signaturesForProof(partners: 8)
    #expect(needed == 5 && witnesses.count == task.plan.plan.releases.count)
    #expect(witnesses.allSatisfy { $0.signers(in: task.plan.plan.verificationKeys).count >= needed })
  }
}
