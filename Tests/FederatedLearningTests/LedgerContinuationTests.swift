import CryptoPrimitives
import FederatedLearning
import SecureAggregation
import Testing

/// Partners follow the coordinator's ledger record by record: a longer one has to be the one that they knew.
@Suite struct LedgerContinuationTests {
  private func reasons(_ actions: [PartnerAction]) -> [PartnerRefusal] {
    actions.compactMap { if case .send(.refusal(let refusal)) = $0 { refusal.reason } else { nil } }
  }

  private func advertises(_ actions: [PartnerAction]) -> Bool {
    actions.contains { if case .send(.aggregation(.keyAdvertisement)) = $0 { true } else { false } }
  }

  /// A coordinator between two rounds, all ends delivered and the next start still unsent.
  private func played(releases: Int, of all: Int = 4) throws -> RoundDriver {
    let world = RoundWorld(
      algorithm: EchoAlgorithm(itemCount: 12, releases: all), noise: .central, attempts: 2)
    let driver = try RoundDriver(world)
    driver.run(releases: releases)
    while !driver.queue.isEmpty, case .roundEnd = driver.queue[0].message { driver.deliverNext() }
    driver.queue.removeAll()
    return driver
  }

  /// The coordinator's disk is set back to `records`, and filled up with remarks until it is one longer than partners saw.
  private func rolledBack(_ driver: RoundDriver, to records: Int) throws -> PrivacyLedger {
    let key = driver.world.coordinatorKey
    let header = try PrivacyLedger.headerLine(kind: .coordinator, holder: "holder", dataset: "data", created: 0, key: key)
    let content = header + driver.coordinatorJournal.lines.prefix(records - 1).flatMap { Array($0.utf8) }
    let ledger = try PrivacyLedger(content: content, journal: LedgerMemory(content), key: key)
    while ledger.state.size <= driver.coordinatorLedger.state.size { try ledger.note("nothing to see here", time: 1) }
    return ledger
  }

  @Test func `records lead from a known head to a later one, and no others do`() throws {
    let driver = try played(releases: 2)
    let state = driver.coordinatorLedger.state
    let (known, last) = (state.signedHead(size: 2).head, state.head.head)
    let continuation = try #require(state.continuation(after: 2, upTo: last.size))
    #expect(continuation.heads(after: known) == (3...state.size).map { state.signedHead(size: $0).head })
    #expect(LedgerContinuation(decoding: continuation.encoded) == continuation)
    #expect(LedgerContinuation(decoding: []) == nil && LedgerContinuation(decoding: continuation.encoded.dropLast()) == nil)
    // Every other list of records leads elsewhere.
    var wrong = [
      LedgerContinuation(payloads: continuation.payloads.dropLast()),
      LedgerContinuation(payloads: continuation.payloads.reversed()),
      LedgerContinuation(payloads: Array(continuation.payloads.dropFirst())), LedgerContinuation(payloads: []),
      LedgerContinuation(payloads: continuation.payloads + continuation.payloads),
    ]
    for record in continuation.payloads.indices {
      var payloads = continuation.payloads
      payloads[record][payloads[record].count / 2] ^= 1
      wrong.append(LedgerContinuation(payloads: payloads))
    }
    for other in wrong { #expect(other.heads(after: known).last != last) }
    #expect(continuation.heads(after: state.signedHead(size: 1).head).last != last)
    // What there is not, and what is not for others.
    #expect(state.continuation(after: last.size, upTo: last.size) == nil)
    #expect(state.continuation(after: 2, upTo: last.size + 1) == nil)
    #expect(driver[1].ledger.state.continuation(after: 1, upTo: 2) == nil, "a partner's ledger")
  }

  @Test(arguments: [1, 2, 4], [false, true])
  func `a coordinator that was set back and grew past what it showed is refused by everybody`(
    records: Int, isRestarted: Bool
  ) throws {
    let driver = try played(releases: 2)
    let size = driver.coordinatorLedger.state.size
    #expect(records < size)
    let forged = try rolledBack(driver, to: records)
    #expect(forged.state.size == size + 1)
    // An honest program on a dishonest disk: it serves the records that it has.
    driver.coordinator = try CoordinatorEngine(
      planFile: driver.planFile, signingKey: driver.world.coordinatorKey, algorithm: driver.world.algorithm, ledger: forged,
      checkpoint: CoordinatorCheckpoint(round: 2, attempt: 0, model: driver.coordinator.model))
    if isRestarted { for participant: UInt32 in 1...5 { try driver.restart(participant) } }
    let charges = driver[1].journal.chargeCount
    driver.sent = []
    driver.generation = 0
    driver.run()
    #expect(driver.coordinator.end == .tooManyAborts(round: 2, reason: .tooFewPartners))
    #expect(driver.published.count == 2 && !driver.sent.contains { stageIndex($0.message) >= 0 })
    for participant: UInt32 in 1...5 {
      #expect(driver[participant].engine.refusals == [.coordinatorLedgerRolledBack: 2])
      #expect(driver[participant].journal.chargeCount == charges)
    }
  }

  @Test func `a start without records, with others', or with a head of zeros is refused, and the right ones are taken`() throws {
    let driver = try played(releases: 1)
    let start = driver.start(round: 1, attempt: 0)
    let host = driver[1]
    let missing = host.engine.missingRecords(for: start)
    #expect(missing == 2...start.ledgerSize)
    let right = try #require(driver.coordinatorLedger.state.continuation(after: 1, upTo: start.ledgerSize))
    func take(_ start: RoundStart, _ continuation: LedgerContinuation?) -> [PartnerAction] {
      host.engine.receive(.roundStart(start), continuation: continuation, random: &host.random, time: 6)
    }
    #expect(reasons(take(start, nil)) == [.coordinatorLedgerRolledBack])
    #expect(reasons(take(start, LedgerContinuation(payloads: []))) == [.coordinatorLedgerRolledBack])
    #expect(
      reasons(take(start, LedgerContinuation(payloads: right.payloads.dropLast()))) == [.coordinatorLedgerRolledBack])
    let zeros = driver.start(round: 1, attempt: 0, ledgerSize: start.ledgerSize + 1, ledgerHead: .zero)
    #expect(reasons(take(zeros, right)) == [.coordinatorLedgerRolledBack])
    #expect(reasons(driver[2].receive(.roundStart(zeros))) == [.coordinatorLedgerRolledBack])
    #expect(advertises(take(start, right)))
    #expect(host.memory.shownHead(session: start.session) == LedgerHead(size: start.ledgerSize, head: start.ledgerHead))
    let fresh = try played(releases: 0)
    let first = fresh.start(round: 0, attempt: 0, ledgerHead: .zero)
    #expect(reasons(fresh[1].receive(.roundStart(first))) == [.coordinatorLedgerRolledBack], "also as the first")
  }

  @Test func `a partner that was away for rounds is shown every record since it was here`() throws {
    let driver = try RoundDriver(
      RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 4), noise: .central))
    driver.rewrite = { participant, message in
      guard case .roundStart(let start) = message, participant.rawValue == 3, (1...2).contains(start.round) else {
        return message
      }
      return nil
    }
    driver.run()
    #expect(driver.coordinator.end == .completed)
    #expect(driver.published.map { $0.survivors.contains(ParticipantID(3)) } == [true, false, false, true])
    #expect(driver[3].engine.refusals[.coordinatorLedgerRolledBack] == nil)
  }

  @Test func `the head that was signed with a release has to lie on the way`() throws {
    let driver = try RoundDriver(
      RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: 3), noise: .central, attempts: 1))
    driver.rewrite = { participant, message in
      // Partner 4 is told of a release over another ledger, signed by the coordinator.
      guard participant.rawValue == 4, case .roundEnd(let end) = message, let release = end.release, release.round == 0 else {
        return message
      }
      let head = SHA256.hash([4])
      let forged = ModelRelease(
        session: release.session, version: release.version, round: release.round, attempt: release.attempt,
        planHash: release.planHash, modelHash: release.modelHash, ledgerSize: release.ledgerSize, ledgerHead: head,
        signature: driver.world.coordinatorKey.sign(
          ModelRelease.signedBytes(
            session: release.session, version: release.version, round: release.round, attempt: release.attempt,
            planHash: release.planHash, modelHash: release.modelHash, ledgerSize: release.ledgerSize, ledgerHead: head)))
      return .roundEnd(RoundEnd(context: end.context, abortReason: nil, release: forged))
    }
    driver.notesBetweenRounds = true
    driver.run()
    #expect(driver.coordinator.end == .completed)
    #expect(driver[4].engine.refusals == [.coordinatorLedgerRolledBack: 1])
    // The next release names a head on the way again.
    #expect(driver.published.map { $0.survivors.contains(ParticipantID(4)) } == [true, false, true])
    #expect(driver[1].engine.refusals.isEmpty)
  }

  @Test func `every partner keeps the survivors' signatures under the coordinator's head`() throws {
    let driver = try played(releases: 2)
    let session = RoundWorld.session(7)
    let published = try #require(driver.published.last?.witness)
    for participant: UInt32 in 1...5 {
      let witness = try #require(driver[participant].memory.newestWitness(session: session))
      #expect(witness.head == published.head && witness.attempt == published.attempt && witness.statement == published.statement)
      #expect(witness.signers(in: driver.planFile.plan.verificationKeys).count >= driver.planFile.plan.aggregation.threshold)
    }
  }
}
