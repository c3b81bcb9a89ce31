public import CryptoPrimitives
internal import DifferentialPrivacy
internal import Recommender
internal import SecureAggregation

extension CoordinatorEngine {
  /// Opens the sum, draws the noise and folds the result into the model; the answer to `.release`.
  ///
  /// Order: the noised sum is in the release journal, then its outcome in the ledger, then the model changes. A result that
  /// stands in the journal is used as it is: the sum is not opened again, and no noise is drawn.
  ///
  /// - Parameter random: the operating system's generator, or a stream keyed by it.
  public mutating func release(random: inout some RandomSource, time: Int) -> [CoordinatorAction] {
    guard let attempt = current, attempt.isClosed else { return [] }
    precondition(attempt.isCharged, "a sum is opened after its charge is on disk")
    let release = plan.releases[round]
    let ledgerAttempt = attempt.context.ledgerAttempt
    let noised: (values: [Int64], survivors: [ParticipantID])
    let digest: Digest
    // Read before the sum is opened, which ends the session, and from the same messages by every process that replays them.
    let witness = aggregator?.survivorEvidence.map {
      LedgerWitness(attempt.start, statement: $0.statement, signatures: $0.signatures)
    }
    do {
      if let values = try releaseJournal?.noisedSum(of: ledgerAttempt) {
        guard values.count == release.dimension, let survivors = plainAggregation?.survivors ?? aggregator?.survivors else {
          throw LedgerError(
            "the release journal holds \(values.count) entries for \(ledgerAttempt), expected \(release.dimension)")
        }
        noised = (values, survivors)
      } else {
        switch open(release, random: &random) {
        case .failure(let abort): return self.abort(abort.reason, time: time)
        case .success(let result):
          try releaseJournal?.record(noisedSum: result.values, of: ledgerAttempt)
          noised = result
        }
      }
      digest = LedgerOutcome.digest(of: noised.values)
      try ledger.record(
        LedgerOutcome(
          attempt: ledgerAttempt, release: round, result: .released(digest),
          survivors: noised.survivors.count, time: time))
    } catch { return finish(.ledgerFailed("\(error)")) }
    return publish(
      noised.values, digest: digest, survivors: noised.survivors, witness: witness, attempt: attempt, release: release)
  }

  /// Folds the released integers into the model and tells everybody.
  private mutating func publish(
    _ values: [Int64], digest: Digest, survivors: [ParticipantID], witness: LedgerWitness?, attempt: Attempt,
    release: PlannedRelease
  ) -> [CoordinatorAction] {
    if release.purpose == .training {
      let unit = 1 / release.scale
      algorithm.advance(
        model: &model, optimizer: &optimizer, release: release.step, sum: values.map { Float(Double($0) * unit) },
        context: ReleaseContext(
          expectedUsers: release.samplingRate * Double(plan.privacy.nominalUsers),
          noiseDeviation: release.noiseDeviation))
      model.version = round + 1
    }
    let statement = sign(attempt.start)
    var evaluation: ReleasedEvaluation?
    if plan.publishes(evaluation: release) {
      evaluation = ReleasedEvaluation(values, under: statement, in: ledger.state)
      precondition(
        evaluation?.read(under: statement, of: plan) != nil, "a release is signed when its outcome is the ledger's last record")
    }
    let published = PublishedRelease(
      round: round, attempt: self.attempt, name: release.name, purpose: release.purpose, survivors: survivors,
      epsilonSpent: plan.cap.map { ledger.state.recorded.epsilon(delta: $0.delta) },
      evaluation: NoisedEvaluation(values, of: release, survivors: survivors.count), digest: digest,
      modelRelease: statement, witness: witness)
    current = nil
    aggregator = nil
    plainAggregation = nil
    round += 1
    self.attempt = 0
    let messages = endMessages(attempt.context, reason: nil, release: statement, evaluation: evaluation)
    return [.published(published)] + messages + (round < plan.releases.count ? [.readyForNext] : finish(.completed))
  }

  /// The statement about the model as it is now.
  private func sign(_ start: RoundStart) -> ModelRelease {
    let version = UInt32(model.version)
    let modelHash = SHA256.hash(ModelBytes.encode(model))
    let head = ledger.head.head
    let signature = signingKey.sign(
      ModelRelease.signedBytes(
        session: session, version: version, round: start.round, attempt: start.attempt, planHash: planHash,
        modelHash: modelHash, ledgerSize: head.size, ledgerHead: head.head))
    return ModelRelease(
      session: session, version: version, round: start.round, attempt: start.attempt, planHash: planHash,
      modelHash: modelHash, ledgerSize: head.size, ledgerHead: head.head, signature: signature)
  }

  private struct OpeningFailure: Error {
    let reason: AttemptAbort
  }

  /// Takes the masks off and puts the noise on, in one go: the sum between the two is nowhere else.
  private mutating func open(
    _ release: PlannedRelease, random: inout some RandomSource
  ) -> Result<(values: [Int64], survivors: [ParticipantID]), OpeningFailure> {
    let opened: (sum: RingVector, survivors: [ParticipantID])
    if let plain = plainAggregation.take() {
      opened = (plain.sum, plain.survivors)
    } else {
      guard var session = aggregator.take(), case .finish(let result) = session.closeStage(threads: workers) else {
        return .failure(OpeningFailure(reason: .aggregationFailed))
      }
      opened = (result.sum, result.survivors)
    }
    guard let values = privatize(opened.sum, survivors: opened.survivors.count, release: release, random: &random)
    else { return .failure(OpeningFailure(reason: .tooFewPartners)) }
    return .success((values, opened.survivors))
  }

  /// The integers that become public; `nil` when too few partners put noise into the sum.
  private func privatize(
    _ sum: RingVector, survivors: Int, release: PlannedRelease, random: inout some RandomSource
  ) -> [Int64]? {
    guard let noise = release.noise, let event = release.event(plan.privacy) else {
      precondition(plan.privacy.noise == .none, "a plan that claims privacy has noise in every release")
      return sum.centred()
    }
    let bits = release.modulusBits
    if noise.share == nil {
      return PrivatizedSum(adding: noise, to: sum.lanes, bits: bits, event: event, random: &random).values
    }
    return PrivatizedSum(
      noisedByPartners: sum.lanes, bits: bits, noise: noise, contributors: survivors, event: event)?.values
  }
}

extension RingVector {
  /// The entries as residues in `0..<2^b`.
  var lanes: [UInt64] { (0..<count).map { self[$0] } }
}
