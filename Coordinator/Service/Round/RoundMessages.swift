internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations
internal import SecureAggregation
internal import TaskDatabase
internal import Transport
internal import WireProtocol

/// What arrives: each message is judged, journalled, and only then followed.
extension RoundRunner {
  /// Gives messages to the engine, journals what it accepted in one transaction, and lets out what follows.
  ///
  /// - Returns: what became of each, in order.
  func take(_ batch: [ReceivedMessage], now: Date) throws -> [UploadPhase] {
    var results: [UploadPhase] = []
    var events: [JournalEvent] = []
    var ledgers: [(participant: UInt32, head: LedgerHead)] = []
    var refusals: [CoordinatorStore.RefusalChange] = []
    var actions: [CoordinatorAction] = []
    let attempt = openAttempt
    let time = Int(now.timeIntervalSince1970)
    for received in batch {
      let id = MessageID(participant: received.participant, kind: received.key.kind)
      guard isCurrent(received.key) else {
        results.append(.superseded)
        dropFile(of: received)
        continue
      }
      if let known = phases[id] {
        results.append(known.digest == received.digest ? known.phase : .refused(reason: Self.secondMessage))
        if known.digest != received.digest { dropFile(of: received) }
        continue
      }
      let phase: UploadPhase
      switch try decode(received) {
      case .failure(let reason): phase = .refused(reason: reason.sentence)
      case .success(let message):
        let stage = engine.openStage
        let shown = engine.advertisedLedger(of: ParticipantID(received.participant))
        let (verdict, following) = engine.receive(message, from: ParticipantID(received.participant), time: time)
        actions += following
        switch verdict {
        case .accepted:
          phase = .accepted
          events.append(JournalEvent(content: received.journalled, time: time))
          if case .aggregation(.keyAdvertisement(let keys)) = message { ledgers.append((received.participant, keys.ledger)) }
          // Its sender has charged before it left.
          if case .aggregation(.maskedInput) = message, let shown { ledgers.append((received.participant, shown.afterCharge)) }
          if let stage { parts.monitor.count(input: stage) }
          if received.key.kind == MessageKind.keyAdvertisement || received.key.kind == MessageKind.plainSum {
            refusals.append(.takesPart(participant: received.participant))
          }
          if case .refusal(let refusal) = message {
            refusals.append(.refused(participant: received.participant, refusal.reason))
            parts.monitor.count(partnerRefusal: refusal.reason)
            parts.logger.warning(
              "a partner refuses the attempt",
              [
                .participant: LogValue(received.participant), .partner: .text(name(of: received.participant)),
                .reason: LogValue(refusal.reason),
              ])
          }
        case .refused(let reason): phase = .refused(reason: reason)
        }
      }
      if case .refused(let reason) = phase {
        parts.monitor.count(refusal: reason)
        parts.logger.info(
          "a message is refused",
          [.participant: LogValue(received.participant), .code: LogValue(received.key.kind), .reason: .text(reason)])
        dropFile(of: received)
      }
      phases[id] = (received.digest, phase)
      results.append(phase)
    }
    if !events.isEmpty, let attempt {
      try parts.store.append(events, ledgers: ledgers, refusals: refusals, to: attempt, parts.lease)
    }
    try perform(actions, now: now)
    return results
  }

  private static let secondMessage = "another message of this kind came before"
  private static let otherKind = "a message of another kind than announced"
  private static let malformedMessage = "malformed message"
  /// Why a message is refused before the engine sees it.
  static let ownRefusals = [secondMessage, otherKind, malformedMessage]

  struct Unreadable: Error { let sentence: String }

  private func decode(_ received: ReceivedMessage) throws -> Result<PartnerMessage, Unreadable> {
    let bytes: [UInt8]
    switch received.content {
    case .bytes(let content): bytes = content
    case .file(let name): bytes = try parts.spool.read(name, digest: received.digest)
    }
    do throws(WireError) {
      let message = try WireCodec.decodePartnerMessage(bytes)
      guard MessageKind.of(message) == received.key.kind else {
        return .failure(Unreadable(sentence: Self.otherKind))
      }
      return .success(message)
    } catch { return .failure(Unreadable(sentence: Self.malformedMessage)) }
  }

  private func dropFile(of received: ReceivedMessage) {
    if case .file(let name) = received.content { parts.spool.remove(name) }
  }
}

extension ReceivedMessage {
  fileprivate var journalled: JournalEvent.Content {
    switch content {
    case .bytes(let bytes): .message(participant: participant, kind: key.kind, bytes: bytes)
    case .file(let name): .file(participant: participant, kind: key.kind, name: name, digest: digest)
    }
  }
}
