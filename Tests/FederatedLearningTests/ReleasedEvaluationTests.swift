internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation
internal import Testing

/// What an evaluation release said reaches every partner, as it was released or not at all.
@Suite struct ReleasedEvaluationTests {
  /// Training, evaluation, training.
  private static let round: UInt32 = 1

  private func driver(_ noise: NoiseMode = .central, attempts: Int = 2) throws -> RoundDriver {
    var world = RoundWorld(
      algorithm: EchoAlgorithm(itemCount: 12, releases: 2), noise: noise, attempts: attempts, heldOut: true)
    world.draft.evaluationShare = 0.4
    var plan = try world.planFile().plan
    plan.releases.swapAt(1, 2)
    return try RoundDriver(world, planFile: try PlanFile(plan))
  }

  private func reasons(_ actions: [PartnerAction]) -> [PartnerRefusal] {
    actions.compactMap { if case .send(.refusal(let refusal)) = $0 { refusal.reason } else { nil } }
  }

  private func held(_ driver: RoundDriver, _ participant: UInt32) -> [EvaluationDocument] {
    driver[participant].memory.evaluations(session: RoundWorld.session(7))
  }

  /// Hands a document over with what the coordinator shows of its ledger, as a host does.
  private func learn(_ partner: RoundDriver.Host, _ document: EvaluationDocument) -> PartnerRefusal? {
    partner.engine.learn(document, continuation: partner.engine.missingRecords(for: document).flatMap(partner.records))
  }

  /// Other integers under another record of the same place, signed: a good lie for whoever does not ask what came after it.
  private func other(than honest: EvaluationDocument, _ driver: RoundDriver) throws -> EvaluationDocument {
    let shown = honest.evaluation
    let other = [shown.entries[0] + 1] + shown.entries.dropFirst()
    let payload = String(decoding: shown.outcome, as: UTF8.self)
      .replacing(LedgerOutcome.digest(of: shown.entries).hex, with: LedgerOutcome.digest(of: other).hex)
    let before = LedgerHead(size: honest.statement.ledgerSize - 1, head: shown.previousHead)
    let head = try #require(LedgerContinuation(payloads: [Array(payload.utf8)]).heads(after: before).last)
    let second = EvaluationDocument(
      ReleasedEvaluation(entries: other, previousHead: shown.previousHead, outcome: Array(payload.utf8)),
      under: driver.signed(honest.statement, head: head.head))
    #expect(second.evaluation.read(under: second.statement, of: driver.planFile.plan) != nil, "a good lie")
    return second
  }

  /// The end of the evaluation's attempt as the coordinator sends it, and everything before it delivered.
  private func end(_ driver: RoundDriver) throws -> RoundEnd {
    driver.run(releases: 2)
    var found: RoundEnd?
    for case .roundEnd(let end) in driver.queue.map(\.message) where end.context.round == Self.round { found = end }
    return try #require(found)
  }

  // MARK: - The truth

  @Test(arguments: [NoiseMode.central, .distributed])
  func `every partner keeps the released integers, also over a crash`(noise: NoiseMode) throws {
    let driver = try driver(noise)
    driver.run()
    #expect(driver.coordinator.end == .completed)
    let published = driver.published[Int(Self.round)]
    let evaluation = try #require(published.evaluation)
    #expect(LedgerOutcome.digest(of: evaluation.entries) == published.digest)
    for participant: UInt32 in 1...5 {
      let document = try #require(held(driver, participant).first)
      #expect(held(driver, participant).count == 1 && document.statement == published.modelRelease)
      #expect(document.evaluation.read(under: document.statement, of: driver.planFile.plan) == evaluation)
      #expect(try EvaluationDocument(decoding: document.encoded()) == document)
      #expect(document.encoded().count < EvaluationDocument.bytesMax)
      try driver.restart(participant)
      #expect(driver[participant].engine.missingEvaluations.isEmpty && driver[participant].engine.refusals.isEmpty)
    }
    // Of training nothing but the model.
    #expect(driver.published.map { $0.evaluation != nil } == [false, true, false])
  }

  @Test func `without noise nothing is sent: the sums are exact numbers of users`() throws {
    let driver = try driver(.none)
    let end = try end(driver)
    #expect(end.release != nil && end.evaluation == nil && driver.published[1].evaluation != nil)
    driver.run()
    #expect(driver.coordinator.end == .completed && held(driver, 1).isEmpty && driver[1].engine.missingEvaluations.isEmpty)
    // Nor is it taken.
    let other = try self.driver(.none)
    let honest = try self.end(other)
    let release = try #require(honest.release)
    let state = other.coordinatorLedger.state
    let shown = try #require(ReleasedEvaluation([1, 2, 3, 4, 5, 6, 7, 8, 9], under: release, in: state))
    let lie = RoundEnd(context: honest.context, abortReason: nil, release: release, evaluation: shown)
    #expect(reasons(other[1].receive(.roundEnd(lie))) == [.wrongEvaluation] && held(other, 1).isEmpty)
  }

  // MARK: - A coordinator that lies

  /// What a coordinator may send instead of what it released.
  enum Lie: String, CaseIterable, Sendable {
    case anotherInteger, swapped, tooMany, tooFew, none, missing, ofTraining
    case anotherOutcome, outcomeOfAnotherAttempt, outcomeOfAnotherRelease, abortedOutcome, longOutcome, otherHead
    // Under a ledger record of their own, which it signs as the outcome of this release.
    case recordedTooMany, recordedTooFew, recordedNone, recordedOutOfRing, recordedBelowRing
    case recordedAborted, recordedAttempt, recordedRelease, recordedSession, recordedNumber, recordedFew, recordedMany,
      recordedNobody
    case recordedLong, recordedSpaces
  }

  @Test(arguments: Lie.allCases)
  func `another list than the ledger holds the hash of is refused and counted, and nothing is kept`(lie: Lie) throws {
    let driver = try driver()
    let honest = try end(driver)
    let release = try #require(honest.release)
    let told = try telling(lie, honest, driver)
    #expect(told != honest)
    let partner = driver[1]
    // What was under way before is delivered; the end of the evaluation is the lie.
    driver.queue.removeAll { message in
      guard case .roundEnd(let end) = message.message, message.to.rawValue == 1 else { return false }
      return end.context.round == Self.round
    }
    let before = (release: partner.newestRelease, outcomes: partner.ledger.state.size, writes: partner.memory.writes)
    #expect(before.release?.round == 0)
    #expect(reasons(partner.receive(.roundEnd(told))) == [.wrongEvaluation])
    #expect(partner.engine.refusals == [.wrongEvaluation: 1])
    #expect(held(driver, 1).isEmpty && partner.newestRelease == before.release)
    #expect(partner.ledger.state.size == before.outcomes && partner.memory.writes == before.writes)
    // By itself, too, it is refused; it is not in the way of the truth, and the task goes on.
    if lie != .missing, lie != .ofTraining, let shown = told.evaluation, let statement = told.release, statement == release {
      #expect(learn(partner, EvaluationDocument(shown, under: statement)) == .wrongEvaluation)
    }
    #expect(partner.receive(.roundEnd(honest)).isEmpty)
    #expect(held(driver, 1).map(\.statement) == [release] && partner.newestRelease == release)
    driver.run()
    #expect(driver.coordinator.end == .completed && driver.published.last?.survivors.count == 5)
  }

  private func telling(_ lie: Lie, _ honest: RoundEnd, _ driver: RoundDriver) throws -> RoundEnd {
    let (release, shown) = (try #require(honest.release), try #require(honest.evaluation))
    let text = String(decoding: shown.outcome, as: UTF8.self)
    func tell(_ shown: ReleasedEvaluation?, _ statement: ModelRelease? = nil) -> RoundEnd {
      RoundEnd(context: honest.context, abortReason: nil, release: statement ?? release, evaluation: shown)
    }
    func entries(_ entries: [Int64]) -> RoundEnd {
      tell(ReleasedEvaluation(entries: entries, previousHead: shown.previousHead, outcome: shown.outcome))
    }
    func outcome(_ outcome: [UInt8]) -> RoundEnd {
      tell(ReleasedEvaluation(entries: shown.entries, previousHead: shown.previousHead, outcome: outcome))
    }
    /// The lie as the last record of a ledger, under a head that the coordinator's key signs.
    func recorded(_ entries: [Int64], _ change: (String) -> String = { $0 }) throws -> RoundEnd {
      let genuine = LedgerOutcome.digest(of: shown.entries).hex
      #expect(text.contains(genuine))
      let payload = Array(change(text.replacing(genuine, with: LedgerOutcome.digest(of: entries).hex)).utf8)
      let before = LedgerHead(size: release.ledgerSize - 1, head: shown.previousHead)
      let head = try #require(LedgerContinuation(payloads: [payload]).heads(after: before).last)
      return tell(
        ReleasedEvaluation(entries: entries, previousHead: shown.previousHead, outcome: payload),
        driver.signed(release, head: head.head))
    }
    func rewritten(_ old: String, _ new: String) throws -> RoundEnd {
      #expect(text.contains(old), "\(text)")
      return try recorded(shown.entries) { $0.replacing(old, with: new) }
    }
    let half = Int64(1) << Int64(driver.planFile.plan.releases[1].modulusBits - 1)
    switch lie {
    case .anotherInteger: return entries([shown.entries[0] + 1] + shown.entries.dropFirst())
    case .swapped: return entries([shown.entries[1], shown.entries[0]] + shown.entries.dropFirst(2))
    case .tooMany: return entries(shown.entries + [0])
    case .tooFew: return entries(shown.entries.dropLast())
    case .none: return entries([])
    case .missing: return tell(nil)
    case .ofTraining:
      // The release of the round before, which released a sum, shown as if that were an evaluation.
      let training = driver.published[0].modelRelease
      let shown = try #require(ReleasedEvaluation(shown.entries, under: training, in: driver.coordinatorLedger.state))
      return tell(shown)
    case .anotherOutcome: return outcome(Array(text.replacing("\"survivors\":5", with: "\"survivors\":4").utf8))
    case .outcomeOfAnotherAttempt: return outcome(Array(text.replacing("\"attempt\":0", with: "\"attempt\":1").utf8))
    case .outcomeOfAnotherRelease: return outcome(Array(text.replacing("\"release\":1", with: "\"release\":0").utf8))
    case .abortedOutcome: return outcome(Array(text.replacing("\"released\"", with: "\"aborted\"").utf8))
    case .longOutcome: return outcome(shown.outcome + [UInt8](repeating: 0x20, count: ReleasedEvaluation.outcomeBytesMax))
    case .otherHead:
      return tell(ReleasedEvaluation(entries: shown.entries, previousHead: .zero, outcome: shown.outcome))
    case .recordedTooMany: return try recorded(shown.entries + [0])
    case .recordedTooFew: return try recorded(shown.entries.dropLast())
    case .recordedNone: return try recorded([])
    case .recordedOutOfRing: return try recorded(shown.entries.dropLast() + [half])
    case .recordedBelowRing: return try recorded(shown.entries.dropLast() + [-half - 1])
    case .recordedAborted:
      let digest = LedgerOutcome.digest(of: shown.entries).hex
      return try recorded(shown.entries) {
        $0.replacing("\"published\":\"\(digest)\",\"reason\":null", with: "\"published\":null,\"reason\":\"x\"")
          .replacing("\"released\"", with: "\"aborted\"")
      }
    case .recordedAttempt: return try rewritten("\"attempt\":0", "\"attempt\":1")
    case .recordedRelease: return try rewritten("\"release\":1", "\"release\":0")
    case .recordedSession: return try rewritten(RoundWorld.session(7).hex, RoundWorld.session(8).hex)
    case .recordedNumber: return try rewritten("\"record\":\(release.ledgerSize)", "\"record\":\(release.ledgerSize + 1)")
    case .recordedFew: return try rewritten("\"survivors\":5", "\"survivors\":2")
    case .recordedMany: return try rewritten("\"survivors\":5", "\"survivors\":6")
    case .recordedNobody: return try rewritten("\"survivors\":5", "\"survivors\":null")
    case .recordedLong:
      return try recorded(shown.entries) {
        $0.replacing(
          "\"time\":", with: "\"note\":\"\(String(repeating: "x", count: ReleasedEvaluation.outcomeBytesMax))\",\"time\":")
      }
    case .recordedSpaces: return try rewritten("\"time\":", "\"time\": ")
    }
  }

  @Test func `two lists of one round, both signed, are one too many`() throws {
    let driver = try driver()
    let honest = try end(driver)
    let (release, shown) = (try #require(honest.release), try #require(honest.evaluation))
    let partner = driver[1]
    #expect(partner.receive(.roundEnd(honest)).isEmpty)
    #expect(partner.receive(.roundEnd(honest)).isEmpty, "the same again")
    let writes = partner.memory.writes
    let second = try other(than: EvaluationDocument(shown, under: release), driver)
    #expect(learn(partner, second) == .wrongEvaluation)
    try driver.restart(1)
    #expect(learn(partner, second) == .wrongEvaluation)
    #expect(held(driver, 1) == [EvaluationDocument(shown, under: release)] && partner.memory.writes == writes)
  }

  // MARK: - A partner that was away

  @Test(arguments: [false, true])
  func `a partner that was away is told later, and believes no more than it would have then`(hasStarted: Bool) throws {
    let driver = try driver()
    // It hears nothing of the second round; with the third it learns that the second is over.
    driver.rewrite = { participant, message in
      guard participant.rawValue == 1 else { return message }
      switch message {
      case .roundStart(let start): return start.round == Self.round || (start.round == 2 && !hasStarted) ? nil : message
      case .roundEnd(let end): return end.context.round == Self.round || (end.context.round == 2 && !hasStarted) ? nil : message
      case .aggregation: return message
      }
    }
    driver.run()
    #expect(driver.coordinator.end == .completed)
    let partner = driver[1]
    let published = driver.published[1]
    let honest = try #require(held(driver, 2).first)
    if hasStarted {
      #expect(partner.engine.missingEvaluations == [Self.round])
    } else {
      // Nothing is public for all that it knows.
      #expect(partner.engine.missingEvaluations.isEmpty && learn(partner, honest) == .wrongEvaluation)
      #expect(partner.engine.learn(driver.published[2].modelRelease) == nil)
      #expect(partner.engine.missingEvaluations == [Self.round])
    }
    #expect(honest.statement == published.modelRelease && held(driver, 1).isEmpty)
    let shown = honest.evaluation
    let forged = driver.signed(honest.statement, head: honest.statement.ledgerHead, key: driver.world.keys[2])
    #expect(learn(partner, EvaluationDocument(shown, under: forged)) == .wrongEvaluation, "not signed by the coordinator")
    let last = driver.published[2].modelRelease
    #expect(learn(partner, EvaluationDocument(shown, under: last)) == .wrongEvaluation, "of training")
    let other = ReleasedEvaluation(
      entries: shown.entries.reversed(), previousHead: shown.previousHead, outcome: shown.outcome)
    #expect(learn(partner, EvaluationDocument(other, under: honest.statement)) == .wrongEvaluation, "other integers")
    // A record beyond the ledger that this partner knows, in which the round was over long ago.
    let late = String(decoding: shown.outcome, as: UTF8.self)
      .replacing("\"record\":\(honest.statement.ledgerSize)", with: "\"record\":1000")
    let head = try #require(
      LedgerContinuation(payloads: [Array(late.utf8)]).heads(after: LedgerHead(size: 999, head: shown.previousHead)).last)
    let beyond = driver.signed(honest.statement, head: head.head, size: 1000)
    let lateShown = ReleasedEvaluation(entries: shown.entries, previousHead: shown.previousHead, outcome: Array(late.utf8))
    #expect(lateShown.read(under: beyond, of: driver.planFile.plan) != nil, "a good lie")
    #expect(learn(partner, EvaluationDocument(lateShown, under: beyond)) == .wrongEvaluation, "beyond the known ledger")
    // Other integers under a record of the same place: what came after it does not follow from it, whatever is shown.
    let second = try self.other(than: honest, driver)
    #expect(learn(partner, second) == .wrongEvaluation && partner.engine.learn(second, continuation: nil) == .wrongEvaluation)
    #expect(partner.engine.learn(honest, continuation: nil) == .wrongEvaluation, "not shown what came after it")
    #expect(held(driver, 1).isEmpty)
    #expect(learn(partner, honest) == nil && held(driver, 1) == [honest])
    #expect(learn(partner, honest) == nil && partner.engine.missingEvaluations.isEmpty)
    try driver.restart(1)
    #expect(partner.engine.missingEvaluations.isEmpty)
  }

  // MARK: - The journal

  @Test func `integers that cannot be kept are refused with their release, and come again`() throws {
    let driver = try driver()
    let honest = try end(driver)
    let partner = driver[1]
    let size = partner.ledger.state.size
    partner.memory.fail(at: 0)
    #expect(reasons(partner.receive(.roundEnd(honest))) == [.journalUnavailable])
    #expect(held(driver, 1).isEmpty && partner.newestRelease?.round == 0 && partner.ledger.state.size == size)
    // They are there before the release is: whoever crashes between the two is told again.
    partner.memory.fail(at: 1)
    #expect(reasons(partner.receive(.roundEnd(honest))) == [.journalUnavailable])
    #expect(held(driver, 1).count == 1 && partner.newestRelease?.round == 0)
    try driver.restart(1)
    #expect(partner.receive(.roundEnd(honest)).isEmpty)
    #expect(held(driver, 1).count == 1 && partner.newestRelease == honest.release && partner.ledger.state.size == size + 1)
  }

  @Test func `bytes that are no document are refused with a sentence`() throws {
    let driver = try driver()
    driver.run()
    let bytes = try #require(held(driver, 1).first).encoded()
    for count in bytes.indices {
      #expect(throws: StoredBytesError.self) { try EvaluationDocument(decoding: Array(bytes.prefix(count))) }
    }
    #expect(throws: StoredBytesError.self) { try EvaluationDocument(decoding: bytes + [0]) }
    // The integers' length is no multiple of eight.
    var cut = Array(bytes.dropLast())
    cut[cut.count - 71 - 8] = 71
    #expect(throws: StoredBytesError.self) { try EvaluationDocument(decoding: cut) }
  }
}

extension RoundDriver {
  /// A release as its coordinator could sign it over another ledger.
  fileprivate func signed(
    _ release: ModelRelease, head: Digest, size: UInt64? = nil, key: SigningKey? = nil
  ) -> ModelRelease {
    let size = size ?? release.ledgerSize
    let bytes = ModelRelease.signedBytes(
      session: release.session, version: release.version, round: release.round, attempt: release.attempt,
      planHash: release.planHash, modelHash: release.modelHash, ledgerSize: size, ledgerHead: head)
    return ModelRelease(
      session: release.session, version: release.version, round: release.round, attempt: release.attempt,
      planHash: release.planHash, modelHash: release.modelHash, ledgerSize: size, ledgerHead: head,
      signature: (key ?? world.coordinatorKey).sign(bytes))
  }
}
