internal import CryptoPrimitives
internal import SecureAggregation

/// From one stage of an attempt to the next, and to its end.
extension CoordinatorEngine {
  mutating func open(_ start: RoundStart) -> [CoordinatorAction] {
    guard let parameters = try? plan.parameters(of: plan.releases[round]) else {
      preconditionFailure("a validated plan has parameters for every release")
    }
    let context = start.context()
    // The same in every process, and above those of all attempts before: a stage closes at most five times.
    generation = 8 * (round * plan.aggregation.maximumAttempts + attempt) + 1
    accusations = []
    current = Attempt(start: start, context: context)
    let messages = plan.roster.map { CoordinatorAction.send(.roundStart(start), to: ParticipantID($0.participant)) }
    guard plan.aggregation.isSecure else {
      plainAggregation = PlainAggregation(parameters: parameters, context: context)
      return messages + [.armDeadline(generation: generation, stage: .maskedInput)]
    }
    do { aggregator = try AggregatorSession(parameters: parameters, context: context, roster: roster) } catch {
      preconditionFailure("a validated plan has a sound roster: \(error)")
    }
    return messages + [.armDeadline(generation: generation, stage: .advertiseKeys)]
  }

  var isStageComplete: Bool {
    if let aggregator { return aggregator.isStageComplete }
    guard let current else { return false }
    return current.inputCount + current.refused.count >= plan.roster.count
  }

  /// Whether some partner may have sent its input and charged its own ledger, be the input here, late or lost.
  var inputsMayHaveLeft: Bool {
    guard let current else { return false }
    if let stage = aggregator?.stage, stage < .maskedInput { return false }
    return current.inputCount > 0 || current.refused.count < plan.roster.count
  }

  mutating func closeStage(time: Int) -> [CoordinatorAction] {
    guard let attempt = current else { return [] }
    // Charged once inputs may have left a partner: before the survivor set is fixed, and so before anything is opened.
    if inputsMayHaveLeft, let failure = charge(time: time) { return failure }
    guard let stage = aggregator?.stage else {
      guard attempt.inputCount >= plan.aggregation.minimumSurvivors else { return abort(.tooFewPartners, time: time) }
      return openingActions(time: time)
    }
    generation += 1
    if stage == .unmask, aggregator?.canProceed == true { return openingActions(time: time) }
    switch aggregator?.closeStage() {
    case .send(let messages)?:
      return messages.map { .send(.aggregation($0.message), to: $0.recipient) }
        + [.armDeadline(generation: generation, stage: aggregator?.stage ?? stage)]
    case .abort(let abort, let recipients)?:
      let reason: AttemptAbort = abort.reason == .dealerLied ? .aggregationFailed : .tooFewPartners
      return recipients.map { .send(.aggregation(.abort(abort)), to: $0) } + self.abort(reason, time: time)
    case .finish?, nil: preconditionFailure("sums are opened by `release` only")
    }
  }

  /// The attempt is closed: a second `.release` would open the sum of the attempt after it.
  private mutating func openingActions(time: Int) -> [CoordinatorAction] {
    // An abort that became durable although the event behind it did not: the attempt ends so, and is never opened.
    if let reason = standingAbort { return abort(reason, time: time) }
    current?.isClosed = true
    return [.release]
  }

  /// - Returns: `nil` when the charge is on disk, else what to do instead of going on.
  mutating func charge(time: Int) -> [CoordinatorAction]? {
    guard let attempt = current, !attempt.isCharged else { return nil }
    do {
      try ledger.charge(
        ChargeRequest(
          plan, planHash: planHash, context: attempt.context, participants: plan.roster.count,
          survivors: attempt.inputCount, time: time), cap: spendingCap)
    } catch {
      let event = plan.releases[round].chargedEvent(plan.privacy)
      guard ledger.allows(event, of: planHash, cap: spendingCap) else {
        return abort(.stopped, time: time, isFinal: true) + finish(.budgetExhausted(round: round))
      }
      // The partners are told nothing: they wait, and the next process goes on with them.
      return finish(.ledgerFailed("\(error)"))
    }
    current?.isCharged = true
    return nil
  }

  mutating func abort(_ reason: AttemptAbort, time: Int, isFinal: Bool = false) -> [CoordinatorAction] {
    guard let attempt = current else { return [] }
    let reason = standingAbort ?? reason
    current = nil
    aggregator = nil
    plainAggregation = nil
    var actions = endMessages(attempt.context, reason: reason)
    actions.append(.attemptAborted(round: round, attempt: self.attempt, reason: reason))
    if attempt.isCharged {
      do {
        try ledger.record(
          LedgerOutcome(
            attempt: attempt.context.ledgerAttempt, release: round, result: .aborted(reason: "\(reason)"), survivors: nil,
            time: time))
      } catch { return actions + finish(.ledgerFailed("\(error)")) }
    }
    self.attempt += 1
    if isFinal { return actions }
    guard self.attempt < plan.aggregation.maximumAttempts else {
      return actions + finish(.tooManyAborts(round: round, reason: reason))
    }
    return actions + [.readyForNext]
  }

  mutating func finish(_ end: RunEnd) -> [CoordinatorAction] {
    guard self.end == nil else { return [] }
    self.end = end
    current = nil
    aggregator = nil
    plainAggregation = nil
    return [.finished(end)]
  }

  func endMessages(
    _ context: AttemptContext, reason: AttemptAbort?, release: ModelRelease? = nil, evaluation: ReleasedEvaluation? = nil
  ) -> [CoordinatorAction] {
    let end = RoundEnd(context: context, abortReason: reason, release: release, evaluation: evaluation)
    return plan.roster.map { .send(.roundEnd(end), to: ParticipantID($0.participant)) }
  }

  // MARK: - What the ledger knows

  var nextAttempt: LedgerAttempt { LedgerAttempt(session: session, round: round, attempt: attempt) }

  /// The abort that the ledger holds of the attempt under way.
  private var standingAbort: AttemptAbort? {
    guard case .aborted(let reason)? = ledger.state.charge(nextAttempt, release: round)?.outcome?.result else { return nil }
    return AttemptAbort.allCases.first { "\($0)" == reason } ?? .stopped
  }

  /// Why a new attempt must not be opened on this state: a release that is out already would happen, and be paid, again.
  var contradictionOfLedger: String? {
    let later = ledger.state.charges.last {
      guard case .released? = $0.outcome?.result else { return false }
      return $0.charge.attempt.session == session && $0.charge.release >= round
    }
    return later.map {
      "its ledger says that release \($0.charge.release + 1) is out, this state is older and comes before release \(round + 1); restore a newer backup"
    }
  }

  func makeStart() -> RoundStart {
    let bytes = ModelBytes.encode(model)
    let head = ledger.head.head
    let signature = signingKey.sign(
      RoundStart.signedBytes(
        session: session, round: UInt32(round), attempt: UInt32(attempt), planHash: planHash,
        modelHash: SHA256.hash(bytes), ledgerSize: head.size, ledgerHead: head.head))
    return RoundStart(
      session: session, round: UInt32(round), attempt: UInt32(attempt), planHash: planHash, model: bytes,
      ledgerSize: head.size, ledgerHead: head.head, signature: signature)
  }
}
