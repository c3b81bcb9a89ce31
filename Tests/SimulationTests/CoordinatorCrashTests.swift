internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Simulation
internal import Testing
internal import WireProtocol

/// A coordinator thrown away at every durable write of a run, before and after the write reached the disk.
@Suite struct CoordinatorCrashTests {
  /// What a run must leave behind, whatever died on the way.
  struct Remains: Equatable {
    let model: [UInt8]
    let charges: [LedgerCharge]
    let outcomes: [LedgerOutcome.Result?]
    let survivors: [[ParticipantID]]
    let end: RunEnd?

    init(_ run: CrashingFederation) throws {
      model = ModelBytes.encode(run.engine.model)
      let standing = try run.coordinatorLedger.charges
      charges = standing.map(\.charge)
      outcomes = standing.map { $0.outcome?.result }
      survivors = run.published.reduce(into: []) { if $0.last != $1.survivors { $0.append($1.survivors) } }
      end = run.engine.end
    }
  }

  /// Two releases, and an optimizer with state between them.
  static let algorithm: any FederatedAlgorithm = {
    guard
      let algorithm = try? MatrixFactorization(
        itemCount: TinyFederation.itemCount, regime: .rankOne(RankOneFactorization(dimension: 2, rounds: 1)))
    else { preconditionFailure("a factorisation of 14 items") }
    return algorithm
  }()

  /// Partner 2 leaves before its masked input; t = 4 of 5, so that nobody else may.
  static func federation(_ noise: NoiseMode, isSecure: Bool = true) throws -> CrashingFederation {
    let run = try CrashingFederation(
      TinyFederation(noise: noise, isSecure: isSecure, algorithm: CoordinatorCrashTests.algorithm))
    run.passes = { participant, message in
      switch (participant.rawValue, message) {
      case (2, .aggregation(.maskedInput)), (2, .plainSum): false
      default: true
      }
    }
    return run
  }

  static let cases: [(NoiseMode, Bool, Bool)] = [
    (.central, true, false), (.central, true, true), (.distributed, true, false), (.none, false, false),
  ]

  @Test(arguments: cases) func `wherever the coordinator dies, the run ends as if it had lived`(
    noise: NoiseMode, isSecure: Bool, losesMessages: Bool
  ) throws {
    let whole = try Self.federation(noise, isSecure: isSecure)
    try whole.run()
    let expected = try Remains(whole)
    #expect(expected.end == .completed && expected.charges.count == whole.releaseCount)
    #expect(whole.published.count == whole.releaseCount && whole.disk.machine.writes > 15)
    for write in 0..<whole.disk.machine.writes {
      for moment in Machine.Moment.allCases {
        let run = try Self.federation(noise, isSecure: isSecure)
        run.losesMessages = losesMessages
        run.disk.machine.die(at: write, moment)
        try run.run()
        let place: Comment = "\(moment) write \(write)"
        #expect(run.starts == 2, place)
        #expect(try Remains(run) == expected, place)
        #expect(run.disk.sums.recorded == whole.disk.sums.recorded, place)
        #expect(run.maskedInputs == whole.maskedInputs && run.maskedInputs.values.allSatisfy { $0 == 1 }, place)
        for participant in run.partners.keys {
          let charges = run.ledger(of: participant.rawValue).charges
          #expect(charges.map(\.charge) == whole.ledger(of: participant.rawValue).charges.map(\.charge), place)
          // Who lost the last word may miss an outcome, and never has another one.
          if !losesMessages {
            #expect(charges.map(\.outcome) == whole.ledger(of: participant.rawValue).charges.map(\.outcome), place)
          }
        }
      }
    }
  }

  @Test func `noise that was recorded is the noise that is published, whatever the next process would draw`() throws {
    let whole = try Self.federation(.central)
    try whole.run()
    var changed = 0
    for write in 0..<whole.disk.machine.writes {
      for moment in Machine.Moment.allCases {
        let run = try Self.federation(.central)
        run.drawsAnew = true
        run.disk.machine.die(at: write, moment)
        try run.run()
        #expect(run.engine.end == .completed)
        let sums = run.disk.sums.recorded
        #expect(sums.count == run.releaseCount)
        for release in run.published {
          let attempt = try #require(sums.keys.first { $0.round == release.round })
          #expect(sums[attempt]?.withUnsafeBytes { SHA256.hash($0) } == release.digest)
        }
        for standing in try run.coordinatorLedger.charges {
          guard case .released(let digest?)? = standing.outcome?.result else {
            Issue.record("no outcome at \(moment) \(write)")
            continue
          }
          #expect(run.published.filter { $0.round == standing.charge.release }.allSatisfy { $0.digest == digest })
        }
        if sums != whole.disk.sums.recorded { changed += 1 }
      }
    }
    // Processes that died before they drew leave the drawing to the next one: the test does see other noise.
    #expect(changed > 10)
  }

  // MARK: - The charge is durable, the event behind it is not

  /// The durable write with which the coordinator charges the first attempt.
  ///
  /// Start, 7 advertisements, 7 deals and 6 inputs stand in the journal then.
  private let chargingWrite = 21

  @Test func `charged and then ended by the deadline, the attempt has the one charge`() throws {
    let run = try CrashingFederation(TinyFederation(partners: 7, noise: .central, algorithm: CoordinatorCrashTests.algorithm))
    run.disk.machine.die(at: chargingWrite, .after)
    run.afterCrash = { run in
      // The input that closed the stage was applied and charged, but never journalled; its sender is gone for good.
      guard let last = run.oldestMessage, case .aggregation(.maskedInput) = last.message else {
        Issue.record("expected a masked input, found \(String(describing: run.oldestMessage))")
        return
      }
      run.forget(from: last.from)
      run.passes = { participant, _ in participant != last.from }
    }
    try run.run()
    #expect(run.engine.end == .completed)
    let charges = try run.coordinatorLedger.charges
    #expect(charges.count == run.releaseCount)
    // The charge says how many inputs were there when it was written, the outcome how many are in the sum.
    #expect(charges[0].charge.survivors == 7 && charges[0].outcome?.survivors == 6)
    #expect(run.published[0].survivors.count == 6)
  }

  @Test func `charged and then aborted, the attempt has the one charge and the abort`() throws {
    let run = try CrashingFederation(TinyFederation(partners: 7, noise: .central, algorithm: CoordinatorCrashTests.algorithm))
    run.disk.machine.die(at: chargingWrite, .after)
    run.afterCrash = { run in
      for participant: UInt32 in 1...7 { run.forget(from: ParticipantID(participant)) }
      run.passes = { _, _ in false }
    }
    try run.run()
    let charges = try run.coordinatorLedger.charges
    #expect(charges.count == 1 && charges[0].outcome?.result == .aborted(reason: "\(AttemptAbort.tooFewPartners)"))
    #expect(run.published.isEmpty)
  }

  @Test func `an abort that the ledger holds stays an abort, although the missing message comes after all`() throws {
    func federation() throws -> CrashingFederation {
      let run = try CrashingFederation(TinyFederation(partners: 5, noise: .central, algorithm: CoordinatorCrashTests.algorithm))
      // t = 4 of 5: two that do not unmask are one too many.
      run.passes = { participant, message in
        if case .aggregation(.unmaskResponse(let response)) = message, response.context.attempt == 0, response.context.round == 0
        {
          return participant.rawValue > 2
        }
        return true
      }
      return run
    }
    let whole = try federation()
    try whole.run()
    #expect(whole.aborted == [.tooFewPartners])
    var ends = 0
    for write in 0..<whole.disk.machine.writes {
      let run = try federation()
      run.disk.machine.die(at: write, .after)
      run.afterCrash = { run in
        guard let standing = try? run.coordinatorLedger.charges.last, standing.outcome != nil,
          run.disk.content.start != nil, run.published.isEmpty, run.aborted.isEmpty
        else { return }
        ends += 1
        // The answers that were given up come in now.
        for case (let sender, .aggregation(.unmaskResponse(let response))) in run.sent where sender.rawValue <= 2 {
          run.repeats(.aggregation(.unmaskResponse(response)), from: sender)
        }
      }
      try run.run()
      let charges = try run.coordinatorLedger.charges
      let first = try #require(charges.first)
      #expect(first.charge.attempt.attempt == 0)
      #expect(first.outcome?.result == .aborted(reason: "\(AttemptAbort.tooFewPartners)"), "write \(write)")
      #expect(run.published.allSatisfy { $0.round > 0 || $0.attempt > 0 }, "write \(write)")
      #expect(run.disk.sums.recorded.keys.allSatisfy { $0.round > 0 || $0.attempt > 0 })
    }
    #expect(ends == 2, "after the outcome is on disk, and after the deadline is")
  }

  // MARK: - Disks that fail, machines that are restored

  @Test func `a ledger or a release journal that cannot be written ends the process, not the attempt`() throws {
    let whole = try Self.federation(.central)
    try whole.run()
    var failures = 0
    for write in 0..<whole.disk.machine.writes {
      let run = try Self.federation(.central)
      run.disk.machine.die(at: write, .before)
      run.afterCrash = { run in
        // The engine saw its write fail, as on a full disk, and has told nobody anything.
        guard let end = run.engine.end, end.isResumable else { return }
        failures += 1
        #expect(run.engine.stageProgress == nil && run.engine.openAttempt == nil)
      }
      try run.run()
      #expect(try Remains(run) == Remains(whole), "write \(write)")
    }
    #expect(failures == 3 * whole.releaseCount, "charge, noised sum and outcome of each release")
  }

  @Test func `a coordinator restored from a backup is refused by every partner that it would charge again`() throws {
    let tiny = TinyFederation(partners: 5, noise: .central, algorithm: CoordinatorCrashTests.algorithm)
    let run = try CrashingFederation(tiny)
    try run.run()
    #expect(run.engine.end == .completed)
    let spent = run.ledger(of: 1).charges.count
    // The backup was made before anything happened: an empty ledger, the first round, no noised result.
    let header = Array(run.ledgerFile.bytes[...(try #require(run.ledgerFile.bytes.firstIndex(of: UInt8(ascii: "\n"))))])
    let ledger = try PrivacyLedger(content: header, journal: LedgerMemory(header), key: TinyFederation.key(99))
    var restored = try CoordinatorEngine(
      planFile: run.planFile, signingKey: TinyFederation.key(99), algorithm: tiny.algorithm, ledger: ledger,
      releaseJournal: ReleaseMemory())
    var reasons: Set<PartnerRefusal> = []
    var actions = restored.begin()
    while let action = actions.first {
      actions.removeFirst()
      switch action {
      case .send(let message, let recipient):
        let partner = run[recipient.rawValue]
        for case .send(let answer) in partner.engine.receive(message, random: &partner.random, time: 7) {
          guard case .refusal(let refusal) = answer else {
            Issue.record("partner \(recipient) answered \(answer)")
            continue
          }
          reasons.insert(refusal.reason)
          actions += restored.receive(answer, from: recipient, time: 8).actions
        }
      case .readyForNext: actions += restored.begin()
      case .release: Issue.record("a sum was opened")
      default: break
      }
    }
    #expect(restored.end == .tooManyAborts(round: 0, reason: .tooFewPartners))
    #expect(reasons == [.staleAttempt])
    #expect(ledger.state.charges.isEmpty && run.ledger(of: 1).charges.count == spent)
  }

  @Test func `restored to the middle of an attempt, the coordinator cannot charge a later attempt for less`() throws {
    // The backup is of the moment at which an attempt was open and uncharged; the partners have charged it since.
    let tiny = TinyFederation(partners: 5, noise: .central, algorithm: CoordinatorCrashTests.algorithm)
    let run = try CrashingFederation(tiny)
    run.passes = { _, message in
      if case .aggregation(.unmaskResponse) = message { return false }
      return true
    }
    let header = run.ledgerFile.bytes
    try run.run(steps: 40)
    #expect(run.ledger(of: 1).charges.count == 1)
    let ledger = try PrivacyLedger(content: header, journal: LedgerMemory(header), key: TinyFederation.key(99))
    var checkpoint = CoordinatorCheckpoint.initial(run.planFile.plan, tiny.algorithm)
    // Numbers above the partners' marks do not help: its ledger is as long as at the start that they charged.
    for attempt in 1...3 {
      checkpoint.attempt = attempt
      var restored = try CoordinatorEngine(
        planFile: run.planFile, signingKey: TinyFederation.key(99), algorithm: tiny.algorithm, ledger: ledger,
        checkpoint: checkpoint)
      for case .send(let message, let recipient) in restored.begin() {
        let partner = run[recipient.rawValue]
        guard case .send(.refusal(let refusal))? = partner.engine.receive(message, random: &partner.random, time: 7).first
        else {
          Issue.record("partner \(recipient) takes part again")
          continue
        }
        #expect(refusal.reason == .coordinatorLedgerRolledBack)
      }
    }
  }

  @Test func `state older than its ledger opens no attempt at a release that is out`() throws {
    let tiny = TinyFederation(partners: 5, noise: .central, algorithm: CoordinatorCrashTests.algorithm)
    let run = try CrashingFederation(tiny)
    try run.run()
    let ledger = try PrivacyLedger(content: run.ledgerFile.bytes, journal: run.ledgerFile, key: TinyFederation.key(99))
    var restored = try CoordinatorEngine(
      planFile: run.planFile, signingKey: TinyFederation.key(99), algorithm: tiny.algorithm, ledger: ledger)
    guard case .finished(.ledgerFailed(let sentence))? = restored.begin().first else {
      Issue.record("an attempt was opened")
      return
    }
    #expect(sentence.contains("release \(run.releaseCount) is out") && sentence.contains("restore a newer backup"))
  }
}
