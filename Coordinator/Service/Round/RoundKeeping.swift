internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Recommender
internal import SecureAggregation

/// What an end leaves behind, durable before anybody hears of it.
extension RoundRunner {
  /// Keeps the end of an attempt or of the run before anybody hears of it.
  func keepEnd(
    _ actions: [CoordinatorAction], _ messages: [(participant: UInt32, message: Outbox.Message)], now: Date
  ) throws {
    var outcome: String?
    var release: ReleaseRecord?
    var end: RunEnd?
    var key: AttemptKey?
    for action in actions {
      switch action {
      case .published(let published):
        outcome = "released"
        release = ReleaseRecord(
          statement: published.modelRelease, name: published.name, model: ModelBytes.encode(engine.model),
          evaluation: published.evaluation?.entries ?? [], epsilon: published.epsilonSpent, partners: published.survivors.count,
          witness: published.witness?.json.text)
        key = AttemptKey(
          session: parts.plan.session, round: UInt32(published.round), attempt: UInt32(published.attempt))
      case .attemptAborted(let round, let attempt, let reason):
        outcome = absent.isEmpty ? "\(reason)" : "\(reason); missing: \(absent.joined(separator: ", "))"
        key = AttemptKey(session: parts.plan.session, round: UInt32(round), attempt: UInt32(attempt))
      case .finished(let reason): end = reason
      case .send, .armDeadline, .release, .readyForNext: break
      }
    }
    if let end, end.isResumable { throw HostFailure.ledger("\(end)") }
    guard outcome != nil || end != nil else { return }
    var record = CoordinatorStore.AttemptEnd(
      outcome: outcome ?? "", checkpoint: engine.checkpoint, release: release, end: end.map { "\($0)" })
    if let key {
      let sends = actions.compactMap { action -> CoordinatorMessage? in
        if case .send(let message, _) = action { message } else { nil }
      }
      var counts: [UInt32: UInt32] = [:]
      for (index, sent) in messages.enumerated() {
        let ordinal = outbox.nextOrdinal(of: sent.participant) + counts[sent.participant, default: 0]
        counts[sent.participant, default: 0] += 1
        guard case .roundEnd = sends[index] else { continue }
        record.farewell = sent.message.bytes
        record.ordinals[sent.participant] = ordinal
      }
      try parts.store.close(key, of: parts.plan.session, record, now: now, parts.lease)
      if let farewell = record.farewell { outbox.setFarewell(key, Self.message(farewell), ordinals: record.ordinals) }
      parts.spool.sweep(key)
    } else {
      try parts.store.close(nil, of: parts.plan.session, record, now: now, parts.lease)
    }
    if let release { outbox.announce { $0.newestRelease = release.statement.version } }
  }
}
