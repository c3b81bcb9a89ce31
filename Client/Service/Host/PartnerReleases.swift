internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Recommender
internal import Transport
internal import WireProtocol

/// Released models and the end of a plan.
extension PartnerHost {
  /// Keeps how the coordinator's plan ended, accepted or not, so that nobody here is asked to join it.
  func noteEnd(_ answer: PollAnswer) throws {
    guard case .finished(let reason) = answer.state, let hash = answer.planHash, hash != active?.hash else { return }
    try store.noteEnd(of: hash, reason)
  }

  /// A coordinator that was restored from an old copy is found by its newest release; said once, whatever comes of it.
  func compareReleases(_ answer: PollAnswer, _ task: ActiveTask) throws {
    guard let known = try store.newestRelease(session: task.session), let shown = answer.newestRelease, shown < known.version
    else { return }
    let words =
      "the coordinator was restored from an old copy: its release \(shown) is older than release \(known.version), which this home has seen; nothing older is taken, ask its people"
    guard isNews(words) else { return }
    count("the coordinator's releases went back")
    logger.error(
      "the coordinator offers an older release than one seen here",
      metadata: ["plan": "\(task.hash.hex.prefix(16))", "reason": "\(words)"])
  }

  func finish(_ task: ActiveTask, _ reason: String, newest: UInt32?) async throws -> PartnerEnding? {
    try await fetchNewestModel(task, version: newest)
    try await fetchEvaluations(task)
    if try store.noteEnd(of: task.hash, reason) {
      logger.notice("the plan is over", metadata: ["plan": "\(task.hash.hex.prefix(16))", "reason": "\(reason)"])
    }
    if options.once {
      let newest = try store.newestRelease(session: task.session)
      return .finished(reason: reason, isComplete: newest.map { Int($0.round) + 1 == task.plan.releases.count } ?? false)
    }
    try await pause()
    return nil
  }

  /// Brings the newest released model home, when it is the one that the coordinator signed and no older than one seen before.
  func fetchNewestModel(_ task: ActiveTask, version: UInt32?) async throws {
    guard let version else { return }
    let known = try store.newestRelease(session: task.session)
    // Older than what this home has: `compareReleases` has said so.
    if let known, version < known.version { return }
    if let known, known.version == version, Int(known.round) + 1 == task.plan.releases.count,
      try store.newestModel(session: task.session)?.release == known
    {
      return
    }
    let document = try await line.connection.download("release/\(version)", limit: UInt64(WireCodec.messageBytesMax))
    func refuse(_ why: String) {
      count("a release was refused: \(why)")
      guard isNews("release \(version) of \(task.hash): \(why)") else { return }
      logger.error("a released model is refused", metadata: ["version": "\(version)", "reason": "\(why)"])
    }
    guard let (statement, model) = ReleaseDocument.decode(document), let release = try? ModelRelease(decoding: statement),
      release.version == version, SHA256.hash(model) == release.modelHash
    else { return refuse("the document does not hold the model that it names") }
    if let refusal = task.engine.learn(release) { return refuse("\(refusal)") }
    guard let decoded = try? ModelBytes.decode(model), decoded.version == Int(version), task.algorithm.fault(in: decoded) == nil
    else { return refuse("\(PartnerRefusal.malformedModel)") }
    try store.record(model: model, of: release)
  }

  /// Brings home what evaluations said in rounds whose end this partner did not hear; each process asks once for each.
  func fetchEvaluations(_ task: ActiveTask) async throws {
    for round in task.engine.missingEvaluations where !task.soughtEvaluations.contains(round) {
      var bytes: [UInt8] = []
      do {
        bytes = try await line.connection.download("evaluation/\(round)", limit: UInt64(EvaluationDocument.bytesMax))
      } catch TransportFailure.refused(.unknownDocument) {
        count("the coordinator does not show an evaluation")
        task.soughtEvaluations.insert(round)
        continue
      }
      task.soughtEvaluations.insert(round)
      var refusal: PartnerRefusal? = .wrongEvaluation
      if let document = try? EvaluationDocument(decoding: bytes), document.statement.round == round {
        refusal = task.engine.learn(document, continuation: try await records(task.engine.missingRecords(for: document)))
      }
      guard let refusal else { continue }
      count("an evaluation was refused: \(refusal)")
      logger.error(
        "what an evaluation is said to have released is refused", metadata: ["round": "\(round)", "reason": "\(refusal)"])
    }
  }

  /// A start carries the model of the release before it: kept, so that recommendations are always of the newest one.
  func keepModel(of start: RoundStart, _ task: ActiveTask) throws {
    guard let newest = try store.newestRelease(session: task.session), newest.modelHash == SHA256.hash(start.model),
      try store.newestModel(session: task.session)?.release != newest
    else { return }
    do { try store.record(model: start.model, of: newest) } catch {
      logger.error("a model could not be kept", metadata: ["reason": "\(error)"])
    }
  }
}
