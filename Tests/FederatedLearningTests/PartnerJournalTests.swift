internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Recommender
internal import SecureAggregation
internal import Testing

/// What a partner remembers, and what it refuses because of it.
@Suite struct PartnerJournalTests {
  private func world(releases: Int = 3, noise: NoiseMode = .none, attempts: Int = 3) -> RoundWorld {
    RoundWorld(algorithm: EchoAlgorithm(itemCount: 12, releases: releases), noise: noise, attempts: attempts)
  }

  private func reasons(_ actions: [PartnerAction]) -> [PartnerRefusal] {
    actions.compactMap { if case .send(.refusal(let refusal)) = $0 { refusal.reason } else { nil } }
  }

  private func advertises(_ actions: [PartnerAction]) -> Bool {
    actions.contains { if case .send(.aggregation(.keyAdvertisement)) = $0 { true } else { false } }
  }

  // MARK: - Models and releases

  @Test func `the first model is the plan's, whatever a coordinator signs`() throws {
    let driver = try RoundDriver(world())
    var model = driver.coordinator.model
    model.tensors["sum"]?.values[4] = 1
    #expect(reasons(driver[1].receive(.roundStart(driver.start(round: 0, attempt: 0, model: model)))) == [.wrongModel])
    #expect(advertises(driver[2].receive(.roundStart(driver.start(round: 0, attempt: 0)))))
  }

  @Test func `a later model is the one of the release that was signed, also after a crash`() throws {
    let driver = try RoundDriver(world())
    driver.run(releases: 1)
    while !driver.queue.isEmpty, case .roundEnd = driver.queue[0].message { driver.deliverNext() }
    driver.queue.removeAll()
    var model = driver.coordinator.model
    model.tensors["sum"]?.values[4] += 1
    #expect(reasons(driver[1].receive(.roundStart(driver.start(round: 1, attempt: 0, model: model)))) == [.wrongModel])
    try driver.restart(2)
    #expect(reasons(driver[2].receive(.roundStart(driver.start(round: 1, attempt: 0, model: model)))) == [.wrongModel])
    #expect(advertises(driver[3].receive(.roundStart(driver.start(round: 1, attempt: 0)))))
    // A release that this partner has not heard of: the start's word is taken, and binds all contributors.
    #expect(advertises(driver[4].receive(.roundStart(driver.start(round: 2, attempt: 0)))))
  }

  @Test func `a release that is forged, unsigned, of another plan, attempt or version, or older is not believed`() throws {
    let driver = try RoundDriver(world())
    driver.run(releases: 2)
    while !driver.queue.isEmpty, case .roundEnd = driver.queue[0].message { driver.deliverNext() }
    let partner = driver[1]
    let newest = try #require(partner.newestRelease)
    #expect(newest == driver.published[1].modelRelease && newest.version == 2)
    #expect(newest.modelHash == SHA256.hash(ModelBytes.encode(driver.coordinator.model)))
    func end(_ release: ModelRelease?, abort: AttemptAbort? = nil, round: UInt32 = 2, attempt: UInt32 = 0) -> [PartnerRefusal] {
      let context = AttemptContext(session: RoundWorld.session(7), round: round, attempt: attempt, binding: .zero)
      return reasons(partner.receive(.roundEnd(RoundEnd(context: context, abortReason: abort, release: release))))
    }
    func statement(
      session: UInt8 = 7, version: UInt32 = 3, round: UInt32 = 2, attempt: UInt32 = 0, plan: Digest? = nil,
      model: [UInt8] = [1], size: UInt64 = 1000, key: SigningKey? = nil
    ) -> ModelRelease {
      let (session, plan) = (RoundWorld.session(session), plan ?? SHA256.hash(driver.planFile.bytes))
      let bytes = ModelRelease.signedBytes(
        session: session, version: version, round: round, attempt: attempt, planHash: plan, modelHash: SHA256.hash(model),
        ledgerSize: size, ledgerHead: .zero)
      return ModelRelease(
        session: session, version: version, round: round, attempt: attempt, planHash: plan, modelHash: SHA256.hash(model),
        ledgerSize: size, ledgerHead: .zero, signature: (key ?? driver.world.coordinatorKey).sign(bytes))
    }
    #expect(end(nil) == [.wrongModel], "unsigned")
    #expect(end(statement(), abort: .stopped) == [.wrongModel], "aborted and released")
    #expect(end(statement(key: driver.world.keys[1])) == [.wrongModel], "forged")
    #expect(end(statement(plan: SHA256.hash([9]))) == [.wrongModel], "another plan")
    #expect(end(statement(session: 8)) == [.wrongModel], "another session")
    #expect(end(statement(version: 2)) == [.wrongModel], "the version of a release before")
    #expect(end(statement(version: 4)) == [.wrongModel], "a version that does not exist yet")
    #expect(end(statement(attempt: 1)) == [.wrongModel], "another attempt")
    #expect(end(statement(attempt: 3), attempt: 3) == [.wrongModel], "an attempt that the plan does not have")
    #expect(end(statement(version: 4, round: 3), round: 3) == [.wrongModel], "a round that the plan does not have")
    #expect(end(statement(version: 1, round: 0), round: 0) == [.wrongModel], "older")
    #expect(end(driver.published[0].modelRelease, round: 0) == [.wrongModel], "older, and genuine")
    #expect(end(statement(version: 2, round: 1), round: 1) == [.wrongModel], "a second one of the same round")
    #expect(end(statement(size: newest.ledgerSize - 1)) == [.coordinatorLedgerRolledBack], "a shorter ledger")
    #expect(partner.newestRelease == newest)
    #expect(end(newest, round: 1).isEmpty, "the same again")
    #expect(end(statement()).isEmpty && partner.newestRelease?.round == 2, "none of this was in the way of the next")
  }

  @Test func `an evaluation changes no model`() throws {
    var world = world(releases: 1)
    world.draft.evaluationShare = 0.1
    let driver = try RoundDriver(world)
    driver.run()
    while !driver.queue.isEmpty { driver.deliverNext() }
    let release = try #require(driver[1].newestRelease)
    #expect(release.round == 1 && release.version == 1)
    let other = try RoundDriver(world)
    other.run(releases: 1)
    while !other.queue.isEmpty, case .roundEnd = other.queue[0].message { other.deliverNext() }
    let bytes = ModelRelease.signedBytes(
      session: release.session, version: 1, round: 1, attempt: 0, planHash: release.planHash, modelHash: SHA256.hash([3]),
      ledgerSize: 1000, ledgerHead: .zero)
    let lie = ModelRelease(
      session: release.session, version: 1, round: 1, attempt: 0, planHash: release.planHash, modelHash: SHA256.hash([3]),
      ledgerSize: 1000, ledgerHead: .zero, signature: world.coordinatorKey.sign(bytes))
    #expect(other[1].engine.learn(lie) == .wrongModel)
    #expect(other[1].engine.learn(release) == nil)
  }

  @Test func `signed releases have one encoding, and no bit of it can change`() throws {
    let driver = try RoundDriver(world(releases: 1))
    driver.run()
    let release = try #require(driver.published.first).modelRelease
    let key = driver.world.coordinatorKey.verificationKey
    let bytes = release.encoded()
    #expect(try ModelRelease(decoding: bytes) == release && release.isSigned(by: key))
    for index in bytes.indices {
      var changed = bytes
      changed[index] ^= 1
      #expect((try? ModelRelease(decoding: changed))?.isSigned(by: key) != true, "byte \(index)")
      #expect(throws: StoredBytesError.self) { try ModelRelease(decoding: Array(bytes[..<index])) }
    }
    #expect(throws: StoredBytesError.self) { try ModelRelease(decoding: bytes + [0]) }
  }

  // MARK: - Ledgers of others

  @Test func `a charge that the coordinator does not show at the next start ends the partnership, also after a crash`() throws {
    let driver = try RoundDriver(world())
    driver.passes = { _, message in stageIndex(message) < 2 }
    driver.perform(driver.coordinator.begin())
    while !driver.queue.isEmpty { driver.deliverNext() }
    #expect(driver[1].journal.chargeCount == 1)
    let size = try #require(driver.coordinator.openAttempt).ledgerSize
    try driver.restart(2)
    for participant: UInt32 in 1...2 {
      let same = driver[participant].receive(.roundStart(driver.start(round: 0, attempt: 1, ledgerSize: size)))
      #expect(reasons(same) == [.coordinatorLedgerRolledBack])
      let longer = driver[participant].receive(.roundStart(driver.start(round: 0, attempt: 1, ledgerSize: size + 1)))
      #expect(advertises(longer))
    }
  }

  @Test func `the coordinator's ledger at a release is remembered over a crash`() throws {
    let driver = try RoundDriver(world())
    driver.run(releases: 1)
    while !driver.queue.isEmpty, case .roundEnd = driver.queue[0].message { driver.deliverNext() }
    let release = driver.published[0].modelRelease
    try driver.restart(1)
    let shorter = driver.start(round: 1, attempt: 0, ledgerSize: release.ledgerSize - 1)
    #expect(reasons(driver[1].receive(.roundStart(shorter))) == [.coordinatorLedgerRolledBack])
    let forked = driver.start(round: 1, attempt: 0, ledgerSize: release.ledgerSize, ledgerHead: SHA256.hash([5]))
    #expect(reasons(driver[1].receive(.roundStart(forked))) == [.coordinatorLedgerRolledBack], "as long, but another")
    #expect(driver.queue.contains { $0.to == ParticipantID(1) })
    driver.run()
    #expect(driver.coordinator.end == .completed && driver.published.allSatisfy { $0.survivors.count == 5 })
  }

  /// Partner 2 comes back with the disk of before the first round: no mark, no charge.
  private func rolledBack(_ driver: RoundDriver, note: String? = nil) throws {
    let (ledger, journal) = try RoundWorld.ledger(.partner, key: driver.world.keys[1])
    if let note { for _ in 0..<2 { try ledger.note(note, time: 1) } }
    let memory = WatchedMemory()
    driver.hosts[ParticipantID(2)] = RoundDriver.Host(
      engine: try driver.engine(ParticipantID(2), ledger: ledger, memory: memory),
      random: KeyedRandomSource(insecureSeed: 77), ledger: ledger, journal: journal, memory: memory)
  }

  @Test(arguments: [nil, "as many records, but others"], [false, true])
  func `a peer whose ledger is shorter or forked gets no shares, and is named`(note: String?, isRestarted: Bool) throws {
    let driver = try RoundDriver(world(attempts: 1))
    driver.run(releases: 2)
    while !driver.queue.isEmpty, case .roundEnd = driver.queue[0].message { driver.deliverNext() }
    #expect(driver[1].memory.peerHeads(session: RoundWorld.session(7))[ParticipantID(2)]?.size == 4)
    try rolledBack(driver, note: note)
    if isRestarted { for participant: UInt32 in [1, 3, 4, 5] { try driver.restart(participant) } }
    driver.sent = []
    driver.run()
    #expect(driver.coordinator.end == .tooManyAborts(round: 2, reason: .tooFewPartners))
    for participant: UInt32 in [1, 3, 4, 5] {
      #expect(driver[participant].engine.refusals[.peerLedgerRolledBack] == 1)
      #expect(!driver.sent.contains { $0.from.rawValue == participant && stageIndex($0.message) > 0 }, "dealt shares")
      #expect(driver[participant].journal.chargeCount == 2)
    }
    #expect(driver.coordinator.accusations.map(\.accuser.rawValue) == [1, 3, 4, 5])
    #expect(driver.coordinator.accusations.allSatisfy { $0.accused == [ParticipantID(2)] })
    // The fourth abort ends the attempt, before its sender's refusal comes.
    #expect(driver.coordinator.refusals["partner refused: \(PartnerRefusal.peerLedgerRolledBack)"] == 3)
  }

  /// Partner 2 comes back with a whole, honest disk: the one of a moment ago, before its last charge.
  private func setBack(_ driver: RoundDriver, toRecords count: Int) throws {
    let host = driver[2]
    let header = try PrivacyLedger.headerLine(
      kind: .partner, holder: "holder", dataset: "data", created: 0, key: driver.world.keys[1])
    let content = header + host.journal.lines.prefix(count - 1).flatMap { Array($0.utf8) }
    let ledger = try PrivacyLedger(content: content, journal: WatchedJournal(), key: driver.world.keys[1])
    #expect(ledger.state.size == count)
    let memory = WatchedMemory()
    driver.hosts[ParticipantID(2)] = RoundDriver.Host(
      engine: try driver.engine(ParticipantID(2), ledger: ledger, memory: memory),
      random: KeyedRandomSource(insecureSeed: 78), ledger: ledger, journal: WatchedJournal(), memory: memory)
  }

  @Test(arguments: [false, true])
  func `a peer that was set back to just before its last charge gets no shares, and is named`(isRestarted: Bool) throws {
    let driver = try RoundDriver(world(attempts: 1))
    driver.run(releases: 2)
    while !driver.queue.isEmpty, case .roundEnd = driver.queue[0].message { driver.deliverNext() }
    // As it was when it advertised its keys for the second round: its peers saw this very head.
    try setBack(driver, toRecords: 3)
    if isRestarted { for participant: UInt32 in [1, 3, 4, 5] { try driver.restart(participant) } }
    driver.run()
    #expect(driver.coordinator.end == .tooManyAborts(round: 2, reason: .tooFewPartners))
    for participant: UInt32 in [1, 3, 4, 5] { #expect(driver[participant].engine.refusals[.peerLedgerRolledBack] == 1) }
    #expect(driver.coordinator.accusations.allSatisfy { $0.accused == [ParticipantID(2)] })
  }

  @Test func `a peer that charged and crashed before the end is not accused`() throws {
    let driver = try RoundDriver(world(releases: 2))
    driver.run(releases: 1)
    // It heard nothing of the end: no outcome in its ledger, which holds one record more than it advertised.
    driver.queue.removeAll { $0.to == ParticipantID(2) && { if case .roundEnd = $0 { true } else { false } }($0.message) }
    try driver.restart(2)
    driver.run()
    #expect(driver.coordinator.end == .completed && driver.published.map(\.survivors.count) == [5, 5])
    #expect(driver.hosts.values.allSatisfy { $0.engine.refusals.isEmpty })
  }

  @Test func `a ledger goes on when it is longer, or as long and the same, or as long where no hash is known`() {
    let (one, other) = (SHA256.hash([1]), SHA256.hash([2]))
    let known = LedgerHead(size: 4, head: one)
    #expect(LedgerHead(size: 5, head: other).goesOn(from: known) && known.goesOn(from: known))
    #expect(!LedgerHead(size: 4, head: other).goesOn(from: known) && !LedgerHead(size: 3, head: one).goesOn(from: known))
    #expect(known.afterCharge == LedgerHead(size: 5, head: .zero))
    #expect(!known.goesOn(from: known.afterCharge) && LedgerHead(size: 5, head: other).goesOn(from: known.afterCharge))
    #expect(LedgerHead(size: .max, head: one).afterCharge.size == .max)
  }

  @Test func `a peer that shows no hash is refused: it could show any at its next attempt`() throws {
    let driver = try RoundDriver(world(releases: 1, attempts: 1))
    driver.perform(driver.coordinator.begin())
    let start = try #require(driver.coordinator.openAttempt)
    var lists: [AdvertisementList] = []
    driver.rewrite = { participant, message in
      guard case .aggregation(.advertisementList(var list)) = message, participant.rawValue == 1,
        let index = list.advertisements.firstIndex(where: { $0.participant.rawValue == 2 })
      else { return message }
      let old = list.advertisements[index]
      list.advertisements[index] = KeyAdvertisement(
        signedBy: driver.world.keys[1], suite: .aes256CTR, context: start.context(), participant: old.participant,
        channelPublicKey: old.channelPublicKey, maskPublicKey: old.maskPublicKey, selfMaskCommitment: old.selfMaskCommitment,
        maskSeedCommitment: old.maskSeedCommitment, ledger: LedgerHead(size: 9, head: .zero))
      lists.append(list)
      return .aggregation(.advertisementList(list))
    }
    driver.run()
    #expect(lists.count == 1 && driver[1].engine.refusals == [.peerLedgerRolledBack: 1])
  }

  // MARK: - A machine whose memory was copied

  @Test(arguments: [NoiseMode.central, .distributed])
  func `a partner whose memory was copied in the middle of an attempt sends the same bytes as its copy`(noise: NoiseMode) throws {
    // The copy has what is in memory; what it draws from its system afterwards is its own.
    func maskedInput(afterwards seed: UInt64) throws -> MaskedInput {
      let driver = try RoundDriver(world(releases: 1, noise: noise))
      driver.perform(driver.coordinator.begin())
      driver.deliverNext()
      #expect(driver.sent.count == 1 && driver.sent[0].from.rawValue == 1)
      driver[1].random = KeyedRandomSource(insecureSeed: seed)
      driver.run()
      return try #require(
        driver.sent.lazy.compactMap { sent -> MaskedInput? in
          guard sent.from.rawValue == 1, case .aggregation(.maskedInput(let input)) = sent.message else { return nil }
          return input
        }.first)
    }
    let (original, copy) = (try maskedInput(afterwards: 1000), try maskedInput(afterwards: 2000))
    #expect(original.packed == copy.packed)
  }

  @Test func `partners who were shown different ledgers of the coordinator cannot finish together`() throws {
    let driver = try RoundDriver(world(releases: 1))
    driver.rewrite = { participant, message in
      guard participant.rawValue == 3, case .roundStart(let start) = message else { return message }
      return .roundStart(
        RoundStart(
          session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash, model: start.model,
          ledgerSize: start.ledgerSize + 1, ledgerHead: start.ledgerHead,
          signature: driver.world.coordinatorKey.sign(
            RoundStart.signedBytes(
              session: start.session, round: start.round, attempt: start.attempt, planHash: start.planHash,
              modelHash: SHA256.hash(start.model), ledgerSize: start.ledgerSize + 1, ledgerHead: start.ledgerHead))))
    }
    driver.run()
    #expect(driver.published.map { $0.survivors.map(\.rawValue) } == [[1, 2, 4, 5]])
    #expect(driver.coordinator.refusals["wrong context"] == 1 && driver[3].journal.chargeCount == 0)
  }

  // MARK: - The journal

  @Test func `a journal that cannot be written lets nothing out`() throws {
    // Writes of one attempt: opened, coordinator's head as the least and as shown, answer 1, peers' heads, answers 2 and 3, what
    // is expected of the coordinator, answer 4, what is expected of the peers, their signatures, answer 5.
    for write in 0..<12 {
      let driver = try RoundDriver(world(releases: 1))
      driver[3].memory.fail(at: write)
      driver.run()
      let answers = [0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 4, 4][write]
      #expect(driver[3].engine.refusals == [.journalUnavailable: 1], "write \(write)")
      #expect(driver.sent.filter { $0.from.rawValue == 3 && stageIndex($0.message) >= 0 }.count == answers, "write \(write)")
      // A charge without an input errs on the safe side; an input without a charge cannot be.
      #expect(driver[3].journal.chargeCount == (write < 7 ? 0 : 1), "write \(write)")
      #expect(driver.coordinator.end == .completed && driver.published.count == 1)
      #expect(driver.published[0].survivors.contains(ParticipantID(3)) == (answers > 2), "write \(write)")
    }
  }

  @Test func `after a crash at any stage the attempt is stale, with or without a charge`() throws {
    for stage in 0..<5 {
      let driver = try RoundDriver(world(releases: 1))
      var stopped = false
      driver.passes = { participant, message in
        if participant.rawValue == 3, stageIndex(message) == stage { stopped = true }
        return !stopped || participant.rawValue != 3
      }
      driver.perform(driver.coordinator.begin())
      while !stopped { driver.deliverNext() }
      let mark = driver[3].memory.highWaterMark(session: RoundWorld.session(7))
      #expect(mark == AttemptMark(round: 0, attempt: 0, stage: UInt8(stage + 1)), "synced before the answer left")
      try driver.restart(3)
      let start = try #require(driver.coordinator.openAttempt)
      #expect(reasons(driver[3].receive(.roundStart(start))) == [.staleAttempt])
      #expect(advertises(driver[3].receive(.roundStart(driver.start(round: 0, attempt: 1)))))
    }
  }

  @Test func `marks do not go back`() throws {
    let memory = PartnerMemory()
    let session = RoundWorld.session(7)
    try memory.advance(to: AttemptMark(round: 1, attempt: 0, stage: 2), session: session)
    try memory.advance(to: AttemptMark(round: 1, attempt: 0, stage: 2), session: session)
    for mark in [(1, 0, 1), (0, 9, 5)] as [(UInt32, UInt32, UInt8)] {
      #expect(throws: LedgerError.self) {
        try memory.advance(to: AttemptMark(round: mark.0, attempt: mark.1, stage: mark.2), session: session)
      }
    }
    try memory.advance(to: AttemptMark(round: 0, attempt: 0, stage: 0), session: RoundWorld.session(8))
  }

  // MARK: - Pauses, repetitions, suspects

  @Test func `paused, a partner goes on with its attempt and begins no other`() throws {
    let driver = try RoundDriver(world(releases: 3))
    driver.perform(driver.coordinator.begin())
    driver.deliverNext()
    driver[1].engine.isPaused = true
    driver.run(releases: 2)
    #expect(driver.published.map(\.survivors.count) == [5, 4])
    #expect(driver[1].engine.refusals == [.paused: 1] && driver[1].journal.chargeCount == 1)
    driver[1].engine.isPaused = false
    #expect(advertises(driver[1].receive(.roundStart(driver.start(round: 2, attempt: 0)))))
  }

  @Test func `what comes twice is handled once`() throws {
    let driver = try RoundDriver(world(releases: 2, noise: .distributed))
    driver.rewrite = { participant, message in
      driver.perform(driver[participant.rawValue].receive(message), by: participant)
      return message
    }
    driver.run()
    #expect(driver.coordinator.end == .completed && driver.published.allSatisfy { $0.survivors.count == 5 })
    for host in driver.hosts.values {
      #expect(host.engine.refusals.isEmpty && host.journal.chargeCount == 2)
      #expect(host.engine.strayMessages == 2 * 5, "starts and the four messages of each attempt")
    }
    for stage in 0..<5 { #expect(driver.sent.filter { stageIndex($0.message) == stage }.count == 10) }
  }

  @Test func `a second survivor set that is not the first ends the session`() throws {
    let driver = try RoundDriver(world(releases: 1))
    driver.rewrite = { participant, message in
      guard participant.rawValue == 4, case .aggregation(.survivorSet(let set)) = message else { return message }
      driver.perform(driver[4].receive(message), by: participant)
      return .aggregation(
        .survivorSet(SurvivorSet(context: set.context, survivors: set.survivors.filter { $0.rawValue != 1 })))
    }
    driver.run()
    #expect(driver[4].engine.refusals == [.aggregationRefused: 1])
    #expect(!driver.sent.contains { $0.from.rawValue == 4 && stageIndex($0.message) == 4 }, "it unmasks nothing")
    #expect(driver.published.map(\.survivors.count) == [5])
  }

  @Test func `whom the evidence points at is named to the coordinator`() throws {
    let driver = try RoundDriver(world(releases: 1))
    driver.rewrite = { participant, message in
      guard participant.rawValue == 4, case .aggregation(.shareDelivery(var delivery)) = message else { return message }
      delivery.entries[0].signature = driver.world.keys[2].sign([1])
      return .aggregation(.shareDelivery(delivery))
    }
    driver.run()
    #expect(driver[4].engine.aggregationRefusals == [.badShareSignature: 1])
    #expect(driver.coordinator.accusations.map(\.accuser.rawValue) == [4])
    #expect(driver.coordinator.accusations.map { $0.accused.map(\.rawValue) } == [[1]])
    #expect(driver.published.map { $0.survivors.map(\.rawValue) } == [[1, 2, 3, 5]])
  }

  // MARK: - Outcomes

  @Test func `a partner's ledger says what became of each charge, once`() throws {
    let driver = try RoundDriver(world(releases: 2, noise: .central))
    driver.run(releases: 1)
    var ends: [RoundEnd] = []
    while case .roundEnd(let end)? = driver.queue.first?.message {
      ends.append(end)
      driver.deliverNext()
    }
    let hash = driver.published[0].modelRelease.modelHash
    let ledger = driver[1].ledger
    #expect(ledger.state.charges.map { $0.outcome?.result } == [.released(hash)])
    let size = ledger.state.size
    let end = try #require(ends.first)
    #expect(driver[1].receive(.roundEnd(end)).isEmpty)
    #expect(driver[1].receive(.roundEnd(RoundEnd(context: end.context, abortReason: .stopped))).isEmpty)
    #expect(ledger.state.size == size && driver[1].engine.refusals == [.unexpectedMessage: 1])
    // Stopped after the inputs came in.
    driver.passes = { _, message in stageIndex(message) < 3 }
    driver.run(deadlines: 0)
    driver.perform(driver.coordinator.stop(time: 9))
    while !driver.queue.isEmpty { driver.deliverNext() }
    #expect(ledger.state.charges.last?.outcome?.result == .aborted(reason: "\(AttemptAbort.stopped)"))
    // An end that names another binding is of another attempt.
    let before = driver[2].ledger.state.size
    let forged = AttemptContext(session: end.context.session, round: 0, attempt: 0, binding: SHA256.hash([1]))
    _ = driver[2].receive(.roundEnd(RoundEnd(context: forged, abortReason: .tooFewPartners)))
    #expect(driver[2].ledger.state.size == before)
  }
}
