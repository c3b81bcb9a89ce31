internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Testing

/// Checkpoints, progress of stages, verdicts.
@Suite struct CoordinatorStateTests {
  private func checkpoint(_ end: RunEnd?) -> CoordinatorCheckpoint {
    CoordinatorCheckpoint(
      round: 3, attempt: 1,
      model: ItemModel(
        algorithm: "echo", version: 3, tensors: ["sum": Tensor(shape: [2, 2], values: [1, -.pi, 0, .leastNonzeroMagnitude])]),
      optimizer: ["first moment": Tensor(zeros: [3]), "": Tensor(shape: [], values: [7]), "é": Tensor(zeros: [0])], end: end)
  }

  @Test(
    arguments: [
      nil, .completed, .budgetExhausted(round: 2), .tooManyAborts(round: 9, reason: .aggregationFailed), .stopped,
    ] as [RunEnd?])
  func `a checkpoint has one encoding`(end: RunEnd?) throws {
    let checkpoint = checkpoint(end)
    let bytes = checkpoint.encoded()
    #expect(try CoordinatorCheckpoint(decoding: bytes) == checkpoint)
    for count in bytes.indices {
      #expect(throws: (any Error).self) { try CoordinatorCheckpoint(decoding: Array(bytes[..<count])) }
    }
    #expect(throws: StoredBytesError.self) { try CoordinatorCheckpoint(decoding: bytes + [0]) }
    for index in bytes.indices {
      for bit in 0..<8 {
        var changed = bytes
        changed[index] ^= 1 << bit
        if let other = try? CoordinatorCheckpoint(decoding: changed) { #expect(other.encoded() == changed, "byte \(index)") }
      }
    }
  }

  @Test func `tables of eight bits go on from what they were before rounding, after a crash as well`() throws {
    let values = try AlgorithmRegistry.resolve(
      "mf", ["dimension": 4, "table-bits": 8], setting: .init(itemCount: 12, usersOverNoise: nil, rounds: 4))
    let algorithm = try AlgorithmRegistry.make("mf", values, itemCount: 12)
    func model(_ between: (inout CoordinatorCheckpoint) throws -> Void) throws -> ItemModel {
      var checkpoint = CoordinatorCheckpoint(round: 0, attempt: 0, model: algorithm.initialModel(seed: 3))
      var random = KeyedRandomSource(insecureSeed: 5)
      for (release, shape) in algorithm.shapes.enumerated() {
        let sum = (0..<shape.dimension).map { _ in Float(random.uniform(below: 2000)) * 1e-4 }
        algorithm.advance(
          model: &checkpoint.model, optimizer: &checkpoint.optimizer, release: release, sum: sum,
          context: ReleaseContext(expectedUsers: 50, noiseDeviation: 0))
        try between(&checkpoint)
      }
      return checkpoint.model
    }
    let whole = try model { _ in }
    #expect(try model { $0 = try CoordinatorCheckpoint(decoding: $0.encoded()) } == whole)
    // And they are needed.
    #expect(
      try model { checkpoint in checkpoint.optimizer = checkpoint.optimizer.filter { !$0.key.hasPrefix("exact/") } } != whole)
  }

  @Test func `a checkpoint of another plan is refused`() throws {
    let driver = try RoundDriver(RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 2)))
    func refuses(_ change: (inout CoordinatorCheckpoint) -> Void) {
      var checkpoint = CoordinatorCheckpoint.initial(driver.planFile.plan, driver.world.algorithm)
      change(&checkpoint)
      #expect(throws: PlanError.self) {
        try CoordinatorEngine(
          planFile: driver.planFile, signingKey: driver.world.coordinatorKey, algorithm: driver.world.algorithm,
          ledger: driver.coordinatorLedger, checkpoint: checkpoint)
      }
    }
    refuses { $0.round = 3 }
    refuses { $0.attempt = 4 }
    refuses { $0.round = 1 }
    refuses { $0.model.version = 1 }
    refuses { $0.model = ItemModel(algorithm: "mf") }
    refuses { $0.model.tensors["sum"] = Tensor(zeros: [13]) }
  }

  @Test func `a stage says who has answered, and closes early on demand`() throws {
    let driver = try RoundDriver(RoundWorld())
    #expect(driver.coordinator.stageProgress == nil && driver.coordinator.openAttempt == nil)
    driver.passes = { participant, _ in participant.rawValue != 5 }
    driver.perform(driver.coordinator.begin())
    var progress = try #require(driver.coordinator.stageProgress)
    #expect((progress.stage, progress.answered, progress.awaited, progress.needed) == (.advertiseKeys, 0, 5, 4))
    for _ in 0..<5 { driver.deliverNext() }
    progress = try #require(driver.coordinator.stageProgress)
    #expect((progress.answered, progress.awaited) == (4, 1) && progress.generation == driver.generation)
    driver.perform(driver.coordinator.closeStageEarly(time: 9))
    progress = try #require(driver.coordinator.stageProgress)
    #expect((progress.stage, progress.answered, progress.awaited, progress.needed) == (.shareKeys, 0, 4, 4))
    driver.run(deadlines: 0)
    #expect(driver.published.map(\.survivors.count) == [4])
    #expect(driver.coordinator.closeStageEarly(time: 9).isEmpty)
  }

  @Test func `the verdict tells accepted messages from all others`() throws {
    let driver = try RoundDriver(RoundWorld())
    driver.perform(driver.coordinator.begin())
    let start = try #require(driver.coordinator.openAttempt)
    func verdict(_ message: PartnerMessage, _ sender: UInt32) -> MessageVerdict {
      driver.coordinator.receive(message, from: ParticipantID(sender), time: 1).verdict
    }
    guard case .send(let advertisement)? = driver[1].receive(.roundStart(start)).first else {
      Issue.record("partner 1 advertises")
      return
    }
    #expect(verdict(advertisement, 2) == .refused(AggregatorRefusal.wrongSender.rawValue))
    #expect(verdict(advertisement, 1) == .accepted)
    #expect(verdict(advertisement, 1) == .refused(AggregatorRefusal.duplicate.rawValue))
    #expect(verdict(advertisement, 9) == .refused(CoordinatorRefusal.outsideOfRoster.rawValue))
    let refusal = PartnerMessage.refusal(
      RoundRefusal(session: start.session, round: 0, attempt: 0, participant: ParticipantID(3), reason: .paused))
    #expect(verdict(refusal, 3) == .accepted)
    // A journal does not grow by what is said again.
    #expect(verdict(refusal, 3) == .refused(CoordinatorRefusal.refusedBefore.rawValue))
    #expect(verdict(refusal, 4) == .refused(CoordinatorRefusal.refusalOfAnotherAttempt.rawValue))
    driver.perform(driver.coordinator.stop(time: 1))
    #expect(verdict(advertisement, 1) == .refused(CoordinatorRefusal.outsideOfRound.rawValue))
  }

  @Test func `a false share is taken, and takes its sender out`() throws {
    let driver = try RoundDriver(RoundWorld(partners: 7))
    var verdicts: [MessageVerdict] = []
    driver.passes = { participant, message in
      guard participant.rawValue == 1, case .aggregation(.unmaskResponse(var response)) = message else { return true }
      response.entries[1].salt = response.entries[0].salt
      let (verdict, actions) = driver.coordinator.receive(.aggregation(.unmaskResponse(response)), from: participant, time: 9)
      verdicts.append(verdict)
      #expect(actions.isEmpty)
      return false
    }
    driver.run(deadlines: 0)
    // The others are enough, and nobody waits for the liar: without the change the stage would need its deadline.
    #expect(verdicts == [.accepted] && driver.published.map(\.survivors.count) == [7])
    #expect(driver.coordinator.refusals[AggregatorRefusal.shareNotCommitted.rawValue] == 1)
  }

  // MARK: - The ledger under a replay

  @Test func `the same charge again adds nothing, another one for the same attempt is refused`() throws {
    let (ledger, memory) = try LedgerWorld.ledger(.coordinator)
    let charge = try ledger.charge(try LedgerWorld.request(0, survivors: 5))
    let bytes = memory.bytes
    let epsilon = ledger.state.recorded.epsilon(delta: 1e-6)
    #expect(try ledger.charge(try LedgerWorld.request(0, survivors: 4)) == charge, "what was written stands")
    // Also under a cap that one charge more would pass.
    #expect(
      try ledger.charge(
        try LedgerWorld.request(0), cap: SpendingCap(try PrivacyBudget(epsilon: epsilon, delta: 1e-6), plans: [:])) == charge)
    #expect(throws: LedgerError.self) { try ledger.charge(try LedgerWorld.request(0, plan: SHA256.hash([1]))) }
    #expect(throws: LedgerError.self) {
      try ledger.charge(try LedgerWorld.request(0, event: try LedgerWorld.event(deltaSquared: 20_000)))
    }
    #expect(throws: LedgerError.self) { try ledger.charge(try LedgerWorld.request(0, binding: .zero)) }
    #expect(memory.bytes == bytes && ledger.state.recorded.epsilon(delta: 1e-6) == epsilon)
    try ledger.charge(try LedgerWorld.request(1))
    #expect(try ledger.charge(try LedgerWorld.request(0)) == charge, "also when a later one stands")
  }

  @Test func `a partner's second charge of one attempt is refused`() throws {
    let (ledger, memory) = try LedgerWorld.ledger(.partner)
    try ledger.charge(try LedgerWorld.request(0))
    let bytes = memory.bytes
    #expect(throws: LedgerError.self) { try ledger.charge(try LedgerWorld.request(0)) }
    #expect(memory.bytes == bytes)
  }

  @Test func `the same outcome again adds nothing, another one is refused`() throws {
    let (ledger, memory) = try LedgerWorld.ledger(.coordinator)
    try ledger.charge(try LedgerWorld.request(0))
    func record(_ result: LedgerOutcome.Result, survivors: Int?, time: Int) throws {
      try ledger.record(
        LedgerOutcome(attempt: LedgerWorld.attempt(0), release: 0, result: result, survivors: survivors, time: time))
    }
    try record(.released(LedgerWorld.plan), survivors: 5, time: 1)
    let bytes = memory.bytes
    try record(.released(LedgerWorld.plan), survivors: 5, time: 2)
    for (result, survivors) in [
      (.released(LedgerWorld.binding), 5), (.released(LedgerWorld.plan), 4), (.aborted(reason: "x"), nil),
    ] as [(LedgerOutcome.Result, Int?)] {
      #expect(throws: LedgerError.self) { try record(result, survivors: survivors, time: 1) }
    }
    #expect(memory.bytes == bytes)
  }
}
