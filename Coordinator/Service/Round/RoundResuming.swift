internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations
internal import SecureAggregation
internal import Transport
internal import WireProtocol

/// After a crash: the journal is told again.
extension RoundRunner {
  /// Tells a new engine everything that the journal holds of the open attempt.
  func resume(_ key: AttemptKey, start: [UInt8], now: Date) throws {
    guard case .roundStart(let opening)? = try? WireCodec.decodeCoordinatorMessage(start) else {
      throw StoreError.corrupt("the opening of the attempt under way cannot be read")
    }
    var actions = engine.resume(opening)
    opened(key)
    let events = try parts.store.events(of: key)
    parts.spool.sweep(keeping: key)
    for event in events {
      // One after the other, as they were performed; nothing is journalled again.
      try performAgain(actions, now: now)
      switch event.content {
      case .deadline(let generation): actions = engine.deadlineExpired(generation: generation, time: event.time)
      case .message(let participant, let kind, let bytes):
        actions = try replay(bytes, kind, of: participant, time: event.time)
      case .file(let participant, let kind, let name, let digest):
        let bytes: [UInt8]
        do { bytes = try parts.spool.read(name, digest: digest) } catch {
          return try abandon(key, because: "\(error)", now: now)
        }
        actions = try replay(bytes, kind, of: participant, time: event.time)
      }
    }
    try perform(actions, now: now)
    parts.logger.notice(
      "the attempt under way is resumed",
      [.round: LogValue(key.round), .attempt: LogValue(key.attempt), .count: LogValue(events.count)])
  }

  func replay(_ bytes: [UInt8], _ kind: UInt32, of participant: UInt32, time: Int) throws -> [CoordinatorAction] {
    guard let message = try? WireCodec.decodePartnerMessage(bytes) else {
      throw StoreError.corrupt("a message of the journal cannot be read")
    }
    let (verdict, actions) = engine.receive(message, from: ParticipantID(participant), time: time)
    guard verdict == .accepted else { throw StoreError.corrupt("a message of the journal is not accepted again: \(verdict)") }
    phases[MessageID(participant: participant, kind: kind)] = (SHA256.hash(bytes), .accepted)
    return actions
  }

  /// Actions in the middle of a journal: what came after them proves that they were performed.
  func performAgain(_ actions: [CoordinatorAction], now: Date) throws {
    outbox.send(encode(actions))
    for case .armDeadline(let generation, let opened) in actions { stage = (generation, opened, now) }
  }

  /// Ends an attempt whose journal is not whole, so that the next one can begin: charged where inputs may have left, never
  /// gone on with.
  func abandon(_ key: AttemptKey, because sentence: String, now: Date) throws {
    let before = try parts.store.checkpoint(of: parts.plan.session)
    let actions = engine.stop(time: Int(now.timeIntervalSince1970))
    if let end = engine.end, end.isResumable { throw HostFailure.ledger("\(end)") }
    let messages = encode(actions)
    var checkpoint = before ?? .initial(plan, parts.algorithm)
    checkpoint.attempt = Int(key.attempt) + 1
    var record = CoordinatorStore.AttemptEnd(outcome: "not continued: \(sentence)", checkpoint: checkpoint)
    // All of them are the same `RoundEnd`.
    record.farewell = messages.last?.message.bytes
    for sent in messages { record.ordinals[sent.participant] = outbox.nextOrdinal(of: sent.participant) }
    try parts.store.close(key, of: parts.plan.session, record, now: now, parts.lease)
    parts.monitor.count(abort: RoundMonitor.brokenJournal)
    parts.logger.error(
      "the attempt under way cannot be resumed, and is over",
      [.round: LogValue(key.round), .attempt: LogValue(key.attempt), .reason: .text(sentence)])
    engine = try Self.engine(parts, try parts.plan.planFile(), checkpoint: checkpoint)
    outbox.send(messages)
    if let farewell = record.farewell { outbox.setFarewell(key, Self.message(farewell), ordinals: record.ordinals) }
    outbox.close()
    parts.spool.sweep(key)
    phases = [:]
    stage = nil
    lastEnd = now
  }
}
