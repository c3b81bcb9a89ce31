internal import CryptoPrimitives
internal import Recommender
internal import SecureAggregation

/// What a partner believes of an attempt's end, and what it holds others to afterwards (training-round.md §6.1, §7.4).
extension PartnerEngine {
  // MARK: - The end of an attempt

  /// The coordinator says how an attempt ended; believed as far as it is signed.
  mutating func close(_ end: RoundEnd, time: Int) -> [PartnerAction] {
    if attempt?.context == end.context {
      attempt = nil
      aggregation = nil
    }
    switch (end.abortReason, end.release) {
    case (let reason?, nil):
      record(.aborted(reason: "\(reason)"), of: end.context, time: time)
      return []
    case (nil, let release?)
    where release.session == end.context.session && release.round == end.context.round
      && release.attempt == end.context.attempt:
      if let refusal = learn(release, showing: end.evaluation) { return decline(end.context, refusal) }
      record(.released(release.modelHash), of: end.context, time: time)
      return []
    default: return decline(end.context, .wrongModel)
    }
  }

  /// Takes note of a signed release: from here on an older one, another one of the same version and a shorter ledger of the
  /// coordinator are refused.
  ///
  /// For a host that fetched the release of an attempt in which this partner had no part.
  /// - Returns: why the release is not believed, or `nil`; the same release again is.
  public mutating func learn(_ release: ModelRelease) -> PartnerRefusal? {
    if let objection = objection(to: release) { return objection }
    return adopt(release)
  }

  /// The same for the end of an attempt, which also shows what an evaluation made public: both are believed, or neither.
  private mutating func learn(_ release: ModelRelease, showing evaluation: ReleasedEvaluation?) -> PartnerRefusal? {
    if let objection = objection(to: release) { return objection }
    let plan = planFile.plan
    guard plan.publishes(evaluation: plan.releases[Int(release.round)]) == (evaluation != nil) else { return .wrongEvaluation }
    if let evaluation, let refusal = keep(EvaluationDocument(evaluation, under: release)) { return refusal }
    return adopt(release)
  }

  /// Why a release is not believed; nothing is kept by asking.
  private func objection(to release: ModelRelease) -> PartnerRefusal? {
    guard release != newestRelease else { return nil }
    guard isSpoken(release) else { return .wrongModel }
    let plan = planFile.plan
    if let newest = newestRelease, release.round <= newest.round { return .wrongModel }
    // A release that trains nothing leaves the model as it was.
    if plan.releases[Int(release.round)].purpose == .evaluation {
      guard isExpected(release.modelHash, version: release.version) else { return .wrongModel }
    }
    return isOfNewestAttempt(release) && !goesOn(with: release.head) ? .coordinatorLedgerRolledBack : nil
  }

  /// Keeps a release that is believed.
  private mutating func adopt(_ release: ModelRelease) -> PartnerRefusal? {
    guard release != newestRelease else { return nil }
    do { try journal.record(release: release, session: session) } catch { return .journalUnavailable }
    newestRelease = release
    guard !isOfNewestAttempt(release) || expect(release.head) else { return .journalUnavailable }
    return nil
  }

  private func isOfNewestAttempt(_ release: ModelRelease) -> Bool {
    highWaterMark.map { (release.round, release.attempt) >= ($0.round, $0.attempt) } ?? true
  }

  /// Whether the coordinator signed this of a round and attempt that the plan has.
  private func isSpoken(_ release: ModelRelease) -> Bool {
    let plan = planFile.plan
    return release.planHash == planHash && release.session == session && Int(release.round) < plan.releases.count
      && Int(release.attempt) < plan.aggregation.maximumAttempts
      && Int(release.version) == plan.modelVersion(before: Int(release.round) + 1) && release.isSigned(by: coordinatorKey)
  }

  // MARK: - What evaluations said

  /// Rounds whose evaluation is public and not held here: of attempts in which this partner had no part, or whose end it did not hear.
  ///
  /// The host fetches them and hands them over to `learn`.
  public var missingEvaluations: [UInt32] {
    planFile.plan.publishedEvaluations(newest: newestRelease, mark: highWaterMark).filter { evaluations[$0] == nil }
  }

  /// Takes what an evaluation release said that this partner did not hear of when it was released.
  ///
  /// - Parameter continuation: the coordinator's records that `missingRecords(for:)` asks for.
  /// - Returns: why it is not believed, or `nil`; the same again is.
  public mutating func learn(_ document: EvaluationDocument, continuation: LedgerContinuation?) -> PartnerRefusal? {
    let statement = document.statement
    guard isSpoken(statement),
      planFile.plan.publishedEvaluations(newest: newestRelease, mark: highWaterMark).contains(statement.round),
      statement.round != newestRelease?.round || statement == newestRelease, isOnLedger(statement.head, by: continuation)
    else { return .wrongEvaluation }
    return keep(document)
  }

  /// Which records of the coordinator's ledger this partner has to see before it believes a document: those between its head and the
  /// newest one that the coordinator is held to. A signature alone would let it say other integers to each who was away.
  ///
  /// - Returns: `nil` when nothing is missing, or nothing could help.
  public func missingRecords(for document: EvaluationDocument) -> ClosedRange<UInt64>? {
    guard let (low, high) = ends(document.statement.head), low.size < high.size else { return nil }
    return low.size + 1...high.size
  }

  /// Whether a head and the newest one that is known lie on one ledger.
  private func isOnLedger(_ head: LedgerHead, by continuation: LedgerContinuation?) -> Bool {
    guard head.head != .zero, let (low, high) = ends(head) else { return false }
    return low == high || continuation?.heads(after: low).last == high
  }

  /// A head and the newest one with a hash that this partner has from the coordinator, the shorter first; `nil` while it has none.
  private func ends(_ head: LedgerHead) -> (low: LedgerHead, high: LedgerHead)? {
    guard let known = [anchor, newestRelease?.head].compactMap({ $0 }).max(by: { $0.size < $1.size }) else { return nil }
    return head.size <= known.size ? (head, known) : (known, head)
  }

  /// Keeps the integers of an evaluation under a signed release: those that its ledger entry holds the hash of, and one list of a round.
  private mutating func keep(_ document: EvaluationDocument) -> PartnerRefusal? {
    let statement = document.statement
    guard document.evaluation.read(under: statement, of: planFile.plan) != nil else { return .wrongEvaluation }
    if let held = evaluations[statement.round] { return held == document ? nil : .wrongEvaluation }
    do { try journal.record(evaluation: document, session: session) } catch { return .journalUnavailable }
    evaluations[statement.round] = document
    return nil
  }

  /// Whether a model may be the one of its version: the plan's initial model, or the one of the newest release seen. A
  /// version that this partner has no release of is taken on the word of the start, to which all contributors are bound.
  func isExpected(_ modelHash: Digest, version: UInt32) -> Bool {
    guard version > 0 else {
      return modelHash == SHA256.hash(ModelBytes.encode(algorithm.initialModel(seed: planFile.plan.modelSeed)))
    }
    guard let newest = newestRelease, newest.version >= version else { return true }
    return newest.version == version && newest.modelHash == modelHash
  }

  /// Writes what became of an attempt that this partner charged; without it the charge stands all the same.
  private mutating func record(_ result: LedgerOutcome.Result, of context: AttemptContext, time: Int) {
    let release = Int(context.round)
    guard let standing = ledger.state.charge(context.ledgerAttempt, release: release), standing.charge.plan == planHash,
      standing.charge.binding == context.binding
    else { return }
    do {
      try ledger.record(
        LedgerOutcome(attempt: context.ledgerAttempt, release: release, result: result, survivors: nil, time: time))
    } catch {
      refusals[standing.outcome == nil ? .ledgerUnavailable : .unexpectedMessage, default: 0] += 1
    }
  }

  // MARK: - What the journal keeps

  /// Whether the coordinator's ledger goes on from the one that this partner knows.
  func goesOn(with head: LedgerHead) -> Bool {
    guard let known = coordinatorLedger else { return true }
    return head.goesOn(from: known)
  }

  /// Which records of the coordinator's ledger this partner has to see before it takes a start: those after the newest start that it took.
  ///
  /// The host fetches them and hands them over with the start. What they prove is for `receive` to judge.
  /// - Returns: `nil` when nothing is missing, or nothing could help: a first start, a ledger as long or shorter, another session.
  public func missingRecords(for start: RoundStart) -> ClosedRange<UInt64>? {
    guard start.session == session, let known = anchor, start.ledgerSize > known.size else { return nil }
    return known.size + 1...start.ledgerSize
  }

  /// The newest head of the coordinator whose hash this partner has to hold it to.
  private var anchor: LedgerHead? {
    shownLedger ?? coordinatorLedger.flatMap { $0.head == .zero ? nil : $0 }
  }

  /// Whether the coordinator has shown the records from the head that this partner knows to this one, and on the way the head
  /// that it signed with a release.
  func isReached(_ head: LedgerHead, by continuation: LedgerContinuation?) -> Bool {
    // No record hashes to zero: whoever shows it could show anything next time.
    guard head.head != .zero else { return false }
    guard let anchor, head != anchor else { return true }
    let heads = continuation?.heads(after: anchor) ?? []
    guard heads.last == head else { return false }
    guard let least = coordinatorLedger, least.head != .zero else { return true }
    return least == anchor || heads.contains(least)
  }

  /// - Returns: whether it is on disk that the next records are chained to `head`.
  mutating func show(_ head: LedgerHead) -> Bool {
    guard head != shownLedger else { return true }
    do { try journal.record(shownHead: head, session: session) } catch { return false }
    shownLedger = head
    return true
  }

  /// - Returns: whether it is on disk that this partner goes on with `head` and nothing shorter.
  mutating func expect(_ head: LedgerHead) -> Bool {
    guard head != coordinatorLedger else { return true }
    do { try journal.record(coordinatorHead: head, session: session) } catch { return false }
    coordinatorLedger = head
    return true
  }

  /// - Returns: whether the mark is on disk; nothing leaves before.
  mutating func advance(to mark: AttemptMark) -> Bool {
    guard mark != highWaterMark else { return true }
    do { try journal.advance(to: mark, session: session) } catch { return false }
    highWaterMark = mark
    return true
  }

  mutating func advance(to stage: AggregationStage?) -> Bool {
    guard let stage, let attempt else { return true }
    return advance(to: AttemptMark(round: attempt.start.round, attempt: attempt.start.attempt, stage: stage.rawValue))
  }

  /// Compares the ledgers that peers advertise with the longest that they showed before, and keeps the longer ones.
  ///
  /// - Returns: what to do instead of dealing shares, or `nil`.
  mutating func remember(_ advertisements: [KeyAdvertisement]) -> [PartnerAction]? {
    var longer: [ParticipantID: LedgerHead] = [:]
    var suspects: [ParticipantID] = []
    for advertisement in advertisements where advertisement.participant != participant {
      let (peer, head) = (advertisement.participant, advertisement.ledger)
      // No record hashes to zero, which stands for "not known yet": whoever shows it could show anything next time.
      guard head.head != .zero, peerLedgers[peer].map(head.goesOn) ?? true else {
        suspects.append(peer)
        continue
      }
      if head != peerLedgers[peer] { longer[peer] = head }
    }
    guard suspects.isEmpty else {
      guard let context = attempt?.context else { return [] }
      let abort = Abort(context: context, reason: .refusedByClient, suspects: suspects)
      return [.send(.aggregation(.abort(abort)))] + refuse(.peerLedgerRolledBack)
    }
    return keep(longer)
  }

  /// Whoever signed the survivor set has sent a masked input, and charged its ledger before: one that does not show the charge at
  /// its next advertisement was set back to before it.
  ///
  /// - Returns: what to do instead of unmasking, or `nil`.
  mutating func witness(_ signatures: ConsistencySignatures) -> [PartnerAction]? {
    var longer: [ParticipantID: LedgerHead] = [:]
    for signer in signatures.entries.map(\.participant) where signer != participant {
      // What it advertised in this attempt: nothing else is kept of a peer between the two messages.
      longer[signer] = peerLedgers[signer]?.afterCharge
    }
    if let refusal = keep(longer) { return refusal }
    // The session has verified each of them.
    guard let start = attempt?.start, let statement = aggregation?.survivorStatement else { return nil }
    let witness = LedgerWitness(start, statement: statement, signatures: signatures.entries)
    do { try journal.record(witness: witness, session: session) } catch { return refuse(.journalUnavailable) }
    return nil
  }

  private mutating func keep(_ longer: [ParticipantID: LedgerHead]) -> [PartnerAction]? {
    guard !longer.isEmpty else { return nil }
    do { try journal.record(peerHeads: longer, session: session) } catch { return refuse(.journalUnavailable) }
    peerLedgers.merge(longer) { $1 }
    return nil
  }
}
