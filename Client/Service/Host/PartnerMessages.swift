internal import FederatedLearning
internal import Foundation
internal import Logging
internal import SecureAggregation
internal import Transport
internal import WireProtocol

/// Messages in, in order, and what the engine answers, out.
extension PartnerHost {
  /// Handles one message, in order.
  ///
  /// - Returns: `false` when the message cannot be handled yet: something is missing before it.
  func take(_ envelope: MessageEnvelope, _ task: ActiveTask) async throws -> Bool {
    let (cursor, known) = (envelope.cursor, task.cursor)
    guard cursor > known else {
      count("a message that was handled before")
      return true
    }
    let bytes = try await line.connection.message(envelope, limit: UInt64(WireCodec.messageBytesMax))
    let message: CoordinatorMessage
    do { message = try WireCodec.decodeCoordinatorMessage(bytes) } catch {
      count("a malformed message")
      logger.error("a message of the coordinator cannot be read", metadata: ["reason": "\(error)"])
      task.cursor = cursor
      return true
    }
    let isSameAttempt = (cursor.round, cursor.attempt) == (known.round, known.attempt)
    if cursor.ordinal != (isSameAttempt ? known.ordinal + 1 : 1) {
      // Of an attempt that is over only its end is still there; it needs nothing of what came before it.
      guard case .roundEnd = message else {
        count("a message out of order")
        return false
      }
    }
    task.cursor = cursor
    task.engine.isPaused = try store.isPaused
    // A person may have changed it since the last attempt.
    task.engine.setCap(try store.dataSet(task.dataSet)?.cap)
    let actions = task.engine.receive(message, random: &random, time: now)
    note(message, task)
    if case .roundStart(let start) = message { try keepModel(of: start, task) }
    try await perform(actions, task)
    rememberLedger(task)
    return true
  }

  // MARK: - Actions of the engine

  func perform(_ actions: [PartnerAction], _ task: ActiveTask) async throws {
    for action in actions {
      switch action {
      case .train:
        let next = task.engine.train(time: now)
        rememberLedger(task)
        try await perform(next, task)
      case .send(let message): try await send(message, task)
      }
    }
  }

  func send(_ message: PartnerMessage, _ task: ActiveTask) async throws {
    var place = (session: task.session, round: task.cursor.round, attempt: task.cursor.attempt)
    if case .refusal(let refusal) = message {
      place = (refusal.session, refusal.round, refusal.attempt)
      count("refused: \(refusal.reason)")
      logger.warning(
        "an attempt is refused",
        metadata: [
          "round": "\(refusal.round)", "attempt": "\(refusal.attempt)", "reason": "\(refusal.reason)",
        ])
      note(words(for: refusal.reason, task), task, round: refusal.round, attempt: refusal.attempt)
    }
    let key = UploadKey(session: place.session.bytes, round: place.round, attempt: place.attempt, kind: message.kind)
    let payload = BytesPayload(WireCodec.encode(message))
    var backoff = Backoff(first: options.firstPause, longest: options.longestPause)
    while true {
      do {
        switch try await line.connection.upload(key, payload: payload) {
        case .accepted: break
        case .receiving: break
        case .refused(let reason):
          count("an upload was refused: \(reason)")
          logger.warning("the coordinator did not take a message", metadata: ["kind": "\(key.kind)", "reason": "\(reason)"])
        case .superseded: count("an upload came too late")
        }
        return
      } catch let failure {
        switch failure {
        case .refused(.stageClosed(let reason)):
          count("an upload came too late")
          logger.warning("a message came too late", metadata: ["kind": "\(key.kind)", "reason": "\(reason)"])
          return
        case .refused(.conflict), .refused(.malformed), .refused(.tooLarge):
          count("an upload was refused: \(failure)")
          logger.error("the coordinator does not take a message", metadata: ["kind": "\(key.kind)", "error": "\(failure)"])
          return
        default: break
        }
        guard failure.isTemporary, !isStopping else { throw failure }
        try? await Task.sleep(for: FatalFailure.pause(for: failure) ?? backoff.next(using: &generator))
        if Task.isCancelled { throw TransportFailure.cancelled }
      }
    }
  }
}
