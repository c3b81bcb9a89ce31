internal import FederatedLearning
internal import Foundation
internal import Logging
internal import Operations
internal import SecureAggregation
internal import Transport
internal import WireProtocol

/// What is due: deadlines, stages that may close early, the next attempt.
extension RoundRunner {
  /// Does what is due: deadlines, stages that may close early, the next attempt.
  func tick(now: Date) throws {
    if let progress = engine.stageProgress, let stage {
      let open = now.timeIntervalSince(stage.openedAt)
      let isOver = open >= parts.policy.seconds(of: progress.stage)
      let isEnough = parts.policy.mayClose(
        answered: progress.answered, awaited: progress.awaited, needed: progress.needed, openFor: open)
      guard isOver || isEnough else { return }
      let time = Int(now.timeIntervalSince1970)
      let attempt = openAttempt
      absent = awaitedPartners
      let actions = engine.deadlineExpired(generation: progress.generation, time: time)
      if let attempt {
        try parts.store.append(
          [JournalEvent(content: .deadline(generation: progress.generation), time: time)], ledgers: [], to: attempt, parts.lease)
      }
      try perform(actions, now: now)
    } else if engine.openAttempt == nil, engine.end == nil {
      guard try isTime(now: now) else { return announceState(now: now) }
      try begin(now: now)
    }
  }

  /// Whether schedule and presence allow to open an attempt; what keeps it from that is noted.
  func isTime(now: Date) throws -> Bool {
    let readiness = try RoundReadiness(
      plan, planHash: planHash, session: parts.plan.session, store: parts.store, present: outbox.present(at: now))
    let present = readiness.present
    parts.monitor.setPartners(ready: readiness.readyCount, present: present.count)
    if readiness.canGoOn, let until = try nextOpening(), now < until {
      wait(RunProgress(.scheduled, "the next attempt opens at \(until.formatted(.iso8601))", missing: readiness.missing), now)
      return false
    }
    guard readiness.canGoOn, present.count >= readiness.needed else {
      enoughSince = nil
      wait(readiness.progress, now)
      return false
    }
    let missing = readiness.awaited.subtracting(present)
    givenUp.formIntersection(missing)
    guard !missing.isSubset(of: givenUp) else { return true }
    let since = enoughSince ?? now
    enoughSince = since
    guard now.timeIntervalSince(since) >= parts.policy.gatherSeconds else {
      let others = readiness.partners.filter { missing.contains($0.participant) && !givenUp.contains($0.participant) }
      wait(
        RunProgress(
          .gathering, "\(present.count) are ready, \(readiness.needed) are needed; others are waited for",
          missing: others.map { .init(name: $0.name, why: $0.absence.map { "\($0)" }) },
          until: since.addingTimeInterval(parts.policy.gatherSeconds)), now)
      return false
    }
    givenUp = missing
    return true
  }

  /// The earliest time of the next attempt by the schedule; `nil` when it may be at once.
  func nextOpening() throws -> Date? {
    let checkpoint = engine.checkpoint
    var times = [parts.policy.notBefore].compactMap { $0 }
    if checkpoint.attempt > 0 {
      if let lastEnd { times.append(lastEnd.addingTimeInterval(parts.policy.retrySeconds)) }
    } else if checkpoint.round > 0, parts.policy.everySeconds > 0 {
      let before = try parts.store.opening(of: checkpoint.round - 1, session: parts.plan.session)
      if let before { times.append(before.addingTimeInterval(parts.policy.everySeconds)) }
    }
    return times.max()
  }

  func begin(now: Date) throws {
    let actions = engine.begin()
    guard let start = engine.openAttempt else { return try perform(actions, now: now) }
    let key = AttemptKey(start)
    try parts.store.open(key, start: WireCodec.encode(.roundStart(start)), now: now, parts.lease)
    parts.logger.notice("an attempt is opened", [.round: LogValue(key.round), .attempt: LogValue(key.attempt)])
    opened(key)
    try perform(actions, now: now)
  }

  func opened(_ key: AttemptKey) {
    phases = [:]
    enoughSince = nil
    waiting = nil
    absent = []
    outbox.open(key)
    outbox.announce { $0.state = .running }
  }
}
