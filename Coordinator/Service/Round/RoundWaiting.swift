internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations
internal import SecureAggregation
internal import Transport

/// What an operator is told while nothing happens.
extension RoundRunner {
  /// A wait as it was last said.
  struct Wait {
    let progress: RunProgress
    var since: Date
    var saidAt: Date?
  }

  /// Notes what is waited for, and says it in the log: after ten seconds, then once a minute; a schedule once.
  func wait(_ progress: RunProgress, _ now: Date) {
    guard let waiting, waiting.progress == progress else {
      self.waiting = Wait(progress: progress, since: now)
      return
    }
    if let saidAt = waiting.saidAt {
      guard progress.kind != .scheduled, now.timeIntervalSince(saidAt) >= 60 else { return }
    } else {
      guard now.timeIntervalSince(waiting.since) >= 10 else { return }
    }
    self.waiting?.saidAt = now
    parts.logger.notice("the next attempt waits for partners", [.reason: .text(progress.sentence)])
  }

  /// What the run does now, for people.
  var progress: RunProgress {
    if let end = engine.end { return RunProgress(.over, "over: \(endReason ?? "\(end)"); make a new plan to go on") }
    guard let attempt = openAttempt else {
      return waiting?.progress ?? RunProgress(.waiting, "the next attempt is about to open")
    }
    let place = "release \(attempt.round + 1), attempt \(attempt.attempt + 1)"
    guard let progress = engine.stageProgress, let stage else {
      return RunProgress(.open, "open: \(place), the sum is being opened")
    }
    return RunProgress(
      .open,
      "open: \(place), stage '\(progress.stage)': \(progress.answered) of \(progress.answered + progress.awaited) have answered, \(progress.needed) are needed",
      missing: awaitedPartners.map { .init(name: $0, why: nil) },
      until: stage.openedAt.addingTimeInterval(parts.policy.seconds(of: progress.stage)))
  }

  /// Names of those who were asked in the open stage and have not answered.
  var awaitedPartners: [String] {
    guard let stage = engine.openStage else { return [] }
    func senders(_ kind: UInt32) -> Set<UInt32> {
      Set(phases.filter { $0.key.kind == kind && $0.value.phase == .accepted }.map(\.key.participant))
    }
    let kinds: [AggregationStage: UInt32] = [
      .advertiseKeys: MessageKind.keyAdvertisement, .shareKeys: MessageKind.keyShares, .maskedInput: MessageKind.maskedInput,
      .consistencyCheck: MessageKind.consistencySignature, .unmask: MessageKind.unmaskResponse,
    ]
    var asked = Set(plan.roster.map(\.participant))
    // Whoever did not answer a stage is not asked in the next.
    if plan.aggregation.isSecure, let before = AggregationStage(rawValue: stage.rawValue - 1), let kind = kinds[before] {
      asked = senders(kind)
    }
    asked.subtract(senders(plan.aggregation.isSecure ? kinds[stage] ?? 0 : MessageKind.plainSum))
    asked.subtract(senders(MessageKind.refusal))
    asked.subtract(senders(MessageKind.abort))
    return plan.roster.filter { asked.contains($0.participant) }.map(\.name)
  }

  func name(of participant: UInt32) -> String {
    plan.roster.first { $0.participant == participant }?.name ?? "\(participant)"
  }
}
