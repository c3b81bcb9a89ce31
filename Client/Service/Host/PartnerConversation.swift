internal import CryptoPrimitives
internal import FederatedLearning
internal import Foundation
internal import Logging
internal import PeerIdentity
internal import SecureAggregation
internal import Transport

/// One connection's life: the greeting, statements, certificates, and what a poll brings.
extension PartnerHost {
  /// A coordinator answers at once when there is a message, but need not when a plan merely ended: whoever waits for that
  /// asks often.
  var wait: Duration { options.once ? min(options.pollWait, .seconds(2)) : options.pollWait }

  func converse(succeeded: () -> Void) async throws -> PartnerEnding {
    try await greet()
    if let active { try await sendPending(active) }
    while true {
      try await tell()
      if hasTakenLeave { return .left }
      try await renewIfDue()
      if isStopping { return .stopped }
      let answer = try await poll()
      succeeded()
      if let ending = try await handle(answer) { return ending }
      if isStopping { return .stopped }
    }
  }

  func poll() async throws -> PollAnswer {
    isPolling = true
    defer { isPolling = false }
    return try await line.connection.poll(
      PollQuery(session: active?.session.bytes ?? [], after: active?.cursor, wait: active == nil ? .zero : wait))
  }

  /// Sends what the person decided, unless that is under way.
  func tell() async throws {
    guard !isTelling else { return }
    isTelling = true
    defer { isTelling = false }
    for sentence in try await Greeting.sendStatements(line.connection, store, key: keys.identity) {
      count("a statement was refused")
      logger.error("the coordinator does not take a statement", metadata: ["reason": "\(sentence)"])
    }
  }

  /// While a poll waits: statements leave within a second or two. What cannot be told now is told by the conversation itself.
  func tellMeanwhile() async {
    while (try? await Task.sleep(for: min(options.idlePause, .seconds(1)))) != nil {
      guard isPolling, (try? store.unsentStatements().isEmpty) == false else { continue }
      do { try await tell() } catch {
        logger.debug("a statement could not be sent beside the poll", metadata: ["reason": "\(error)"])
      }
      // Nothing is waited for any more.
      if hasTakenLeave { await stop() }
    }
  }

  /// Whether this partner has left, and there is nothing to tell the coordinator any more: it has heard so, or does not take it.
  var hasTakenLeave: Bool { (try? store.hasLeft && store.unsentStatements().isEmpty) ?? false }

  func greet() async throws {
    // What is on its way beside the poll arrives first: were it taken after the hello, a coordinator that was restored from a backup
    // would take nothing any more of what it lost before it.
    while isTelling, !Task.isCancelled { try? await Task.sleep(for: .milliseconds(5)) }
    let answer = try await Greeting.exchange(
      line.connection, home: home, store: store, enrolment: enrolment,
      open: active.map { [$0.ledgerName: $0.ledger.state] } ?? [:])
    skew = TimeInterval(answer.clock) / 1000 - clock().timeIntervalSince1970
    if abs(skew) > 300 {
      logger.warning("the clocks of this machine and of the coordinator differ", metadata: ["seconds": "\(Int(skew))"])
    }
    try store.note(isRevoked: false)
    logger.info("connected", metadata: ["task": "\(enrolment.task)", "participant": "\(enrolment.participant)"])
  }

  func renewIfDue() async throws {
    let now = clock()
    let certificate = try home.readCertificate()
    // By this machine's clock or the coordinator's, whichever says so first: too early costs a call, too late the connection.
    guard max(now, now.addingTimeInterval(skew)) >= certificate.renewAt else { return }
    if let lastRenewal, ContinuousClock.now - lastRenewal < .seconds(600) { return }
    lastRenewal = .now
    let request = try CertificateRequest.create(key: keys.transport, name: try PartnerName(enrolment.name))
    guard let answer = try await renewal(of: request) else { return }
    let renewed = try IssuedCertificate(pem: answer.certificatePEM)
    let named = try home.readAuthority(of: enrolment).partner(of: renewed).participant
    guard keys.transport.matches(renewed), named == enrolment.participant, renewed.notAfter > certificate.notAfter
    else { throw PartnerError(.untrusted, "the coordinator renewed the certificate with one that is not for this partner's key") }
    try HomeFile.write(Array(renewed.pem.utf8), to: home.certificate)
    try line.reload(renewed.pem)
    line.connection.reconnect()
    logger.info("the certificate was renewed", metadata: ["until": "\(renewed.notAfter)"])
  }

  /// - Returns: `nil` when the coordinator cannot renew just now.
  func renewal(of request: CertificateRequest) async throws -> RenewedCertificate? {
    do {
      return try await line.connection.renewCertificate(request.der)
    } catch {
      guard error.isTemporary else { throw error }
      logger.warning("the certificate could not be renewed; trying again later", metadata: ["error": "\(error)"])
      return nil
    }
  }

  // MARK: - Answers of a poll

  func handle(_ answer: PollAnswer) async throws -> PartnerEnding? {
    try await meetPlan(answer)
    try noteEnd(answer)
    guard let task = active else {
      // One that this partner never joined, or of a key that signs no more, or whose data are gone: nothing is left to do for it.
      if options.once, case .finished(let reason) = answer.state { return .finished(reason: reason, isComplete: false) }
      try await pause()
      return nil
    }
    guard answer.session == task.session.bytes else {
      // The plan that was accepted is not the one that runs.
      try await pause()
      return nil
    }
    if let planHash = answer.planHash, planHash != task.hash {
      count("the coordinator names another plan under this session")
      logger.error(
        "the coordinator names another plan than the one accepted; its messages are not answered",
        metadata: [
          "plan": "\(task.hash.hex.prefix(16))", "found": "\(planHash.hex.prefix(16))",
        ])
      try await pause()
      return nil
    }
    var isMissing = false
    for envelope in answer.envelopes {
      if try await !take(envelope, task) { isMissing = true }
      if isStopping { return .stopped }
    }
    if isMissing { try await pause() }
    try compareReleases(answer, task)
    try await fetchEvaluations(task)
    switch answer.state {
    case .running, .waiting: return nil
    case .idle, .draining:
      try await pause()
      return nil
    case .finished(let reason):
      // Its messages come first: the last of them says what was released.
      guard answer.envelopes.isEmpty else { return nil }
      return try await finish(task, reason, newest: answer.newestRelease)
    }
  }

  /// Makes the coordinator's plan this host's task, when a person has accepted it; fetches it for a person otherwise.
  func meetPlan(_ answer: PollAnswer) async throws {
    guard let planHash = answer.planHash else { return }
    if let active, active.session.bytes == answer.session { return }
    let known = try store.plan(planHash)
    if try isHistory(known, answer) { return }
    guard known != nil else {
      try await Documents.fetch(from: line.connection, into: store, enrolment: enrolment, time: now)
      return try announce(planHash)
    }
    try store.noteCurrent(planHash)
    // One that was over may go on now.
    guard let stored = try store.plan(planHash), stored.isAccepted else { return try announce(planHash) }
    // A plan that is over needs no data any more, and they may be gone.
    if stored.end != nil, try stored.dataSet.flatMap({ try store.dataSet($0) })?.isRemoved ?? false { return }
    active = nil
    let task = try ActiveTask(
      stored, home: home, store: store, enrolment: enrolment, keys: keys, workers: options.workers, time: now)
    active = task
    if let recovery = task.recovery {
      logger.warning("the end of the ledger was mended", metadata: ["reason": "\(recovery)"])
    }
    logger.info(
      "taking part",
      metadata: [
        "plan": "\(planHash.hex.prefix(16))", "task": "\(task.plan.task)", "releases": "\(task.plan.releases.count)",
      ])
  }

  /// Whether a poll only tells of a plan that nothing is left to do for: one that is over and that this home has never met, or of a
  /// key that signs no more. After a rotation of the signing key a coordinator names the last plan of the earlier key until there is
  /// a new one: of no use to anybody here, and no lie either.
  private func isHistory(_ stored: StoredPlan?, _ answer: PollAnswer) throws -> Bool {
    let isOver =
      switch answer.state {
      case .finished: true
      // It says nothing of the plan; what is open is named again by the next process.
      case .draining: true
      case .idle, .waiting, .running: false
      }
    guard let stored else { return isOver }
    return (isOver || stored.end != nil) && Documents.isOfEarlierKey(stored.bytes, stored.signature, enrolment)
  }

  func announce(_ hash: Digest) throws {
    guard announced.insert(hash).inserted else { return }
    logger.notice(
      "a plan waits for a person: look at it with `tacit-client review`, join with `tacit-client accept`",
      metadata: [
        "plan": "\(hash.hex.prefix(16))"
      ])
  }
}
