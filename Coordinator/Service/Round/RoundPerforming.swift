internal import CryptoPrimitives
internal import DifferentialPrivacy
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations
internal import SecureAggregation
internal import Transport
internal import WireProtocol

/// What the engine wants done, in its order: keep, send, tell.
extension RoundRunner {
  /// What the engine wants done, when everything before it is on disk.
  func perform(_ actions: [CoordinatorAction], now: Date) throws {
    var actions = actions
    if actions.contains(.release) {
      parts.monitor.stageEnded(after: stage.map { now.timeIntervalSince($0.openedAt) }, stage?.stage)
      stage = nil
      actions.removeAll { $0 == .release }
      actions += engine.release(random: &random, time: Int(now.timeIntervalSince1970))
    }
    let messages = encode(actions)
    try keepEnd(actions, messages, now: now)
    outbox.send(messages)
    for action in actions {
      switch action {
      case .armDeadline(let generation, let opened):
        if let stage { parts.monitor.stageEnded(after: now.timeIntervalSince(stage.openedAt), stage.stage) }
        stage = (generation, opened, now)
        parts.logger.info("a stage is open", [.stage: LogValue(opened), .generation: LogValue(generation)])
      case .attemptAborted(let round, let attempt, let reason):
        parts.monitor.count(abort: "\(reason)")
        parts.logger.warning(
          "an attempt came to nothing",
          [
            .round: LogValue(round), .attempt: LogValue(attempt), .reason: LogValue(reason),
            .awaited: .text(absent.isEmpty ? "-" : absent.joined(separator: ", ")),
          ])
        for accusation in engine.accusations {
          parts.logger.warning(
            "a partner accuses others; this is no proof",
            [.participant: LogValue(accusation.accuser.rawValue), .partner: .text("\(accusation.accused)")])
        }
      case .published(let release):
        parts.monitor.countRelease()
        parts.logger.notice(
          "a release is out",
          [
            .round: LogValue(release.round), .attempt: LogValue(release.attempt),
            .version: LogValue(release.modelRelease.version),
          ])
      case .finished(let reason): parts.logger.notice("the run is over", [.reason: LogValue(reason)])
      case .send, .release, .readyForNext: break
      }
    }
    if engine.openAttempt == nil {
      outbox.close()
      showBudget()
      stage = nil
      lastEnd = now
      phases = [:]
      announceState(now: now)
    }
  }

  func showBudget() {
    parts.monitor.setBudget(
      spent: plan.cap.map { parts.ledger.state.recorded.epsilon(delta: $0.delta) }, cap: plan.cap?.epsilon)
  }

  func announceState(now: Date) {
    let state: TaskState
    if let end = engine.end {
      state = .finished(reason: endReason ?? "\(end)")
    } else if engine.openAttempt != nil {
      state = .running
    } else {
      let until = (try? nextOpening()) ?? nil
      state = .waiting(until: until.flatMap { $0 > now ? Int64($0.timeIntervalSince1970) : nil })
    }
    if outbox.announcement.state != state { outbox.announce { $0.state = state } }
  }

  func encode(_ actions: [CoordinatorAction]) -> [(participant: UInt32, message: Outbox.Message)] {
    actions.compactMap { action in
      guard case .send(let message, let participant) = action else { return nil }
      if let last = lastEncoded, last.message == message { return (participant.rawValue, last.encoded) }
      let encoded = Self.message(WireCodec.encode(message))
      lastEncoded = (message, encoded)
      return (participant.rawValue, encoded)
    }
  }

  static func message(_ bytes: [UInt8]) -> Outbox.Message { Outbox.Message(bytes: bytes, digest: SHA256.hash(bytes)) }
}
