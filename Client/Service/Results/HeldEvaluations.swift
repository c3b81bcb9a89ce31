internal import CryptoPrimitives
internal import FederatedLearning
internal import SecureAggregation

/// What this home holds of a plan's evaluation releases, checked again: the database is a file that somebody may have changed.
struct HeldEvaluations {
  let plan: TrainingPlan
  let hash: Digest
  let store: PartnerStore

  init(_ plan: TrainingPlan, hash: Digest, store: PartnerStore) {
    self.plan = plan
    self.hash = hash
    self.store = store
  }

  /// By round.
  ///
  /// - Throws: `PartnerError` for integers that are not those of a release that the plan's coordinator signed.
  func read() throws -> [Int: NoisedEvaluation] {
    guard let key = VerificationKey(hex: plan.coordinatorKey) else { return [:] }
    var found: [Int: NoisedEvaluation] = [:]
    for document in try documents() {
      let statement = document.statement
      guard statement.planHash == hash, statement.session.hex == plan.session, statement.isSigned(by: key),
        let read = document.evaluation.read(under: statement, of: plan)
      else {
        throw PartnerError(
          .data,
          "what this home holds of evaluation release \(statement.round + 1) is not what the coordinator released: the database was changed; tacit-client verify says more"
        )
      }
      found[Int(statement.round)] = read
    }
    return found
  }

  /// Rounds whose evaluation is public for all that this home knows, and not here.
  func absent() throws -> [Int] {
    guard let session = SessionID(hex: plan.session) else { return [] }
    let held = Set(try documents().map(\.statement.round))
    return plan.publishedEvaluations(
      newest: try store.newestRelease(session: session), mark: try store.highWaterMark(session: session)
    ).filter { !held.contains($0) }.map { Int($0) }
  }

  private func documents() throws -> [EvaluationDocument] {
    guard let session = SessionID(hex: plan.session) else { return [] }
    do { return try store.evaluations(session: session) } catch let error as StoredBytesError {
      throw PartnerError(.data, "\(error)")
    }
  }
}
